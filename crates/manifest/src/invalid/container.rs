//! A container's security context: IDs, `procMount`, and what contradicts `allowPrivilegeEscalation: false`.

use super::Check;

impl Check<'_> {
    pub(super) fn containers(&mut self) {
        let host_users = self.spec.host_users != Some(false);
        for container in self.each_container() {
            let Some(context) = container.context else { continue };
            let at = |field: &str| container.path(&format!("securityContext.{field}"));
            self.id(at("runAsUser"), context.run_as_user);
            self.id(at("runAsGroup"), context.run_as_group);
            self.one_of(at("procMount"), context.proc_mount.as_deref(), &["Default", "Unmasked"]);
            if host_users && context.proc_mount.as_deref() == Some("Unmasked") {
                self.invalid(at("procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`");
                self.hint(Some("set spec.hostUsers to false".to_owned()));
            }
            if context.allow_privilege_escalation != Some(false) {
                continue;
            }
            // The API server prints the whole security context as the value.
            if context.privileged == Some(true) {
                let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
                self.refuse(container.path("securityContext"), format!("Invalid value: {detail}"));
                self.hint(Some("remove one of the two: a privileged container can always gain privileges".to_owned()));
            }
            let added = context.capabilities.iter().flat_map(|c| c.add.iter().flatten());
            for _ in added.filter(|c| *c == "CAP_SYS_ADMIN") {
                let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
                self.refuse(container.path("securityContext"), format!("Invalid value: {detail}"));
                self.hint(Some("remove one of the two: CAP_SYS_ADMIN can always gain privileges".to_owned()));
            }
        }
    }
}
