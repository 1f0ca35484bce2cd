//! `run -d`, `ps`, `exec`, `logs` and `rm` from the outside, on the real kernel: as whoever runs the tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{Ran, ringfence};
use serde_json::Value;

/// A pod that is removed at the end of its test, however that ends. Names are the tests' own: others run beside.
struct Pod {
    name: String,
}

impl Pod {
    fn start(manifest: &str) -> Self {
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let ran = ringfence(["run", "-d", "-"], manifest.replace("NAME", &name));
        assert_eq!((ran.code, ran.out.trim_end()), (0, name.as_str()), "{}", ran.err);
        Self { name }
    }

    fn exec(&self, args: &[&str]) -> Ran {
        ringfence(["exec", &self.name].into_iter().chain(args.iter().copied()), "")
    }

    fn shown(&self) -> Option<Value> {
        let ran = ringfence(["ps", "-o", "json"], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let all: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        all.into_iter().find(|pod| pod["name"] == self.name.as_str())
    }
}

static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

impl Drop for Pod {
    fn drop(&mut self) {
        ringfence(["rm", "-f", &self.name], "");
    }
}

fn simple(command: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: NAME}}\nspec:\n  terminationGracePeriodSeconds: 1\n  restartPolicy: Never\n  \
         containers:\n  - {{name: c, image: i, command: [sh, -c, {command:?}]}}\n"
    )
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state_dir(id: &str) -> PathBuf {
    ringfence_runtime::state::base_dir().unwrap().join(id)
}

#[test]
fn a_pod_that_is_left_running_is_shown_entered_read_and_removed() {
    let pod = Pod::start(&simple("echo out; echo err >&2; sleep 60"));
    let shown = pod.shown().unwrap();
    assert_eq!((&shown["phase"], &shown["containers"][0]["state"]), (&"Running".into(), &"running".into()), "{shown}");
    let id = shown["id"].as_str().unwrap().to_owned();
    let process = PathBuf::from(format!("/proc/{}", shown["containers"][0]["pid"]));
    assert!(process.exists());

    let ran = pod.exec(&["-e", "SAID=hello", "--", "sh", "-c", "echo $SAID; exit 7"]);
    assert_eq!((ran.code, ran.out.as_str()), (7, "hello\n"), "{}", ran.err);
    let echoed = ringfence(["exec", "-i", &pod.name, "--", "cat"], "through\nand through");
    assert_eq!((echoed.code, echoed.out.as_str()), (0, "through\nand through"), "{}", echoed.err);
    let missing = pod.exec(&["--", "ringfence-has-no-such-command"]);
    assert_eq!(missing.code, 125);
    assert!(missing.err.contains("cannot execute"), "{}", missing.err);

    wait_until("the log says nothing", || ringfence(["logs", &pod.name], "").err.contains("err"));
    let logs = ringfence(["logs", &pod.name], "");
    assert_eq!((logs.code, logs.out.as_str(), logs.err.as_str()), (0, "out\n", "err\n"));

    let second = ringfence(["run", "-d", "-"], simple("true").replace("NAME", &pod.name));
    assert_eq!(second.code, 125);
    assert!(second.err.contains("runs already"), "{}", second.err);

    // By its ID, too. The shell ignores SIGTERM, as the first process of a PID namespace does, and is killed in the end.
    let removed = ringfence(["rm", &id], "");
    assert_eq!((removed.code, removed.out.trim_end()), (0, pod.name.as_str()), "{}", removed.err);
    assert!(!state_dir(&id).exists());
    assert!(!process.exists(), "{:?}", std::fs::read_to_string(process.join("status")));
    assert_eq!(ringfence(["rm", &pod.name], "").code, 2);
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing_and_is_not_shown() {
    let pod = Pod::start(&simple("sleep 60"));
    let shown = pod.shown().unwrap();
    let supervisor = rustix::process::Pid::from_raw(shown["supervisorPid"].as_i64().unwrap() as i32).unwrap();
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    wait_until("the pod is still shown", || pod.shown().is_none());
    let process = PathBuf::from(format!("/proc/{}", shown["containers"][0]["pid"]));
    wait_until("the container still runs", || !process.exists());
    let dir = state_dir(shown["id"].as_str().unwrap());
    wait_until("the state directory is still there", || !dir.exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&dir.display().to_string()));
}

