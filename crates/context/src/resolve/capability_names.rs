//! How capabilities are written: which names the runtime understands, and which do not do what they seem to.

use k8s_openapi::api::core::v1::Capabilities as Declared;

use super::outcome::Outcome;
use super::view::ContainerView;
use crate::capability::Capability;
use crate::effective::warning_code;

/// Whether a name means every capability.
pub(super) fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL")
}

/// The capability that the runtime takes a name for: in any case, without `CAP_`.
pub(super) fn known(name: &str) -> Option<Capability> {
    Capability::from_name(name).or_else(|| Capability::from_name(&name.to_uppercase()))
}

/// Names that do not do what they seem to.
pub(super) fn warn(container: &ContainerView<'_>, declared: &Declared, root: Option<bool>, outcome: &mut Outcome) {
    let add = declared.add.as_deref().unwrap_or_default();
    let drop = declared.drop.as_deref().unwrap_or_default();
    if container.privileged() {
        if !add.is_empty() || !drop.is_empty() {
            outcome.warn(
                warning_code::CAPABILITIES_IGNORED_WHEN_PRIVILEGED,
                container.path("capabilities"),
                "a privileged container has every capability that the node has, whatever is added or dropped",
                "remove privileged, or capabilities",
            );
        }
        return;
    }
    for (list, field) in [(add, "add"), (drop, "drop")] {
        for (index, name) in list.iter().enumerate() {
            spelling(container, name, &format!("capabilities.{field}[{index}]"), field, outcome);
        }
    }
    let drops_all = drop.iter().any(|name| is_all(name));
    for (index, name) in add.iter().enumerate() {
        let undone = if is_all(name) {
            drops_all
        } else {
            known(name).is_some_and(|added| drop.iter().any(|name| known(name) == Some(added)))
        };
        if undone {
            outcome.warn(
                warning_code::CAPABILITY_ADDED_AND_DROPPED,
                container.path(&format!("capabilities.add[{index}]")),
                format!("{name} is added and dropped: what is dropped is gone"),
                "remove it from one of the lists",
            );
        }
    }
    if root == Some(false) {
        let useless: Vec<_> = add
            .iter()
            .filter(|name| {
                is_all(name) && !drops_all
                    || known(name).is_some_and(|added| !drop.iter().any(|name| known(name) == Some(added)))
            })
            .map(String::as_str)
            .collect();
        if !useless.is_empty() {
            let (stay, are) = if useless.len() == 1 { ("stays", "is") } else { ("stay", "are") };
            outcome.warn(
                warning_code::CAPABILITIES_WITHOUT_EFFECT,
                container.path("capabilities.add"),
                format!(
                    "the process is not root, so {} {stay} in its bounding set and {are} in none of the sets that the \
                     kernel checks",
                    useless.join(", ")
                ),
                "give the file the capability in the image with setcap(8), or run as root with everything else dropped",
            );
        }
    }
}

/// How a name is written.
fn spelling(container: &ContainerView<'_>, name: &str, field: &str, verb: &str, outcome: &mut Outcome) {
    if is_all(name) {
        if name != "ALL" {
            outcome.warn(
                warning_code::CAPABILITY_CASE,
                container.path(field),
                format!("{name:?} works as ALL in containerd, and not for policies, which compare it as it is written"),
                "write ALL",
            );
        }
        return;
    }
    let upper = name.to_uppercase();
    match known(name) {
        Some(capability) if capability.name() != name => outcome.warn(
            warning_code::CAPABILITY_CASE,
            container.path(field),
            format!("{name:?} works in containerd, and not for policies, which compare it as it is written"),
            format!("write {}", capability.name()),
        ),
        Some(_) => {}
        None => match upper.strip_prefix("CAP_") {
            Some(bare) if Capability::from_name(bare).is_some() => outcome.warn(
                warning_code::CAPABILITY_PREFIX,
                container.path(field),
                format!("containerd puts CAP_ before the name itself: {name:?} {verb}s nothing"),
                format!("write {bare}"),
            ),
            _ => outcome.warn(
                warning_code::CAPABILITY_UNKNOWN,
                container.path(field),
                format!("no kernel has a capability {name:?}: the runtime ignores it"),
                "see capabilities(7) for the names, and leave CAP_ out",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::warning_code;
    use crate::resolve::testing::{busybox, codes, container, pod, resolve_one};

    #[test]
    fn each_misspelling_is_a_warning_of_its_own() {
        let warned = |context: &str| codes(&resolve_one(&pod("{}"), &container(context), &busybox("")));
        assert_eq!(warned(r#"{"capabilities": {"add": ["CAP_NET_ADMIN"]}}"#), [warning_code::CAPABILITY_PREFIX]);
        assert_eq!(warned(r#"{"capabilities": {"drop": ["all"]}}"#), [warning_code::CAPABILITY_CASE]);
        assert_eq!(warned(r#"{"capabilities": {"add": ["FLY"]}}"#), [warning_code::CAPABILITY_UNKNOWN]);
        assert_eq!(
            warned(r#"{"capabilities": {"add": ["KILL"], "drop": ["KILL"]}}"#),
            [warning_code::CAPABILITY_ADDED_AND_DROPPED]
        );
        assert_eq!(warned(r#"{"capabilities": {"add": ["KILL"], "drop": ["ALL"]}}"#), Vec::<&str>::new());
    }

    #[test]
    fn capabilities_for_another_user_than_root_are_a_warning() {
        let effective = resolve_one(
            &pod("{}"),
            &container(r#"{"runAsUser": 4321, "runAsGroup": 1, "capabilities": {"add": ["NET_BIND_SERVICE"]}}"#),
            &busybox(""),
        );
        assert_eq!(codes(&effective), [warning_code::CAPABILITIES_WITHOUT_EFFECT]);
    }

    #[test]
    fn one_capability_stays_and_several_stay() {
        let message = |add: &str| {
            let context =
                format!(r#"{{"runAsUser": 4321, "runAsGroup": 1, "capabilities": {{"add": {add}, "drop": ["ALL"]}}}}"#);
            resolve_one(&pod("{}"), &container(&context), &busybox("")).warnings.remove(0).message
        };
        let one = message(r#"["SYS_TIME"]"#);
        assert!(one.contains("SYS_TIME stays in its bounding set and is in none"), "{one}");
        let two = message(r#"["SYS_TIME", "NET_ADMIN"]"#);
        assert!(two.contains("SYS_TIME, NET_ADMIN stay in its bounding set and are in none"), "{two}");
    }
}
