//! `hostNamespaces`: a pod may not share the network, processes or IPC of the node.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

const fn namespace(path: &'static str, hint: &'static str) -> Field {
    Field { path, allowed: "undefined, false", hint, remedy: Remedy::Set("false"), example: "true", inherits: None }
}

static HOST_NETWORK: Field = namespace("spec.hostNetwork", "hostNetwork: false");
static HOST_PID: Field = namespace("spec.hostPID", "hostPID: false");
static HOST_IPC: Field = namespace("spec.hostIPC", "hostIPC: false");

documented! {
    /// ## What it does
    ///
    /// Refuses pods that share the node's network, PID or IPC namespace.
    ///
    /// ## Why is this bad
    ///
    /// On the node's network a pod sees the node's traffic and reaches what listens on localhost, past every network
    /// policy. Among the node's processes it can read their environments and signal them. With the node's IPC it can
    /// read shared memory of other processes.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   hostNetwork: true
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    ///
    /// ## Use instead
    ///
    /// A Service, an Ingress or a `NodePort` to be reached from outside; `shareProcessNamespace` for containers of one
    /// pod that need to see each other's processes.
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "hostNamespaces",
        level: Level::Baseline,
        title: "The node's namespaces must not be shared",
        fields: &[&HOST_NETWORK, &HOST_PID, &HOST_IPC],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "the node's namespaces are refused",
            check: host_namespaces_1_0,
            detail,
        }],
        reason: |_| "host namespaces",
        docs: DOCS,
    };
}

fn host_namespaces_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    let spec = pod.spec;
    for (field, value) in [(&HOST_NETWORK, spec.host_network), (&HOST_PID, spec.host_pid), (&HOST_IPC, spec.host_ipc)] {
        if value == Some(true) {
            out.pod(field, Value::Bool(true));
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::listed(found.iter().map(|finding| format!("{}=true", finding.field().name())), out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_each_namespace_of_the_node_and_names_them_in_the_order_of_the_messages() {
        let pod = pod(json!({"hostIPC": true, "hostPID": true, "hostNetwork": true, "containers": []}));
        assert_eq!(
            by("hostNamespaces", "v1.0", &pod),
            "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"
        );
        assert_eq!(paths("hostNamespaces", "v1.0", &pod), ["spec.hostNetwork", "spec.hostPID", "spec.hostIPC"]);
    }

    #[test]
    fn allows_namespaces_of_the_pods_own() {
        let pod = pod(json!({"hostIPC": false, "hostNetwork": false, "shareProcessNamespace": true, "containers": []}));
        assert_eq!(by("hostNamespaces", "latest", &pod), "");
    }
}
