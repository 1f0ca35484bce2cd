//! What the tests that start containers share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod archive;

use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::effective::EffectivePod;
use ringfence_context::facts::{Facts, ImageFacts};
use ringfence_context::resolve;
use ringfence_runtime::engine::Engine;
use ringfence_runtime::observe;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::{Observed, PodRun, RunError, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::NoObjects;

pub(crate) const INSIDE: &str = env!("CARGO_BIN_EXE_ringfence-inside");

pub(crate) fn is_root() -> bool {
    observe::is_privileged()
}

/// An image of the user database that the conformance suite's images have.
pub(crate) fn image(user: &str) -> ImageFacts {
    ImageFacts {
        user: user.to_owned(),
        passwd: Some(
            "root:x:0:0:root:/root:/bin/sh\napp:x:1500:1501:app:/home:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n\
             nobody:x:65534:65534::/:/bin/false\n"
                .to_owned(),
        ),
        group: Some(
            "root:x:0:\ndaemon:x:1:root\napp:x:1501:\naudio:x:29:app,alice\nvideo:x:44:alice\nextra:x:50000:alice\n\
             wheel:x:10:root\n"
                .to_owned(),
        ),
        ..ImageFacts::default()
    }
}

/// Facts of this machine and of the images `local/NAME:1`.
pub(crate) fn facts() -> Facts {
    let users = [
        ("root", ""),
        ("uid", "1000"),
        ("uidgid", "1000:2222"),
        ("named", "app"),
        ("namedgrp", "app:audio"),
        ("unknown", "ghost"),
        ("uid0", "0"),
        ("nouser", "4321"),
    ];
    let images = users.into_iter().map(|(name, user)| (format!("docker.io/local/{name}:1"), image(user))).collect();
    Facts { images, node: Some(observe::node_facts()), ..Facts::default() }
}

pub(crate) fn pod(json: serde_json::Value) -> Pod {
    serde_json::from_value(json).expect("the test's own pod is a pod")
}

pub(crate) fn effective(pod: &Pod, facts: &Facts) -> EffectivePod {
    resolve(&pod.metadata, pod.spec.as_ref().expect("the test's own pod has a spec"), facts)
}

/// Runs the probe as the pod's first container, with the host's programs as the root file system.
pub(crate) fn probe(
    engine: &dyn Engine,
    pod: &Pod,
    facts: &Facts,
    seccomp_root: Option<&Path>,
) -> Result<Observed, RunError> {
    let state = StateDir::create(Path::new(INSIDE))?;
    let effective = effective(pod, facts);
    let container = &effective.containers[0];
    let options = RunOptions {
        state: &state,
        binary: Path::new(INSIDE),
        objects: &NoObjects,
        seccomp_root,
        given_volumes: None,
        create_host_paths: false,
    };
    let run = PodRun::prepare(pod, &effective, container, options)?;
    let image = container.image.as_deref().and_then(|name| facts.image(name)).cloned().unwrap_or_default();
    run.probe(engine, container, &RootfsRequest::Host(&image), &ProcessArgs::default())
}
