// Misbehaviour on request: what a page's own handling of failures is tested with.

import assert from 'node:assert/strict';

import { Receiver, newKey } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('test controls', (stage, kind) => {
  /** A page whose user agent the service knows, and that user agent's id. */
  async function known(more) {
    const pair = await stage.subscribed(more);
    const { id } = (await pair.receiver.about()).userAgent;
    return { ...pair, service: await stage.service(), agent: id };
  }

  if (kind === 'firefox') {
    stage.test('registerStatus 500 makes subscribe() reject, once (AP-057)', async () => {
      const { service, agent } = await known();
      await service.control(agent, { registerStatus: 500, times: 1 });
      const visit = await stage.visit();
      const key = newKey();

      assert.equal((await visit.call('subscribe', key.publicKey)).error, 'AbortError');

      const receiver = new Receiver(service, await visit.subscribe(key.publicKey), key);
      await receiver.send('second attempt');
      assert.equal((await visit.seen.next()).text, 'second attempt');
    });

    stage.test('newUaid gives the worker pushsubscriptionchange (AP-057)', async () => {
      const key = newKey();
      const { visit, receiver, service, agent } = await known({ key, query: `?key=${key.publicKey}` });

      await service.control(agent, { newUaid: true });

      const change = await visit.seen.next();
      assert.equal(change.before.endpoint, receiver.subscription.endpoint);
      await new Receiver(service, change.after, key).send('to the new address');
      assert.equal((await visit.seen.next()).text, 'to the new address');
    });

    for (const close of [1000, 1011, 'reset']) {
      stage.test(`close ${close} makes it connect again, and nothing is lost (AP-029, AP-057)`, async () => {
        const { visit, receiver, service, agent } = await known();

        await service.control(agent, { close });
        await receiver.send('meanwhile');

        assert.equal((await visit.seen.next()).text, 'meanwhile');
        await receiver.wait('acknowledged');
      });
    }

    stage.test('close 4774 keeps it away until a page subscribes (AP-057)', async () => {
      const { visit, receiver, service, agent } = await known();

      await service.control(agent, { close: 4774 });
      await service.event('userAgent.disconnected', ({ userAgent }) => userAgent.id === agent);
      await receiver.send('kept');
      await receiver.wait('queued');
      await stage.subscribed();

      assert.equal((await visit.seen.next()).text, 'kept');
    });

    stage.test('a socket that drops during subscribe() does not harm it (AP-019, AP-021)', async () => {
      const { service, agent } = await known();
      const visit = await stage.visit();
      await service.control(agent, { delayReply: '1s', of: 'register' });

      const key = newKey();
      const subscribing = visit.subscribe(key.publicKey);
      await service.control(agent, { close: 'reset' });

      const receiver = new Receiver(service, await subscribing, key);
      await receiver.send('after all');
      assert.equal((await visit.seen.next()).text, 'after all');
    });

    stage.test('resend gives no second event (AP-029)', async () => {
      const { visit, receiver, service, agent } = await known();
      await receiver.send('once');
      assert.equal((await visit.seen.next()).text, 'once');
      const [{ id }] = await receiver.wait('acknowledged');

      await service.control(agent, { resend: id });
      await receiver.send('and another');

      assert.equal((await visit.seen.next()).text, 'and another');
    });

    stage.test('a user agent that is kept away hard comes back (AP-038, GCM-047)', async () => {
      const { visit, receiver, service, agent } = await known();
      await service.online(agent, false, true);
      await receiver.send('waits outside');
      await receiver.wait('queued');

      await service.online(agent, true);

      assert.equal((await visit.seen.next()).text, 'waits outside');
    });
  } else {
    for (const error of ['INVALID_SENDER', 'INVALID_PARAMETERS', 'QUOTA_EXCEEDED', 'TOO_MANY_REGISTRATIONS']) {
      stage.test(`register3 that answers ${error} makes subscribe() reject at once (GCM-012, GCM-013, GCM-056)`, async () => {
        const { service, agent } = await known();
        await service.control(agent, { registerError: error, times: 1 });
        const visit = await stage.visit();
        const key = newKey();

        const refused = await visit.call('subscribe', key.publicKey);

        assert.equal(refused.error, 'AbortError');
        assert.match(refused.message, /push service error/);
        const receiver = new Receiver(service, await visit.subscribe(key.publicKey), key);
        await receiver.send('second attempt');
        assert.equal((await visit.seen.next()).text, 'second attempt');
      });
    }

    stage.test('a connection that is closed comes back, and nothing is lost or doubled (GCM-028, GCM-038)', async () => {
      const { visit, receiver, service, agent } = await known();
      await receiver.send('before');
      assert.equal((await visit.seen.next()).text, 'before');

      await service.control(agent, { close: 1000 });
      await receiver.send('meanwhile');

      assert.equal((await visit.seen.next()).text, 'meanwhile');
      await receiver.wait('acknowledged', 2);
      assert.equal(visit.seen.untaken, 0);
    });
  }
});
