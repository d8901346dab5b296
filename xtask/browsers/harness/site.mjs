// `Site`: what a page author has: a page, a worker, and a server of their own origin that both talk to.
// Every folder is a site of its own with its own worker and so its own subscription.

import { readFile } from 'node:fs/promises';
import http from 'node:http';

import { Queue } from './queue.mjs';

const files = new URL('../site/', import.meta.url);
const types = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };

export class Site {
  #server;
  #seen = new Map();
  /** What `/fresh` answers: the data behind a message without data. */
  fresh = 'nothing new';

  static async start() {
    const site = new Site();
    site.#server = http.createServer((request, answer) => {
      site.#respond(request, answer).catch((error) => answer.writeHead(500).end(String(error)));
    });
    await new Promise((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get origin() {
    return `http://localhost:${this.#server.address().port}`;
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What the worker of a folder saw. */
  seen(folder) {
    if (!this.#seen.has(folder)) this.#seen.set(folder, new Queue(`an event of the worker of /${folder}/`));
    return this.#seen.get(folder);
  }

  /** Everything that every worker told, for the report of a failure. */
  everything() {
    return Object.fromEntries([...this.#seen].map(([folder, queue]) => [folder, queue.all]));
  }

  async #respond(request, answer) {
    const { pathname } = new URL(request.url, this.origin);
    const [, folder, name] = pathname.split('/');
    if (request.method === 'POST' && name === 'seen') {
      const parts = [];
      for await (const part of request) parts.push(part);
      this.seen(folder).push(JSON.parse(Buffer.concat(parts)));
      return answer.writeHead(204).end();
    }
    if (name === 'fresh') return answer.writeHead(200, { 'content-type': 'text/plain' }).end(this.fresh);
    const file = name === '' ? 'page.html' : name;
    if (!['page.html', 'page.js', 'worker.js'].includes(file)) return answer.writeHead(404).end();
    const text = await readFile(new URL(file, files));
    const type = types[file.split('.').pop()];
    return answer.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
  }
}
