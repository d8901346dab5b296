// Other people's senders, each a program that answers one JSON request: xtask/interop/peer.mjs and peer.py.

import { spawn } from 'node:child_process';
import path from 'node:path';

import { python, source } from './settings.mjs';
import { within } from './queue.mjs';

const programs = {
  'npm web-push': () => [process.execPath, '--no-warnings', path.join(source, 'xtask/interop/peer.mjs'), process.env.PUSH_PACKAGES],
  'PyPI pywebpush': () => [python, path.join(source, 'xtask/interop/peer.py')],
};

/** Asks once; `more` is added to its environment. */
export async function ask(name, question, more = {}) {
  const [program, ...given] = programs[name]();
  const child = spawn(program, given, { env: { ...process.env, NODE_OPTIONS: '', ...more } });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) child[stream].on('data', (text) => (output[stream] += text));
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  child.stdin.end(`${JSON.stringify(question)}\n`);
  await within(ended, () => `${name}; it said ${output.stderr}`, 30_000);
  const answer = JSON.parse(output.stdout || '{}');
  if (!answer.ok) throw new Error(`${name}: ${answer.error ?? output.stderr}`);
  return answer.ok;
}
