//! `hostPorts`: a container may not claim a port of the node.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static HOST_PORT: Field = Field {
    path: "spec.containers[*].ports[*].hostPort",
    allowed: "undefined, 0",
    hint: "leave hostPort out; a Service reaches containerPort",
    remedy: Remedy::Remove,
    example: "8080",
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses containers of every kind that set `hostPort` on one of their ports.
    ///
    /// ## Why is this bad
    ///
    /// A port of the node is reached from wherever the node is reached, past Services and most network policies. It
    /// also ties the pod to a node where that port is free, and takes it from everyone else.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       ports:
    ///         - containerPort: 8080
    ///           hostPort: 80
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       ports:
    ///         - containerPort: 8080
    /// ```
    pub static CONTROL: Control = Control {
        id: "hostPorts",
        level: Level::Baseline,
        title: "Ports of the node must not be claimed",
        fields: &[&HOST_PORT],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "ports of the node are refused",
            check: host_ports_1_0,
            detail,
        }],
        reason: |_| "hostPort",
        docs: DOCS,
    };
}

fn host_ports_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for container in pod.containers() {
        for (i, port) in container.ports().iter().enumerate() {
            if let Some(host_port) = port.host_port
                && host_port != 0
            {
                out.container_item(container, &HOST_PORT, i, Value::Int(host_port.into()));
            }
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    let containers = words::containers(found, out);
    // Upstream sorts the ports as strings.
    let ports = words::set(found.iter().map(|finding| finding.value().to_string()));
    out.push_str(words::plural(" uses ", " use ", containers));
    out.push_str(words::plural("hostPort ", "hostPorts ", ports.len()));
    words::listed(ports, out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_a_port_of_the_node_in_an_init_container() {
        let ports = json!([{"containerPort": 1}, {"containerPort": 2, "hostPort": 2}]);
        let pod = pod(json!({"initContainers": [{"name": "init", "ports": ports}], "containers": []}));
        assert_eq!(by("hostPorts", "v1.0", &pod), r#"hostPort (container "init" uses hostPort 2)"#);
        assert_eq!(paths("hostPorts", "v1.0", &pod), ["spec.initContainers[0].ports[1].hostPort"]);
    }

    #[test]
    fn lists_ports_once_and_sorted_as_strings() {
        let ports =
            |ports: &[i32]| ports.iter().map(|p| json!({"containerPort": 1, "hostPort": p})).collect::<Vec<_>>();
        let pod = pod(json!({"containers": [
            {"name": "b", "ports": ports(&[443, 31000])},
            {"name": "a", "ports": ports(&[443, -1])},
        ]}));
        assert_eq!(by("hostPorts", "latest", &pod), r#"hostPort (containers "b", "a" use hostPorts -1, 31000, 443)"#);
    }

    #[test]
    fn allows_port_zero() {
        let pod = pod(json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 0}]}]}));
        assert_eq!(by("hostPorts", "latest", &pod), "");
    }
}
