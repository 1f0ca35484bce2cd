//! What Windows pods may not have, what pods for Linux may not have of Windows, and Windows' own options.

use k8s_openapi::api::core::v1::WindowsSecurityContextOptions;

use super::Check;

/// 64 KiB.
const MAX_CREDENTIAL_SPEC: usize = 64 * 1024;

impl Check<'_> {
    pub(super) fn windows(&mut self) {
        let pod_options = self.spec.security_context.as_ref().and_then(|c| c.windows_options.as_ref());
        if let Some(options) = pod_options {
            self.windows_options("spec.securityContext.windowsOptions", options);
        }
        for container in self.each_container() {
            if let Some(options) = container.context.and_then(|c| c.windows_options.as_ref()) {
                self.windows_options(&container.path("securityContext.windowsOptions"), options);
            }
        }
        self.host_process(pod_options);
        match self.spec.os.as_ref().map(|os| os.name.as_str()) {
            Some("windows") => self.not_for_windows(),
            Some("linux") => self.not_for_linux(pod_options.is_some()),
            _ => {}
        }
    }

    fn windows_options(&mut self, field: &str, options: &WindowsSecurityContextOptions) {
        if let Some(name) = &options.gmsa_credential_spec_name {
            let at = format!("{field}.gmsaCredentialSpecName");
            if name.len() > 253 {
                self.invalid(at.clone(), name, "must be no more than 253 bytes");
            }
            if !is_subdomain(name) {
                self.invalid(at, name, SUBDOMAIN_RULE);
            }
        }
        if let Some(spec) = &options.gmsa_credential_spec {
            let at = format!("{field}.gmsaCredentialSpec");
            if spec.is_empty() {
                self.invalid(at, spec, "gmsaCredentialSpec cannot be an empty string");
            } else if spec.len() > MAX_CREDENTIAL_SPEC {
                self.invalid(at, spec, "gmsaCredentialSpec size must be under 64 KiB");
            }
        }
        if let Some(name) = &options.run_as_user_name {
            for detail in user_name_faults(name) {
                self.invalid(format!("{field}.runAsUserName"), name, format_args!("runAsUserName{detail}"));
            }
        }
    }

    fn host_process(&mut self, pod: Option<&WindowsSecurityContextOptions>) {
        let pod = pod.and_then(|o| o.host_process);
        let (mut all, mut hosted) = (0, 0);
        for container in self.each_container() {
            let own = container.context.and_then(|c| c.windows_options.as_ref()).and_then(|o| o.host_process);
            if let (Some(pod), Some(own)) = (pod, own)
                && pod != own
            {
                let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
                self.invalid(container.path("securityContext.windowsOptions.hostProcess"), own, detail);
            }
            all += 1;
            hosted += usize::from(own.or(pod) == Some(true));
        }
        if hosted == 0 {
            return;
        }
        if hosted != all {
            let detail =
                "If pod contains any hostProcess containers then all containers must be HostProcess containers";
            self.invalid("spec", "", detail);
        }
        if self.spec.host_network != Some(true) {
            let detail = "hostNetwork must be true if pod contains any hostProcess containers";
            self.invalid("spec.hostNetwork", false, detail);
        }
    }

    fn not_for_linux(&mut self, pod_options: bool) {
        let containers = self.each_container().filter(|c| c.context.is_some_and(|c| c.windows_options.is_some()));
        let mut fields: Vec<String> = containers.map(|c| c.path("securityContext.windowsOptions")).collect();
        if pod_options {
            fields.push("spec.securityContext.windowsOptions".to_owned());
        }
        for field in fields {
            self.forbidden(field, "windows options cannot be set for a linux pod");
        }
    }

    fn not_for_windows(&mut self) {
        let spec = self.spec;
        let mut fields = vec![
            ("hostUsers".to_owned(), spec.host_users.is_some()),
            ("hostPID".to_owned(), spec.host_pid == Some(true)),
            ("hostIPC".to_owned(), spec.host_ipc == Some(true)),
            ("shareProcessNamespace".to_owned(), spec.share_process_namespace.is_some()),
        ];
        if let Some(c) = &spec.security_context {
            let of_pod = [
                ("appArmorProfile", c.app_armor_profile.is_some()),
                ("seLinuxOptions", c.se_linux_options.is_some()),
                ("seccompProfile", c.seccomp_profile.is_some()),
                ("fsGroup", c.fs_group.is_some()),
                ("fsGroupChangePolicy", c.fs_group_change_policy.is_some()),
                ("sysctls", c.sysctls.as_ref().is_some_and(|s| !s.is_empty())),
                ("runAsUser", c.run_as_user.is_some()),
                ("runAsGroup", c.run_as_group.is_some()),
                ("supplementalGroups", c.supplemental_groups.is_some()),
                ("supplementalGroupsPolicy", c.supplemental_groups_policy.is_some()),
                ("seLinuxChangePolicy", c.se_linux_change_policy.is_some()),
            ];
            fields.extend(of_pod.map(|(name, set)| (format!("securityContext.{name}"), set)));
        }
        let mut fields: Vec<_> = fields.into_iter().map(|(f, set)| (format!("spec.{f}"), set)).collect();
        for container in self.each_container() {
            let Some(c) = container.context else { continue };
            let of_container = [
                ("appArmorProfile", c.app_armor_profile.is_some()),
                ("seLinuxOptions", c.se_linux_options.is_some()),
                ("seccompProfile", c.seccomp_profile.is_some()),
                ("capabilities", c.capabilities.is_some()),
                ("readOnlyRootFilesystem", c.read_only_root_filesystem.is_some()),
                ("privileged", c.privileged.is_some()),
                ("allowPrivilegeEscalation", c.allow_privilege_escalation.is_some()),
                ("procMount", c.proc_mount.is_some()),
                ("runAsUser", c.run_as_user.is_some()),
                ("runAsGroup", c.run_as_group.is_some()),
            ];
            fields.extend(of_container.map(|(name, set)| (container.path(&format!("securityContext.{name}")), set)));
        }
        for (field, _) in fields.into_iter().filter(|(_, set)| *set) {
            self.forbidden(field, "cannot be set for a windows pod");
        }
    }
}

