//! `privileged`: a container may not be root on the node.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static PRIVILEGED: Field = Field {
    path: "spec.containers[*].securityContext.privileged",
    allowed: "undefined, false",
    hint: "privileged: false, with the few capabilities that are needed under capabilities.add",
    remedy: Remedy::Set("false"),
    example: "true",
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses containers of every kind that set `securityContext.privileged: true`.
    ///
    /// ## Why is this bad
    ///
    /// A privileged container has every capability and every device of the node, and neither seccomp nor AppArmor nor
    /// masked paths hold it back. Whoever is root in it is root on the node.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         privileged: true
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
    ///         privileged: false
    /// ```
    pub static CONTROL: Control = Control {
        id: "privileged",
        level: Level::Baseline,
        title: "Containers must not be privileged",
        fields: &[&PRIVILEGED],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "privileged containers are refused",
            check: privileged_1_0,
            detail,
        }],
        reason: |_| "privileged",
        docs: DOCS,
    };
}

fn privileged_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for (container, context) in pod.security_contexts() {
        if context.privileged == Some(true) {
            out.container(container, &PRIVILEGED, Value::Bool(true));
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::containers(found, out);
    out.push_str(" must not set securityContext.privileged=true");
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_privileged_containers_of_every_kind() {
        let privileged = |name: &str| json!([{"name": name, "securityContext": {"privileged": true}}]);
        let pod = pod(json!({
            "containers": privileged("a"),
            "initContainers": privileged("b"),
            "ephemeralContainers": privileged("c"),
        }));
        assert_eq!(
            by("privileged", "v1.0", &pod),
            r#"privileged (containers "b", "a", "c" must not set securityContext.privileged=true)"#
        );
    }

    #[test]
    fn allows_containers_that_are_not() {
        let pod = pod(json!({"containers": [
            {"name": "a", "securityContext": {"privileged": false}}, {"name": "b", "securityContext": {}}, {"name": "c"},
        ]}));
        assert_eq!(by("privileged", "latest", &pod), "");
    }
}
