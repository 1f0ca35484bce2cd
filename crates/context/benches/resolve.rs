//! How long the resolver takes for a pod, with and without facts.

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_context::capability::CapSet;
use ringfence_context::facts::{Facts, ImageFacts, NodeCapabilities, NodeFacts};
use ringfence_context::resolve;

fn main() {
    divan::main();
}

fn spec() -> PodSpec {
    serde_json::from_value(serde_json::json!({
        "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]},
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [{
            "name": "app",
            "image": "busybox:1.36",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }],
    }))
    .unwrap_or_default()
}

fn facts() -> Facts {
    let image = ImageFacts {
        passwd: Some("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n".to_owned()),
        group: Some("root:x:0:\naudio:x:29:app\n".to_owned()),
        ..ImageFacts::default()
    };
    Facts {
        images: [("docker.io/library/busybox:1.36".to_owned(), image)].into(),
        node: Some(NodeFacts {
            capabilities: NodeCapabilities { bounding: Some(CapSet::ALL) },
            ..NodeFacts::default()
        }),
        ..Facts::default()
    }
}

#[divan::bench]
fn one_container_without_facts(bencher: divan::Bencher) {
    let (metadata, spec, facts) = (ObjectMeta::default(), spec(), Facts::default());
    bencher.bench(|| resolve(divan::black_box(&metadata), divan::black_box(&spec), divan::black_box(&facts)));
}

#[divan::bench]
fn one_container_with_facts(bencher: divan::Bencher) {
    let (metadata, spec, facts) = (ObjectMeta::default(), spec(), facts());
    bencher.bench(|| resolve(divan::black_box(&metadata), divan::black_box(&spec), divan::black_box(&facts)));
}
