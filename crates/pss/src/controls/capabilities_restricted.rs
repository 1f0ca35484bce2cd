//! `capabilities_restricted`: every capability is dropped, and only NET_BIND_SERVICE may come back.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static DROP: Field = Field {
    path: "spec.containers[*].securityContext.capabilities.drop",
    allowed: "a list with ALL in it",
    hint: "drop: [ALL]",
    remedy: Remedy::Set(r#"["ALL"]"#),
    example: r#"["NET_RAW"]"#,
    inherits: None,
};

static ADD: Field = Field {
    path: "spec.containers[*].securityContext.capabilities.add[*]",
    allowed: "NET_BIND_SERVICE",
    hint: "take this capability out of the list",
    remedy: Remedy::Remove,
    example: r#""CHOWN""#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Requires every container to drop ALL capabilities, and refuses to add any but NET_BIND_SERVICE. Names are
    /// compared as written, so `all` does not count. A Windows pod (`spec.os.name: windows`) has no capabilities and is
    /// exempt from v1.25 on.
    ///
    /// ## Why is this bad
    ///
    /// The capabilities that a runtime leaves by default (DAC_OVERRIDE, SETUID, MKNOD, …) exist to get around checks of
    /// the kernel. Most programs need none of them, and what a process does not have, whoever takes it over does not
    /// have either.
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
    ///           drop: [NET_RAW]
    ///           add: [CHOWN]
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
    ///           drop: [ALL]
    /// ```
    pub static CONTROL: Control = Control {
        id: "capabilities_restricted",
        level: Level::Restricted,
        title: "All capabilities must be dropped",
        fields: &[&DROP, &ADD],
        revisions: &[
            Revision {
                since: Version::v1(22),
                overrides: &["capabilities_baseline"],
                change: "ALL must be dropped, and only NET_BIND_SERVICE may be added",
                check: capabilities_restricted_1_22,
                detail,
            },
            Revision {
                since: Version::v1(25),
                overrides: &["capabilities_baseline"],
                change: "Windows pods are exempt",
                check: capabilities_restricted_1_25,
                detail,
            },
        ],
        reason: |_| "unrestricted capabilities",
        docs: DOCS,
    };
}

fn capabilities_restricted_1_22<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for container in pod.containers() {
        let capabilities = container.security_context().and_then(|context| context.capabilities.as_ref());
        match capabilities.and_then(|capabilities| capabilities.drop.as_deref()) {
            None => out.container(container, &DROP, Value::Missing),
            Some(dropped) if dropped.iter().any(|name| name == "ALL") => {}
            Some(dropped) => out.container(container, &DROP, Value::List(dropped)),
        }
        let added = capabilities.and_then(|capabilities| capabilities.add.as_deref());
        for (i, name) in added.unwrap_or_default().iter().enumerate() {
            if name != "NET_BIND_SERVICE" {
                out.container_item(container, &ADD, i, Value::Text(name));
            }
        }
    }
}

fn capabilities_restricted_1_25<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.is_windows() {
        capabilities_restricted_1_22(pod, out);
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    let not_dropped = found.iter().filter(|finding| finding.is_at(&DROP));
    let added = found.iter().filter(|finding| finding.is_at(&ADD));
    let mut separator = "";
    if not_dropped.clone().next().is_some() {
        words::containers(not_dropped, out);
        out.push_str(r#" must set securityContext.capabilities.drop=["ALL"]"#);
        separator = "; ";
    }
    if added.clone().next().is_some() {
        out.push_str(separator);
        words::containers(added.clone(), out);
        out.push_str(" must not include ");
        words::quoted(words::values(added), out);
        out.push_str(" in securityContext.capabilities.add");
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_what_is_not_dropped_and_what_is_added_in_one_sentence() {
        let pod = pod(json!({"containers": [
            {"name": "a"},
            {"name": "b", "securityContext": {"capabilities": {"drop": ["all"], "add": ["SETUID", "CHOWN"]}}},
            {"name": "c", "securityContext": {"capabilities": {"drop": ["KILL", "ALL"], "add": ["CHOWN"]}}},
        ]}));
        assert_eq!(
            by("capabilities_restricted", "v1.22", &pod),
            r#"unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]; containers "b", "c" must not include "CHOWN", "SETUID" in securityContext.capabilities.add)"#
        );
        assert_eq!(
            paths("capabilities_restricted", "v1.22", &pod),
            [
                "spec.containers[0].securityContext.capabilities.drop",
                "spec.containers[1].securityContext.capabilities.drop",
                "spec.containers[1].securityContext.capabilities.add[0]",
                "spec.containers[1].securityContext.capabilities.add[1]",
                "spec.containers[2].securityContext.capabilities.add[0]",
            ]
        );
    }

    #[test]
    fn lets_net_bind_service_come_back() {
        let capabilities = json!({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]});
        let pod = pod(json!({"containers": [{"name": "a", "securityContext": {"capabilities": capabilities}}]}));
        assert_eq!(by("capabilities_restricted", "latest", &pod), "");
    }

    #[test]
    fn asks_nothing_of_windows_pods_from_1_25_on() {
        let pod = pod(json!({"os": {"name": "windows"}, "containers": [{"name": "a"}]}));
        assert_ne!(by("capabilities_restricted", "v1.24", &pod), "");
        assert_eq!(by("capabilities_restricted", "v1.25", &pod), "");
    }
}
