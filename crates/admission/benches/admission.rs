//! Who may use what among 10,000 bindings, answering a review, admitting a pod with OpenShift's strategies, and
//! simulating a change; each with its allocations.

use divan::{AllocProfiler, Bencher, black_box, counter::ItemsCount};
use k8s_openapi::api::core::v1::Pod;
use ringfence_admission::{
    admit::Admitter,
    cluster::Snapshot,
    pod_security::{PodSecurity, PodSecurityConfiguration},
    review::AdmissionRequest,
    simulate::{Change, Object, Report, Simulation},
    sync::{Settings, plan},
    user::User,
};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const BINDINGS: usize = 10_000;
const NAMESPACES: usize = 500;

/// Bindings of ten roles spread over namespaces; half of them have nothing to do with constraints.
fn objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for i in 0..10 {
        let (resource, verb) = if i % 2 == 0 { ("securitycontextconstraints", "use") } else { ("pods", "get") };
        objects.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": format!("role-{i}")},
            "rules": [{"apiGroups": ["*"], "resources": [resource], "verbs": [verb], "resourceNames": [format!("scc-{i}")]}]}));
        objects.push(json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": format!("scc-{i}")},
            "priority": i, "allowHostPID": i == 8, "allowedCapabilities": ["*"], "fsGroup": {"type": "MustRunAs"}, "supplementalGroups": {"type": "RunAsAny"},
            "groups": if i == 9 { vec!["system:authenticated"] } else { vec![] },
            "seLinuxContext": {"type": "MustRunAs"}, "runAsUser": {"type": "MustRunAsRange"}, "volumes": ["*"], "seccompProfiles": ["*"]}));
    }
    for i in 0..NAMESPACES {
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("ns-{i}"),
            "labels": {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"},
            "annotations": {"openshift.io/sa.scc.uid-range": "1000/100", "openshift.io/sa.scc.mcs": "s0:c1,c0"}}}));
        objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": format!("ns-{i}")}}));
    }
    for i in 0..BINDINGS {
        let subject = match i % 4 {
            0 => json!({"kind": "User", "name": format!("user-{}", i % 97)}),
            1 => json!({"kind": "Group", "name": "system:authenticated"}),
            2 => json!({"kind": "Group", "name": format!("team-{}", i % 31)}),
            _ => json!({"kind": "ServiceAccount", "name": "default"}),
        };
        objects.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("binding-{i}"), "namespace": format!("ns-{}", i % NAMESPACES)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("role-{}", i % 10)}, "subjects": [subject]}));
    }
    objects
}

fn cluster() -> Snapshot {
    Snapshot::of("bench", objects())
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-5d8f", "namespace": "ns-7", "labels": {"app": "web"}},
        "spec": {"serviceAccountName": "default", "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}],
            "containers": [{"name": "web", "image": "registry.example/web:1", "ports": [{"containerPort": 8080}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}})
}

#[divan::bench(sample_count = 10)]
fn rbac_index_of_10_000_bindings(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(objects).bench_values(|objects| Snapshot::of("bench", objects));
}

#[divan::bench(args = ["user-7", "system:serviceaccount:ns-7:default", "nobody"])]
fn rbac_question_among_10_000_bindings(bencher: Bencher<'_, '_>, user: &str) {
    let (cluster, user) = (cluster(), User::impersonated(user, &["team-3".to_owned()]));
    bencher.bench(|| cluster.rbac().allows(black_box(&user), "ns-7", "scc-4"));
}

#[divan::bench]
fn rbac_everyone_who_may_use_one(bencher: Bencher<'_, '_>) {
    let cluster = cluster();
    bencher.bench(|| cluster.rbac().subjects(black_box("ns-7"), "scc-4"));
}

#[divan::bench(sample_count = 10)]
fn labels_of_500_namespaces(bencher: Bencher<'_, '_>) {
    let cluster = cluster();
    bencher.bench(|| plan(black_box(&cluster), Settings::default()));
}

#[divan::bench]
fn admission_with_ten_constraints(bencher: Bencher<'_, '_>) {
    let cluster = cluster();
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    let pod: Pod = serde_json::from_value(pod()).unwrap_or_default();
    let user = User::impersonated("alice", &[]);
    bencher.bench(|| admitter.admit(black_box(&pod), "ns-7", &user).allowed);
}

fn request() -> String {
    json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "web-5d8f", "namespace": "ns-7", "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]}, "object": pod(), "oldObject": null})
    .to_string()
}

#[divan::bench]
fn review_from_text_to_text(bencher: Bencher<'_, '_>) {
    let (cluster, pod_security, text) = (cluster(), PodSecurity::default(), request());
    bencher.bench(|| {
        let request: AdmissionRequest = serde_json::from_str(black_box(&text)).unwrap_or_default();
        serde_json::to_string(&pod_security.review(&cluster, &request).response)
    });
}

/// Divan's "max alloc" is the peak: it must not grow with the number of pods.
#[divan::bench(args = [10_000, 1_000_000], sample_count = 2, sample_size = 1)]
fn simulation_of_pods_from_text(bencher: Bencher<'_, '_>, pods: usize) {
    let cluster = cluster();
    let file = json!({"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration", "defaults": {"audit": "restricted"}});
    let after = PodSecurityConfiguration::read(&file).and_then(PodSecurity::new).unwrap_or_default();
    let labels = [("pod-security.kubernetes.io/enforce".to_owned(), Some("restricted".to_owned()))].into();
    let change = Change { labels, namespaces: None, pod_security: Some(after) };
    let simulation = Simulation::new(&cluster, PodSecurity::default(), &change);
    let text = pod().to_string();
    bencher.counter(ItemsCount::new(pods)).bench(|| {
        let mut report = Report::default();
        for _ in 0..pods {
            if let Ok(Some(pod)) = Object::read(black_box(&text), None) {
                simulation.add(pod.as_item(), &mut report);
            }
        }
        report.broken()
    });
}
