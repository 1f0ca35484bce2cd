//! `appArmorProfile`: the container's, else its annotation, else the pod's, else the runtime's default profile
//! (kubelet `pkg/security/apparmor/helpers.go`, GetProfile; containerd `internal/cri/sputil/apparmor_linux.go`).

use k8s_openapi::api::core::v1::AppArmorProfile;

use super::outcome::{Outcome, Step};
use super::view::{ContainerView, PodView};
use crate::effective::{AppArmor, warning_code};
use crate::origin::{Origin, Value};

/// The key of the annotation, before the container's name.
const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The AppArmor profile of a container.
pub(crate) fn resolve(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) -> Value<AppArmor> {
    let declared = match container.get("appArmorProfile", |context| context.app_armor_profile.as_ref()) {
        Some((profile, origin)) => Some((of_field(profile, &origin, outcome), origin)),
        None => annotation(pod, container.name).or_else(|| {
            let (profile, origin) = pod.get("appArmorProfile", |context| context.app_armor_profile.as_ref())?;
            Some((of_field(profile, &origin, outcome), origin))
        }),
    };
    match pod.node.and_then(|node| node.apparmor) {
        Some(false) => return Value::known(AppArmor::Unavailable, Origin::node("no AppArmor")),
        None if declared.is_none() => {
            return Value::unknown(
                "appArmorProfile is not set: the runtime's default profile applies if the node has AppArmor; describe the \
                 node with --node",
            );
        }
        Some(true) | None => {}
    }
    let (profile, origin) =
        declared.unwrap_or_else(|| (AppArmor::RuntimeDefault, Origin::runtime("its default profile")));
    if container.privileged() {
        // A profile of the node is kept where a privileged container names it; the runtime's own is not.
        if let (AppArmor::RuntimeDefault, Origin::Container { field } | Origin::Pod { field }) = (&profile, &origin) {
            outcome.warn(
                warning_code::APP_ARMOR_IGNORED_WHEN_PRIVILEGED,
                field.clone(),
                "a privileged container is not confined by the runtime's AppArmor profile",
                "remove privileged, or name a Localhost profile",
            );
        }
        if profile == AppArmor::RuntimeDefault {
            return Value::known(AppArmor::Unconfined, Origin::container(container.path("privileged")));
        }
    }
    Value::known(profile, origin)
}

/// What a field says. Localhost without a name, and a type that does not exist, are refused by the kubelet.
fn of_field(profile: &AppArmorProfile, origin: &Origin, outcome: &mut Outcome) -> AppArmor {
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("RuntimeDefault", _) => AppArmor::RuntimeDefault,
        ("Localhost", Some(name)) => AppArmor::Localhost { profile: name.clone() },
        ("Localhost", None) => {
            outcome.refuse(Step::ConfigAppArmor, Some(origin.clone()), "missing localhost apparmor profile name");
            AppArmor::Unconfined
        }
        ("Unconfined", _) => AppArmor::Unconfined,
        (other, _) => {
            let message = format!("unknown apparmor profile type: {other:?}");
            outcome.refuse(Step::ConfigAppArmor, Some(origin.clone()), message);
            AppArmor::Unconfined
        }
    }
}

/// What the annotation of a container says; a value that the kubelet does not know counts as none.
fn annotation(pod: &PodView<'_>, name: &str) -> Option<(AppArmor, Origin)> {
    // Most pods have none, so the key is not made for each container.
    pod.metadata.annotations.as_ref().filter(|annotations| !annotations.is_empty())?;
    let key = format!("{ANNOTATION}{name}");
    let profile = match pod.annotation(&key)? {
        "runtime/default" => AppArmor::RuntimeDefault,
        "unconfined" => AppArmor::Unconfined,
        other => AppArmor::Localhost { profile: other.strip_prefix("localhost/")?.to_owned() },
    };
    Some((profile, Origin::pod(format!("metadata.annotations[{key}]"))))
}

/// The kubelet does not admit a pod that asks for AppArmor where the node has none, or that names an empty profile
/// (`pkg/security/apparmor/validate.go`).
pub(crate) fn refuse_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    warn_annotations(pod, outcome);
    let asks = |profile: &AppArmorProfile| profile.type_ != "Unconfined";
    let mut asking = pod
        .get("appArmorProfile", |context| context.app_armor_profile.as_ref())
        .filter(|(profile, _)| asks(profile))
        .map(|(_, origin)| origin);
    for container in pod.containers() {
        let field = container.get("appArmorProfile", |context| context.app_armor_profile.as_ref());
        if let Some((profile, origin)) = field
            && asks(profile)
        {
            if profile.type_ == "Localhost"
                && profile.localhost_profile.as_ref().is_some_and(|name| name.trim().is_empty())
                && pod.node.and_then(|node| node.apparmor) != Some(false)
            {
                let message = "Cannot enforce AppArmor: invalid empty AppArmor profile name";
                outcome.refuse(Step::AdmitAppArmor, Some(origin.clone()), message);
            }
            asking = asking.or(Some(origin));
        }
    }
    let annotated = pod
        .metadata
        .annotations
        .iter()
        .flatten()
        .find(|(key, value)| key.starts_with(ANNOTATION) && value.as_str() != "unconfined");
    let asking = asking.or_else(|| annotated.map(|(key, _)| Origin::pod(format!("metadata.annotations[{key}]"))));
    if asking.is_some() && pod.node.and_then(|node| node.apparmor) == Some(false) {
        let message = "Cannot enforce AppArmor: AppArmor is not enabled on the host";
        outcome.refuse(Step::AdmitAppArmor, asking, message);
    }
}

