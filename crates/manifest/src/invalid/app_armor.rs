//! AppArmor profiles, and the annotations that came before them.

use k8s_openapi::api::core::v1::AppArmorProfile;

use super::Check;

const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCALHOST: &str = "localhost/";
/// PATH_MAX without its NUL.
const MAX_PROFILE: usize = 4095;

impl Check<'_> {
    pub(super) fn app_armor(&mut self) {
        for (key, value) in self.metadata.annotations.iter().flatten() {
            let Some(name) = key.strip_prefix(ANNOTATION) else { continue };
            let field = format!("metadata.annotations[{key}]");
            if !self.each_container().any(|c| c.name == name) {
                self.invalid(field.clone(), name, "container not found");
            }
            if !matches!(value.as_str(), "" | "runtime/default" | "unconfined") && !value.starts_with(LOCALHOST) {
                self.invalid(field, value, format_args!("invalid AppArmor profile name: {value:?}"));
            }
        }
        let of_pod = self.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref());
        if let Some(profile) = of_pod {
            self.app_armor_profile("spec.securityContext.appArmorProfile", profile);
        }
        for container in self.each_container() {
            let own = container.context.and_then(|c| c.app_armor_profile.as_ref());
            let field = container.path("securityContext.appArmorProfile");
            if let Some(profile) = own {
                self.app_armor_profile(&field, profile);
            }
            // Windows pods are refused the profile itself.
            if let Some(profile) = own.or(of_pod).filter(|_| !self.is_windows()) {
                self.app_armor_annotation(&field, profile, container.name);
            }
        }
    }

    fn app_armor_profile(&mut self, field: &str, profile: &AppArmorProfile) {
        let path = format!("{field}.localhostProfile");
        match (profile.type_.as_str(), &profile.localhost_profile) {
            ("Localhost", None) => self.required(path, "must be set when AppArmor type is Localhost"),
            ("Localhost", Some(local)) => {
                // Go's notion of white space and Rust's are the same.
                if local.trim() != local {
                    self.invalid(path.clone(), local, "must not be padded with whitespace");
                } else if local.is_empty() {
                    self.required(path.clone(), "must be set when AppArmor type is Localhost");
                }
                if local.len() > MAX_PROFILE {
                    self.refuse(path, format!("Too long: may not be more than {MAX_PROFILE} bytes"));
                }
            }
            ("RuntimeDefault" | "Unconfined", Some(local)) => {
                self.invalid(path, local, "can only be set when AppArmor type is Localhost");
            }
            ("RuntimeDefault" | "Unconfined", None) => {}
            ("", _) => self.required(format!("{field}.type"), "type is required when appArmorProfile is set"),
            (other, _) => {
                let supported = ["Localhost", "RuntimeDefault", "Unconfined"];
                self.one_of(format!("{field}.type"), Some(other), &supported);
            }
        }
    }

    fn app_armor_annotation(&mut self, field: &str, profile: &AppArmorProfile, container: &str) {
        let Some(annotation) = self.annotation(&format!("{ANNOTATION}{container}")) else { return };
        let matches = match profile.type_.as_str() {
            "Unconfined" => annotation == "unconfined",
            "RuntimeDefault" => annotation == "runtime/default",
            "Localhost" => match annotation.strip_prefix(LOCALHOST) {
                Some(local) if profile.localhost_profile.as_deref() != Some(local) => {
                    let detail = "apparmor profile in annotation and field must match";
                    return self.forbidden(format!("{field}.localhostProfile"), detail);
                }
                other => other.is_some(),
            },
            _ => true,
        };
        if !matches {
            self.forbidden(format!("{field}.type"), "apparmor type in annotation and field must match");
        }
    }
}
