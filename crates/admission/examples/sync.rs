//! Prints the labels that the synchroniser would give every namespace of a cluster written down as JSON.
//!
//! `sync CLUSTER.json…`

use ringfence_admission::{
    cluster::Builder,
    sync::{Settings, plan},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Builder::default();
    for path in std::env::args().skip(1) {
        builder.add(&path, serde_json::from_slice(&std::fs::read(&path)?)?);
    }
    let cluster = builder.build();
    for problem in cluster.problems() {
        eprintln!("{problem}");
    }
    println!("{}", serde_json::to_string_pretty(&plan(&cluster, Settings::default()))?);
    Ok(())
}
