//! Servers in the cluster, as most install them. The tests do what the controllers would: there are none.

use serde_json::json;

use crate::common::ringfence;
use crate::setting::{Setting, VALIDATING, pod, until};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ringfence-system/deployments/ringfence";

#[test]
fn requests_wait_for_no_server_before_it_is_ready_and_the_cluster_recovers_from_one_that_is_gone() {
    let Some(setting) = Setting::start() else { return };
    let (server, kubeconfig) = (&setting.server, setting.kubeconfig());
    setting.namespace("shop", &json!({}));
    let kubeconfig = kubeconfig.to_str().unwrap().to_owned();
    let args = move |timeout: &str| {
        ["install", "--image", "registry.example.com/ringfence:1", "--timeout", timeout, "--kubeconfig", &kubeconfig]
            .map(str::to_owned)
    };
    let ran = ringfence(args("0"), "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("the servers are not ready after 0 s: 0 of 2 available"), "{}", ran.err);
    // Nothing depends on servers that never came.
    assert_eq!(server.admin().get(VALIDATING).code, 404);

    let installing = std::thread::spawn({
        let args = args("120");
        move || ringfence(args, "")
    });
    let replica = setting.serve(&["--service", "ringfence-system/ringfence", "--webhook-configuration", "ringfence"]);
    server.until(|admin| admin.get(DEPLOYMENT), |answer| answer.code == 200);
    let generation = server.admin().get(DEPLOYMENT).body["metadata"]["generation"].clone();
    let status = json!({"status": {"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}});
    assert_eq!(server.admin().patch(&format!("{DEPLOYMENT}/status"), &status).code, 200);
    let ran = installing.join().unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("ready: deployments.apps/ringfence with 2 replicas"), "{}", ran.out);
    drop(replica);

    // Nobody is behind the Service.
    let path = "/api/v1/namespaces/shop/pods?dryRun=All";
    until("the API server asks the webhook", || server.admin().post(path, &pod("p", true)).code == 500);
    let ran = ringfence(["uninstall", "--kubeconfig", setting.kubeconfig().to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    until("the cluster recovers", || server.admin().post(path, &pod("p", true)).code == 201);
}
