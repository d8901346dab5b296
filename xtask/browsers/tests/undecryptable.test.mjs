// Messages that the browser cannot open: Firefox says so, Chromium keeps silent.

import assert from 'node:assert/strict';

import { flipBit, otherKeys } from '../harness/messages.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

/** Ways to spoil a message that the service cannot see, as options of `send`. */
const spoilt = {
  'for another key': () => ({ keys: otherKeys() }),
  'for another authentication secret': ({ p256dh }) => ({ keys: { p256dh, auth: otherKeys().auth } }),
  'with one flipped bit': () => ({ change: flipBit }),
};

forEachBrowser('undecryptable messages', (stage, kind) => {
  for (const coding of ['aes128gcm', 'aesgcm']) {
    for (const [how, spoil] of Object.entries(spoilt)) {
      stage.test(`${coding} ${how} wakes nobody, and the next message is delivered (AP-030, GCM-037)`, async () => {
        const { visit, receiver } = await stage.subscribed();

        await receiver.send('spoilt', { coding, ...spoil(receiver.subscription.keys) });
        await receiver.send('whole', { coding });

        assert.equal((await visit.seen.next()).text, 'whole');
        await receiver.wait('acknowledged', kind === 'firefox' ? 1 : 2);
        const [first, second] = await receiver.messages();
        assert.equal(second.state, 'acknowledged');
        (kind === 'firefox' ? discarded : acknowledged)(first);
      });
    }
  }

  stage.test('a handler that throws is told by Firefox and by nobody else (AP-032)', async () => {
    const { visit, receiver } = await stage.subscribed({ query: '?throw' });

    await receiver.send('thrown away');

    assert.equal((await visit.seen.next()).text, 'thrown away');
    await receiver.wait('acknowledged');
    if (kind !== 'firefox') return;
    const { label } = await receiver.about();
    await receiver.service.wait({ to: label, findings: { any: ['delivery/*'] } });
    const [message] = await receiver.messages();
    assert.equal(message.deliveries.at(-1).ackCode, 100);
    assert.equal(message.deliveries.at(-1).nackCode, 301);
  });

  stage.test('a handler whose promise is rejected is told by Firefox (AP-032)', async () => {
    const { visit, receiver } = await stage.subscribed({ query: '?reject' });

    await receiver.send('rejected');

    assert.equal((await visit.seen.next()).text, 'rejected');
    await receiver.wait('acknowledged');
    if (kind !== 'firefox') return;
    const { label } = await receiver.about();
    await receiver.service.wait({ to: label, findings: { any: ['delivery/*'] } });
    assert.equal((await receiver.messages())[0].deliveries.at(-1).nackCode, 302);
  });
});

/** Firefox says that it could not open the message. */
function discarded(message) {
  assert.equal(message.state, 'discarded');
  assert.equal(message.deliveries.at(-1).ackCode, 101);
  assert.ok(message.findings.some(({ code }) => code === 'delivery/undecryptable'), JSON.stringify(message.findings));
}

/** Chromium says that it received the message, which is all it ever says. */
function acknowledged(message) {
  assert.equal(message.state, 'acknowledged');
  assert.equal(message.deliveries.at(-1).ackCode, null);
}
