//! CVE-2022-36109 and CVE-2023-25173: supplementary groups that are not what they must be. A file that is closed to a
//! group and open to others was read by a member, who changed the primary group through a setgid program and was then no
//! member any more; and groups of the one who starts a container stayed with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use serde_json::json;

use crate::harness::Bed;
use crate::{pod, privileged};

const CLOSED_TO: u32 = 61_001;
const OTHER: u32 = 61_002;

#[test]
fn a_setgid_program_does_not_take_the_primary_group_out_of_the_groups() {
    if !privileged() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (secret, program) = (dir.path().join("secret"), dir.path().join("cat"));
    fs::write(&secret, "closed to members").unwrap();
    chown(&secret, None, Some(CLOSED_TO)).unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o604)).unwrap();
    fs::copy("/bin/cat", &program).unwrap();
    chown(&program, None, Some(OTHER)).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o2755)).unwrap();

    // As it was: the group is the primary one alone.
    let gid = format!("--regid={CLOSED_TO}");
    let outcome = Command::new("setpriv")
        .args(["--clear-groups", &gid, "--reuid=1000"])
        .arg(&program)
        .arg(&secret)
        .output()
        .unwrap();
    assert_eq!(outcome.stdout, b"closed to members", "the attack of this test does not work: {outcome:?}");

    for engine in pod::engines() {
        let spec = json!({
            "securityContext": {"runAsUser": 1000, "runAsGroup": CLOSED_TO},
            "volumes": [{"name": "v", "hostPath": {"path": dir.path()}}],
            "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
        });
        let (out, exit) = pod::run(&*engine, spec, &["/v/cat", "/v/secret"]).unwrap();
        assert!(
            !out.contains("closed to members") && out.contains("ermission denied"),
            "{}: {out} {exit:?}",
            engine.name()
        );
    }
}

#[test]
fn groups_of_the_one_who_starts_a_container_do_not_stay_with_it() {
    let Some(mut bed) = Bed::new() else { return };
    if !privileged() {
        return;
    }
    let secret = tempfile::tempdir().unwrap();
    fs::set_permissions(secret.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(secret.path().join("file"), "secret").unwrap();
    chown(secret.path().join("file"), None, Some(CLOSED_TO)).unwrap();
    fs::set_permissions(secret.path().join("file"), Permissions::from_mode(0o640)).unwrap();
    // Of this thread alone.
    rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(CLOSED_TO)]).unwrap();
    bed.mount("/secret", "bind", secret.path(), &["rbind", "ro"]).user(1000, 1000, &[]);
    let seen = bed.sh("cat /secret/file; true").unwrap();
    assert!(!seen.out.starts_with("secret"), "{seen:?}");
    bed.own_user_namespace(0).user(0, 0, &[]);
    let seen = bed.sh("cat /secret/file; id -G").unwrap();
    assert!(!seen.out.contains(&CLOSED_TO.to_string()) && !seen.out.contains("65534"), "{seen:?}");
}
