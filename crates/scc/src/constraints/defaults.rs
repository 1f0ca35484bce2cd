//! The defaults that the API server gives these objects when they are written, before anything is validated.
//!
//! Upstream: `SetDefaults_SCC` of the plugin `security.openshift.io/DefaultSecurityContextConstraints`.

use std::collections::BTreeSet;

use super::{ALL, SecurityContextConstraints};
use crate::strategy::volumes;

impl SecurityContextConstraints {
    /// Fills what was left out. Doing it twice changes nothing, so it is safe on what came from a cluster.
    pub fn set_defaults(&mut self) {
        default_to(&mut self.fs_group.type_, "RunAsAny");
        default_to(&mut self.supplemental_groups.type_, "RunAsAny");
        default_to(&mut self.user_namespace_level, "AllowHostLevel");
        self.volumes = Some(self.defaulted_volumes());
        self.allow_privilege_escalation.get_or_insert(true);
    }

    /// The booleans are older than the list and win over it, so that old clients keep their meaning.
    fn defaulted_volumes(&self) -> Vec<String> {
        let mut allowed: BTreeSet<&str> = match &self.volumes {
            None => [ALL].into(),
            Some(list) if list.is_empty() && self.allow_host_dir_volume_plugin => ["hostPath"].into(),
            Some(list) if list.is_empty() => ["none"].into(),
            Some(list) => list.iter().map(String::as_str).collect(),
        };
        if self.allow_host_dir_volume_plugin {
            if !allowed.contains(ALL) {
                allowed.insert("hostPath");
            }
        } else {
            let everything = allowed.remove(ALL);
            if everything {
                allowed.extend(volumes::FS_TYPES);
            }
            allowed.remove("hostPath");
        }
        allowed.into_iter().map(String::from).collect()
    }
}

fn default_to(field: &mut String, value: &str) {
    if field.is_empty() {
        value.clone_into(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(volumes: Option<&[&str]>, host_dir: bool) -> Vec<String> {
        let mut scc = SecurityContextConstraints {
            volumes: volumes.map(|v| v.iter().map(ToString::to_string).collect()),
            allow_host_dir_volume_plugin: host_dir,
            ..Default::default()
        };
        scc.set_defaults();
        let once = scc.clone();
        scc.set_defaults();
        assert_eq!(scc, once, "defaulting twice changes nothing");
        scc.volumes.unwrap()
    }

    #[test]
    fn an_absent_list_allows_every_volume_but_host_path_only_with_the_boolean() {
        assert_eq!(defaulted(None, true), ["*"]);
        let without = defaulted(None, false);
        assert_eq!(without.len(), volumes::FS_TYPES.len() - 1);
        assert!(!without.iter().any(|v| v == "hostPath"));
    }

    #[test]
    fn an_empty_list_allows_none() {
        assert_eq!(defaulted(Some(&[]), false), ["none"]);
        assert_eq!(defaulted(Some(&[]), true), ["hostPath"]);
    }

    #[test]
    fn the_boolean_wins_over_the_list() {
        assert_eq!(defaulted(Some(&["secret", "hostPath"]), false), ["secret"]);
        assert_eq!(defaulted(Some(&["secret"]), true), ["hostPath", "secret"]);
    }

    #[test]
    fn groups_run_as_any_and_escalation_is_allowed_when_nothing_is_said() {
        let mut scc = SecurityContextConstraints::default();
        scc.set_defaults();
        assert_eq!(scc.fs_group.type_, "RunAsAny");
        assert_eq!(scc.supplemental_groups.type_, "RunAsAny");
        assert_eq!(scc.allow_privilege_escalation, Some(true));
    }
}
