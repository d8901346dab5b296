// The service is started again, and the browser is.

import assert from 'node:assert/strict';

import { Receiver, ascending, comparable, newKey } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

forEachBrowser('restarts', (stage, kind) => {
  stage.test('a browser that is started again gets what waited, without a page (AP-054, GCM-050, GCM-051)', async () => {
    const browser = await stage.another({ label: 'traveller' });
    const { visit, receiver } = await stage.subscribed({ browser });
    await receiver.send('before');
    assert.equal((await visit.seen.next()).text, 'before');
    await receiver.wait('acknowledged');

    await browser.end();
    await receiver.service.event('userAgent.disconnected', ({ userAgent }) => userAgent.label === 'traveller');
    await receiver.send('first');
    await receiver.send('second');
    await receiver.wait('queued', 2);
    await browser.reopen();

    const seen = await visit.seen.take(2);
    assert.deepEqual(comparable(kind, seen.map(({ text }) => text)), ['first', 'second']);
    const messages = await receiver.wait('acknowledged', 3);
    assert.deepEqual(await receiver.handedOver(), ascending(messages.map(({ seq }) => seq)));
    assert.equal((await receiver.about()).status, 'active');
    await receiver.send('third');
    assert.equal((await visit.seen.next()).text, 'third');
    await browser.end();
  });

  stage.test('a service that is started again and remembers nothing (AP-053, GCM-003, GCM-023, GCM-052)', async () => {
    const key = newKey();
    const { visit, receiver } = await stage.subscribed({ key, query: `?key=${key.publicKey}` });
    const service = await stage.service();
    await receiver.send('before');
    assert.equal((await visit.seen.next()).text, 'before');

    await service.restart();

    // Firefox learns that its subscriptions are gone, and tells the worker; Chromium never does.
    const after = kind === 'firefox' ? (await changed(visit, receiver)).after : await again(visit, key);
    await new Receiver(service, after, key).send('after');
    assert.equal((await visit.seen.next()).text, 'after');
  });
});

async function changed(visit, receiver) {
  const change = await visit.seen.next();
  assert.equal(change.type, 'change');
  assert.equal(change.before.endpoint, receiver.subscription.endpoint);
  return change;
}

async function again(visit, key) {
  assert.deepEqual(await visit.call('unsubscribe'), { ok: true });
  return visit.subscribe(key.publicKey);
}
