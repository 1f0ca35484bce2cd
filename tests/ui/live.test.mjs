// The page beside a real API server: it follows what kubectl does, says so when it cannot, and comes back. Needs etcd,
// kube-apiserver and kubectl in the directory that KUBEBUILDER_ASSETS names. Nothing here waits for a time.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browse, serve } from './browser.mjs';

const assets = process.env.KUBEBUILDER_ASSETS;
const missing = ['etcd', 'kube-apiserver', 'kubectl'].filter((program) => !assets || !existsSync(join(assets, program)));
const skip = !assets ? 'KUBEBUILDER_ASSETS names no directory with etcd, kube-apiserver and kubectl'
  : missing.length > 0 && `${assets} has no ${missing.join(', ')}`;
const at = mkdtempSync(join(tmpdir(), 'ringfence-ui-live-'));
const patience = 60_000;
const level = 'pod-security.kubernetes.io/enforce';
const running = new Set();
let etcd;
let apiserver;
let url;
let page;
let browser;

const file = (name, text) => {
  const path = join(at, name);
  writeFileSync(path, text);
  return path;
};

/** Several ports at once, so that they differ. */
async function freePorts(n) {
  const servers = await Promise.all(Array.from({ length: n }, () => new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function start(program, flags) {
  const log = openSync(join(at, `${program}.log`), 'a');
  const child = spawn(join(assets, program), Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { stdio: ['ignore', log, log] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

const end = (child) => new Promise((resolve) => {
  if (!child || child.exitCode !== null || child.signalCode !== null) return resolve();
  child.once('exit', resolve);
  child.kill('SIGKILL');
});

/** Asks again until it is so, or too long has gone by. */
async function until(what, is) {
  const by = Date.now() + patience;
  for (;;) {
    let last;
    try {
      last = await is();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    assert.ok(Date.now() < by, `${what}: still ${last}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

function kubectl(args, input) {
  const ran = spawnSync(join(assets, 'kubectl'), [`--kubeconfig=${join(at, 'admin.json')}`, '--request-timeout=60s', ...args],
    { input, encoding: 'utf8', env: { HOME: at } });
  assert.equal(ran.status, 0, `kubectl ${args.join(' ')}: ${ran.stderr}`);
  return ran.stdout;
}

const apply = (...objects) => kubectl(['apply', '--validate=false', '-f', '-'], objects.map((object) => JSON.stringify(object)).join('\n---\n'));

function kubeconfig(name, token) {
  return file(`${name}.json`, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': name,
    clusters: [{ name, cluster: { server: url, 'certificate-authority': join(at, 'ca.crt') } }],
    users: [{ name, user: { token } }], contexts: [{ name, context: { cluster: name, user: name } }] }));
}

const namespace = (name, labels = {}) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
const pod = (name, namespace, spec = {}) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace },
  spec: { automountServiceAccountToken: false, containers: [{ name: 'main', image: 'registry.example/app:1' }], ...spec } });
const account = (namespace) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });

let startApiServer;

before(async () => {
  if (skip) return;
  const [client, peer, port] = await freePorts(3);
  url = `https://127.0.0.1:${port}`;
  const openssl = (args) => {
    const ran = spawnSync('openssl', args, { encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stderr);
  };
  // A server's certificate must not be an authority's.
  const certificate = (name, ...more) => openssl(['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', `/CN=${name}`, '-keyout', join(at, `${name}.key`), '-out', join(at, `${name}.crt`), ...more]);
  certificate('ca');
  certificate('apiserver', '-CA', join(at, 'ca.crt'), '-CAkey', join(at, 'ca.key'), '-addext', 'subjectAltName=IP:127.0.0.1',
    '-addext', 'basicConstraints=critical,CA:FALSE');
  openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', join(at, 'accounts.key')]);
  kubeconfig('admin', 'of-admin');
  kubeconfig('watcher', 'of-watcher');
  mkdirSync(join(at, 'certificates'));
  etcd = start('etcd', { 'data-dir': join(at, 'etcd'), 'listen-client-urls': `http://127.0.0.1:${client}`,
    'advertise-client-urls': `http://127.0.0.1:${client}`, 'listen-peer-urls': `http://127.0.0.1:${peer}`, 'unsafe-no-fsync': true });
  startApiServer = async () => {
    apiserver = start('kube-apiserver', { 'etcd-servers': `http://127.0.0.1:${client}`, 'secure-port': port, 'bind-address': '127.0.0.1',
      'advertise-address': '127.0.0.1', 'endpoint-reconciler-type': 'none', 'authorization-mode': 'RBAC',
      'cert-dir': join(at, 'certificates'), 'tls-cert-file': join(at, 'apiserver.crt'), 'tls-private-key-file': join(at, 'apiserver.key'),
      'token-auth-file': file('tokens.csv', 'of-admin,admin,admin,system:masters\nof-watcher,watcher,watcher\n'),
      'service-account-issuer': 'https://test', 'service-account-signing-key-file': join(at, 'accounts.key'),
      'service-account-key-file': join(at, 'accounts.key'), 'service-cluster-ip-range': '10.3.0.0/24' });
    await until('the API server is ready', () => {
      assert.equal(apiserver.exitCode, null, 'the API server ended');
      return spawnSync(join(assets, 'kubectl'), [`--kubeconfig=${join(at, 'admin.json')}`, 'get', '--raw',
        '/readyz/poststarthook/rbac/bootstrap-roles']).status === 0;
    });
  };
  await startApiServer();
  apply(namespace('shop', { [level]: 'baseline' }), account('shop'), pod('web', 'shop'));
  page = await serve(['--kubeconfig', join(at, 'admin.json')]);
  browser = await browse();
});

after(async () => {
  await browser?.close();
  await page?.end();
  for (const child of running) await end(child);
  rmSync(at, { recursive: true, force: true, maxRetries: 10 });
});

/** Opens the page, and fails if the browser complained of anything but addresses that lead nowhere. */
async function open(path, use, base = page.base) {
  const context = await browser.newContext({ baseURL: base });
  context.setDefaultTimeout(patience);
  const shown = await context.newPage();
  const complaints = [];
  shown.on('pageerror', (error) => complaints.push(String(error)));
  try {
    // Not known yet is known soon.
    await until(`${path} is there`, async () => (await shown.goto(path)).status() < 500);
    await use(shown);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

test('an open page follows namespaces and pods that are made, changed and deleted', { skip }, async () => {
  await open('/ui/namespaces', async (shown) => {
    // It is never loaded again.
    const origin = await shown.evaluate(() => performance.timeOrigin);
    const row = (name) => shown.locator('tbody tr').filter({ has: shown.getByRole('link', { name, exact: true }) });
    await row('shop').filter({ hasText: 'baseline' }).waitFor();
    apply(namespace('follow', { [level]: 'baseline' }), account('follow'));
    await row('follow').filter({ hasText: 'no pods' }).waitFor();
    kubectl(['label', '--overwrite', 'namespace', 'follow', `${level}=privileged`]);
    await row('follow').filter({ hasText: 'privileged' }).waitFor();
    apply(pod('agent', 'follow', { hostPID: true }));
    await row('follow').getByRole('cell', { name: '1 pod' }).first().waitFor();
    kubectl(['delete', 'pod', '--namespace', 'follow', '--grace-period=0', '--force', 'agent']);
    await row('follow').filter({ hasText: 'no pods' }).waitFor();
    kubectl(['delete', 'namespace', '--wait=false', 'follow']);
    await row('follow').filter({ hasText: 'going away' }).waitFor();
    // No controller is there that would finish it.
    kubectl(['replace', '--raw', '/api/v1/namespaces/follow/finalize', '-f', '-'],
      JSON.stringify({ ...namespace('follow'), spec: { finalizers: [] } }));
    await row('follow').waitFor({ state: 'detached' });
    assert.equal(await shown.evaluate(() => performance.timeOrigin), origin);
  });
});

test('what somebody reads is not taken away, but they are told that it has changed', { skip }, async () => {
  await open('/ui/namespaces/shop?level=restricted', async (shown) => {
    await shown.locator('summary').first().click();
    apply(pod('another', 'shop'));
    await shown.getByText('This has changed.').waitFor();
    assert.equal(await shown.locator('details[open]').count(), 1);
    await shown.getByRole('link', { name: 'Show it as it is now' }).click();
    await shown.getByText('2 pods of 2').waitFor();
    kubectl(['delete', 'pod', '--namespace', 'shop', '--grace-period=0', '--force', 'another']);
    await shown.getByText('1 pod of 1').waitFor();
  });
});

test('the whole of a pod is asked for when somebody looks at it', { skip }, async () => {
  apply(pod('ports', 'shop', { serviceAccountName: 'default' }));
  await open('/ui/namespaces', async (shown) => {
    await until('the pod is known', async () => (await shown.goto('/ui/pods/shop/ports')).status() === 200);
    await shown.getByText('service account').first().waitFor();
    assert.equal(await shown.getByText('did not give the whole pod').count(), 0);
  });
  kubectl(['delete', 'pod', '--namespace', 'shop', '--grace-period=0', '--force', 'ports']);
});

test('whoever may list pods and not get one sees what is kept of it, and is told why', { skip }, async () => {
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
  apply({ ...rbac, kind: 'ClusterRole', metadata: { name: 'watcher' }, rules: [
    { apiGroups: [''], resources: ['namespaces', 'pods'], verbs: ['list', 'watch'] },
    { apiGroups: ['security.openshift.io'], resources: ['securitycontextconstraints'], verbs: ['list', 'watch'] }] },
  { ...rbac, kind: 'ClusterRoleBinding', metadata: { name: 'watcher' }, subjects: [{ kind: 'User', name: 'watcher' }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'watcher' } });
  const watcher = await serve(['--kubeconfig', join(at, 'watcher.json')]);
  try {
    await open('/ui/pods/shop/web', async (shown) => {
      await shown.getByText(/did not give the whole pod: pods "web" is forbidden: User "watcher" cannot get resource "pods"/).waitFor();
      await shown.getByText('Refused by restricted:latest').waitFor();
    }, watcher.base);
  } finally {
    await watcher.end();
  }
});

test('while the API server is away the page says how old what it shows is, and comes back with it', { skip }, async () => {
  await open('/ui/namespaces', async (shown) => {
    assert.equal(await shown.getByText('What is shown is').count(), 0);
    await end(apiserver);
    await shown.getByText(/What is shown is \d+ (second|minute)s? old\. Since then the API server has not been heard of: cannot reach/).waitFor();
    // What is known is there all the same, and an address that is opened now says so, too.
    assert.equal(await shown.getByRole('link', { name: 'shop', exact: true }).count(), 1);
    await shown.goto('/ui/pods/shop/web');
    await shown.getByText('did not give the whole pod: the API server did not answer').waitFor();
    await startApiServer();
    apply(namespace('afterwards'));
    await shown.goto('/ui/namespaces');
    await shown.getByRole('link', { name: 'afterwards', exact: true }).waitFor();
    await shown.locator('#freshness', { hasText: 'What is shown is' }).waitFor({ state: 'detached' });
  });
});
