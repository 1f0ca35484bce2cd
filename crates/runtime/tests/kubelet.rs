//! The conformance suite's pods, each really started here under an external runtime, against what a node's kernel said.
//! Needs root, the runtime, `xz`, and the suite beside the repository.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use ringfence_runtime::engine::Engine;
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use serde_json::Value;

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/kubelet")
}

fn cases() -> Option<Vec<Value>> {
    let output = Command::new("xz").arg("-dc").arg(suite().join("cases.jsonl.xz")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let cases: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (!cases.is_empty()).then_some(cases)
}

fn engine(name: &str) -> Option<External> {
    if !support::is_root() {
        eprintln!("passed over: not root");
        return None;
    }
    let engine = External::find(name).ok();
    if engine.is_none() {
        eprintln!("passed over: there is no {name}");
    }
    engine
}

/// What differs from the recorded answer.
fn difference(engine: &dyn Engine, case: &Value) -> Option<String> {
    let mut recorded = case["pod"].clone();
    // The name of a node that is not this one.
    recorded["spec"]["nodeName"] = Value::Null;
    let pod = support::pod(recorded);
    let got = support::probe(engine, &pod, &support::facts(), Some(&suite().join("seccomp")));
    if !case["error"].is_null() {
        return match got {
            Ok(observed) => Some(format!("not refused: {:?}", observed.state)),
            Err(error) => {
                let reason = error.refusal().map(|refusal| refusal.reason.as_str());
                (reason != case["reason"].as_str())
                    .then(|| format!("{reason:?} instead of {}: {error}", case["reason"]))
            }
        };
    }
    let observed = match got {
        Ok(observed) => observed,
        Err(error) => {
            return Some(format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string)));
        }
    };
    if !observed.not_shown.is_empty() {
        return Some(format!("not shown: {:?}", observed.not_shown));
    }
    let state = serde_json::to_value(&observed.state).expect("a state is JSON");
    let wanted = case["process"].as_object()?;
    let mut differences = Vec::new();
    for (field, want) in wanted {
        let found = &state[field];
        if want != found {
            differences.push(format!("{field}: {want} recorded, {found} found"));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn all_agree(engine: &dyn Engine, every: usize) {
    let Some(cases) = cases() else {
        eprintln!("passed over: the conformance suite is not there");
        return;
    };
    let mut differing = Vec::new();
    for (number, case) in cases.iter().enumerate().step_by(every) {
        if let Some(difference) = difference(engine, case) {
            differing.push(format!("case {number}: {difference}\n{}", case["pod"]["spec"]));
        }
    }
    assert!(
        differing.is_empty(),
        "{} differ, such as\n{}",
        differing.len(),
        differing[..differing.len().min(5)].join("\n")
    );
}

#[test]
fn under_runc_every_pod_gets_what_the_node_gave() {
    if let Some(runc) = engine("runc") {
        all_agree(&runc, 1);
    }
}

#[test]
fn under_crun_a_tenth_of_the_pods_gets_what_the_node_gave() {
    if let Some(crun) = engine("crun") {
        all_agree(&crun, 10);
    }
}

#[test]
fn under_the_built_in_launcher_every_pod_gets_what_the_node_gave() {
    if support::is_root() {
        all_agree(&BuiltIn::new(), 1);
    } else {
        eprintln!("passed over: not root");
    }
}