#[test]
fn a_pod_that_is_removed_has_its_time_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let pod = Pod::start(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: NAME}}\nspec:\n  terminationGracePeriodSeconds: 60\n  \
         restartPolicy: Never\n  volumes: [{{name: v, hostPath: {{path: {}}}}}]\n  containers:\n  - {{name: c, image: i, \
         command: [sh, -c, \"trap 'touch /v/asked; exit 0' TERM; touch /v/ready; while :; do sleep 0.05; done\"], \
         volumeMounts: [{{name: v, mountPath: /v}}]}}\n",
        dir.path().display()
    ));
    wait_until("it is not ready", || dir.path().join("ready").exists());
    assert_eq!(ringfence(["rm", &pod.name], "").code, 0);
    assert!(dir.path().join("asked").exists());
}

#[test]
fn a_pod_that_has_ended_stays_with_its_logs_until_it_is_removed() {
    let pod = Pod::start(&simple("echo done; exit 3"));
    wait_until("it has not ended", || pod.shown().unwrap()["phase"] == "Failed");
    let container = pod.shown().unwrap()["containers"][0].clone();
    assert_eq!((&container["state"], &container["exitCode"]), (&"terminated".into(), &3.into()), "{container}");
    assert_eq!(ringfence(["logs", "-f", &pod.name], "").out, "done\n");
    assert_eq!(pod.exec(&["--", "true"]).code, 125);
}

/// Two files are full before the third is written to; whoever follows meanwhile misses nothing either.
#[test]
fn logs_go_over_the_files_that_they_are_cut_into() {
    let pod = Pod::start(&simple("exec seq -f %0180.0f 120000"));
    let whole = |out: &str| {
        assert_eq!(out.lines().count(), 120_000);
        let wrong = out.lines().zip(1..).find(|(line, number): &(&str, u32)| line.parse() != Ok(*number));
        assert_eq!(wrong, None);
    };
    whole(&ringfence(["logs", "-f", &pod.name], "").out);
    wait_until("it has not ended", || pod.shown().unwrap()["phase"] == "Succeeded");
    whole(&ringfence(["logs", &pod.name], "").out);
    let last = ringfence(["logs", "--tail", "2", &pod.name], "").out;
    assert_eq!(last.lines().map(|line| line.trim_start_matches('0')).collect::<Vec<_>>(), ["119999", "120000"]);
}

#[test]
fn logs_are_shown_from_a_time_on_and_up_to_a_number_of_bytes() {
    let pod = Pod::start(&simple("echo one; echo two; echo three"));
    wait_until("it has not ended", || pod.shown().unwrap()["phase"] == "Succeeded");
    let logs = |args: &[&str]| {
        let ran = ringfence(["logs", &pod.name].into_iter().chain(args.iter().copied()), "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        ran.out
    };
    let stamped = logs(&["--timestamps"]);
    let (time, text) = stamped.lines().nth(1).unwrap().split_once(' ').unwrap();
    assert_eq!(text, "two");
    // The clock may not have gone on between two lines.
    assert!(logs(&["--since-time", time]).ends_with("two\nthree\n"));
    assert_eq!(logs(&["--since-time", "9999-01-01T00:00:00Z"]), "");
    assert_eq!(logs(&["--since", "100h"]), "one\ntwo\nthree\n");
    assert_eq!(logs(&["--since", "1ns"]), "");
    assert_eq!(logs(&["-f", "--limit-bytes", "6"]), "one\ntw");
    assert_eq!(logs(&["--tail", "1", "--limit-bytes", "3"]), "thr");
    assert_eq!(logs(&["--tail", "0"]), "");
    assert_eq!(logs(&["--tail", "-1"]), "one\ntwo\nthree\n");
    let wrong = ringfence(["logs", &pod.name, "--since", "1d"], "");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("5s, 2m30s or 1.5h"), "{}", wrong.err);
}

