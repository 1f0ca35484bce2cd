//! The table of docs/operators.md says what the libraries say. `UPDATE_DOCS=1` writes it anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use ringfence_manifest::Workload;
use ringfence_operators::{Item, Operators, Platform};
use ringfence_pss::{Holder, Level, Version, evaluate, with_defaults};
use ringfence_scc::{Engine, Grant, Namespace, Outcome, Subject};
use serde_json::json;

const BEGIN: &str = "<!-- table: UPDATE_DOCS=1 cargo test -p ringfence-operators -->\n";
const END: &str = "<!-- end of table -->";

/// The constraints that are asked, besides the one that Redis publishes.
const CONSTRAINTS: [&str; 5] = ["restricted-v2", "nonroot-v2", "hostaccess", "anyuid", "privileged"];

fn elastic(group: &str, kind: &str, version: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: {group}.k8s.elastic.co/v1, kind: {kind}, metadata: {{name: q}}, spec: {{version: {version}{spec}}}}}"
    )
}

fn redis(spec: &str) -> String {
    format!(
        "{{apiVersion: app.redislabs.com/v1, kind: RedisEnterpriseCluster, metadata: {{name: rec}}, spec: {{{spec}}}}}"
    )
}

/// The shapes: a name, the operator, and the resource.
fn shapes() -> Vec<(&'static str, &'static str, String)> {
    let node_sets = |more: &str| format!(", nodeSets: [{{name: a, count: 1{more}}}]");
    let user = ", podTemplate: {spec: {securityContext: {runAsUser: 1234, fsGroup: 1234}}}";
    let es = |version, more: &str| elastic("elasticsearch", "Elasticsearch", version, &node_sets(more));
    vec![
        ("Elasticsearch 7.17", "eck", es("7.17.9", "")),
        ("Elasticsearch 7.17 as user 1234", "eck", es("7.17.9", user)),
        ("Elasticsearch 8.7", "eck", es("8.7.1", "")),
        ("Elasticsearch 8.8 and later", "eck", es("8.8.0", "")),
        ("Elasticsearch 8.8, ECK 3.3", "eck@3.3.2", es("8.8.0", "")),
        ("Kibana", "eck", elastic("kibana", "Kibana", "9.2.0", "")),
        ("ApmServer", "eck", elastic("apm", "ApmServer", "9.2.0", "")),
        ("Beat", "eck", elastic("beat", "Beat", "9.2.0", ", type: filebeat, daemonSet: {}")),
        ("Agent", "eck", elastic("agent", "Agent", "9.2.0", ", daemonSet: {}")),
        ("Logstash", "eck", elastic("logstash", "Logstash", "9.2.0", "")),
        ("ElasticMapsServer", "eck", elastic("maps", "ElasticMapsServer", "8.19.0", "")),
        ("Redis Enterprise, unprivileged", "redis-enterprise", redis("nodes: 3")),
        (
            "Redis Enterprise, privileged",
            "redis-enterprise",
            redis("securityContext: {resourceLimits: {allowAutoAdjustment: true}}"),
        ),
        ("Redis Enterprise before 7.22.0-6", "redis-enterprise@7.8.6-1", redis("nodes: 3")),
    ]
}

fn derive(operator: &str, yaml: &str, platform: Platform) -> Workload {
    let mut operators = Operators::new(platform);
    operators.set(&operator.parse().expect("a setting")).expect("a known one");
    let documents = ringfence_manifest::read(yaml.as_bytes());
    match operators.items(&documents[0]).pop() {
        Some(Item::Derived(derived)) if derived.problems.is_empty() => {
            derived.workloads.into_iter().next().expect("a workload")
        }
        other => panic!("{yaml}: {other:?}"),
    }
}

fn redis_constraint() -> ringfence_scc::SecurityContextConstraints {
    let value = json!({
        "apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": "redis-enterprise-scc-v2"},
        "allowedCapabilities": ["SYS_RESOURCE"], "allowHostDirVolumePlugin": false, "allowHostIPC": false,
        "allowHostNetwork": false, "allowHostPID": false, "allowHostPorts": false, "allowPrivilegeEscalation": true,
        "allowPrivilegedContainer": false, "readOnlyRootFilesystem": false,
        "runAsUser": {"type": "MustRunAs", "uid": 1001},
        "fsGroup": {"type": "MustRunAs", "ranges": [{"min": 1001, "max": 1001}]},
        "seLinuxContext": {"type": "MustRunAs"}, "seccompProfiles": ["runtime/default"],
        "supplementalGroups": {"type": "RunAsAny"},
        "volumes": ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"],
    });
    serde_json::from_value(value).expect("a constraint")
}

fn takes(constraint: ringfence_scc::SecurityContextConstraints, spec: &PodSpec) -> bool {
    let name = constraint.name().to_owned();
    let annotations: BTreeMap<String, String> = [
        (ringfence_scc::UID_RANGE, "1000650000/10000"),
        (ringfence_scc::SUPPLEMENTAL_GROUPS, "1000650000/10000"),
        (ringfence_scc::MCS, "s0:c26,c5"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let engine = Engine::new([constraint]);
    let candidates = engine.in_namespace(&Namespace { name: "ns", annotations: Some(&annotations) });
    let pod = Pod { spec: Some(spec.clone()), ..Pod::default() };
    let access = |_: &Subject, _: &str, _: &str| Some(Grant::Users);
    let trials = candidates.trials(&pod, &Subject::service_account("ns", "default"), &access);
    trials.iter().any(|trial| trial.scc == name && trial.outcome == Outcome::Admitted)
}

fn table() -> String {
    let mut text = "| pods | baseline | restricted |".to_owned();
    let names = CONSTRAINTS.into_iter().chain(["redis-enterprise-scc-v2"]);
    names.clone().for_each(|name| text += &format!(" {name} |"));
    text += &format!("\n|{}\n", " --- |".repeat(3 + names.clone().count()));
    let mark = |taken: bool| if taken { " yes |" } else { " – |" };
    for (name, operator, yaml) in shapes() {
        text += &format!("| {name} |");
        let plain = derive(operator, &yaml, Platform::Kubernetes);
        let spec = with_defaults(&plain.spec, Holder::Template);
        for level in [Level::Baseline, Level::Restricted] {
            text += mark(evaluate(level, Version::LATEST, &plain.metadata, &spec).allowed());
        }
        let openshift = derive(operator, &yaml, Platform::OpenShift);
        for constraint in names.clone() {
            let known = ringfence_scc::platform::constraints().into_iter().find(|known| known.name() == constraint);
            text += mark(takes(known.unwrap_or_else(redis_constraint), &openshift.spec));
        }
        text += "\n";
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_what_the_libraries_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let text = std::fs::read_to_string(&path).expect("docs/operators.md");
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    let table = format!("\n{}\n", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("docs/operators.md");
        return;
    }
    assert!(found == table, "the table of docs/operators.md is out of date; run with UPDATE_DOCS=1\n{table}");
}
