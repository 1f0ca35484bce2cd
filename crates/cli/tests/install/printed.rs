//! The manifests as they are printed.

use crate::common::{lines, ringfence};

#[test]
fn what_is_installed_is_restricted_at_every_version_by_our_own_check() {
    let args = ["install", "--print", "--image", "ringfence:0.1.0", "--scc", "yes", "--waivers"];
    let printed = ringfence(args.into_iter().chain(["--waivers-from", "waivers", "--controllers", "--reports"]), "");
    assert_eq!((printed.code, &*printed.err), (0, ""));
    let checked = ringfence(["check", "--pss", "restricted@all", "-o", "jsonl", "-"], &printed.out);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    let objects = lines(&checked);
    assert_eq!(objects.len(), 3);
    assert!(objects.iter().all(|object| object["kind"] == "Deployment"), "{}", checked.out);
    let read = ringfence(["read", "-o", "jsonl", "-"], &printed.out);
    assert!(lines(&read).iter().all(|line| line["problems"].as_array().is_some_and(Vec::is_empty)), "{}", read.out);
}

#[test]
fn what_cannot_be_installed_is_said_with_what_to_write() {
    for (args, words) in [
        (&["--image", "a b"][..], "is no name of an image: write it as registry.example.com/ringfence:0.1.0"),
        (&["--image", "a", "--namespace", "A/b"], "is no name of a namespace"),
        (&["--url", "http://a"], "an API server asks https URLs alone"),
        (&["--image", "a", "--ca-bundle", "Cargo.toml"], "Cargo.toml has no certificate"),
        (&["--image", "a", "--pod-security-config", "Cargo.toml"], "Cargo.toml"),
        (&["--image", "a", "--waivers-from", "b"], "--waivers"),
        (&["--image", "a", "--controllers=all"], "[possible values: sync, privileged, ranges]"),
        (&[], "--image <IMAGE>"),
    ] {
        let ran = ringfence(["install", "--print"].iter().chain(args), "");
        assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?}");
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    }
}
