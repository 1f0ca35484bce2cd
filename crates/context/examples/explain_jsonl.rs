//! Reads pods as JSON lines on standard input and prints each container's predicted state and refusal as JSON lines.
//!
//! `explain_jsonl IMAGES.json NODE.json < pods.jsonl`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::facts::Facts;
use ringfence_context::resolve;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut facts = Facts::default();
    let mut arguments = std::env::args().skip(1);
    if let Some(path) = arguments.next() {
        facts.add_images(serde_json::from_str(&std::fs::read_to_string(path)?)?)?;
    }
    if let Some(path) = arguments.next() {
        facts.node = Some(serde_json::from_str(&std::fs::read_to_string(path)?)?);
    }
    if let Some(paths) = arguments.next() {
        facts.seccomp_profiles =
            Some(paths.split(',').map(|path| (path.to_owned(), Ok(()))).collect::<BTreeMap<_, _>>());
    }
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let pod: Pod = serde_json::from_str(&line?)?;
        let effective = resolve(&pod.metadata, &pod.spec.unwrap_or_default(), &facts);
        let containers: Vec<_> = effective
            .containers
            .iter()
            .map(|container| {
                let error = container
                    .refusal
                    .as_ref()
                    .map(|refusal| json!({"reason": refusal.reason.as_str(), "message": refusal.message}));
                json!({"name": container.name, "computed": container.process(), "error": error})
            })
            .collect();
        writeln!(out, "{}", json!({"containers": containers}))?;
    }
    Ok(())
}