const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
                              '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
                              used for validation is \
                              '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_subdomain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('.')
        .all(|label| label.starts_with(plain) && label.ends_with(plain) && label.chars().all(|c| plain(c) || c == '-'))
}

/// What is wrong with `DOMAIN\USER`, the domain being optional. Each completes a sentence that begins with the field.
fn user_name_faults(name: &str) -> Vec<&'static str> {
    if name.is_empty() {
        return vec![" cannot be an empty string"];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec![" cannot contain control characters"];
    }
    let (domain, user) = match name.split_once('\\') {
        Some((_, user)) if user.contains('\\') => return vec![" cannot contain more than one backslash"],
        Some((domain, user)) => (Some(domain), user),
        None => (None, name),
    };
    let mut faults = Vec::new();
    if domain.is_some_and(|d| d.len() >= 256) {
        faults.push("'s Domain length must be under 256 characters");
    }
    if domain.is_some_and(|d| !is_netbios(d) && !is_dns(d)) {
        faults.push("'s Domain doesn't match the NetBios nor the DNS format");
    }
    if user.is_empty() {
        faults.push("'s User cannot be empty");
    } else if user.len() > 104 {
        faults.push("'s User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        faults.push("'s User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        faults.push("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    faults
}

fn is_netbios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_dns(domain: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    domain.split('.').all(|label| {
        label.len() <= 63
            && label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|c| plain(c) || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_have_at_most_one_domain_and_no_special_characters() {
        for good in ["ContainerUser", "NT AUTHORITY\\NETWORK SERVICE", "example.com\\user"] {
            assert!(user_name_faults(good).is_empty(), "{good}");
        }
        for bad in ["", "a\\b\\c", "\\", "do:main\\user", "..", "a+b", "a\u{1}"] {
            assert!(!user_name_faults(bad).is_empty(), "{bad}");
        }
    }
}
