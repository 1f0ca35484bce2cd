//! Tells what labelling every namespace would break, for a list of pods and workloads of any length.
//!
//! `simulate CLUSTER.json LABEL=VALUE < LIST.json`

use ringfence_admission::{
    cluster::{Snapshot, each_item},
    pod_security::PodSecurity,
    simulate::{Change, Object, Report, Simulation},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cluster, label] = arguments.as_slice() else { return Err("simulate CLUSTER.json LABEL=VALUE".into()) };
    let (label, value) = label.split_once('=').ok_or("LABEL=VALUE")?;
    let cluster = Snapshot::of(cluster, [serde_json::from_slice(&std::fs::read(cluster)?)?]);
    let change = Change { labels: [(label.to_owned(), Some(value.to_owned()))].into(), ..Change::default() };
    let simulation = Simulation::new(&cluster, PodSecurity::default(), &change);
    let mut report = Report::default();
    let mut list =
        serde_json::Deserializer::from_reader(std::io::BufReader::with_capacity(1 << 20, std::io::stdin().lock()));
    each_item(&mut list, |item| match Object::read(item.json.get(), item.list_type) {
        Ok(Some(object)) => simulation.add(object.as_item(), &mut report),
        Ok(None) => {}
        Err(error) => eprintln!("{error}"),
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
