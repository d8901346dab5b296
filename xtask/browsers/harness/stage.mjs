// `Stage`: what the tests of one file and one browser share: a service, a site and a browser, each made when first
// asked for. A test that fails leaves behind what they all said.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Receiver } from './messages.mjs';
import { Service } from './service.mjs';
import { KINDS, leftovers } from './settings.mjs';
import { Site } from './site.mjs';

/** The same tests for each browser; `tests` gets the stage. */
export function forEachBrowser(topic, tests, { kinds = KINDS, ...options } = {}) {
  for (const kind of kinds) {
    describe(`${kind}: ${topic}`, () => {
      const stage = new Stage(kind, topic, options);
      tests(stage, kind);
      after(() => stage.remove());
    });
  }
}

export class Stage {
  #folders = 0;
  #started = 0;
  #browsers = [];
  #visits = [];
  #service;
  #site;

  /** `service` are arguments of `push serve`, `browser` options of the shared browser. */
  constructor(kind, topic, { service = [], browser = {} } = {}) {
    Object.assign(this, { kind, topic, given: service, wanted: browser });
  }

  service() {
    return (this.#service ??= Service.start(this.given));
  }

  site() {
    return (this.#site ??= Site.start());
  }

  /** The browser that tests share. */
  async browser() {
    return (this.shared ??= this.another(this.wanted));
  }

  /** A browser of its own; the service is there first, or Chromium waits half a minute. */
  async another(options, kind = this.kind) {
    this.#started += 1;
    const label = `${kind}-no${this.#started}`;
    const browser = await Browser.start(kind, await this.service(), { label, ...options });
    this.#browsers.push(browser);
    return browser;
  }

  /** A page in a folder of its own, hence with a worker and a subscription of its own. */
  async visit(query = '', browser = this.browser()) {
    this.#folders += 1;
    const visit = await (await browser).visit(await this.site(), `${this.kind}${this.#folders}`, query);
    this.#visits.push(visit);
    return visit;
  }

  /** A page that has subscribed, and its subscription. */
  async subscribed({ key, query, browser } = {}) {
    const visit = await this.visit(query, browser);
    return { visit, receiver: await Receiver.of(visit, key) };
  }

  /** A named test; its pages are closed afterwards. */
  test(name, work) {
    test(name, async () => {
      const folder = path.join(leftovers, `${this.kind} ${name}`.replaceAll(/[^\w]+/g, '-').slice(0, 100));
      await rm(folder, { recursive: true, force: true });
      try {
        await work(this);
      } catch (error) {
        await this.#leave(folder, error);
        throw error;
      } finally {
        for (const visit of this.#visits.splice(0)) await visit.close();
      }
    });
  }

  async #leave(folder, error) {
    await mkdir(folder, { recursive: true });
    const files = { 'error.txt': `${error?.stack ?? error}\n` };
    Object.assign(files, await (await this.#service)?.said());
    files['seen.json'] = JSON.stringify((await this.#site)?.everything() ?? {}, null, 1);
    for (const [number, browser] of this.#browsers.entries()) files[`browser-${number}.log`] = browser.said();
    for (const [number, visit] of this.#visits.entries()) files[`screenshot-${number}.png`] = await visit.picture();
    for (const [name, content] of Object.entries(files)) {
      if (content !== undefined) await writeFile(path.join(folder, name), content);
    }
    console.log(`what was said is in ${folder}`);
  }

  /** Ends everything that was started. */
  async remove() {
    for (const browser of this.#browsers) await browser.remove();
    await (await this.#site)?.close();
    await (await this.#service)?.remove();
  }
}
