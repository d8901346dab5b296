import assert from 'node:assert/strict';
import { test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { App } from './app.mjs';

const service = process.env.PUSH_URL ?? 'http://localhost:8030';
const api = async (route, body) => {
  const post = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`${service}/api/v1${route}`, post);
  assert.ok(answer.ok, `${route} answered ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
};

test('the app notifies its user, and forgets a subscription that is gone', async (t) => {
  const app = await new App().start();
  t.after(() => app.stop());
  const { prefs } = await api('/browsers/firefox');
  const executablePath = process.env.PUSH_FIREFOX ?? '/usr/bin/firefox-esr';
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, extraPrefsFirefox: prefs });
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(app.url);
  await page.waitForFunction(() => document.title === 'subscribed');
  const [endpoint] = app.subscriptions.keys();
  const { items } = await api('/subscriptions?limit=1000');
  const { id, label } = items.find((item) => item.subscription.endpoint === endpoint);

  await app.notify('Goal!');

  const { messages } = await api('/wait', { match: { to: label, state: 'acknowledged' } });
  assert.equal(messages[0].deliveries[0].ackCode, 100); // Firefox's own word that it could decrypt the message

  await api(`/subscriptions/${id}/expire`, { status: 410 });
  await app.notify('Is anybody there?');

  assert.equal(app.subscriptions.size, 0);
});
