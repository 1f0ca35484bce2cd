//! `seLinuxOptions`: the container's, else the pod's, as a whole; what is left open the runtime fills in
//! (containerd `internal/cri/server/helpers.go`, toLabel).

use k8s_openapi::api::core::v1::SELinuxOptions;

use super::outcome::{Outcome, Step};
use super::view::{ContainerView, PodView, path};
use crate::effective::{SeLinux, warning_code};
use crate::origin::{Origin, Value};

/// The SELinux label of a container, as far as it is asked for.
pub(crate) fn resolve(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) -> Value<SeLinux> {
    let own = container.get("seLinuxOptions", |context| context.se_linux_options.as_ref());
    if let Some((options, origin)) = &own
        && let Some(message) = malformed(options)
    {
        outcome.refuse(
            Step::CreateSeLinux,
            Some(origin.clone()),
            format!("failed to generate container spec: failed to generate spec opts: {message}"),
        );
    }
    let declared = own.or_else(|| pod.get("seLinuxOptions", |context| context.se_linux_options.as_ref()));
    if let Some((_, Origin::Container { field })) = &declared {
        warn(pod, field, declared.as_ref().map(|(options, _)| *options), outcome);
    }
    if pod.node.and_then(|node| node.selinux) == Some(false) {
        return Value::known(SeLinux::Unavailable, Origin::node("no SELinux"));
    }
    if container.privileged() {
        if let Some((_, Origin::Container { field } | Origin::Pod { field })) = &declared {
            outcome.warn(
                warning_code::SELINUX_IGNORED_WHEN_PRIVILEGED,
                field.clone(),
                "a privileged container gets no SELinux label of its own",
                "remove privileged",
            );
        }
        return Value::known(SeLinux::Unconfined, Origin::container(container.path("privileged")));
    }
    match declared {
        Some((options, origin)) => Value::known(label(options), origin),
        None if pod.node.and_then(|node| node.selinux) == Some(true) => {
            Value::known(SeLinux::Runtime, Origin::runtime("a type of its own and a pair of categories for the pod"))
        }
        None => Value::unknown(
            "seLinuxOptions are not set: the runtime picks a label if the node has SELinux; describe the node with --node",
        ),
    }
}

/// An empty part is the same as none.
fn label(options: &SELinuxOptions) -> SeLinux {
    let part = |part: &Option<String>| part.clone().filter(|part| !part.is_empty());
    SeLinux::Label {
        user: part(&options.user),
        role: part(&options.role),
        type_: part(&options.type_),
        level: part(&options.level),
    }
}

/// The runtime's objection to a level, also on a node without SELinux.
fn malformed(options: &SELinuxOptions) -> Option<String> {
    let level = options.level.as_deref().filter(|level| !level.is_empty())?;
    (!is_level(level)).then(|| format!("the format of 'level' {level:?} is not correct"))
}

