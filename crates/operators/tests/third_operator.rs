//! The profile that docs/operators.md writes from start to finish does what the text says.

use std::path::PathBuf;

use ringfence_manifest::Source;
use ringfence_operators::profile::{Profile, schema};
use ringfence_operators::{Item, Operators, Platform};
use serde_json::json;

fn docs(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_documentation_shows_the_very_files_that_are_tested() {
    let text = docs("operators.md");
    for file in ["operators/postgres-operator.yaml", "operators/acid-minimal.yaml"] {
        let shown = format!("```yaml\n{}```", docs(file));
        assert!(text.contains(&shown), "docs/operators.md does not show {file} as it is");
    }
}

#[test]
fn the_documented_profile_derives_the_documented_pods() {
    let profile = Profile::read(docs("operators/postgres-operator.yaml").as_bytes()).unwrap().remove(0);
    let mut operators = Operators::new(Platform::Kubernetes);
    operators.add(profile);
    let text = docs("operators/acid-minimal.yaml");
    let documents = ringfence_manifest::read(text.as_bytes());
    let Some(Item::Derived(derived)) = operators.items(&documents[0]).pop() else { panic!("nothing is derived") };
    assert!(derived.problems.is_empty(), "{:?}", derived.problems);
    let [cluster] = derived.workloads.as_slice() else { panic!("{} workloads", derived.workloads.len()) };
    assert_eq!((cluster.kind.as_str(), cluster.namespace(), cluster.name()), ("StatefulSet", "data", "acid-minimal"));
    let pod = serde_json::to_value(&cluster.spec.security_context).unwrap();
    assert_eq!(pod, json!({"runAsUser": 101, "runAsGroup": 103, "fsGroup": 103}));
    let container = serde_json::to_value(&cluster.spec.containers[0].security_context).unwrap();
    let expected = json!({"privileged": false, "allowPrivilegeEscalation": true, "readOnlyRootFilesystem": false});
    assert_eq!(container, expected);
    assert_eq!(cluster.path("spec.securityContext.runAsUser"), "spec.spiloRunAsUser");
    let origins = cluster.derived.as_ref().unwrap();
    let added = origins.source("spec.containers[0].securityContext.privileged").unwrap();
    let why = "Postgres Operator: the settings spilo_privileged and spilo_allow_privilege_escalation";
    assert_eq!(*added, Source::Added { why: why.to_owned(), field: None });
    operators.set(&"postgres-operator,spilo_privileged=true".parse().unwrap()).unwrap();
    let Some(Item::Derived(derived)) = operators.items(&documents[0]).pop() else { panic!("nothing is derived") };
    let privileged = derived.workloads[0].spec.containers[0].security_context.as_ref().unwrap().privileged;
    assert_eq!((privileged, derived.notes.len()), (Some(true), 1));
}

#[test]
fn a_resource_that_breaks_a_rule_of_the_profile_is_refused_at_the_field() {
    let profile = Profile::read(docs("operators/postgres-operator.yaml").as_bytes()).unwrap().remove(0);
    let mut operators = Operators::new(Platform::Kubernetes);
    operators.add(profile);
    let text = docs("operators/acid-minimal.yaml").replace("teamId: acid", "teamId: other");
    let documents = ringfence_manifest::read(text.as_bytes());
    let Some(Item::Derived(derived)) = operators.items(&documents[0]).pop() else { panic!("nothing is derived") };
    assert!(derived.workloads.is_empty());
    assert_eq!((derived.problems[0].field.as_str(), derived.problems[0].location.line), ("spec.teamId", 7));
}

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator-profile.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/operator-profile.schema.json is out of date; run with UPDATE_DOCS=1");
}
