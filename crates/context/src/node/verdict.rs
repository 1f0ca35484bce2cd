//! Whether an application can run on a node; Redis Enterprise in either of its modes.
//!
//! Unprivileged mode drops every capability, so that a process must live with the limit that it is started with.
//! Privileged mode has SYS_RESOURCE, by which a process can raise the limit, up to `fs.nr_open`.
//! Rule: Redis Enterprise for Kubernetes, "Enable privileged mode", section SYS_RESOURCE.

use serde::Serialize;

use super::{Need, REDIS_ENTERPRISE};
use crate::capability::Capability;
use crate::facts::NodeFacts;

/// The capability to raise limits.
pub(super) const SYS_RESOURCE: &str = "SYS_RESOURCE";

/// Yes, no, or what is missing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is.
    Yes,
    /// A fact that decides is not known.
    Unknown,
    /// It is not.
    No,
}

/// An answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// Why, each in one sentence; those that decide first.
    pub because: Vec<String>,
    /// What does not change the answer and is good to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Whether unprivileged mode is safe on the node.
pub fn unprivileged_mode(node: &NodeFacts) -> Verdict {
    files(&REDIS_ENTERPRISE, node, "raise it on the node, or enable privileged mode")
}

/// Whether a process that cannot raise its limit can open the files that it needs.
fn files(need: &Need, node: &NodeFacts, fix: &str) -> Verdict {
    let (title, need) = (need.title, need.open_files);
    let mut reasons = system_wide(need, node);
    let mut notes = Vec::new();
    match &node.open_files.pod {
        None => {
            let why = unknown(node, "openFiles.pod", "the open-file limit of a process in a pod");
            reasons.push((Answer::Unknown, why));
        }
        Some(limits) if limits.hard < need => {
            let why = format!(
                "a process in a pod may open {} files and {title} needs {need} ({}); {fix}",
                limits.hard, limits.source
            );
            reasons.push((Answer::No, why));
        }
        Some(limits) => {
            let why = format!("a process in a pod may open {} files, at least {need} ({})", limits.hard, limits.source);
            reasons.push((Answer::Yes, why));
            if limits.soft < need {
                notes.push(format!(
                    "the soft limit is {}, below {need}: a process has to raise it to the hard limit itself, for which \
                     it needs no capability",
                    limits.soft
                ));
            }
        }
    }
    verdict(reasons, notes)
}

/// Whether an application of whose containers nothing else is known finds what it needs.
pub fn runs(need: &Need, node: &NodeFacts) -> Verdict {
    let mut verdict = files(need, node, "raise it on the node");
    let wanted = need.max_map_count.zip(node.sysctls.get("vm.max_map_count").and_then(|text| text.trim().parse().ok()));
    if let Some((wanted, found)) = wanted.filter(|(wanted, found): &(u64, u64)| found < wanted) {
        let why = format!("vm.max_map_count is {found}, below {wanted}, unless an init container raises it");
        if verdict.answer == Answer::No {
            verdict.because.push(why);
        } else {
            verdict = Verdict { answer: Answer::No, because: vec![why], notes: vec![] };
        }
    }
    verdict
}

/// Whether privileged mode works on the node: whether SYS_RESOURCE can be had and does what it is for.
pub fn privileged_mode(node: &NodeFacts) -> Verdict {
    let mut reasons = system_wide(REDIS_ENTERPRISE.open_files, node);
    let capability = Capability::from_name(SYS_RESOURCE);
    match node.capabilities.bounding {
        None => reasons.push((Answer::Unknown, unknown(node, "capabilities.bounding", "the node's bounding set"))),
        Some(set) if capability.is_some_and(|capability| set.contains(capability)) => {
            reasons.push((Answer::Yes, "SYS_RESOURCE is in the node's bounding set".to_owned()));
        }
        Some(_) => {
            let why = "the node's bounding set lacks SYS_RESOURCE, so that no container that adds it starts";
            reasons.push((Answer::No, why.to_owned()));
        }
    }
    verdict(reasons, vec![])
}

/// What bounds every process, whatever its capabilities.
fn system_wide(need: u64, node: &NodeFacts) -> Vec<(Answer, String)> {
    let check = |name: &str, value: Option<u64>, key: &str, what: &str| match value {
        Some(value) if value < need => Some((Answer::No, format!("{name} is {value}, below {need}: {what}"))),
        Some(_) => None,
        None => Some((Answer::Unknown, unknown(node, key, name))),
    };
    let nr_open = check(
        "fs.nr_open",
        node.open_files.nr_open,
        "openFiles.nrOpen",
        "no process can have a higher limit, whatever its capabilities",
    );
    let file_max = check(
        "fs.file-max",
        node.open_files.file_max,
        "openFiles.fileMax",
        "all processes of the node together can open no more",
    );
    nr_open.into_iter().chain(file_max).collect()
}

