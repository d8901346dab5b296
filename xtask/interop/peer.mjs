// Packages of npm behind the line protocol of xtask/peers: one JSON request per line on standard input,
// one JSON answer per line on standard output. Octets travel as base64url without padding.
//
//     node peer.mjs FOLDER      FOLDER holds node_modules

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';

const require = createRequire(path.join(process.argv[2], 'package.json'));

const bytes = (text) => Buffer.from(text, 'base64url');
const text = (octets) => octets.toString('base64url');

/** The packages, loaded when first asked for. */
const packages = {
  'http_ece 1.2.1': () => require('http_ece'),
  'http_ece 0.7.2': () => require('http_ece_0_7'),
  'http_ece 0.4.3': () => require('http_ece_0_4'),
};

function curve(privateKey) {
  const key = createECDH('prime256v1');
  if (privateKey) key.setPrivateKey(bytes(privateKey));
  else key.generateKeys();
  return key;
}

/** The parameters that each generation of http_ece wants for one message. */
function parameters(name, request, key, dh, salt) {
  if (name === 'http_ece 0.4.3') {
    // Its keys are registered by name; one octet of padding selects the schedule without context.
    packages[name]().saveKey('p256dh', key, 'P-256');
    const schedule = request.schedule === 'bare' ? { padSize: 1 } : { padSize: 2, authSecret: request.auth };
    return { ...schedule, keyid: 'p256dh', dh, salt, rs: request.rs };
  }
  const common = { version: request.coding, privateKey: key, rs: request.rs, salt: salt && bytes(salt) };
  if (request.coding !== 'aes128gcm') {
    Object.assign(common, { keyid: 'p256dh', keylabels: { p256dh: 'P-256' }, dh: dh && bytes(dh) });
  } else if (dh) {
    common.dh = bytes(dh);
  }
  if (request.schedule !== 'bare') common.authSecret = bytes(request.auth);
  return common;
}

/** `{name, coding, schedule?, public, auth, text, rs?, pad?}` to `{body, dh, salt, rs}`. */
function encrypt(request) {
  const key = curve();
  const salt = text(randomBytes(16));
  const given = parameters(request.name, request, key, request.public, salt);
  if (request.pad) given.pad = request.pad;
  const body = packages[request.name]().encrypt(bytes(request.text), given);
  return { body: text(body), dh: text(key.getPublicKey()), salt, rs: request.rs };
}

/** `{name, coding, schedule?, private, auth, body, dh?, salt?, rs?}` to `{text}`. */
function decrypt(request) {
  const key = curve(request.private);
  const given = parameters(request.name, request, key, request.dh, request.salt);
  return { text: text(packages[request.name]().decrypt(bytes(request.body), given)) };
}

/** What npm web-push would send: `{endpoint, public, auth, text, coding, ttl, vapid?}`. */
function build(request) {
  const webPush = require('web-push');
  const subscription = { endpoint: request.endpoint, keys: { p256dh: request.public, auth: request.auth } };
  const options = { TTL: request.ttl, contentEncoding: request.coding, vapidDetails: request.vapid ?? null };
  if (request.topic) options.topic = request.topic;
  if (request.urgency) options.urgency = request.urgency;
  const details = webPush.generateRequestDetails(subscription, bytes(request.text), options);
  const headers = Object.entries(details.headers).map(([name, value]) => [name, String(value)]);
  return { headers, body: text(details.body) };
}

/** npm web-push sends by itself, over TLS; NODE_EXTRA_CA_CERTS says whom to trust. */
async function send(request) {
  const webPush = require('web-push');
  const options = { TTL: request.ttl, contentEncoding: request.coding, timeout: 20000 };
  if (request.vapid) options.vapidDetails = request.vapid;
  if (request.topic) options.topic = request.topic;
  if (request.urgency) options.urgency = request.urgency;
  if (request.proxy) options.proxy = request.proxy;
  const payload = request.text === undefined ? null : bytes(request.text);
  const answer = await webPush.sendNotification(request.subscription, payload, options).catch((error) => {
    if (error.statusCode) return error;
    throw error;
  });
  return { status: answer.statusCode, headers: answer.headers, body: answer.body };
}

/** The identification that npm web-push makes: `{audience, subject, public, private, coding}`. */
function sign(request) {
  const { audience, subject, coding } = request;
  return require('web-push').getVapidHeaders(audience, subject, request.public, request.private, coding);
}

