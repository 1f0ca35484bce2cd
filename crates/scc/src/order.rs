//! Which SCC is tried first, and why: priority, then restrictiveness, then name.
//!
//! Upstream: `pkg/securitycontextconstraints/util/sort`.

use std::cmp::Ordering;
use std::fmt;

use crate::constraints::{ALL, SecurityContextConstraints};

const PRIVILEGED: i32 = 1_600_000;
const HOST_PORTS: i32 = 800_000;
const HOST_NETWORK: i32 = 400_000;
const HOST_VOLUME: i32 = 200_000;
const OTHER_VOLUME: i32 = 100_000;

const CAPABILITIES_BASE: i32 = 5000;
const CAPABILITIES_MOST: i32 = 9999;

/// Why one SCC is tried before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its priority is higher.
    Priority(i32, i32),
    /// It is more restrictive: its score is lower.
    Restrictive {
        /// The one tried first.
        score: i32,
        /// The other.
        other: i32,
        /// In upstream's words.
        reason: &'static str,
    },
    /// They are alike, and its name comes first.
    Name,
}

impl fmt::Display for Why {
    /// As the API server's audit annotation words it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Priority(..) => "has higher priority",
            Why::Restrictive { reason, .. } => reason,
            Why::Name => "ordered by name",
        })
    }
}

/// The order of trial. Total, so that equal SCCs with different names never tie.
pub fn compare(a: &SecurityContextConstraints, b: &SecurityContextConstraints) -> Ordering {
    let priority = |s: &SecurityContextConstraints| s.priority.unwrap_or(0);
    priority(b).cmp(&priority(a)).then_with(|| score(a).cmp(&score(b))).then_with(|| a.name().cmp(b.name()))
}

/// Why `a` is tried before `b`, or `None` if it is not.
pub fn why_before(a: &SecurityContextConstraints, b: &SecurityContextConstraints) -> Option<Why> {
    if compare(a, b) != Ordering::Less {
        return None;
    }
    let (first, second) = (a.priority.unwrap_or(0), b.priority.unwrap_or(0));
    if first != second {
        return Some(Why::Priority(first, second));
    }
    let (first, second) = (score(a), score(b));
    if first != second {
        return Some(Why::Restrictive { score: first, other: second, reason: reason(first, second) });
    }
    Some(Why::Name)
}

/// How lax an SCC is. Each kind of laxity weighs more than all lesser kinds together.
pub fn score(scc: &SecurityContextConstraints) -> i32 {
    let flag = |on: bool, points: i32| if on { points } else { 0 };
    flag(scc.allow_privileged_container, PRIVILEGED)
        + flag(scc.allow_host_ports, HOST_PORTS)
        + flag(scc.allow_host_network, HOST_NETWORK)
        + volume_points(scc)
        + strategy_points(&scc.se_linux_context.type_)
        + strategy_points(&scc.run_as_user.type_)
        + capability_points(scc)
}

fn volume_points(scc: &SecurityContextConstraints) -> i32 {
    const TRIVIAL: [&str; 6] = ["secret", "configMap", "emptyDir", "downwardAPI", "projected", "none"];
    let volumes = || scc.volumes.iter().flatten().map(String::as_str);
    if volumes().any(|v| v == "hostPath" || v == ALL) {
        HOST_VOLUME
    } else if volumes().any(|v| !TRIVIAL.contains(&v)) {
        OTHER_VOLUME
    } else {
        0
    }
}

/// The strategies of users and labels share their names, and so their points.
fn strategy_points(type_: &str) -> i32 {
    match type_ {
        "RunAsAny" => 40_000,
        "MustRunAsNonRoot" => 30_000,
        "MustRunAsRange" => 20_000,
        "MustRunAs" => 10_000,
        _ => 0,
    }
}

fn capability_points(scc: &SecurityContextConstraints) -> i32 {
    let has = |list: &[String], cap: &str| list.iter().any(|c| c.to_uppercase() == cap);
    let count = |list: &[String]| i32::try_from(list.len()).unwrap_or(i32::MAX);
    let added = count(&scc.default_add_capabilities).saturating_mul(300);
    let allowed = if has(&scc.allowed_capabilities, ALL) || has(&scc.allowed_capabilities, "ALL") {
        4000
    } else {
        count(&scc.allowed_capabilities).saturating_mul(10)
    };
    let dropped = if has(&scc.required_drop_capabilities, "ALL") {
        3000
    } else {
        count(&scc.required_drop_capabilities).saturating_mul(50)
    };
    CAPABILITIES_BASE.saturating_add(added).saturating_add(allowed).saturating_sub(dropped).clamp(0, CAPABILITIES_MOST)
}

/// What makes the lower score lower: the heaviest kind of laxity that only the higher one has.
fn reason(mut lower: i32, mut higher: i32) -> &'static str {
    for (points, reason) in [
        (PRIVILEGED, "forbids privileged"),
        (HOST_PORTS, "forbids host ports"),
        (HOST_NETWORK, "forbids host networking"),
        (HOST_VOLUME, "forbids host volume mounts"),
        (OTHER_VOLUME, "forbids non-trivial volume mounts"),
    ] {
        if higher >= points {
            if lower < points {
                return reason;
            }
            lower -= points;
            higher -= points;
        }
    }
    if lower / 10_000 < higher / 10_000 { "permits less runAs strategies" } else { "permits less capabilities" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scc(name: &str) -> SecurityContextConstraints {
        let mut scc = SecurityContextConstraints { volumes: Some(vec!["secret".into()]), ..Default::default() };
        scc.metadata.name = Some(name.into());
        scc
    }

    #[test]
    fn priority_comes_before_restrictiveness() {
        let lax = SecurityContextConstraints { priority: Some(1), allow_privileged_container: true, ..scc("lax") };
        assert_eq!(why_before(&lax, &scc("a")), Some(Why::Priority(1, 0)));
        assert_eq!(why_before(&scc("a"), &lax), None);
    }

    #[test]
    fn the_more_restrictive_comes_first_and_says_what_it_forbids() {
        let text =
            |a: &SecurityContextConstraints, b: &SecurityContextConstraints| why_before(a, b).unwrap().to_string();
        let strict = scc("z");
        let mut lax = scc("a");
        lax.allow_privileged_container = true;
        assert_eq!(text(&strict, &lax), "forbids privileged");
        let mut ports = lax.clone();
        ports.allow_host_ports = true;
        assert_eq!(text(&lax, &ports), "forbids host ports");
        let mut network = scc("a");
        network.allow_host_network = true;
        assert_eq!(text(&strict, &network), "forbids host networking");
        let mut path = scc("a");
        path.volumes = Some(vec!["hostPath".into()]);
        let mut claim = scc("a");
        claim.volumes = Some(vec!["persistentVolumeClaim".into()]);
        assert_eq!(text(&claim, &path), "forbids host volume mounts");
        assert_eq!(text(&strict, &claim), "forbids non-trivial volume mounts");
        let mut any = scc("a");
        any.run_as_user.type_ = "RunAsAny".into();
        assert_eq!(text(&strict, &any), "permits less runAs strategies");
        let mut caps = scc("a");
        caps.allowed_capabilities = vec!["*".into()];
        assert_eq!(text(&strict, &caps), "permits less capabilities");
    }

    #[test]
    fn equals_are_ordered_by_name() {
        assert_eq!(why_before(&scc("a"), &scc("b")), Some(Why::Name));
        assert_eq!(why_before(&scc("b"), &scc("a")), None);
        assert_eq!(why_before(&scc("a"), &scc("a")), None);
    }
}
