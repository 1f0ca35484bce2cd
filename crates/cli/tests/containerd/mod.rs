//! A containerd of the test's own, with an image of busybox, and pods made through its CRI as a kubelet makes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringfence_cri::{ContainerMetadata, CriError, ImageSpec, PodSandboxMetadata, Runtime};
use serde_json::json;

pub mod message;
use message::{
    ContainerConfig, CreateContainerRequest, CreateContainerResponse, Empty, LinuxPodSandboxConfig,
    LinuxSandboxSecurityContext, NamespaceOption, PodSandboxConfig, RunPodSandboxRequest, RunPodSandboxResponse,
    SandboxRequest, StartContainerRequest,
};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_mins(2);

pub const IMAGE: &str = "localhost/tiny:1";

/// A containerd that is ended, with its pods, when it is dropped.
pub struct Containerd {
    directory: tempfile::TempDir,
    process: Child,
    pods: Vec<String>,
    cgroup: String,
}

impl Containerd {
    /// Starts it; none, and a word, where that cannot be done here.
    pub fn start() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
        let is_root = u64::from_str_radix(effective, 16).unwrap() & (1 << 21) != 0;
        let has = |tool: &str| std::env::var("PATH").unwrap().split(':').any(|dir| Path::new(dir).join(tool).is_file());
        if !is_root || !["containerd", "ctr", "runc", "busybox", "tar"].iter().all(|tool| has(tool)) {
            println!("skipped: needs root, containerd, runc, busybox and tar");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let config = format!(
            r#"version = 2
root = "{}"
state = "{}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{}"
[ttrpc]
  address = "{}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{}"
"#,
            at("root"),
            at("state"),
            at("socket"),
            at("ttrpc"),
            at("cni"),
        );
        fs::write(at("config.toml"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let process = Command::new("containerd")
            .args(["--config", &at("config.toml")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let cgroup = format!("/ringfence-test-{}", std::process::id());
        let containerd = Self { directory, process, pods: Vec::new(), cgroup };
        containerd.wait(|| containerd.runtime().status(false).map(drop).map_err(|error| error.to_string()));
        containerd.import();
        Some(containerd)
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn runtime(&self) -> Runtime {
        Runtime::at(&self.socket()).unwrap().with_deadline(PATIENCE)
    }

    fn wait(&self, mut done: impl FnMut() -> Result<(), String>) {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = done() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{error}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Imports an image of busybox that sleeps.
    fn import(&self) {
        let tree = self.path("tree");
        for name in ["bin", "etc"] {
            fs::create_dir_all(tree.join(name)).unwrap();
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file()).unwrap();
        fs::copy(busybox, tree.join("bin/busybox")).unwrap();
        fs::write(tree.join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n").unwrap();
        fs::write(tree.join("etc/group"), "root:x:0:\napp:x:1000:\naudio:x:29:app\n").unwrap();
        let layer = Self::tar(&tree, &["--owner=0", "--group=0"]);
        let layout = self.path("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        let blob = |bytes: &[u8], media_type: &str| {
            let digest = sha256(bytes);
            fs::write(layout.join("blobs/sha256").join(&digest), bytes).unwrap();
            json!({"digest": format!("sha256:{digest}"), "size": bytes.len(), "mediaType": media_type})
        };
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({"os": "linux", "architecture": architecture,
            "config": {"User": "app", "Entrypoint": ["/bin/busybox", "sleep", "100000"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]}});
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let config = blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let layer = blob(&layer, "application/vnd.oci.image.layer.v1.tar");
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]});
        let mut manifest = blob(manifest.to_string().as_bytes(), media_type);
        manifest["annotations"] = json!({"io.containerd.image.name": IMAGE});
        fs::write(layout.join("index.json"), json!({"schemaVersion": 2, "manifests": [manifest]}).to_string()).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(self.path("image.tar"), Self::tar(&layout, &[])).unwrap();
        let imported = Command::new("ctr")
            .args(["--address", self.socket().to_str().unwrap(), "--namespace", "k8s.io", "images", "import"])
            .args(["--snapshotter", "native", self.path("image.tar").to_str().unwrap()])
            .output()
            .unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    }

    fn tar(tree: &Path, more: &[&str]) -> Vec<u8> {
        let tar = Command::new("tar").args(more).arg("-C").arg(tree).args(["-cf", "-", "."]).output().unwrap();
        assert!(tar.status.success());
        tar.stdout
    }

    /// A pod on the node's network, so that no plugin is needed for it.
    pub fn pod(&mut self, namespace: &str, name: &str) -> (String, PodSandboxConfig) {
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: format!("uid-{name}"),
                namespace: namespace.to_owned(),
            }),
            labels: labels(namespace, name),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup.clone(),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(NamespaceOption::of_pod()),
                }),
            }),
            ..PodSandboxConfig::default()
        };
        let request = RunPodSandboxRequest { config: Some(config.clone()) };
        let mut id = None;
        // The CRI plugin learns of the image a moment after it was imported.
        self.wait(|| {
            let made: Result<RunPodSandboxResponse, CriError> = self.runtime().call("RunPodSandbox", &request);
            id = Some(made.map_err(|error| error.to_string())?.pod_sandbox_id);
            Ok(())
        });
        let id = id.unwrap();
        self.pods.push(id.clone());
        (id, config)
    }

    /// Starts a container of a pod; gives its ID.
    pub fn container(&self, pod: &(String, PodSandboxConfig), name: &str, config: ContainerConfig) -> String {
        let metadata = pod.1.metadata.clone().unwrap();
        let mut all = labels(&metadata.namespace, &metadata.name);
        all.insert("io.kubernetes.container.name".to_owned(), name.to_owned());
        let config = ContainerConfig {
            metadata: Some(ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            image: Some(ImageSpec { image: IMAGE.to_owned() }),
            labels: all,
            ..config
        };
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.0.clone(),
            config: Some(config),
            sandbox_config: Some(pod.1.clone()),
        };
        let made: CreateContainerResponse = self.runtime().call("CreateContainer", &request).unwrap();
        let request = StartContainerRequest { container_id: made.container_id.clone() };
        let Empty {} = self.runtime().call("StartContainer", &request).unwrap();
        made.container_id
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for pod in &self.pods {
            let request = SandboxRequest { pod_sandbox_id: pod.clone() };
            for call in ["StopPodSandbox", "RemovePodSandbox"] {
                let ended: Result<Empty, CriError> = self.runtime().call(call, &request);
                if let Err(error) = ended {
                    println!("{call}: {error}");
                }
            }
        }
        // Gently: it unmounts what it has mounted.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let end = Instant::now() + Duration::from_secs(20);
        while !matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
            if Instant::now() > end {
                drop(self.process.kill());
                drop(self.process.wait());
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
            drop(fs::remove_dir(hierarchy.join(self.cgroup.trim_start_matches('/'))));
        }
    }
}

fn labels(namespace: &str, pod: &str) -> HashMap<String, String> {
    let label = |name: &str, value: &str| (format!("io.kubernetes.pod.{name}"), value.to_owned());
    [label("namespace", namespace), label("name", pod), label("uid", &format!("uid-{pod}"))].into()
}

/// By coreutils, which every Debian has.
fn sha256(bytes: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}
