//! What the machine's policy says of containers: `lxc_contexts` (selinux's `contexts(5)` files), as the runtimes look for it.

use std::fs;

use super::Label;

/// The labels of containers before a level is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerContexts {
    /// Of processes.
    pub process: Label,
    /// Of files.
    pub file: Label,
    /// Whether the policy names them; otherwise they are those of the policy that most machines have.
    pub declared: bool,
}

impl Default for ContainerContexts {
    fn default() -> Self {
        let label = |role: &str, type_: &str| Label {
            user: "system_u".to_owned(),
            role: role.to_owned(),
            type_: type_.to_owned(),
            level: Some("s0".to_owned()),
        };
        Self { process: label("system_r", "container_t"), file: label("object_r", "container_file_t"), declared: false }
    }
}

impl ContainerContexts {
    /// Reads this machine's.
    pub fn read() -> Self {
        let config = fs::read_to_string("/etc/selinux/config").unwrap_or_default();
        let policy = policy(&config);
        let files = [
            "/usr/share/containers/selinux/contexts".to_owned(),
            format!("/etc/selinux/{policy}/contexts/lxc_contexts"),
        ];
        let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
        text.and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// `process = "…"` and `file = "…"`, a setting on each line; both are needed.
    fn parse(text: &str) -> Option<Self> {
        let setting = |name: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
            let value = lines.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name)?.1;
            Label::parse(value.trim().trim_matches('"'))
        };
        Some(Self { process: setting("process")?, file: setting("file")?, declared: true })
    }
}

/// `SELINUXTYPE`; a name with a slash would lead elsewhere.
fn policy(config: &str) -> &str {
    let lines = config.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let named = lines.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "SELINUXTYPE");
    named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty() && !value.contains('/')).unwrap_or("targeted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policys_labels_are_read_with_or_without_quotes() {
        let text = "# containers\nprocess = \"system_u:system_r:svirt_lxc_net_t:s0\"\nfile=system_u:object_r:sandbox_file_t:s0\n";
        let contexts = ContainerContexts::parse(text).unwrap();
        assert_eq!(contexts.process.type_, "svirt_lxc_net_t");
        assert_eq!(contexts.file.to_string(), "system_u:object_r:sandbox_file_t:s0");
        assert_eq!(ContainerContexts::parse("process = \"a:b:c:s0\"\n"), None);
        assert_eq!(ContainerContexts::parse(""), None);
    }

    #[test]
    fn the_policy_is_the_one_that_is_configured() {
        assert_eq!(policy("SELINUX=enforcing\n# SELINUXTYPE=mls\nSELINUXTYPE = default\n"), "default");
        assert_eq!(policy("SELINUXTYPE=../../tmp\n"), "targeted");
        assert_eq!(policy(""), "targeted");
    }
}
