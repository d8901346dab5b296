// Many messages at once: all of them, once, in the order in which they were accepted. Firefox decrypts several at the
// same time, and its worker may see one before the other; the service hands them over in order.

import assert from 'node:assert/strict';

import { forEachBrowser } from '../harness/stage.mjs';

const COUNT = 100;
const numbers = Array.from({ length: COUNT }, (_, number) => String(number).padStart(3, '0'));

forEachBrowser('bursts', (stage, kind) => {
  stage.test('100 messages one after the other (AP-024, GCM-034, GCM-035)', async () => {
    const { visit, receiver } = await stage.subscribed();

    for (const number of numbers) await receiver.send(number);

    await arrived(visit, receiver);
  });

  stage.test('100 messages to a user agent that comes back (AP-038, GCM-050)', async () => {
    const { visit, receiver } = await stage.subscribed();
    const { id } = (await receiver.about()).userAgent;
    const service = await stage.service();
    await service.online(id, false);
    for (const number of numbers) await receiver.send(number);
    assert.equal(visit.seen.untaken, 0);

    await service.online(id, true);

    await arrived(visit, receiver);
  });

  /** The order in which the service handed them over, once each. */
  async function handedOver({ service, subscription }) {
    const { id } = await service.subscription(subscription.endpoint);
    const events = await service.events(({ type, message }) => type === 'message.delivered' && message.subscription === id);
    return events.map(({ message }) => message.seq);
  }

  async function arrived(visit, receiver) {
    const seen = await visit.seen.take(COUNT);
    const texts = seen.map(({ text }) => text);
    assert.deepEqual(kind === 'firefox' ? texts.toSorted() : texts, numbers);
    const messages = await receiver.wait('acknowledged', COUNT);
    assert.equal(new Set(messages.map(({ id }) => id)).size, COUNT);
    assert.deepEqual(await handedOver(receiver), messages.map(({ seq }) => seq).toSorted((one, other) => one - other));
    await receiver.send('the end');
    assert.equal((await visit.seen.next()).text, 'the end');
  }
});
