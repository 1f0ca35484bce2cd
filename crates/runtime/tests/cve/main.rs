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

/// How long a race runs: a few seconds, or what `RINGFENCE_RACE_SECONDS` says.
fn race_time() -> Duration {
    let seconds = std::env::var("RINGFENCE_RACE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// Whether the test can be made; says so otherwise.
fn privileged() -> bool {
    let root = support::is_root();
    if !root {
        eprintln!("needs root: skipped");
    }
    root
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
