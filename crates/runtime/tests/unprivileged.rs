//! What a user without privilege gets shown, and what not. Run by root, it becomes such a user.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::path::Path;
use std::process::Command;

use ringfence_context::capability::CapSet;
use ringfence_runtime::engine::Exit;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::{PodRun, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::NoObjects;
use serde_json::json;

/// Set for the process that has become another user.
const BECOME: &str = "RINGFENCE_TEST_UNPRIVILEGED";

/// Not a test of its own when root runs it: what the test below runs as another user.
#[test]
fn a_user_without_privilege_sees_its_context_applied() {
    if support::is_root() {
        return;
    }
    let pod = support::pod(json!({
        "metadata": {"name": "web"},
        "spec": {
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}],
            "containers": [{"name": "c", "image": "local/root:1",
                "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "m", "mountPath": "/m"}],
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "seccompProfile": {"type": "RuntimeDefault"}}}]
        }
    }));
    let observed = support::probe(&BuiltIn::new().keep_groups(true), &pod, &support::facts(), None)
        .unwrap_or_else(|error| panic!("{error:?}"));
    let state = &observed.state;
    assert_eq!((state.uid, state.gid), (Some(1000), Some(3000)));
    let sets = state.capabilities.unwrap();
    assert_eq!((sets.effective, sets.bounding), (CapSet::EMPTY, CapSet::RUNTIME_DEFAULT));
    assert_eq!(state.no_new_privileges, Some(true));
    assert_eq!(state.seccomp_mode, Some(2));
    assert_eq!(state.read_only_root_filesystem, Some(true));
    assert_eq!(state.proc_masked, Some(true));
    let not_shown: Vec<_> = observed.not_shown.keys().map(String::as_str).collect();
    if ringfence_runtime::subordinate::missing().is_none() {
        // With subordinate IDs it is as for root, but for the user namespace.
        assert_eq!(state.groups, Some([29, 44, 2000, 3000, 50_000].into()));
        for path in ["/v", "/m"] {
            assert_eq!((state.volumes[path].uid, state.volumes[path].gid), (0, 2000), "{path}");
        }
        assert_eq!(not_shown, ["namespaces.user"]);
        return;
    }
    // What cannot be shown is said so and left out.
    assert_eq!(state.groups, None);
    assert!(state.volumes.is_empty(), "{:?}", state.volumes);
    assert_eq!(not_shown, ["groups", "namespaces.user", "volumes./m", "volumes./v"]);
}

/// Not a test of its own when root runs it.
#[test]
fn root_in_the_container_is_the_caller_outside() {
    if support::is_root() {
        return;
    }
    let pod = support::pod(json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": "local/root:1",
            "securityContext": {"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}}}]}
    }));
    let observed = support::probe(&BuiltIn::new().keep_groups(true), &pod, &support::facts(), None)
        .unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(observed.state.uid, Some(0));
    assert_eq!(observed.state.capabilities.unwrap().effective, CapSet(0xaa04_35fb));
}

/// Not a test of its own when root runs it.
#[test]
fn what_the_caller_may_not_make_on_the_machine_is_stood_in_for() {
    if support::is_root() {
        return;
    }
    let pod = support::pod(json!({
        "metadata": {"name": "web"},
        "spec": {
            "volumes": [
                {"name": "new", "hostPath": {"path": "/ringfence-is-not-here"}},
                {"name": "etc", "hostPath": {"path": "/etc"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}
            ],
            "containers": [{"name": "c", "image": "local/root:1", "volumeMounts": [
                {"name": "new", "mountPath": "/new"},
                {"name": "etc", "mountPath": "/part", "subPath": "ringfence/is-not-here"},
                {"name": "claim", "mountPath": "/claim"}
            ]}]
        }
    }));
    let state = StateDir::create(Path::new(support::INSIDE)).unwrap();
    let effective = support::effective(&pod, &support::facts());
    let container = &effective.containers[0];
    let options = RunOptions {
        state: &state,
        binary: Path::new(support::INSIDE),
        objects: &NoObjects,
        seccomp_root: None,
        given_volumes: None,
        create_host_paths: true,
    };
    let run = PodRun::prepare(&pod, &effective, container, options).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(run.stand_ins().keys().map(String::as_str).collect::<Vec<_>>(), ["claim", "etc", "new"]);
    assert!(run.created_paths().is_empty());
    let script = "test -d /new && test -d /part && echo x > /claim/file";
    let process = ProcessArgs { args: ["sh", "-c", script].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
    let image = support::image("");
    let exit = run.run(&BuiltIn::new().keep_groups(true), container, &RootfsRequest::Host(&image), &process);
    assert_eq!(exit.unwrap_or_else(|error| panic!("{error:?}")), Exit::Code(0));
}

#[test]
fn root_becomes_a_user_without_privilege_and_gets_the_same() {
    if !support::is_root() {
        return;
    }
    assert!(std::env::var_os(BECOME).is_none(), "setpriv did not give up privilege");
    let this = std::env::current_exe().unwrap();
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(65_534), Some(65_534)).unwrap();
    let as_nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.env(BECOME, "1").env("TMPDIR", home.path()).env_remove("XDG_RUNTIME_DIR");
        command
    };
    let can = as_nobody().args(["test", "-x"]).arg(&this).status().is_ok_and(|status| status.success())
        && Path::new("/proc/self/ns/user").exists()
        && as_nobody().args(["unshare", "--user", "true"]).status().is_ok_and(|status| status.success());
    if !can {
        eprintln!("passed over: no setpriv, no user namespaces, or this test cannot be read by other users");
        return;
    }
    let output = as_nobody().arg(&this).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // The directory for temporary files has nothing left in it but the base directory.
    let left: Vec<_> = std::fs::read_dir(home.path().join("ringfence-65534")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
