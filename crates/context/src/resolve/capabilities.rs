//! `capabilities`: what containerd makes of the names, and what the kernel leaves of the sets after execve.
//!
//! containerd starts from its default set, or from everything that it has itself where ALL is added; dropping ALL empties
//! that; then each name is upper-cased, prefixed with `CAP_`, and added or dropped (`internal/cri/opts/spec_opts.go`,
//! WithCapabilities). `privileged` replaces the outcome with everything that containerd has. runc ignores names that the
//! kernel does not know and fails on those that it does not have itself.

use k8s_openapi::api::core::v1::Capabilities as Declared;

use super::capability_names::{self, is_all, known};
use super::outcome::{Outcome, Step, runc_error};
use super::view::{ContainerView, PodView};
use crate::capability::{CapSet, Capability};
use crate::effective::Capabilities;
use crate::origin::{Origin, Value};
use crate::process::CapabilitySets;

/// The capabilities of a container. `root` says whether the user is root, where that is known.
pub(crate) fn resolve(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    root: Option<bool>,
    outcome: &mut Outcome,
) -> Capabilities {
    let declared = container.context.and_then(|context| context.capabilities.as_ref());
    let list = |names: Option<&Vec<String>>, field: &str| {
        let names = names.map(Vec::as_slice).unwrap_or_default().iter().enumerate();
        names
            .map(|(index, name)| {
                (name.clone(), Origin::container(container.path(&format!("capabilities.{field}[{index}]"))))
            })
            .collect::<Vec<_>>()
    };
    let add = list(declared.and_then(|declared| declared.add.as_ref()), "add");
    let drop = list(declared.and_then(|declared| declared.drop.as_ref()), "drop");
    let node = pod.node.and_then(|node| node.capabilities.bounding);
    let granted = granted(container, declared, node);

    // A new user namespace starts with every capability, so the node's own set bounds nothing there (user_namespaces(7)).
    let missing = match (&granted, node) {
        (Value::Known { value, .. }, Some(node)) if !pod.has_user_namespace() => value.difference(node),
        _ => CapSet::EMPTY,
    };
    if !missing.is_empty() {
        outcome.refuse(
            Step::StartCapabilities,
            Some(Origin::node(format!("its bounding set lacks {}", names(missing)))),
            runc_error("unable to apply caps: operation not permitted"),
        );
    }
    if let Some(declared) = declared {
        capability_names::warn(container, declared, root, outcome);
    }
    let sets = sets(&granted, root);
    Capabilities { add, drop, granted, missing, sets }
}

/// The set that the runtime is told to give.
fn granted(container: &ContainerView<'_>, declared: Option<&Declared>, node: Option<CapSet>) -> Value<CapSet> {
    // containerd knows only the capabilities that have a name here.
    let everything = node.map(|node| node.intersection(CapSet::ALL));
    let unknown = |what: &str| {
        Value::unknown(format!("{what} means every capability that the node has; describe the node with --node"))
    };
    if container.privileged() {
        return match everything {
            Some(all) => Value::known(all, Origin::container(container.path("privileged"))),
            None => unknown("privileged"),
        };
    }
    let Some(declared) = declared else {
        return Value::known(CapSet::RUNTIME_DEFAULT, Origin::runtime(DEFAULT));
    };
    let add = declared.add.as_deref().unwrap_or_default();
    let drop = declared.drop.as_deref().unwrap_or_default();
    let base = if drop.iter().any(|name| is_all(name)) {
        Some(CapSet::EMPTY)
    } else if add.iter().any(|name| is_all(name)) {
        everything
    } else {
        Some(CapSet::RUNTIME_DEFAULT)
    };
    let Some(base) = base else { return unknown("capabilities.add: [ALL]") };
    let given = add.iter().filter_map(|name| known(name)).fold(base, CapSet::with);
    let kept = drop.iter().filter_map(|name| known(name)).fold(given, CapSet::without);
    let origin = if add.is_empty() && drop.is_empty() {
        Origin::runtime(DEFAULT)
    } else {
        Origin::container(container.path("capabilities"))
    };
    Value::known(kept, origin)
}

