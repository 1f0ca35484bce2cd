//! `ringfence image` and the images of pods, with a real registry on loopback (Debian's docker-registry, filled by skopeo).
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// A place for one test: a store, an image as a layout, a manifest.
struct Bed {
    dir: tempfile::TempDir,
}

fn sha256(bytes: &[u8]) -> String {
    ringfence_runtime::store::digest(bytes)
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    // Others may pass, for tests without privilege.
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    Bed { dir }
}

impl Bed {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command
            .args(args)
            .env("RINGFENCE_STORE", self.path("store"))
            .env("HOME", self.dir.path())
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("DOCKER_CONFIG")
            .stdin(Stdio::null());
        command
    }

    fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a run that went well said.
    fn run(&self, args: &[&str]) -> String {
        let ran = self.try_run(args);
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args)).unwrap()
    }

    /// An image of busybox whose USER is `user`, in a layout.
    fn layout(&self, user: &str, architecture: &str) -> PathBuf {
        let root = self.path(&format!("layout-{architecture}"));
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        let blob = |bytes: &[u8]| {
            fs::write(root.join("blobs/sha256").join(&sha256(bytes)[7..]), bytes).unwrap();
            json!({"digest": sha256(bytes), "size": bytes.len()})
        };
        let layers = [
            self.layer(&[
                ("bin/busybox", None),
                ("etc/passwd", Some("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n")),
                ("etc/group", Some("root:x:0:\naudio:x:29:app\n")),
                ("etc/gone", Some("of the first layer")),
            ]),
            self.layer(&[("etc/.wh.gone", Some("")), ("etc/added", Some("of the second layer"))]),
        ];
        let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer)).collect();
        let config = json!({"os": "linux", "architecture": architecture,
            "config": {"User": user, "Entrypoint": ["/bin/busybox"], "Cmd": ["id"], "Volumes": {"/data": {}}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string();
        let mut config = blob(config.as_bytes());
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| {
                let mut layer = blob(layer);
                layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
                layer
            })
            .collect();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        let mut manifest = blob(manifest.to_string().as_bytes());
        manifest["mediaType"] = json!(media_type);
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
        fs::write(root.join("index.json"), json!({"schemaVersion": 2, "manifests": [manifest]}).to_string()).unwrap();
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        root
    }

    /// An image of one layer, in a layout: as it is, and as it is stored.
    fn layout_of(&self, plain: &[u8], stored: &[u8], user: &str) -> PathBuf {
        let layout = self.path("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        let blob = |bytes: &[u8]| {
            fs::write(layout.join("blobs/sha256").join(&sha256(bytes)[7..]), bytes).unwrap();
            json!({"digest": sha256(bytes), "size": bytes.len()})
        };
        let config = json!({"os": "linux", "architecture": architecture(), "config": {"User": user},
            "rootfs": {"type": "layers", "diff_ids": [sha256(plain)]}});
        let config = blob(config.to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [blob(stored)]});
        let index = json!({"schemaVersion": 2, "manifests": [blob(manifest.to_string().as_bytes())]});
        fs::write(layout.join("index.json"), index.to_string()).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        layout
    }

    fn layer(&self, files: &[(&str, Option<&str>)]) -> Vec<u8> {
        let tree = tempfile::tempdir_in(self.dir.path()).unwrap();
        for (name, text) in files {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs::write(path, text).unwrap(),
                None => drop(fs::copy("/bin/busybox", path).unwrap()),
            }
        }
        let tar = Command::new("tar")
            .args(["--owner=0", "--group=0", "--mtime=@1", "--sort=name", "-C"])
            .arg(tree.path())
            .args(["-cf", "-", "."])
            .output()
            .unwrap();
        assert!(tar.status.success());
        tar.stdout
    }

    fn pod(&self, image: &str) -> String {
        let path = self.path("pod.yaml");
        let spec = json!({"containers": [{"name": "c", "image": image}]});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        fs::write(&path, pod.to_string()).unwrap();
        path.display().to_string()
    }
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn has(tools: &[&str]) -> bool {
    let missing = |tool: &&&str| !Command::new("which").arg(tool).output().is_ok_and(|which| which.status.success());
    let missing: Vec<_> = tools.iter().filter(missing).collect();
    if !missing.is_empty() {
        eprintln!("skipped: not here: {missing:?}");
    }
    missing.is_empty() && Path::new("/bin/busybox").exists()
}

