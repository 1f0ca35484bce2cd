//! AppArmor profiles of container runtimes: which are loaded, and the runtime's default one loaded where it is not, as
//! containerd and docker do it (containerd `contrib/apparmor`, `internal/cri/sputil`; moby `daemon/apparmor_default.go`).
//!
//! A profile that is loaded is the administrator's and is never replaced, whatever it says. One that was loaded here is
//! never removed: other containers may run under it by then, and the kernel sets the processes of a removed profile free.

mod parser;
mod profile;

use std::fs;
use std::io;

use parser::Parser;
pub use profile::Runtime;

/// The kernel's list of the profiles that are loaded: a name and a mode on each line.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// What is known of a profile when a container is about to start under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was loaded before, in this mode: `enforce`, `complain`, `kill`, `unconfined` or `prompt`.
    Found {
        /// The mode.
        mode: String,
    },
    /// It was not there and is loaded now, in enforce mode.
    Loaded,
    /// The kernel's list cannot be read, for this reason; the kernel itself refuses a start under a profile that it lacks.
    Unseen {
        /// Why.
        why: String,
    },
}

impl Presence {
    /// What people should know of it before a container runs under the profile: that it is new on this machine, or that
    /// it does not enforce what it says.
    pub fn note(&self, profile: &str) -> Option<String> {
        match self {
            Self::Loaded => Some(format!(
                "AppArmor profile {profile:?} was not loaded, and is now, as a node loads it; it stays until the machine is restarted"
            )),
            Self::Found { mode } if !matches!(mode.as_str(), "enforce" | "kill") => {
                Some(format!("AppArmor profile {profile:?} is loaded in {mode} mode, in which it denies nothing"))
            }
            Self::Found { .. } | Self::Unseen { .. } => None,
        }
    }
}

/// Why a profile is not there.
#[derive(Debug, thiserror::Error)]
pub enum AppArmorError {
    /// Nothing here can compile a profile.
    #[error(
        "AppArmor profile {profile:?} is not loaded, and apparmor_parser, which could load it, is not installed here (package \
         apparmor)"
    )]
    NoParser {
        /// The profile.
        profile: String,
    },
    /// apparmor_parser, or the kernel, refused it.
    #[error("AppArmor profile {profile:?} is not loaded, and apparmor_parser does not load it: {said}")]
    Refused {
        /// The profile.
        profile: String,
        /// What the program said.
        said: String,
    },
    /// apparmor_parser could not be run.
    #[error("AppArmor profile {profile:?} is not loaded, and apparmor_parser cannot be run")]
    Machinery {
        /// The profile.
        profile: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Sees to it that the default profile of a runtime is loaded.
///
/// # Errors
/// Where it is not, and cannot be.
pub fn load_default(runtime: Runtime) -> Result<Presence, AppArmorError> {
    let name = runtime.profile();
    let refused = |said: String| AppArmorError::Refused { profile: name.to_owned(), said };
    let machinery = |source| AppArmorError::Machinery { profile: name.to_owned(), source };
    match find(name) {
        Ok(Some(mode)) => return Ok(Presence::Found { mode }),
        // Where the list is hidden a profile can be there all the same.
        Err(why) => return Ok(Presence::Unseen { why }),
        Ok(None) => {}
    }
    let parser = Parser::find().ok_or_else(|| AppArmorError::NoParser { profile: name.to_owned() })?;
    let text = profile::text(runtime, &parser.features().map_err(machinery)?);
    let outcome = parser.add(&text).map_err(machinery)?;
    // Somebody else may have loaded one meanwhile, which is then theirs. It is the kernel's answer that counts.
    match (find(name), outcome) {
        (Ok(Some(_)), Ok(())) => Ok(Presence::Loaded),
        (Ok(Some(mode)), Err(_)) => Ok(Presence::Found { mode }),
        (_, Err(said)) => Err(refused(said)),
        (Ok(None), Ok(())) => Err(refused("it said nothing, and the kernel does not have the profile".to_owned())),
        (Err(why), Ok(())) => Err(refused(format!("it said nothing, and {why}"))),
    }
}

/// The mode of a loaded profile; `None` for one that is not, and an error in words where that cannot be seen.
pub fn find(name: &str) -> Result<Option<String>, String> {
    let list = fs::read(LOADED).map_err(|error| format!("{LOADED} cannot be read: {error}"))?;
    Ok(mode(&String::from_utf8_lossy(&list), name))
}

/// The mode of the profile in the kernel's list. A name can have blanks, and even brackets.
fn mode(list: &str, name: &str) -> Option<String> {
    list.lines().find_map(|line| {
        let (found, mode) = line.rsplit_once(" (")?;
        (found == name).then(|| mode.trim_end_matches(')').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_by_its_whole_name() {
        let list = "docker-default (enforce)\nlxc (complain) two (complain)\n/usr/bin/man (unconfined)\n";
        assert_eq!(mode(list, "docker-default").as_deref(), Some("enforce"));
        assert_eq!(mode(list, "lxc (complain) two").as_deref(), Some("complain"));
        for other in ["docker", "lxc", "", "docker-default (enforce)"] {
            assert_eq!(mode(list, other), None, "{other}");
        }
    }
}
