// Prints how long a message takes from its POST to the push event of a page's worker, for each browser, beside a bare
// WebSocket into a page of the same browser, in turns. Milliseconds, as one JSON object.

import { createServer } from 'node:http';

import { WebSocketServer } from 'ws';

import { Browser } from './harness/browser.mjs';
import { Receiver } from './harness/messages.mjs';
import { within } from './harness/queue.mjs';
import { Service } from './harness/service.mjs';
import { KINDS } from './harness/settings.mjs';
import { Site } from './harness/site.mjs';

const ROUNDS = Number(process.env.PUSH_BENCH_ROUNDS ?? 50);
const TEXT = 'x'.repeat(1024);

const now = () => performance.timeOrigin + performance.now();

/** A bare WebSocket: the page sends back what it is sent. */
async function echo(page) {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connected = new Promise((resolve) => sockets.once('connection', resolve));
  await page.evaluate((port) => {
    globalThis.echo = new WebSocket(`ws://localhost:${port}`);
    globalThis.echo.onmessage = ({ data }) => globalThis.echo.send(data);
  }, server.address().port);
  const socket = await within(connected, 'the WebSocket');
  return {
    async measure() {
      const start = now();
      const back = new Promise((resolve) => socket.once('message', resolve));
      socket.send(TEXT);
      await within(back, 'the echo');
      return now() - start;
    },
    close() {
      socket.terminate();
      server.close();
    },
  };
}

async function measure(kind, service, site) {
  // Firefox makes its clock coarse for pages; not for this one.
  const prefs = { 'privacy.reduceTimerPrecision': false };
  const browser = await Browser.start(kind, service, { prefs });
  try {
    const visit = await browser.visit(site, kind);
    const receiver = await Receiver.of(visit);
    const bare = await echo(visit.page);
    const samples = { push: [], echo: [] };
    // The first ones start the worker and the connections.
    for (let round = -5; round < ROUNDS; round += 1) {
      const request = receiver.prepare(TEXT);
      const start = now();
      await receiver.post(request);
      const took = (await visit.seen.next()).at - start;
      const there = await bare.measure();
      if (round >= 0) {
        samples.push.push(took);
        samples.echo.push(there);
      }
    }
    bare.close();
    return samples;
  } finally {
    await browser.remove();
  }
}

const service = await Service.start([], { verbose: false });
const site = await Site.start();
const figures = {};
try {
  for (const kind of KINDS) {
    const { push, echo } = await measure(kind, service, site);
    figures[`${kind}, from POST to push event, 1 KiB`] = push;
    figures[`${kind}, bare WebSocket, there and back, 1 KiB`] = echo;
  }
} finally {
  await site.close();
  await service.remove();
}
console.log(JSON.stringify(figures));
