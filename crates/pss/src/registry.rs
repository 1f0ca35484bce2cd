//! Which controls there are, and which of their revisions count at a level and version.
//!
//! Everything here is settled when the crate is compiled: a registry that breaks a rule does not build, and choosing
//! the revisions for an evaluation is a look into a table.

use crate::{
    control::{Control, Revision},
    controls,
    level::Level,
    version::Version,
};

/// Every control: baseline first, then restricted, each sorted by ID. Messages name controls in this order.
pub static CONTROLS: [&Control; 19] = [
    &controls::app_armor_profile::CONTROL,
    &controls::capabilities_baseline::CONTROL,
    &controls::host_namespaces::CONTROL,
    &controls::host_path_volumes::CONTROL,
    &controls::host_ports::CONTROL,
    &controls::host_probes_and_host_lifecycle::CONTROL,
    &controls::privileged::CONTROL,
    &controls::proc_mount::CONTROL,
    &controls::se_linux_options::CONTROL,
    &controls::seccomp_profile_baseline::CONTROL,
    &controls::sysctls::CONTROL,
    &controls::windows_host_process::CONTROL,
    &controls::allow_privilege_escalation::CONTROL,
    &controls::capabilities_restricted::CONTROL,
    &controls::proc_mount_restricted::CONTROL,
    &controls::restricted_volumes::CONTROL,
    &controls::run_as_non_root::CONTROL,
    &controls::run_as_user::CONTROL,
    &controls::seccomp_profile_restricted::CONTROL,
];

/// The newest numbered version in which anything was decided anew. Newer ones, and `latest`, are judged by it.
pub const NEWEST: Version = Version::v1(NEWEST_MINOR as u64);

const NEWEST_MINOR: usize = newest_minor();

/// The control of that ID. Upper and lower case count as in the ID.
pub fn control(id: &str) -> Option<&'static Control> {
    CONTROLS.into_iter().find(|control| control.id == id)
}

/// The controls that are evaluated at a level and version, with the revision that counts, in the order of messages.
pub fn controls_at(
    level: Level,
    version: Version,
) -> impl ExactSizeIterator<Item = (&'static Control, &'static Revision)> {
    let minor = version.minor().map_or(NEWEST_MINOR, |minor| NEWEST_MINOR.min(minor as usize));
    let plan: &'static [Rule] = match level {
        Level::Privileged => &[],
        Level::Baseline => BASELINE[minor].rules(),
        Level::Restricted => RESTRICTED[minor].rules(),
    };
    plan.iter().map(|rule| {
        let control = CONTROLS[rule.control as usize];
        (control, &control.revisions[rule.revision as usize])
    })
}

/// The versions in which the answer at a level may change, oldest first: those in which some revision begins.
pub(crate) fn turning_points(level: Level) -> impl Iterator<Item = Version> {
    (0..=NEWEST_MINOR as u64).map(Version::v1).filter(move |version| {
        *version == Version::OLDEST
            || CONTROLS.iter().any(|control| {
                control.level <= level && control.revisions.iter().any(|revision| revision.since == *version)
            })
    })
}

static BASELINE: [Plan; NEWEST_MINOR + 1] = plans(Level::Baseline);
static RESTRICTED: [Plan; NEWEST_MINOR + 1] = plans(Level::Restricted);

/// Indexes of a control in [`CONTROLS`] and of one of its revisions.
#[derive(Clone, Copy)]
struct Rule {
    control: u8,
    revision: u8,
}

/// What is evaluated at one level and version.
#[derive(Clone, Copy)]
struct Plan {
    rules: [Rule; CONTROLS.len()],
    len: usize,
}

impl Plan {
    fn rules(&self) -> &[Rule] {
        &self.rules[..self.len]
    }
}

const fn plans(level: Level) -> [Plan; NEWEST_MINOR + 1] {
    let mut plans = [Plan { rules: [Rule { control: 0, revision: 0 }; CONTROLS.len()], len: 0 }; NEWEST_MINOR + 1];
    let mut minor = 0;
    while minor <= NEWEST_MINOR {
        let plan = &mut plans[minor];
        let mut c = 0;
        while c < CONTROLS.len() {
            if let Some(revision) = revision_at(CONTROLS[c], minor)
                && within(CONTROLS[c], level)
                && !(is_restricted(level) && is_overridden(CONTROLS[c], minor))
            {
                plan.rules[plan.len] = Rule { control: c as u8, revision: revision as u8 };
                plan.len += 1;
            }
            c += 1;
        }
        minor += 1;
    }
    plans
}

// What follows runs in the compiler, where traits (comparisons, iterators) do not reach yet.

const fn is_restricted(level: Level) -> bool {
    matches!(level, Level::Restricted)
}

const fn within(control: &Control, level: Level) -> bool {
    is_restricted(level) || !is_restricted(control.level)
}

const fn since(revision: &Revision) -> usize {
    match revision.since.minor() {
        Some(minor) => minor as usize,
        None => panic!("a revision begins at a numbered version"),
    }
}

