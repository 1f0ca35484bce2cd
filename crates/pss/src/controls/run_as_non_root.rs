//! `runAsNonRoot`: the kubelet starts nothing as root.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static POD: Field = Field {
    path: "spec.securityContext.runAsNonRoot",
    allowed: "true, or undefined where every container sets it",
    hint: "runAsNonRoot: true",
    remedy: Remedy::Set("true"),
    example: "false",
    inherits: None,
};

static CONTAINER: Field = Field {
    path: "spec.containers[*].securityContext.runAsNonRoot",
    allowed: "true, or undefined where the pod sets it",
    hint: "runAsNonRoot: true",
    remedy: Remedy::Set("true"),
    example: "false",
    inherits: Some(&POD),
};

documented! {
    /// ## What it does
    ///
    /// Requires `runAsNonRoot: true`, set for the pod or in each container. A container may not take back what the pod
    /// sets. From v1.35 on, a pod in a user namespace of its own (`hostUsers: false`) is exempt.
    ///
    /// ## Why is this bad
    ///
    /// Root in a container is root on the node, held back by the container's walls alone. With this field the kubelet
    /// refuses to start an image that would run as root.
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
    /// The image's `USER` has to be a number for the kubelet to be sure; otherwise set `runAsUser` too.
    ///
    /// ```yaml
    /// spec:
    ///   securityContext:
    ///     runAsNonRoot: true
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "runAsNonRoot",
        level: Level::Restricted,
        title: "Containers must not run as root",
        fields: &[&POD, &CONTAINER],
        revisions: &[
            Revision {
                since: Version::v1(0),
                overrides: &[],
                change: "the field must be true for every container",
                check: run_as_non_root_1_0,
                detail,
            },
            Revision {
                since: Version::v1(35),
                overrides: &[],
                change: "pods with hostUsers: false are exempt",
                check: run_as_non_root_1_35,
                detail,
            },
        ],
        reason: |_| "runAsNonRoot != true",
        docs: DOCS,
    };
}

fn run_as_non_root_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    let by_pod = pod.security_context().and_then(|context| context.run_as_non_root);
    if by_pod == Some(false) {
        out.pod(&POD, Value::Bool(false));
    }
    for container in pod.containers() {
        match container.security_context().and_then(|context| context.run_as_non_root) {
            Some(true) => {}
            Some(false) => out.container(container, &CONTAINER, Value::Bool(false)),
            // What the pod sets counts, and is what has to change if it is false.
            None if by_pod.is_some() => {}
            None => out.container(container, &CONTAINER, Value::Missing),
        }
    }
}

fn run_as_non_root_1_35<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if !pod.has_user_namespace() {
        run_as_non_root_1_0(pod, out);
    }
}

/// Upstream tells who lacks the field only once nobody sets it to false.
fn detail(found: &[Finding<'_>], out: &mut String) {
    let set = found.iter().filter(|finding| finding.value() != Value::Missing);
    if set.clone().next().is_none() {
        out.push_str("pod or ");
        words::containers(found, out);
        out.push_str(" must set securityContext.runAsNonRoot=true");
    } else {
        words::setters(set, out);
        out.push_str(" must not set securityContext.runAsNonRoot=false");
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_containers_that_neither_set_nor_inherit_it() {
        let pod = pod(json!({"containers": [
            {"name": "a"}, {"name": "b", "securityContext": {}}, {"name": "c", "securityContext": {"runAsNonRoot": true}},
        ]}));
        assert_eq!(
            by("runAsNonRoot", "v1.0", &pod),
            r#"runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true)"#
        );
    }

    #[test]
    fn tells_first_who_sets_it_false() {
        let pod = pod(json!({
            "securityContext": {"runAsNonRoot": false},
            "containers": [{"name": "a"}, {"name": "b", "securityContext": {"runAsNonRoot": false}}],
        }));
        assert_eq!(
            by("runAsNonRoot", "v1.0", &pod),
            r#"runAsNonRoot != true (pod and container "b" must not set securityContext.runAsNonRoot=false)"#
        );
        assert_eq!(
            paths("runAsNonRoot", "v1.0", &pod),
            ["spec.securityContext.runAsNonRoot", "spec.containers[1].securityContext.runAsNonRoot"]
        );
    }

    #[test]
    fn a_container_inherits_from_the_pod_but_may_not_take_it_back() {
        let with = |containers| pod(json!({"securityContext": {"runAsNonRoot": true}, "containers": containers}));
        assert_eq!(by("runAsNonRoot", "latest", &with(json!([{"name": "a"}]))), "");
        let back = json!([{"name": "a", "securityContext": {"runAsNonRoot": false}}]);
        assert_ne!(by("runAsNonRoot", "latest", &with(back)), "");
    }

    #[test]
    fn asks_nothing_of_pods_in_a_user_namespace_from_1_35_on() {
        let pod = pod(json!({"hostUsers": false, "containers": [{"name": "a"}]}));
        assert_ne!(by("runAsNonRoot", "v1.34", &pod), "");
        assert_eq!(by("runAsNonRoot", "v1.35", &pod), "");
    }
}
