// `Service`: a private `push serve` on a free port, its API, and the other commands of the same binary.

import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { within } from './queue.mjs';
import { binary } from './settings.mjs';

const run = promisify(execFile);

/** The settings of whoever runs this must not reach the service or its commands. */
function environment(folder, more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PUSH_|NODE_OPTIONS|https?_proxy|all_proxy)/i.test(name));
  return { ...Object.fromEntries(kept), HOME: folder, XDG_STATE_HOME: path.join(folder, 'state'), ...more };
}

export class Service {
  #folder;
  #child;
  #arguments;
  port;

  constructor(folder, given) {
    this.#folder = folder;
    this.#arguments = given;
  }

  /** Starts one; `given` are further arguments of `push serve`. It says everything unless `verbose` is false. */
  static async start(given = [], { verbose = true } = {}) {
    const all = verbose ? ['-vvv', ...given] : given;
    const service = new Service(await mkdtemp(path.join(os.tmpdir(), 'push-service-')), all);
    await service.#open(0);
    return service;
  }

  async #open(port) {
    const settings = ['serve', '--port', String(port), '--log-format', 'json', '--ca-dir', path.join(this.#folder, 'ca')];
    const child = spawn(binary, [...settings, ...this.#arguments], {
      env: environment(this.#folder),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr.pipe(createWriteStream(this.file('wire.log'), { flags: 'a' }));
    const log = createWriteStream(this.file('service.jsonl'), { flags: 'a' });
    const lines = createInterface({ input: child.stdout });
    const ready = new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        log.write(`${line}\n`);
        const said = parsed(line);
        if (said?.type === 'ready') resolve(said);
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => reject(new Error(`push serve ended with ${code ?? signal} before it was ready`)));
    });
    this.port = (await within(ready, 'push serve to be ready', 20_000)).port;
  }

  get url() {
    return `http://localhost:${this.port}`;
  }

  get secureUrl() {
    return `https://localhost:${this.port}`;
  }

  /** The certificate of its local CA. */
  get certificate() {
    return this.file('ca/ca.pem');
  }

  /** A file beside the service's own. */
  file(name) {
    return path.join(this.#folder, name);
  }

  /** Ends it, and waits until its port is free. */
  async close() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await within(ended, 'push serve to end', 20_000);
  }

  /** The same service once more, on the same port, remembering nothing; perhaps with other arguments. */
  async restart(given = this.#arguments) {
    await this.close();
    this.#arguments = given;
    await this.#open(this.port);
  }

  async remove() {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** A call of the API below `/api/v1`; refusals are errors with the service's own words. */
  async call(method, route, body) {
    const answer = await fetch(`${this.url}/api/v1${route}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${route} ${JSON.stringify(body) ?? ''} answered ${answer.status}: ${parsed(text)?.report ?? text}`);
    return text === '' ? null : JSON.parse(text);
  }

  get(route) {
    return this.call('GET', route);
  }

  /** Waits until messages match, as `POST /wait` says. */
  async wait(match, { count = { min: 1 }, timeout = '20s' } = {}) {
    const answer = await this.call('POST', '/wait', { match, count, timeout });
    return answer.messages;
  }

  freeze() {
    return this.call('POST', '/clock', { freeze: true });
  }

  advance(by) {
    return this.call('POST', '/clock', { advance: by });
  }

  /** The clock runs again as everybody else's. */
  real() {
    return this.call('POST', '/clock', { real: true });
  }

  /** Runs another command of the binary against this service; returns what it printed. */
  async push(given, more = {}) {
    const options = { env: environment(this.#folder, { PUSH_URL: this.url, ...more }), encoding: 'utf8' };
    const { stdout } = await run(binary, given, options);
    return stdout;
  }

  /** A command of the same binary that goes on until it is told to end; `ended` is its exit code. */
  begin(given) {
    const env = environment(this.#folder, { PUSH_URL: this.url });
    const child = spawn(binary, given, { env, stdio: 'ignore' });
    return { child, ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal))) };
  }

  /** What it has written so far: its own lines, and what went over the wire. */
  async said() {
    const read = (name) => readFile(this.file(name), 'utf8').catch(() => '');
    return { 'service.jsonl': await read('service.jsonl'), 'wire.log': await read('wire.log') };
  }

  /** The subscription that a browser's endpoint names. */
  async subscription(endpoint) {
    const wanted = new URL(endpoint).pathname;
    const { items } = await this.get('/subscriptions?limit=1000');
    const found = items.find((item) => new URL(item.endpoints.http).pathname === wanted);
    if (!found) throw new Error(`no subscription has the path ${wanted}; there are ${JSON.stringify(items.map((item) => item.endpoints.http))}`);
    return found;
  }

  /** The first event of a type that fits, whether it has happened already or not. */
  async event(type, fits = () => true) {
    return within(this.#follow((event) => event.type === type && fits(event)), `the event ${type}`);
  }

  /** Every event so far that fits. */
  async events(fits) {
    const marker = `marker-${randomUUID().slice(0, 8)}`;
    await this.call('POST', '/subscriptions', { label: marker });
    const found = [];
    const isMarker = ({ subscription }) => subscription?.label === marker;
    await within(this.#follow((event) => (fits(event) && found.push(event), isMarker(event))), 'the events so far');
    return found;
  }

  /** Reads events from the first one on until one is wanted; returns it. */
  async #follow(wanted) {
    const answer = await fetch(`${this.url}/api/v1/events?since=0`, { headers: { accept: 'application/x-ndjson' } });
    let rest = '';
    // Leaving the loop ends the connection.
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const event of lines.map(parsed)) {
        if (event && wanted(event)) return event;
      }
    }
    throw new Error('the events ended');
  }

  /** All user agents of browsers. */
  async agents(kind) {
    const { items } = await this.get('/user-agents?limit=1000');
    return items.filter((item) => (kind === undefined ? item.kind !== 'simulated' : item.kind === kind));
  }

  /** A user agent by its label. */
  async agent(label) {
    const agents = await this.agents();
    const found = agents.find((item) => item.label === label);
    if (!found) throw new Error(`no user agent is called ${label}; there are ${agents.map((item) => item.label).join(', ')}`);
    return found;
  }

  /** Airplane mode of a user agent, by its id. */
  online(id, online, hard = false) {
    return this.call('PATCH', `/user-agents/${id}`, hard ? { online, hard } : { online });
  }

  /** Tells the connection of a user agent what to do, by its id. */
  control(id, what) {
    return this.call('POST', `/user-agents/${id}/control`, what);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
