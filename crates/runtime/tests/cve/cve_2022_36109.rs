//! CVE-2022-36109 and CVE-2023-25173: supplementary groups that are not what they must be. A file that is closed to a
//! group and open to others was read by a member, who changed the primary group through a setgid program and was then no
//! member any more; and groups of the one who starts a container stayed with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use ringfence_runtime::launcher::BuiltIn;
use serde_json::json;

use crate::harness::Bed;
use crate::{CALLERS_GROUP, Others, others, pod, support};

const CLOSED_TO: u32 = 61_001;
const OTHER: u32 = 61_002;

/// A command with the rights of whoever has these users and groups: as the caller, or in a user namespace of them.
fn with(others: Others, program: &str) -> Command {
    if others == Others::All {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--map-auto", program]);
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn a_setgid_program_does_not_take_the_primary_group_out_of_the_groups() {
    let others = others();
    if others == Others::None {
        // Nobody can be a member of anything there. What cannot be given is refused, not left out.
        let Some(mut bed) = Bed::new() else { return };
        bed.user(0, 0, &[CLOSED_TO]);
        let refusal = bed.sh("id").unwrap_err().to_string();
        assert!(refusal.contains(&format!("setting groups [{CLOSED_TO}]")), "{refusal}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (secret, program) = (dir.path().join("secret"), dir.path().join("cat"));
    fs::write(&secret, "closed to members").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o604)).unwrap();
    succeeds(with(others, "chgrp").arg(CLOSED_TO.to_string()).arg(&secret));
    fs::copy("/bin/cat", &program).unwrap();
    succeeds(with(others, "chgrp").arg(OTHER.to_string()).arg(&program));
    succeeds(with(others, "chmod").arg("2755").arg(&program));

    // As it was: the group is the primary one alone.
    let gid = format!("--regid={CLOSED_TO}");
    let mut attack = with(others, "setpriv");
    let outcome = attack.args(["--clear-groups", &gid, "--reuid=1000"]).arg(&program).arg(&secret).output().unwrap();
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
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("file");
    fs::set_permissions(secret.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(&file, "secret").unwrap();
    let members = |group: u32| {
        chown(&file, None, Some(group))?;
        fs::set_permissions(&file, Permissions::from_mode(0o640))
    };
    let member_of = |group: u32| {
        // Of this thread alone.
        rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(group)]).unwrap();
    };
    if support::is_root() {
        members(CLOSED_TO).unwrap();
        member_of(CLOSED_TO);
        bed.mount("/secret", "bind", secret.path(), &["rbind", "ro"]).user(1000, 1000, &[]);
        let seen = bed.sh("cat /secret/file; true").unwrap();
        assert!(!seen.out.starts_with("secret"), "{seen:?}");
        bed.own_user_namespace(0).user(0, 0, &[]);
        let seen = bed.sh("cat /secret/file; id -G").unwrap();
        assert!(!seen.out.contains(&CLOSED_TO.to_string()) && !seen.out.contains("65534"), "{seen:?}");
        return;
    }
    let others = others();
    let own = rustix::process::getegid();
    if others == Others::All {
        members(CLOSED_TO).unwrap();
        member_of(CLOSED_TO);
    } else if rustix::process::getgroups().unwrap().iter().all(|group| *group == own) {
        println!("skipped: the caller has no groups that could stay");
        return;
    } else if others == Others::None {
        // They cannot be dropped, and then nothing starts unless they may stay.
        bed.engine = BuiltIn::new();
        let refusal = bed.sh("id").unwrap_err().to_string();
        assert!(refusal.contains("dropping the caller's groups"), "{refusal}");
        return;
    } else if members(CALLERS_GROUP).is_err() {
        println!("skipped: the caller has other groups than in the gate");
        return;
    }
    for engine in pod::engines() {
        let spec = json!({
            "securityContext": {"runAsUser": 2222, "runAsGroup": 3000},
            "volumes": [{"name": "v", "hostPath": {"path": secret.path()}}],
            "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
        });
        let (out, exit) = pod::run(&*engine, spec, &["sh", "-c", "cat /v/file; id -G"]).unwrap();
        assert!(out.ends_with("\n3000\n") && !out.contains("secret"), "{}: {out} {exit:?}", engine.name());
    }
}
