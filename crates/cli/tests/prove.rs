//! `ringfence prove` and `ringfence run` from the outside, on the real kernel: as whoever runs the tests, and again
//! without privilege.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::process::Command;

use common::{lines, ringfence};
use serde_json::json;

const WALKTHROUGH: &str = "examples/walkthrough";

fn is_root() -> bool {
    ringfence_runtime::observe::is_privileged()
}

#[test]
fn the_walkthrough_gives_the_values_of_the_kubernetes_page() {
    let ran = ringfence(["prove", "-o", "jsonl", WALKTHROUGH], "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let pods = lines(&ran);
    let observed: Vec<_> = pods.iter().map(|pod| &pod["containers"][0]["observed"]).collect();
    for pod in &pods {
        assert_eq!(pod["containers"][0]["agreement"], true, "{pod}");
    }

    assert_eq!((&observed[0]["uid"], &observed[0]["gid"]), (&json!(1000), &json!(3000)));
    assert_eq!(observed[0]["noNewPrivileges"], true);
    assert_eq!(observed[1]["uid"], 2000);
    for (pod, set) in [(2, "00000000a80425fb"), (3, "00000000aa0435fb")] {
        assert_eq!(observed[pod]["capabilities"]["permitted"], set);
        assert_eq!(observed[pod]["capabilities"]["effective"], set);
    }
    if is_root() {
        assert!(observed[0]["groups"].as_array().unwrap().contains(&json!(2000)));
        assert_eq!(observed[0]["volumes"]["/data/demo"], json!({"mode": "drwxrwsrwx", "uid": 0, "gid": 2000}));
        let made = &observed[0]["createdFiles"]["/data/demo"];
        assert_eq!((&made["uid"], &made["gid"]), (&json!(1000), &json!(2000)));
    } else {
        let not_shown = pods[0]["containers"][0]["notShown"].as_object().unwrap();
        assert!(not_shown.contains_key("namespaces.user"), "{not_shown:?}");
    }
}

#[test]
fn the_table_ends_with_a_verdict() {
    let ran = ringfence(["prove", WALKTHROUGH], "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("runAsUser: 1000"), "{}", ran.out);
    let verdict = ran.out.lines().last().unwrap();
    assert!(verdict.starts_with("proved: 4 of 4 containers as computed; "), "{verdict}");
}

#[test]
fn a_refusal_is_a_finding_with_the_reason_of_a_pods_status() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, securityContext: {runAsUser: 0, runAsNonRoot: true}}]}\n";
    let ran = ringfence(["prove", "-o", "jsonl", "-"], pod);
    assert_eq!(ran.code, 1);
    let container = &lines(&ran)[0]["containers"][0];
    assert_eq!(container["error"]["reason"], "CreateContainerConfigError");
    assert_eq!(container["agreement"], true);
    assert!(container["observed"].is_null());
}

#[test]
fn a_user_without_privilege_gets_a_proof_too() {
    if !is_root() {
        println!("this whole run is one without privilege");
        return;
    }
    // Where an ordinary user can reach them.
    let dir =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let binary = dir.path().join("ringfence");
    std::fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).unwrap();
    for file in std::fs::read_dir(common::root().join(WALKTHROUGH)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&binary)
        .args(["prove", "-o", "jsonl", "."])
        .current_dir(dir.path())
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&output.stderr));
    for line in out.lines() {
        let pod: serde_json::Value = serde_json::from_str(line).unwrap();
        let container = &pod["containers"][0];
        assert_eq!(container["agreement"], true, "{pod}");
        assert!(container["notShown"]["groups"].is_string(), "what cannot be shown is said: {container}");
    }
}

#[test]
fn run_passes_on_the_exit_status_and_the_streams() {
    let ran = ringfence(["run", "examples/walkthrough/1-pod-level.yaml", "--", "sh", "-c", "id -u; cat; exit 7"], "in");
    assert_eq!(ran.code, 7, "{}", ran.err);
    assert_eq!(ran.out, "1000\nin");
}

#[test]
fn run_says_in_its_own_status_that_the_pod_could_not_be_run() {
    let ran = ringfence(["run", "examples/walkthrough/1-pod-level.yaml", "--", "/no/such/program"], "");
    assert_eq!(ran.code, 125);
    assert!(ran.err.contains("No such file or directory"), "{}", ran.err);
}

#[test]
fn init_containers_run_first_and_a_failure_ends_the_pod() {
    let pod = |code: u8| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes: [{{name: v, emptyDir: {{}}}}]\n  initContainers:\n  - {{name: a, image: i, command: [sh, -c, 'echo first > /v/f; exit {code}'], volumeMounts: [{{name: v, mountPath: /v}}]}}\n  containers:\n  - {{name: b, image: i, command: [sh, -c, 'cat /v/f; exit 3'], volumeMounts: [{{name: v, mountPath: /v}}]}}\n"
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pod.yaml");
    for (init, wanted, out) in [(0, 3, "first\n"), (9, 9, "")] {
        std::fs::write(&file, pod(init)).unwrap();
        let ran = ringfence(["run", file.to_str().unwrap()], "");
        assert_eq!((ran.code, &*ran.out), (wanted, out), "{}", ran.err);
    }
}

