// `Receiver`: a browser's subscription as an application server keeps it, and the sending to it. What is sent is
// encrypted and signed by npm web-push, so that nothing here agrees with the service by construction.

import http from 'node:http';
import { randomBytes } from 'node:crypto';

import webPush from 'web-push';

const SUBJECT = 'mailto:page@example.com';

/** A key pair of an application server. */
export function newKey() {
  return { subject: SUBJECT, ...webPush.generateVAPIDKeys() };
}

export class Receiver {
  constructor(service, subscription, key) {
    Object.assign(this, { service, subscription, key });
  }

  /** Subscribes the page with a fresh key. */
  static async of(visit, key = newKey()) {
    return new Receiver(visit.browser.service, await visit.subscribe(key.publicKey), key);
  }

  /**
   * The subscription with an endpoint that needs no proxy: a stock Chromium names its vendor's origin, which no
   * switch changes, and path and token are all the service looks at.
   */
  get local() {
    const { pathname } = new URL(this.subscription.endpoint);
    return { ...this.subscription, endpoint: this.service.url + pathname };
  }

  /** What the service knows about it. */
  about() {
    return this.service.subscription(this.subscription.endpoint);
  }

  /**
   * Sends; without `payload` a message without data. `change` may alter the request before it goes.
   * Fails unless it is accepted; `expect` names another status.
   */
  async send(payload, { expect = 201, ...options } = {}) {
    return this.post(this.prepare(payload, options), expect);
  }

  /** The request that `send` would send. */
  prepare(payload, { ttl = 60, topic, urgency, coding = 'aes128gcm', keys, key, change } = {}) {
    const target = keys ? { ...this.local, keys } : this.local;
    const request = webPush.generateRequestDetails(target, payload, {
      TTL: ttl, topic, urgency, contentEncoding: coding, vapidDetails: key ?? this.key,
    });
    change?.(request);
    return request;
  }

  async post(request, expect = 201) {
    const answer = await post(request);
    if (answer.status !== expect) throw new Error(`the message was answered ${answer.status}, expected ${expect}: ${answer.body}`);
    return answer;
  }

  /** The messages that the service has for it, oldest first. */
  async messages(q = '') {
    const { label } = await this.about();
    const query = encodeURIComponent(`to:${label} ${q}`);
    const { items } = await this.service.get(`/messages?limit=1000&view=full&q=${query}`);
    return items.reverse();
  }

  /** Waits until the last `count` messages are in a state, and returns them. */
  async wait(state, count = 1, more = {}) {
    const { label } = await this.about();
    return this.service.wait({ to: label, state, ...more }, { count: { min: count } });
  }

  /** The numbers of its messages in the order in which the service handed them over. */
  async handedOver() {
    const { id } = await this.about();
    const events = await this.service.events(({ type, message }) => type === 'message.delivered' && message.subscription === id);
    return events.map(({ message }) => message.seq);
  }
}

/**
 * What a worker saw, in an order that can be compared: Firefox decrypts several messages at the same time, and its
 * worker may see one before its neighbour. What the service owes is the order of `handedOver`.
 */
export const comparable = (kind, texts) => (kind === 'firefox' ? texts.toSorted() : texts);

/** From the least to the greatest number. */
export const ascending = (numbers) => numbers.toSorted((one, other) => one - other);

/** Keys that are well formed and belong to nobody. */
export function otherKeys() {
  const pair = webPush.generateVAPIDKeys();
  return { p256dh: pair.publicKey, auth: randomBytes(16).toString('base64url') };
}

/** One bit of the last octet is another one. */
export function flipBit(request) {
  request.body[request.body.length - 1] ^= 1;
}

/** One request, as it is given. */
export function post({ endpoint, method = 'POST', headers = {}, body = '' }) {
  return new Promise((resolve, reject) => {
    const call = http.request(endpoint, { method, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}
