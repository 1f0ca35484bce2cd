//! Holes that other runtimes had, each attacked here as it was there. A file is named after what it prevents.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod cve_2017_1002101;
mod cve_2019_5736;
mod cve_2021_25741;
mod cve_2021_30465;
mod cve_2022_0811;
mod cve_2022_36109;
mod cve_2023_2431;
mod cve_2024_21626;
mod cve_2024_40635;
#[allow(dead_code, reason = "shared with the tests of the launcher")]
#[path = "../launcher/harness.rs"]
mod harness;
mod pod;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The same attacks by and against containers in a user namespace, of a caller without privilege.
#[test]
fn the_attacks_fail_without_root_too() {
    again(IDS, "");
}

#[test]
fn the_attacks_fail_without_root_and_subordinate_ids() {
    again("", "");
}

#[test]
fn the_attacks_fail_as_root_of_a_user_namespace() {
    again(IDS, "unshare --user --map-root-user --map-auto");
}

#[test]
fn the_attacks_fail_as_root_of_a_user_namespace_of_one_user() {
    again("", "unshare --user --map-root-user");
}

/// The subordinate IDs that the user has in these tests.
const IDS: &str = "nobody:1879048192:65536\n";

/// Of the one who starts containers, in these tests.
const CALLERS_GROUP: u32 = 61_003;

/// Runs all attacks as the user nobody with these subordinate IDs, in what `namespace` makes; only by the machine's root,
/// since everybody else is somebody like that already.
fn again(ids: &str, namespace: &str) {
    // The files as they are to be, for this one process and what it starts.
    const SCRIPT: &str = "set -e; at=$1; shift; if ! [ -e /etc/subuid ] || ! [ -e /etc/subgid ]; then \
        cp -a /etc \"$at/etc\"; touch \"$at/etc/subuid\" \"$at/etc/subgid\"; mount --bind \"$at/etc\" /etc; fi; \
        mount --bind \"$at/ids\" /etc/subuid; mount --bind \"$at/ids\" /etc/subgid; \
        exec setpriv --reuid=65534 --regid=65534 --groups=$GROUP -- $NAMESPACE \"$@\"";
    if !support::is_root() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(dir.path().join("ids"), ids).unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).unwrap();
    let as_user = |namespace: &str, args: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]).arg(dir.path()).args(args);
        command.env("TMPDIR", &home).env("HOME", &home).env_remove("XDG_RUNTIME_DIR").current_dir("/");
        command.env("GROUP", CALLERS_GROUP.to_string()).env("NAMESPACE", namespace);
        command
    };
    let can = |namespace: &str, args: &[&std::ffi::OsStr]| {
        as_user(namespace, args).output().is_ok_and(|output| output.status.success())
    };
    if !can("", &["test".as_ref(), "-x".as_ref(), this.as_os_str()])
        || !can("unshare -U", &["true".as_ref()])
        || !(ids.is_empty() || can("unshare --user --map-root-user --map-auto", &["true".as_ref()]))
    {
        eprintln!("skipped: no setpriv, newuidmap or user namespaces, or this test cannot be read by other users");
        return;
    }
    let output = as_user(namespace, &[this.as_os_str(), "--test-threads".as_ref(), "2".as_ref()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let attack = "a_sub_path_that_is_exchanged_for_a_link_shows_nothing_of_what_is_outside ... ok";
    assert!(text.contains(attack), "{text}");
}

/// How long a race runs: a few seconds, or what `RINGFENCE_RACE_SECONDS` says.
fn race_time() -> Duration {
    let seconds = std::env::var("RINGFENCE_RACE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// Which other users and groups the caller can give files to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// Any.
    All,
    /// Its subordinate IDs, in a user namespace.
    Subordinate,
    /// None.
    None,
}

fn others() -> Others {
    let dir = tempfile::tempdir().unwrap();
    if std::os::unix::fs::chown(dir.path(), Some(1234), Some(4711)).is_ok() {
        std::os::unix::fs::chown(dir.path(), Some(rustix::process::geteuid().as_raw()), None).unwrap();
        Others::All
    } else if ringfence_runtime::subordinate::missing().is_none() {
        Others::Subordinate
    } else {
        Others::None
    }
}

/// Ends the attacker when it is dropped, also by a test that fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges two entries for one another for as long as `stop` is not set. Returns how often.
fn exchange(a: &PathBuf, b: &PathBuf, stop: &AtomicBool) -> u64 {
    let exchanges = AtomicU64::new(0);
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
        exchanges.fetch_add(1, Ordering::Relaxed);
    }
    exchanges.into_inner()
}
