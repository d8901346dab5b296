// The service's own page: one click, or `?auto`, and it is subscribed; its worker tells what it saw.

import assert from 'node:assert/strict';

import { within } from '../harness/queue.mjs';
import { forEachBrowser } from '../harness/stage.mjs';

/** Asks the service again and again; each answer takes a round trip, so nothing spins. */
async function until(ask) {
  while (!(await ask()));
}

forEachBrowser('the page /try', (stage, kind) => {
  async function open(query) {
    const service = await stage.service();
    const browser = await stage.another({ label: `trial${query.length}` });
    const page = await browser.newPage();
    await page.goto(`${service.url}/try${query}`);
    return { service, browser, page };
  }

  const subscribed = (service, label) => service.event('subscription.created', ({ subscription }) => {
    return subscription.userAgent?.label === label || subscription.label.startsWith(label);
  });

  /** The page shows what it got, and the service knows what the worker saw. */
  async function shows({ service, page }, label, text) {
    // The command stands there when the page has told its keys.
    await within(page.waitForFunction(() => !document.querySelector('#send').hidden), 'the page to be ready');
    await service.push(['send', label, text]);
    await within(page.waitForFunction((text) => document.body.innerText.includes(text), {}, text), 'the page to show it');
    const [message] = await service.wait({ to: label, state: 'acknowledged' });
    // The page hears of it before the service does.
    await service.event('message.noted', (event) => event.message.id === message.id);
    const { notification } = await service.get(`/messages/${message.id}`);
    assert.equal(notification?.source, 'browser');
  }

  stage.test('subscribes by itself with ?auto, and shows what arrives', async () => {
    const opened = await open('?auto');

    const { subscription } = await subscribed(opened.service, 'trial5');

    await shows(opened, subscription.label, 'Hello from the terminal');
    assert.equal(subscription.userAgent.kind, kind);
    await opened.browser.end();
  });

  stage.test('needs no library: push browser, push send, and an end by SIGTERM (AP-058, AP-060, GCM-054, GCM-059)', async () => {
    const service = await stage.service();
    const started = ['browser', kind, '--headless', '--label', 'plain', '--expect-subscription', '60s'];

    const { child, ended } = service.begin([...started, `${service.url}/try?auto`]);
    await subscribed(service, 'plain');
    // The page has to tell its keys first.
    await within(until(async () => (await service.get('/subscriptions/plain')).subscription.keys), 'the keys');
    await service.push(['send', 'plain', 'Hello without a library']);
    await service.wait({ to: 'plain', state: 'acknowledged' });

    // Whoever is not served at the first attempt comes again after five seconds (Firefox) or twenty (Chromium).
    const gone = await service.events(({ type, userAgent }) => type === 'userAgent.disconnected' && userAgent.label === 'plain');
    if (kind === 'firefox') assert.deepEqual(gone, []);
    child.kill('SIGTERM');
    assert.equal(await within(ended, 'its end'), 0);
  });

  stage.test('subscribes with one click', async () => {
    const opened = await open('');

    await opened.page.locator('button').click();
    const { subscription } = await subscribed(opened.service, 'trial0');

    await shows(opened, subscription.label, 'Hello after a click');
    await opened.browser.end();
  });
});
