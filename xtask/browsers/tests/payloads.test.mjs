// What a page sends arrives in its worker as it was sent.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { encrypt } from '../harness/codings.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

/** A text that compresses badly and is UTF-8. */
const letters = (count) => randomBytes(count).toString('base64url').slice(0, count);

const CODINGS = ['aes128gcm', 'aesgcm'];
/** All octets there are. */
const EVERY_OCTET = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));

forEachBrowser('payloads', (stage, kind) => {
  /** Sends, and gives what the worker saw and what the service says of it. */
  async function deliver({ visit, receiver }, payload, options) {
    await receiver.send(payload, options);
    const seen = await visit.seen.next();
    const [message] = (await receiver.wait('acknowledged')).slice(-1);
    assert.equal(visit.seen.untaken, 0, 'one message, one event');
    assert.equal(message.payload.state, payload === undefined ? 'empty' : 'opaque');
    assert.deepEqual(message.findings.filter(({ level }) => level === 'error'), []);
    if (kind === 'firefox') assert.equal(message.deliveries.at(-1).ackCode, 100);
    return { seen, message };
  }

  for (const coding of CODINGS) {
    const rows = coding === 'aes128gcm' ? '(AP-024, AP-026, AP-060, GCM-030)' : '(AP-027, AP-060, GCM-031)';

    stage.test(`${coding}: text ${rows}`, async () => {
      const { seen, message } = await deliver(await stage.subscribed(), 'ünïcödé ⚽', { coding });

      assert.equal(seen.text, 'ünïcödé ⚽');
      assert.equal(message.coding, coding);
    });

    stage.test(`${coding}: JSON`, async () => {
      const sent = { title: '1:0', list: [1, null, { deep: true }] };

      const { seen } = await deliver(await stage.subscribed(), JSON.stringify(sent), { coding });

      assert.deepEqual(seen.json, sent);
    });

    stage.test(`${coding}: one octet`, async () => {
      const { seen } = await deliver(await stage.subscribed(), 'x', { coding });

      assert.equal(seen.text, 'x');
    });

    stage.test(`${coding}: octets that are no text (AP-025, GCM-032)`, async () => {
      const { seen } = await deliver(await stage.subscribed(), EVERY_OCTET, { coding });

      // Chromium's worker gets what is not UTF-8 as a message without data, although it was decrypted.
      if (kind === 'chromium') assert.equal(seen.data, null);
      else assert.deepEqual(Buffer.from(seen.data, 'base64'), EVERY_OCTET);
    });

    stage.test(`${coding}: every character of 7 bits, and some of 32`, async () => {
      const text = `${EVERY_OCTET.subarray(0, 128)}\u{10ffff}`;

      const { seen } = await deliver(await stage.subscribed(), text, { coding });

      assert.deepEqual(Buffer.from(seen.data, 'base64'), Buffer.from(text));
    });
  }

  stage.test('3993 octets, the most that fits into 4096 (AP-046, GCM-046)', async () => {
    const { visit, receiver } = await stage.subscribed();
    const octets = Buffer.from(letters(3993));

    const { seen, message } = await deliver({ visit, receiver }, octets);

    assert.equal(message.request.bodyBytes, 4096);
    assert.deepEqual(Buffer.from(seen.data, 'base64'), octets);
    await receiver.send(letters(3994), { expect: 413 });
  });

  stage.test('a message without data, then fetching what is new (AP-026, GCM-032)', async () => {
    const site = await stage.site();
    site.fresh = 'the score is 2:1';

    const { seen } = await deliver(await stage.subscribed(), undefined);

    assert.equal(seen.data, null);
    assert.equal(seen.fetched, 'the score is 2:1');
  });

  stage.test('an empty text is not a message without data (AP-060)', async () => {
    const { visit, receiver } = await stage.subscribed();
    // Chromium wants one octet more than the smallest message there is.
    const empty = encrypt(receiver.subscription.keys, '', { padding: kind === 'chromium' ? 1 : 0 });

    await receiver.send('replaced', { change: (request) => empty.into(request) });

    assert.equal((await visit.seen.next()).data, '');
  });

  stage.test('urgency, TTL and topic do not disturb (AP-052)', async () => {
    const { seen } = await deliver(await stage.subscribed(), 'now', { urgency: 'high', topic: 'score', ttl: 3600 });

    assert.equal(seen.text, 'now');
  });

  stage.test('a body without a coding is refused, and nothing reaches the browser (AP-028, GCM-033)', async () => {
    const { visit, receiver } = await stage.subscribed();

    await receiver.send('x', { change: (request) => delete request.headers['Content-Encoding'], expect: 400 });
    await receiver.send('x', { change: (request) => (request.headers['Content-Encoding'] = 'aesgcm128'), expect: 400 });

    await receiver.send('the first that arrives');
    assert.equal((await visit.seen.next()).text, 'the first that arrives');
  });

  if (kind === 'firefox') {
    stage.test('aesgcm with quoted and padded values is cleaned for the browser (AP-027)', async () => {
      const { visit, receiver } = await stage.subscribed();
      const quote = (request) => {
        request.headers.Encryption = request.headers.Encryption.replace(/salt=([\w-]+)/, 'salt="$1=="');
        request.headers['Crypto-Key'] = request.headers['Crypto-Key'].replace(/dh=([\w-]+)/, 'dh="$1="');
      };

      await receiver.send('quoted', { coding: 'aesgcm', change: quote });

      assert.equal((await visit.seen.next()).text, 'quoted');
    });

    stage.test('several records', async () => {
      const { visit, receiver } = await stage.subscribed();
      const text = 'forty octets a record, and so more than one of them';
      const body = encrypt(receiver.subscription.keys, text, { recordSize: 40 });

      await receiver.send('replaced', { change: (request) => body.into(request) });

      assert.equal((await visit.seen.next()).text, text);
    });
  }
});

forEachBrowser('large payloads', (stage) => {
  stage.test('10 000 octets in one record, where the service allows them (GCM-020)', async () => {
    const { visit, receiver } = await stage.subscribed();
    const octets = Buffer.from(letters(10_000));
    const body = encrypt(receiver.subscription.keys, octets, { recordSize: 20_000 });

    await receiver.send('replaced', { change: (request) => body.into(request) });

    assert.deepEqual(Buffer.from((await visit.seen.next()).data, 'base64'), octets);
  });
}, { service: ['--max-body', '16384'] });
