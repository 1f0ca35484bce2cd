//! `linux.resources.devices`: what the list of rules comes to. A rule for all devices undoes the earlier ones; rules for the
//! same devices add up, and take away, as in a device cgroup.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::{LAUNCHER, unsupported};
use crate::engine::StartError;
use crate::launcher::guard::Allowed;

/// Whether the rules end in allowing every device.
pub(super) fn all_allowed(rules: &[LinuxDeviceCgroup]) -> Result<bool, StartError> {
    let mut all = false;
    for rule in rules {
        match (rule.allow(), is_about_all(rule)) {
            (allow, true) => all = allow,
            (false, false) if all => {
                return Err(unsupported("refusing single devices (linux.resources.devices)", LAUNCHER));
            }
            (_, false) => {}
        }
    }
    Ok(all)
}

fn is_about_all(rule: &LinuxDeviceCgroup) -> bool {
    let any_type = rule.typ().is_none_or(|typ| typ == LinuxDeviceType::A);
    let any_number = [rule.major(), rule.minor()].iter().all(|number| number.is_none_or(|number| number < 0));
    any_type && any_number && "rwm".chars().all(|one| access_of(rule).contains(one))
}

/// No access at all is written as none; a missing text is every access.
fn access_of(rule: &LinuxDeviceCgroup) -> &str {
    rule.access().as_deref().unwrap_or("rwm")
}

/// The devices that the rules are about, after all is refused, each with what may be done with it. Making nodes is always
/// allowed, so that it is not part of it.
pub(super) fn allowed(rules: &[LinuxDeviceCgroup]) -> Result<Vec<Allowed>, StartError> {
    let mut list: Vec<Allowed> = Vec::new();
    for rule in rules {
        if is_about_all(rule) {
            list.clear();
            continue;
        }
        let (major, minor) = (number(rule.major())?, number(rule.minor())?);
        let (read, write) = (access_of(rule).contains('r'), access_of(rule).contains('w'));
        let kinds: &[bool] = match rule.typ() {
            None | Some(LinuxDeviceType::A) => &[false, true],
            Some(LinuxDeviceType::B) => &[true],
            Some(_) => &[false],
        };
        for block in kinds {
            let this = Allowed { block: *block, major, minor, read, write };
            let same = |one: &Allowed| (one.block, one.major, one.minor) == (*block, major, minor);
            let meets = list.iter().any(|known| overlaps(known, &this));
            match (rule.allow(), list.iter_mut().find(|one| same(one))) {
                (true, Some(known)) => (known.read, known.write) = (known.read || read, known.write || write),
                (true, None) => list.push(this),
                (false, Some(known)) => (known.read, known.write) = (known.read && !read, known.write && !write),
                (false, None) if meets => {
                    return Err(unsupported("refusing a part of what is allowed (linux.resources.devices)", LAUNCHER));
                }
                (false, None) => {}
            }
        }
    }
    Ok(list)
}

/// Below zero is every number.
fn number(number: Option<i64>) -> Result<Option<u32>, StartError> {
    let too_large = |_| unsupported("a device number beyond 32 bits (linux.resources.devices)", LAUNCHER);
    number.filter(|number| *number >= 0).map(u32::try_from).transpose().map_err(too_large)
}

fn overlaps(one: &Allowed, other: &Allowed) -> bool {
    let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    one.block == other.block && meets(one.major, other.major) && meets(one.minor, other.minor)
}

/// Whether a device may be read and written; none where no rule is about it.
pub(super) fn access(rules: &[Allowed], block: bool, major: u32, minor: u32) -> Option<(bool, bool)> {
    let one = Allowed { block, major: Some(major), minor: Some(minor), read: true, write: true };
    let mut about = rules.iter().filter(|rule| overlaps(rule, &one)).peekable();
    about.peek()?;
    Some(about.fold((false, false), |(read, write), rule| (read | rule.read, write | rule.write)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, major: Option<i64>, access: &str) -> LinuxDeviceCgroup {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(allow).set_major(major).set_access(Some(access.to_owned()));
        rule
    }

    #[test]
    fn the_last_rule_for_all_devices_decides() {
        let (none, all) = (rule(false, None, "rwm"), rule(true, None, "rwm"));
        assert_eq!(all_allowed(&[]).ok(), Some(false));
        assert_eq!(all_allowed(&[none.clone(), all.clone()]).ok(), Some(true));
        assert_eq!(all_allowed(&[all, none, rule(true, Some(1), "rwm")]).ok(), Some(false));
    }

    #[test]
    fn a_single_device_cannot_be_taken_out_of_all() {
        assert!(all_allowed(&[rule(true, None, "rwm"), rule(false, Some(8), "rwm")]).is_err());
    }

    #[test]
    fn rules_for_the_same_devices_add_up_and_a_refusal_takes_away() {
        let with = |access: &str, allow| {
            let mut rule = rule(allow, Some(10), access);
            rule.set_typ(Some(LinuxDeviceType::C));
            rule
        };
        let of = |rules: &[LinuxDeviceCgroup]| access(&allowed(rules).unwrap(), false, 10, 7);
        assert_eq!(of(&[with("r", true)]), Some((true, false)));
        assert_eq!(of(&[with("r", true), with("w", true)]), Some((true, true)));
        assert_eq!(of(&[with("r", true), with("rw", false)]), Some((false, false)));
        assert_eq!(of(&[with("m", true)]), Some((false, false)));
        assert_eq!(of(&[rule(false, Some(10), "r")]), None);
        let mut part = with("rw", false);
        part.set_minor(Some(7));
        assert!(allowed(&[with("r", true), part]).is_err(), "a part of a range");
    }
}