#[test]
fn init_containers_come_first_and_one_that_fails_is_the_pods_end() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: order}\nspec:\n  initContainers:\n  \
        - {name: one, image: i, command: [echo, one]}\n  \
        - {name: beside, image: i, restartPolicy: Always, command: [sh, -c, \"trap 'echo ended; exit 0' TERM; echo beside; while :; do sleep 0.05; done\"]}\n  \
        - {name: two, image: i, command: [sh, -c, sleep 0.3; echo two]}\n  \
        containers:\n  - {name: c, image: i, command: [sh, -c, echo main; exit 5]}\n";
    let ran = ringfence(["run", "-"], manifest);
    assert_eq!((ran.code, ran.out.as_str()), (5, "one\nbeside\ntwo\nmain\nended\n"), "{}", ran.err);
    let ran = ringfence(["run", "-"], manifest.replace("echo two", "exit 9"));
    assert_eq!((ran.code, ran.out.as_str()), (9, "one\nbeside\nended\n"), "{}", ran.err);
    let left = manifest.replace("echo two", "exit 9").replace("name: order", "name: order, namespace: left");
    let ran = ringfence(["run", "-d", "--restart", "Never", "--rm", "-"], left);
    assert_eq!((ran.code, ran.out.as_str()), (9, ""), "{}", ran.err);
}

/// What runs in a container and what is executed there later: the same of everything that restricts.
#[test]
fn a_command_gets_what_the_container_has_and_nothing_else() {
    let pod = Pod::start(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  restartPolicy: Never\n  shareProcessNamespace: true\n  \
         securityContext: {seccompProfile: {type: RuntimeDefault}}\n  containers:\n  \
         - {name: c, image: i, workingDir: /tmp, command: [sleep, '60'], securityContext: {allowPrivilegeEscalation: false, \
         capabilities: {drop: [ALL], add: [CHOWN, SYS_PTRACE]}}}\n  \
         - {name: other, image: i, command: [sleep, '60']}\n",
    );
    // Users and groups are others outside, in a user namespace.
    let keep = ["Umask", "Cap", "NoNewPrivs", "Seccomp", "SigB", "SigI", "SigC"];
    let of = |text: &str| -> Vec<String> {
        text.lines().filter(|line| keep.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
    };
    let pid = pod.shown().unwrap()["containers"][0]["pid"].clone();
    let path = |name: &str| format!("/proc/{pid}/{name}");
    let first = of(&std::fs::read_to_string(path("status")).unwrap());
    let ran = pod.exec(&["--", "cat", "/proc/self/status"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(of(&ran.out), first);
    for line in ["Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0"] {
        assert!(ran.out.lines().any(|found| found == line), "{}", ran.out);
    }
    assert!(first.iter().any(|line| line == "Seccomp:\t2") && first.iter().any(|line| line == "NoNewPrivs:\t1"));

    let limits = pod.exec(&["--", "cat", "/proc/self/limits"]);
    assert_eq!(limits.out, std::fs::read_to_string(path("limits")).unwrap());
    let cgroup = pod.exec(&["--", "readlink", "/proc/self/ns/cgroup", "/proc/self/ns/mnt", "/proc/self/ns/pid"]);
    let links: Vec<String> = ["cgroup", "mnt", "pid"]
        .map(|name| std::fs::read_link(path(&format!("ns/{name}"))).unwrap().display().to_string())
        .into();
    assert_eq!(cgroup.out.lines().collect::<Vec<_>>(), links);
    assert_eq!(pod.exec(&["--", "pwd"]).out, "/tmp\n");
    // Nothing but the streams, and those are pipes of its own.
    let open = pod.exec(&["--", "sh", "-c", "for fd in /proc/self/fd/*; do readlink $fd; done"]);
    assert!(open.out.lines().all(|link| link.starts_with("pipe:[") || link.starts_with("/proc/")), "{}", open.out);
    // The keeper is not to be seen from inside.
    let seen = pod.exec(&["--", "sh", "-c", "cat /proc/[0-9]*/comm"]);
    assert!(!seen.out.contains("exec"), "{}", seen.out);
}

#[test]
fn a_terminal_is_one_of_the_containers_own() {
    let pod = Pod::start(&simple("sleep 60"));
    let ran =
        ringfence(["exec", "-t", &pod.name, "--", "sh", "-c", "tty; test -t 0 && test -t 2 && echo $TERM | wc -l"], "");
    assert_eq!((ran.code, ran.out.replace("\r\n", "\n").as_str()), (0, "/dev/pts/0\n1\n"), "{}", ran.err);
}

/// Whether containers can have more than one user here; says so otherwise.
fn has_users() -> bool {
    let missing =
        if ringfence_runtime::observe::is_privileged() { None } else { ringfence_runtime::subordinate::missing() };
    if let Some(why) = &missing {
        println!("skipped: {why}");
    }
    missing.is_none()
}

/// A pod whose containers have users of their own, each with a directory that it alone may enter in their volume.
fn users() -> String {
    let container = |name: &str, uid: u32| {
        format!(
            "  - {{name: {name}, image: i, command: [sh, -c, 'umask 077; mkdir /v/{name} && touch /v/{name}/f && sleep 60'], \
             securityContext: {{runAsUser: {uid}}}, volumeMounts: [{{name: v, mountPath: /v}}, {{name: m, mountPath: /m}}]}}\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: NAME}}\nspec:\n  terminationGracePeriodSeconds: 0\n  restartPolicy: Never\n  \
         securityContext: {{runAsUser: 5, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000]}}\n  \
         volumes: [{{name: v, emptyDir: {{}}}}, {{name: m, emptyDir: {{medium: Memory}}}}]\n  containers:\n{}{}{}",
        container("a", 1000),
        container("b", 0),
        container("far", 1_000_650_000)
    )
}

fn start_users() -> Pod {
    let pod = Pod::start(&users());
    for name in ["a", "b", "far"] {
        wait_until("nothing is written", || {
            pod.exec(&["-c", name, "--", "test", "-e", &format!("/v/{name}/f")]).code == 0
        });
    }
    pod
}

#[test]
fn users_and_groups_of_the_containers_are_as_declared() {
    if !has_users() {
        return;
    }
    let pod = start_users();
    for (name, uid) in [("a", 1000), ("b", 0), ("far", 1_000_650_000)] {
        let ran =
            pod.exec(&["-c", name, "--", "sh", "-c", "id -u; id -g; id -G; stat -c %a:%u:%g /v /v/*; cd /v && umask"]);
        let wanted = format!(
            "{uid}\n3000\n3000 2000 4000\n2777:0:2000\n2700:1000:2000\n2700:0:2000\n2700:1000650000:2000\n0022\n"
        );
        assert_eq!((ran.code, ran.out.as_str()), (0, wanted.as_str()), "{}", ran.err);
        let terminal = ringfence(["exec", "-t", &pod.name, "-c", name, "--", "sh", "-c", "stat -c %u $(tty)"], "");
        assert_eq!((terminal.code, terminal.out.trim_end()), (0, uid.to_string().as_str()), "{}", terminal.err);
    }
    // What one user keeps to itself another does not see.
    assert_eq!(pod.exec(&["-c", "far", "--", "test", "-e", "/v/a/f"]).code, 1);
    assert_eq!(pod.exec(&["-c", "b", "--", "test", "-e", "/v/a/f"]).code, 0);
}

#[test]
fn files_of_all_users_are_removed_however_the_pod_ends() {
    if !has_users() {
        return;
    }
    let id = |pod: &Pod| state_dir(pod.shown().unwrap()["id"].as_str().unwrap());
    let pid = |number: &Value| rustix::process::Pid::from_raw(number.as_i64().unwrap() as i32).unwrap();
    let kill = |process| rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();

    let removed = start_users();
    let dir = id(&removed);
    assert_eq!(ringfence(["rm", &removed.name], "").code, 0);
    assert!(!dir.exists(), "by rm");

    let killed = start_users();
    let dir = id(&killed);
    kill(pid(&killed.shown().unwrap()["supervisorPid"]));
    wait_until("the guardian has removed nothing", || !dir.exists());

    let swept = start_users();
    let (dir, shown) = (id(&swept), swept.shown().unwrap());
    let supervisor = pid(&shown["supervisorPid"]);
    let children = format!("/proc/{0}/task/{0}/children", supervisor.as_raw_nonzero());
    let children = std::fs::read_to_string(children).unwrap();
    let is_guardian = |child: &&str| {
        std::fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"guardian"))
    };
    let guardian = children.split_ascii_whitespace().find(is_guardian).unwrap();
    let first = PathBuf::from(format!("/proc/{}", shown["containers"][2]["pid"]));
    kill(rustix::process::Pid::from_raw(guardian.parse().unwrap()).unwrap());
    kill(supervisor);
    wait_until("the container still runs", || !first.exists());
    wait_until("the next run removes nothing", || {
        assert_eq!(ringfence(["run", "-"], simple("true").replace("NAME", &swept.name)).code, 0);
        !dir.exists()
    });
}

#[test]
fn all_of_it_holds_for_a_user_without_privilege_too() {
    common::again_without_root(common::Caller::User, &OF_ONE_USER);
}

#[test]
fn all_of_it_holds_for_root_of_a_user_namespace_too() {
    common::again_without_root(common::Caller::NamespaceRoot, &OF_ONE_USER);
}

/// What takes no other users.
const OF_ONE_USER: [&str; 7] = [
    "a_pod_that_is_left_running_is_shown_entered_read_and_removed",
    "a_supervisor_that_is_killed_leaves_nothing_and_is_not_shown",
    "a_pod_that_has_ended_stays_with_its_logs_until_it_is_removed",
    "a_pod_that_is_removed_has_its_time_to_end",
    "init_containers_come_first_and_one_that_fails_is_the_pods_end",
    "a_command_gets_what_the_container_has_and_nothing_else",
    "a_terminal_is_one_of_the_containers_own",
];

#[test]
fn a_user_with_subordinate_ids_has_what_root_has() {
    common::again_without_root(common::Caller::UserWithIds, &OF_USERS);
}

#[test]
fn root_of_a_user_namespace_with_users_has_what_root_has() {
    common::again_without_root(common::Caller::NamespaceRootWithIds, &OF_USERS);
}

/// What takes users.
const OF_USERS: [&str; 5] = [
    "a_pod_that_is_left_running_is_shown_entered_read_and_removed",
    "a_command_gets_what_the_container_has_and_nothing_else",
    "a_terminal_is_one_of_the_containers_own",
    "users_and_groups_of_the_containers_are_as_declared",
    "files_of_all_users_are_removed_however_the_pod_ends",
];

#[test]
fn an_ephemeral_container_runs_when_it_is_asked_for_and_its_mounts_are_as_declared() {
    if !ringfence_runtime::observe::is_privileged() {
        println!("skipped: needs root, to mount something below a hostPath");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("below")).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: e}}\nspec:\n  restartPolicy: Never\n  volumes:\n  \
         - {{name: shared, emptyDir: {{}}}}\n  - {{name: data, hostPath: {{path: {:?}}}}}\n  containers:\n  \
         - name: c\n    image: i\n    command: [sh, -c, 'until [ -e /shared/said ]; do sleep 0.05; done; cat /shared/said']\n    \
           volumeMounts: [{{name: shared, mountPath: /shared}}]\n  ephemeralContainers:\n  - name: late\n    image: i\n    \
           command: [sh, -c, 'if touch /data/below/file; then echo wrote; else echo refused; fi >/shared/new; mv /shared/new /shared/said']\n    \
           volumeMounts: [{{name: shared, mountPath: /shared}}, {{name: data, mountPath: /data, readOnly: true, recursiveReadOnly: Enabled}}]\n",
        dir.path()
    );
    let file = dir.path().join("pod.yaml");
    std::fs::write(&file, manifest).unwrap();
    // The mount is the test's own.
    let script = "mount -t tmpfs none \"$1/below\" && exec \"$RINGFENCE\" run \"$1/pod.yaml\" --ephemeral late";
    let output = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .env("RINGFENCE", env!("CARGO_BIN_EXE_ringfence"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("refused") && !out.contains("wrote"), "{out}{err}");
}

#[test]
fn a_sub_path_is_made_of_the_containers_variables() {
    let pod = |path: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: s}}\nspec:\n  restartPolicy: Never\n  volumes: [{{name: v, emptyDir: {{}}}}]\n  \
             initContainers:\n  - {{name: i, image: i, command: [sh, -c, 'mkdir -p /all/logs/web && echo found >/all/logs/web/file'], \
             volumeMounts: [{{name: v, mountPath: /all}}]}}\n  containers:\n  - name: c\n    image: i\n    command: [cat, /part/file]\n    \
             env: [{{name: APP, value: web}}, {{name: UP, value: '../..'}}]\n    \
             volumeMounts: [{{name: v, mountPath: part, subPathExpr: {path:?}}}]\n"
        )
    };
    let ran = ringfence(["run", "-"], pod("logs/$(APP)"));
    assert_eq!((ran.code, ran.out.trim_end()), (0, "found"), "{}", ran.err);
    for (path, why) in [("logs/$(NOWHERE)", "missing value for \"NOWHERE\""), ("logs/$(UP)", "must not contain '..'")] {
        let ran = ringfence(["run", "-"], pod(path));
        assert_ne!(ran.code, 0, "{}", ran.out);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}

