//! The AppArmor profile that a container starts under: there, loaded now, or refused, as containerd decides it
//! (`internal/cri/sputil/apparmor_linux.go`).

use ringfence_context::effective::{AppArmor, EffectiveContainer, RefusalReason};

use super::{PodRun, RunError, RunRefusal};
use crate::app_armor::{self, Presence, Runtime};
use crate::engine::StartError;

impl PodRun<'_> {
    /// Sees to it that the container's profile is there. The runtime's default is loaded where it is not, also for a
    /// container that does not name it; a profile of the node must have been loaded.
    ///
    /// Gives the profile's name with what is known of it; `None` where AppArmor does not confine the container.
    ///
    /// # Errors
    /// Where the container cannot start under it.
    pub fn app_armor(&self, container: &EffectiveContainer) -> Result<Option<(String, Presence)>, RunError> {
        if !self.host.app_armor {
            return Ok(None);
        }
        let name = match container.app_armor.get() {
            Some(AppArmor::RuntimeDefault) => Runtime::Containerd.profile(),
            Some(AppArmor::Localhost { profile }) => profile,
            Some(AppArmor::Unconfined | AppArmor::Unavailable) | None => return Ok(None),
        };
        let known = self.profiles.borrow().get(name).cloned();
        let presence = match known {
            Some(presence) => presence,
            None if name == Runtime::Containerd.profile() => {
                app_armor::load_default(Runtime::Containerd).map_err(RunError::AppArmor)?
            }
            None => match app_armor::find(name) {
                Ok(Some(mode)) => Presence::Found { mode },
                Err(why) => Presence::Unseen { why },
                Ok(None) => {
                    let message = format!(
                        "failed to generate spec opts: failed to generate apparmor spec opts: apparmor profile not found {name}"
                    );
                    return Err(RunError::Refused(RunRefusal { reason: RefusalReason::CreateContainerError, message }));
                }
            },
        };
        self.profiles.borrow_mut().insert(name.to_owned(), presence.clone());
        Ok(Some((name.to_owned(), presence)))
    }
}

/// An engine's refusal of a profile, with why nobody could tell before.
pub(super) fn explain(error: StartError, profile: Option<(String, Presence)>) -> RunError {
    match profile {
        Some((profile, Presence::Unseen { why })) if error.to_string().to_lowercase().contains("apparmor") => {
            RunError::AppArmorUnseen { profile, why, source: error }
        }
        _ => RunError::Start(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> StartError {
        let step = "set the label (process.apparmorProfile)".to_owned();
        StartError::Step { step, source: std::io::ErrorKind::NotFound.into() }
    }

    #[test]
    fn a_profile_that_nobody_could_see_is_named_when_the_engine_refuses_it() {
        let unseen = Presence::Unseen { why: "no permission".to_owned() };
        let error = explain(refused(), Some(("web".to_owned(), unseen.clone())));
        assert_eq!(
            error.to_string(),
            "the container is not started under AppArmor profile \"web\", which may not be loaded: no permission"
        );
        let other = StartError::Exec { command: "x".to_owned(), source: std::io::ErrorKind::NotFound.into() };
        assert!(matches!(explain(other, Some(("web".to_owned(), unseen))), RunError::Start(_)));
        assert!(matches!(explain(refused(), None), RunError::Start(_)));
    }
}
