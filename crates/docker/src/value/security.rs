//! `--security-opt` (docker/cli `parseSecurityOpts` and `parseSystemPaths`, moby `daemon.parseSecurityOpt`).

use super::boolean;
use crate::options::Files;
use crate::refusal::Refusal;
use crate::version::Version;

/// Which system calls are filtered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// By docker's own profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// By a profile in docker's format.
    Profile {
        /// The file, as it was given.
        path: String,
        /// Its text.
        json: String,
    },
}

/// What all `--security-opt` come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// no_new_privs.
    pub no_new_privileges: bool,
    /// The filter; none where nothing is said, which is docker's profile but for a privileged container.
    pub seccomp: Option<Seccomp>,
    /// The AppArmor profile.
    pub app_armor: Option<String>,
    /// What is said of the SELinux label: `disable`, or `user:…`, `role:…`, `type:…`, `level:…`, `filetype:…`.
    pub label: Vec<String>,
    /// Whether /proc and /sys are shown unmasked and writable.
    pub system_paths_unconfined: bool,
}

impl Security {
    /// Reads them in their order. The command looks at all of them before the daemon looks at any.
    pub fn parse(options: &[String], version: Version, files: &dyn Files) -> Result<Self, Refusal> {
        let mut security = Self::default();
        let mut profiles = Vec::new();
        for option in options {
            profiles.push(of_command(option, version, files)?);
        }
        for (option, profile) in options.iter().zip(profiles) {
            security.of_daemon(option, profile)?;
        }
        Ok(security)
    }

    fn of_daemon(&mut self, option: &str, profile: Option<Seccomp>) -> Result<(), Refusal> {
        if option == "systempaths=unconfined" {
            self.system_paths_unconfined = true;
            return Ok(());
        }
        if option == "no-new-privileges" {
            self.no_new_privileges = true;
            return Ok(());
        }
        let (name, value) = option
            .split_once('=')
            .or_else(|| option.split_once(':'))
            .ok_or_else(|| Refusal::daemon(format!("invalid --security-opt 1: {option:?}")))?;
        let invalid = || Refusal::daemon(format!("invalid --security-opt 2: {option:?}"));
        match name {
            "label" => self.label.push(value.to_owned()),
            "apparmor" => self.app_armor = Some(value.to_owned()),
            "seccomp" => self.seccomp = profile,
            "no-new-privileges" => self.no_new_privileges = boolean(value).ok_or_else(invalid)?,
            _ => return Err(invalid()),
        }
        Ok(())
    }
}

/// The command's look at an option: the profile, where it names one.
fn of_command(option: &str, version: Version, files: &dyn Files) -> Result<Option<Seccomp>, Refusal> {
    let pair = option.split_once('=').or_else(|| option.split_once(':'));
    let (name, value) = match pair {
        _ if option == "no-new-privileges" => return Ok(None),
        Some((name, value)) if !value.is_empty() => (name, value),
        _ => return Err(Refusal::usage(format!("Invalid --security-opt: {option:?}"))),
    };
    if name != "seccomp" {
        return Ok(None);
    }
    Ok(Some(match value {
        "unconfined" => Seccomp::Unconfined,
        "builtin" if version == Version::V29 => Seccomp::Default,
        path => {
            let bytes = files.read(path).map_err(|why| {
                Refusal::usage(format!("opening seccomp profile ({path}) failed: open {path}: {why}"))
            })?;
            let why =
                |why: String| Refusal::usage(format!("compacting json for seccomp profile ({path}) failed: {why}"));
            let json = String::from_utf8(bytes).map_err(|error| why(error.to_string()))?;
            serde_json::from_str::<serde::de::IgnoredAny>(&json).map_err(|error| why(error.to_string()))?;
            Seccomp::Profile { path: path.to_owned(), json }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoFiles;

    impl Files for NoFiles {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            match path {
                "/ok.json" => Ok(b"{\"defaultAction\": \"SCMP_ACT_ALLOW\"}".to_vec()),
                "/bad.json" => Ok(b"{".to_vec()),
                _ => Err("no such file or directory".to_owned()),
            }
        }
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn read(options: &[&str]) -> Result<Security, Refusal> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        Security::parse(&options, Version::V20_10, &NoFiles)
    }

    #[test]
    fn the_last_of_each_wins() {
        let security =
            read(&["no-new-privileges", "no-new-privileges=false", "seccomp=/ok.json", "seccomp:unconfined"]).unwrap();
        assert_eq!((security.no_new_privileges, security.seccomp), (false, Some(Seccomp::Unconfined)));
        assert!(read(&["no-new-privileges:true"]).unwrap().no_new_privileges);
        assert!(read(&["systempaths=unconfined"]).unwrap().system_paths_unconfined);
        assert_eq!(read(&["label=disable", "label:level:s0:c1"]).unwrap().label, ["disable", "level:s0:c1"]);
    }

    #[test]
    fn what_is_wrong_is_said_as_docker_does() {
        let refusal = |option: &str| read(&[option]).unwrap_err();
        assert_eq!(refusal("bogus=1").message, "invalid --security-opt 2: \"bogus=1\"");
        assert_eq!(refusal("bogus").message, "Invalid --security-opt: \"bogus\"");
        let missing = refusal("seccomp=/nope.json");
        assert_eq!(
            (missing.exit, missing.message.as_str()),
            (125, "opening seccomp profile (/nope.json) failed: open /nope.json: no such file or directory")
        );
        assert!(refusal("seccomp=/bad.json").message.starts_with("compacting json for seccomp profile"));
        assert_eq!(refusal("no-new-privileges=maybe").exit, 125);
    }
}
