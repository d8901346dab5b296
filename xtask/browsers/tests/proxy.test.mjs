// A browser with nothing but the service as its proxy, and trust in its certificate: it asks its vendor for push, and
// the service answers under the vendor's own names.

import assert from 'node:assert/strict';

import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('proxy', (stage, kind) => {
  /** What each browser is told instead of where its push service is. */
  async function proxied() {
    const { url, port } = await stage.service();
    if (kind === 'chromium') return { without: /^--gcm-/, switches: [`--proxy-server=${url}`] };
    const prefs = {
      'dom.push.serverURL': 'wss://push.services.mozilla.com/',
      'network.proxy.type': 1,
      'network.proxy.ssl': 'localhost',
      'network.proxy.ssl_port': Number(port),
    };
    return { prefs, trust: true };
  }

  stage.test('a message reaches a browser whose proxy is the service (AP-059, GCM-006, GCM-017)', async () => {
    const browser = await stage.another(await proxied());
    const { visit, receiver } = await stage.subscribed({ browser });

    await receiver.send('by way of the proxy');

    assert.equal((await visit.seen.next()).text, 'by way of the proxy');
    await receiver.wait('acknowledged');
    await browser.end();
  });
});
