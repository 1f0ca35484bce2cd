//! What the tests share.
#![allow(dead_code, reason = "not every test needs all of it")]

use k8s_openapi::api::core::v1::{Container, SecurityContext};
use ringfence_manifest::Workload;
use ringfence_operators::{Derived, Item, Operators, Platform};
use serde_json::Value;

/// What the operators make of the one object in `yaml`.
pub(crate) fn derive_with(settings: &[&str], yaml: &str) -> Derived {
    let mut operators = Operators::new(Platform::Kubernetes);
    for setting in settings {
        operators.set(&setting.parse().expect("a setting")).expect("known to the operator");
    }
    let documents = ringfence_manifest::read(yaml.as_bytes());
    let document = &documents[0];
    assert!(document.error().is_none(), "{:?}", document.error());
    match operators.items(document).pop() {
        Some(Item::Derived(derived)) => *derived,
        other => panic!("not a custom resource: {other:?}"),
    }
}

/// As [`derive_with`], with nothing wrong and one workload.
pub(crate) fn workload(settings: &[&str], yaml: &str) -> Workload {
    let derived = derive_with(settings, yaml);
    assert!(derived.problems.is_empty(), "{:?}", derived.problems);
    assert_eq!(derived.workloads.len(), 1);
    derived.workloads.into_iter().next().expect("one")
}

/// A container or init container by its name.
pub(crate) fn container<'w>(workload: &'w Workload, name: &str) -> &'w Container {
    let init = workload.spec.init_containers.iter().flatten();
    let found = workload.spec.containers.iter().chain(init).find(|container| container.name == name);
    found.unwrap_or_else(|| panic!("no container {name}"))
}

/// A container's context as JSON, null where it has none.
pub(crate) fn context(workload: &Workload, name: &str) -> Value {
    json(container(workload, name).security_context.as_ref())
}

/// The pod's context as JSON, null where it has none.
pub(crate) fn pod_context(workload: &Workload) -> Value {
    serde_json::to_value(workload.spec.security_context.as_ref()).expect("plain")
}

fn json(context: Option<&SecurityContext>) -> Value {
    serde_json::to_value(context).expect("plain")
}

/// The names of the containers, init containers first.
pub(crate) fn names(workload: &Workload) -> Vec<&str> {
    let init = workload.spec.init_containers.iter().flatten();
    init.chain(&workload.spec.containers).map(|container| container.name.as_str()).collect()
}
