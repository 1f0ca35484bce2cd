// The program that is tested, and what looks at it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

/** Starts `ringfence serve --ui` and waits for its address. */
export async function serve(args) {
  const server = spawn(process.env.RINGFENCE, ['serve', ...args, '--ui', '--ui-listen', '127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => { server.once('exit', resolve); });
  const end = () => {
    server.kill('SIGKILL');
    return ended;
  };
  const said = [];
  for await (const line of createInterface({ input: server.stderr })) {
    said.push(line);
    const page = line.startsWith('{') && JSON.parse(line).page;
    if (page) {
      server.stderr.resume();
      return { base: new URL(page).origin, end };
    }
  }
  assert.fail(`the server ended: ${said.join('\n')}`);
}

export const browse = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  timeout: 120_000,
});
