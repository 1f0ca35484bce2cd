//! Reports as objects of `wgpolicyk8s.io/v1alpha2`.

use super::judge::{Finding, NamespaceReport, Outcome, Overview, Summary};
use crate::pod_security::{Mode, Policy};
use ringfence_pss::Level;
use serde_json::{Value, json};

/// The API version of the objects.
pub const API_VERSION: &str = "wgpolicyk8s.io/v1alpha2";
/// The name of every report.
pub const NAME: &str = "ringfence";

/// Longer messages help nobody.
const LONGEST: usize = 1024;
/// Bytes of all results of a report. An API server takes objects and patches of up to 3 MiB, and etcd, as it is set up by
/// default, a request of up to 1.5 MiB, with the object's other fields and what the store adds.
const LARGEST: usize = 1 << 20;

/// The report of a namespace, with at most so many results, and no more than fit into an object of the API; the summary
/// counts all.
pub fn policy_report(report: &NamespaceReport, most: usize) -> Value {
    let namespace = report.namespace.as_str();
    let results = fitting(report.findings.iter().map(|finding| result(namespace, finding)), most);
    object("PolicyReport", Some(namespace), report.findings.len(), report.summary(), &results)
}

/// The report of all namespaces, one result for each, with at most so many, and no more than fit; the summary counts all.
pub fn cluster_policy_report(namespaces: &[Overview], most: usize) -> Value {
    let mut summary = Summary::default();
    let mut results: Vec<(Outcome, &str, Value)> = Vec::with_capacity(namespaces.len());
    for report in namespaces {
        let of = report.summary;
        let (outcome, count) = match of {
            Summary { fail: 1.., .. } => (Outcome::Fail, &mut summary.fail),
            Summary { error: 1.., .. } => (Outcome::Error, &mut summary.error),
            Summary { warn: 1.., .. } => (Outcome::Warn, &mut summary.warn),
            _ if report.policy == Policy::PRIVILEGED => (Outcome::Skip, &mut summary.skip),
            _ => (Outcome::Pass, &mut summary.pass),
        };
        *count += 1;
        let message = format!(
            "{} pods: {} failed, {} warned of, {} waived or exempt, {} workloads without fault",
            report.pods, of.fail, of.warn, of.skip, of.pass
        );
        let policy = &report.policy;
        let properties: serde_json::Map<String, Value> =
            Mode::ALL.iter().map(|mode| (mode.as_str().to_owned(), policy.of(*mode).to_string().into())).collect();
        let name = report.namespace.as_str();
        results.push((
            outcome,
            name,
            json!({"source": NAME, "policy": "pod-security", "category": "Pod Security Standards",
                "result": outcome, "scored": true, "message": message, "properties": properties,
                "resources": [{"apiVersion": "v1", "kind": "Namespace", "name": name}]}),
        ));
    }
    results.sort_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
    let all = results.len();
    let results = fitting(results.into_iter().map(|(_, _, result)| result), most);
    object("ClusterPolicyReport", None, all, summary, &results)
}

/// The first results, as many as may be and as fit.
fn fitting(results: impl Iterator<Item = Value>, most: usize) -> Vec<Value> {
    let mut left = LARGEST;
    results
        .take(most)
        .map_while(|result| {
            // With the comma.
            left = left.checked_sub(result.to_string().len() + 1)?;
            Some(result)
        })
        .collect()
}

fn object(kind: &str, namespace: Option<&str>, all: usize, summary: Summary, results: &[Value]) -> Value {
    let mut metadata = json!({"name": NAME, "labels": {"app.kubernetes.io/managed-by": NAME}});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    if let Some(left) = all.checked_sub(results.len()).filter(|left| *left > 0) {
        metadata["annotations"] = json!({"ringfence.dev/results-left-out": left.to_string()});
    }
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "summary": summary, "results": results})
}

fn result(namespace: &str, finding: &Finding) -> Value {
    let maker = &finding.maker;
    let mut resource = json!({"apiVersion": maker.api_version, "kind": maker.kind, "name": maker.name});
    if maker.kind != "Namespace" {
        resource["namespace"] = namespace.into();
    }
    if !maker.uid.is_empty() {
        resource["uid"] = maker.uid.as_str().into();
    }
    let message: String = finding.message.chars().take(LONGEST).collect();
    let mut result = json!({"source": NAME, "policy": "pod-security", "category": "Pod Security Standards",
        "result": finding.outcome, "scored": true, "message": message, "resources": [resource],
        "properties": {"pods": finding.pods.to_string()}});
    if let (Some(control), Some(by)) = (finding.control, finding.by) {
        result["rule"] = control.into();
        result["policy"] = format!("pod-security-{}", by.level).into();
        let severity = ringfence_pss::control(control).map(|control| control.level);
        result["severity"] = if severity == Some(Level::Restricted) { "medium" } else { "high" }.into();
        let modes: Vec<&str> = finding.modes.iter().map(|mode| mode.as_str()).collect();
        result["properties"]["modes"] = modes.join(",").into();
        result["properties"]["version"] = by.version.to_string().into();
    }
    result
}
