// Senders that people use: our own command, npm web-push over TLS, PyPI pywebpush; to an endpoint of this service and
// to the vendor's address that Chromium hands out.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';

import { Receiver, newKey } from '../harness/messages.mjs';
import { ask } from '../harness/peer.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

const octets = (text) => Buffer.from(text).toString('base64url');

forEachBrowser('senders', (stage, kind) => {
  /** What arrives must be what was sent, with the right key and nothing to complain about. */
  async function arrived({ visit, receiver }, text) {
    assert.equal((await visit.seen.next()).text, text);
    const [message] = (await receiver.wait('acknowledged')).slice(-1);
    assert.equal(message.vapid.signature, 'valid');
    assert.equal(message.vapid.boundKey, 'match');
    assert.deepEqual(message.findings.filter(({ level }) => level === 'error'), []);
  }

  const secure = ({ receiver }) => {
    const { pathname } = new URL(receiver.subscription.endpoint);
    return { ...receiver.subscription, endpoint: receiver.service.secureUrl + pathname };
  };

  stage.test('push send, by the name of the subscription', async () => {
    const visit = await stage.visit();
    const service = await stage.service();
    const { vapidPublicKey } = await service.get('/info');
    const receiver = new Receiver(service, await visit.subscribe(vapidPublicKey));
    const { label } = await receiver.about();

    // The page has its keys and the service does not, so that nobody can encrypt by the name alone.
    await service.push(['send', label, '--empty']);

    assert.equal((await visit.seen.next()).data, null);
    await assert.rejects(service.push(['send', label, 'text']), /subscription\/keys-missing/);
  });

  stage.test('push send, with the subscription in a file', async () => {
    const visit = await stage.visit();
    const service = await stage.service();
    const { vapidPublicKey } = await service.get('/info');
    const receiver = new Receiver(service, await visit.subscribe(vapidPublicKey));
    const file = service.file('subscription.json');
    await writeFile(file, JSON.stringify(receiver.local));

    await service.push(['send', file, 'from a file']);

    await arrived({ visit, receiver }, 'from a file');
  });

  for (const coding of ['aes128gcm', 'aesgcm']) {
    stage.test(`npm web-push over TLS, ${coding} (GCM-058)`, async () => {
      const pair = await stage.subscribed();

      const { status } = await ask('npm web-push', {
        op: 'web-push-send', subscription: secure(pair), coding, ttl: 60, text: octets('from npm'), vapid: pair.receiver.key,
      }, { NODE_EXTRA_CA_CERTS: pair.receiver.service.certificate });

      assert.equal(status, 201);
      await arrived(pair, 'from npm');
    });

    stage.test(`PyPI pywebpush, ${coding}`, async () => {
      const pair = await stage.subscribed();
      const { key, local } = pair.receiver;

      const { status } = await ask('PyPI pywebpush', {
        op: 'send', subscription: local, coding, ttl: 60, text: octets('from PyPI'), private: key.privateKey,
        claims: { sub: key.subject, aud: pair.receiver.service.url },
      });

      assert.equal(status, 201);
      await arrived(pair, 'from PyPI');
    });
  }

  if (kind === 'chromium') {
    stage.test('npm web-push to the address Chromium gave, through the service as a proxy (GCM-043, GCM-044, GCM-058)', async () => {
      const pair = await stage.subscribed();
      const { service, subscription, key } = pair.receiver;

      const { status } = await ask('npm web-push', {
        op: 'web-push-send', subscription, coding: 'aes128gcm', ttl: 60, text: octets('by proxy'), vapid: key,
        proxy: service.url,
      }, { NODE_EXTRA_CA_CERTS: service.certificate });

      assert.equal(status, 201);
      await arrived(pair, 'by proxy');
    });

    stage.test('PyPI pywebpush to the address Chromium gave, through the service as a proxy (GCM-043, GCM-044)', async () => {
      const pair = await stage.subscribed();
      const { service, subscription, key } = pair.receiver;

      const { status } = await ask('PyPI pywebpush', {
        op: 'send', subscription, coding: 'aes128gcm', ttl: 60, text: octets('by proxy'), private: key.privateKey,
        claims: { sub: key.subject, aud: new URL(subscription.endpoint).origin },
      }, { HTTPS_PROXY: service.url, REQUESTS_CA_BUNDLE: service.certificate });

      assert.equal(status, 201);
      await arrived(pair, 'by proxy');
    });
  }

  stage.test('a sender with another key is refused (AP-047, GCM-045)', async () => {
    const { visit, receiver } = await stage.subscribed();

    await receiver.send('forged', { key: newKey(), expect: 403 });
    await receiver.send('genuine');

    assert.equal((await visit.seen.next()).text, 'genuine');
  });
});
