//! `--cap-add`, `--cap-drop` and `--privileged` (moby `oci/caps`, `NormalizeLegacyCapabilities`, `TweakCapabilities`).

use ringfence_context::capability::{CapSet, Capability};

use super::Machine;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::version::Version;

/// A capability, or all of them.
enum Named {
    All,
    One(Capability),
}

/// How many capabilities docker 20.10 knows: up to CAP_AUDIT_READ.
const KNOWN_TO_20_10: u8 = 38;

/// What `--privileged` and `ALL` come to.
pub(super) fn all(version: Version, machine: Machine) -> CapSet {
    match version {
        Version::V20_10 => CapSet((1 << KNOWN_TO_20_10) - 1),
        Version::V29 => machine.bounding.intersection(CapSet::ALL),
    }
}

fn named(name: &str, version: Version, machine: Machine) -> Result<Named, String> {
    let upper = name.to_uppercase();
    if upper == "ALL" {
        return Ok(Named::All);
    }
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    let known = full.strip_prefix("CAP_").and_then(Capability::from_name);
    match (known, version) {
        (Some(capability), Version::V20_10) if capability.number() < KNOWN_TO_20_10 => Ok(Named::One(capability)),
        (Some(capability), Version::V29) if machine.bounding.contains(capability) => Ok(Named::One(capability)),
        (Some(_), Version::V29) => Err(format!(
            "capability not supported by your kernel or not available in the current environment: {full:?}"
        )),
        _ => Err(format!("unknown capability: {full:?}")),
    }
}

fn list(names: &[String], what: &str, version: Version, machine: Machine) -> Result<Vec<Named>, Refusal> {
    let read = |name: &String| named(name, version, machine);
    let list: Result<Vec<Named>, String> = names.iter().map(read).collect();
    list.map_err(|why| Refusal::daemon(format!("invalid {what}: {why}")))
}

/// The set that is granted. Adding `ALL` wins over dropping it; what is added by name wins over what is dropped by name.
pub(super) fn granted(options: &Options, version: Version, machine: Machine) -> Result<CapSet, Refusal> {
    let added = list(&options.cap_add, "CapAdd", version, machine)?;
    let dropped = list(&options.cap_drop, "CapDrop", version, machine)?;
    if options.privileged {
        return Ok(all(version, machine));
    }
    let has_all = |list: &[Named]| list.iter().any(|one| matches!(one, Named::All));
    let ones = |list: &[Named]| -> CapSet {
        let one = |named: &Named| match named {
            Named::One(capability) => Some(*capability),
            Named::All => None,
        };
        list.iter().filter_map(one).collect()
    };
    Ok(if has_all(&added) {
        all(version, machine).difference(ones(&dropped))
    } else if has_all(&dropped) {
        ones(&added)
    } else {
        CapSet::RUNTIME_DEFAULT.difference(ones(&dropped)).union(ones(&added))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { bounding: CapSet(0x1ff_feff_ffff) };

    fn set(add: &[&str], drop: &[&str], version: Version) -> Result<String, String> {
        let strings = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let options = Options { cap_add: strings(add), cap_drop: strings(drop), ..Options::default() };
        granted(&options, version, MACHINE).map(|set| set.to_string()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn all_but_one() {
        assert_eq!(set(&["ALL"], &["MKNOD"], Version::V20_10).unwrap(), "0000003ff7ffffff");
        assert_eq!(set(&["all"], &["cap_mknod"], Version::V29).unwrap(), "000001fff6ffffff");
    }

    #[test]
    fn adding_all_wins_over_dropping_all_and_a_name_that_is_added_over_one_that_is_dropped() {
        assert_eq!(set(&["ALL"], &["ALL"], Version::V20_10).unwrap(), "0000003fffffffff");
        assert_eq!(set(&["CHOWN"], &["ALL", "CHOWN"], Version::V20_10).unwrap(), "0000000000000001");
        assert_eq!(set(&["net_raw"], &["NET_RAW"], Version::V20_10).unwrap(), "00000000a80425fb");
        assert_eq!(set(&[], &["CHOWN"], Version::V20_10).unwrap(), "00000000a80425fa");
    }

    #[test]
    fn unknown_names_are_refused_even_where_all_are_granted() {
        let message = |list| set(list, &["ALL"], Version::V20_10).unwrap_err();
        assert_eq!(message(&["ALL", "bogus"]), "invalid CapAdd: unknown capability: \"CAP_BOGUS\"");
        assert_eq!(set(&[], &["X"], Version::V29).unwrap_err(), "invalid CapDrop: unknown capability: \"CAP_X\"");
        let privileged = Options { privileged: true, cap_drop: vec!["X".to_owned()], ..Options::default() };
        assert!(granted(&privileged, Version::V20_10, MACHINE).is_err());
    }

    #[test]
    fn the_versions_know_different_capabilities() {
        assert_eq!(set(&["BPF"], &[], Version::V20_10).unwrap_err(), "invalid CapAdd: unknown capability: \"CAP_BPF\"");
        assert!(set(&["BPF"], &[], Version::V29).is_ok());
        assert!(set(&["SYS_RESOURCE"], &[], Version::V20_10).is_ok());
        assert!(
            set(&["SYS_RESOURCE"], &[], Version::V29).unwrap_err().contains("not available in the current environment")
        );
    }
}
