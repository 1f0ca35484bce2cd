//! `windowsHostProcess`: a container may not be a process of a Windows node.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};
use k8s_openapi::api::core::v1::WindowsSecurityContextOptions;

static POD: Field = Field {
    path: "spec.securityContext.windowsOptions.hostProcess",
    allowed: "undefined, false",
    hint: "hostProcess: false",
    remedy: Remedy::Set("false"),
    example: "true",
    inherits: None,
};

static CONTAINER: Field = Field {
    path: "spec.containers[*].securityContext.windowsOptions.hostProcess",
    allowed: "undefined, false",
    hint: "hostProcess: false",
    remedy: Remedy::Set("false"),
    example: "true",
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses `windowsOptions.hostProcess: true`, for the pod and in each container.
    ///
    /// ## Why is this bad
    ///
    /// A HostProcess container is a process of the Windows node, with its network, its files and, as a rule, its
    /// administrator's rights: what a privileged container is on Linux.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   hostNetwork: true
    ///   securityContext:
    ///     windowsOptions:
    ///       hostProcess: true
    ///       runAsUserName: NT AUTHORITY\SYSTEM
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
    ///     windowsOptions:
    ///       runAsUserName: ContainerUser
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    /// ```
    pub static CONTROL: Control = Control {
        id: "windowsHostProcess",
        level: Level::Baseline,
        title: "Containers must not be processes of a Windows node",
        fields: &[&POD, &CONTAINER],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "HostProcess containers are refused",
            check: windows_host_process_1_0,
            detail,
        }],
        reason: |_| "hostProcess",
        docs: DOCS,
    };
}

fn windows_host_process_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    let is_host_process =
        |options: &Option<WindowsSecurityContextOptions>| options.as_ref().and_then(|o| o.host_process) == Some(true);
    if pod.security_context().is_some_and(|context| is_host_process(&context.windows_options)) {
        out.pod(&POD, Value::Bool(true));
    }
    for (container, context) in pod.security_contexts() {
        if is_host_process(&context.windows_options) {
            out.container(container, &CONTAINER, Value::Bool(true));
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::setters(found, out);
    out.push_str(" must not set securityContext.windowsOptions.hostProcess=true");
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_host_processes_of_pod_and_containers() {
        let context = json!({"windowsOptions": {"hostProcess": true}});
        let pod = pod(json!({
            "securityContext": context,
            "containers": [{"name": "a", "securityContext": context}, {"name": "b", "securityContext": context}],
        }));
        assert_eq!(
            by("windowsHostProcess", "v1.0", &pod),
            r#"hostProcess (pod and containers "a", "b" must not set securityContext.windowsOptions.hostProcess=true)"#
        );
    }

    #[test]
    fn allows_windows_containers() {
        let context = json!({"windowsOptions": {"hostProcess": false, "runAsUserName": "x"}});
        let pod = pod(json!({"os": {"name": "windows"}, "securityContext": context, "containers": [{"name": "a"}]}));
        assert_eq!(by("windowsHostProcess", "latest", &pod), "");
    }
}
