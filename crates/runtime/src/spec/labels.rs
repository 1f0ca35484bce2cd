//! `process.apparmorProfile`.

use ringfence_context::effective::AppArmor;

use super::HostFacts;

/// The profile that containerd loads and gives to containers that ask for the runtime's default.
const APP_ARMOR_DEFAULT: &str = crate::app_armor::Runtime::Containerd.profile();

/// The AppArmor profile: `None` where nothing changes. The engine refuses a profile that is not loaded.
pub(super) fn app_armor(profile: &AppArmor, host: &HostFacts) -> Option<String> {
    match profile {
        AppArmor::RuntimeDefault if host.app_armor => Some(APP_ARMOR_DEFAULT.to_owned()),
        AppArmor::Unconfined if host.app_armor => Some("unconfined".to_owned()),
        AppArmor::Localhost { profile } => Some(profile.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_the_node_is_asked_for_even_where_the_kernel_has_none_so_that_the_start_fails() {
        let profile = AppArmor::Localhost { profile: "web".to_owned() };
        assert_eq!(app_armor(&profile, &HostFacts::default()).as_deref(), Some("web"));
        assert_eq!(app_armor(&AppArmor::RuntimeDefault, &HostFacts::default()), None);
    }
}
