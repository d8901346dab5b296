// What ends a subscription besides the page: a permission taken back, a quota that is used up, a new address.

import assert from 'node:assert/strict';

import { Receiver, newKey, post } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('the end of a subscription', (stage, kind) => {
  stage.test('a permission taken back ends it (AP-055, GCM-016)', async () => {
    const browser = await stage.another({ permission: 'driver' });
    await browser.permit((await stage.site()).origin);
    const { receiver } = await stage.subscribed({ browser });
    const { id } = await receiver.about();

    await browser.forbid();
    // Chromium notices with the next message, Firefox at once.
    if (kind === 'chromium') await receiver.send('too late');

    const { subscription } = await receiver.service.event('subscription.gone', (event) => event.subscription.id === id);
    assert.equal(subscription.goneReason, kind === 'firefox' ? 'permission-revoked' : 'unsubscribed');
    await gone(receiver);
    await browser.end();
  });

  if (kind === 'firefox') {
    stage.test('a quota of silent messages that is used up ends it (AP-055)', async () => {
      const prefs = { 'dom.push.maxQuotaPerSubscription': 2, 'dom.push.quotaUpdateDelay': 0 };
      const browser = await stage.another({ prefs });
      const { visit, receiver } = await stage.subscribed({ browser });
      const { id } = await receiver.about();
      await visit.page.goto('about:blank');

      // Firefox counts when it comes to it: sometimes the third message is one too many, sometimes the fifth.
      for (const number of ['one', 'two', 'three', 'four']) {
        const isThere = await receiver.send(number).then(() => true, (error) => {
          if (!/answered (404|410)/.test(error.message)) throw error;
          return false;
        });
        if (!isThere) break;
      }

      const { subscription } = await receiver.service.event('subscription.gone', (event) => event.subscription.id === id);
      assert.equal(subscription.goneReason, 'quota');
      await gone(receiver);
      await browser.end();
    });

    stage.test('rotate gives the worker pushsubscriptionchange, and it subscribes again (AP-057)', async () => {
      const key = newKey();
      const { visit, receiver } = await stage.subscribed({ key, query: `?key=${key.publicKey}` });
      const { id } = await receiver.about();

      await receiver.service.call('POST', `/subscriptions/${id}/rotate`, {});

      const change = await visit.seen.next();
      assert.equal(change.type, 'change');
      assert.equal(change.before.endpoint, receiver.subscription.endpoint);
      assert.notEqual(change.after.endpoint, receiver.subscription.endpoint);
      await gone(receiver);
      await new Receiver(receiver.service, change.after, key).send('to the new address');
      assert.equal((await visit.seen.next()).text, 'to the new address');
    });
  } else {
    stage.test('rotate is refused: nothing makes Chromium subscribe again', async () => {
      const { visit, receiver } = await stage.subscribed();
      const { id } = await receiver.about();

      await assert.rejects(receiver.service.call('POST', `/subscriptions/${id}/rotate`, {}), /409.*api\/gone-state/s);

      await receiver.send('still the same');
      assert.equal((await visit.seen.next()).text, 'still the same');
    });
  }
});

async function gone(receiver) {
  const answer = await post({ endpoint: receiver.local.endpoint, headers: { TTL: '60' } });
  assert.ok([404, 410].includes(answer.status), `answered ${answer.status}`);
}
