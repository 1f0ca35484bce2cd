//! `seccompProfiles`, which still speaks the language of the old annotations: `runtime/default`,
//! `localhost/NAME`, `unconfined`. A pod's field and its annotation are made to agree, the annotation winning.
//!
//! Upstream: `pkg/securitycontextconstraints/seccomp/strategy.go`, and `seccompFieldForAnnotation` in
//! `sccmatching/provider.go`.

use k8s_openapi::api::core::v1::SeccompProfile;

use super::Objections;
use crate::constraints::ALL;
use crate::go;
use crate::violation::{Control, Fault};

/// The annotation of a pod.
pub(crate) const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// The beginning of the annotation of a container; its name follows.
pub(crate) const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

const RUNTIME_DEFAULT: &str = "runtime/default";
const DOCKER_DEFAULT: &str = "docker/default";
const UNCONFINED: &str = "unconfined";
const LOCALHOST: &str = "localhost/";

/// What an SCC's list allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeccompProfiles<'s> {
    allowed: Vec<&'s str>,
    any: bool,
    runtime_default: bool,
}

impl<'s> SeccompProfiles<'s> {
    pub(crate) fn new(profiles: &'s [String]) -> Self {
        let allowed: Vec<&str> = profiles.iter().map(String::as_str).filter(|p| *p != ALL).collect();
        Self {
            any: profiles.iter().any(|p| p == ALL),
            runtime_default: allowed.iter().any(|p| [RUNTIME_DEFAULT, DOCKER_DEFAULT].contains(p)),
            allowed,
        }
    }

    /// The pod's profile as an annotation: its annotation, else its field, else the first allowed one. `None` leaves
    /// the pod alone.
    pub(crate) fn generate(&self, annotation: Option<&str>, field: Option<&SeccompProfile>) -> Option<String> {
        let chosen = match (annotation.filter(|a| !a.is_empty()), field) {
            (Some(annotation), _) => annotation.into(),
            (None, Some(field)) => annotation_for(field),
            (None, None) => self.allowed.first().copied().unwrap_or_default().into(),
        };
        (!chosen.is_empty()).then_some(chosen)
    }

    /// Whether a profile passes. An empty list takes no profile at all; any other takes only what it lists.
    pub(crate) fn allows(&self, profile: &str) -> bool {
        self.any
            || (self.allowed.is_empty() && profile.is_empty())
            || self.allowed.contains(&profile)
            || (self.runtime_default && [RUNTIME_DEFAULT, DOCKER_DEFAULT].contains(&profile))
    }

    /// `path` is the annotation's, because that is how the API server reports even a field.
    pub(crate) fn validate(&self, profile: &str, path: String, field: String, out: &mut Objections<'_>) {
        if self.allows(profile) {
            return;
        }
        let detail = if self.allowed.is_empty() {
            "seccomp may not be set".into()
        } else {
            format!("{profile} is not an allowed seccomp profile. Valid values are {}", go::list(&self.allowed))
        };
        out.bare(Control::SeccompProfiles, path, field, Fault::Forbidden, detail);
    }
}

/// A field in the annotation's language; empty for a type that does not exist or a missing local profile.
pub(crate) fn annotation_for(field: &SeccompProfile) -> String {
    match (field.type_.as_str(), &field.localhost_profile) {
        ("Unconfined", _) => UNCONFINED.into(),
        ("RuntimeDefault", _) => RUNTIME_DEFAULT.into(),
        ("Localhost", Some(profile)) => format!("{LOCALHOST}{profile}"),
        _ => String::new(),
    }
}

/// An annotation as a field; nothing for a value that does not exist, which unsets the field.
pub(crate) fn field_for(annotation: &str) -> Option<SeccompProfile> {
    let profile = |type_: &str, localhost_profile| Some(SeccompProfile { type_: type_.into(), localhost_profile });
    match annotation {
        UNCONFINED => profile("Unconfined", None),
        RUNTIME_DEFAULT | DOCKER_DEFAULT => profile("RuntimeDefault", None),
        _ => match annotation.strip_prefix(LOCALHOST) {
            Some(path) if !path.is_empty() => profile("Localhost", Some(path.into())),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(profiles: &[&str]) -> Vec<String> {
        profiles.iter().map(ToString::to_string).collect()
    }

    fn objection(profiles: &[&str], profile: &str) -> Option<String> {
        let mut out = Objections::new("x");
        SeccompProfiles::new(&list(profiles)).validate(profile, "p".into(), "f".into(), &mut out);
        out.list.first().map(ToString::to_string)
    }

    #[test]
    fn gives_the_first_profile_that_is_no_wildcard() {
        let profiles = list(&["*", "localhost/a.json", "runtime/default"]);
        assert_eq!(SeccompProfiles::new(&profiles).generate(None, None).as_deref(), Some("localhost/a.json"));
        assert_eq!(SeccompProfiles::new(&[]).generate(None, None), None);
    }

    #[test]
    fn the_annotation_wins_over_the_field_and_an_empty_one_counts_as_none() {
        let strategy = SeccompProfiles::new(&[]);
        let field = field_for("localhost/a.json");
        assert_eq!(strategy.generate(Some("unconfined"), field.as_ref()).as_deref(), Some("unconfined"));
        assert_eq!(strategy.generate(Some(""), field.as_ref()).as_deref(), Some("localhost/a.json"));
    }

    #[test]
    fn docker_default_and_runtime_default_are_one() {
        assert_eq!(objection(&["docker/default"], "runtime/default"), None);
        assert_eq!(objection(&["runtime/default"], "docker/default"), None);
        assert_eq!(field_for("docker/default"), field_for("runtime/default"));
    }

    #[test]
    fn an_empty_list_takes_no_profile_at_all() {
        assert_eq!(objection(&[], ""), None);
        assert_eq!(objection(&[], "runtime/default").as_deref(), Some("p: Forbidden: seccomp may not be set"));
    }

    #[test]
    fn a_profile_beside_the_list_is_refused_with_the_list() {
        assert_eq!(objection(&["*"], "anything"), None);
        assert_eq!(
            objection(&["localhost/a", "runtime/default"], "unconfined").as_deref(),
            Some(
                "p: Forbidden: unconfined is not an allowed seccomp profile. Valid values are [localhost/a runtime/default]"
            )
        );
        assert!(objection(&["runtime/default"], "").is_some(), "an unset profile is not an allowed one");
    }

    #[test]
    fn an_unknown_annotation_makes_no_field() {
        assert_eq!(field_for("localhost/"), None);
        assert_eq!(field_for("custom"), None);
        let broken = SeccompProfile { type_: "Localhost".into(), localhost_profile: None };
        assert_eq!(annotation_for(&broken), "");
    }
}
