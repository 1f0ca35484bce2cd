// A cluster to look at: `node cluster.mjs >cluster.json`. Some of its names are none that an API server would take,
// because a dump may have any.

const label = 'pod-security.kubernetes.io/';
const openshift = { 'openshift.io/sa.scc.uid-range': '1000660000/10000', 'openshift.io/sa.scc.mcs': 's0:c26,c15',
  'openshift.io/sa.scc.supplemental-groups': '1000660000/10000' };
const objects = [];

export const hostile = [
  '<img src=x onerror="window.hacked=1">',
  '"><script>window.hacked=1</script>',
  "' onmouseover=window.hacked=1 x='",
  'javascript:window.hacked=1',
  '\u202egnp.evil',
  'a/../../b?q=1#x%00',
  'long-' + 'x'.repeat(240),
];

function namespace(name, labels = {}, annotations = openshift) {
  objects.push({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations } });
  for (const account of ['default', 'cache']) {
    objects.push({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace: name } });
  }
}

function pods(count, namespace, owner, spec, { scc, account = 'default', kind = 'ReplicaSet', name: own } = {}) {
  for (let i = 0; i < count; i++) {
    const ownerReferences = owner
      ? [{ apiVersion: 'apps/v1', kind, name: owner, uid: `${namespace}/${owner}`, controller: true }] : [];
    const annotations = scc ? { 'openshift.io/scc': scc, 'security.openshift.io/validated-scc-subject-type': 'serviceaccount' } : {};
    const name = own ?? (owner ? `${owner}-${i}` : `${namespace}-by-hand-${i}`);
    objects.push({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, ownerReferences, annotations },
      spec: { serviceAccountName: account, ...spec } });
  }
}

const strict = (user) => ({
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ name: 'main', image: 'registry.example/app:1', securityContext: { allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] }, ...(user ? { runAsUser: user } : {}) } }],
});
const plain = { containers: [{ name: 'main', image: 'registry.example/app:1' }] };
const root = { containers: [{ name: 'main', image: 'registry.example/cache:7', securityContext: { runAsUser: 0 } }] };
const host = { hostNetwork: true, containers: [{ name: 'main', image: 'registry.example/agent:2',
  securityContext: { privileged: true }, ports: [{ hostPort: 9100, containerPort: 9100 }] }] };

namespace('shop', { [`${label}warn`]: 'restricted' });
pods(3, 'shop', 'web-7c9d5f6b8', strict(1000660001), { scc: 'restricted-v2' });
pods(2, 'shop', 'cache', root, { scc: 'anyuid', account: 'cache', kind: 'StatefulSet' });
pods(1, 'shop', null, plain);
pods(1, 'shop', null, strict(1000660004), { scc: 'anyuid', name: 'cache-late' });
namespace('payments', { [`${label}enforce`]: 'baseline', [`${label}enforce-version`]: 'v1.30' });
pods(4, 'payments', 'ledger-5d8f', strict(1000660002), { scc: 'restricted-v2' });
namespace('monitoring', { [`${label}enforce`]: 'privileged' });
pods(5, 'monitoring', 'node-agent', host, { kind: 'DaemonSet' });
namespace('strict', { [`${label}enforce`]: 'restricted' });
pods(2, 'strict', 'old-6b7c', plain);
namespace('mislabelled', { [`${label}enforce`]: 'strict' });
namespace('empty');
for (let i = 0; i < 230; i++) {
  const name = `team-${String(i).padStart(3, '0')}`;
  namespace(name, i % 3 ? { [`${label}enforce`]: 'baseline' } : {});
  pods(2, name, `api-${i}`, i % 2 ? strict(1000660003) : plain);
}
for (const name of hostile) {
  namespace(name, { [`${label}enforce`]: name });
  pods(1, name, name, { containers: [{ name, image: 'x', securityContext: { capabilities: { add: [name] } } }] }, { scc: name });
}
for (const [scc, account] of [['anyuid', 'cache'], ['nonroot-v2', 'default']]) objects.push(
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: `use-${scc}` }, rules: [
    { apiGroups: ['security.openshift.io'], resources: ['securitycontextconstraints'], resourceNames: [scc], verbs: ['use'] }] },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: `${account}-${scc}`, namespace: 'shop' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `use-${scc}` },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'shop' }] },
);

export const cluster = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
