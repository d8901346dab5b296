// `Browser`: a stock browser with a fresh profile, set up as `GET /api/v1/browsers/{kind}` says, and `Visit`: one
// page of a `Site` in it. Everything it starts it also ends, and nothing else.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import puppeteer from 'puppeteer-core';

import { within } from './queue.mjs';
import { program } from './settings.mjs';

const run = promisify(execFile);

/** What a program of ours decides itself. */
const OURS = /^--(headless|user-data-dir|profile|no-remote|new-instance|remote-debugging)/;

export class Browser {
  #driver;
  #home;
  #log = [];
  kind;
  options;

  constructor(kind, service, home, options) {
    this.kind = kind;
    this.service = service;
    this.#home = home;
    this.options = options;
  }

  /**
   * Starts one. `label` names the user agent, `headless` false wants a display, `prefs` and `switches` are added to
   * what the service says; `without` is a pattern of switches that are left out. `trust` puts the service's
   * certificate into the browser's store, and `driver` are further options of the driver. `permission` is 'set' when every page may notify, 'denied' when none may, and 'driver' when
   * a test gives and takes it.
   */
  static async start(kind, service, options = {}) {
    const home = await mkdtemp(path.join(os.tmpdir(), `push-${kind}-`));
    const browser = new Browser(kind, service, home, options);
    await browser.#open();
    return browser;
  }

  async #open() {
    const { label, space } = this.options;
    const query = new URLSearchParams({ ...(label && { label }), ...(space && { space }) });
    const setup = await this.service.get(`/browsers/${this.kind}?${query}`);
    this.profile = path.join(this.#home, 'profile');
    await mkdir(this.profile, { recursive: true });
    if (this.kind === 'chromium') await this.#files(setup.files ?? {});
    if (this.options.trust) await this.#trust();
    const shared = {
      executablePath: program(this.kind),
      headless: this.options.headless ?? true,
      userDataDir: this.profile,
      env: { ...process.env, NODE_OPTIONS: '', ...setup.env, HOME: this.#home, ...this.options.env },
      handleSIGINT: false,
      // A busy machine starts Firefox for the first time in 7 s, and twice as fast afterwards.
      timeout: 60_000,
      ...this.options.driver,
    };
    this.#driver = this.kind === 'firefox'
      ? await puppeteer.launch({ ...shared, browser: 'firefox', extraPrefsFirefox: this.#preferences(setup.prefs ?? {}) })
      : await puppeteer.launch({ ...shared, browser: 'chrome', args: this.#switches(setup.args ?? []) });
    this.process = this.#driver.process();
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (text) => this.#log.push(String(text)));
    }
  }

  /** Both browsers keep certificates in an NSS database; Firefox in its profile, Chromium in the person's folder. */
  async #trust() {
    const folder = this.kind === 'firefox' ? this.profile : path.join(this.#home, '.pki/nssdb');
    await mkdir(folder, { recursive: true });
    await run('certutil', ['-N', '-d', `sql:${folder}`, '--empty-password']);
    await run('certutil', ['-A', '-d', `sql:${folder}`, '-n', 'push', '-t', 'C,,', '-i', this.service.certificate]);
  }

  get permission() {
    return this.options.permission ?? 'set';
  }

  async #files(files) {
    if (this.permission !== 'set') return;
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.profile, name);
      await mkdir(path.dirname(file), { recursive: true });
      // What the browser wrote into its profile afterwards stays.
      await writeFile(file, text, { flag: 'wx' }).catch((error) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
  }

  #preferences(given) {
    const value = { set: 1, denied: 2, driver: 0 }[this.permission];
    return { ...given, 'permissions.default.desktop-notification': value, ...this.options.prefs };
  }

  #switches(given) {
    const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const unwanted = (argument) => OURS.test(argument) || root.includes(argument) || this.options.without?.test(argument);
    const kept = given.filter((argument) => !unwanted(argument));
    return [...kept, ...root, '--disable-gpu', '--enable-logging=stderr', ...(this.options.switches ?? [])];
  }

  newPage() {
    return this.#driver.newPage();
  }

  /** Lets pages of an origin notify, for as long as the browser runs. */
  permit(origin) {
    return this.#driver.defaultBrowserContext().overridePermissions(origin, ['notifications']);
  }

  /** Takes that back. */
  forbid() {
    return this.#driver.defaultBrowserContext().clearPermissionOverrides();
  }

  /** Opens a page of the site; `query` says how its worker behaves. */
  async visit(site, folder, query = '') {
    const page = await this.#driver.newPage();
    const note = (what) => (said) => this.#log.push(`${folder} ${what}: ${said.text?.() ?? said.message ?? said}\n`);
    page.on('console', note('console'));
    page.on('pageerror', note('error'));
    await page.goto(`${site.origin}/${folder}/`);
    const visit = new Visit(this, site, folder, page);
    await visit.call('register', query);
    return visit;
  }

  /** Starts it again with the same profile. */
  async reopen() {
    await this.#open();
  }

  /** Ends it; its profile stays. */
  async end() {
    if (!this.#driver) return;
    const ended = new Promise((resolve) => {
      if (this.process.exitCode !== null || this.process.signalCode !== null) resolve();
      else this.process.once('exit', resolve);
    });
    await within(this.#driver.close(), 'the browser to close', 15_000).catch(() => this.process.kill('SIGKILL'));
    await within(ended, 'the browser to end', 15_000);
    this.#driver = undefined;
  }

  get runs() {
    return this.#driver !== undefined;
  }

  async remove() {
    await this.end();
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  /** What it wrote, and what its pages said. */
  said() {
    return this.#log.join('');
  }
}

/** One page, and the worker behind it. */
export class Visit {
  constructor(browser, site, folder, page) {
    Object.assign(this, { browser, site, folder, page, seen: site.seen(folder) });
  }

  /** Calls a function of the page's own script. */
  call(name, ...given) {
    return this.page.evaluate((name, given) => globalThis.eval(name)(...given), name, given);
  }

  /** What the page looks like, if it is still there. */
  picture() {
    if (this.page.isClosed()) return undefined;
    return within(this.page.screenshot(), 'a picture', 5000).catch(() => undefined);
  }

  /** Closes the page; the worker stays. */
  async close() {
    if (this.browser.runs && !this.page.isClosed()) await within(this.page.close(), 'the page to close', 10_000);
  }

  /** Subscribes, and fails when the browser refuses. */
  async subscribe(key) {
    const { ok, error, message } = await this.call('subscribe', key);
    if (!ok) throw new Error(`subscribe() was rejected: ${error}: ${message}`);
    return ok;
  }
}
