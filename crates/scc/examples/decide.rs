//! Reads a JSON document on standard input, `{"sccs": […], "namespaces": {NAME: {annotations}}, "requests": [{"user",
//! "groups", "pod", "usable": {"NAME GROUP,GROUP": [SCC…]}}]}`, and prints the decision for each request,
//! what would have had it admitted, and the smallest SCC for it, a line each.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Engine, Grant, Namespace, Operation, Rule, Subject, apply, decode, minimal_for};
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
        let candidates = engine.in_namespace(&namespace);
        let near = if decision.allowed() { Vec::new() } else { candidates.near_misses(&request.pod, &user, &access) };
        let near: Vec<_> = near
            .iter()
            .map(|miss| {
                let edits = miss.edits.as_deref().unwrap_or_default();
                let mut pod = request.pod.clone();
                apply(&mut pod, edits);
                let granted = |subject: &Subject, scc: &str, namespace: &str| {
                    let given = miss.grant.as_ref().is_some_and(|g| g.scc == scc && g.subject == *subject);
                    let rule = || Grant::Rule(Arc::clone(&rule));
                    given.then(rule).or_else(|| access(subject, scc, namespace))
                };
                let admits = candidates.admit(&pod, &user, Operation::Create, &granted).allowed();
                serde_json::json!({
                    "scc": miss.scc,
                    "usable": miss.grant.is_none(),
                    "edits": miss.edits.as_ref().map(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>()),
                    "admits": admits,
                })
            })
            .collect();
        let minimal = minimal_for("minimal", &request.pod, &namespace);
        let line = serde_json::json!({
            "near": near,
            "minimal": minimal,
            "allowed": decision.allowed(),
            "message": decision.message,
            "scc": decision.chosen,
            "pod": decision.pod,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
