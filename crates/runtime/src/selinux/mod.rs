//! The SELinux labels of a container and of its files, put together as the runtimes do it (`opencontainers/selinux`,
//! `label.InitLabels`): the policy's own for containers, with what a manifest names in their place, and a pair of
//! categories that keeps containers of different pods apart.

mod contexts;
mod level;

use std::fmt;
use std::fs;
use std::io::Write as _;

pub use contexts::ContainerContexts;
pub use level::{Categories, NoCategories};

/// A security context: `user:role:type:level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The SELinux user.
    pub user: String,
    /// The role.
    pub role: String,
    /// The type: of a process, its domain.
    pub type_: String,
    /// Sensitivity and categories; none where the policy has no levels.
    pub level: Option<String>,
}

impl Label {
    /// Reads a context; a level can have colons of its own.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end_matches(['\0', '\n']).splitn(4, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        Some(Self { user: next()?, role: next()?, type_: next()?, level: next() })
    }

    /// Whether the policy that is loaded knows it; also where it cannot be asked.
    pub fn is_known(&self) -> bool {
        let asked = fs::File::options().write(true).open("/sys/fs/selinux/context");
        let answer = asked.and_then(|mut file| file.write_all(format!("{self}\0").as_bytes()));
        !answer.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.type_)?;
        self.level.as_ref().map_or(Ok(()), |level| write!(f, ":{level}"))
    }
}

/// What a manifest or a command line names of a label; the rest is the policy's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// The user, of processes and files.
    pub user: Option<&'a str>,
    /// The role of processes.
    pub role: Option<&'a str>,
    /// The type of processes.
    pub type_: Option<&'a str>,
    /// The level, of processes and files.
    pub level: Option<&'a str>,
    /// The type of files.
    pub file_type: Option<&'a str>,
}

/// The labels that a pod's containers start from: the policy's, with the pod's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodLabels {
    /// Of processes.
    pub process: Label,
    /// Of files.
    pub file: Label,
}

impl PodLabels {
    /// The policy's labels at this level.
    pub fn new(contexts: ContainerContexts, level: Option<&str>) -> Self {
        let at = |label: Label| Label { level: label.level.and(level.map(str::to_owned)), ..label };
        Self { process: at(contexts.process), file: at(contexts.file) }
    }

    /// The labels of one container's processes and files.
    pub fn with(&self, named: Named<'_>) -> (Label, Label) {
        let or = |name: Option<&str>, own: &String| name.map_or_else(|| own.clone(), str::to_owned);
        let level = |own: &Option<String>| named.level.map(str::to_owned).or_else(|| own.clone());
        let process = Label {
            user: or(named.user, &self.process.user),
            role: or(named.role, &self.process.role),
            type_: or(named.type_, &self.process.type_),
            level: level(&self.process.level),
        };
        let file = Label {
            user: or(named.user, &self.file.user),
            role: self.file.role.clone(),
            type_: or(named.file_type, &self.file.type_),
            level: level(&self.file.level),
        };
        (process, file)
    }
}

/// Whether the policy that is loaded has levels; also where that cannot be seen.
pub fn has_levels() -> bool {
    fs::read("/sys/fs/selinux/mls").map_or(true, |answer| answer != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> PodLabels {
        PodLabels::new(ContainerContexts::default(), Some("s0:c1,c2"))
    }

    #[test]
    fn a_container_that_names_nothing_has_the_policys_labels_and_the_pods_level() {
        let (process, file) = pod().with(Named::default());
        assert_eq!(process.to_string(), "system_u:system_r:container_t:s0:c1,c2");
        assert_eq!(file.to_string(), "system_u:object_r:container_file_t:s0:c1,c2");
    }

    #[test]
    fn a_type_is_of_processes_and_a_level_and_a_user_are_of_files_too() {
        let named =
            Named { user: Some("u"), role: Some("r"), type_: Some("spc_t"), level: Some("s0:c7"), ..Named::default() };
        let (process, file) = pod().with(named);
        assert_eq!(process.to_string(), "u:r:spc_t:s0:c7");
        assert_eq!(file.to_string(), "u:object_r:container_file_t:s0:c7");
        let (_, file) = pod().with(Named { file_type: Some("svirt_file_t"), ..Named::default() });
        assert_eq!(file.type_, "svirt_file_t");
    }

    #[test]
    fn a_policy_without_levels_gets_none() {
        let contexts = ContainerContexts {
            process: Label::parse("system_u:system_r:lxc_t").unwrap(),
            file: Label::parse("system_u:object_r:lxc_file_t").unwrap(),
            declared: true,
        };
        let (process, _) = PodLabels::new(contexts, Some("s0:c1,c2")).with(Named::default());
        assert_eq!(process.to_string(), "system_u:system_r:lxc_t");
    }

    #[test]
    fn a_context_is_read_with_the_colons_of_its_level() {
        let label = Label::parse("system_u:system_r:container_t:s0:c1,c2\0").unwrap();
        assert_eq!(label.level.as_deref(), Some("s0:c1,c2"));
        assert_eq!(label.to_string(), "system_u:system_r:container_t:s0:c1,c2");
        for text in ["", "a", "a:b", "a::c", ":b:c"] {
            assert_eq!(Label::parse(text), None, "{text}");
        }
    }
}
