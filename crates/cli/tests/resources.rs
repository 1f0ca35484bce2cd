//! Limits of `resources` and of docker's flags, on the real kernel: what goes beyond them, what the container and `exec`
//! see of them, and that nothing of them stays.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Ran, ringfence};

/// Whether this machine lets limits be set at all: root, and a hierarchy that can be written to.
fn can_limit() -> bool {
    let ran = ringfence(["run", "-", "--", "true"], pod("probe", "true", "{limits: {memory: 64Mi, cpu: 500m}}"));
    let can = ran.code == 0 && !ran.err.contains("not applied");
    if !can {
        println!("skipped: limits cannot be set here: {}", ran.err);
    }
    can
}

fn pod(name: &str, command: &str, resources: &str) -> String {
    let name = format!("r{}-{name}", std::process::id());
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  \
         restartPolicy: Never\n  containers:\n  - name: c\n    image: i\n    command: [sh, -c, {command:?}]\n    \
         resources: {resources}\n"
    )
}

fn run(name: &str, command: &str, resources: &str) -> Ran {
    ringfence(["run", "-"], pod(name, command, resources))
}

/// The group of the run, from what a process in it says of its groups.
fn group(out: &str) -> String {
    let line = out.lines().find(|line| line.contains("/ringfence-")).unwrap_or_else(|| panic!("no group: {out}"));
    line.split('/').find(|part| part.starts_with("ringfence-")).unwrap().to_owned()
}

fn is_gone(group: &str) -> bool {
    let found = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", group]).output().unwrap();
    found.stdout.is_empty()
}

#[test]
fn a_container_that_wants_more_memory_than_its_limit_is_killed_and_it_is_said_why() {
    if !can_limit() {
        return;
    }
    let ran = run("oom", "exec tail /dev/zero", "{limits: {memory: 32Mi}}");
    assert_eq!(ran.code, 137, "{}", ran.err);
    assert!(ran.err.contains("container \"c\": OOMKilled"), "{}", ran.err);
    let ran = run("fits", "head -c 1M /dev/zero | tail | wc -c", "{limits: {memory: 32Mi}}");
    assert_eq!((ran.code, ran.out.trim()), (0, "1048576"), "{}", ran.err);
    assert!(!ran.err.contains("OOMKilled"), "{}", ran.err);
}

#[test]
fn limits_are_what_the_container_sees_of_its_own_group_and_nothing_of_them_stays() {
    if !can_limit() {
        return;
    }
    let look = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu*/cpu.cfs_quota_us cpu*/cpu.shares memory.max \
                cpu.max cpu.weight 2>/dev/null; cat /proc/1/cgroup";
    let ran = run("look", look, "{limits: {memory: 64Mi, cpu: 250m}, requests: {cpu: 100m}}");
    let said: Vec<&str> = ran.out.lines().collect();
    assert!(said.contains(&"67108864"), "{}", ran.out);
    let v1 = said.contains(&"25000") && said.contains(&"102");
    // 102 shares are a weight of 17.
    let v2 = said.contains(&"25000 100000") && said.contains(&"17");
    assert!(v1 || v2, "{}", ran.out);
    if v1 {
        assert!(is_gone(&group(&ran.out)), "{}", ran.out);
    }
}

#[test]
fn exec_is_in_the_containers_group_and_a_loss_of_memory_is_shown() {
    if !can_limit() {
        return;
    }
    let manifest = pod("stay", "sleep 600", "{limits: {memory: 32Mi}}");
    let name = format!("r{}-stay", std::process::id());
    let ran = ringfence(["run", "-d", "-"], &manifest);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let groups = |pid: &str| {
        let ran = ringfence(["exec", &name, "--", "cat", &format!("/proc/{pid}/cgroup")], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    assert_eq!(groups("1"), groups("self"));
    // What exec starts counts, too.
    let ran = ringfence(["exec", &name, "--", "tail", "/dev/zero"], "");
    assert_eq!(ran.code, 137, "{}", ran.err);
    let ran = ringfence(["rm", "-f", &name], "");
    assert_eq!(ran.code, 0, "{}", ran.err);

    let name = format!("r{}-lost", std::process::id());
    let ran = ringfence(["run", "-d", "-"], pod("lost", "exec tail /dev/zero", "{limits: {memory: 32Mi}}"));
    // It may be gone before the command that started it has looked.
    let started = ran.code == 0;
    let end = Instant::now() + Duration::from_mins(1);
    while started && !ringfence(["ps", "-o", "json"], "").out.contains("OOMKilled") {
        assert!(Instant::now() < end, "{}", ringfence(["ps", "-o", "json"], "").out);
        std::thread::sleep(Duration::from_millis(50));
    }
    ringfence(["rm", "-f", &name], "");
    assert!(started, "{}", ran.err);
}

fn docker(flags: &[&str], command: &str) -> Ran {
    ringfence(["run"].iter().chain(flags).chain(&["resources-test", "sh", "-c", command]), "")
}

#[test]
fn dockers_limits_hold() {
    if !can_limit() {
        return;
    }
    let ran = docker(&["--memory", "32m", "--memory-swap", "32m"], "exec tail /dev/zero");
    assert_eq!(ran.code, 137, "{}", ran.err);
    assert!(ran.err.contains("OOMKilled"), "{}", ran.err);

    let look = "cd /sys/fs/cgroup; cat cpu*/cpu.cfs_quota_us cpu*/cpu.shares cpu.max cpu.weight 2>/dev/null; nproc";
    let ran = docker(&["--cpus", "0.5", "--cpu-shares", "102", "--cpuset-cpus", "0"], look);
    let said: Vec<&str> = ran.out.lines().collect();
    let v1 = said.contains(&"50000") && said.contains(&"102");
    let v2 = said.contains(&"50000 100000") && said.contains(&"17");
    assert!((v1 || v2) && said.last() == Some(&"1") || ran.err.contains("limits of cpu"), "{}{}", ran.out, ran.err);
    assert!(!ran.err.contains("--cpus"), "{}", ran.err);
}

#[test]
fn a_container_starts_no_more_processes_than_its_limit() {
    if !can_limit() {
        return;
    }
    // The shell itself is one; it ends at the first process that it cannot start.
    let ran = docker(&["--pids-limit", "8"], "i=0; while [ $i -lt 64 ]; do sleep 60 & i=$((i+1)); echo $i; done");
    if ran.err.contains("limits of pids are not applied") {
        println!("skipped: {}", ran.err);
        return;
    }
    assert_ne!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.lines().last(), Some("7"), "{}", ran.err);
}

#[test]
fn docker_refuses_what_its_daemon_refuses() {
    let ran = docker(&["--memory", "1m"], "true");
    assert_eq!(ran.code, 125, "{}", ran.err);
    if ringfence_runtime::observe::is_privileged() {
        assert!(ran.err.contains("Minimum memory limit allowed is 6MB"), "{}", ran.err);
    }
}

#[test]
fn a_limit_that_cannot_be_set_is_said() {
    if !ringfence_runtime::observe::is_privileged() {
        println!("skipped: needs root");
        return;
    }
    let script = "umount -R -l /sys/fs/cgroup 2>/dev/null; exec \"$0\" run - -- echo ran";
    let manifest = pod("none", "true", "{limits: {memory: 64Mi, cpu: 500m}}");
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, env!("CARGO_BIN_EXE_ringfence")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), out.trim()), (Some(0), "ran"), "{err}");
    for what in ["limits of cpu (resources) are not applied", "limits of memory (resources) are not applied"] {
        assert!(err.contains(what), "{err}");
    }
}
