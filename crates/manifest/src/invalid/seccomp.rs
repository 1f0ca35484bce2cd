//! Seccomp profiles, and the annotations that came before them.

use k8s_openapi::api::core::v1::SeccompProfile;

use super::Check;

const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";
const LOCALHOST: &str = "localhost/";

impl Check<'_> {
    pub(super) fn seccomp(&mut self) {
        let annotations = self.metadata.annotations.iter().flatten();
        for (key, value) in annotations.filter(|(k, _)| *k == POD_ANNOTATION || k.starts_with(CONTAINER_ANNOTATION)) {
            let field = format!("metadata.annotations[{key}]");
            match value.as_str() {
                "runtime/default" | "docker/default" | "unconfined" => {}
                other => match other.strip_prefix(LOCALHOST) {
                    Some(path) => self.descending_path(&field, path),
                    None => self.invalid(field, other, "must be a valid seccomp profile"),
                },
            }
        }
        if let Some(profile) = self.spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref()) {
            self.seccomp_profile("spec.securityContext.seccompProfile", profile, POD_ANNOTATION);
        }
        for container in self.each_container() {
            if let Some(profile) = container.context.and_then(|c| c.seccomp_profile.as_ref()) {
                let annotation = format!("{CONTAINER_ANNOTATION}{}", container.name);
                self.seccomp_profile(&container.path("securityContext.seccompProfile"), profile, &annotation);
            }
        }
    }

    fn seccomp_profile(&mut self, field: &str, profile: &SeccompProfile, annotation: &str) {
        let (kind, path) = (format!("{field}.type"), format!("{field}.localhostProfile"));
        if profile.type_.is_empty() {
            self.required(kind.clone(), "type is required when seccompProfile is set");
        } else {
            self.one_of(kind.clone(), Some(&profile.type_), &["Localhost", "RuntimeDefault", "Unconfined"]);
        }
        match (profile.type_.as_str(), &profile.localhost_profile) {
            ("Localhost", None) => self.required(path.clone(), "must be set when seccomp type is Localhost"),
            ("Localhost", Some(local)) => self.descending_path(&path, local),
            (_, Some(local)) => self.invalid(path.clone(), local, "can only be set when seccomp type is Localhost"),
            _ => {}
        }
        let Some(annotation) = self.annotation(annotation) else { return };
        let matches = match profile.type_.as_str() {
            "Unconfined" => annotation == "unconfined",
            "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
            "Localhost" => match annotation.strip_prefix(LOCALHOST) {
                Some(local) if profile.localhost_profile.as_deref() != Some(local) => {
                    return self.forbidden(path, "seccomp profile in annotation and field must match");
                }
                other => other.is_some(),
            },
            _ => true,
        };
        if !matches {
            self.forbidden(kind, "seccomp type in annotation and field must match");
        }
    }
}
