//! The state that the kernel will report of a process, from its effective context.

use std::collections::BTreeMap;

use super::{AppArmor, EffectiveContainer, Ownership, SeLinux, Seccomp};
use crate::process::{ProcessState, VolumeState};

impl EffectiveContainer {
    /// What `/proc` and the mount table will say of the container's first process; what is not known is `None`.
    ///
    /// A container that is refused has no process; this is then what it would have if it were not.
    pub fn process(&self) -> ProcessState {
        ProcessState {
            uid: self.user.uid.get().copied(),
            gid: self.user.gid.get().copied(),
            groups: self.user.groups.get().map(|groups| {
                let mut groups: Vec<u32> = groups.iter().map(|group| group.gid).collect();
                groups.sort_unstable();
                groups.dedup();
                groups
            }),
            capabilities: self.capabilities.sets.get().copied(),
            no_new_privileges: self.no_new_privileges.get().copied(),
            seccomp_mode: self.seccomp.get().map(|seccomp| match seccomp {
                Seccomp::Unconfined => 0,
                Seccomp::RuntimeDefault | Seccomp::Localhost { .. } => 2,
            }),
            read_only_root_filesystem: self.read_only_root_filesystem.get().copied(),
            proc_masked: Some(self.masked_paths.iter().any(|path| path.starts_with("/proc/"))),
            namespaces: Some(self.namespaces),
            home: self.home.get().cloned(),
            volumes: self
                .mounts
                .iter()
                .filter_map(|mount| Some((mount.mount_path.clone(), volume(mount.ownership.get()?))))
                .collect(),
            // Only an observation makes files.
            created_files: BTreeMap::new(),
            app_armor_profile: self.app_armor.get().and_then(|profile| match profile {
                AppArmor::Unavailable => None,
                AppArmor::Unconfined => Some("unconfined".to_owned()),
                AppArmor::RuntimeDefault => Some("cri-containerd.apparmor.d".to_owned()),
                AppArmor::Localhost { profile } => Some(profile.clone()),
            }),
            selinux_label: self.selinux.get().and_then(|label| match label {
                SeLinux::Label { user: Some(user), role: Some(role), type_: Some(type_), level: Some(level) } => {
                    Some(format!("{user}:{role}:{type_}:{level}"))
                }
                _ => None,
            }),
        }
    }
}

fn volume(ownership: &Ownership) -> VolumeState {
    VolumeState { mode: ownership.to_string(), uid: ownership.uid, gid: ownership.gid }
}

/// The file type and the permission bits as `ls -l` prints them, such as `drwxrwsrwx`.
impl std::fmt::Display for Ownership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.directory { "d" } else { "-" })?;
        for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
            let bits = self.mode >> shift;
            f.write_str(if bits & 4 == 0 { "-" } else { "r" })?;
            f.write_str(if bits & 2 == 0 { "-" } else { "w" })?;
            let execute = match (self.mode & special != 0, bits & 1 != 0) {
                (true, true) => set,
                (true, false) => unset,
                (false, true) => 'x',
                (false, false) => '-',
            };
            write!(f, "{execute}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_does() {
        let text = |mode, directory| Ownership { uid: 0, gid: 0, mode, directory }.to_string();
        assert_eq!(text(0o2777, true), "drwxrwsrwx");
        assert_eq!(text(0o3777, true), "drwxrwsrwt");
        assert_eq!(text(0o640, false), "-rw-r-----");
        assert_eq!(text(0o7000, false), "---S--S--T");
        assert_eq!(text(0o4755, false), "-rwsr-xr-x");
    }
}
