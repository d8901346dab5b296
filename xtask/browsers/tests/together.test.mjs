// Several browsers on one service, and contexts of one profile.

import assert from 'node:assert/strict';

import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('together', (stage) => {
  stage.test('two profiles of each browser at once (AP-056, GCM-026, GCM-053)', async () => {
    const who = ['firefox', 'chromium', 'firefox', 'chromium'];
    const pairs = [];
    for (const [number, kind] of who.entries()) {
      const browser = await stage.another({ label: `${kind}-of-${number}` }, kind);
      pairs.push(await stage.subscribed({ browser }));
    }
    const service = await stage.service();
    assert.equal(new Set((await service.agents()).map(({ id }) => id)).size, who.length);

    await Promise.all(pairs.map(({ receiver }, number) => receiver.send(`for ${number}`)));

    for (const [number, { visit }] of pairs.entries()) {
      assert.equal((await visit.seen.next()).text, `for ${number}`);
    }
    await Promise.all(pairs.map(({ receiver }) => receiver.send('and again')));
    for (const { visit } of pairs) {
      assert.equal((await visit.seen.next()).text, 'and again');
      assert.equal(visit.seen.untaken, 0);
    }
  });
}, { kinds: ['chromium'] });
