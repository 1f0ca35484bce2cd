// The page in a real browser, as somebody uses it. Nothing here waits for a time; what is waited for has a minute.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browse, serve } from './browser.mjs';
import { cluster, hostile } from './cluster.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.RINGFENCE_UI_SHOTS;
const at = mkdtempSync(join(tmpdir(), 'ringfence-ui-'));

const views = {
  overview: '/ui/',
  namespaces: '/ui/namespaces',
  filtered: '/ui/namespaces?state=violating&level=restricted',
  namespace: '/ui/namespaces/shop?level=restricted',
  mislabelled: '/ui/namespaces/mislabelled',
  workloads: '/ui/workloads?break=restricted',
  pods: '/ui/pods?namespace=shop',
  pod: '/ui/pods/shop/cache-0',
  refused: '/ui/pods/monitoring/node-agent-0',
  constraints: '/ui/constraints',
  constraint: '/ui/constraints/anyuid',
  search: '/ui/search?q=shop',
  nothing: '/ui/search?q=no-such-thing',
  missing: '/ui/namespaces/no-such-namespace',
};

let server;
let base;
let browser;

before(async () => {
  const dump = join(at, 'cluster.json');
  writeFileSync(dump, cluster);
  server = await serve(['--cluster', dump, '--platform', 'openshift']);
  base = server.base;
  browser = await browse();
});

after(async () => {
  await browser?.close();
  await server?.end();
  rmSync(at, { recursive: true });
});

/** Runs with a page of its own, and fails if the browser complained of anything. */
async function withPage(options, use) {
  const context = await browser.newContext({ baseURL: base, ...options });
  context.setDefaultTimeout(60_000);
  if (options.script) await context.addInitScript(options.script);
  const complaints = [];
  const page = await context.newPage();
  // An address that leads nowhere is reported, too; there it is meant.
  page.on('console', (message) => /status of 404/.test(message.text()) || complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (asked) => asked.url().startsWith(base) || complaints.push(`asked for ${asked.url()}`));
  try {
    await use(page, context);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const ask = (path, { method = 'GET', headers = {} } = {}) => new Promise((resolve, reject) => {
  const asking = request(base + path, { method, headers }, (answer) => {
    let body = '';
    answer.on('data', (data) => { body += data; });
    answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body }));
  });
  asking.on('error', reject).end();
});

for (const [name, path] of Object.entries(views)) {
  test(`${name} has a title, one heading and landmarks, is accessible in light and dark colours, and fits 320 pixels`, async () => {
    await withPage({ script: axe }, async (page) => {
      await page.goto(path);
      assert.match(await page.title(), /^.+ · ringfence$/);
      assert.equal(await page.locator('h1').count(), 1);
      assert.equal(await page.locator('html[lang=en]').count(), 1);
      for (const role of ['banner', 'main', 'contentinfo', 'search']) assert.equal(await page.getByRole(role).count(), 1, role);
      if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        // Of the second look only colours are news.
        const rules = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : {};
        const { violations, passes } = await page.evaluate((options) => globalThis.axe.run(options), rules);
        const told = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
        assert.deepEqual(told, [], colorScheme);
        assert.ok(passes.some(({ id }) => id === 'color-contrast'));
        if (shots && colorScheme === 'dark') await page.screenshot({ path: join(shots, `${name}-dark.png`), fullPage: true });
      }
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 320, height: 640 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320);
      if (shots) await page.screenshot({ path: join(shots, `${name}-320.png`) });
    });
  });
}

test('who wants to raise a namespace sees what that would break, and why', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/');
    await page.getByRole('link', { name: 'Namespaces', exact: true }).click();
    await page.getByLabel('Name', { exact: true }).fill('shop');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.waitForURL('**/ui/namespaces?*q=shop*');
    await page.getByRole('link', { name: 'shop', exact: true }).click();
    const table = page.getByRole('table', { name: 'Workloads that would break' });
    await table.waitFor();
    assert.match(await table.getByRole('row', { name: /StatefulSet\/cache/ }).innerText(), /2\s+allowPrivilegeEscalation != false/);
    assert.equal(await table.getByText('web-7c9d5f6b8').count(), 0);
    await page.getByRole('link', { name: 'under baseline' }).click();
    await page.getByText('all 7 pods satisfy baseline').waitFor();
    assert.equal(await page.locator('code[data-copy]').innerText(),
      'kubectl label --overwrite namespace shop pod-security.kubernetes.io/enforce=baseline');
  });
});

