// The service worker of /try: shows every push, tells the page and the service what it saw.
'use strict';

const LOG = 'push-try';
const LOG_URL = '/try/log';
const KEPT = 50;
const CHANNEL = new BroadcastChannel('push-try');
// Events may overlap; the list is written by one at a time.
let writing = Promise.resolve();

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));
self.addEventListener('push', event => event.waitUntil(received(event.data)));
self.addEventListener('pushsubscriptionchange', event => event.waitUntil(changed(event)));
self.addEventListener('notificationclick', event => {
  event.notification.close();
  event.waitUntil(opened(event.notification.data));
});
CHANNEL.addEventListener('message', event => {
  if (event.data.kind === 'clear') writing = writing.then(() => write([]));
});

async function received(data) {
  const at = new Date().toISOString();
  const octets = data ? new Uint8Array(await data.arrayBuffer()) : null;
  const content = octets ? read(octets) : await fresh();
  const shown = await show(content);
  const entry = {
    at, kind: content.kind, title: content.title, text: content.text, hex: content.hex,
    octets: octets ? octets.length : null, shown: shown === null, problem: shown,
  };
  await keep(entry);
  CHANNEL.postMessage({ kind: 'push', entry });
  await report(octets, shown === null ? content.title : null);
}

// What a body says: a declarative message, JSON with a title, text, or octets that are no text.
function read(octets) {
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return { kind: 'bytes', title: `${octets.length} octets`, body: '', text: '', hex: hex(octets) };
  }
  const plain = { kind: 'text', title: text || 'An empty text', body: '', text };
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    return plain;
  }
  const declared = json && json.web_push === 8030 && json.notification;
  const from = declared || json;
  if (!from || typeof from !== 'object' || typeof from.title !== 'string') return { ...plain, kind: 'json' };
  return {
    kind: declared ? 'declarative' : 'json', title: from.title, text,
    body: typeof from.body === 'string' ? from.body : '',
    url: from.navigate ?? from.url,
  };
}

// A tickle says only that there is something; what it is has to be fetched.
async function fresh() {
  try {
    const answer = await fetch('/try/fresh', { cache: 'no-store' });
    const news = await answer.json();
    return { kind: 'tickle', title: news.title, body: news.body, text: `fetched /try/fresh: ${news.body}` };
  } catch (error) {
    return { kind: 'tickle', title: 'Tickle', body: '', text: `/try/fresh cannot be fetched: ${error.message}` };
  }
}

function hex(octets) {
  return Array.from(octets, octet => octet.toString(16).padStart(2, '0')).join(' ');
}

// Null when it is shown, else why it is not.
async function show(content) {
  try {
    await self.registration.showNotification(content.title, {
      body: content.body, icon: '/try/mark.svg', data: content.url ?? null,
    });
    return null;
  } catch (error) {
    return error.message;
  }
}

async function opened(url) {
  if (typeof url === 'string') {
    const target = URL.parse(url, self.location.href);
    if (target && ['http:', 'https:'].includes(target.protocol)) return self.clients.openWindow(target.href);
  }
  const pages = await self.clients.matchAll({ type: 'window' });
  return pages.length > 0 ? pages[0].focus() : self.clients.openWindow('/try');
}

// The browser dropped its subscription: make a new one with the same key and say so.
async function changed(event) {
  let entry = { at: new Date().toISOString(), kind: 'renewed', title: 'Subscribed again', octets: null, shown: false };
  try {
    const key = event.oldSubscription?.options?.applicationServerKey ?? (await config()).vapidPublicKey;
    const subscription = event.newSubscription ?? await self.registration.pushManager.subscribe({
      userVisibleOnly: true, applicationServerKey: key,
    });
    await post('/try/subscription', subscription);
    entry.text = 'the browser dropped its subscription and made a new one';
  } catch (error) {
    entry = { ...entry, title: 'Subscription lost', text: `subscribing again failed: ${error.message}` };
  }
  await keep(entry);
  CHANNEL.postMessage({ kind: 'renewed', entry });
}

async function config() {
  return (await fetch('/try/config', { cache: 'no-store' })).json();
}

async function report(octets, title) {
  const subscription = await self.registration.pushManager.getSubscription();
  if (!subscription) return;
  const data = octets ? btoa(Array.from(octets, octet => String.fromCharCode(octet)).join('')) : null;
  try {
    await post('/try/report', { endpoint: subscription.endpoint, data, notificationShown: title !== null, title });
  } catch {
    // The service has stopped; the page keeps what was seen.
  }
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

function keep(entry) {
  writing = writing.then(async () => {
    const cache = await caches.open(LOG);
    const before = await cache.match(LOG_URL);
    const entries = before ? await before.json() : [];
    await write([entry, ...entries].slice(0, KEPT));
  }).catch(() => {});
  return writing;
}

async function write(entries) {
  const cache = await caches.open(LOG);
  await cache.put(LOG_URL, new Response(JSON.stringify(entries)));
}