/// `s0`, `s0-s3`, `s0:c1.c5,c7`: a sensitivity of one digit or a range of two, and categories of up to four digits.
fn is_level(level: &str) -> bool {
    let (sensitivities, categories) = match level.split_once(':') {
        Some((sensitivities, categories)) => (sensitivities, Some(categories)),
        None => (level, None),
    };
    let is_sensitivity = |text: &str| matches!(text.as_bytes(), [b's', digit] if digit.is_ascii_digit());
    let is_category = |text: &str| {
        text.strip_prefix('c')
            .is_some_and(|digits| (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let sensitivities = match sensitivities.split_once('-') {
        Some((low, high)) => is_sensitivity(low) && is_sensitivity(high),
        None => is_sensitivity(sensitivities),
    };
    sensitivities
        && categories.is_none_or(|categories| {
            categories.split(',').all(|range| match range.split_once('.') {
                Some((low, high)) => is_category(low) && is_category(high),
                None => is_category(range),
            })
        })
}

/// The pod's options: what the sandbox refuses, and what is easily overlooked.
pub(crate) fn check_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    let Some((options, origin)) = pod.get("seLinuxOptions", |context| context.se_linux_options.as_ref()) else {
        return;
    };
    if let Some(message) = malformed(options) {
        outcome.refuse(
            Step::SandboxSeLinux,
            Some(origin),
            format!("failed to generate sandbox container spec: failed to init selinux options: {message}"),
        );
    }
    warn(pod, &path("seLinuxOptions"), Some(options), outcome);
}

fn warn(pod: &PodView<'_>, field: &str, options: Option<&SELinuxOptions>, outcome: &mut Outcome) {
    if pod.node.and_then(|node| node.selinux) == Some(false) {
        outcome.warn(
            warning_code::SELINUX_UNAVAILABLE,
            field,
            "the node has no SELinux, so nothing is labelled",
            "run on a node with SELinux, or remove seLinuxOptions",
        );
    }
    if let Some(level) = options.and_then(|options| options.level.as_deref()).filter(|level| level.contains(":c")) {
        outcome.warn(
            warning_code::SELINUX_SHARED_LEVEL,
            format!("{field}.level"),
            format!("every pod with the level {level} can access this pod's volumes"),
            "give each pod that needs protection from others a level of its own",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, container, on_node, pod, resolve_one, resolve_spec};

    fn selinux() -> Facts {
        on_node(Facts::default(), r#"{"selinux": true}"#)
    }

    #[test]
    fn the_containers_options_replace_the_pods_as_a_whole() {
        let effective = resolve_one(
            &pod(r#"{"seLinuxOptions": {"level": "s0:c1,c2", "type": "spc_t"}}"#),
            &container(r#"{"seLinuxOptions": {"role": "r"}}"#),
            &selinux(),
        );
        assert_eq!(
            effective.selinux.get(),
            Some(&SeLinux::Label { user: None, role: Some("r".to_owned()), type_: None, level: None })
        );
    }

    #[test]
    fn a_node_without_selinux_labels_nothing_and_says_so() {
        let facts = on_node(Facts::default(), r#"{"selinux": false}"#);
        let effective = resolve_one(&pod("{}"), &container(r#"{"seLinuxOptions": {"type": "t"}}"#), &facts);
        assert_eq!(effective.selinux.get(), Some(&SeLinux::Unavailable));
        assert!(codes(&effective).contains(&warning_code::SELINUX_UNAVAILABLE));
    }

    #[test]
    fn a_privileged_container_is_not_confined() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"privileged": true}"#), &selinux());
        assert_eq!(effective.selinux.get(), Some(&SeLinux::Unconfined));
    }

    #[test]
    fn a_fixed_level_is_shared_by_all_who_name_it() {
        let spec = r#"{"containers": [], "securityContext": {"seLinuxOptions": {"level": "s0:c123,c456"}}}"#;
        let warnings = resolve_spec(spec, &Facts::default()).warnings;
        assert_eq!(warnings[0].code, warning_code::SELINUX_SHARED_LEVEL);
        assert_eq!(warnings[0].field, "spec.securityContext.seLinuxOptions.level");
    }

    #[test]
    fn levels_are_checked_as_the_runtime_checks_them() {
        for level in ["s0", "s0-s3", "s0:c1", "s0:c1,c2", "s0:c1.c5,c7.c1023", "s0-s1:c1"] {
            assert!(is_level(level), "{level}");
        }
        for level in
            ["", "s", "s10", "s0:", "s0:c", "s0:c12345", "s0:c1,", "s0:1", "s0-", "c1", "s0:c1:c2", "s0:c1.c2.c3"]
        {
            assert!(!is_level(level), "{level}");
        }
    }

    #[test]
    fn a_malformed_level_of_the_pod_keeps_the_sandbox_from_being_made() {
        let refusal =
            resolve_one(&pod(r#"{"seLinuxOptions": {"level": "high"}}"#), &container("{}"), &selinux()).refusal;
        assert!(refusal.unwrap().message.ends_with("the format of 'level' \"high\" is not correct"));
    }
}