test('a chosen level shows all workloads that it would break', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/workloads');
    const wide = await page.locator('tbody tr').count();
    await page.getByLabel('Level').selectOption('baseline');
    await page.getByRole('heading', { name: 'What breaks under baseline' }).waitFor();
    await page.waitForURL('**/ui/workloads?break=baseline');
    const rows = page.locator('tbody tr');
    // The node agents, and the pods with names of their own kind.
    assert.equal(await rows.count(), 1 + hostile.length);
    assert.ok(wide > 1 + hostile.length);
    assert.match(await rows.filter({ hasText: 'DaemonSet/node-agent' }).innerText(), /privileged/);
    assert.match(await page.locator('#status').innerText(), /^12 pods in 8 namespaces/);
  });
});

test('a deep link opened cold shows what it says', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/workloads?break=restricted&q=cache&namespace=shop');
    assert.equal(await page.getByLabel('Workload or namespace has').inputValue(), 'cache');
    assert.equal(await page.locator('tbody tr').count(), 1);
    await page.goto('/ui/namespaces?page=3');
    await page.getByText('Page 3 of 3').waitFor();
    assert.equal(await page.locator('tbody tr').count(), 243 - 200);
    await page.getByRole('link', { name: 'Previous' }).click();
    await page.getByText('Page 2 of 3').waitFor();
  });
});

test('the search finds namespaces, and pods by what made them', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/');
    await page.getByRole('searchbox').fill('node-agent');
    await page.getByRole('searchbox').press('Enter');
    await page.getByRole('heading', { name: /Search for/ }).waitFor();
    assert.equal(await page.locator('tbody tr').count(), 5);
    await page.getByRole('link', { name: 'node-agent-3' }).click();
    await page.getByRole('heading', { name: 'Pod node-agent-3' }).waitFor();
  });
});

test('a pod says which constraint it has, and why', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/pods/shop/cache-0');
    await page.getByText('It was given anyuid when it was made, by the right of its service account. It would be given the same now.').waitFor();
    const turns = page.getByRole('table', { name: 'Constraints in the order' });
    const first = await turns.locator('tbody tr').first().innerText();
    assert.match(first, /anyuid\s+10\s+[\d,]+\s+taken\s+service account cache: RoleBinding "shop\/cache-anyuid"/);
    const second = await turns.locator('tbody tr').nth(1).innerText();
    assert.match(second, /restricted-v2\s+0\s+[\d,]+\s+refused/);
    assert.match(second, /runAsUser: Invalid value: 0: must be in the ranges/);
    await page.goto('/ui/pods/monitoring/node-agent-0');
    await page.getByText('Made again as it is, it would be refused.').waitFor();
    await page.getByText('What it would take').click();
    await page.getByText('privileged takes it as it is, once').waitFor();
    await page.goto('/ui/pods/shop/web-7c9d5f6b8-0');
    await page.getByText('restricted-v2 comes before nonroot-v2, which would do as well').waitFor();
  });
});

