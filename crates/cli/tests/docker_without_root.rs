//! `ringfence run` with docker's command line for users without privilege, with subordinate IDs and without.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::{Ran, busybox, ringfence};

fn run(image: &Path, flags: &[&str], command: &[&str]) -> Ran {
    let image = image.to_str().unwrap();
    ringfence(["run"].iter().chain(flags).chain([&image]).chain(command), "")
}

/// Standard output of a script that must succeed.
fn sh(image: &Path, flags: &[&str], script: &str) -> String {
    let Ran { code, out, err } = run(image, flags, &["sh", "-c", script]);
    assert_eq!(code, 0, "{flags:?} {script:?}: {err}");
    out
}

/// Why it is refused, with the exit status that docker gives.
fn refused(image: &Path, flags: &[&str]) -> String {
    let Ran { code, out, err } = run(image, flags, &["id"]);
    assert_eq!((code, out.as_str()), (125, ""), "{flags:?}: {err}");
    err
}

/// Whether this is a user without privilege, and has subordinate IDs; `None` for root, for whom these tests are not.
fn subordinate() -> Option<bool> {
    if ringfence_runtime::observe::is_privileged() {
        println!("passed over by root");
        return None;
    }
    Some(fs::read_to_string("/etc/subuid").is_ok_and(|text| text.starts_with("nobody:")))
}

#[test]
fn a_container_has_the_users_and_groups_that_it_can_have() {
    let (Some(subordinate), Some(image)) = (subordinate(), busybox()) else { return };
    let ids = |user: &str| sh(image.path(), &["-u", user], "echo $(id -u) $(id -g)");
    for (user, wanted) in [("0", "0 0"), ("alice", "1000 1000"), ("alice:audio", "1000 29"), ("4321:3000", "4321 3000")]
    {
        assert_eq!(ids(user).trim(), wanted, "{user}");
    }
    let alice = run(image.path(), &["-u", "alice"], &["id", "-G"]);
    if subordinate {
        assert_eq!((alice.code, alice.out.as_str(), alice.err.as_str()), (0, "1000 29 50000\n", ""));
        assert_eq!(ids("1000650000:0").trim(), "1000650000 0", "an ID beyond the range has one of its end");
        assert_eq!(sh(image.path(), &["--group-add", "audio", "-u", "7:8"], "id -G"), "8 29\n");
        // What another user of the container writes belongs to a subordinate ID, and is removed with the run.
        assert_eq!(
            sh(image.path(), &[], "echo x > /tmp/f; chown 1000:1000 /tmp/f; stat -c %u:%g /tmp/f"),
            "1000:1000\n"
        );
    } else {
        assert!(
            alice.out == "1000\n" && alice.err.contains("it is not in group 29, 50000"),
            "{}{}",
            alice.out,
            alice.err
        );
        assert!(alice.err.contains("has a single user, 1000, who is the caller"), "{}", alice.err);
        let why = refused(image.path(), &["--group-add", "audio"]);
        assert!(why.contains("--group-add needs root or subordinate IDs"), "{why}");
    }
}

#[test]
fn a_context_is_applied_as_for_root_and_counts_in_the_containers_namespace_alone() {
    let (Some(subordinate), Some(image)) = (subordinate(), busybox()) else { return };
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status";
    let flags = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges"];
    let seen = sh(image.path(), &flags, script);
    let fields: Vec<&str> = seen.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(fields, ["0000000000000001", "0000000000000001", "1", "2"], "{seen}");
    let proof = run(image.path(), &["--prove", "-o", "json", "--read-only", "-u", "alice"], &[]);
    let proof: serde_json::Value = serde_json::from_str(&proof.out).unwrap();
    let container = &proof["containers"][0];
    assert_eq!(container["agreement"], true, "{container}");
    assert_eq!(container["observed"]["namespaces"]["user"], "own");
    assert_eq!(container["notShown"]["groups"].is_null(), subordinate, "{container}");
    // A mount in a namespace of its own, and nothing of the machine's.
    let mounted =
        sh(image.path(), &["--cap-add", "SYS_ADMIN"], "mount -t tmpfs x /home && grep -c '^x /home ' /proc/mounts");
    assert_eq!(mounted, "1\n");
    let privileged =
        run(image.path(), &["--privileged"], &["sh", "-c", "echo 1 > /proc/sys/kernel/sysrq; mknod /tmp/k c 1 11"]);
    assert!(
        privileged.code != 0 && privileged.err.contains("count in the container's user namespace alone"),
        "{}",
        privileged.err
    );
}