fn unknown(node: &NodeFacts, key: &str, what: &str) -> String {
    match node.unknown.get(key) {
        Some(why) => format!("{what} is not known: {why}"),
        None => format!("{what} is not known"),
    }
}

/// The worst of the reasons decides, and only those of its kind are reasons for it.
fn verdict(reasons: Vec<(Answer, String)>, notes: Vec<String>) -> Verdict {
    let answer = reasons.iter().map(|(answer, _)| *answer).max().unwrap_or(Answer::Unknown);
    let because = reasons.into_iter().filter(|(kind, _)| *kind == answer).map(|(_, why)| why).collect();
    Verdict { answer, because, notes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::CapSet;
    use crate::facts::{Limits, NodeCapabilities, OpenFiles};

    fn node(soft: u64, hard: u64, nr_open: u64) -> NodeFacts {
        NodeFacts {
            open_files: OpenFiles {
                pod: Some(Limits { soft, hard, source: "containerd".to_owned() }),
                nr_open: Some(nr_open),
                file_max: Some(u64::MAX),
                own: None,
            },
            capabilities: NodeCapabilities { bounding: Some(CapSet(0x1ff_ffff_ffff)) },
            ..NodeFacts::default()
        }
    }

    /// SYS_RESOURCE, paragraph 2: "configure your Kubernetes worker nodes to ensure a default file descriptor limit of
    /// at least 100,000".
    #[test]
    fn unprivileged_mode_needs_a_limit_of_100_000_to_the_file() {
        assert_eq!(unprivileged_mode(&node(100_000, 100_000, 1 << 20)).answer, Answer::Yes);
        let low = unprivileged_mode(&node(99_999, 99_999, 1 << 20));
        assert_eq!(low.answer, Answer::No);
        assert!(low.because[0].contains("99999") && low.because[0].contains("privileged mode"), "{low:?}");
    }

    /// SYS_RESOURCE, paragraph 4: Kubespray's defaults fall short, and there the operator must run in privileged mode.
    /// Kubespray writes the limit into containerd's base specification (`containerd_base_runtime_spec_rlimit_nofile`).
    #[test]
    fn kubesprays_default_of_65535_calls_for_privileged_mode() {
        let kubespray = node(65_535, 65_535, 1 << 20);
        assert_eq!(unprivileged_mode(&kubespray).answer, Answer::No);
        assert_eq!(privileged_mode(&kubespray).answer, Answer::Yes);
    }

    #[test]
    fn a_low_soft_limit_is_a_note() {
        let verdict = unprivileged_mode(&node(1024, 524_288, 1 << 20));
        assert_eq!(verdict.answer, Answer::Yes);
        assert!(verdict.notes[0].contains("1024"), "{verdict:?}");
    }

    #[test]
    fn nr_open_bounds_both_modes() {
        let node = node(100_000, 100_000, 65_536);
        assert_eq!((unprivileged_mode(&node).answer, privileged_mode(&node).answer), (Answer::No, Answer::No));
    }

    #[test]
    fn a_node_without_sys_resource_has_no_privileged_mode() {
        let mut node = node(65_535, 65_535, 1 << 20);
        node.capabilities.bounding = Some(CapSet(0x1ff_feff_ffff));
        let verdict = privileged_mode(&node);
        assert_eq!(verdict.answer, Answer::No);
        assert!(verdict.because[0].contains("lacks SYS_RESOURCE"));
    }

    #[test]
    fn what_is_not_known_is_said_with_the_reason_and_a_no_outweighs_it() {
        let mut node = node(1, 1, 1 << 20);
        node.open_files.pod = None;
        node.unknown.insert("openFiles.pod".to_owned(), "no container runtime was found".to_owned());
        let verdict = unprivileged_mode(&node);
        assert_eq!(verdict.answer, Answer::Unknown);
        assert!(verdict.because[0].ends_with("no container runtime was found"), "{verdict:?}");
        node.open_files.nr_open = Some(1024);
        assert_eq!(unprivileged_mode(&node).answer, Answer::No);
        assert_eq!(unprivileged_mode(&NodeFacts::default()).answer, Answer::Unknown);
    }
}
