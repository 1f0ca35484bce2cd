//! `ringfence verify` on containers of a real containerd, made through its CRI as a kubelet makes them.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]
#![allow(unreachable_pub, reason = "the modules are those of this test alone")]

mod common;
mod containerd;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use common::{Ran, lines, ringfence};
use containerd::Containerd;
use containerd::message::{
    Capability, ContainerConfig, Int64Value, LinuxContainerConfig, LinuxContainerSecurityContext, Mount,
    NamespaceOption, SecurityProfile,
};
use serde_json::{Value, json};

const MASKED: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
const READ_ONLY: [&str; 3] = ["/proc/bus", "/proc/irq", "/proc/sys"];

/// A container that is ended when it is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The context of a container by the CRI's fields, as the kubelet fills them in.
fn confined() -> LinuxContainerSecurityContext {
    LinuxContainerSecurityContext {
        capabilities: Some(Capability { add: vec!["NET_BIND_SERVICE".to_owned()], drop: vec!["ALL".to_owned()] }),
        namespace_options: Some(NamespaceOption::of_pod()),
        run_as_user: Some(Int64Value { value: 1000 }),
        run_as_group: Some(Int64Value { value: 3000 }),
        readonly_rootfs: true,
        supplemental_groups: vec![2000, 4000],
        no_new_privs: true,
        masked_paths: MASKED.map(str::to_owned).to_vec(),
        readonly_paths: READ_ONLY.map(str::to_owned).to_vec(),
        seccomp: Some(SecurityProfile { profile_type: 0 }),
        ..LinuxContainerSecurityContext::default()
    }
}

fn config(context: LinuxContainerSecurityContext, mounts: Vec<Mount>) -> ContainerConfig {
    ContainerConfig {
        mounts,
        linux: Some(LinuxContainerConfig { security_context: Some(context) }),
        ..ContainerConfig::default()
    }
}

/// The pod as its author wrote it, and as a cluster's dump has it.
fn manifest(data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {
        "hostNetwork": true,
        "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]},
        "containers": [
            {"name": "web", "image": containerd::IMAGE,
             "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
             "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true}]},
            {"name": "user-of-image", "image": containerd::IMAGE, "securityContext": {"runAsUser": null}}],
        "volumes": [{"name": "data", "hostPath": {"path": data}}]}})
}

fn drift(line: &Value) -> BTreeMap<&str, (&str, &str)> {
    let all = line["drift"].as_array().unwrap().iter();
    all.map(|one| {
        (one["field"].as_str().unwrap(), (one["expected"].as_str().unwrap(), one["observed"].as_str().unwrap()))
    })
    .collect()
}

