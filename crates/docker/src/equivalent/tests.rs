use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use ringfence_context::capability::CapSet;
use ringfence_context::facts::ImageFacts;
use ringfence_context::process::Namespace;

use super::*;
use crate::effective::{self, Machine};
use crate::{Files, Options, Refusal, Version, parse};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("no such file or directory".to_owned())
    }
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn image() -> ImageFacts {
    ImageFacts {
        user: "app:audio".to_owned(),
        passwd: Some("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home:\napp:x:1500:1501::/app:\n".to_owned()),
        group: Some("root:x:0:\nbin:x:1:root\naudio:x:29:app,alice\nextra:x:50000:alice\n".to_owned()),
        ..ImageFacts::default()
    }
}

fn options(words: &[&str]) -> Result<Options, Refusal> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Options::new(&parse(&words, &[])?, Version::V20_10, &NoFiles)
}

fn pod(words: &[&str]) -> Expressed<Pod> {
    to_pod(&options(words).unwrap(), Version::V20_10, Some(&image()))
}

fn back(pod: &Pod) -> Expressed<Vec<String>> {
    let spec = pod.spec.as_ref().unwrap();
    from_container(spec, &spec.containers[0], Version::V20_10)
}

#[test]
fn a_command_line_becomes_a_pod() {
    let pod = pod(&[
        "--name",
        "Web_1",
        "-u",
        "alice:audio",
        "--group-add",
        "extra",
        "--cap-add=ALL",
        "--cap-drop=MKNOD",
        "--security-opt",
        "no-new-privileges",
        "--read-only",
        "--tmpfs",
        "/run:size=1m,mode=700",
        "-v",
        "/srv:/data:ro",
        "--device",
        "/dev/fuse",
        "--ulimit",
        "nofile=5",
        "--sysctl",
        "net.core.somaxconn=9",
        "-e",
        "A=$(B)",
        "--memory",
        "1g",
        "-p",
        "127.0.0.1:80:8080",
        "--pid",
        "host",
        "--network",
        "host",
        "--gpus",
        "all",
        "shop/web:1",
        "serve",
        "$(X)",
    ]);
    insta::assert_json_snapshot!(pod.value);
    let notes: Vec<String> = pod.notes.iter().map(|note| format!("{}: {}", note.what, note.why)).collect();
    insta::assert_snapshot!(notes.join(
        "
"
    ));
}

#[test]
fn a_container_becomes_a_command_line() {
    let pod: Pod = serde_json::from_value(serde_json::json!({"spec": {
        "hostNetwork": true, "securityContext": {"runAsUser": 1000, "fsGroup": 2000, "supplementalGroups": [5]},
        "volumes": [{"name": "a", "hostPath": {"path": "/srv"}}, {"name": "b", "configMap": {"name": "c"}},
            {"name": "c", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
        "containers": [{"name": "web", "image": "shop:1", "command": ["sh", "-c"], "args": ["echo $$(A) 'x'"],
            "securityContext": {"runAsGroup": 3000, "allowPrivilegeEscalation": false, "runAsNonRoot": true,
                "capabilities": {"add": ["NET_ADMIN", "KILL"], "drop": ["ALL", "KILL"]}},
            "volumeMounts": [{"name": "a", "mountPath": "/data", "readOnly": true}, {"name": "b", "mountPath": "/b"},
                {"name": "c", "mountPath": "/c"}],
            "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}]}}))
    .unwrap();
    let found = back(&pod);
    assert_eq!(
        command_line(&found.value),
        "docker run --rm --name=web --user=1000:3000 --group-add=5 --group-add=2000 --cap-drop=ALL --cap-add=NET_ADMIN \
         --security-opt=no-new-privileges --security-opt=seccomp=unconfined --network=host --uts=host \
         --volume=/srv:/data:ro --tmpfs=/c:size=1m,exec --cpus=1.500 --memory=64m --entrypoint=sh shop:1 -c \
         'echo $(A) '\\''x'\\'''"
    );
    let what: Vec<_> = found.notes.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(
        what,
        ["supplementalGroupsPolicy: Merge", "fsGroup: 2000", "runAsNonRoot: true", "seccompProfile", "volume b"]
    );
}

#[test]
fn names_need_the_image() {
    let without = to_pod(&options(&["-u", "alice", "--group-add", "audio", "x"]).unwrap(), Version::V20_10, None);
    let what: Vec<_> = without.notes.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(what, ["--user alice", "--group-add audio"]);
    let with = pod(&["-u", "alice", "x"]);
    assert_eq!(with.value.spec.unwrap().containers[0].security_context.as_ref().unwrap().run_as_user, Some(1000));
}

/// Flags that a pod can say.
fn words() -> impl Strategy<Value = Vec<String>> {
    let user = prop_oneof![
        Just(""),
        Just("alice"),
        Just("alice:audio"),
        Just("1000"),
        Just("4321"),
        Just("4321:3000"),
        Just(":7"),
        Just("app:50000"),
        Just("0:0"),
        Just("alice:")
    ];
    let capability = prop_oneof![
        Just("ALL"),
        Just("all"),
        Just("MKNOD"),
        Just("cap_chown"),
        Just("NET_RAW"),
        Just("SYS_TIME"),
        Just("KILL")
    ];
    let one = prop_oneof![
        capability.clone().prop_map(|name| format!("--cap-add={name}")),
        capability.prop_map(|name| format!("--cap-drop={name}")),
        prop_oneof![Just("29"), Just("extra"), Just("7777"), Just("bin")]
            .prop_map(|name| format!("--group-add={name}")),
        prop_oneof![
            Just("--read-only"),
            Just("--security-opt=no-new-privileges"),
            Just("--security-opt=seccomp=unconfined"),
            Just("--pid=host"),
            Just("--ipc=host"),
            Just("--network=host"),
            Just("--userns=host"),
            Just("--sysctl=net.core.somaxconn=5"),
            Just("--env=HOME=/x"),
            Just("--workdir=/tmp"),
            Just("--security-opt=apparmor=web")
        ]
        .prop_map(str::to_owned),
    ];
    (user, prop::collection::vec(one, 0..8)).prop_map(|(user, mut list)| {
        list.insert(0, format!("--user={user}"));
        list.push("image".to_owned());
        list
    })
}

proptest! {
    #[test]
    fn flags_keep_their_meaning_through_a_pod(words in words()) {
        let machine = Machine { bounding: CapSet::ALL };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let given = options(&words).unwrap();
        // What docker refuses, such as a group that is asked for twice, has no meaning to keep.
        let Ok(before) = effective::resolve(&given, &image(), Version::V20_10, machine) else { return Ok(()) };
        let pod = to_pod(&given, Version::V20_10, Some(&image()));
        let again = back(&pod.value).value;
        let again: Vec<&str> = again.iter().skip(2).map(String::as_str).collect();
        let mut after = effective::resolve(&options(&again).unwrap(), &image(), Version::V20_10, machine).unwrap();
        // A pod on the node's network has its name.
        if before.namespaces.net == Namespace::Host {
            after.namespaces.uts = before.namespaces.uts;
        }
        let (mut first, mut second) = (before.groups.clone(), after.groups.clone());
        first.sort_unstable();
        second.sort_unstable();
        prop_assert_eq!(first, second);
        prop_assert_eq!(before.process(), after.process());
        prop_assert_eq!(before.granted, after.granted);
        prop_assert_eq!((before.sysctls, before.app_armor, before.env), (after.sysctls, after.app_armor, after.env));
    }
}