#[test]
fn a_sidecar_ends_with_the_main_container() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  initContainers:\n  - {name: s, image: i, restartPolicy: Always, command: [sleep, '1000']}\n  containers:\n  - {name: m, image: i, command: [sh, -c, 'exit 5']}\n";
    let began = std::time::Instant::now();
    let ran = ringfence(["run", "-"], pod);
    assert_eq!(ran.code, 5, "{}", ran.err);
    assert!(began.elapsed().as_secs() < 500, "the sidecar was waited for");
}

/// Runs a script where /run is empty and nobody else's, so that what is left there is ringfence's.
fn with_an_empty_run(script: &str) -> Option<String> {
    if !is_root() {
        println!("skipped: an empty /run needs root");
        return None;
    }
    // Pods of other tests may have mounts there, which a new mount namespace begins with.
    let forget = "grep ' /run/ringfence' /proc/self/mounts | cut -d' ' -f2 | xargs -r -n1 umount -l";
    let script = format!("{forget}; mount -t tmpfs none /run && {script}");
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .env("RINGFENCE", env!("CARGO_BIN_EXE_ringfence"))
        .current_dir(common::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn nothing_is_left_behind() {
    let script = "$RINGFENCE prove examples/walkthrough >/dev/null && ls -A /run/ringfence && grep -c ringfence /proc/self/mounts || true";
    if let Some(out) = with_an_empty_run(script) {
        assert_eq!(out, "0\n");
    }
}

#[test]
fn nothing_is_left_behind_when_ringfence_is_killed() {
    let script = r#"
        $RINGFENCE run examples/walkthrough/1-pod-level.yaml -- sh -c 'echo up; exec sleep 987' > /run/out 2>/dev/null &
        for i in $(seq 200); do grep -qs up /run/out && break; sleep 0.05; done
        cat /run/out
        kill -9 $!
        for i in $(seq 200); do
            [ -z "$(ls -A /run/ringfence)" ] && ! grep -qs '^sleep.987' /proc/[0-9]*/cmdline && break
            sleep 0.05
        done
        ls -A /run/ringfence
        grep -ls '^sleep.987' /proc/[0-9]*/cmdline
        grep -c /run/ringfence /proc/self/mounts"#;
    if let Some(out) = with_an_empty_run(&format!("{script} || true")) {
        assert_eq!(out, "up\n0\n");
    }
}

#[test]
fn sys_resource_is_shown_at_work_or_said_to_be_out_of_reach() {
    let pod = |context: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: c, image: i, securityContext: {{capabilities: {context}}}}}]}}\n"
        )
    };
    let container = |context: &str| {
        let ran = ringfence(["prove", "-o", "jsonl", "-"], pod(context));
        lines(&ran)[0]["containers"][0].clone()
    };
    let asks = container("{add: [SYS_RESOURCE]}");
    let shown = &asks["demonstrations"][0];
    let statement = shown["statement"].as_str().unwrap();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let bounding = own.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    let has = u64::from_str_radix(bounding, 16).unwrap() >> 24 & 1 == 1;
    match (is_root(), has) {
        (true, true) => {
            assert_eq!(shown["shown"], true, "{asks}");
            assert_eq!(shown["raisedLimit"]["without"]["raised"], false, "{asks}");
        }
        (true, false) => {
            assert_eq!(shown["shown"], false);
            assert!(statement.contains("not in this machine's bounding set"), "{statement}");
            // ALL means what there is, so that the container starts and the attempt is made.
            let all = container("{add: [ALL]}");
            assert_eq!(all["demonstrations"][0]["raisedLimit"]["process"]["raised"], false, "{all}");
            let statement = all["demonstrations"][0]["statement"].as_str().unwrap();
            assert!(statement.contains("this machine's lacks it"), "{statement}");
            assert_eq!(all["agreement"], true);
        }
        (false, _) => assert_eq!(shown["shown"], false, "{asks}"),
    }
    for asks_not in ["{add: [NET_ADMIN]}", "{add: [ALL], drop: [SYS_RESOURCE]}"] {
        assert!(container(asks_not)["demonstrations"].is_null(), "{asks_not}");
    }
    let text = ringfence(["prove", "-"], pod("{add: [SYS_RESOURCE]}")).out;
    assert!(text.contains("SYS_RESOURCE at work: ") || text.contains("SYS_RESOURCE not shown at work: "), "{text}");
}

#[test]
fn a_node_in_a_file_is_not_what_is_observed() {
    let ran = ringfence(["prove", "--node", "node.yaml", WALKTHROUGH], "");
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("`explain --node FILE`"), "{}", ran.err);
}

#[test]
fn a_filter_that_ends_the_attempt_leaves_the_report() {
    let dir = tempfile::tempdir().unwrap();
    // RLIMIT_NOFILE is 7.
    let rule = json!({"names": ["prlimit64", "setrlimit"], "action": "SCMP_ACT_KILL_PROCESS",
        "args": [{"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}]});
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    std::fs::write(dir.path().join("kill.json"), profile.to_string()).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, securityContext: {capabilities: {add: [ALL]}, seccompProfile: {type: Localhost, localhostProfile: kill.json}}}]}\n";
    let ran = ringfence(["prove", "--seccomp-root", dir.path().to_str().unwrap(), "-o", "jsonl", "-"], pod);
    let container = &lines(&ran)[0]["containers"][0];
    assert_eq!((ran.code, &container["agreement"]), (0, &json!(true)), "{container}");
    let statement = container["demonstrations"][0]["statement"].as_str().unwrap();
    assert!(statement.starts_with("could not be tried: the probe ended while it tried"), "{statement}");
}
