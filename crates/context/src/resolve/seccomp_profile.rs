//! `seccompProfile`: the container's, else the pod's, else what the kubelet defaults to; nothing for a privileged
//! container (kubelet `kuberuntime/helpers.go`, getSeccompProfile; containerd `internal/cri/sputil/seccomp_linux.go`).

use k8s_openapi::api::core::v1::SeccompProfile;

use super::outcome::{Outcome, Step};
use super::view::{ContainerView, PodView};
use crate::effective::{Seccomp, warning_code};
use crate::origin::{Origin, Value};

/// The kubelet's directory of seccomp profiles under its default `--root-dir`.
const ROOT: &str = "/var/lib/kubelet/seccomp";

/// The seccomp profile of a container.
pub(crate) fn resolve(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) -> Value<Seccomp> {
    let declared = container
        .get("seccompProfile", |context| context.seccomp_profile.as_ref())
        .or_else(|| pod.get("seccompProfile", |context| context.seccomp_profile.as_ref()));
    let profile = match declared {
        Some((profile, origin)) => {
            let Some(seccomp) = of_field(profile) else {
                let message = "localhostProfile must be set if seccompProfile type is Localhost.";
                outcome.refuse(Step::ConfigSeccomp, Some(origin), message);
                return Value::unknown(format!("the container is not created: {message}"));
            };
            Value::known(seccomp, origin)
        }
        None => match pod.node {
            Some(node) if node.seccomp_default == Some(true) => {
                Value::known(Seccomp::RuntimeDefault, Origin::node("seccompDefault"))
            }
            Some(_) => Value::known(Seccomp::Unconfined, Origin::kubelet("no seccompDefault")),
            None => Value::unknown(
                "seccompProfile is not set, so the kubelet's seccompDefault decides between Unconfined, which is usual, \
                 and RuntimeDefault: describe the node with --node",
            ),
        },
    };
    if container.privileged() {
        if let Some(Origin::Container { field } | Origin::Pod { field }) = profile.origin()
            && profile.get() != Some(&Seccomp::Unconfined)
        {
            outcome.warn(
                warning_code::SECCOMP_IGNORED_WHEN_PRIVILEGED,
                field.clone(),
                "a privileged container runs without a seccomp filter, whatever profile is named",
                "remove privileged",
            );
        }
        return Value::known(Seccomp::Unconfined, Origin::container(container.path("privileged")));
    }
    if let Value::Known { value: Seccomp::Localhost { path }, origin } = &profile {
        refuse_localhost(pod, path, origin, outcome);
    }
    profile
}

/// What a field says; `None` for Localhost without a profile. The kubelet takes a type that it does not know for Unconfined.
fn of_field(profile: &SeccompProfile) -> Option<Seccomp> {
    match profile.type_.as_str() {
        "RuntimeDefault" => Some(Seccomp::RuntimeDefault),
        "Localhost" => match profile.localhost_profile.as_deref() {
            Some(path) if !path.is_empty() => Some(Seccomp::Localhost { path: path.to_owned() }),
            _ => None,
        },
        _ => Some(Seccomp::Unconfined),
    }
}

/// A profile that the node does not have, or that cannot be read, keeps the container from being created.
fn refuse_localhost(pod: &PodView<'_>, path: &str, origin: &Origin, outcome: &mut Outcome) {
    let Some(profiles) = &pod.facts.seccomp_profiles else { return };
    let clean = clean(path);
    let message = match profiles.get(path).or_else(|| profiles.get(&clean)) {
        Some(Ok(())) => return,
        Some(Err(error)) => format!("decoding seccomp profile failed \"{ROOT}/{clean}\": {error}"),
        None => {
            let file = format!("{ROOT}/{clean}");
            format!("cannot load seccomp profile \"{file}\": open {file}: no such file or directory")
        }
    };
    outcome.refuse(
        Step::CreateSeccomp,
        Some(origin.clone()),
        format!("failed to create containerd container: {message}"),
    );
}

/// The path without `.`, empty and `..` elements, as Go's `filepath.Join` cleans it below the root.
fn clean(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                elements.pop();
            }
            element => elements.push(element),
        }
    }
    elements.join("/")
}

