//! `seccompProfile_baseline`: a container may choose another seccomp profile, but not do without.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    quote::Quoted,
    version::Version,
    words,
};

const POD_KEY: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER_KEY_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";

const fn annotation(path: &'static str) -> Field {
    Field {
        path,
        allowed: "runtime/default, docker/default, localhost/NAME, or no annotation",
        hint: "runtime/default, or no annotation",
        remedy: Remedy::Set(r#""runtime/default""#),
        example: r#""unconfined""#,
        inherits: None,
    }
}

const fn type_of(path: &'static str) -> Field {
    Field {
        path,
        allowed: "RuntimeDefault, Localhost, or no seccompProfile",
        hint: "type: RuntimeDefault",
        remedy: Remedy::Set(r#""RuntimeDefault""#),
        example: r#""Unconfined""#,
        inherits: None,
    }
}

static POD_ANNOTATION: Field = annotation("metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]");
static ANNOTATION: Field = annotation("metadata.annotations[container.seccomp.security.alpha.kubernetes.io/*]");
static POD_TYPE: Field = type_of("spec.securityContext.seccompProfile.type");
static TYPE: Field = type_of("spec.containers[*].securityContext.seccompProfile.type");

documented! {
    /// ## What it does
    ///
    /// Refuses seccomp profiles other than the runtime's default and those of the node, where one is named: in the
    /// fields `seccompProfile.type` of the pod and of each container. Before v1.19 that was said with the annotations
    /// `seccomp.security.alpha.kubernetes.io/pod` and `container.seccomp.security.alpha.kubernetes.io/CONTAINER`.
    ///
    /// ## Why is this bad
    ///
    /// The default profile takes away system calls that containers seldom need and attackers often use. `Unconfined`
    /// offers the whole kernel.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     seccompProfile:
    ///       type: Unconfined
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     seccompProfile:
    ///       type: RuntimeDefault
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "seccompProfile_baseline",
        level: Level::Baseline,
        title: "Seccomp must not be turned off",
        fields: &[&POD_ANNOTATION, &ANNOTATION, &POD_TYPE, &TYPE],
        revisions: &[
            Revision {
                since: Version::v1(0),
                overrides: &[],
                change: "annotations are restricted",
                check: seccomp_profile_baseline_1_0,
                detail: detail_1_0,
            },
            Revision {
                since: Version::v1(19),
                overrides: &[],
                change: "fields are restricted, annotations no longer",
                check: seccomp_profile_baseline_1_19,
                detail: detail_1_19,
            },
        ],
        reason: |_| "seccompProfile",
        docs: DOCS,
    };
}

fn seccomp_profile_baseline_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.has_annotations() {
        return;
    }
    if let Some((key, value)) = pod.annotation(POD_KEY)
        && !is_allowed_annotation(value)
    {
        out.annotation(None, &POD_ANNOTATION, key, value);
    }
    for (key, value) in pod.annotations_under(CONTAINER_KEY_PREFIX) {
        let name = &key[CONTAINER_KEY_PREFIX.len()..];
        // Annotations for containers that the pod does not have do not count.
        if !is_allowed_annotation(value)
            && let Some(container) = pod.containers().find(|container| container.name() == name)
        {
            out.annotation(Some(container), &ANNOTATION, key, value);
        }
    }
}

fn seccomp_profile_baseline_1_19<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if let Some(profile) = pod.security_context().and_then(|context| context.seccomp_profile.as_ref())
        && !is_allowed_type(&profile.type_)
    {
        out.pod(&POD_TYPE, Value::Text(&profile.type_));
    }
    for (container, context) in pod.security_contexts() {
        if let Some(profile) = &context.seccomp_profile
            && !is_allowed_type(&profile.type_)
        {
            out.container(container, &TYPE, Value::Text(&profile.type_));
        }
    }
}

pub(super) fn is_allowed_type(profile: &str) -> bool {
    matches!(profile, "RuntimeDefault" | "Localhost")
}

fn is_allowed_annotation(profile: &str) -> bool {
    matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/")
}

fn detail_1_0(found: &[Finding<'_>], out: &mut String) {
    let annotations = words::set(
        found.iter().filter_map(|finding| finding.key().map(|key| format!("{key}={}", Quoted(finding.text())))),
    );
    out.push_str(words::plural("forbidden annotation ", "forbidden annotations ", annotations.len()));
    words::listed(annotations, out);
}

fn detail_1_19(found: &[Finding<'_>], out: &mut String) {
    must_not_set(found, out);
}

pub(super) fn must_not_set<'a, 'p: 'a, I>(found: I, out: &mut String)
where
    I: IntoIterator<Item = &'a Finding<'p>, IntoIter: Clone>,
{
    let found = found.into_iter();
    words::setters(found.clone(), out);
    out.push_str(" must not set securityContext.seccompProfile.type to ");
    words::quoted(words::values(found), out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{annotated, by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_annotations_of_the_pod_and_of_its_containers_before_1_19() {
        let pod = annotated(
            json!({
                "seccomp.security.alpha.kubernetes.io/pod": "",
                "container.seccomp.security.alpha.kubernetes.io/a": "unconfined",
                "container.seccomp.security.alpha.kubernetes.io/nobody": "unconfined",
            }),
            json!({"containers": [{"name": "a"}, {"name": "a"}]}),
        );
        assert_eq!(
            by("seccompProfile_baseline", "v1.18", &pod),
            r#"seccompProfile (forbidden annotations container.seccomp.security.alpha.kubernetes.io/a="unconfined", seccomp.security.alpha.kubernetes.io/pod="")"#
        );
        assert_eq!(
            paths("seccompProfile_baseline", "v1.18", &pod),
            [
                "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]",
                "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/a]",
            ]
        );
        assert_eq!(by("seccompProfile_baseline", "v1.19", &pod), "");
    }

    #[test]
    fn refuses_fields_from_1_19_on() {
        let pod = pod(json!({
            "securityContext": {"seccompProfile": {"type": "Unconfined"}},
            "containers": [{"name": "a", "securityContext": {"seccompProfile": {"type": "Unconfined"}}}, {"name": "b"}],
        }));
        assert_eq!(
            by("seccompProfile_baseline", "v1.19", &pod),
            r#"seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")"#
        );
        assert_eq!(by("seccompProfile_baseline", "v1.18", &pod), "");
    }
}
