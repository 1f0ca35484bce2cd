//! One object after another comes to a cluster, or goes, and each is told of.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ringfence_live::{Apply, ChangeError, Cluster, Place};
use serde_json::{Value, json};

use super::place::place;
use crate::commands::{stdout, warn};
use crate::view::clean;

/// Who applies the fields of an installation.
pub(crate) const FIELD_MANAGER: &str = "ringfence-install";
/// Who manages the objects, by their label.
pub(crate) const MANAGER: &str = "ringfence";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Why an installation came to an end before it was whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The API server did not do it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Something else looks after the objects.
    #[error("{place} is managed by {manager}: use that to change or remove it")]
    Managed {
        /// Which.
        place: String,
        /// Who.
        manager: String,
    },
    /// Something did not happen in time.
    #[error("{what} after {seconds} s{why}")]
    TooSlow {
        /// What is not so.
        what: String,
        /// How long was waited for it.
        seconds: u64,
        /// What the cluster says of it.
        why: String,
    },
    /// Nobody reads what is done.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// A cluster in which something is installed or removed.
pub(crate) struct Session<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
}

impl Session<'_> {
    /// Looks at all before anything is changed: whether something else looks after any of them.
    pub(crate) fn check_managers(&self, objects: &[Value]) -> Result<(), InstallError> {
        for place in objects.iter().filter_map(place) {
            let Some(object) = self.cluster.read(place)? else { continue };
            if let Some(manager) = manager(&object).filter(|manager| *manager != MANAGER) {
                return Err(InstallError::Managed { place: place.to_string(), manager: clean(manager).into() });
            }
        }
        Ok(())
    }

    /// Applies an object and says what came of it.
    pub(crate) fn apply(&self, object: &Value) -> Result<(), InstallError> {
        let Some(place) = place(object) else { return Ok(()) };
        let before = self.cluster.read(place)?;
        if before.as_ref().is_some_and(|before| before["kind"] == "Namespace" && manager(before) != Some(MANAGER)) {
            warn(&format!("{place} was there before and is left as it is; give it pod-security labels if it has none"));
            return Ok(());
        }
        let how = Apply { manager: FIELD_MANAGER, force: self.force, dry_run: self.dry_run };
        let after = self.cluster.apply(place, object, how)?;
        let verb = match before {
            None => "created",
            // A dry run leaves the version as it is.
            Some(before) if self.dry_run && plain(&before) == plain(&after) => "unchanged",
            Some(before)
                if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"] && !self.dry_run =>
            {
                "unchanged"
            }
            Some(_) => "changed",
        };
        self.say(verb, &place.to_string())
    }

    /// Deletes an object, if it is there and ours. Whether it is one that is left although it is to go.
    pub(crate) fn delete(&self, object: &Value) -> Result<bool, InstallError> {
        let Some(place) = place(object) else { return Ok(false) };
        let Some(there) = self.cluster.read(place)? else { return Ok(false) };
        let ours = if there["kind"] == "CustomResourceDefinition" {
            is_applied_by_us(&there)
        } else {
            manager(&there) == Some(MANAGER)
        };
        if !ours {
            let who = manager(&there).map_or_else(String::new, |manager| format!(": {manager} manages it"));
            warn(&clean(&format!("{place} is not ours and stays{who}")));
            // A namespace or definition that was there before is no part of the installation.
            return Ok(!matches!(there["kind"].as_str(), Some("Namespace" | "CustomResourceDefinition")));
        }
        if self.cluster.delete(place, self.dry_run)? {
            self.say("deleted", &place.to_string())?;
        }
        Ok(false)
    }

    /// Removes what an earlier installation had and this one has not. Definitions and namespaces stay, with what is in
    /// them, and so does what others manage.
    pub(crate) fn prune(&self, everything: &[Value], wanted: &[Value]) -> Result<(), InstallError> {
        let wanted: Vec<_> = wanted.iter().filter_map(place).collect();
        for object in everything.iter().rev() {
            let Some(place) = place(object).filter(|place| !wanted.contains(place)) else { continue };
            if matches!(object["kind"].as_str(), Some("Namespace" | "CustomResourceDefinition")) {
                continue;
            }
            let ours = self.cluster.read(place)?.is_some_and(|there| manager(&there) == Some(MANAGER));
            if ours && self.cluster.delete(place, self.dry_run)? {
                self.say("deleted", &place.to_string())?;
            }
        }
        Ok(())
    }

    /// Deletes what is there, whoever made it.
    pub(crate) fn delete_at(&self, place: Place<'_>) -> Result<(), InstallError> {
        if self.cluster.delete(place, self.dry_run)? {
            self.say("deleted", &place.to_string())?;
        }
        Ok(())
    }

    /// Waits until something is so. `look` says `None` when it is, or else what the cluster says of it.
    pub(crate) fn wait(
        &self,
        what: &str,
        within: Duration,
        look: impl Fn(&Cluster) -> Result<Option<String>, ChangeError>,
    ) -> Result<(), InstallError> {
        let begun = Instant::now();
        let progress = crate::progress::Progress::new("waiting", 0);
        loop {
            let Some(why) = look(self.cluster)? else {
                progress.finish();
                return Ok(());
            };
            if begun.elapsed() >= within {
                progress.finish();
                let why = if why.is_empty() { why } else { format!(": {}", clean(&why)) };
                return Err(InstallError::TooSlow { what: what.to_owned(), seconds: within.as_secs(), why });
            }
            progress.expect(1);
            progress.step();
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What was done, a line on standard output.
    pub(crate) fn say(&self, verb: &str, what: &str) -> Result<(), InstallError> {
        let dry = if self.dry_run { " (dry run)" } else { "" };
        let mut out = stdout(true);
        writeln!(out, "{verb} {}{dry}", clean(what)).and_then(|()| out.flush()).map_err(InstallError::Output)
    }
}

fn manager(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][MANAGED_BY].as_str()
}

/// Without what the server counts and dates.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["resourceVersion", "managedFields", "generation"] {
        object["metadata"][field] = json!(null);
    }
    object
}

/// Whether `install` had a hand in the object.
pub(crate) fn is_applied_by_us(object: &Value) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    managers.is_some_and(|managers| managers.iter().any(|entry| entry["manager"] == FIELD_MANAGER))
}