/// Annotations that nothing reads any more.
pub(crate) fn warn_annotations(pod: &PodView<'_>, outcome: &mut Outcome) {
    let keys = pod.metadata.annotations.iter().flat_map(|annotations| annotations.keys());
    for key in keys.filter(|key| {
        *key == "seccomp.security.alpha.kubernetes.io/pod"
            || key.starts_with("container.seccomp.security.alpha.kubernetes.io/")
    }) {
        outcome.warn(
            warning_code::SECCOMP_ANNOTATION,
            format!("metadata.annotations[{key}]"),
            "Kubernetes reads no seccomp annotation since v1.27",
            "set securityContext.seccompProfile",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::effective::RefusalReason;
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, container, on_node, pod, resolve_one};

    const LOCALHOST: &str = r#"{"seccompProfile": {"type": "Localhost", "localhostProfile": "./profiles//a.json"}}"#;

    fn on(node: &str) -> Facts {
        on_node(Facts::default(), node)
    }

    #[test]
    fn the_containers_profile_wins_over_the_pods() {
        let effective = resolve_one(
            &pod(r#"{"seccompProfile": {"type": "RuntimeDefault"}}"#),
            &container(r#"{"seccompProfile": {"type": "Unconfined"}}"#),
            &Facts::default(),
        );
        assert_eq!(effective.seccomp.get(), Some(&Seccomp::Unconfined));
    }

    #[test]
    fn without_a_profile_the_kubelet_decides() {
        let seccomp = |facts: &Facts| resolve_one(&pod("{}"), &container("{}"), facts).seccomp.get().cloned();
        assert_eq!(seccomp(&on("{}")), Some(Seccomp::Unconfined));
        assert_eq!(seccomp(&on(r#"{"seccompDefault": true}"#)), Some(Seccomp::RuntimeDefault));
        assert_eq!(seccomp(&Facts::default()), None);
    }

    #[test]
    fn a_privileged_container_has_no_filter_and_a_warning() {
        let effective = resolve_one(
            &pod(r#"{"seccompProfile": {"type": "RuntimeDefault"}}"#),
            &container(r#"{"privileged": true}"#),
            &Facts::default(),
        );
        assert_eq!(effective.seccomp.get(), Some(&Seccomp::Unconfined));
        assert!(codes(&effective).contains(&warning_code::SECCOMP_IGNORED_WHEN_PRIVILEGED));
    }

    #[test]
    fn localhost_without_a_profile_is_refused_by_the_kubelet_even_when_privileged() {
        let context = r#"{"privileged": true, "seccompProfile": {"type": "Localhost"}}"#;
        let refusal = resolve_one(&pod("{}"), &container(context), &Facts::default()).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::CreateContainerConfigError);
        assert_eq!(refusal.message, "localhostProfile must be set if seccompProfile type is Localhost.");
    }

    #[test]
    fn a_profile_that_the_node_does_not_have_is_refused_by_the_runtime() {
        let with = |profiles: BTreeMap<String, Result<(), String>>| {
            let facts = Facts { seccomp_profiles: Some(profiles), ..Facts::default() };
            resolve_one(&pod("{}"), &container(LOCALHOST), &facts).refusal
        };
        assert_eq!(with(BTreeMap::from([("profiles/a.json".to_owned(), Ok(()))])), None);
        let missing = with(BTreeMap::new()).unwrap();
        assert_eq!(missing.reason, RefusalReason::CreateContainerError);
        assert_eq!(
            missing.message,
            "failed to create containerd container: cannot load seccomp profile \
             \"/var/lib/kubelet/seccomp/profiles/a.json\": open /var/lib/kubelet/seccomp/profiles/a.json: no such file or \
             directory"
        );
        let broken =
            with(BTreeMap::from([("profiles/a.json".to_owned(), Err("unexpected end of JSON input".to_owned()))]));
        assert!(broken.unwrap().message.ends_with("a.json\": unexpected end of JSON input"));
        let unknown = resolve_one(&pod("{}"), &container(LOCALHOST), &Facts::default());
        assert_eq!(unknown.refusal, None);
    }

    #[test]
    fn a_path_is_cleaned_below_the_root() {
        assert_eq!(clean("a/../../b//./c"), "b/c");
    }
}
