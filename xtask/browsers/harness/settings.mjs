// What the chore hands over in the environment, with what a person on the command line would expect.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');

/** The built command. */
export const binary = process.env.PUSH_BINARY ?? path.join(target, 'debug', 'push');

/** Where what a failed test leaves behind is put. */
export const leftovers = process.env.PUSH_LEFTOVERS ?? path.join(target, 'browsers');

/** The interpreter that sees the packages of `xtask/interop/requirements.txt`. */
export const python = process.env.PUSH_PYTHON ?? 'python3';

/** The root of the source tree. */
export const source = root;

/** The browsers, in the order in which they are tested. */
export const KINDS = ['firefox', 'chromium'];

const programs = {
  firefox: ['firefox-esr', 'firefox'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
};

/** The program of a browser: PUSH_FIREFOX, PUSH_CHROMIUM, or the first of the usual names. */
export function program(kind) {
  const given = process.env[`PUSH_${kind.toUpperCase()}`];
  if (given) return given;
  for (const name of programs[kind]) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      // the next name
    }
  }
  throw new Error(`none of ${programs[kind].join(', ')} is installed; install one or set PUSH_${kind.toUpperCase()}`);
}
