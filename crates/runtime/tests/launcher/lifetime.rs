//! How containers end, and that nothing is left of them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringfence_runtime::engine::Exit;

use crate::harness::Bed;
use crate::inside;

fn ends(pid: u32) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn a_signal_reaches_the_first_process() {
    let Some(mut bed) = Bed::new() else { return };
    let (mut running, _read) =
        bed.start(&["/bin/sh", "-c", "trap 'exit 9' TERM; echo; while :; do sleep 0.05; done"]).expect("a start");
    std::thread::sleep(Duration::from_millis(100));
    running.signal(15).expect("a signal");
    assert_eq!(running.wait().expect("an end"), Exit::Code(9));
    running.signal(15).expect("no error for one that has ended");
}

#[test]
fn a_kill_is_told_from_an_exit() {
    let Some(mut bed) = Bed::new() else { return };
    let (mut running, _read) = bed.start(&["/bin/sleep", "1000"]).expect("a start");
    running.signal(9).expect("a signal");
    assert_eq!(running.wait().expect("an end"), Exit::Signal(9));
}

#[test]
fn dropping_ends_the_container() {
    let Some(mut bed) = Bed::new() else { return };
    let (running, _read) = bed.start(&["/bin/sleep", "1000"]).expect("a start");
    let pid = running.pid();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    drop(running);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn what_a_container_leaves_behind_ends_with_it() {
    let Some(mut bed) = Bed::new() else { return };
    // The write end of the pipe is closed when the last one has ended.
    let seen = bed.sh("sleep 1000 & sleep 1000 & exit 3").expect("a start");
    assert_eq!(seen.exit, Exit::Code(3));
}

#[test]
fn what_a_container_leaves_in_the_launchers_pid_namespace_ends_too() {
    let Some(mut bed) = Bed::new() else { return };
    if !crate::harness::is_root() {
        println!("skipped: a user namespace cannot show the processes of another");
        return;
    }
    bed.without_namespace(oci_spec::runtime::LinuxNamespaceType::Pid);
    let seen = bed.sh("(sleep 1000 & echo) ; exit 3").expect("a start");
    assert_eq!(seen.exit, Exit::Code(3));
}

#[test]
fn a_killed_launcher_leaves_no_process() {
    let Some(_bed) = Bed::new() else { return };
    let files = tempfile::tempdir().expect("a directory");
    for shared in ["", "/"] {
        if !shared.is_empty() && !crate::harness::is_root() {
            continue;
        }
        let mut launcher = Command::new(std::env::current_exe().expect("a path"))
            .args(inside::args("launch_and_hang"))
            .env("HANG_IN_THE_LAUNCHERS_PID_NAMESPACE", shared)
            .env("TMPDIR", files.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a launcher");
        let out = BufReader::new(launcher.stdout.take().expect("output"));
        let pid = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("container ")?.1.trim().parse().ok())
            .expect("a container");
        // Long enough for the container to change its user.
        std::thread::sleep(Duration::from_millis(200));
        launcher.kill().expect("a kill");
        launcher.wait().expect("an end");
        assert!(ends(pid), "process {pid} outlives its launcher (shared: {shared:?})");
    }
}

#[test]
fn a_launcher_killed_at_any_moment_leaves_no_process() {
    if Bed::new().is_none() {
        return;
    }
    let mark = format!("mark-{}", std::process::id());
    // A killed launcher cannot remove its files.
    let files = tempfile::tempdir().expect("a directory");
    for delay in 0..25 {
        let mut launcher = Command::new(std::env::current_exe().expect("a path"))
            .args(inside::args("launch_and_hang"))
            .arg(&mark) // As a filter that matches no test.
            .env("HANG_MARK", &mark)
            .env("TMPDIR", files.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a launcher");
        std::thread::sleep(Duration::from_millis(delay * 3));
        launcher.kill().expect("a kill");
        launcher.wait().expect("an end");
    }
    let until = Instant::now() + Duration::from_secs(5);
    while !marked(&mark).is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(marked(&mark), [0_u32; 0], "processes outlive their launchers");
}

/// The processes whose command line has the mark.
fn marked(mark: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    };
    numbers.filter(has).collect()
}

#[test]
fn threads_may_start_containers_side_by_side() {
    if Bed::new().is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..5 {
                    let mut bed = Bed::new().expect("busybox");
                    let text = format!("{thread} {turn}");
                    assert_eq!(bed.run(&["/bin/echo", &text]).expect("a start").out.trim(), text);
                }
            });
        }
    });
}