/// Where the default set comes from.
const DEFAULT: &str = "containerd's default set of 14";

/// The five sets after execve(2), see capabilities(7): root gets what the bounding set allows, another user nothing,
/// because the runtime raises no ambient capabilities and the file is assumed to have none. Inheritable stays empty.
fn sets(granted: &Value<CapSet>, root: Option<bool>) -> Value<CapabilitySets> {
    let Value::Known { value: bounding, origin } = granted else {
        return Value::unknown("the granted set is not known");
    };
    let nothing = CapabilitySets { bounding: *bounding, ..CapabilitySets::default() };
    match root {
        _ if bounding.is_empty() => Value::known(nothing, origin.clone()),
        Some(true) => {
            Value::known(CapabilitySets { permitted: *bounding, effective: *bounding, ..nothing }, origin.clone())
        }
        Some(false) => Value::known(nothing, Origin::kernel("a user who is not root loses them at execve")),
        None => Value::unknown(format!(
            "whether the user is root is not known; the bounding set will be {bounding}, and root would have it as its \
             permitted and effective set"
        )),
    }
}

fn names(set: CapSet) -> String {
    set.iter().map(Capability::name).collect::<Vec<_>>().join(", ")
}

/// The pause container of every pod has the default set, so that a node without one of its members starts no pod at all.
pub(crate) fn refuse_sandbox(pod: &PodView<'_>, outcome: &mut Outcome) {
    let Some(node) = pod.node.and_then(|node| node.capabilities.bounding) else { return };
    let missing = CapSet::RUNTIME_DEFAULT.difference(node);
    if !missing.is_empty() && !pod.has_user_namespace() {
        outcome.refuse(
            Step::SandboxStart,
            Some(Origin::node(format!("its bounding set lacks {}", names(missing)))),
            runc_error("unable to apply caps: operation not permitted"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::RefusalReason;
    use crate::facts::Facts;
    use crate::resolve::testing::{busybox, container, on_node, pod, resolve_one};

    /// A node that lacks SYS_RESOURCE.
    fn node() -> Facts {
        on_node(busybox(""), r#"{"capabilities": {"bounding": "000001fffeffffff"}}"#)
    }

    fn sets_of(context: &str) -> CapabilitySets {
        let effective = resolve_one(&pod("{}"), &container(context), &node());
        assert_eq!(effective.refusal, None);
        *effective.capabilities.sets.get().expect("known sets")
    }

    #[test]
    fn root_has_containerds_default_set() {
        let sets = sets_of("{}");
        assert_eq!(
            (sets.bounding, sets.permitted, sets.effective),
            (CapSet(0xa804_25fb), CapSet(0xa804_25fb), CapSet(0xa804_25fb))
        );
        assert_eq!((sets.inheritable, sets.ambient), (CapSet::EMPTY, CapSet::EMPTY));
    }

    #[test]
    fn another_user_has_them_in_the_bounding_set_alone() {
        let sets = sets_of(r#"{"runAsUser": 1000, "capabilities": {"add": ["NET_ADMIN"]}}"#);
        assert_eq!(
            (sets.bounding, sets.permitted, sets.effective),
            (CapSet(0xa804_35fb), CapSet::EMPTY, CapSet::EMPTY)
        );
    }

    #[test]
    fn names_are_added_and_dropped_after_all() {
        assert_eq!(sets_of(r#"{"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}}"#).effective, CapSet(0xaa04_35fb));
        assert_eq!(sets_of(r#"{"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}"#).effective, CapSet(0x1000));
        assert_eq!(
            sets_of(r#"{"capabilities": {"add": ["ALL"], "drop": ["CHOWN"]}}"#).effective,
            CapSet(0x1ff_feff_fffe)
        );
        assert_eq!(sets_of(r#"{"capabilities": {"add": ["ALL"], "drop": ["all"]}}"#).effective, CapSet::EMPTY);
        assert_eq!(sets_of(r#"{"capabilities": {"add": ["KILL"], "drop": ["KILL", "ALL"]}}"#).effective, CapSet::EMPTY);
    }

    #[test]
    fn lower_case_works_and_a_prefix_does_not() {
        assert_eq!(sets_of(r#"{"capabilities": {"add": ["net_admin"]}}"#).effective, CapSet(0xa804_35fb));
        assert_eq!(sets_of(r#"{"capabilities": {"add": ["CAP_NET_ADMIN", "FLY"]}}"#).effective, CapSet(0xa804_25fb));
        assert_eq!(sets_of(r#"{"capabilities": {"drop": ["CAP_KILL"]}}"#).effective, CapSet(0xa804_25fb));
    }

    #[test]
    fn privileged_is_what_the_node_has_whatever_is_dropped() {
        let sets = sets_of(r#"{"privileged": true, "capabilities": {"drop": ["ALL"]}}"#);
        assert_eq!((sets.bounding, sets.effective), (CapSet(0x1ff_feff_ffff), CapSet(0x1ff_feff_ffff)));
    }

    #[test]
    fn a_capability_that_the_node_lacks_fails_the_start_when_it_is_named() {
        let named = r#"{"capabilities": {"add": ["SYS_RESOURCE"]}}"#;
        let refusal = resolve_one(&pod("{}"), &container(named), &node()).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::StartError);
        assert!(refusal.message.ends_with("unable to apply caps: operation not permitted"), "{}", refusal.message);
        assert_eq!(refusal.origin.unwrap().to_string(), "node: its bounding set lacks SYS_RESOURCE");
        sets_of(r#"{"capabilities": {"add": ["ALL"]}}"#);
        sets_of(r#"{"capabilities": {"add": ["SYS_RESOURCE"], "drop": ["SYS_RESOURCE"]}}"#);
    }

    #[test]
    fn a_node_without_a_default_capability_starts_no_pod() {
        let facts = on_node(busybox(""), r#"{"capabilities": {"bounding": "0"}}"#);
        let drops_all = container(r#"{"capabilities": {"drop": ["ALL"]}}"#);
        let refusal = resolve_one(&pod("{}"), &drops_all, &facts).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedCreatePodSandBox);
    }

    #[test]
    fn all_and_privileged_are_unknown_without_a_node() {
        for context in [r#"{"privileged": true}"#, r#"{"capabilities": {"add": ["ALL"]}}"#] {
            let effective = resolve_one(&pod("{}"), &container(context), &busybox(""));
            assert_eq!(effective.capabilities.granted.get(), None, "{context}");
        }
        let both = container(r#"{"capabilities": {"add": ["ALL"], "drop": ["ALL"]}}"#);
        assert_eq!(resolve_one(&pod("{}"), &both, &busybox("")).capabilities.granted.get(), Some(&CapSet::EMPTY));
    }

    #[test]
    fn an_unknown_user_leaves_the_sets_unknown_unless_there_is_nothing_to_have() {
        let unknown = resolve_one(&pod("{}"), &container("{}"), &Facts::default());
        assert_eq!(unknown.capabilities.sets.get(), None);
        let nothing = resolve_one(&pod("{}"), &container(r#"{"capabilities": {"drop": ["ALL"]}}"#), &Facts::default());
        assert_eq!(nothing.capabilities.sets.get(), Some(&CapabilitySets::default()));
        let never_root = resolve_one(&pod("{}"), &container(r#"{"runAsNonRoot": true}"#), &Facts::default());
        assert_eq!(never_root.capabilities.sets.get().map(|sets| sets.effective), Some(CapSet::EMPTY));
    }
}
