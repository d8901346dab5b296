// What a page author writes: a worker that tells its own server what it saw, in the order in which it saw it.
// The query of its address says how it behaves: show, throw, reject, and the key to subscribe again with.

'use strict';

const behaviour = new URL(self.location).searchParams;
let told = Promise.resolve();

function tell(what) {
  const body = JSON.stringify(what);
  told = told.then(() => fetch('seen', { method: 'POST', body }));
  return told;
}

function octets(data) {
  return btoa(Array.from(new Uint8Array(data.arrayBuffer()), (octet) => String.fromCharCode(octet)).join(''));
}

function json(data) {
  try {
    return data.json();
  } catch {
    return undefined;
  }
}

async function handle(data, at) {
  if (data === null) {
    const answer = await fetch('fresh');
    return tell({ type: 'push', at, data: null, fetched: await answer.text() });
  }
  if (behaviour.has('show')) {
    const { title, ...options } = json(data) ?? { title: data.text() };
    await self.registration.showNotification(title, options);
  }
  return tell({ type: 'push', at, data: octets(data), text: data.text(), json: json(data) });
}

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('push', (event) => {
  const at = performance.timeOrigin + performance.now();
  event.waitUntil(handle(event.data, at));
  if (behaviour.has('throw')) throw new Error('this handler always throws');
  if (behaviour.has('reject')) event.waitUntil(Promise.reject(new Error('this handler always rejects')));
});

self.addEventListener('pushsubscriptionchange', (event) => {
  const before = event.oldSubscription?.toJSON() ?? null;
  event.waitUntil((async () => {
    const options = { userVisibleOnly: true, applicationServerKey: behaviour.get('key') };
    const after = await self.registration.pushManager.subscribe(options);
    await tell({ type: 'change', before, after: after.toJSON() });
  })());
});
