//! The difference of two SCCs, field by field, with what it means.

use crate::Value;
use crate::constraints::{ALL, GroupStrategyOptions, SecurityContextConstraints};
use crate::go::json_string;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDiff {
    /// The field's name in an SCC.
    pub field: &'static str,
    /// The first one's value, as JSON.
    pub a: String,
    /// The second one's value, as JSON.
    pub b: String,
    /// Which of them lets pods do more here.
    pub looser: Looser,
}

/// Which of two values lets pods do more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Looser {
    /// The first.
    A,
    /// The second.
    B,
    /// Each allows something that the other does not, or the field decides no permission.
    Neither,
}

/// The fields in which two SCCs differ once both have their defaults, in the order of the API. Names, labels and
/// annotations are not compared.
pub fn diff(a: &SecurityContextConstraints, b: &SecurityContextConstraints) -> Vec<FieldDiff> {
    let (mut a, mut b) = (a.clone(), b.clone());
    a.set_defaults();
    b.set_defaults();
    let fields = facts(&a).into_iter().zip(facts(&b));
    fields
        .filter(|(a, b)| a.value != b.value)
        .map(|(a, b)| FieldDiff { field: a.field, looser: looser(&a.reach, &b.reach), a: a.value, b: b.value })
        .collect()
}

struct Fact {
    field: &'static str,
    value: String,
    reach: Reach,
}

/// What a value lets pods do, as far as values can be compared.
enum Reach {
    /// More is looser.
    Rank(i64),
    /// A larger set is looser; `None` is everything.
    Allows(Option<Vec<String>>),
    /// A larger set is stricter; `None` is everything.
    Forbids(Option<Vec<String>>),
    /// Values of which only equality can be said.
    Incomparable,
}

fn looser(a: &Reach, b: &Reach) -> Looser {
    let by = |a_covers: bool, b_covers: bool| match (a_covers, b_covers) {
        (true, false) => Looser::A,
        (false, true) => Looser::B,
        _ => Looser::Neither,
    };
    match (a, b) {
        (Reach::Rank(a), Reach::Rank(b)) => by(a > b, b > a),
        (Reach::Allows(a), Reach::Allows(b)) => by(covers(a.as_ref(), b.as_ref()), covers(b.as_ref(), a.as_ref())),
        (Reach::Forbids(a), Reach::Forbids(b)) => by(covers(b.as_ref(), a.as_ref()), covers(a.as_ref(), b.as_ref())),
        _ => Looser::Neither,
    }
}

fn covers(larger: Option<&Vec<String>>, smaller: Option<&Vec<String>>) -> bool {
    match (larger, smaller) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(larger), Some(smaller)) => smaller.iter().all(|item| larger.contains(item)),
    }
}

fn facts(scc: &SecurityContextConstraints) -> Vec<Fact> {
    let volumes = scc.volumes.clone().unwrap_or_default();
    let volume_kinds: Vec<String> = volumes.iter().filter(|v| *v != "none").cloned().collect();
    let flex: Vec<String> = scc.allowed_flex_volumes.iter().map(|v| v.driver.clone()).collect();
    let priority = scc.priority.map_or(Value::Null, |p| Value::Int(p.into()));
    let default_escalation = scc.default_allow_privilege_escalation.map_or(Value::Null, Value::Bool);
    vec![
        Fact { field: "priority", value: priority.to_string(), reach: Reach::Incomparable },
        flag("allowPrivilegedContainer", scc.allow_privileged_container),
        list("defaultAddCapabilities", &scc.default_add_capabilities, |l| Reach::Allows(Some(l))),
        list("requiredDropCapabilities", &scc.required_drop_capabilities, |l| Reach::Forbids(unless("ALL", l))),
        list("allowedCapabilities", &scc.allowed_capabilities, |l| Reach::Allows(unless(ALL, l))),
        flag("allowHostDirVolumePlugin", scc.allow_host_dir_volume_plugin),
        list("volumes", &volumes, |_| Reach::Allows(unless(ALL, volume_kinds))),
        list("allowedFlexVolumes", &flex, |l| Reach::Allows((!l.is_empty()).then_some(l))),
        flag("allowHostNetwork", scc.allow_host_network),
        flag("allowHostPorts", scc.allow_host_ports),
        flag("allowHostPID", scc.allow_host_pid),
        flag("allowHostIPC", scc.allow_host_ipc),
        Fact {
            field: "userNamespaceLevel",
            value: json_string(&scc.user_namespace_level),
            reach: Reach::Rank(i64::from(!scc.requires_user_namespace())),
        },
        Fact {
            field: "defaultAllowPrivilegeEscalation",
            value: default_escalation.to_string(),
            reach: Reach::Incomparable,
        },
        flag("allowPrivilegeEscalation", scc.allows_privilege_escalation()),
        label(scc),
        user(scc),
        group("supplementalGroups", &scc.supplemental_groups),
        group("fsGroup", &scc.fs_group),
        Fact {
            field: "readOnlyRootFilesystem",
            value: scc.read_only_root_filesystem.to_string(),
            reach: Reach::Rank(i64::from(!scc.read_only_root_filesystem)),
        },
        list("users", &scc.users, |l| Reach::Allows(Some(l))),
        list("groups", &scc.groups, |l| Reach::Allows(Some(l))),
        list("seccompProfiles", &scc.seccomp_profiles, |l| Reach::Allows(unless(ALL, l))),
        list("allowedUnsafeSysctls", &scc.allowed_unsafe_sysctls, |l| Reach::Allows(unless(ALL, l))),
        list("forbiddenSysctls", &scc.forbidden_sysctls, |l| Reach::Forbids(unless(ALL, l))),
    ]
}

