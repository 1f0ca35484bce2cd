//! `sysctls`: a pod may set kernel parameters that touch nobody else.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

/// The parameters allowed, with the minor version that brought each, oldest first.
const ALLOWED: &[(u64, &str)] = &[
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
    (37, "net.ipv4.tcp_slow_start_after_idle"),
    (37, "net.ipv4.tcp_notsent_lowat"),
];

static SYSCTL: Field = Field {
    path: "spec.securityContext.sysctls[*].name",
    allowed: "those known to be safe, more with each version",
    hint: "take this sysctl out of the list",
    remedy: Remedy::RemoveItem,
    example: r#""kernel.msgmax""#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses kernel parameters in `securityContext.sysctls` other than a few that are known to be safe. The list has
    /// grown over the versions, as told below. Names are compared as written, so `net/ipv4/tcp_syncookies` is refused.
    ///
    /// ## Why is this bad
    ///
    /// Not every parameter belongs to a namespace: some change the whole node, and some let one pod starve the others of
    /// memory or ports.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     sysctls:
    ///       - name: net.core.somaxconn
    ///         value: "4096"
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     sysctls:
    ///       - name: net.ipv4.ip_unprivileged_port_start
    ///         value: "80"
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "sysctls",
        level: Level::Baseline,
        title: "Only safe kernel parameters may be set",
        fields: &[&SYSCTL],
        revisions: &[
            Revision {
                since: Version::v1(0),
                overrides: &[],
                change: "kernel.shm_rmid_forced, net.ipv4.ip_local_port_range, net.ipv4.tcp_syncookies, \
                         net.ipv4.ping_group_range and net.ipv4.ip_unprivileged_port_start are allowed, no others",
                check: sysctls_1_0,
                detail,
            },
            Revision {
                since: Version::v1(27),
                overrides: &[],
                change: "net.ipv4.ip_local_reserved_ports is allowed",
                check: sysctls_1_27,
                detail,
            },
            Revision {
                since: Version::v1(29),
                overrides: &[],
                change: "net.ipv4.tcp_keepalive_time, tcp_fin_timeout, tcp_keepalive_intvl and tcp_keepalive_probes are \
                         allowed",
                check: sysctls_1_29,
                detail,
            },
            Revision {
                since: Version::v1(32),
                overrides: &[],
                change: "net.ipv4.tcp_rmem and tcp_wmem are allowed",
                check: sysctls_1_32,
                detail,
            },
            Revision {
                since: Version::v1(37),
                overrides: &[],
                change: "net.ipv4.tcp_slow_start_after_idle and tcp_notsent_lowat are allowed",
                check: sysctls_1_37,
                detail,
            },
        ],
        reason: |_| "forbidden sysctls",
        docs: DOCS,
    };
}

fn sysctls_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    sysctls(pod, out, 0);
}

fn sysctls_1_27<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    sysctls(pod, out, 27);
}

fn sysctls_1_29<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    sysctls(pod, out, 29);
}

fn sysctls_1_32<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    sysctls(pod, out, 32);
}

fn sysctls_1_37<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    sysctls(pod, out, 37);
}

fn sysctls<'p>(pod: &Pod<'p>, out: &mut Findings<'p>, minor: u64) {
    let set = pod.security_context().and_then(|context| context.sysctls.as_deref()).unwrap_or_default();
    for (i, sysctl) in set.iter().enumerate() {
        if !ALLOWED.iter().any(|(since, name)| *since <= minor && *name == sysctl.name) {
            out.pod_item(&SYSCTL, i, Value::Text(&sysctl.name));
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::listed(found.iter().map(Finding::text), out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    fn setting(names: &[&str]) -> crate::testing::TestPod {
        let sysctls: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        pod(json!({"securityContext": {"sysctls": sysctls}, "containers": []}))
    }

    #[test]
    fn refuses_other_parameters_in_their_order() {
        assert_eq!(
            by("sysctls", "v1.0", &setting(&["b", "net.ipv4.tcp_syncookies", "a", "b"])),
            "forbidden sysctls (b, a, b)"
        );
    }

    #[test]
    fn has_nothing_to_tell_of_a_parameter_without_a_name() {
        assert_eq!(by("sysctls", "v1.0", &setting(&[""])), "forbidden sysctls");
    }

    #[test]
    fn allows_more_as_versions_go_by() {
        for (since, name) in super::ALLOWED {
            let pod = setting(&[name]);
            assert_eq!(by("sysctls", &format!("v1.{since}"), &pod), "", "{name}");
            if *since > 0 {
                assert_ne!(by("sysctls", &format!("v1.{}", since - 1), &pod), "", "{name}");
            }
        }
    }
}
