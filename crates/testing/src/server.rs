//! The two programs, and who may speak to them.

use crate::{
    certificates::{Authority, Certificate},
    client::{Answer, Client},
    flavour::{Flavour, constraints},
    path::path_of,
    token,
};
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

/// A running API server. It ends when this is dropped, or else with the program.
#[derive(Debug)]
pub struct ApiServer {
    url: String,
    authority: Authority,
    token_key: KeyPair,
    admin: Client,
    guard: Child,
    etcd: u16,
    folder: TempDir,
}

/// What is out of the ordinary about a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The configuration of admission plugins, an `AdmissionConfiguration`; plain Kubernetes only.
    pub admission: Option<Value>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'w> {
    /// Somebody of that name, with a certificate that says so.
    User(&'w str),
    /// Somebody whose certificate expired years ago.
    Expired(&'w str),
    /// Somebody with a token.
    Token(&'w str),
}

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

impl ApiServer {
    /// Starts a server and waits for it. `None`, which is then said, where `KUBEBUILDER_ASSETS` names none that can be.
    pub fn start(flavour: Flavour) -> Option<Self> {
        Self::start_with(flavour, &Settings::default())
    }

    /// The same with settings.
    pub fn start_with(flavour: Flavour, settings: &Settings) -> Option<Self> {
        let Some(assets) = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
            println!("skipped: KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver");
            return None;
        };
        for program in ["etcd", "kube-apiserver"] {
            assert!(assets.join(program).is_file(), "KUBEBUILDER_ASSETS: {} has no {program}", assets.display());
        }
        if flavour == Flavour::OpenShift && !takes_openshift(&assets) {
            println!("skipped: the kube-apiserver of KUBEBUILDER_ASSETS is not OpenShift's");
            return None;
        }
        // A port that was free may be taken by the time that a server binds it.
        let started = (0..3).find_map(|_| Self::try_start(&assets, flavour, settings));
        Some(started.expect("the API server does not start"))
    }

    fn try_start(assets: &Path, flavour: Flavour, settings: &Settings) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("ringfence-apiserver-").tempdir().unwrap();
        let authority = Authority::new("ringfence-testing");
        let token_key = KeyPair::generate().unwrap();
        let [port, etcd, peer] = free_ports();
        let url = format!("https://127.0.0.1:{port}");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let server = authority.server(&["127.0.0.1", "localhost"]);
        let key_file = file("token.pub", &token_key.public_key_pem());
        let mut arguments: Vec<(&str, String)> = vec![
            ("etcd-servers", format!("http://127.0.0.1:{etcd}")),
            ("bind-address", "127.0.0.1".into()),
            ("advertise-address", "127.0.0.1".into()),
            ("endpoint-reconciler-type", "none".into()),
            ("secure-port", port.to_string()),
            ("cert-dir", folder.path().to_str().unwrap().into()),
            ("tls-cert-file", file("server.crt", &server.pem)),
            ("tls-private-key-file", file("server.key", &server.key)),
            ("client-ca-file", file("ca.crt", authority.pem())),
            ("service-account-issuer", token::ISSUER.into()),
            ("service-account-signing-key-file", file("token.key", &token_key.serialize_pem())),
            ("service-account-key-file", key_file.clone()),
            ("service-cluster-ip-range", "10.3.0.0/24".into()),
            ("allow-privileged", "true".into()),
        ];
        match flavour.config(port, &key_file) {
            Some(config) => {
                // Whoever this authority signs for may say to be anybody, so it is another.
                let front = Authority::new("ringfence-testing-front");
                let proxy = front.client("system:openshift-aggregator", None);
                arguments.push(("openshift-config", file("openshift.json", &config.to_string())));
                arguments.push(("requestheader-client-ca-file", file("proxy-ca.crt", front.pem())));
                arguments.push(("proxy-client-cert-file", file("proxy.crt", &proxy.pem)));
                arguments.push(("proxy-client-key-file", file("proxy.key", &proxy.key)));
            }
            None => arguments.push(("authorization-mode", "RBAC".into())),
        }
        if let Some(admission) = &settings.admission {
            arguments.push(("admission-control-config-file", file("admission.json", &admission.to_string())));
        }
        let of_etcd = [
            ("name", "test".into()),
            ("data-dir", folder.path().join("etcd").to_str().unwrap().to_owned()),
            ("listen-client-urls", format!("http://127.0.0.1:{etcd}")),
            ("advertise-client-urls", format!("http://127.0.0.1:{etcd}")),
            ("listen-peer-urls", format!("http://127.0.0.1:{peer}")),
            ("initial-advertise-peer-urls", format!("http://127.0.0.1:{peer}")),
            ("initial-cluster", format!("test=http://127.0.0.1:{peer}")),
        ];
        let commands = [
            ("etcd", command(assets, "etcd", &of_etcd)),
            ("kube-apiserver", command(assets, "kube-apiserver", &arguments)),
        ];
        let guard = guard(folder.path(), &commands);
        let certificate = authority.client("admin", Some("system:masters"));
        let kubeconfig = write_kubeconfig(
            folder.path(),
            "admin",
            &url,
            authority.pem(),
            &with(folder.path(), "admin", &certificate),
        );
        let admin = Client::new(&kubeconfig);
        let started = Self { url, authority, token_key, admin, guard, etcd, folder };
        if !started.wait() {
            return None;
        }
        for object in flavour.first_objects() {
            started.define(&object);
        }
        Some(started)
    }

    /// Whether it came up, with the roles that every server makes for itself.
    fn wait(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(answer) = self.admin.try_get("/readyz/poststarthook/rbac/bootstrap-roles")
                && answer.code == 200
            {
                return true;
            }
            if self.is_gone() {
                break;
            }
            sleep(Duration::from_millis(200));
        }
        let log = fs::read_to_string(self.folder.path().join("kube-apiserver.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        println!("the API server did not start: {tail:#?}");
        false
    }

    /// Whether it ended by itself.
    fn is_gone(&self) -> bool {
        let process = fs::read_to_string(self.folder().join("kube-apiserver.pid")).unwrap_or_default();
        !process.is_empty() && !Path::new("/proc").join(process.trim()).join("exe").exists()
    }

    /// Kills the API server, and leaves etcd alone, so that it can come back with all that it knew.
    pub fn stop(&self) {
        let process = fs::read_to_string(self.folder().join("kube-apiserver.pid")).unwrap();
        let killed = Command::new("kill").args(["-9", process.trim()]).status().unwrap();
        assert!(killed.success());
        while !self.is_gone() {
            sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again after [`ApiServer::stop`], and waits for it. Its port may still be held for a moment, by what is
    /// left of the old one or by a connection that was given it.
    pub fn start_again(&self) {
        let begun = Instant::now();
        loop {
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' HUP INT TERM; . ./kube-apiserver.start"]).current_dir(self.folder());
            let started = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            assert!(started.success());
            if self.wait() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the API server does not come back");
            sleep(Duration::from_millis(200));
        }
    }

    /// Has etcd forget everything but what is there now, so that no watch can be taken up again from before.
    pub fn compact(&self) {
        // Any change will do: it tells the newest revision, which is the resource version of objects.
        let name = format!("compact-{}", self.newest());
        let made = self.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        let revision = made["metadata"]["resourceVersion"].as_str().unwrap();
        let body = json!({"revision": revision, "physical": true}).to_string();
        let mut etcd = TcpStream::connect(("127.0.0.1", self.etcd)).unwrap();
        write!(
            etcd,
            "POST /v3/kv/compaction HTTP/1.1\r\nhost: etcd\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        etcd.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn newest(&self) -> String {
        let list = self.admin.get("/api/v1/namespaces").body;
        list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority that signed its certificate, and whose clients it believes.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A directory that goes when the server does.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody who may do everything.
    pub fn admin(&self) -> &Client {
        &self.admin
    }

    /// The kubeconfig of that one.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }

    /// A kubeconfig for somebody, under a name of its own.
    pub fn kubeconfig_of(&self, name: &str, who: Who<'_>) -> PathBuf {
        let user = match who {
            Who::User(user) => with(self.folder(), name, &self.authority.client(user, None)),
            Who::Expired(user) => with(self.folder(), name, &self.authority.expired_client(user)),
            Who::Token(token) => json!({ "token": token }),
        };
        self.write_kubeconfig(name, &user)
    }

    /// A kubeconfig with this `user`, such as one with a credential plug-in.
    pub fn write_kubeconfig(&self, name: &str, user: &Value) -> PathBuf {
        write_kubeconfig(self.folder(), name, &self.url, self.authority.pem(), user)
    }

    /// A kubeconfig that takes another authority's word for who the server is.
    pub fn kubeconfig_with_authority(&self, name: &str, authority: &Authority) -> PathBuf {
        let user = with(self.folder(), name, &self.authority.client(name, None));
        write_kubeconfig(self.folder(), name, &self.url, authority.pem(), &user)
    }

    /// A token of a service account, good for an hour, or for one that is long over.
    pub fn token(&self, namespace: &str, account: &str, expired: bool) -> String {
        let account = self.admin.get(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}")).body;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let from = if expired { now - 86_400 } else { now - 60 };
        token::sign(self.token_key.serialized_der(), namespace, &account, from, from + 3600)
    }

    /// Creates objects, one after another; what the server does not take fails the test.
    pub fn create_all(&self, objects: &[Value]) {
        for object in objects {
            self.create(object);
        }
    }

    /// Creates an object. A new resource is there a moment after its definition, which is waited for.
    pub fn create(&self, object: &Value) -> Value {
        let answer = self.admin.post(&path_of(object), object);
        assert!(answer.code == 201, "{object}: {:#}", answer.body);
        answer.body
    }

    /// Defines security context constraints, as plain Kubernetes does not.
    pub fn define_constraints(&self) {
        self.define(&constraints());
    }

    fn define(&self, definition: &Value) {
        self.create(definition);
        let (group, version) = (&definition["spec"]["group"], &definition["spec"]["versions"][0]["name"]);
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        let path = format!("/apis/{}/{}/{plural}", group.as_str().unwrap(), version.as_str().unwrap());
        self.until(|admin| admin.get(&path), |answer| answer.code == 200);
    }

    /// Asks again and again until the answer is as it soon should be.
    pub fn until(&self, ask: impl Fn(&Client) -> Answer, good: impl Fn(&Answer) -> bool) {
        let begun = Instant::now();
        loop {
            let answer = ask(&self.admin);
            if good(&answer) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the answer stays {answer:#?}");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Whether it is a server that knows of OpenShift. It prints its version only if it knows all of its arguments.
fn takes_openshift(assets: &Path) -> bool {
    let mut version = Command::new(assets.join("kube-apiserver"));
    let output = version.args(["--openshift-config=x", "--version"]).stdin(Stdio::null()).output().unwrap();
    output.status.success()
}

/// Three ports of the loopback that nobody uses.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A line of shell that starts a program in the background and keeps its process id.
fn command(assets: &Path, program: &str, arguments: &[(&str, String)]) -> String {
    let mut line = quoted(assets.join(program).to_str().unwrap());
    for (name, value) in arguments {
        line += &format!(" {}", quoted(&format!("--{name}={value}")));
    }
    format!("{line} </dev/null >>{program}.log 2>&1 & echo $! >{program}.pid\n")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Starts the programs under a shell that ends them, and removes the directory, when its standard input does: when
/// the server is dropped or this program ends. Each program's line is kept beside its process id, to start it again.
fn guard(folder: &Path, commands: &[(&str, String); 2]) -> Child {
    for (program, line) in commands {
        fs::write(folder.join(format!("{program}.start")), line).unwrap();
    }
    let folder = quoted(folder.to_str().unwrap());
    let [first, second] = commands.each_ref().map(|(program, _)| format!(". ./{program}.start"));
    let script = format!(
        "cd {folder} || exit\ntrap '' HUP INT TERM\n{first}\n{second}\nread -r _\nkill -9 $(cat ./*.pid)\nwait\ncd /\nrm -rf {folder}\n"
    );
    let mut guard = Command::new("sh");
    guard.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The `user` with this certificate.
fn with(folder: &Path, name: &str, certificate: &Certificate) -> Value {
    let file = |end: &str, text: &str| {
        let path = folder.join(format!("{name}.{end}"));
        fs::write(&path, text).unwrap();
        path
    };
    json!({"client-certificate": file("crt", &certificate.pem), "client-key": file("key", &certificate.key)})
}

fn write_kubeconfig(folder: &Path, name: &str, url: &str, authority: &str, user: &Value) -> PathBuf {
    let known = folder.join(format!("{name}.ca"));
    fs::write(&known, authority).unwrap();
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": known}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": "test", "user": name}}]});
    let path = folder.join(format!("{name}.kubeconfig"));
    fs::write(&path, config.to_string()).unwrap();
    path
}
