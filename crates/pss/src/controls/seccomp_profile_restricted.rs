//! `seccompProfile_restricted`: every container has a seccomp profile.

use super::seccomp_profile_baseline::{is_allowed_type, must_not_set};
use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static POD: Field = Field {
    path: "spec.securityContext.seccompProfile.type",
    allowed: "RuntimeDefault, Localhost, or undefined where every container sets it",
    hint: "seccompProfile: {type: RuntimeDefault}",
    remedy: Remedy::Set(r#""RuntimeDefault""#),
    example: r#""Unconfined""#,
    inherits: None,
};

static CONTAINER: Field = Field {
    path: "spec.containers[*].securityContext.seccompProfile.type",
    allowed: "RuntimeDefault, Localhost, or undefined where the pod sets it",
    hint: "seccompProfile: {type: RuntimeDefault}",
    remedy: Remedy::Set(r#""RuntimeDefault""#),
    example: r#""Unconfined""#,
    inherits: Some(&POD),
};

documented! {
    /// ## What it does
    ///
    /// Requires a seccomp profile, the runtime's default or one of the node, set for the pod or in each container, from
    /// v1.19 on. A Windows pod (`spec.os.name: windows`) is exempt from v1.25 on.
    ///
    /// ## Why is this bad
    ///
    /// Unless the kubelet is told otherwise, a container that names no profile runs without one: every system call of
    /// the kernel is there to be tried.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
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
        id: "seccompProfile_restricted",
        level: Level::Restricted,
        title: "A seccomp profile must be set",
        fields: &[&POD, &CONTAINER],
        revisions: &[
            Revision {
                since: Version::v1(19),
                overrides: &["seccompProfile_baseline"],
                change: "every container needs a profile",
                check: seccomp_profile_restricted_1_19,
                detail,
            },
            Revision {
                since: Version::v1(25),
                overrides: &["seccompProfile_baseline"],
                change: "Windows pods are exempt",
                check: seccomp_profile_restricted_1_25,
                detail,
            },
        ],
        reason: |_| "seccompProfile",
        docs: DOCS,
    };
}

fn seccomp_profile_restricted_1_19<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    let by_pod = pod.security_context().and_then(|context| context.seccomp_profile.as_ref());
    if let Some(profile) = by_pod
        && !is_allowed_type(&profile.type_)
    {
        out.pod(&POD, Value::Text(&profile.type_));
    }
    for container in pod.containers() {
        match container.security_context().and_then(|context| context.seccomp_profile.as_ref()) {
            Some(profile) if is_allowed_type(&profile.type_) => {}
            Some(profile) => out.container(container, &CONTAINER, Value::Text(&profile.type_)),
            // What the pod sets counts, and is what has to change if it is not allowed.
            None if by_pod.is_some() => {}
            None => out.container(container, &CONTAINER, Value::Missing),
        }
    }
}

fn seccomp_profile_restricted_1_25<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.is_windows() {
        seccomp_profile_restricted_1_19(pod, out);
    }
}

/// Upstream tells who lacks a profile only once nobody sets a bad one.
fn detail(found: &[Finding<'_>], out: &mut String) {
    let set = found.iter().filter(|finding| finding.value() != Value::Missing);
    if set.clone().next().is_none() {
        out.push_str("pod or ");
        words::containers(found, out);
        out.push_str(r#" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost""#);
    } else {
        must_not_set(set, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Level, Version, evaluate,
        testing::{by, paths, pod},
    };
    use serde_json::json;

    #[test]
    fn refuses_containers_that_neither_set_nor_inherit_a_profile() {
        let pod = pod(json!({"containers": [{"name": "a"}], "ephemeralContainers": [{"name": "b"}]}));
        assert_eq!(
            by("seccompProfile_restricted", "v1.19", &pod),
            r#"seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
        );
        assert_eq!(by("seccompProfile_restricted", "v1.18", &pod), "");
    }

    #[test]
    fn tells_first_who_sets_a_bad_profile_and_finds_the_rest_too() {
        let pod = pod(json!({"containers": [
            {"name": "a"},
            {"name": "b", "securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        ]}));
        assert_eq!(
            by("seccompProfile_restricted", "v1.19", &pod),
            r#"seccompProfile (container "b" must not set securityContext.seccompProfile.type to "Unconfined")"#
        );
        assert_eq!(paths("seccompProfile_restricted", "v1.19", &pod).len(), 2);
    }

    #[test]
    fn stands_in_for_the_baseline_control() {
        let pod = pod(json!({"securityContext": {"seccompProfile": {"type": ""}}, "containers": []}));
        let verdict = evaluate(Level::Restricted, Version::LATEST, &pod.metadata, &pod.spec);
        assert_eq!(verdict.detail(), r#"seccompProfile (pod must not set securityContext.seccompProfile.type to "")"#);
    }

    #[test]
    fn asks_nothing_of_windows_pods_from_1_25_on() {
        let pod = pod(json!({"os": {"name": "windows"}, "containers": [{"name": "a"}]}));
        assert_ne!(by("seccompProfile_restricted", "v1.24", &pod), "");
        assert_eq!(by("seccompProfile_restricted", "v1.25", &pod), "");
    }
}
