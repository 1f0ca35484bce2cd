//! `allowPrivilegeEscalation`: no process may gain more privileges than its parent has.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static ALLOW_PRIVILEGE_ESCALATION: Field = Field {
    path: "spec.containers[*].securityContext.allowPrivilegeEscalation",
    allowed: "false",
    hint: "allowPrivilegeEscalation: false",
    remedy: Remedy::Set("false"),
    example: "true",
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Requires every container to set `securityContext.allowPrivilegeEscalation: false`. Leaving the field out counts
    /// as true. A Windows pod (`spec.os.name: windows`) need not set it from v1.25 on.
    ///
    /// ## Why is this bad
    ///
    /// Without it a process can become more than it started as: a set-user-ID program such as `sudo` or `ping` in the
    /// image makes a non-root user root inside the container. With it the kernel's `no_new_privs` bit is set, which no
    /// later `execve` can undo.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
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
    ///         allowPrivilegeEscalation: false
    /// ```
    pub static CONTROL: Control = Control {
        id: "allowPrivilegeEscalation",
        level: Level::Restricted,
        title: "Processes must not gain privileges",
        fields: &[&ALLOW_PRIVILEGE_ESCALATION],
        revisions: &[
            Revision {
                since: Version::v1(8),
                overrides: &[],
                change: "the field must be false",
                check: allow_privilege_escalation_1_8,
                detail,
            },
            Revision {
                since: Version::v1(25),
                overrides: &[],
                change: "Windows pods are exempt",
                check: allow_privilege_escalation_1_25,
                detail,
            },
        ],
        reason: |_| "allowPrivilegeEscalation != false",
        docs: DOCS,
    };
}

fn allow_privilege_escalation_1_8<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for container in pod.containers() {
        match container.security_context().and_then(|context| context.allow_privilege_escalation) {
            Some(false) => {}
            Some(true) => out.container(container, &ALLOW_PRIVILEGE_ESCALATION, Value::Bool(true)),
            None => out.container(container, &ALLOW_PRIVILEGE_ESCALATION, Value::Missing),
        }
    }
}

fn allow_privilege_escalation_1_25<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.is_windows() {
        allow_privilege_escalation_1_8(pod, out);
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::containers(found, out);
    out.push_str(" must set securityContext.allowPrivilegeEscalation=false");
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_containers_that_leave_it_out_or_set_it_true() {
        let pod = pod(json!({
            "containers": [{"name": "a"}, {"name": "b", "securityContext": {"allowPrivilegeEscalation": true}}],
            "initContainers": [{"name": "c", "securityContext": {"allowPrivilegeEscalation": false}}],
        }));
        assert_eq!(
            by("allowPrivilegeEscalation", "v1.8", &pod),
            r#"allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false)"#
        );
    }

    #[test]
    fn asks_nothing_of_windows_pods_from_1_25_on() {
        let pod = pod(json!({"os": {"name": "windows"}, "containers": [{"name": "a"}]}));
        assert_ne!(by("allowPrivilegeEscalation", "v1.24", &pod), "");
        assert_eq!(by("allowPrivilegeEscalation", "v1.25", &pod), "");
    }
}
