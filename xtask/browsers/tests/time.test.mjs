// Airplane mode, TTL and Topic with a clock that only moves when it is told to.

import assert from 'node:assert/strict';
import { beforeEach } from 'node:test';

import { Receiver, ascending, comparable } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('time', (stage, kind) => {
  beforeEach(async () => {
    await (await stage.service()).freeze();
  });

  /** A page whose browser is then on a plane. */
  async function offline() {
    const pair = await stage.subscribed();
    const service = await stage.service();
    // A first message proves that the connection is there.
    await pair.receiver.send('ready for boarding');
    await pair.visit.seen.next();
    const { id } = (await pair.receiver.about()).userAgent;
    await service.online(id, false);
    return { ...pair, service, land: () => service.online(id, true) };
  }

  const texts = async (visit, count) => (await visit.seen.take(count)).map(({ text }) => text);
  const state = async (receiver, text) => {
    const messages = await receiver.messages();
    return messages[text].state;
  };

  stage.test('a message waits for a user agent that is offline (AP-038, GCM-047)', async () => {
    const { visit, receiver, service, land } = await offline();
    await receiver.send('waits', { ttl: 60 });
    await receiver.wait('queued');
    await service.advance('59s');
    assert.equal(await state(receiver, 1), 'queued');

    await land();

    assert.deepEqual(await texts(visit, 1), ['waits']);
    await receiver.wait('acknowledged', 2);
  });

  stage.test('a message whose TTL has passed is dropped (AP-039, GCM-047)', async () => {
    const { visit, receiver, service, land } = await offline();
    await receiver.send('expires', { ttl: 60 });
    await receiver.send('stays', { ttl: 61 });
    await service.advance('60s');
    assert.equal(await state(receiver, 1), 'expired');

    await land();

    assert.deepEqual(await texts(visit, 1), ['stays']);
  });

  stage.test('TTL 0 is for whoever is there (AP-040, GCM-048)', async () => {
    const { visit, receiver, service, land } = await offline();
    await receiver.send('never', { ttl: 0 });
    await receiver.send('later', { ttl: 60 });
    // The grace for a connection that is just being made has an end, too.
    await service.advance('2s');
    assert.match(await state(receiver, 1), /^(dropped|expired)$/);

    await land();
    await receiver.send('at once', { ttl: 0 });

    assert.deepEqual(comparable(kind, await texts(visit, 2)), comparable(kind, ['later', 'at once']));
    const numbers = await receiver.handedOver();
    assert.deepEqual(numbers, ascending(numbers));
  });

  stage.test('a message of a topic replaces the older one, on one subscription only (AP-041, GCM-049)', async () => {
    const { visit, receiver, land } = await offline();
    const other = await stage.visit();
    const second = await Receiver.of(other);
    await receiver.send('old score', { topic: 'score' });
    await second.send('score of another match', { topic: 'score' });
    await receiver.send('weather', { topic: 'weather' });
    await receiver.send('new score', { topic: 'score' });
    assert.equal(await state(receiver, 1), 'replaced');

    await land();

    assert.deepEqual((await texts(visit, 2)).sort(), ['new score', 'weather']);
    assert.deepEqual(await texts(other, 1), ['score of another match']);
  });

  stage.test('a topic does not replace what was delivered (AP-041, GCM-049)', async () => {
    const { visit, receiver } = await stage.subscribed();

    await receiver.send('0:0', { topic: 'score' });
    await receiver.wait('acknowledged');
    await receiver.send('1:0', { topic: 'score' });

    assert.deepEqual(await texts(visit, 2), ['0:0', '1:0']);
  });

  stage.test('a message right after subscribe() with TTL 0 is delivered (GCM-048, GCM-029)', async () => {
    const { visit, receiver } = await stage.subscribed({ browser: stage.another({ label: 'newcomer' }) });

    await receiver.send('welcome', { ttl: 0 });

    assert.deepEqual(await texts(visit, 1), ['welcome']);
  });
});
