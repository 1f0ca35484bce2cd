//! Reads a JSON document on standard input, `{"sccs": […], "namespaces": {NAME: {annotations}}, "requests": [{"user",
//! "groups", "pod", "usable": {"NAME GROUP,GROUP": [SCC…]}}]}`, and prints the decision for each request, a line each.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Engine, Grant, Namespace, Operation, Rule, Subject, decode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    sccs: Vec<serde_json::Value>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    user: String,
    groups: Vec<String>,
    pod: Pod,
    usable: BTreeMap<String, Vec<String>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input: Input = serde_json::from_reader(std::io::stdin().lock())?;
    let sccs: Vec<_> = input.sccs.iter().map(decode).collect::<Result<_, _>>()?;
    let engine = Engine::new(sccs);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for request in input.requests {
        let rule = Arc::new(Rule { binding: "ClusterRoleBinding example".into(), role: "ClusterRole example".into() });
        let access = |subject: &Subject, scc: &str, _: &str| {
            let key = format!("{} {}", subject.name, subject.groups.join(","));
            let listed = request.usable.get(&key)?.iter().any(|s| s == scc);
            listed.then(|| Grant::Rule(Arc::clone(&rule)))
        };
        let name = request.pod.metadata.namespace.clone().unwrap_or_default();
        let namespace = Namespace { name: &name, annotations: input.namespaces.get(&name) };
        let user = Subject { name: request.user, groups: request.groups };
        let decision = engine.admit(&request.pod, &namespace, &user, Operation::Create, &access);
        let line = serde_json::json!({
            "allowed": decision.allowed(),
            "message": decision.message,
            "scc": decision.chosen,
            "pod": decision.pod,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
