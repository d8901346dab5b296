// What a page author writes. Every function ends with a value that can be shown, also when it fails.

'use strict';

async function told(work) {
  try {
    return { ok: await work() };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

/** Registers the worker; `query` is its address's query and says how it behaves. */
async function register(query) {
  await navigator.serviceWorker.register(`worker.js${query}`);
  const registration = await navigator.serviceWorker.ready;
  return registration.scope;
}

const manager = async () => (await navigator.serviceWorker.ready).pushManager;

/** Subscribes, with the application server's public key or without one. */
const subscribe = (key) => told(async () => {
  const options = key ? { userVisibleOnly: true, applicationServerKey: key } : { userVisibleOnly: true };
  const subscription = await (await manager()).subscribe(options);
  return subscription.toJSON();
});

const current = () => told(async () => (await (await manager()).getSubscription())?.toJSON() ?? null);

const unsubscribe = () => told(async () => (await (await manager()).getSubscription()).unsubscribe());

const leave = () => told(async () => (await navigator.serviceWorker.ready).unregister());

/** The notifications that are on display. */
const shown = () => told(async () => {
  const notifications = await (await navigator.serviceWorker.ready).getNotifications();
  return notifications.map(({ title, body, tag }) => ({ title, body, tag }));
});