const fn revision_at(control: &Control, minor: usize) -> Option<usize> {
    let mut r = control.revisions.len();
    while r > 0 {
        r -= 1;
        if since(&control.revisions[r]) <= minor {
            return Some(r);
        }
    }
    None
}

/// Whether a restricted control stands in for this one.
const fn is_overridden(control: &Control, minor: usize) -> bool {
    let mut c = 0;
    while c < CONTROLS.len() {
        if let Some(revision) = revision_at(CONTROLS[c], minor) {
            let overrides = CONTROLS[c].revisions[revision].overrides;
            let mut o = 0;
            while o < overrides.len() {
                if compare(overrides[o], control.id) == 0 {
                    return true;
                }
                o += 1;
            }
        }
        c += 1;
    }
    false
}

const fn newest_minor() -> usize {
    let (mut newest, mut c) = (0, 0);
    while c < CONTROLS.len() {
        let mut r = 0;
        while r < CONTROLS[c].revisions.len() {
            let minor = since(&CONTROLS[c].revisions[r]);
            newest = if minor > newest { minor } else { newest };
            r += 1;
        }
        c += 1;
    }
    newest
}

/// Compares by bytes: negative, zero or positive.
const fn compare(a: &str, b: &str) -> i32 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] as i32 - b[i] as i32;
        }
        i += 1;
    }
    a.len() as i32 - b.len() as i32
}

const _: () = {
    let mut c = 0;
    while c < CONTROLS.len() {
        let control = CONTROLS[c];
        assert!(!matches!(control.level, Level::Privileged), "the privileged level has no controls");
        assert!(!control.fields.is_empty() && !control.revisions.is_empty(), "a control restricts fields");
        if c > 0 {
            let before = CONTROLS[c - 1];
            if is_restricted(before.level) == is_restricted(control.level) {
                assert!(compare(before.id, control.id) < 0, "controls of one level are sorted by their IDs, each once");
            } else {
                assert!(is_restricted(control.level), "baseline controls come first");
            }
        }
        let mut r = 0;
        while r < control.revisions.len() {
            let revision = &control.revisions[r];
            assert!(r == 0 || since(&control.revisions[r - 1]) < since(revision), "revisions go from old to new");
            assert!(revision.overrides.is_empty() || is_restricted(control.level), "only restricted controls override");
            let mut o = 0;
            while o < revision.overrides.len() {
                assert!(is_baseline_id(revision.overrides[o]), "what is overridden is a baseline control");
                o += 1;
            }
            r += 1;
        }
        c += 1;
    }
};

const fn is_baseline_id(id: &str) -> bool {
    let mut c = 0;
    while c < CONTROLS.len() {
        if compare(CONTROLS[c].id, id) == 0 {
            return !is_restricted(CONTROLS[c].level);
        }
        c += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ids(level: Level, version: Version) -> BTreeSet<&'static str> {
        controls_at(level, version).map(|(control, _)| control.id).collect()
    }

    #[test]
    fn an_id_is_given_once() {
        assert_eq!(CONTROLS.iter().map(|control| control.id).collect::<BTreeSet<_>>().len(), CONTROLS.len());
    }

    #[test]
    fn the_newest_known_version_stands_for_every_newer_one() {
        assert_eq!(NEWEST, Version::v1(37));
        for level in Level::ALL {
            assert_eq!(ids(level, NEWEST), ids(level, Version::LATEST));
            assert_eq!(ids(level, NEWEST), ids(level, Version::v1(u64::MAX)));
        }
    }

    #[test]
    fn a_restricted_control_stands_in_for_the_baseline_ones_that_it_overrides() {
        let (before, after) = (ids(Level::Restricted, Version::v1(21)), ids(Level::Restricted, Version::v1(22)));
        assert!(before.contains("capabilities_baseline") && !before.contains("capabilities_restricted"));
        assert!(!after.contains("capabilities_baseline") && after.contains("capabilities_restricted"));
        assert!(ids(Level::Baseline, Version::v1(22)).contains("capabilities_baseline"));
    }

    #[test]
    fn the_privileged_level_has_no_controls() {
        assert_eq!(controls_at(Level::Privileged, Version::LATEST).len(), 0);
    }

    #[test]
    fn nothing_changes_between_turning_points() {
        for level in Level::ALL {
            let points: BTreeSet<_> = turning_points(level).collect();
            for minor in 1..=40 {
                let rules =
                    |minor| controls_at(level, Version::v1(minor)).map(|(c, r)| (c.id, r.since)).collect::<Vec<_>>();
                assert!(points.contains(&Version::v1(minor)) || rules(minor) == rules(minor - 1), "{level} v1.{minor}");
            }
        }
    }

    #[test]
    fn finds_a_control_by_its_id() {
        assert!(CONTROLS.iter().all(|listed| control(listed.id).is_some_and(|found| found.id == listed.id)));
        assert!(control("hostports").is_none());
    }
}
