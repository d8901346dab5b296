// Many messages at once: all of them, once, in the order in which they were accepted.

import assert from 'node:assert/strict';

import { ascending, comparable } from '../harness/messages.mjs';
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

  async function arrived(visit, receiver) {
    const seen = await visit.seen.take(COUNT);
    const texts = seen.map(({ text }) => text);
    assert.deepEqual(comparable(kind, texts), numbers);
    const messages = await receiver.wait('acknowledged', COUNT);
    assert.equal(new Set(messages.map(({ id }) => id)).size, COUNT);
    assert.deepEqual(await receiver.handedOver(), ascending(messages.map(({ seq }) => seq)));
    await receiver.send('the end');
    assert.equal((await visit.seen.next()).text, 'the end');
  }
});
