//! Specs of the four walk-through pods and of the corners, as snapshots.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use oci_spec::runtime::Spec;
use ringfence_context::capability::CapSet;
use ringfence_context::facts::{Facts, ImageFacts, NodeCapabilities, NodeFacts};
use ringfence_context::resolve;
use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    let node = NodeFacts {
        capabilities: NodeCapabilities { bounding: Some(CapSet(0x1ff_feff_ffff)) },
        apparmor: Some(false),
        selinux: Some(false),
        seccomp_default: Some(false),
        ..NodeFacts::default()
    };
    let image = ImageFacts {
        passwd: Some("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n".to_owned()),
        group: Some("root:x:0:\nwheel:x:10:root\naudio:x:29:alice\n".to_owned()),
        ..ImageFacts::default()
    };
    Facts { images: [("docker.io/local/web:1".to_owned(), image)].into(), node: Some(node), ..Facts::default() }
}

fn try_spec(pod: Value, mappings: Option<&IdMappings>, join: JoinedNamespaces) -> Result<Spec, SpecError> {
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let effective = resolve(&pod.metadata, pod.spec.as_ref().unwrap(), &facts());
    let process = ProcessArgs { args: vec!["/app".to_owned()], env: vec!["A=1".to_owned()], cwd: String::new() };
    let host = HostFacts { hostname: "node".to_owned(), cgroup_mount: true, ..HostFacts::default() };
    let etc = EtcFiles { hosts: Some("/s/hosts".into()), hostname: Some("/s/hostname".into()), resolv_conf: None };
    let volumes: Vec<VolumeMount> = effective.containers[0]
        .mounts
        .iter()
        .map(|mount| VolumeMount {
            mount_path: mount.mount_path.clone(),
            source: VolumeSource::Path(PathBuf::from("/s/volumes").join(&mount.volume)),
            read_only: false,
            recursive_read_only: false,
            propagation: String::new(),
        })
        .collect();
    let options = SpecOptions {
        root: Path::new("/s/root"),
        root_mounts: &[],
        root_readonly_paths: &[],
        extra_mounts: &[],
        volumes: &volumes,
        etc: &etc,
        shm: None,
        seccomp: None,
        host: &host,
        process_label: None,
        mount_label: None,
        id_mappings: mappings,
        unprivileged: false,
        join,
        cgroups_path: None,
        not_applied: &[],
    };
    build(&effective, &effective.containers[0], &process, &options)
}

/// As JSON, with the sets in order.
fn spec(pod: Value) -> Value {
    as_json(&try_spec(pod, None, JoinedNamespaces::default()).unwrap())
}

fn as_json(spec: &Spec) -> Value {
    let mut json = serde_json::to_value(spec).unwrap();
    for set in json["process"]["capabilities"].as_object_mut().unwrap().values_mut() {
        set.as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    json
}

#[allow(clippy::needless_pass_by_value, reason = "written as a literal where it is used")]
fn container(security: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "local/web:1", "securityContext": security}]}})
}

#[test]
fn walk_through_with_a_context_of_the_pod() {
    insta::assert_json_snapshot!(spec(json!({
        "metadata": {"name": "security-context-demo"},
        "spec": {
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [{"name": "sec-ctx-vol", "emptyDir": {}}],
            "containers": [{
                "name": "sec-ctx-demo", "image": "local/web:1",
                "volumeMounts": [{"name": "sec-ctx-vol", "mountPath": "/data/demo"}],
                "securityContext": {"allowPrivilegeEscalation": false}
            }]
        }
    })));
}

#[test]
fn walk_through_with_a_context_of_the_container() {
    let spec = spec(json!({
        "metadata": {"name": "security-context-demo-2"},
        "spec": {
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "sec-ctx-demo-2", "image": "local/web:1",
                "securityContext": {"runAsUser": 2000, "allowPrivilegeEscalation": false}}]
        }
    }));
    insta::assert_json_snapshot!(spec["process"]);
}

#[test]
fn walk_through_without_capabilities() {
    let spec = spec(json!({
        "metadata": {"name": "security-context-demo-3"},
        "spec": {"containers": [{"name": "sec-ctx-3", "image": "local/web:1"}]}
    }));
    insta::assert_json_snapshot!(spec["process"]);
}

#[test]
fn walk_through_with_added_capabilities() {
    let spec = spec(container(json!({"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}})));
    insta::assert_json_snapshot!(spec["process"]["capabilities"]);
}

#[test]
fn a_privileged_container_has_nothing_hidden_and_all_devices() {
    let spec = spec(container(json!({"privileged": true})));
    insta::assert_json_snapshot!(json!({"linux": spec["linux"], "mounts": spec["mounts"]}));
}

#[test]
fn the_nodes_namespaces_are_shared_where_the_pod_says_so() {
    let spec = spec(json!({
        "metadata": {"name": "web"},
        "spec": {"hostNetwork": true, "hostPID": true, "hostIPC": true, "containers": [{"name": "c", "image": "local/web:1"}]}
    }));
    assert_eq!(spec["linux"]["namespaces"], json!([{"type": "mount"}]));
    assert_eq!(spec.get("hostname"), None);
    assert_eq!(spec["linux"].get("sysctl"), None);
    let shm = spec["mounts"].as_array().unwrap().iter().find(|mount| mount["destination"] == "/dev/shm").unwrap();
    assert_eq!(shm["source"], "/dev/shm");
    assert!(spec["process"]["env"].as_array().unwrap().contains(&json!("HOSTNAME=node")));
}

#[test]
fn a_pod_with_its_own_users_needs_mappings() {
    let pod = json!({"metadata": {"name": "web"}, "spec": {"hostUsers": false, "containers": [{"name": "c", "image": "local/web:1"}]}});
    assert_eq!(try_spec(pod.clone(), None, JoinedNamespaces::default()), Err(SpecError::NoMappings));
    let block = vec![IdMapping { inside: 0, outside: 65_536, size: 65_536 }];
    let mappings = IdMappings { uid: block.clone(), gid: block, setgroups: true };
    let spec = as_json(&try_spec(pod, Some(&mappings), JoinedNamespaces::default()).unwrap());
    assert_eq!(spec["linux"]["uidMappings"], json!([{"containerID": 0, "hostID": 65_536, "size": 65_536}]));
    assert_eq!(spec["linux"]["namespaces"][0], json!({"type": "user"}));
}

#[test]
fn a_sandboxs_namespaces_are_joined() {
    let join = JoinedNamespaces { pod: Some(7), pid: false };
    let spec = as_json(&try_spec(container(json!({})), None, join).unwrap());
    assert_eq!(
        spec["linux"]["namespaces"],
        json!([{"type": "pid"}, {"type": "ipc", "path": "/proc/7/ns/ipc"}, {"type": "uts", "path": "/proc/7/ns/uts"},
            {"type": "mount"}, {"type": "network", "path": "/proc/7/ns/net"}])
    );
    assert_eq!(spec.get("hostname"), None);
}

#[test]
fn what_the_context_leaves_open_is_no_spec() {
    let mut pod = container(json!({}));
    pod["spec"]["containers"][0]["image"] = json!("unknown:1");
    assert!(matches!(try_spec(pod, None, JoinedNamespaces::default()), Err(SpecError::Undecided { .. })));
}
