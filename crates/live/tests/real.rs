//! Against a real API server, if there is one.

use ringfence_live::{Cluster, Resource, Target};
use std::env;

#[test]
fn a_real_api_server_lists_its_namespaces() {
    let Some(kubeconfig) = env::var_os("KUBECONFIG_FOR_TESTS") else {
        println!("skipped: KUBECONFIG_FOR_TESTS names no kubeconfig of a cluster to list");
        return;
    };
    let cluster = Cluster::connect(&Target { kubeconfig: Some(kubeconfig.into()), context: None }).unwrap();
    let mut names = Vec::new();
    let namespaces = Resource { api_version: "v1", plural: "namespaces", kind: "Namespace" };
    cluster.list(namespaces, &mut |page| names.extend(page.items)).unwrap();
    assert!(names.iter().any(|namespace| namespace["metadata"]["name"] == "kube-system"), "{names:?}");
}
