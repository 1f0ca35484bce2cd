//! Capabilities on both sides. docker: `ALL` that is added wins, and a name that is added wins over the same name that is
//! dropped. A pod: what is dropped by name wins, and dropping `ALL` wins over adding it (containerd
//! `internal/cri/server`, `securityContext`).

use k8s_openapi::api::core::v1::Capabilities;

use super::{Notes, note};
use crate::options::Options;
use crate::version::Version;

/// What docker 20.10 leaves out of `ALL`, and a pod does not.
const UNKNOWN_TO_20_10: [&str; 3] = ["PERFMON", "BPF", "CHECKPOINT_RESTORE"];

/// As a pod spells it: upper case, without the prefix.
fn name(text: &str) -> String {
    let upper = text.to_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn names(list: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in list {
        let name = name(text);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The pod's lists that come to the same set.
pub(super) fn to_pod(options: &Options, version: Version, notes: &mut Notes) -> Option<Capabilities> {
    let (add, drop) = (names(&options.cap_add), names(&options.cap_drop));
    if add.is_empty() && drop.is_empty() {
        return None;
    }
    if options.privileged {
        note(notes, "--cap-add, --cap-drop", "they say nothing beside --privileged, and are left out");
        return None;
    }
    let is_all = |name: &String| name == "ALL";
    let without_all = |list: &[String]| list.iter().filter(|name| !is_all(name)).cloned().collect::<Vec<_>>();
    let (add, drop) = if add.iter().any(is_all) {
        let mut drop = without_all(&drop);
        if version == Version::V20_10 {
            drop.extend(UNKNOWN_TO_20_10.iter().map(|name| (*name).to_owned()));
        }
        (vec!["ALL".to_owned()], drop)
    } else if drop.iter().any(is_all) {
        (without_all(&add), vec!["ALL".to_owned()])
    } else {
        let drop = drop.into_iter().filter(|name| !add.contains(name)).collect();
        (add, drop)
    };
    let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Some(Capabilities { add: given(add), drop: given(drop) })
}

/// docker's flags that come to the same set.
pub(super) fn to_flags(capabilities: &Capabilities, version: Version) -> Vec<String> {
    let (add, drop) = (
        names(capabilities.add.as_deref().unwrap_or_default()),
        names(capabilities.drop.as_deref().unwrap_or_default()),
    );
    let has_all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let kept: Vec<&String> = add.iter().filter(|name| *name != "ALL" && !drop.contains(name)).collect();
    let mut flags = Vec::new();
    if has_all(&drop) {
        flags.push("--cap-drop=ALL".to_owned());
        flags.extend(kept.iter().map(|name| format!("--cap-add={name}")));
    } else if has_all(&add) {
        flags.push("--cap-add=ALL".to_owned());
        // Not known there, and not in its ALL either.
        let known = |name: &&String| version != Version::V20_10 || !UNKNOWN_TO_20_10.contains(&name.as_str());
        flags.extend(drop.iter().filter(known).map(|name| format!("--cap-drop={name}")));
    } else {
        flags.extend(kept.iter().map(|name| format!("--cap-add={name}")));
        flags.extend(drop.iter().map(|name| format!("--cap-drop={name}")));
    }
    flags
}