#[test]
fn variables_come_from_objects_and_fields() {
    let ran = ringfence(
        ["run", "-", "--", "sh", "-c", "echo $DB_USER $DB_PASSWORD $PLAIN $KEY $MINE $BOTH ${NONE-unset}"],
        "apiVersion: v1\nkind: Pod\nmetadata: {name: v, labels: {app: shop}}\nspec:\n  restartPolicy: Never\n  containers:\n  \
         - name: c\n    image: i\n    envFrom: [{prefix: DB_, secretRef: {name: db}}, {configMapRef: {name: app}}, {configMapRef: {name: gone, optional: true}}]\n    \
           env:\n    - {name: KEY, valueFrom: {secretKeyRef: {name: db, key: USER}}}\n    \
           - {name: MINE, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}\n    \
           - {name: PLAIN, value: 'mine-$(PLAIN)'}\n    - {name: BOTH, value: $(KEY)-$(DB_USER)}\n    \
           - {name: NONE, valueFrom: {configMapKeyRef: {name: app, key: none, optional: true}}}\n    \
           - {name: WHO, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {USER: u}\ndata: {PASSWORD: cA==, RAW: /w==}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {PLAIN: text}\n",
    );
    assert_eq!((ran.code, ran.out.trim_end()), (0, "u p mine-text u shop u-u unset"), "{}", ran.err);
    for what in ["DB_RAW is not set, as the text of key \"RAW\"", "WHO is not set, as field \"status.podIP\""] {
        assert!(ran.err.contains(what), "{}", ran.err);
    }
}

