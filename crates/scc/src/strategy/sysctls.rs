//! `forbiddenSysctls`, `allowedUnsafeSysctls` and the sysctls that are safe for everyone. Names are compared as
//! written: `net/ipv4/tcp_syncookies` is not `net.ipv4.tcp_syncookies` here.
//!
//! Upstream: `pkg/securitycontextconstraints/sysctl/mustmatchpatterns.go`.

use k8s_openapi::api::core::v1::Sysctl;

use super::Objections;
use crate::constraints::SecurityContextConstraints;
use crate::go::quote;
use crate::violation::{Control, Fault};

/// The sysctls that need no permission, each with the kernel that made it the namespace's own. The API server
/// leaves out those that its own machine's kernel is too old for.
pub const SAFE: &[(&str, (u32, u32))] = &[
    ("kernel.shm_rmid_forced", (0, 0)),
    ("net.ipv4.ip_local_port_range", (0, 0)),
    ("net.ipv4.tcp_syncookies", (0, 0)),
    ("net.ipv4.ping_group_range", (0, 0)),
    ("net.ipv4.ip_unprivileged_port_start", (0, 0)),
    ("net.ipv4.tcp_keepalive_time", (0, 0)),
    ("net.ipv4.tcp_fin_timeout", (0, 0)),
    ("net.ipv4.tcp_keepalive_intvl", (0, 0)),
    ("net.ipv4.tcp_keepalive_probes", (0, 0)),
    ("net.ipv4.ip_local_reserved_ports", (3, 16)),
    ("net.ipv4.tcp_rmem", (4, 15)),
    ("net.ipv4.tcp_wmem", (4, 15)),
];

pub(crate) fn validate(
    scc: &SecurityContextConstraints,
    kernel: (u32, u32),
    sysctls: &[Sysctl],
    out: &mut Objections<'_>,
) {
    for (i, Sysctl { name, .. }) in sysctls.iter().enumerate() {
        let (control, detail) = if matches(&scc.forbidden_sysctls, name) {
            (Control::ForbiddenSysctls, format!("sysctl {} is not allowed", quote(name)))
        } else if is_safe(name, kernel) || matches(&scc.allowed_unsafe_sysctls, name) {
            continue;
        } else {
            (Control::AllowedUnsafeSysctls, format!("unsafe sysctl {} is not allowed", quote(name)))
        };
        let path = format!("spec.securityContext.sysctls[{i}]");
        out.bare(control, path.clone(), path, Fault::Forbidden, detail);
    }
}

fn is_safe(name: &str, kernel: (u32, u32)) -> bool {
    SAFE.iter().any(|(safe, since)| *safe == name && kernel >= *since)
}

/// A pattern is a name, or a prefix when it ends in `*`.
fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|p| p.strip_suffix('*').map_or(p == name, |prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objections(allowed: &[&str], forbidden: &[&str], kernel: (u32, u32), names: &[&str]) -> Vec<String> {
        let list = |l: &[&str]| l.iter().map(ToString::to_string).collect();
        let scc = SecurityContextConstraints {
            allowed_unsafe_sysctls: list(allowed),
            forbidden_sysctls: list(forbidden),
            ..Default::default()
        };
        let sysctls: Vec<Sysctl> = names.iter().map(|n| Sysctl { name: (*n).into(), value: "1".into() }).collect();
        let mut out = Objections::new("x");
        validate(&scc, kernel, &sysctls, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn safe_ones_need_no_permission_and_others_do() {
        assert_eq!(
            objections(&[], &[], (6, 0), &["net.ipv4.tcp_syncookies", "vm.swappiness"]),
            ["spec.securityContext.sysctls[1]: Forbidden: unsafe sysctl \"vm.swappiness\" is not allowed"]
        );
        assert!(objections(&["vm.*"], &[], (6, 0), &["vm.swappiness"]).is_empty());
        assert!(objections(&["*"], &[], (6, 0), &["anything"]).is_empty());
    }

    #[test]
    fn forbidding_wins_even_over_safety() {
        assert_eq!(
            objections(&["*"], &["net.*"], (6, 0), &["net.ipv4.tcp_syncookies"]),
            ["spec.securityContext.sysctls[0]: Forbidden: sysctl \"net.ipv4.tcp_syncookies\" is not allowed"]
        );
    }

    #[test]
    fn a_newer_sysctl_is_safe_only_on_a_newer_kernel() {
        assert!(objections(&[], &[], (4, 15), &["net.ipv4.tcp_rmem"]).is_empty());
        assert_eq!(objections(&[], &[], (4, 14), &["net.ipv4.tcp_rmem"]).len(), 1);
    }

    #[test]
    fn a_name_with_slashes_is_another_name() {
        assert_eq!(objections(&[], &[], (6, 0), &["net/ipv4/tcp_syncookies"]).len(), 1);
    }
}
