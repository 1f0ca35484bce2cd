//! `procMount`: the sensitive parts of /proc stay masked.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

pub(super) static PROC_MOUNT: Field = Field {
    path: "spec.containers[*].securityContext.procMount",
    allowed: "undefined, Default",
    hint: "procMount: Default",
    remedy: Remedy::Set(r#""Default""#),
    example: r#""Unmasked""#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses a `procMount` other than `Default`. From v1.35 on, a pod in a user namespace of its own
    /// (`hostUsers: false`) may choose at this level; see `procMount_restricted` for the restricted one.
    ///
    /// ## Why is this bad
    ///
    /// Runtimes hide parts of /proc (kcore, keys, timer_list, …) and make others (sys, sysrq-trigger, …) read-only.
    /// `Unmasked` gives them to the container, and what is written there is often the node's.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: builder
    ///       image: registry.example/builder:1
    ///       securityContext:
    ///         procMount: Unmasked
    /// ```
    ///
    /// ## Use instead
    ///
    /// Containers within the container, which is what `Unmasked` is for, do well in a user namespace.
    ///
    /// ```yaml
    /// spec:
    ///   hostUsers: false
    ///   containers:
    ///     - name: builder
    ///       image: registry.example/builder:1
    ///       securityContext:
    ///         procMount: Unmasked
    /// ```
    pub static CONTROL: Control = Control {
        id: "procMount",
        level: Level::Baseline,
        title: "/proc must stay masked",
        fields: &[&PROC_MOUNT],
        revisions: &[
            Revision {
                since: Version::v1(0),
                overrides: &[],
                change: "values other than Default are refused",
                check: proc_mount_1_0,
                detail,
            },
            Revision {
                since: Version::v1(35),
                overrides: &[],
                change: "pods with hostUsers: false are exempt",
                check: proc_mount_1_35,
                detail,
            },
        ],
        reason: |_| "procMount",
        docs: DOCS,
    };
}

pub(super) fn proc_mount_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for (container, context) in pod.security_contexts() {
        if let Some(value) = &context.proc_mount
            && value != "Default"
        {
            out.container(container, &PROC_MOUNT, Value::Text(value));
        }
    }
}

fn proc_mount_1_35<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.has_user_namespace() {
        proc_mount_1_0(pod, out);
    }
}

pub(super) fn detail(found: &[Finding<'_>], out: &mut String) {
    words::containers(found, out);
    out.push_str(" must not set securityContext.procMount to ");
    words::quoted(words::values(found), out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_every_value_but_default_even_an_empty_one() {
        let with = |value: &str| json!({"name": "a", "securityContext": {"procMount": value}});
        let pod = pod(json!({"containers": [with("Unmasked"), with(""), with("Default")]}));
        assert_eq!(
            by("procMount", "v1.0", &pod),
            r#"procMount (containers "a", "a" must not set securityContext.procMount to "", "Unmasked")"#
        );
    }

    #[test]
    fn lets_pods_in_a_user_namespace_choose_from_1_35_on() {
        let containers = json!([{"name": "a", "securityContext": {"procMount": "Unmasked"}}]);
        let inside = pod(json!({"hostUsers": false, "containers": containers}));
        assert_ne!(by("procMount", "v1.34", &inside), "");
        assert_eq!(by("procMount", "v1.35", &inside), "");
        assert_ne!(by("procMount", "v1.35", &pod(json!({"hostUsers": true, "containers": containers}))), "");
    }
}
