//! A pod and the facts beside it, all of a stranger: judging and resolving it ends, does not panic, and keeps the laws
//! of the kernel.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use ringfence_context::facts::{Facts, ImageFacts, NodeFacts};
use ringfence_context::resolve;
use ringfence_pss::{Level, evaluate_all};

// Manifest, /etc/passwd, /etc/group, USER and node, with a NUL between them.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let manifest = parts.next().unwrap_or_default();
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (passwd, group, user, node) = (text(), text(), text(), text());
    for document in ringfence_manifest::read(manifest) {
        for workload in document.contents().workloads.into_iter().flatten() {
            for level in Level::ALL {
                for range in evaluate_all(level, &workload.metadata, &workload.spec) {
                    assert_eq!(range.verdict.allowed(), range.verdict.detail().is_empty());
                    for finding in range.verdict.findings() {
                        let _ = (finding.message(), finding.hint(), document.locate(&workload.path(&finding.path())));
                    }
                }
            }
            let mut facts = Facts { images: BTreeMap::new(), node: serde_json::from_str::<NodeFacts>(&node).ok(), ..Facts::default() };
            for container in &workload.spec.containers {
                let image = ImageFacts {
                    user: user.clone(),
                    passwd: Some(passwd.clone()),
                    group: Some(group.clone()),
                    ..ImageFacts::default()
                };
                facts.images.insert(container.image.clone().unwrap_or_default(), image);
            }
            let pod = resolve(&workload.metadata, &workload.spec, &facts);
            for container in &pod.containers {
                if let Some(sets) = container.process().capabilities {
                    assert!(sets.effective.difference(sets.permitted).is_empty());
                    assert!(sets.ambient.difference(sets.inheritable).is_empty());
                }
            }
        }
    }
});