#[test]
fn containers_of_containerd_are_held_against_manifests_and_against_what_it_was_told() {
    let Some(mut containerd) = Containerd::start() else { return };
    let data = containerd.path("data");
    fs::create_dir(&data).unwrap();
    let data = data.display().to_string();
    let mount = Mount { container_path: "/data".to_owned(), host_path: data.clone(), readonly: true, propagation: 0 };
    let pod = containerd.pod("shop", "web-0");
    let web = containerd.container(&pod, "web", config(confined(), vec![mount]));
    let user = LinuxContainerSecurityContext {
        run_as_user: None,
        run_as_group: None,
        run_as_username: "app".to_owned(),
        supplemental_groups: vec![],
        ..confined()
    };
    let of_image = containerd.container(&pod, "user-of-image", config(user, vec![]));

    let socket = containerd.socket().display().to_string();
    let verify = |args: &[&str]| ringfence(["verify", "--runtime-endpoint", &socket].iter().chain(args), "");
    let of_pod = |ran: &Ran| -> BTreeMap<String, Value> {
        // Pods that ringfence runs for other tests are among all.
        let lines = lines(ran).into_iter().filter(|line| line["container"]["runtime"] == "containerd");
        lines.map(|line| (line["container"]["name"].as_str().unwrap().to_owned(), line)).collect()
    };

    // What containerd was told is what runs, and the sandbox is not among it.
    for id in [&web, &of_image] {
        let ran = verify(&["--container", id, "-o", "jsonl"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let line = &lines(&ran)[0];
        assert_eq!((&line["against"], &line["drifted"]), (&json!("specification"), &json!(false)), "{line:#}");
        assert_eq!(line["container"]["pod"], "web-0");
        assert!(line["compared"].as_u64().unwrap() > 30, "{line:#}");
    }
    let names: Vec<_> = of_pod(&verify(&["--all", "-o", "jsonl"])).into_keys().collect();
    assert_eq!(names, ["user-of-image", "web"]);

    // So is what the manifest says; a cluster's dump has the same pod.
    let file = containerd.path("pod.yaml");
    fs::write(&file, manifest(&data).to_string()).unwrap();
    let file = file.display().to_string();
    let ran = verify(&[&file, "--container", &web[..12], "-o", "jsonl"]);
    let line = &lines(&ran)[0];
    assert_eq!((ran.code, drift(line)), (0, BTreeMap::new()), "{}", ran.err);
    assert_eq!(line["against"], "manifest");
    let dump = containerd.path("dump.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [manifest(&data)]});
    fs::write(&dump, list.to_string()).unwrap();
    let all = of_pod(&verify(&["--all", "--cluster", dump.to_str().unwrap(), "-o", "jsonl"]));
    assert_eq!(drift(&all["web"]), BTreeMap::new(), "{all:#?}");
    assert_eq!(all["web"]["against"], "manifest");

    // Of a container whose context is another, each field is named.
    let other = &all["user-of-image"];
    assert_eq!(drift(other)["seccomp"], ("Unconfined (mode 0)", "mode 2"));
    assert_eq!(drift(other)["group"], ("3000", "1000"));
    assert_eq!(other["drifted"], true);

    // Another user, another mount and a path of the node that nobody mounted.
    let mut wrong = manifest("/etc");
    wrong["spec"]["securityContext"]["runAsUser"] = json!(1001);
    wrong["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = json!(false);
    let wrong_file = containerd.path("wrong.yaml");
    fs::write(&wrong_file, wrong.to_string()).unwrap();
    let ran = verify(&[wrong_file.to_str().unwrap(), "--container", &web, "-o", "jsonl"]);
    let line = &lines(&ran)[0];
    let differs = drift(line);
    assert_eq!(differs["user"], ("1001", "1000"));
    assert_eq!(differs["source of /data"], ("/etc", &*data));
    assert!(differs["mount /data"].0.starts_with("rw"), "{differs:?}");
    assert_eq!((ran.code, differs.len()), (1, 3), "{differs:?}");
    let text = verify(&[wrong_file.to_str().unwrap(), "--container", &web]);
    assert!(text.out.contains("wrong.yaml:1)") && text.out.contains("drift: 1 of 1 process"), "{}", text.out);

    // A process that somebody starts in the container's namespaces with all that root has.
    let first = line["pid"].as_u64().unwrap().to_string();
    let mut entered = Started(
        Command::new("nsenter")
            .args(["--target", &first, "--mount", "--ipc", "--no-fork", "--", "/bin/busybox", "sh", "-c"])
            .arg("echo here; read forever")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = String::new();
    BufReader::new(entered.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "here\n");
    let leaked = entered.0.id().to_string();
    let ran = verify(&["--pid", &leaked, &file, "-o", "jsonl"]);
    let line = &lines(&ran)[0];
    let differs = drift(line);
    assert_eq!((ran.code, &line["first"], &line["container"]["id"]), (1, &json!(false), &json!(web)), "{}", ran.err);
    for field in ["user", "group", "groups", "effective", "permitted", "bounding", "no_new_privs", "seccomp"] {
        assert!(differs.contains_key(field), "{field}: {differs:?}");
    }
    assert_eq!(differs["pid namespace"], ("own", "host"));
    let ran = verify(&["--container", &web, "--processes", "-o", "jsonl"]);
    let found: Vec<_> = lines(&ran).iter().map(|line| (line["pid"].to_string(), line["drifted"] == true)).collect();
    assert_eq!((ran.code, found.contains(&(leaked, true)), found.contains(&(first, false))), (1, true, true));

    // The sandbox declares nothing.
    let ran = verify(&["--container", &pod.0]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("it is the sandbox of pod shop/web-0"), "{}", ran.out);
    let ran = verify(&["--container", "ffffffffffffffffffffffff"]);
    assert!(ran.code == 2 && ran.err.contains("asked were ringfence and containerd"), "{}", ran.err);
}