fn warn_annotations(pod: &PodView<'_>, outcome: &mut Outcome) {
    let keys = pod.metadata.annotations.iter().flat_map(|annotations| annotations.keys());
    for key in keys.filter(|key| key.starts_with(ANNOTATION)) {
        outcome.warn(
            warning_code::APP_ARMOR_ANNOTATION,
            format!("metadata.annotations[{key}]"),
            "the AppArmor annotation is deprecated since v1.30; a container's appArmorProfile wins over it",
            "set securityContext.appArmorProfile",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::RefusalReason;
    use crate::facts::Facts;
    use crate::resolve::testing::{container, on_node, pod, resolve_one};

    const DEFAULT: &str = r#"{"appArmorProfile": {"type": "RuntimeDefault"}}"#;
    const UNCONFINED: &str = r#"{"appArmorProfile": {"type": "Unconfined"}}"#;

    fn with() -> Facts {
        on_node(Facts::default(), r#"{"apparmor": true}"#)
    }

    fn without() -> Facts {
        on_node(Facts::default(), r#"{"apparmor": false}"#)
    }

    #[test]
    fn without_a_profile_the_runtimes_default_applies_where_the_node_has_apparmor() {
        let apparmor = |facts: &Facts| resolve_one(&pod("{}"), &container("{}"), facts).app_armor.get().cloned();
        assert_eq!(apparmor(&with()), Some(AppArmor::RuntimeDefault));
        assert_eq!(apparmor(&without()), Some(AppArmor::Unavailable));
        assert_eq!(apparmor(&Facts::default()), None);
    }

    #[test]
    fn the_containers_profile_wins_over_the_pods() {
        let effective = resolve_one(&pod(DEFAULT), &container(UNCONFINED), &with());
        assert_eq!(effective.app_armor.get(), Some(&AppArmor::Unconfined));
    }

    #[test]
    fn the_annotation_wins_over_the_pods_field_and_not_over_the_containers() {
        let key = format!("{ANNOTATION}app");
        let metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            annotations: Some([(key, "localhost/web".to_owned())].into()),
            ..Default::default()
        };
        let resolve = |context: &str| {
            let spec = k8s_openapi::api::core::v1::PodSpec {
                containers: vec![container(context)],
                security_context: Some(pod(UNCONFINED)),
                ..Default::default()
            };
            crate::resolve(&metadata, &spec, &with()).containers.remove(0).app_armor.get().cloned()
        };
        assert_eq!(resolve("{}"), Some(AppArmor::Localhost { profile: "web".to_owned() }));
        assert_eq!(resolve(DEFAULT), Some(AppArmor::RuntimeDefault));
    }

    #[test]
    fn a_node_without_apparmor_does_not_admit_a_pod_that_asks_for_it() {
        let refusal = resolve_one(&pod(DEFAULT), &container("{}"), &without()).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::AppArmor);
        assert_eq!(refusal.message, "Cannot enforce AppArmor: AppArmor is not enabled on the host");
        assert_eq!(resolve_one(&pod(UNCONFINED), &container("{}"), &without()).refusal, None);
    }

    #[test]
    fn a_privileged_container_is_confined_only_by_a_profile_of_the_node() {
        let privileged = |context: &str| resolve_one(&pod("{}"), &container(context), &with()).app_armor.get().cloned();
        assert_eq!(privileged(r#"{"privileged": true}"#), Some(AppArmor::Unconfined));
        assert_eq!(
            privileged(r#"{"privileged": true, "appArmorProfile": {"type": "Localhost", "localhostProfile": "web"}}"#),
            Some(AppArmor::Localhost { profile: "web".to_owned() })
        );
    }

    #[test]
    fn localhost_without_a_name_is_refused_by_the_kubelet() {
        let context = container(r#"{"appArmorProfile": {"type": "Localhost"}}"#);
        assert_eq!(
            resolve_one(&pod("{}"), &context, &with()).refusal.unwrap().message,
            "missing localhost apparmor profile name"
        );
    }
}
