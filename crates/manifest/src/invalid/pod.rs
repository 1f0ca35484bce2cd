//! The pod's own security context, and `spec.os`.

use super::Check;

impl Check<'_> {
    pub(super) fn pod(&mut self) {
        if let Some(os) = &self.spec.os {
            if os.name.is_empty() {
                self.required("spec.os.name", "");
            } else {
                self.one_of("spec.os", Some(&os.name), &["linux", "windows"]);
            }
        }
        let Some(context) = &self.spec.security_context else { return };
        self.id("spec.securityContext.fsGroup", context.fs_group);
        self.id("spec.securityContext.runAsUser", context.run_as_user);
        self.id("spec.securityContext.runAsGroup", context.run_as_group);
        for (i, group) in context.supplemental_groups.iter().flatten().enumerate() {
            self.id(format!("spec.securityContext.supplementalGroups[{i}]"), Some(*group));
        }
        self.one_of(
            "spec.securityContext.fsGroupChangePolicy",
            context.fs_group_change_policy.as_deref(),
            &["Always", "OnRootMismatch"],
        );
        self.one_of(
            "spec.securityContext.supplementalGroupsPolicy",
            context.supplemental_groups_policy.as_deref(),
            &["Merge", "Strict"],
        );
        self.one_of(
            "spec.securityContext.seLinuxChangePolicy",
            context.se_linux_change_policy.as_deref(),
            &["MountOption", "Recursive"],
        );
    }
}