test('who wants to know what a change of constraints would do sees how many pods have each, and which would get another', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/');
    await page.getByRole('link', { name: 'Constraints', exact: true }).click();
    const table = page.getByRole('table', { name: 'how many pods have each' });
    // Columns: priority, score, pods, would get another, would be refused, would have it.
    const row = async (name) => (await table.getByRole('row', { name }).getByRole('cell').allInnerTexts()).slice(2).join(' ');
    assert.equal(await row(/^anyuid/), '3 1 0 2');
    assert.equal(await row(/^restricted-v2/), '7 0 0 471');
    assert.equal(await row(/^none recorded/), '468 0 5 ');
    // What pods have is there whether or not there still is such a constraint.
    assert.equal(await table.getByText('does not exist').count(), hostile.length);
    await table.getByRole('row', { name: /^anyuid/ }).getByRole('link', { name: '1', exact: true }).click();
    await page.waitForURL('**/ui/pods?scc=anyuid&now=other');
    assert.match(await page.locator('tbody tr').innerText(), /cache-late\s+shop\s+made by hand\s+anyuid would get restricted-v2/);
    await page.locator('tbody').getByRole('link', { name: 'anyuid' }).click();
    await page.getByRole('heading', { name: 'Security context constraint anyuid' }).waitFor();
    assert.match(await page.getByRole('table', { name: 'Namespaces with pods' }).getByRole('row', { name: /^shop/ }).innerText(), /3\s+1\s+0\s+2/);
    await page.getByRole('searchbox', { name: /Search/ }).fill('nonroot');
    await page.getByRole('searchbox', { name: /Search/ }).press('Enter');
    await page.getByRole('link', { name: 'nonroot-v2', exact: true }).click();
    await page.getByText('No pod has it, and none would be given it.').waitFor();
  });
  const { constraints, pods } = JSON.parse((await ask('/ui/api/constraints?q=anyuid')).body);
  assert.deepEqual([constraints.map(({ name, pods, wouldChange }) => [name, pods, wouldChange]), pods], [[['anyuid', 3, 1], ['hostmount-anyuid', 0, 0]], 3]);
  const { pods: listed } = JSON.parse((await ask('/ui/api/pods?now=other')).body);
  assert.ok(listed.some(({ name, scc, wouldBeGiven }) => name === 'cache-late' && scc === 'anyuid' && wouldBeGiven === 'restricted-v2'));
  assert.equal((await ask('/ui/constraints/no-such-constraint')).status, 404);
  assert.equal((await ask('/ui/pods?now=later')).status, 400);
});

test('results follow the filter while it is typed, and so does the address', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/namespaces');
    const before = await page.evaluate(() => performance.timeOrigin);
    await page.getByLabel('Name', { exact: true }).pressSequentially('team-00');
    await page.getByText('10 namespaces.').waitFor();
    assert.equal(await page.locator('tbody tr').count(), 10);
    await page.waitForURL('**/ui/namespaces?q=team-00');
    assert.equal(await page.evaluate(() => performance.timeOrigin), before, 'it was not loaded again');
    await page.reload();
    assert.equal(await page.locator('tbody tr').count(), 10);
  });
});

test('everything can be reached with the keyboard', async () => {
  await withPage({}, async (page) => {
    await page.goto('/ui/');
    await page.keyboard.press('Tab');
    const skip = page.getByRole('link', { name: 'Skip to the content' });
    assert.ok(await skip.evaluate((link) => link === document.activeElement && link.getBoundingClientRect().left >= 0));
    assert.notEqual(await skip.evaluate((link) => getComputedStyle(link).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'main');
    await page.keyboard.press('Tab');
    assert.match(await page.evaluate(() => document.activeElement.textContent), /could enforce more/);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/ui/namespaces?state=raise');
    await page.locator('body').press('/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
    await page.keyboard.type('cache-1');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/ui/search?q=cache-1');
    // Every control can be come to, and shows that it was.
    const expected = await page.locator('main :is(a, summary, [tabindex="0"])').count();
    await page.locator('main').focus();
    let found = 0;
    for (let i = 0; i <= expected; i++) {
      await page.keyboard.press('Tab');
      found += await page.evaluate(() => document.activeElement.closest('main') !== null
        && getComputedStyle(document.activeElement).outlineStyle !== 'none');
    }
    assert.equal(found, expected);
  });
});

test('without a script everything works', async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    await page.goto('/ui/');
    await page.getByRole('searchbox').fill('ledger');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('link', { name: 'ledger-5d8f-0' }).click();
    await page.getByRole('heading', { name: 'Pod ledger-5d8f-0' }).waitFor();
    await page.getByRole('link', { name: 'payments' }).first().click();
    await page.getByRole('heading', { name: 'Namespace payments' }).waitFor();
    await page.goto('/ui/workloads');
    await page.getByLabel('Level').selectOption('baseline');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByRole('heading', { name: 'What breaks under baseline' }).waitFor();
    await page.goto('/ui/pods');
    await page.getByRole('link', { name: 'Next' }).click();
    await page.getByText('from there').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Copy' }).count(), 0);
  });
});