#[test]
fn namespaces_of_the_machine_are_shared_where_it_is_asked_for() {
    let (Some(_), Some(image)) = (subordinate(), busybox()) else { return };
    let id = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
    for (flag, kind) in [("--pid=host", "pid"), ("--net=host", "net"), ("--ipc=host", "ipc"), ("--uts=host", "uts")] {
        let seen = sh(image.path(), &[flag], &format!("ls -l /proc/self/ns/{kind}"));
        assert!(seen.contains(&id(kind)), "{flag}: {seen}");
        let own = sh(image.path(), &[], &format!("ls -l /proc/self/ns/{kind}"));
        assert!(!own.contains(&id(kind)), "{own}");
    }
    assert!(refused(image.path(), &["--userns=host"]).contains("--userns host needs root"));
    // Writable paths of the machine's /proc stay out of reach.
    let hidden =
        sh(image.path(), &["--pid=host"], "cat /proc/keys; (echo x > /proc/sys/kernel/domainname) 2>&1 || true");
    assert!(hidden.contains("Read-only file system"), "{hidden}");
}

#[test]
fn a_device_is_given_whole_or_refused() {
    let (Some(_), Some(image)) = (subordinate(), busybox()) else { return };
    let seen =
        sh(image.path(), &["--device", "/dev/zero:/dev/nulls"], "head -c 3 /dev/nulls | grep -c . ; ls /dev/nulls");
    assert!(seen.ends_with("/dev/nulls\n"), "{seen}");
    let why = refused(image.path(), &["--device", "/dev/zero:/dev/x:r"]);
    assert!(why.contains("access r alone needs root"), "{why}");
    let why = refused(image.path(), &["--device-cgroup-rule", "c 1:5 r"]);
    assert!(why.contains("--device-cgroup-rule needs root"), "{why}");
    let closed = Path::new("/dev/kmsg");
    if fs::metadata(closed).is_ok_and(|device| device.mode() & 0o006 != 0o006) {
        let why = refused(image.path(), &["--device", "/dev/kmsg"]);
        assert!(why.contains("you may not open it (permission denied)"), "{why}");
    }
    // The node is the machine's: its mode cannot be changed through it.
    let changed = run(image.path(), &["--device", "/dev/zero:/dev/x"], &["chown", "0:0", "/dev/x"]);
    assert_ne!(changed.code, 0);
    assert_eq!(run(image.path(), &["--device", "/dev/nope"], &["id"]).code, 127);
}

#[test]
fn volumes_and_the_root_file_system_are_the_containers() {
    let (Some(_), Some(image)) = (subordinate(), busybox()) else { return };
    let data = tempfile::tempdir().unwrap();
    let bind = format!("{}:/data", data.path().display());
    assert_eq!(sh(image.path(), &["-v", &bind], "echo hello > /data/f; stat -c %u /data/f"), "0\n");
    assert_eq!(fs::metadata(data.path().join("f")).unwrap().uid(), rustix::process::geteuid().as_raw());
    assert_ne!(run(image.path(), &["-v", &format!("{bind}:ro")], &["touch", "/data/g"]).code, 0);
    assert_eq!(sh(image.path(), &[], "touch /etc/mine && ls /etc/mine"), "/etc/mine\n");
    assert!(!image.path().join("etc/mine").exists());
    let store = data.path().join("store").display().to_string();
    let flags = ["--store", &store, "-v", "notes:/notes"];
    sh(image.path(), &flags, "echo kept > /notes/f");
    assert_eq!(sh(image.path(), &flags, "cat /notes/f"), "kept\n");
    assert_eq!(run(image.path(), &[], &["sh", "-c", "exit 7"]).code, 7);
    assert_eq!(run(image.path(), &[], &["nothing"]).code, 127);
    assert_eq!(run(image.path(), &[], &["/etc/passwd"]).code, 126);
}

const ALL: [&str; 5] = [
    "a_container_has_the_users_and_groups_that_it_can_have",
    "a_context_is_applied_as_for_root_and_counts_in_the_containers_namespace_alone",
    "namespaces_of_the_machine_are_shared_where_it_is_asked_for",
    "a_device_is_given_whole_or_refused",
    "volumes_and_the_root_file_system_are_the_containers",
];

#[test]
fn a_user_without_subordinate_ids() {
    common::again_without_root(common::Caller::User, &ALL);
}

#[test]
fn a_user_with_subordinate_ids() {
    common::again_without_root(common::Caller::UserWithIds, &ALL);
}
