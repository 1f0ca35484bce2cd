//! A namespace, its users and their rights, for all tests.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Access, Candidates, Engine, Grant, MCS, Namespace, Rule, Subject, UID_RANGE, platform};
use serde_json::Value;

/// Rights by SCC: the names of the subjects, `*` for everyone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights(pub(crate) Vec<(String, String)>);

impl Rights {
    pub(crate) fn to(mut self, subject: &str, sccs: &[&str]) -> Self {
        self.0.extend(sccs.iter().map(|scc| ((*scc).to_string(), subject.to_string())));
        self
    }
}

impl Access for Rights {
    fn may_use(&self, subject: &Subject, scc: &str, _namespace: &str) -> Option<Grant> {
        let (_, to) = self.0.iter().find(|(s, to)| s == scc && (to == "*" || *to == subject.name))?;
        let (binding, role) =
            (format!("ClusterRoleBinding {to}"), format!("ClusterRole {}", platform::cluster_role(scc)));
        Some(Grant::Rule(Arc::new(Rule { binding, role })))
    }
}

/// A user who may use nothing by name.
pub(crate) fn alice() -> Subject {
    Subject { name: "alice".into(), groups: vec!["system:authenticated".into()] }
}

/// The annotations of a project.
pub(crate) fn project() -> BTreeMap<String, String> {
    [(UID_RANGE, "1000680000/10000"), (MCS, "s0:c26,c10")].map(|(k, v)| (k.to_string(), v.to_string())).into()
}

/// The platform's SCCs in the namespace `app`.
pub(crate) fn platform_in_app() -> Candidates {
    in_app(&Engine::new(platform::constraints()))
}

/// An engine in the namespace `app`.
pub(crate) fn in_app(engine: &Engine) -> Candidates {
    engine.in_namespace(&Namespace { name: "app", annotations: Some(&project()) })
}

/// A pod named `p` with this spec.
pub(crate) fn pod(spec: &Value) -> Pod {
    let pod = serde_json::json!({"metadata": {"name": "p", "namespace": "app"}, "spec": spec});
    serde_json::from_value(pod).expect("a pod")
}
