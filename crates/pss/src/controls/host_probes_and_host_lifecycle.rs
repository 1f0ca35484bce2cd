//! `hostProbesAndHostLifecycle`: probes and lifecycle hooks go to the pod itself.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};
use k8s_openapi::api::core::v1::{HTTPGetAction, TCPSocketAction};

const fn host(path: &'static str) -> Field {
    Field {
        path,
        allowed: "undefined, or an empty string",
        hint: "leave host out; the pod's own address is meant then",
        remedy: Remedy::Remove,
        example: r#""169.254.169.254""#,
        inherits: None,
    }
}

static LIVENESS_HTTP: Field = host("spec.containers[*].livenessProbe.httpGet.host");
static LIVENESS_TCP: Field = host("spec.containers[*].livenessProbe.tcpSocket.host");
static READINESS_HTTP: Field = host("spec.containers[*].readinessProbe.httpGet.host");
static READINESS_TCP: Field = host("spec.containers[*].readinessProbe.tcpSocket.host");
static STARTUP_HTTP: Field = host("spec.containers[*].startupProbe.httpGet.host");
static STARTUP_TCP: Field = host("spec.containers[*].startupProbe.tcpSocket.host");
static POST_START_HTTP: Field = host("spec.containers[*].lifecycle.postStart.httpGet.host");
static POST_START_TCP: Field = host("spec.containers[*].lifecycle.postStart.tcpSocket.host");
static PRE_STOP_HTTP: Field = host("spec.containers[*].lifecycle.preStop.httpGet.host");
static PRE_STOP_TCP: Field = host("spec.containers[*].lifecycle.preStop.tcpSocket.host");

documented! {
    /// ## What it does
    ///
    /// Refuses a `host` in the HTTP and TCP probes and lifecycle hooks of a container, from v1.34 on.
    ///
    /// ## Why is this bad
    ///
    /// The kubelet makes these requests, from the node. Whoever may write a pod could have it call what only nodes
    /// reach, such as the metadata service of a cloud, or services on localhost.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       livenessProbe:
    ///         httpGet:
    ///           host: 127.0.0.1
    ///           port: 8080
    /// ```
    ///
    /// ## Use instead
    ///
    /// A `Host` header, if the server needs one, goes into `httpHeaders`.
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       livenessProbe:
    ///         httpGet:
    ///           port: 8080
    /// ```
    pub static CONTROL: Control = Control {
        id: "hostProbesAndHostLifecycle",
        level: Level::Baseline,
        title: "Probes and lifecycle hooks must not name another host",
        fields: &[
            &LIVENESS_HTTP,
            &LIVENESS_TCP,
            &READINESS_HTTP,
            &READINESS_TCP,
            &STARTUP_HTTP,
            &STARTUP_TCP,
            &POST_START_HTTP,
            &POST_START_TCP,
            &PRE_STOP_HTTP,
            &PRE_STOP_TCP,
        ],
        revisions: &[Revision {
            since: Version::v1(34),
            overrides: &[],
            change: "a host is refused",
            check: host_probes_and_host_lifecycle_1_34,
            detail,
        }],
        reason: |_| "probe or lifecycle host",
        docs: DOCS,
    };
}

fn host_probes_and_host_lifecycle_1_34<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for container in pod.containers() {
        let mut handler =
            |fields: [&'static Field; 2], http: &'p Option<HTTPGetAction>, tcp: &'p Option<TCPSocketAction>| {
                let http = http.as_ref().and_then(|action| action.host.as_deref());
                let tcp = tcp.as_ref().and_then(|action| action.host.as_deref());
                for (field, host) in fields.into_iter().zip([http, tcp]) {
                    if let Some(host) = host
                        && !host.is_empty()
                    {
                        out.container(container, field, Value::Text(host));
                    }
                }
            };
        if let Some(probe) = container.liveness_probe() {
            handler([&LIVENESS_HTTP, &LIVENESS_TCP], &probe.http_get, &probe.tcp_socket);
        }
        if let Some(probe) = container.readiness_probe() {
            handler([&READINESS_HTTP, &READINESS_TCP], &probe.http_get, &probe.tcp_socket);
        }
        if let Some(probe) = container.startup_probe() {
            handler([&STARTUP_HTTP, &STARTUP_TCP], &probe.http_get, &probe.tcp_socket);
        }
        if let Some(lifecycle) = container.lifecycle() {
            if let Some(hook) = &lifecycle.post_start {
                handler([&POST_START_HTTP, &POST_START_TCP], &hook.http_get, &hook.tcp_socket);
            }
            if let Some(hook) = &lifecycle.pre_stop {
                handler([&PRE_STOP_HTTP, &PRE_STOP_TCP], &hook.http_get, &hook.tcp_socket);
            }
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    // Unlike the other controls, upstream keeps the names of the containers as a sorted set here.
    let containers = words::set(found.iter().filter_map(|finding| Some(finding.container()?.name())));
    let hosts = words::values(found);
    out.push_str(words::plural("container ", "containers ", containers.len()));
    words::quoted(&containers, out);
    out.push_str(words::plural(" uses ", " use ", containers.len()));
    out.push_str(words::plural("probe or lifecycle host ", "probe or lifecycle hosts ", hosts.len()));
    words::quoted(&hosts, out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_hosts_and_sorts_the_names_of_the_containers() {
        let pod = pod(json!({"containers": [
            {"name": "b", "livenessProbe": {"httpGet": {"host": "x", "port": 1}}},
            {"name": "a", "lifecycle": {"preStop": {"tcpSocket": {"host": "x", "port": 1}}}},
        ]}));
        assert_eq!(
            by("hostProbesAndHostLifecycle", "v1.34", &pod),
            r#"probe or lifecycle host (containers "a", "b" use probe or lifecycle host "x")"#
        );
        assert_eq!(
            paths("hostProbesAndHostLifecycle", "v1.34", &pod),
            ["spec.containers[0].livenessProbe.httpGet.host", "spec.containers[1].lifecycle.preStop.tcpSocket.host"]
        );
        assert_eq!(by("hostProbesAndHostLifecycle", "v1.33", &pod), "");
    }

    #[test]
    fn allows_requests_to_the_pod_itself() {
        let pod = pod(json!({"containers": [
            {"name": "a", "startupProbe": {"httpGet": {"host": "", "port": 1}}, "readinessProbe": {"grpc": {"port": 1}}},
        ]}));
        assert_eq!(by("hostProbesAndHostLifecycle", "latest", &pod), "");
    }
}
