//! `process.apparmorProfile` and `process.selinuxLabel`.

use ringfence_context::effective::{AppArmor, SeLinux};

use super::HostFacts;

/// The profile that containerd loads and gives to containers that ask for the runtime's default.
const APP_ARMOR_DEFAULT: &str = "cri-containerd.apparmor.d";

/// The AppArmor profile: `None` where nothing changes. The engine refuses a profile that is not loaded.
pub(super) fn app_armor(profile: &AppArmor, host: &HostFacts) -> Option<String> {
    match profile {
        AppArmor::RuntimeDefault if host.app_armor => Some(APP_ARMOR_DEFAULT.to_owned()),
        AppArmor::Unconfined if host.app_armor => Some("unconfined".to_owned()),
        AppArmor::Localhost { profile } => Some(profile.clone()),
        _ => None,
    }
}

/// The SELinux label, the parts that are not asked for filled in with the policy's for containers
/// (container_selinux(8), the defaults of `go-selinux`'s `lxc_contexts`).
pub(super) fn selinux(label: &SeLinux, privileged: bool, host: &HostFacts) -> Option<String> {
    if !host.selinux || privileged {
        return None;
    }
    let SeLinux::Label { user, role, type_, level } = label else { return None };
    Some(format!(
        "{}:{}:{}:{}",
        user.as_deref().unwrap_or("system_u"),
        role.as_deref().unwrap_or("system_r"),
        type_.as_deref().unwrap_or("container_t"),
        level.as_deref().unwrap_or("s0"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_is_completed_for_containers() {
        let label = SeLinux::Label { user: None, role: None, type_: None, level: Some("s0:c123,c456".to_owned()) };
        let host = HostFacts { selinux: true, ..HostFacts::default() };
        assert_eq!(selinux(&label, false, &host).as_deref(), Some("system_u:system_r:container_t:s0:c123,c456"));
        assert_eq!(selinux(&label, true, &host), None);
        assert_eq!(selinux(&label, false, &HostFacts::default()), None);
    }

    #[test]
    fn a_profile_of_the_node_is_asked_for_even_where_the_kernel_has_none_so_that_the_start_fails() {
        let profile = AppArmor::Localhost { profile: "web".to_owned() };
        assert_eq!(app_armor(&profile, &HostFacts::default()).as_deref(), Some("web"));
        assert_eq!(app_armor(&AppArmor::RuntimeDefault, &HostFacts::default()), None);
    }
}