fn flag(field: &'static str, on: bool) -> Fact {
    Fact { field, value: on.to_string(), reach: Reach::Rank(i64::from(on)) }
}

/// Lists are sets: their order is not compared.
fn list(field: &'static str, items: &[String], reach: impl FnOnce(Vec<String>) -> Reach) -> Fact {
    let mut sorted = items.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Fact { field, value: Value::Strings(sorted.clone()).to_string(), reach: reach(sorted) }
}

fn unless(wildcard: &str, items: Vec<String>) -> Option<Vec<String>> {
    (!items.iter().any(|i| i == wildcard)).then_some(items)
}

fn user(scc: &SecurityContextConstraints) -> Fact {
    let options = &scc.run_as_user;
    let int = |n: Option<i64>| n.map(|n| n.to_string());
    let value = object(&[
        ("type", Some(json_string(&options.type_))),
        ("uid", int(options.uid)),
        ("uidRangeMin", int(options.uid_range_min)),
        ("uidRangeMax", int(options.uid_range_max)),
    ]);
    Fact { field: "runAsUser", value, reach: strategy(&options.type_) }
}

fn label(scc: &SecurityContextConstraints) -> Fact {
    let options = scc.se_linux_context.se_linux_options.as_ref().map(|o| {
        let part = |s: &Option<String>| s.as_deref().map(json_string);
        object(&[("level", part(&o.level)), ("role", part(&o.role)), ("type", part(&o.type_)), ("user", part(&o.user))])
    });
    let type_ = &scc.se_linux_context.type_;
    let value = object(&[("type", Some(json_string(type_))), ("seLinuxOptions", options)]);
    Fact { field: "seLinuxContext", value, reach: strategy(type_) }
}

fn group(field: &'static str, options: &GroupStrategyOptions) -> Fact {
    let ranges: Vec<String> =
        options.ranges.iter().map(|r| format!("{{\"min\":{},\"max\":{}}}", r.min, r.max)).collect();
    let ranges = (!ranges.is_empty()).then(|| format!("[{}]", ranges.join(",")));
    let value = object(&[("type", Some(json_string(&options.type_))), ("ranges", ranges)]);
    Fact { field, value, reach: strategy(&options.type_) }
}

/// Strategies compare by their names; two of one name, with different values, do not.
fn strategy(type_: &str) -> Reach {
    match type_ {
        "RunAsAny" => Reach::Rank(3),
        "MustRunAsNonRoot" => Reach::Rank(2),
        "MustRunAsRange" | "MustRunAs" => Reach::Rank(1),
        _ => Reach::Incomparable,
    }
}

fn object(parts: &[(&str, Option<String>)]) -> String {
    let parts: Vec<String> =
        parts.iter().filter_map(|(key, value)| value.as_ref().map(|v| format!("\"{key}\":{v}"))).collect();
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform;

    fn between(a: &str, b: &str) -> String {
        let all = platform::constraints();
        let find = |name: &str| all.iter().find(|s| s.name() == name).unwrap();
        let lines: Vec<String> =
            diff(find(a), find(b)).iter().map(|d| format!("{}: {} | {} ({:?})", d.field, d.a, d.b, d.looser)).collect();
        lines.join("\n")
    }

    #[test]
    fn says_what_the_second_version_took_away() {
        insta::assert_snapshot!(between("restricted", "restricted-v2"));
    }

    #[test]
    fn says_how_anyuid_and_nonroot_v2_differ() {
        insta::assert_snapshot!(between("anyuid", "nonroot-v2"));
    }

    #[test]
    fn finds_nothing_between_an_scc_and_itself_reordered() {
        let a = platform::constraints().remove(0);
        let mut b = a.clone();
        b.volumes.as_mut().unwrap().reverse();
        b.metadata.name = Some("other".into());
        assert_eq!(diff(&a, &b), []);
    }
}
