// The recipes of docs/recipes run as they are printed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Service } from '../harness/service.mjs';
import { program, source } from '../harness/settings.mjs';

const recipes = path.join(source, 'docs/recipes');
const run = promisify(execFile);

describe('recipes', () => {
  let service;
  after(() => service?.remove());

  for (const [name, file, given] of [
    ['playwright', 'chromium.test.mjs', () => []],
    // Its port must be in its public address, and is free because the service had it before.
    ['puppeteer', 'firefox.test.mjs', (port) => ['--public-url', `https://localhost:${port}`]],
  ]) {
    test(`${name}: the page shows the files that run`, async () => {
      const page = await readFile(path.join(recipes, `${name}.md`), 'utf8');
      const files = await readdir(path.join(recipes, name));

      assert.ok(files.includes(file));
      for (const shown of files) {
        const text = await readFile(path.join(recipes, name, shown), 'utf8');
        assert.ok(page.includes(`\`\`\`js\n${text}\`\`\`\n`), `docs/recipes/${name}.md shows another ${shown}`);
      }
    });

    test(`${name}: the test passes (GCM-058)`, async () => {
      service ??= await Service.start();
      await service.restart(given(service.port));
      const env = {
        ...process.env, PUSH_URL: service.url, NODE_EXTRA_CA_CERTS: service.certificate,
        PUSH_FIREFOX: program('firefox'), PUSH_CHROMIUM: program('chromium'),
      };
      // or the test runner takes itself for a part of this one, and runs nothing
      delete env.NODE_TEST_CONTEXT;

      const { stdout } = await run(process.execPath, ['--test', path.join(recipes, name, file)], { env, encoding: 'utf8' })
        .catch((error) => assert.fail(`${error.stdout}\n${error.stderr}`));

      assert.match(stdout, /# pass 1\n# fail 0/);
    });
  }
});