/// A registry that ends with the test.
struct Registry {
    child: Child,
    host: String,
}

impl Registry {
    fn start(bed: &Bed, auth: &str) -> Self {
        Self::with(bed, auth, "")
    }

    /// A registry that speaks TLS with these files of the directory, and wants certificates of this authority.
    fn with_tls(bed: &Bed, certificates: &Path, clients: bool) -> Self {
        let file = |name: &str| certificates.join(name).display().to_string();
        let clients = if clients { format!(", clientcas: [{}]", file("ca.crt")) } else { String::new() };
        Self::with(bed, "", &format!(", tls: {{certificate: {}, key: {}{clients}}}", file("tls.crt"), file("tls.key")))
    }

    fn with(bed: &Bed, auth: &str, http: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = bed.path("registry.yml");
        let root = bed.path("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"{http}}}\n{auth}",
            root.display()
        );
        fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..1200 {
            if std::net::TcpStream::connect(&host).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { child, host }
    }

    fn fill(&self, layout: &Path, name: &str, more: &[&str]) {
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"])
            .args(more)
            .arg(format!("oci:{}:1", layout.display()))
            .arg(format!("docker://{}/{name}", self.host))
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TOOLS: [&str; 3] = ["docker-registry", "skopeo", "tar"];

#[test]
fn an_image_is_pulled_by_tag_and_digest_and_run_as_its_user() {
    if !has(&TOOLS) {
        return;
    }
    let bed = bed();
    let registry = Registry::start(&bed, "");
    registry.fill(&bed.layout("app:audio", architecture()), "team/app:1", &[]);
    let name = format!("{}/team/app:1", registry.host);
    let pulled = bed.json(&["image", "pull", "-o", "json", &name]);
    assert!(pulled[0]["fetched"].as_u64().unwrap() > 100_000);
    assert_eq!(bed.json(&["image", "pull", "-o", "json", &name])[0]["fetched"], 0);
    let digest = pulled[0]["digest"].as_str().unwrap();
    let pinned = format!("{}/team/app@{digest}", registry.host);
    bed.run(&["image", "pull", &pinned]);

    let listed = bed.json(&["image", "ls", "-o", "json"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let inspected = bed.json(&["image", "inspect", "-o", "json", &name]);
    assert_eq!(inspected[0]["facts"]["user"], "app:audio");

    let out = bed.run(&["run", &bed.pod(&name)]);
    // As the kubelet passes it on: the user, with the groups that the image's files give it, and not the image's group.
    assert_eq!(out, "uid=1000(app) gid=1000 groups=29(audio),1000\n");
    let ls = bed.run(&["run", &bed.pod(&pinned), "--", "/bin/busybox", "ls", "/etc"]);
    assert!(ls.contains("added") && !ls.contains("gone"), "{ls}");
    // The layers are as they were.
    bed.run(&["run", &bed.pod(&name), "--", "/bin/busybox", "ls", "/etc/added"]);

    // What `lock` writes tells `explain` as much as the store does, without it.
    let locked = bed.path("images.yaml");
    fs::write(&locked, bed.run(&["image", "lock", &bed.pod(&name)])).unwrap();
    let explain = |more: &[&str]| {
        let pod = bed.pod(&name);
        let mut args = vec!["explain", "-o", "json", &pod];
        args.extend(more);
        let ran = bed.try_run(&args);
        serde_json::from_slice::<Value>(&ran.stdout).unwrap()[0]["containers"][0]["computed"].clone()
    };
    let here = explain(&[]);
    let nowhere = explain(&["--store", "/nonexistent", "--images", locked.to_str().unwrap()]);
    assert_eq!(here["uid"], nowhere["uid"]);
    assert_eq!(here, nowhere);
    assert_ne!(here, explain(&["--store", "/nonexistent"]));
}

#[test]
fn a_registry_with_passwords_gives_nothing_without() {
    if !has(&["docker-registry", "skopeo", "tar", "htpasswd"]) {
        return;
    }
    let bed = bed();
    let htpasswd = Command::new("htpasswd").args(["-Bbn", "user", "hunter2"]).output().unwrap();
    let file = bed.path("htpasswd");
    fs::write(&file, htpasswd.stdout).unwrap();
    let registry = Registry::start(&bed, &format!("auth: {{htpasswd: {{realm: x, path: {}}}}}\n", file.display()));
    registry.fill(&bed.layout("", architecture()), "team/app:1", &["--dest-creds", "user:hunter2"]);
    let name = format!("{}/team/app:1", registry.host);
    let refused = bed.try_run(&["image", "pull", &name]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("docker login"), "{refused:?}");

    // user:hunter2, in docker's file
    fs::create_dir(bed.path(".docker")).unwrap();
    let config = format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjpodW50ZXIy"}}}}}}"#, registry.host);
    fs::write(bed.path(".docker/config.json"), config).unwrap();
    bed.run(&["image", "pull", &name]);
    bed.run(&["image", "rm", &name]);

    // From a helper, which is asked for this registry.
    let helper = bed.path("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$1 $server\" = 'get {}' ] || exit 1\necho '{{\"Username\":\"user\",\"Secret\":\"hunter2\"}}'\n",
        registry.host
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = format!(r#"{{"credHelpers": {{"{}": "test"}}}}"#, registry.host);
    fs::write(bed.path(".docker/config.json"), config).unwrap();
    let path = format!("{}:{}", bed.dir.path().display(), std::env::var("PATH").unwrap());
    let pulled = bed.command(&["image", "pull", &name]).env("PATH", path).output().unwrap();
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));

    fs::write(bed.path("wrong.json"), r#"{"auths": {"127.0.0.1": {}}}"#).unwrap();
    let wrong = bed.path("wrong.json");
    let refused = bed.try_run(&["image", "pull", "--authfile", wrong.to_str().unwrap(), &name]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("hunter2"));
}

/// An authority with a server's certificate for `address` and a client's, in a directory as `certs.d` has for a host.
fn certificates(bed: &Bed, name: &str, address: &str) -> PathBuf {
    let dir = bed.path(name);
    fs::create_dir(&dir).unwrap();
    let script = format!(
        "set -e; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
         openssl req -x509 $new -keyout ca.key -out ca.crt -subj /CN=authority -days 3
         printf 'subjectAltName=IP:{address}' > server.ext; printf 'extendedKeyUsage=clientAuth' > client.ext
         for who in server client; do
           openssl req $new -keyout $who.key -out $who.csr -subj /CN=$who
           openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
         done
         mv server.pem tls.crt; mv server.key tls.key; mv client.pem client.cert"
    );
    let made = Command::new("sh").args(["-c", &script]).current_dir(&dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

/// What of it a client needs, below `certs` as for this host.
fn trust(certificates: &Path, certs: &Path, host: &str, files: &[&str]) {
    let dir = certs.join(host);
    fs::create_dir_all(&dir).unwrap();
    for file in files {
        fs::copy(certificates.join(file), dir.join(file)).unwrap();
    }
}

#[test]
fn a_registry_s_certificate_is_verified_with_the_authorities_that_are_given() {
    if !has(&["docker-registry", "skopeo", "tar", "openssl"]) {
        return;
    }
    let bed = bed();
    let made = certificates(&bed, "made", "127.0.0.1");
    let registry = Registry::with_tls(&bed, &made, false);
    let push = bed.path("push");
    trust(&made, &push, "r", &["ca.crt"]);
    let certs = push.join("r").display().to_string();
    let with_tls = ["--dest-cert-dir", &certs, "--dest-tls-verify=true"];
    registry.fill(&bed.layout("", architecture()), "team/app:1", &with_tls);
    let name = format!("{}/team/app:1", registry.host);
    let refused = bed.try_run(&["image", "pull", &name]);
    let err = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{err}");
    // Named as insecure or not: what it says is in TLS, and nobody knows who it is.
    assert!(err.contains(&format!("certs.d/{}/ca.crt", registry.host)), "{err}");
    let refused = bed.try_run(&["image", "pull", "--insecure-registry", &registry.host, &name]);
    assert_eq!(refused.status.code(), Some(2));

    let given = bed.path("given");
    trust(&made, &given, &registry.host, &["ca.crt"]);
    bed.run(&["image", "pull", "--cert-dir", given.to_str().unwrap(), &name]);
    bed.run(&["image", "rm", &name]);
    trust(&made, &bed.path(".config/containers/certs.d"), &registry.host, &["ca.crt"]);
    bed.run(&["image", "pull", &name]);
    // What it answers counts, and is not looked for in the clear.
    let missing = bed.try_run(&["image", "pull", &name.replace("app:1", "app:2")]);
    let err = String::from_utf8_lossy(&missing.stderr);
    assert!(err.contains("https://") && err.contains("404"), "{err}");

    // The same authority, and another machine's certificate.
    let other = certificates(&bed, "other", "127.0.0.2");
    let registry = Registry::with_tls(&bed, &other, false);
    trust(&other, &given, &registry.host, &["ca.crt"]);
    let name = format!("{}/team/app:1", registry.host);
    let refused = bed.try_run(&["image", "pull", "--cert-dir", given.to_str().unwrap(), &name]);
    let err = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{err}");
    assert!(err.contains("certificate") && err.contains("127.0.0.2"), "{err}");
}

#[test]
fn a_registry_that_wants_a_certificate_of_its_clients_gets_the_one_of_certs_d() {
    if !has(&["docker-registry", "skopeo", "tar", "openssl"]) {
        return;
    }
    let bed = bed();
    let made = certificates(&bed, "made", "127.0.0.1");
    let registry = Registry::with_tls(&bed, &made, true);
    let certs = bed.path(".config/containers/certs.d");
    let both = ["ca.crt", "client.cert", "client.key"];
    let push = bed.path("push");
    trust(&made, &push, "r", &both);
    let dir = push.join("r").display().to_string();
    let with_tls = ["--dest-cert-dir", &dir, "--dest-tls-verify=true"];
    registry.fill(&bed.layout("", architecture()), "team/app:1", &with_tls);
    let name = format!("{}/team/app:1", registry.host);
    trust(&made, &certs, &registry.host, &["ca.crt"]);
    let refused = bed.try_run(&["image", "pull", &name]);
    let err = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{err}");
    assert!(err.contains("wants a certificate") && err.contains("client.key"), "{err}");
    // Of another authority.
    let other = certificates(&bed, "other", "127.0.0.1");
    trust(&other, &certs, &registry.host, &["client.cert", "client.key"]);
    let refused = bed.try_run(&["image", "pull", &name]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    trust(&made, &certs, &registry.host, &both);
    bed.run(&["image", "pull", &name]);
    fs::remove_file(certs.join(&registry.host).join("client.cert")).unwrap();
    let refused = bed.try_run(&["image", "pull", &name]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("client.cert is not here"), "{refused:?}");
}

#[test]
fn every_form_of_file_is_loaded_and_nothing_stays_after_rm() {
    if !has(&["skopeo", "tar"]) {
        return;
    }
    let bed = bed();
    let layout = bed.layout("7:8", architecture());
    let mut names = Vec::new();
    for (form, suffix) in [("docker-archive", ":example.com/docker:1"), ("oci-archive", ":example.com/oci:1")] {
        let file = bed.path(form);
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--insecure-policy"])
            .arg(format!("oci:{}:1", layout.display()))
            .arg(format!("{form}:{}{suffix}", file.display()))
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        names.push(bed.json(&["image", "load", "-o", "json", file.to_str().unwrap()])[0]["name"].clone());
    }
    let loaded = bed.json(&["image", "load", "-o", "json", "--name", "example.com/layout:1", layout.to_str().unwrap()]);
    names.push(loaded[0]["name"].clone());
    assert_eq!(names, ["example.com/docker:1", "example.com/oci:1", "example.com/layout:1"]);
    for name in &names {
        let inspected = bed.json(&["image", "inspect", "-o", "json", name.as_str().unwrap()]);
        assert_eq!(inspected[0]["facts"]["user"], "7:8");
    }
    // All three have the same layers, and each is unpacked once.
    assert_eq!(fs::read_dir(bed.path("store/layers")).unwrap().count(), 2);
    for name in &names {
        bed.run(&["image", "rm", name.as_str().unwrap()]);
    }
    for dir in ["blobs/sha256", "layers", "ingest"] {
        assert_eq!(fs::read_dir(bed.path("store").join(dir)).unwrap().count(), 0, "{dir}");
    }
    assert_eq!(bed.try_run(&["image", "rm", "example.com/oci:1"]).status.code(), Some(1));
}

#[test]
fn a_layer_that_a_container_uses_is_not_removed() {
    if !has(&["tar"]) {
        return;
    }
    let bed = bed();
    let layout = bed.layout("", architecture());
    bed.run(&["image", "load", "--name", "example.com/app:1", layout.to_str().unwrap()]);
    let pod = bed.pod("example.com/app:1");
    let mut running = bed
        .command(&["run", &pod, "--", "/bin/busybox", "sh", "-c", "echo up; read x; /bin/busybox cat /etc/added"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "up\n");
    let removed = bed.run(&["image", "rm", "example.com/app:1"]);
    assert!(removed.contains("kept 2 unpacked layers"), "{removed}");
    running.stdin.take().unwrap().write_all(b"x\n").unwrap();
    line.clear();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "of the second layer");
    assert!(running.wait().unwrap().success());
    assert_eq!(bed.json(&["image", "prune", "-o", "json"])["layers"], 2);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_done() {
    if !has(&TOOLS) || !ringfence_runtime::observe::is_privileged() {
        eprintln!("skipped: mounting takes root");
        return;
    }
    let bed = bed();
    let registry = Registry::start(&bed, "");
    registry.fill(&bed.layout("", architecture()), "team/app:1", &[]);
    let name = format!("{}/team/app:1", registry.host);
    let small = bed.path("small");
    fs::create_dir(&small).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=600k,mode=755 none {0} && {1} image pull --store {0}/store {2}; code=$?; {1} image ls --store {0}/store -o json; mount -o remount,size=20M {0}; {1} image pull --store {0}/store {2} >&2 && {1} image inspect --store {0}/store {2} >&2 || exit 99; exit $code",
        small.display(),
        env!("CARGO_BIN_EXE_ringfence"),
        name
    );
    // In a mount namespace of its own, so that nothing stays mounted.
    let ran = Command::new("unshare").args(["-m", "sh", "-c", &script]).env("HOME", bed.dir.path()).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert_eq!(serde_json::from_slice::<Value>(&ran.stdout).unwrap(), json!([]));
}

#[test]
fn a_layer_that_does_not_fit_on_the_disk_leaves_nothing_and_unpacks_later() {
    if !has(&["tar", "gzip"]) || !ringfence_runtime::observe::is_privileged() {
        eprintln!("skipped: mounting takes root");
        return;
    }
    let bed = bed();
    // Small as it comes: one file of zeros, and one with nothing but a hole in it.
    let files = bed.path("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("zeros"), vec![0; 12 << 20]).unwrap();
    fs::File::create(files.join("hole")).unwrap().set_len(1 << 40).unwrap();
    let plain = bed.path("layer.tar");
    let tar = |files: &[&str], more: &[&str]| {
        let made =
            Command::new("tar").args(more).arg("-f").arg(&plain).arg("-C").arg(bed.path("files")).args(files).output();
        assert!(made.unwrap().status.success());
    };
    tar(&["zeros"], &["--create", "--format=posix"]);
    tar(&["hole"], &["--append", "--format=posix", "--sparse"]);
    let plain = fs::read(&plain).unwrap();
    let gzip = Command::new("gzip").arg("-nc").arg(bed.path("layer.tar")).output().unwrap().stdout;
    let layout = bed.layout_of(&plain, &gzip, "");

    let small = bed.path("small");
    fs::create_dir(&small).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=4M,mode=755 none {0}; {1} image load --store {0}/store --name local/z:1 {2} >&2; \
         code=0; {1} image inspect --store {0}/store local/z:1 || code=$?; ls -A {0}/store/layers; \
         mount -o remount,size=40M {0}; {1} image inspect --store {0}/store local/z:1 >&2; \
         stat -c %s {0}/store/layers/*/fs/hole; exit $code",
        small.display(),
        env!("CARGO_BIN_EXE_ringfence"),
        layout.display()
    );
    let ran = Command::new("unshare").args(["-m", "sh", "-c", &script]).env("HOME", bed.dir.path()).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{err}");
    assert!(err.contains("\"zeros\": No space left on device"), "{err}");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "1099511627776\n", "{err}");
}

#[test]
fn a_user_without_privilege_has_a_store_and_overlays_too() {
    if !has(&["tar", "setpriv"]) || !ringfence_runtime::observe::is_privileged() {
        eprintln!("skipped: becoming another user takes root");
        return;
    }
    let bed = bed();
    let layout = bed.layout("", architecture());
    let home = bed.path("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
    // The program may lie where only root may go.
    let binary = bed.path("ringfence");
    fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).unwrap();
    let pod = bed.pod("example.com/app:1");
    let as_user = |args: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary)
            .args(args)
            .env("HOME", &home)
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_DATA_HOME")
            .output()
            .unwrap()
    };
    let loaded = as_user(&["image", "load", "--name", "example.com/app:1", layout.to_str().unwrap()]);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    assert!(home.join(".local/share/ringfence/index.json").exists());
    let proved = as_user(&["prove", &pod]);
    let out = String::from_utf8_lossy(&proved.stdout);
    assert!(out.contains("the image example.com/app:1, unchanged below an overlay"), "{out}\n{proved:?}");
}

#[test]
fn owners_that_cannot_be_given_without_privilege_are_told_of() {
    if !has(&["tar", "setpriv"]) || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: becoming another user takes root");
        return;
    }
    let bed = bed();
    let files = bed.path("files");
    fs::create_dir_all(files.join("srv")).unwrap();
    fs::write(files.join("srv/data"), "").unwrap();
    let tar =
        Command::new("tar").args(["--owner=1000", "--group=1000", "-cf", "-", "-C"]).arg(&files).arg("srv").output();
    let layer = tar.unwrap().stdout;
    let layout = bed.layout_of(&layer, &layer, "app");
    let (binary, home) = (bed.path("ringfence"), bed.path("home"));
    fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).unwrap();
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
    let as_user = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).args(args);
        let ran =
            command.env("HOME", &home).env_remove("XDG_RUNTIME_DIR").env_remove("XDG_DATA_HOME").output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{err}");
        err
    };
    as_user(&["image", "load", "--name", "local/app:1", layout.to_str().unwrap()]);
    let err = as_user(&["image", "inspect", "local/app:1"]);
    assert!(err.contains("2 files of other users are root's in the container"), "{err}");
    assert!(err.contains("USER app"), "{err}");
    // Root gives every file its owner, and has nothing to say.
    bed.run(&["image", "load", "--name", "local/app:1", layout.to_str().unwrap()]);
    let inspected = bed.try_run(&["image", "inspect", "local/app:1"]);
    assert_eq!(String::from_utf8_lossy(&inspected.stderr), "");
}
