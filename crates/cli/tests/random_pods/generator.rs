//! Random pods from a seed: every field of a security context that decides something here, every kind of volume that can
//! be run, and what a pod shares with its node.

use serde_json::{Value, json};

/// A part of a pod that can be left out again: what it adds to the pod's spec, and to its container.
#[derive(Clone, Debug)]
pub struct Feature {
    pod: Value,
    container: Value,
}

/// Numbers from a seed, the same everywhere (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Once in `n` times.
    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }
}

fn pod(value: Value) -> Feature {
    Feature { pod: value, container: json!({}) }
}

fn container(value: Value) -> Feature {
    Feature { pod: json!({}), container: value }
}

fn context(value: &Value) -> Value {
    json!({"securityContext": value})
}

const IDS: [u32; 6] = [0, 1, 1000, 3000, 65_534, 2_000_000];

/// As manifests write them: names of the API, others that the runtime reads as well, and some that nothing comes of.
const CAPABILITIES: [&str; 16] = [
    "NET_ADMIN",
    "SYS_TIME",
    "SYS_ADMIN",
    "MKNOD",
    "CHOWN",
    "SETUID",
    "NET_RAW",
    "SYS_PTRACE",
    "DAC_OVERRIDE",
    "KILL",
    "net_bind_service",
    "Sys_Nice",
    "CAP_SYS_TIME",
    "ALL",
    "AUDIT_WRITE",
    "SETFCAP",
];

/// The features of the pod of a seed. `host` is a directory with a file `file` and a directory `dir` in it.
pub fn features(seed: u64, host: &str) -> Vec<Feature> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    let privileged = random.once_in(8);
    namespaces(&mut random, &mut all);
    pod_context(&mut random, &mut all);
    container_context(&mut random, privileged, &mut all);
    for number in 0..random.below(5) {
        all.push(volume(&mut random, number, host, privileged));
    }
    if random.once_in(5) {
        all.push(container(json!({"resources": {"limits": {"memory": "96Mi", "cpu": "500m"}}})));
    }
    all
}

