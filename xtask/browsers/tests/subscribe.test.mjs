// A page subscribes, and stops.

import assert from 'node:assert/strict';

import { newKey, post } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

const fits = (text, octets) => assert.equal(Buffer.from(text, 'base64url').length, octets);

forEachBrowser('subscribing', (stage, kind) => {
  stage.test('with an application server key (AP-015, GCM-008)', async () => {
    const visit = await stage.visit();
    const key = newKey();

    const made = await visit.subscribe(key.publicKey);

    const service = await stage.service();
    const known = await service.subscription(made.endpoint);
    assert.equal(known.applicationServerKey, key.publicKey);
    assert.equal(known.userAgent.kind, kind);
    assert.equal(made.expirationTime, null);
    fits(made.keys.p256dh, 65);
    fits(made.keys.auth, 16);
    const origin = kind === 'firefox' ? service.url : new URL(made.endpoint).origin;
    assert.equal(new URL(made.endpoint).origin, origin);
    if (kind === 'chromium') assert.match(made.endpoint, /^https:\/\/(jmt17\.google|fcm\.googleapis)\.com\/(fcm\/send|wp)\/[\w:-]+$/);
  });

  stage.test('twice with the same key gives the same subscription (AP-019, GCM-010)', async () => {
    const visit = await stage.visit();
    const { publicKey } = newKey();

    const first = await visit.subscribe(publicKey);
    const second = await visit.subscribe(publicKey);

    assert.deepEqual(second, first);
  });

  stage.test('with another key is refused by the browser', async () => {
    const visit = await stage.visit();
    await visit.subscribe(newKey().publicKey);

    const refused = await visit.call('subscribe', newKey().publicKey);

    assert.equal(refused.error, 'InvalidStateError');
  });

  stage.test('twice on two pages gives two subscriptions of one user agent (AP-056, GCM-010)', async () => {
    const one = await stage.subscribed();
    const two = await stage.subscribed();

    assert.notEqual(one.receiver.subscription.endpoint, two.receiver.subscription.endpoint);
    const [first, second] = [await one.receiver.about(), await two.receiver.about()];
    assert.equal(first.userAgent.id, second.userAgent.id);
    await one.receiver.send('for the first');
    await two.receiver.send('for the second');
    assert.equal((await one.visit.seen.next()).text, 'for the first');
    assert.equal((await two.visit.seen.next()).text, 'for the second');
  });

  stage.test('without permission is refused by the browser', async () => {
    const shy = await stage.another({ permission: 'denied' });
    const visit = await stage.visit('', shy);

    const refused = await visit.call('subscribe', newKey().publicKey);

    assert.equal(refused.error, 'NotAllowedError');
    await shy.end();
  });

  stage.test('unsubscribe() ends the subscription (AP-022, AP-023, GCM-014, GCM-016)', async () => {
    const { visit, receiver } = await stage.subscribed();

    await gone(receiver, 'unsubscribed', () => visit.call('unsubscribe'));
  });

  stage.test('a worker that is unregistered ends the subscription (GCM-016)', async () => {
    const { visit, receiver } = await stage.subscribed();

    await gone(receiver, 'unsubscribed', () => visit.call('leave'));
  });
});

forEachBrowser('subscribing without an application server key', (stage, kind) => {
  if (kind === 'firefox') {
    stage.test('works, and anybody may send (AP-017, AP-060)', async () => {
      const visit = await stage.visit();

      const made = await visit.subscribe();

      const service = await stage.service();
      assert.equal((await service.subscription(made.endpoint)).applicationServerKey, null);
      assert.match(new URL(made.endpoint).pathname, /^\/wpush\/v1\//);
      const answer = await post({ endpoint: made.endpoint, headers: { TTL: '60' } });
      assert.equal(answer.status, 201);
      assert.equal((await visit.seen.next()).data, null);
    });
  } else {
    stage.test('is refused by the browser, and nothing is registered', async () => {
      const visit = await stage.visit();

      const refused = await visit.call('subscribe');

      assert.match(refused.message, /applicationServerKey/);
      assert.deepEqual(await (await stage.service()).agents('chromium'), []);
    });
  }
});

/** What ends the subscription is told to the service; then the endpoint is gone. */
async function gone(receiver, reason, end) {
  const { id } = await receiver.about();

  assert.deepEqual(await end(), { ok: true });

  const told = await receiver.service.event('subscription.gone', (event) => event.subscription.id === id);
  assert.equal(told.subscription.goneReason, reason);
  const answer = await post({ endpoint: receiver.local.endpoint, headers: { TTL: '60' } });
  assert.ok([404, 410].includes(answer.status), `answered ${answer.status}`);
}
