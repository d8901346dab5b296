// `Display`: an X server without a screen, on a number that it chooses itself, and a picture of all that is on it.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';

import { within } from './queue.mjs';

export class Display {
  #child;
  #folder;

  static async start() {
    const display = new Display();
    display.#folder = await mkdtemp(path.join(os.tmpdir(), 'push-display-'));
    // It writes the number it took into file descriptor 3, and what is to be seen into a file.
    const given = ['-displayfd', '3', '-fbdir', display.#folder, '-screen', '0', '1280x800x24', '-nolisten', 'tcp'];
    const child = spawn('Xvfb', given, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    display.#child = child;
    const said = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`Xvfb ended with ${code}`)));
      child.stdio[3].once('data', (text) => resolve(String(text).trim()));
    });
    display.name = `:${await within(said, 'Xvfb to choose a display', 20_000)}`;
    return display;
  }

  /** Everything that is to be seen, as PNG. */
  async picture() {
    return png(await readFile(path.join(this.#folder, 'Xvfb_screen0')));
  }

  async close() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await within(ended, 'Xvfb to end', 10_000);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The X window dump format: a header of big-endian words, a table of colours, rows of blue, green, red and nothing. */
function png(dump) {
  const word = (number) => dump.readUInt32BE(number * 4);
  const [start, width, height, stride, colours] = [word(0), word(4), word(5), word(12), word(19)];
  const pixels = start + colours * 12;
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = pixels + y * stride + x * 4;
      const to = y * (1 + width * 3) + 1 + x * 3;
      rows[to] = dump[from + 2];
      rows[to + 1] = dump[from + 1];
      rows[to + 2] = dump[from];
    }
  }
  const size = Buffer.alloc(13);
  size.writeUInt32BE(width);
  size.writeUInt32BE(height, 4);
  // eight bits for each of red, green and blue
  size.set([8, 2, 0, 0, 0], 8);
  const parts = [chunk('IHDR', size), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

function chunk(name, content) {
  const body = Buffer.concat([Buffer.from(name), content]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(content.length);
  around.writeUInt32BE(zlib.crc32(body), 4);
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}
