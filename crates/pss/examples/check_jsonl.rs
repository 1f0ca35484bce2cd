//! Judges pods, one JSON object a line on standard input, by levels and versions given as arguments
//! (`baseline@v1.30`, `restricted@all`), and prints a line of JSON for each: a check against recorded answers that
//! needs no more than this crate. With `all` the policy judges the pod as it stands; at one version, the pod that an API
//! server would make of it.

use k8s_openapi::api::core::v1::Pod;
use ringfence_pss::{Holder, Level, Range, Version, evaluate, evaluate_all, with_defaults};
use serde_json::{Value, json};
use std::{
    error::Error,
    io::{self, BufRead as _, BufWriter, Write as _},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut questions: Vec<(Level, Option<Version>)> = Vec::new();
    for argument in std::env::args().skip(1) {
        let (level, version) = argument.split_once('@').unwrap_or((&argument, "latest"));
        questions.push((level.parse()?, if version == "all" { None } else { Some(version.parse()?) }));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let pod: Pod = serde_json::from_str(&line?)?;
        let spec = pod.spec.unwrap_or_default();
        let defaulted = with_defaults(&spec, Holder::Pod);
        let mut answers = Vec::new();
        for &(level, version) in &questions {
            let ranges = match version {
                Some(at) => vec![Range { from: at, to: at, verdict: evaluate(level, at, &pod.metadata, &defaulted) }],
                None => evaluate_all(level, &pod.metadata, &spec),
            };
            answers.extend(ranges.iter().map(|range| answer(level, range)));
        }
        writeln!(out, "{}", one_line(&json!({ "pss": answers }).to_string()))?;
    }
    Ok(())
}

/// Escapes what some readers take for the end of a line. In JSON it can only stand within strings.
fn one_line(json: &str) -> String {
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn answer(level: Level, range: &Range<'_>) -> Value {
    let findings: Vec<Value> = (range.verdict.findings().iter())
        .map(|finding| {
            json!({
                "control": finding.control().id,
                "field": finding.path(),
                "container": finding.container().map(|container| container.name()),
                "value": finding.value().to_string(),
                "message": finding.message(),
                "hint": finding.hint().text,
            })
        })
        .collect();
    json!({
        "level": level.as_str(),
        "from": range.from.to_string(),
        "to": range.to.to_string(),
        "allowed": range.verdict.allowed(),
        "reason": range.verdict.reason(),
        "detail": range.verdict.detail(),
        "findings": findings,
    })
}
