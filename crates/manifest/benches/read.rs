//! Reading a pod, from JSON and from YAML: into a tree, into k8s-openapi's types, and looking for problems.

use divan::{Bencher, black_box};
use ringfence_manifest::{Document, Node};

fn main() {
    divan::main();
}

const YAML: &str = include_str!("pod.yaml");

fn inputs() -> [(&'static str, String); 2] {
    let documents = ringfence_manifest::read(YAML.as_bytes());
    let json = documents.first().and_then(Document::root).map(Node::to_json).unwrap_or_default();
    [("json", json), ("yaml", YAML.to_owned())]
}

fn input(which: &str) -> String {
    inputs().into_iter().find(|(name, _)| *name == which).map(|(_, text)| text).unwrap_or_default()
}

#[divan::bench(args = ["json", "yaml"])]
fn tree(bencher: Bencher<'_, '_>, which: &str) {
    let text = input(which);
    bencher.bench(|| ringfence_manifest::read(black_box(text.as_bytes())).len());
}

#[divan::bench(args = ["json", "yaml"])]
fn workload(bencher: Bencher<'_, '_>, which: &str) {
    let text = input(which);
    bencher.bench(|| ringfence_manifest::read(black_box(text.as_bytes()))[0].contents());
}

#[divan::bench(args = ["json", "yaml"])]
fn problems(bencher: Bencher<'_, '_>, which: &str) {
    let text = input(which);
    let documents = ringfence_manifest::read(text.as_bytes());
    bencher.bench(|| black_box(&documents[0]).problems());
}

#[divan::bench(args = ["json", "yaml"])]
fn everything(bencher: Bencher<'_, '_>, which: &str) {
    let text = input(which);
    bencher.bench(|| ringfence_manifest::read(black_box(text.as_bytes()))[0].examine());
}
