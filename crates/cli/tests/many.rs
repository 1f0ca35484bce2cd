//! Many runs, one after another, at once, and killed at any moment: none leaves a process, a mount, a cgroup or a
//! directory behind. `RINGFENCE_RUNS` and `RINGFENCE_AT_ONCE` raise the numbers (`just many`). Needs root, for a /run and
//! a PID namespace of its own, in which all that is left can be seen.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

#[allow(dead_code, reason = "only its paths are used here")]
mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

fn number(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().map_or(otherwise, |number| number.parse().unwrap())
}

/// Runs a script in namespaces of its own, and asserts that afterwards there is nothing but itself.
fn leaves_nothing(script: &str) {
    if !ringfence_runtime::observe::is_privileged() {
        println!("skipped: needs root");
        return;
    }
    let check = "\
        i=0; while [ $i -lt 200 ]; do \
          left=$(ls -A /run/ringfence; cat /proc/[0-9]*/comm | grep -c ringfence | grep -v '^0$'; \
            grep -c ' /run/ringfence/' /proc/self/mounts | grep -v '^0$'; true); \
          [ -z \"$left\" ] && break; sleep 0.05; i=$((i+1)); done; \
        echo \"left:$left\"";
    let forget = "grep ' /run/ringfence' /proc/self/mounts | cut -d' ' -f2 | xargs -r -n1 umount -l";
    let script = format!("{forget}; mount -t tmpfs none /run; set -e; {script}\n{check}");
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "bash", "-c", &script])
        .env("RINGFENCE", env!("CARGO_BIN_EXE_ringfence"))
        .current_dir(common::root())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.trim_end(), "left:", "{err}");
    no_group_is_left();
}

/// Waits until no cgroup of a run is empty: one that has processes is somebody else's, who runs beside, and one that is
/// made or removed just now is not empty, or not there, when it is looked at again.
fn no_group_is_left() {
    let look = || -> BTreeSet<PathBuf> {
        let found =
            Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", "ringfence-*"]).output().unwrap();
        let groups = String::from_utf8_lossy(&found.stdout).lines().map(PathBuf::from).collect::<Vec<_>>();
        let is_empty = |group: &PathBuf| {
            let processes = Command::new("find")
                .arg(group)
                .args(["-name", "cgroup.procs", "-exec", "cat", "{}", "+"])
                .output()
                .unwrap();
            group.exists() && processes.stdout.is_empty()
        };
        groups.into_iter().filter(is_empty).collect()
    };
    let mut left = look();
    let end = Instant::now() + Duration::from_mins(1);
    while !left.is_empty() {
        assert!(Instant::now() < end, "{left:?}");
        std::thread::sleep(Duration::from_millis(100));
        let now = look();
        left.retain(|group| now.contains(group));
    }
}

/// A pod whose containers have cgroups, in a file that lives as long as the value.
fn limited() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: limited}\nspec:\n  containers:\n  - {name: c, image: i, \
               resources: {limits: {cpu: 500m, memory: 64Mi}}}\n";
    std::fs::write(file.path(), pod).unwrap();
    file
}

const POD: &str = "examples/walkthrough/1-pod-level.yaml";

#[test]
fn runs_one_after_another_leave_nothing() {
    let runs = number("RINGFENCE_RUNS", 100);
    leaves_nothing(&format!("for i in $(seq {runs}); do $RINGFENCE run {POD} -- true 2>/dev/null; done"));
}

#[test]
fn runs_at_once_leave_nothing() {
    let runs = number("RINGFENCE_AT_ONCE", 20);
    leaves_nothing(&format!(
        "pids=; for i in $(seq {runs}); do $RINGFENCE run {POD} -- sleep 0.2 2>/dev/null & pids=\"$pids $!\"; done; \
         for pid in $pids; do wait $pid; done"
    ));
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing() {
    let runs = number("RINGFENCE_AT_ONCE", 20);
    let limited = limited();
    let pod = limited.path().display();
    // From before it has begun to well after the container runs. Each is waited for: the next would clean up after it.
    leaves_nothing(&format!(
        "for i in $(seq {runs}); do $RINGFENCE run {pod} -- sleep 60 2>/dev/null & \
         sleep 0.0$((i * 4 / 10))$((i * 4 % 10)); kill -KILL $!; wait $! 2>/dev/null || true; \
         n=0; while [ -n \"$(ls -A /run/ringfence 2>/dev/null)\" ]; do \
         [ $n -lt 400 ] || exit 1; sleep 0.05; n=$((n+1)); done; done"
    ));
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing() {
    leaves_nothing(&format!(
        "for i in $(seq {}); do $RINGFENCE run -d {POD} >/dev/null 2>&1; \
         kill -KILL $($RINGFENCE ps -o json | sed -n 's/.*\"supervisorPid\": \\([0-9]*\\).*/\\1/p'); \
         while [ -n \"$($RINGFENCE ps -q)\" ]; do sleep 0.01; done; done",
        number("RINGFENCE_AT_ONCE", 20) / 4
    ));
}
