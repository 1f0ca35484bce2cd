//! A run that is killed leaves nothing behind: no process, no mount, no directory. Needs root.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringfence_runtime::engine::Engine;
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::{PodRun, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::NoObjects;
use serde_json::json;

/// Set for the process that will be killed: the base directory, and the engine.
const BASE: &str = "RINGFENCE_TEST_BASE";
const ENGINE: &str = "RINGFENCE_TEST_ENGINE";

fn engine(name: &str) -> Option<Box<dyn Engine>> {
    match name {
        "built-in" => Some(Box::new(BuiltIn::new())),
        name => External::find(name).ok().map(|engine| Box::new(engine) as Box<dyn Engine>),
    }
}

/// Not a test of its own: the run that is killed by the test below.
#[test]
fn run_that_waits_to_be_killed() {
    let (Some(base), Ok(name)) = (std::env::var_os(BASE), std::env::var(ENGINE)) else { return };
    let state = StateDir::create_in(Path::new(&base), Path::new(support::INSIDE)).unwrap();
    let pod = support::pod(json!({
        "metadata": {"name": "web"},
        "spec": {
            "volumes": [{"name": "mem", "emptyDir": {"medium": "Memory"}}],
            "containers": [{"name": "c", "image": "local/root:1", "volumeMounts": [
                {"name": "mem", "mountPath": "/a"}, {"name": "mem", "mountPath": "/b"}]}]
        }
    }));
    let effective = support::effective(&pod, &support::facts());
    let options = RunOptions {
        state: &state,
        binary: Path::new(support::INSIDE),
        objects: &NoObjects,
        seccomp_root: None,
        given_volumes: None,
        create_host_paths: false,
    };
    let run = PodRun::prepare(&pod, &effective, &effective.containers[0], options).unwrap();
    let process = ProcessArgs { args: ["sleep", "4711"].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
    let image = support::image("");
    let engine = engine(&name).unwrap();
    let mut started = run
        .start(
            &*engine,
            &effective.containers[0],
            &RootfsRequest::Host(&image),
            &process,
            ringfence_runtime::engine::Stdio::Inherit,
        )
        .unwrap();
    println!("\nstarted {}", started.running().pid());
    std::thread::sleep(Duration::from_mins(1));
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_that_is_killed_leaves_nothing_behind() {
    if !support::is_root() {
        eprintln!("passed over: not root");
        return;
    }
    for name in ["built-in", "runc", "crun"] {
        if engine(name).is_none() {
            eprintln!("passed over: there is no {name}");
            continue;
        }
        let base = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "run_that_waits_to_be_killed", "--nocapture"])
            .env(BASE, base.path())
            .env(ENGINE, name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pid = lines.find_map(|line| line.unwrap().strip_prefix("started ").map(str::to_owned)).unwrap();
        let process = Path::new("/proc").join(&pid);
        assert!(process.exists(), "{name}");
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);

        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the state directory stays", || fs::read_dir(base.path()).unwrap().count() == 0);
        wait_until("the container's process stays", || !process.exists());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&base.path().display().to_string()), "{name}: {mounts}");
    }
}

#[test]
fn a_directory_of_a_run_that_is_gone_is_swept_by_the_next() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("stale")).unwrap();
    fs::write(base.path().join("stale/file"), "").unwrap();
    let living = StateDir::create_in(base.path(), Path::new(support::INSIDE)).unwrap();
    assert!(!base.path().join("stale").exists());
    let other = StateDir::create_in(base.path(), Path::new(support::INSIDE)).unwrap();
    assert!(living.path().exists() && other.path().exists());
    drop(living);
    drop(other);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}