/** Checks a token with npm jws and with Node's own verification. */
function check(request) {
  const octets = bytes(request.public);
  const key = createPublicKey({
    format: 'jwk',
    key: { kty: 'EC', crv: 'P-256', x: text(octets.subarray(1, 33)), y: text(octets.subarray(33)) },
  });
  const jws = createRequire(require.resolve('web-push'))('jws');
  const pem = key.export({ type: 'spki', format: 'pem' });
  const [header, claims, signature] = request.token.split('.');
  const signed = Buffer.from(`${header}.${claims}`);
  const byNode = verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes(signature));
  return { jws: jws.verify(request.token, 'ES256', pem), node: byNode, claims: JSON.parse(bytes(claims)) };
}

/** A private key in one form, `{pem}`, `{der}` or `{jwk}`, to its public point. */
function readKey(request) {
  const key = request.jwk
    ? createPrivateKey({ format: 'jwk', key: JSON.parse(request.jwk) })
    : createPrivateKey(request.pem ?? { key: bytes(request.der), format: 'der', type: 'pkcs8' });
  const { x, y } = createPublicKey(key).export({ format: 'jwk' });
  return { public: text(Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)])) };
}

/** New keys in the forms that Node.js and npm web-push write. */
function newKeys() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const raw = require('web-push').generateVAPIDKeys();
  return {
    public: text(Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)])),
    forms: {
      'PKCS#8 PEM': privateKey.export({ type: 'pkcs8', format: 'pem' }),
      'SEC1 PEM': privateKey.export({ type: 'sec1', format: 'pem' }),
      'JWK': JSON.stringify(privateKey.export({ format: 'jwk' })),
    },
    webPush: { public: raw.publicKey, private: raw.privateKey },
  };
}

/** A request as it is given: `{url, method, headers, body}`; certificates as NODE_EXTRA_CA_CERTS says. */
function post(request) {
  const module = request.url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const options = { method: request.method ?? 'POST', headers: Object.fromEntries(request.headers) };
    const call = module.request(request.url, options, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() });
      });
    });
    call.on('error', reject);
    call.end(bytes(request.body));
  });
}

/** What the process spends while it does something so many times, its garbage collection included. */
function timed(count, work) {
  const before = process.cpuUsage();
  let octets = 0;
  for (let number = 0; number < count; number += 1) octets += work();
  const spent = process.cpuUsage(before);
  return { nanoseconds: (spent.user + spent.system) * 1000, octets };
}

const detailsOf = (request) => ({
  subject: request.subject,
  publicKey: request.vapid_public,
  privateKey: request.vapid,
});

/** `{endpoint, public, auth, text, vapid, vapid_public, subject, ttl, count}`: requests made, nothing sent. */
function timeWebPush(request) {
  const webPush = require('web-push');
  const subscription = { endpoint: request.endpoint, keys: { p256dh: request.public, auth: request.auth } };
  const options = { TTL: request.ttl, vapidDetails: detailsOf(request) };
  const payload = bytes(request.text);
  return timed(request.count, () => {
    return webPush.generateRequestDetails(subscription, payload, options).body.length;
  });
}

/** `{public, auth, text, count}`: a fresh key and salt each, as npm web-push does it. */
function timeHttpEce(request) {
  const httpEce = require('http_ece');
  const payload = bytes(request.text);
  return timed(request.count, () => {
    return httpEce.encrypt(payload, {
      version: 'aes128gcm',
      privateKey: curve(),
      dh: request.public,
      salt: randomBytes(16).toString('base64url'),
      authSecret: request.auth,
    }).length;
  });
}

/** The same as `time-web-push`, sent over its own agent, so many at once. */
async function timeSending(request) {
  const webPush = require('web-push');
  const subscription = { endpoint: request.endpoint, keys: { p256dh: request.public, auth: request.auth } };
  const agent = new https.Agent({ keepAlive: true, maxSockets: request.at_once });
  const options = { TTL: request.ttl, vapidDetails: detailsOf(request), agent };
  const payload = bytes(request.text);
  let left = request.count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await webPush.sendNotification(subscription, payload, options);
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: request.at_once }, lane));
  const spent = process.cpuUsage(before);
  agent.destroy();
  return { nanoseconds: (spent.user + spent.system) * 1000 };
}

const operations = {
  'encrypt': encrypt,
  'decrypt': decrypt,
  'web-push-build': build,
  'web-push-send': send,
  'vapid-sign': sign,
  'vapid-check': check,
  'vapid-read-key': readKey,
  'vapid-new-keys': newKeys,
  'post': post,
  'time-web-push': timeWebPush,
  'time-http-ece': timeHttpEce,
  'time-sending': timeSending,
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = { ok: await operations[request.op](request) };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
