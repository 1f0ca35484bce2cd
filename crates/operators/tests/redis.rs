//! What the Redis Enterprise operator makes of its resources, paragraph by paragraph of its documentation.

mod common;

use common::{context, derive_with, names, pod_context};
use ringfence_operators::Version;
use ringfence_operators::redis::Mode;
use serde_json::json;

fn rec(spec: &str) -> String {
    format!(
        "apiVersion: app.redislabs.com/v1\nkind: RedisEnterpriseCluster\nmetadata: {{name: rec}}\nspec:\n  nodes: 3\n{spec}"
    )
}

fn adjusts(value: &str) -> String {
    rec(&format!("  securityContext:\n    resourceLimits:\n      allowAutoAdjustment: {value}\n"))
}

/// "Default behavior" and "Enable privileged mode", before and from 7.22.0-6.
#[test]
fn the_node_container_has_the_context_of_its_mode() {
    for version in ["7.8.6-1", "7.22.0-5", "7.22.0-6", "7.22.0-7", "8.0.20-23"] {
        for (yaml, field) in [(rec(""), None), (adjusts("false"), Some(false)), (adjusts("true"), Some(true))] {
            let derived = derive_with(&[&format!("redis-enterprise@{version}")], &yaml);
            let mode = Mode::of(&version.parse::<Version>().expect("a version"), field);
            let expected = serde_json::to_value(mode.security_context()).unwrap();
            assert_eq!(context(&derived.workloads[0], "redis-enterprise-node"), expected, "{version} {field:?}");
        }
    }
}

#[test]
fn only_the_node_container_has_the_capability() {
    let derived = derive_with(&[], &adjusts("true"));
    let [cluster, rigger] = derived.workloads.as_slice() else { panic!("{}", derived.workloads.len()) };
    assert_eq!((cluster.kind.as_str(), cluster.name()), ("StatefulSet", "rec"));
    assert_eq!((rigger.kind.as_str(), rigger.name()), ("Deployment", "rec-services-rigger"));
    assert_eq!(names(cluster), ["redis-enterprise-node", "bootstrapper"]);
    assert_eq!(names(rigger), ["services-rigger"]);
    for (workload, name) in [(cluster, "bootstrapper"), (rigger, "services-rigger")] {
        assert_eq!(context(workload, name)["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(workload.spec.service_account_name.as_deref(), Some("rec"));
        assert_eq!(pod_context(workload), json!({"runAsUser": 1001, "fsGroup": 1001}));
    }
    let capability = "spec.containers[0].securityContext.capabilities.add[0]";
    assert_eq!(cluster.path(capability), "spec.securityContext.resourceLimits.allowAutoAdjustment");
}

/// "Note that changing the following value on a running cluster will trigger a rolling update."
#[test]
fn a_change_of_the_mode_is_said_to_be_a_rolling_update() {
    let derived = derive_with(&[], &adjusts("true"));
    let note = &derived.notes[0];
    assert_eq!(note.field, "spec.securityContext.resourceLimits.allowAutoAdjustment");
    assert_eq!(note.message, "changing this on a running cluster means a rolling update of its pods");
}

/// "SYS_RESOURCE": unprivileged mode needs nodes with a default limit of 100,000; Kubespray's is lower.
#[test]
fn unprivileged_mode_is_said_to_need_a_high_limit_on_the_nodes() {
    let derived = derive_with(&[], &rec(""));
    assert!(
        derived.notes.iter().any(|note| note.message.contains("100,000 files") && note.message.contains("Kubespray"))
    );
}

/// "OpenShift upgrades": privileged mode needs redis-enterprise-scc-v2.
#[test]
fn privileged_mode_on_openshift_is_said_to_need_its_constraint() {
    let derived = derive_with(&["redis-enterprise,platform=openshift"], &adjusts("true"));
    assert!(
        derived
            .notes
            .iter()
            .any(|note| note.message.contains("redis-enterprise-scc-v2, granted to the service account rec"))
    );
}

#[test]
fn the_fields_of_the_resource_that_matter_reach_the_pods() {
    let yaml = rec(
        "  serviceAccountName: other\n  persistentSpec: {enabled: false}\n  securityContext: {readOnlyRootFilesystemPolicy: {enabled: true}}\n  sideContainersSpec: [{name: side, image: x, securityContext: {runAsUser: 0}}]\n  redisEnterpriseAdditionalPodSpecAttributes: {hostNetwork: true, securityContext: {runAsUser: 0, runAsGroup: 5}}\n",
    );
    let derived = derive_with(&[], &yaml);
    let cluster = &derived.workloads[0];
    assert_eq!(cluster.spec.service_account_name.as_deref(), Some("other"));
    assert_eq!(names(cluster), ["redis-enterprise-node", "bootstrapper", "side"]);
    assert_eq!(context(cluster, "redis-enterprise-node")["readOnlyRootFilesystem"], json!(true));
    assert_eq!(context(cluster, "side"), json!({"runAsUser": 0}));
    assert_eq!(cluster.spec.host_network, Some(true));
    // What the operator manages overrides what is asked for; the rest stays.
    assert_eq!(pod_context(cluster), json!({"runAsUser": 1001, "runAsGroup": 5, "fsGroup": 1001}));
    assert!(cluster.derived.as_ref().unwrap().claims.is_empty());
    assert_eq!(cluster.path("spec.hostNetwork"), "spec.redisEnterpriseAdditionalPodSpecAttributes.hostNetwork");
    assert_eq!(
        cluster.path("spec.containers[2].securityContext.runAsUser"),
        "spec.sideContainersSpec[0].securityContext.runAsUser"
    );
}

#[test]
fn a_database_makes_no_pods_and_says_whose_it_uses() {
    let yaml = "apiVersion: app.redislabs.com/v1alpha1\nkind: RedisEnterpriseDatabase\nmetadata: {name: db}\nspec: {redisEnterpriseCluster: {name: rec}}\n";
    let derived = derive_with(&[], yaml);
    assert!(derived.workloads.is_empty() && derived.problems.is_empty());
    assert!(derived.notes[0].message.contains("run in the pods of the RedisEnterpriseCluster rec"));
}

#[test]
fn a_mode_that_is_no_boolean_is_refused_at_its_place() {
    let derived = derive_with(&[], &adjusts("'yes'"));
    assert!(derived.workloads.is_empty());
    let problem = &derived.problems[0];
    assert_eq!((problem.location.line, problem.location.column), (8, 28));
    assert_eq!(problem.message, "write true or false");
}
