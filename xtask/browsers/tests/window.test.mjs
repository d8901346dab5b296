// With a window, on a display of its own: the notification itself is there.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';

import { Display } from '../harness/display.mjs';
import { leftovers } from '../harness/settings.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('with a window', (stage, kind) => {
  let display;
  after(() => display?.close());

  stage.test('the notification is shown', async () => {
    display = await Display.start();
    const browser = await stage.another({ headless: false, env: { DISPLAY: display.name } });
    const { visit, receiver } = await stage.subscribed({ browser, query: '?show' });

    await receiver.send(JSON.stringify({ title: 'Goal!', body: '1:0 in the 89th minute', tag: 'score' }));

    assert.equal((await visit.seen.next()).json.title, 'Goal!');
    assert.deepEqual(await visit.call('shown'), { ok: [{ title: 'Goal!', body: '1:0 in the 89th minute', tag: 'score' }] });
    // For people: what they would have seen.
    await mkdir(leftovers, { recursive: true });
    await visit.page.screenshot();
    await writeFile(path.join(leftovers, `window-${kind}.png`), await display.picture());
    await browser.end();
  });
});
