//! `capabilities_baseline`: no capabilities beyond those that a container has by default.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

/// The default set of container runtimes, without NET_RAW.
const ALLOWED_1_0: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

static ADD: Field = Field {
    path: "spec.containers[*].securityContext.capabilities.add[*]",
    allowed: "AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, SETFCAP, SETGID, \
              SETPCAP, SETUID, SYS_CHROOT",
    hint: "take this capability out of the list",
    remedy: Remedy::Remove,
    example: r#""NET_RAW""#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses to add capabilities other than those of the runtime's default set, and NET_RAW even though it is in that
    /// set. Names are compared as written: `CAP_CHOWN`, `chown` and `ALL` are refused.
    ///
    /// ## Why is this bad
    ///
    /// Many capabilities are as good as root on the node: SYS_ADMIN mounts, SYS_PTRACE reads other processes,
    /// SYS_MODULE loads kernel code, NET_RAW forges packets.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         capabilities:
    ///           add: [NET_BIND_SERVICE, SYS_ADMIN]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         capabilities:
    ///           add: [NET_BIND_SERVICE]
    /// ```
    pub static CONTROL: Control = Control {
        id: "capabilities_baseline",
        level: Level::Baseline,
        title: "Only default capabilities may be added",
        fields: &[&ADD],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "capabilities beyond the default set are refused",
            check: capabilities_baseline_1_0,
            detail,
        }],
        reason: |_| "non-default capabilities",
        docs: DOCS,
    };
}

fn capabilities_baseline_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for (container, context) in pod.security_contexts() {
        let added = context.capabilities.as_ref().and_then(|capabilities| capabilities.add.as_deref());
        for (i, name) in added.unwrap_or_default().iter().enumerate() {
            if !ALLOWED_1_0.contains(&name.as_str()) {
                out.container_item(container, &ADD, i, Value::Text(name));
            }
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::containers(found, out);
    out.push_str(" must not include ");
    words::quoted(words::values(found), out);
    out.push_str(" in securityContext.capabilities.add");
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_what_the_default_set_lacks_and_any_other_spelling() {
        let pod = pod(json!({
            "ephemeralContainers": [{"name": "debug", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}],
            "containers": [{"name": "a", "securityContext": {"capabilities": {"add": ["CHOWN", "cap_chown", "ALL"]}}}],
        }));
        assert_eq!(
            by("capabilities_baseline", "v1.0", &pod),
            r#"non-default capabilities (containers "a", "debug" must not include "ALL", "SYS_PTRACE", "cap_chown" in securityContext.capabilities.add)"#
        );
        assert_eq!(
            paths("capabilities_baseline", "v1.0", &pod),
            [
                "spec.containers[0].securityContext.capabilities.add[1]",
                "spec.containers[0].securityContext.capabilities.add[2]",
                "spec.ephemeralContainers[0].securityContext.capabilities.add[0]",
            ]
        );
    }

    #[test]
    fn allows_the_default_set_whatever_is_dropped() {
        let pod = pod(json!({"containers": [
            {"name": "a", "securityContext": {"capabilities": {"add": super::ALLOWED_1_0, "drop": ["NET_RAW"]}}},
            {"name": "b", "securityContext": {"capabilities": {}}},
        ]}));
        assert_eq!(by("capabilities_baseline", "latest", &pod), "");
    }
}
