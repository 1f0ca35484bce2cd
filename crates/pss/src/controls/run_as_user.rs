//! `runAsUser`: nobody asks to be user 0.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

const HINT: &str = "runAsUser: 1000 (any user but 0 that the image can run as), or leave it to the image's USER";

static POD: Field = Field {
    path: "spec.securityContext.runAsUser",
    allowed: "undefined, any number but 0",
    hint: HINT,
    remedy: Remedy::Set("1000"),
    example: "0",
    inherits: None,
};

static CONTAINER: Field = Field {
    path: "spec.containers[*].securityContext.runAsUser",
    allowed: "undefined, any number but 0",
    hint: HINT,
    remedy: Remedy::Set("1000"),
    example: "0",
    inherits: Some(&POD),
};

documented! {
    /// ## What it does
    ///
    /// Refuses `runAsUser: 0`, for the pod and in each container, from v1.23 on. From v1.35 on, a pod in a user
    /// namespace of its own (`hostUsers: false`) is exempt.
    ///
    /// ## Why is this bad
    ///
    /// User 0 is root, in the container and, without a user namespace, on the node. Together with `runAsNonRoot: true`
    /// such a container would not even start.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     runAsUser: 0
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
    ///     runAsUser: 1000
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "runAsUser",
        level: Level::Restricted,
        title: "User 0 must not be asked for",
        fields: &[&POD, &CONTAINER],
        revisions: &[
            Revision {
                since: Version::v1(23),
                overrides: &[],
                change: "user 0 is refused",
                check: run_as_user_1_23,
                detail,
            },
            Revision {
                since: Version::v1(35),
                overrides: &[],
                change: "pods with hostUsers: false are exempt",
                check: run_as_user_1_35,
                detail,
            },
        ],
        reason: |_| "runAsUser=0",
        docs: DOCS,
    };
}

fn run_as_user_1_23<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if pod.security_context().and_then(|context| context.run_as_user) == Some(0) {
        out.pod(&POD, Value::Int(0));
    }
    for (container, context) in pod.security_contexts() {
        if context.run_as_user == Some(0) {
            out.container(container, &CONTAINER, Value::Int(0));
        }
    }
}

fn run_as_user_1_35<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.has_user_namespace() {
        run_as_user_1_23(pod, out);
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::setters(found, out);
    out.push_str(" must not set runAsUser=0");
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_user_0_of_pod_and_containers() {
        let pod = pod(json!({
            "securityContext": {"runAsUser": 0},
            "containers": [
                {"name": "a", "securityContext": {"runAsUser": 0}},
                {"name": "b", "securityContext": {"runAsUser": -1}},
            ],
        }));
        assert_eq!(by("runAsUser", "v1.23", &pod), r#"runAsUser=0 (pod and container "a" must not set runAsUser=0)"#);
        assert_eq!(by("runAsUser", "v1.22", &pod), "");
    }

    #[test]
    fn allows_user_0_in_a_user_namespace_from_1_35_on() {
        let pod = pod(json!({"hostUsers": false, "securityContext": {"runAsUser": 0}, "containers": []}));
        assert_eq!(by("runAsUser", "v1.34", &pod), "runAsUser=0 (pod must not set runAsUser=0)");
        assert_eq!(by("runAsUser", "v1.35", &pod), "");
    }
}
