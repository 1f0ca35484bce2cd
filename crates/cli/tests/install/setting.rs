//! An API server that asks replicas which run beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_testing::{Answer, ApiServer, Flavour, Settings, Who};
use serde_json::{Value, json};

use crate::balancer::Balancer;
use crate::common::{Ran, ringfence};
use crate::replica::Replica;

/// Where the webhook configurations are.
pub const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ringfence";
pub const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/ringfence";
pub const SECRET: &str = "/api/v1/namespaces/ringfence-system/secrets/ringfence-tls";

/// The user whom the API server's own Pod Security leaves alone, so that what is refused is refused by the webhook.
pub const GROUPS: [&str; 1] = ["system:masters"];

/// An API server with an address for replicas.
pub struct Setting {
    pub server: ApiServer,
    pub balancer: Balancer,
}

impl Setting {
    /// `None`, which is then said, where there are no API servers.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with the configuration of more admission plugins.
    pub fn start_with(more: &[Value]) -> Option<Self> {
        let pod_security = json!({"name": "PodSecurity", "configuration": {
            "apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
            "exemptions": {"usernames": ["admin", "mallory"]}}});
        let plugins = [&[pod_security], more].concat();
        let admission = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
            "plugins": plugins});
        let server = ApiServer::start_with(Flavour::Kubernetes, &Settings { admission: Some(admission) })?;
        Some(Self { server, balancer: Balancer::start() })
    }

    /// The same with webhooks installed and a replica that answers.
    pub fn installed(args: &[&str], serve: &[&str]) -> Option<(Self, Replica)> {
        let setting = Self::start()?;
        let installing = setting.install(args);
        let replica = setting.replica(serve);
        let ran = installing.join().unwrap();
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let replica = replica.ready();
        Some((setting, replica))
    }

    /// Begins to install.
    pub fn install(&self, args: &[&str]) -> thread::JoinHandle<Ran> {
        let mut all: Vec<String> =
            ["install", "--timeout", "120", "--url", &self.balancer.url(), "--kubeconfig"].map(str::to_owned).to_vec();
        all.push(self.kubeconfig().to_str().unwrap().to_owned());
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        thread::spawn(move || ringfence(all, ""))
    }

    /// A replica with the rights of the service account that is installed, to which the address leads.
    pub fn replica(&self, more: &[&str]) -> Replica {
        let args = [&["--certificate-name", "127.0.0.1", "--webhook-configuration", "ringfence"], more].concat();
        let replica = self.serve(&args);
        self.balancer.add(replica.address);
        replica
    }

    /// A server with the rights of the service account that is installed.
    pub fn serve(&self, args: &[&str]) -> Replica {
        for path in ["/api/v1/namespaces/ringfence-system/serviceaccounts/ringfence", SECRET] {
            self.server.until(|admin| admin.get(path), |answer| answer.code == 200);
        }
        let token = self.server.token("ringfence-system", "ringfence", false);
        let kubeconfig = self.server.kubeconfig_of("replica", Who::Token(&token));
        Replica::start(self.server.folder(), &kubeconfig, args)
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig()
    }

    /// A namespace of that level, with the service account that pods want.
    pub fn namespace(&self, name: &str, labels: &Value) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}});
        self.server.create_all(&[namespace, account]);
    }

    /// The same, once a webhook answers that was not waited for.
    pub fn namespace_when_answered(&self, name: &str, labels: &Value) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("{name}-try")}});
        let path = "/api/v1/namespaces?dryRun=All";
        self.server.until(|admin| admin.post(path, &namespace), |answer| answer.code == 201);
        self.namespace(name, labels);
    }

    /// Tries to create a pod, again and again, until the answer is as it soon should be.
    pub fn until_pod(&self, namespace: &str, pod: &Value, good: impl Fn(&Answer) -> bool) {
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        self.server.until(|admin| admin.post(&path, pod), good);
    }
}

/// A pod that every level admits, or one that none but privileged does.
pub fn pod(name: &str, is_good: bool) -> Value {
    let good = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"hostPID": !is_good,
        "containers": [{"name": "c", "image": "i", "securityContext": good}]}})
}

pub fn refused_by_us(answer: &Answer) -> bool {
    let by = r#"admission webhook "pod-security.ringfence.github.io" denied the request: "#;
    answer.code == 403
        && answer.body["message"]
            .as_str()
            .is_some_and(|message| message.contains(by) && message.contains("violates PodSecurity"))
}

/// What kubectl of the assets says, on both of its outputs.
pub fn kubectl(kubeconfig: &Path, args: &[&str], stdin: &str) -> (bool, String) {
    use std::io::Write as _;
    let program = Path::new(&std::env::var_os("KUBEBUILDER_ASSETS").unwrap()).join("kubectl");
    let mut child = Command::new(program)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stderr, output.stdout].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// Waits for something that soon should be so.
pub fn until(what: &str, good: impl Fn() -> bool) {
    let begun = Instant::now();
    while !good() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
