//! `defaultAddCapabilities`, `requiredDropCapabilities`, `allowedCapabilities`. Names are compared as written: the
//! plugin neither upper-cases nor strips `CAP_`.
//!
//! Upstream: `pkg/securitycontextconstraints/capabilities/mustrunas.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Capabilities;

use super::Objections;
use crate::Value;
use crate::constraints::{ALL, SecurityContextConstraints};
use crate::pod::ContainerAt;
use crate::violation::{Control, Fault};

/// What the container's capabilities become: the defaults that it does not drop are added, the required drops are
/// dropped. If that brings nothing new, they stay as they were written, order and repetitions included.
pub(crate) fn generate(scc: &SecurityContextConstraints, asked: Option<&Capabilities>) -> Option<Capabilities> {
    let own = |list: Option<&Vec<String>>| -> BTreeSet<String> { list.into_iter().flatten().cloned().collect() };
    let asked_add = own(asked.and_then(|c| c.add.as_ref()));
    let asked_drop = own(asked.and_then(|c| c.drop.as_ref()));

    let defaults = scc.default_add_capabilities.iter().filter(|c| !asked_drop.contains(*c)).cloned();
    let add: BTreeSet<String> = asked_add.iter().cloned().chain(defaults).collect();
    let drop: BTreeSet<String> = asked_drop.iter().chain(&scc.required_drop_capabilities).cloned().collect();

    if add.len() == asked_add.len() && drop.len() == asked_drop.len() {
        return asked.cloned();
    }
    let sorted = |set: BTreeSet<String>| (!set.is_empty()).then(|| set.into_iter().collect());
    Some(Capabilities { add: sorted(add), drop: sorted(drop) })
}

pub(crate) fn validate(
    scc: &SecurityContextConstraints,
    capabilities: Option<&Capabilities>,
    at: ContainerAt,
    out: &mut Objections<'_>,
) {
    let Some(capabilities) = capabilities else {
        if !(scc.default_add_capabilities.is_empty() && scc.required_drop_capabilities.is_empty()) {
            let detail = "required capabilities are not set on the securityContext";
            out.container(Control::RequiredDropCapabilities, at, "capabilities", Fault::Invalid(Value::Null), detail);
        }
        return;
    };
    let allowed = &scc.allowed_capabilities;
    if allowed.iter().any(|c| c == ALL) {
        return;
    }
    for cap in capabilities.add.iter().flatten() {
        if !scc.default_add_capabilities.contains(cap) && !allowed.contains(cap) {
            let fault = Fault::Invalid(Value::String(cap.clone()));
            out.container(Control::AllowedCapabilities, at, "capabilities.add", fault, "capability may not be added");
        }
    }
    for required in &scc.required_drop_capabilities {
        if !capabilities.drop.iter().flatten().any(|c| c == required) {
            let value = capabilities.drop.clone().map_or(Value::Null, Value::Strings);
            let detail = format!("{required} is required to be dropped but was not found");
            out.container(Control::RequiredDropCapabilities, at, "capabilities.drop", Fault::Invalid(value), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn caps(add: &[&str], drop: &[&str]) -> Capabilities {
        let list = |l: &[&str]| (!l.is_empty()).then(|| strings(l));
        Capabilities { add: list(add), drop: list(drop) }
    }

    fn scc(add: &[&str], drop: &[&str], allowed: &[&str]) -> SecurityContextConstraints {
        SecurityContextConstraints {
            default_add_capabilities: strings(add),
            required_drop_capabilities: strings(drop),
            allowed_capabilities: strings(allowed),
            ..Default::default()
        }
    }

    fn objections(scc: &SecurityContextConstraints, capabilities: Option<&Capabilities>) -> Vec<String> {
        let mut out = Objections::new("x");
        let at = ContainerAt { kind: crate::ContainerKind::Regular, index: 0 };
        validate(scc, capabilities, at, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn adds_the_defaults_and_the_required_drops_in_order() {
        let scc = scc(&["CHOWN", "KILL"], &["MKNOD", "ALL"], &[]);
        assert_eq!(generate(&scc, None), Some(caps(&["CHOWN", "KILL"], &["ALL", "MKNOD"])));
    }

    #[test]
    fn leaves_out_a_default_that_the_container_drops() {
        let scc = scc(&["CHOWN"], &[], &[]);
        let asked = caps(&[], &["CHOWN"]);
        assert_eq!(generate(&scc, Some(&asked)), Some(asked));
    }

    #[test]
    fn keeps_what_needs_no_change_as_it_was_written() {
        let scc = scc(&[], &["ALL"], &[]);
        let asked = caps(&["SYS_TIME", "KILL", "KILL"], &["ALL"]);
        assert_eq!(generate(&scc, Some(&asked)), Some(asked));
        assert_eq!(generate(&SecurityContextConstraints::default(), None), None);
    }

    #[test]
    fn a_capability_must_be_allowed_or_a_default_to_be_added() {
        let scc = scc(&["CHOWN"], &[], &["KILL"]);
        let path = "provider x: .containers[0].capabilities.add: Invalid value";
        assert_eq!(
            objections(&scc, Some(&caps(&["CHOWN", "KILL", "kill", "CAP_KILL"], &[]))),
            [
                format!("{path}: \"kill\": capability may not be added"),
                format!("{path}: \"CAP_KILL\": capability may not be added")
            ]
        );
    }

    #[test]
    fn the_wildcard_allows_everything_and_asks_for_no_drop() {
        assert!(objections(&scc(&[], &["ALL"], &["*"]), Some(&caps(&["SYS_ADMIN"], &[]))).is_empty());
    }

    #[test]
    fn required_drops_must_be_dropped() {
        let path = "provider x: .containers[0].capabilities";
        let scc = scc(&[], &["ALL"], &[]);
        assert_eq!(
            objections(&scc, Some(&caps(&[], &["KILL"]))),
            [format!("{path}.drop: Invalid value: [\"KILL\"]: ALL is required to be dropped but was not found")]
        );
        assert_eq!(
            objections(&scc, None),
            [format!("{path}: Invalid value: null: required capabilities are not set on the securityContext")]
        );
    }
}
