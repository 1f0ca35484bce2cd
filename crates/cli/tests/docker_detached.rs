//! `ringfence run -d` with docker's command line: left running, shown, entered, read, restarted and ended. As whoever runs
//! the tests, and again as users without privilege.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{Ran, busybox, ringfence};
use serde_json::Value;

/// A container that is removed at the end of its test, however that ends. Names are the tests' own: others run beside.
struct Container {
    name: String,
    id: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

fn new_name() -> String {
    format!("d{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// `run` with these flags before the image.
fn run(image: &Path, flags: &[&str], command: &[&str]) -> Ran {
    let image = image.to_str().unwrap();
    ringfence(["run"].iter().chain(flags).chain([&image]).chain(command), "")
}

impl Container {
    fn start(image: &Path, flags: &[&str], script: &str) -> Self {
        let name = new_name();
        let all: Vec<&str> = ["-d", "--name", &name].iter().chain(flags).copied().collect();
        let ran = run(image, &all, &["sh", "-c", script]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let id = ran.out.trim_end().to_owned();
        assert_eq!(id.len(), 16, "{id:?}");
        Self { name, id }
    }

    fn shown(&self) -> Option<Value> {
        let ran = ringfence(["ps", "-o", "json"], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let all: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        all.into_iter().find(|pod| pod["name"] == self.name.as_str())
    }

    fn logs(&self) -> String {
        ringfence(["logs", &self.name], "").out
    }

    /// Waits until it does not run any more, and gives what is said of it then.
    fn ended(&self) -> Value {
        let mut last = Value::Null;
        wait_until("the container ends", || {
            last = self.shown().unwrap();
            last["phase"] == "Succeeded" || last["phase"] == "Failed"
        });
        last["containers"][0].clone()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        ringfence(["rm", "-f", &self.name], "");
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_container_that_is_left_running_is_shown_entered_read_and_removed() {
    let Some(image) = busybox() else { return };
    let container = Container::start(image.path(), &["-u", "alice"], "echo out; echo err >&2; sleep 600");
    let shown = container.shown().unwrap();
    assert_eq!((&shown["phase"], &shown["id"]), (&"Running".into(), &container.id.as_str().into()), "{shown}");
    let process = PathBuf::from(format!("/proc/{}", shown["containers"][0]["pid"]));
    assert!(process.exists());
    for by in [&container.name, &container.id] {
        let ran = ringfence(["exec", by, "--", "sh", "-c", "echo $(id -u) $HOME; exit 7"], "");
        assert_eq!((ran.code, ran.out.as_str()), (7, "1000 /home\n"), "{}", ran.err);
    }
    wait_until("what it prints is in its log", || {
        let logs = ringfence(["logs", &container.name], "");
        (logs.out.as_str(), logs.err.as_str()) == ("out\n", "err\n")
    });
    let last = ringfence(["logs", "--tail", "1", &container.name], "");
    assert_eq!([last.out, last.err].concat().lines().count(), 1);
    let stamped = ringfence(["logs", "--timestamps", &container.name], "").out;
    assert!(stamped.starts_with("20") && stamped.ends_with("Z out\n"), "{stamped}");
    let second = run(image.path(), &["-d", "--name", &container.name], &["id"]);
    let conflict = format!("Conflict. The container name \"/{}\" is already in use by container", container.name);
    assert!(second.code == 125 && second.err.contains(&conflict), "{}", second.err);
    let removed = ringfence(["rm", "-f", &container.name], "");
    assert_eq!((removed.code, removed.out.trim_end()), (0, container.name.as_str()), "{}", removed.err);
    assert!(container.shown().is_none());
    // It is dead; the machine's init may take its time to notice.
    wait_until("its process is gone", || !process.exists());
}

#[test]
fn a_container_that_has_ended_stays_with_its_logs_until_it_is_removed() {
    let Some(image) = busybox() else { return };
    let container = Container::start(image.path(), &[], "echo last; exit 4");
    let ended = container.ended();
    assert_eq!((&ended["exitCode"], &ended["state"]), (&4.into(), &"terminated".into()), "{ended}");
    assert_eq!(container.logs(), "last\n");
    let refused = ringfence(["exec", &container.name, "--", "id"], "");
    assert!(refused.code == 125 && refused.err.contains("it ended with 4"), "{}", refused.err);
    // With --rm nothing stays.
    let gone = Container::start(image.path(), &["--rm"], "exit 0");
    wait_until("it goes by itself", || gone.shown().is_none());
}

#[test]
fn restarts_follow_the_policy_and_keep_the_file_system() {
    let Some(image) = busybox() else { return };
    let container = Container::start(
        image.path(),
        &["--restart", "on-failure:2"],
        "echo x >> /tmp/n; cat /tmp/n | grep -c x; exit 3",
    );
    let ended = container.ended();
    assert_eq!((&ended["restarts"], &ended["exitCode"]), (&2.into(), &3.into()), "{ended}");
    assert_eq!(container.logs(), "1\n2\n3\n");
    let good = Container::start(image.path(), &["--restart", "on-failure"], "exit 0");
    assert_eq!(good.ended()["restarts"], 0);
    let always = Container::start(image.path(), &["--restart", "always"], "exit 0");
    wait_until("it starts again and again", || {
        always.shown().is_some_and(|shown| shown["containers"][0]["restarts"].as_u64().unwrap() >= 2)
    });
    assert_eq!(ringfence(["rm", &always.name], "").code, 0);
    assert!(always.shown().is_none());
}

#[test]
fn the_stop_signal_asks_for_the_end_and_time_is_limited() {
    let Some(image) = busybox() else { return };
    let data = tempfile::tempdir().unwrap();
    let volume = format!("{}:/data", data.path().display());
    let script = "trap 'echo quit > /data/said; exit 0' QUIT; trap 'echo term > /data/said; exit 0' TERM; echo ready; \
                  while :; do sleep 0.05; done";
    let container = Container::start(image.path(), &["--stop-signal", "SIGQUIT", "-v", &volume], script);
    wait_until("it is ready", || container.logs() == "ready\n");
    assert_eq!(ringfence(["rm", &container.name], "").code, 0);
    assert_eq!(std::fs::read_to_string(data.path().join("said")).unwrap(), "quit\n");
    // The first process of a PID namespace ignores what it does not handle.
    let deaf = Container::start(image.path(), &["--stop-timeout", "0"], "sleep 600");
    assert_eq!(ringfence(["rm", &deaf.name], "").code, 0);
    assert!(deaf.shown().is_none());
}

#[test]
fn what_does_not_start_has_dockers_exit_status_and_leaves_nothing() {
    let Some(image) = busybox() else { return };
    let refused = |flags: &[&str], command: &str| {
        let name = new_name();
        let all: Vec<&str> = ["-d", "--name", &name].iter().chain(flags).copied().collect();
        let ran = run(image.path(), &all, &[command]);
        assert_eq!(ran.out, "");
        assert!(!ringfence(["ps", "-q"], "").out.lines().any(|line| line == name));
        (ran.code, ran.err)
    };
    assert_eq!(refused(&[], "nothing").0, 127);
    assert_eq!(refused(&[], "/etc/passwd").0, 126);
    assert_eq!(refused(&["--user", "nobody-knows"], "id").0, 125);
    let (code, why) = refused(&["--rm", "--restart", "always"], "id");
    assert!(code == 125 && why.contains("Conflicting options: --restart and --rm"), "{why}");
    let (code, why) = refused(&["--stop-signal", "SIGNO"], "id");
    assert!(code == 125 && why.contains("Invalid signal: SIGNO"), "{why}");
    let (code, why) = refused(&["--name", "a b"], "id");
    assert!(code == 125 && why.contains("Invalid container name (a b)"), "{why}");
}

#[test]
fn without_i_a_container_has_no_standard_input() {
    let Some(image) = busybox() else { return };
    let image = image.path().to_str().unwrap();
    assert_eq!(ringfence(["run", image, "cat"], "hello").out, "");
    assert_eq!(ringfence(["run", "-i", image, "cat"], "hello").out, "hello");
}

#[test]
fn all_of_it_holds_for_users_without_privilege() {
    let tests = [
        "a_container_that_is_left_running_is_shown_entered_read_and_removed",
        "a_container_that_has_ended_stays_with_its_logs_until_it_is_removed",
        "restarts_follow_the_policy_and_keep_the_file_system",
        "the_stop_signal_asks_for_the_end_and_time_is_limited",
        "what_does_not_start_has_dockers_exit_status_and_leaves_nothing",
        "without_i_a_container_has_no_standard_input",
    ];
    common::again_without_root(common::Caller::UserWithIds, &tests);
    common::again_without_root(common::Caller::User, &tests);
}