#[test]
fn what_a_pod_asks_of_its_streams_is_not_passed_over_in_silence() {
    let manifest = simple("exit 0").replace("{name: c,", "{name: c, tty: true, stdin: true,");
    let ran = ringfence(["run", "-"], manifest.replace("NAME", "streams"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("container \"c\": tty is not done here"), "{}", ran.err);
    assert!(!ran.err.contains("stdin is not done here"), "whoever waits can write to it: {}", ran.err);
}

#[test]
fn names_that_would_add_lines_to_the_hosts_file_refuse_the_pod() {
    let manifest = simple("cat /etc/hosts").replace("NAME", "hosts");
    let with = |fields: &str| ringfence(["run", "-"], manifest.replace("spec:\n", &format!("spec:\n  {fields}\n")));
    let ran = with("hostAliases: [{ip: 10.0.0.1, hostnames: [a, b.c]}]");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("10.0.0.1\ta\tb.c\n"), "{}", ran.out);
    for fields in [
        r#"hostAliases: [{ip: 10.0.0.1, hostnames: ["a\n1.2.3.4 registry"]}]"#,
        r#"hostAliases: [{ip: "10.0.0.1\n1.2.3.4", hostnames: [registry]}]"#,
        r#"hostname: "a\n1.2.3.4 registry""#,
    ] {
        let ran = with(fields);
        assert_eq!((ran.code, ran.out.as_str()), (125, ""), "{fields}: {}", ran.err);
        assert!(ran.err.contains(" is not a valid "), "{fields}: {}", ran.err);
    }
}