fn namespaces(random: &mut Random, all: &mut Vec<Feature>) {
    let (mut network, mut ipc) = (false, false);
    if random.once_in(6) {
        network = true;
        all.push(pod(json!({"hostNetwork": true})));
    }
    if random.once_in(6) {
        ipc = true;
        all.push(pod(json!({"hostIPC": true})));
    }
    match random.below(8) {
        0 => all.push(pod(json!({"hostPID": true}))),
        1 => all.push(pod(json!({"shareProcessNamespace": true}))),
        _ => {}
    }
    if random.once_in(4) && !network {
        let (name, value) = random.of(&[
            ("net.ipv4.ip_unprivileged_port_start", "80"),
            ("net.ipv4.ping_group_range", "0 100"),
            ("net.ipv4.ip_local_port_range", "30000 31000"),
        ]);
        all.push(pod(context(&json!({"sysctls": [{"name": name, "value": value}]}))));
    }
    if random.once_in(6) && !ipc {
        all.push(pod(context(&json!({"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}))));
    }
    if random.once_in(6) {
        all.push(pod(json!({"hostname": "a-name"})));
    }
}

fn seccomp(random: &mut Random) -> Value {
    random.of(&[
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Unconfined"}),
        json!({"type": "Localhost", "localhostProfile": "profiles/own.json"}),
    ])
}

fn pod_context(random: &mut Random, all: &mut Vec<Feature>) {
    if random.once_in(2) {
        let uid = random.of(&IDS);
        let mut ids = json!({"runAsUser": uid});
        if random.once_in(2) {
            ids["runAsGroup"] = json!(random.of(&IDS));
        }
        if uid != 0 && random.once_in(2) {
            ids["runAsNonRoot"] = json!(true);
        }
        all.push(pod(context(&ids)));
    }
    if random.once_in(3) {
        let policy = random.of(&["Always", "OnRootMismatch"]);
        all.push(pod(context(&json!({"fsGroup": random.of(&IDS), "fsGroupChangePolicy": policy}))));
    }
    if random.once_in(3) {
        let groups: Vec<u32> = (0..=random.below(3)).map(|_| random.of(&IDS)).collect();
        all.push(pod(context(&json!({"supplementalGroups": groups}))));
    }
    if random.once_in(4) {
        all.push(pod(context(&json!({"supplementalGroupsPolicy": random.of(&["Merge", "Strict"])}))));
    }
    if random.once_in(3) {
        all.push(pod(context(&json!({"seccompProfile": seccomp(random)}))));
    }
}

fn container_context(random: &mut Random, privileged: bool, all: &mut Vec<Feature>) {
    if privileged {
        all.push(container(context(&json!({"privileged": true}))));
    } else if random.once_in(2) {
        all.push(container(context(&json!({"allowPrivilegeEscalation": random.once_in(3)}))));
    }
    if random.once_in(3) {
        let uid = random.of(&IDS);
        let mut ids = json!({"runAsUser": uid});
        if random.once_in(2) {
            ids["runAsGroup"] = json!(random.of(&IDS));
        }
        all.push(container(context(&ids)));
    }
    if random.once_in(2) {
        let names =
            |random: &mut Random| -> Vec<&str> { (0..random.below(4)).map(|_| random.of(&CAPABILITIES)).collect() };
        let (add, drop) = (names(random), names(random));
        all.push(container(context(&json!({"capabilities": {"add": add, "drop": drop}}))));
    }
    if random.once_in(3) {
        all.push(container(context(&json!({"readOnlyRootFilesystem": true}))));
    }
    if random.once_in(5) {
        all.push(container(context(&json!({"procMount": random.of(&["Default", "Unmasked"])}))));
    }
    if random.once_in(3) {
        all.push(container(context(&json!({"seccompProfile": seccomp(random)}))));
    }
}

fn volume(random: &mut Random, number: u64, host: &str, privileged: bool) -> Feature {
    let name = format!("v{number}");
    let mut mount = json!({"name": name, "mountPath": format!("/{}/{name}", random.of(&["mnt", "srv/deep", "tmp"]))});
    let source = match random.below(9) {
        0 => json!({"emptyDir": {}}),
        1 => json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        2 => json!({"configMap": {"name": "config", "defaultMode": random.of(&[0o400, 0o644])}}),
        3 => json!({"secret": {"secretName": "secret", "items": [{"key": "key", "path": "in/key", "mode": 0o440}]}}),
        4 => json!({"projected": {"defaultMode": 0o600, "sources": [
            {"configMap": {"name": "config"}}, {"secret": {"name": "secret"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}),
        5 => json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
        6 => {
            if random.once_in(2) {
                mount["subPath"] = json!("dir");
            }
            json!({"hostPath": {"path": host, "type": "Directory"}})
        }
        7 => json!({"hostPath": {"path": format!("{host}/file"), "type": random.of(&["File", ""])}}),
        _ => {
            mount["subPath"] = json!("some/where");
            json!({"emptyDir": {}})
        }
    };
    if random.once_in(3) {
        mount["readOnly"] = json!(random.once_in(2));
    }
    if source.get("hostPath").is_some() && random.once_in(3) {
        let all =
            if privileged { &["None", "HostToContainer", "Bidirectional"][..] } else { &["None", "HostToContainer"] };
        mount["mountPropagation"] = json!(random.of(all));
    }
    let mut volume = source;
    volume["name"] = json!(name);
    Feature { pod: json!({"volumes": [volume]}), container: json!({"volumeMounts": [mount]}) }
}

/// The pod of these features, with the objects that its volumes name.
pub fn build(name: &str, features: &[Feature]) -> Vec<Value> {
    let mut spec = json!({"automountServiceAccountToken": false});
    let mut container = json!({"name": "c", "image": "random.invalid/image", "command": ["sh"]});
    for feature in features {
        merge(&mut spec, &feature.pod);
        merge(&mut container, &feature.container);
    }
    spec["containers"] = json!([container]);
    let metadata = json!({"name": name, "namespace": "random", "labels": {"app": "random"}});
    let of = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "random"}});
    let (mut config, mut secret) = (of("ConfigMap", "config"), of("Secret", "secret"));
    config["data"] = json!({"a": "1", "b": "2"});
    secret["stringData"] = json!({"key": "value"});
    vec![config, secret, json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})]
}

/// Adds what the other has: lists grow, objects are merged, and of values the later one counts.
fn merge(into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(other)) => into.extend(other.iter().cloned()),
        (into, other) => *into = other.clone(),
    }
}
