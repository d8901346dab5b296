// Finds npm packages in the folder PUSH_PACKAGES, so that nothing is installed into the source tree.
// Loaded with `node --import`; the hook runs in a thread of its own.

import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

const folder = pathToFileURL(path.join(process.env.PUSH_PACKAGES ?? '.', 'package.json')).href;

/** A bare name that one of our own files imports is looked up from the packages' folder. */
export function resolve(specifier, context, next) {
  const bare = /^[a-z@]/.test(specifier) && !specifier.includes(':');
  const ours = !context.parentURL?.includes('/node_modules/');
  return next(specifier, bare && ours ? { ...context, parentURL: folder } : context);
}
