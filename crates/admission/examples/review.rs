//! Answers admission reviews, one JSON document a line, with a written-down cluster and a configuration.
//!
//! `review CLUSTER.json CONFIG.json < REVIEWS > RESPONSES`

use ringfence_admission::{
    cluster::Snapshot,
    pod_security::{Limits, PodSecurity, PodSecurityConfiguration},
    review::AdmissionRequest,
};
use std::io::{BufRead, Write};

#[derive(serde::Deserialize)]
struct Review {
    request: AdmissionRequest,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let mut next = || -> Result<serde_json::Value, Box<dyn std::error::Error>> {
        let path = paths.next().ok_or("review CLUSTER.json CONFIG.json")?;
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    };
    let cluster = Snapshot::of("cluster", [next()?]);
    let configuration = PodSecurityConfiguration::read(&next()?)?;
    let pod_security = PodSecurity::new(configuration)?.with_limits(Limits::UPSTREAM);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let review: Review = serde_json::from_str(&line?)?;
        let answer = pod_security.review(&cluster, &review.request);
        writeln!(out, "{}", serde_json::to_string(&answer.response)?)?;
        out.flush()?;
    }
    Ok(())
}