for (const name of hostile) {
  test(`a namespace, workload, container and pod called ${JSON.stringify(name.slice(0, 40))} are only text`, async () => {
    await withPage({}, async (page) => {
      await page.goto('/ui/namespaces?state=mislabelled');
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      assert.equal(await page.locator('h1').textContent(), `Namespace ${name}`);
      assert.equal(await page.locator('code[data-copy]').count(), 0);
      await page.locator('summary').first().click();
      await page.getByRole('link', { name: `${name}-0`, exact: true }).click();
      await page.waitForFunction(() => document.querySelector('h1').textContent.startsWith('Pod '));
      assert.equal(await page.locator('h1').textContent(), `Pod ${name}-0`);
      await page.goto(`/ui/search?${new URLSearchParams({ q: name })}`);
      assert.equal(await page.locator('tbody tr').count(), 1);
      assert.equal(await page.locator('main :is(script, img, iframe, object, [onmouseover], [onerror])').count(), 0);
      assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    });
  });
}

test('a browser is told to run, load and send nothing but what is ours', async () => {
  for (const path of [...Object.values(views), '/ui/style.css', '/ui/script.js', '/ui/icon.svg', '/ui/api/']) {
    const { headers } = await ask(path);
    assert.match(headers['content-security-policy'], /^default-src 'none';.*frame-ancestors 'none'$/, path);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*|http/, path);
    assert.deepEqual([headers['x-content-type-options'], headers['referrer-policy'], headers['access-control-allow-origin']],
      ['nosniff', 'no-referrer', undefined], path);
  }
});

test('another name that leads here gets nothing', async () => {
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80']) {
    const { status, body } = await ask('/ui/', { headers: { host } });
    assert.equal(status, 421, host);
    assert.doesNotMatch(body, /namespace/);
  }
  assert.equal((await ask('/ui/', { headers: { host: 'localhost:1' } })).status, 200);
});

test('it only reads, and serves nothing else', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal((await ask('/ui/', { method })).status, 405, method);
  for (const path of ['/validate', '/metrics', '/ui/../etc/passwd', '/ui/nothing']) assert.equal((await ask(path)).status, 404, path);
  assert.equal((await ask('/ui/namespaces?page=x')).status, 400);
  assert.equal((await ask('/')).headers.location, '/ui/');
});

test('each view is there as JSON', async () => {
  const { namespaces, total, pages } = JSON.parse((await ask('/ui/api/namespaces?q=team-&page=3')).body);
  assert.deepEqual([namespaces.length, total, pages], [30, 230, 3]);
  const { workloads, pods } = JSON.parse((await ask('/ui/api/workloads?break=restricted&namespace=shop')).body);
  assert.deepEqual([pods, workloads.map(({ owner }) => owner?.name)], [3, [undefined, 'cache']]);
  const { constraint } = JSON.parse((await ask('/ui/api/pods/shop/cache-0')).body);
  assert.deepEqual([constraint.recorded, constraint.now, constraint.turns[0].outcome], ['anyuid', 'anyuid', 'taken']);
  assert.deepEqual(JSON.parse((await ask('/ui/api/namespaces/nowhere')).body), { error: 'There is no namespace "nowhere" here.' });
  await withPage({}, async (page) => {
    await page.goto('/ui/pods?namespace=shop');
    assert.equal(await page.getByRole('link', { name: 'This view as JSON' }).getAttribute('href'), '/ui/api/pods?namespace=shop');
  });
});
