//! Admits pods, one JSON document a line, to a written-down cluster.
//!
//! `admit CONFIG.json KUBE-VERSION USER GROUPS CLUSTER.json… < PODS > ADMISSIONS`, with groups separated by commas.

use k8s_openapi::api::core::v1::Pod;
use ringfence_admission::{
    admit::Admitter,
    cluster::Builder,
    decode::decode,
    pod_security::{PodSecurity, PodSecurityConfiguration},
    user::User,
};
use std::io::{BufRead, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, version, user, groups, clusters @ ..] = arguments.as_slice() else {
        return Err("admit CONFIG.json KUBE-VERSION USER GROUPS CLUSTER.json…".into());
    };
    let mut builder = Builder::default();
    for path in clusters {
        builder.add(path, serde_json::from_slice(&std::fs::read(path)?)?);
    }
    let cluster = builder.build();
    for problem in cluster.problems() {
        eprintln!("{problem}");
    }
    let config = PodSecurityConfiguration::read(&serde_json::from_slice(&std::fs::read(config)?)?)?;
    let admitter = Admitter::new(&cluster, PodSecurity::new(config)?.with_latest(version.parse()?));
    let groups: Vec<String> = groups.split(',').filter(|g| !g.is_empty()).map(str::to_owned).collect();
    let user = User::impersonated(user, &groups);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let pod: Pod = decode(&line?)?;
        let namespace = pod.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let admission = admitter.admit(&pod, &namespace, &user);
        writeln!(out, "{}", serde_json::json!({ "admission": admission }))?;
    }
    Ok(())
}
