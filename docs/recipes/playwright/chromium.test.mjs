import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { App } from './app.mjs';

const service = process.env.PUSH_URL ?? 'http://localhost:8030';
const api = async (route, body) => {
  const post = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`${service}/api/v1${route}`, post);
  assert.ok(answer.ok, `${route} answered ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
};

/** Chromium with a fresh profile, wired to the service. */
async function launch() {
  const { args, files } = await api('/browsers/chromium?headless=1');
  const profile = await mkdtemp(path.join(os.tmpdir(), 'profile-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(profile, name)), { recursive: true });
    await writeFile(path.join(profile, name), text);
  }
  const executablePath = process.env.PUSH_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args });
  return { browser, remove: () => rm(profile, { recursive: true, force: true, maxRetries: 5 }) };
}

test('the app notifies its user, and forgets a subscription that is gone', async (t) => {
  const app = await new App().start();
  t.after(() => app.stop());
  const { browser, remove } = await launch();
  t.after(async () => { await browser.close(); await remove(); });
  const page = await browser.newPage();
  await page.goto(app.url);
  await page.waitForFunction(() => document.title === 'subscribed');
  const [endpoint] = app.subscriptions.keys();
  const { items } = await api('/subscriptions?limit=1000');
  const { id, label } = items.find((item) => item.subscription.endpoint.endsWith(new URL(endpoint).pathname));

  // the address is the vendor's; the service stands in for it as a proxy
  await app.notify('Goal!', service);

  await api('/wait', { match: { to: label, state: 'acknowledged' } });
  await page.waitForFunction(async () => {
    const { active } = await navigator.serviceWorker.ready;
    const shown = active && await (await navigator.serviceWorker.ready).getNotifications();
    return shown?.[0]?.title === 'Goal!';
  });

  await api(`/subscriptions/${id}/expire`, { status: 410 });
  await app.notify('Is anybody there?', service);

  assert.equal(app.subscriptions.size, 0);
});
