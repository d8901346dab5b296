// The push connection over TLS, by each way in which a browser can trust the service, and by the vendors' own names.

import assert from 'node:assert/strict';

import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('TLS', (stage, kind) => {
  /** Subscribes and receives with a browser of its own. */
  async function roundTrip(options) {
    const browser = await stage.another(options);
    const { visit, receiver } = await stage.subscribed({ browser });

    await receiver.send('over TLS');

    assert.equal((await visit.seen.next()).text, 'over TLS');
    await receiver.wait('acknowledged');
    await browser.end();
  }

  if (kind === 'firefox') {
    const secure = async () => {
      const { port } = await stage.service();
      return { 'dom.push.serverURL': `wss://localhost:${port}/ua/firefox/default` };
    };

    stage.test('Firefox trusts the certificate in its profile (AP-059)', async () => {
      await roundTrip({ prefs: await secure(), trust: true });
    });

    stage.test('Firefox trusts every certificate when its driver says so (AP-059)', async () => {
      await roundTrip({ prefs: await secure(), driver: { acceptInsecureCerts: true } });
    });
  } else {
    stage.test('Chromium trusts the certificate in its store, for all three connections (GCM-006, GCM-017)', async () => {
      const { secureUrl } = await stage.service();
      await roundTrip({
        trust: true,
        without: /^--(gcm-|ignore-certificate-errors)/,
        switches: [
          `--gcm-checkin-url=${secureUrl}/ua/chromium/default/checkin`,
          `--gcm-registration-url=${secureUrl}/ua/chromium/default/register3`,
          `--gcm-mcs-endpoint=${secureUrl}`,
        ],
      });
    });

    stage.test('Chromium reaches the service by its vendor\'s names, without any address of ours (GCM-006, GCM-017)', async () => {
      const { port } = await stage.service();
      const here = ['android.clients.google.com:443', 'mtalk.google.com:5228', 'mtalk.google.com:443'];
      const rules = here.map((name) => `MAP ${name} 127.0.0.1:${port}`);
      await roundTrip({
        without: /^--gcm-/,
        switches: [`--host-resolver-rules=${rules.join(', ')}, EXCLUDE localhost`],
      });
    });
  }
});
