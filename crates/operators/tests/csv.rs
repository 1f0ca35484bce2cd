//! Operator bundles: what OpenShift's documentation on pod security admission for operators asks, paragraph by paragraph.

mod common;

use common::derive_with;
use ringfence_operators::{Csv, CsvFinding, Version};

const RESTRICTED_411: &str = "              securityContext: {seccompProfile: {type: RuntimeDefault}, runAsNonRoot: true}\n              containers:\n              - name: manager\n                securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";
const RESTRICTED_410: &str = "              securityContext: {runAsNonRoot: true}\n              containers:\n              - name: manager\n                securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";
const NET_ADMIN: &str = "              containers:\n              - name: my-container\n                securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [NET_ADMIN]}}\n";

fn csv(annotations: &str, description: &str, pod: &str, more: &str) -> String {
    format!(
        "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata:\n  name: my.v1\n  namespace: placeholder\n{annotations}spec:\n  description: {description}\n  install:\n    strategy: deployment\n    spec:\n      deployments:\n      - name: manager\n        spec:\n          template:\n            spec:\n{pod}{more}"
    )
}

const GRANT: &str = "      clusterPermissions:\n      - rules:\n        - apiGroups: [security.openshift.io]\n          resourceNames: [privileged]\n          resources: [securitycontextconstraints]\n          verbs: [use]\n        serviceAccountName: default\n";

fn findings(yaml: &str, needed: &str, platform: Option<&str>) -> Vec<CsvFinding> {
    let derived = derive_with(&[], yaml);
    assert!(derived.problems.is_empty(), "{:?}", derived.problems);
    assert_eq!(derived.workloads.len(), 1);
    // Where it is installed is decided then.
    assert_eq!(derived.workloads[0].namespace(), "");
    let documents = ringfence_manifest::read(yaml.as_bytes());
    let platform = platform.map(|text| text.parse::<Version>().expect("a version"));
    Csv::read(documents[0].root().expect("a root")).findings(&derived.workloads, &[needed], platform.as_ref())
}

fn codes(findings: &[CsvFinding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// "For Operator projects that must run in only OKD 4.11 and later": with RuntimeDefault.
#[test]
fn a_manager_with_a_seccomp_profile_is_right_for_4_11_and_wrong_for_4_10() {
    let yaml = csv("", "Does things.", RESTRICTED_411, "");
    assert!(findings(&yaml, "restricted", Some("4.11")).is_empty());
    assert!(findings(&yaml, "restricted", None).is_empty());
    let old = findings(&yaml, "restricted", Some("4.10"));
    assert_eq!(codes(&old), ["csv-seccomp-profile"]);
    assert_eq!(old[0].field, "spec.install.spec.deployments[0].spec.template.spec.securityContext.seccompProfile");
}

/// "For Operator projects that must also run in OKD 4.10": without one.
#[test]
fn a_manager_without_a_seccomp_profile_is_right_for_4_10() {
    assert!(findings(&csv("", "Does things.", RESTRICTED_410, ""), "restricted", Some("4.10")).is_empty());
}

#[test]
fn the_oldest_platform_follows_from_the_oldest_kubernetes() {
    let yaml = format!("{}  minKubeVersion: 1.23.0\n", csv("", "Does things.", RESTRICTED_411, ""));
    assert_eq!(codes(&findings(&yaml, "restricted", None)), ["csv-seccomp-profile"]);
    let newer = yaml.replace("1.23.0", "1.24.0");
    assert!(findings(&newer, "restricted", None).is_empty());
}

/// "You must leave the runAsUser field empty."
#[test]
fn a_user_is_refused_unless_a_constraint_is_asked_for_that_allows_it() {
    let user = RESTRICTED_411.replace("runAsNonRoot: true", "runAsNonRoot: true, runAsUser: 1000");
    let found = findings(&csv("", "Does things.", &user, ""), "restricted", None);
    assert_eq!(codes(&found), ["csv-run-as-user"]);
    assert_eq!(found[0].field, "spec.install.spec.deployments[0].spec.template.spec.securityContext.runAsUser");
    let explained = csv("", "Requires a privileged pod security label.", &user, GRANT);
    assert!(findings(&explained, "restricted", None).is_empty());
}

/// Step 3: "Edit your Operator's CSV description to explain why your Operator project requires escalated permissions".
#[test]
fn escalated_permissions_need_a_description_that_explains_them() {
    let found = findings(&csv("", "Does things.", NET_ADMIN, GRANT), "privileged", None);
    assert_eq!(codes(&found), ["csv-description"]);
    assert_eq!(found[0].field, "spec.description");
    let expected = "the operator asks for pods that only the level privileged takes and the use of the security context \
                    constraint privileged for service account default, and its description does not say why";
    assert_eq!(found[0].message, expected);
    let example = "The my operator requires a privileged pod security admission label set on the Operator's namespace. \
                   The Operator's agents require escalated permissions to restart the node if the node needs remediation.";
    assert!(findings(&csv("", &format!("{example:?}"), NET_ADMIN, GRANT), "privileged", None).is_empty());
}

/// "The allowed pod security admission level for the Operator's namespace".
#[test]
fn a_suggested_namespace_must_take_the_operators_pods() {
    let template = r#"{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}"#;
    let annotations = format!("  annotations:\n    operatorframework.io/suggested-namespace-template: '{template}'\n");
    let yaml = csv(&annotations, "Needs a privileged namespace.", NET_ADMIN, GRANT);
    let found = findings(&yaml, "privileged", None);
    assert_eq!(codes(&found), ["csv-namespace-level"]);
    assert_eq!(found[0].field, "metadata.annotations[operatorframework.io/suggested-namespace-template]");
    assert!(findings(&yaml, "baseline", None).is_empty());
}

/// Step 2: "Set the service account privileges that allow your Operator's workloads to use the required SCC".
#[test]
fn what_olm_grants_is_read_as_the_roles_and_bindings_that_it_makes() {
    let yaml = csv("", "x", NET_ADMIN, GRANT);
    let documents = ringfence_manifest::read(yaml.as_bytes());
    let csv = Csv::read(documents[0].root().unwrap());
    assert_eq!(csv.grants.len(), 1);
    assert!(csv.is_escalated("default") && !csv.is_escalated("other"));
    let objects = csv.objects("my.v1", "ns");
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]);
    assert_eq!(objects[1]["rules"][0]["resourceNames"][0], "privileged");
    assert_eq!(objects[2]["subjects"][0]["name"], "default");
}
