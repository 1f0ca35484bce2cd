//! What it costs to give a volume to a group: with everything to change, with nothing to change, and what `chgrp -R`
//! takes for less.
//!
//!     cargo bench -p ringfence-runtime --bench own -- [FILES] [DIR]
//!
//! makes a tree of FILES files (300,000) in DIR (the temporary directory), a hundred to a directory, and removes it. It
//! needs root, to give files away.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringfence_runtime::volume::{ChangePolicy, OwnOptions, Ownership, own_with};

/// The best of them is shown. One is enough for a tree on which it takes minutes.
fn rounds(files: usize) -> usize {
    if files > 1_000_000 { 1 } else { 5 }
}

fn main() {
    // Cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let files: usize = args.next().map_or(300_000, |files| files.parse().expect("FILES is a number"));
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    if !rustix::process::geteuid().is_root() {
        println!("needs root, to give files away: nothing measured");
        return;
    }
    let tree = tempfile::tempdir_in(&dir).expect("a directory for the tree");
    let entries = plant(tree.path(), files);
    println!("{entries} entries below {}", dir.display());

    let threads = OwnOptions::default().threads;
    let mut group = 1000;
    for threads in [NonZeroUsize::MIN, threads] {
        let options = OwnOptions { threads, ..OwnOptions::default() };
        let mut changing = Vec::new();
        let mut right = Vec::new();
        for _ in 0..rounds(files) {
            group += 1;
            let ownership = Ownership { fs_group: group, policy: ChangePolicy::Always, read_only: false };
            for (times, changed) in [(&mut changing, entries), (&mut right, 0)] {
                let (start, cpu) = (Instant::now(), processor_time());
                let owned = own_with(tree.path(), ownership, &options).expect("the tree is walked");
                times.push((start.elapsed(), processor_time().saturating_sub(cpu)));
                assert_eq!((owned.entries, owned.changed, owned.failed), (entries, changed, 0));
            }
        }
        show(&format!("everything to change, {threads} threads"), changing, entries);
        show(&format!("nothing to change, {threads} threads"), right, entries);
    }
    let mut chgrp = Vec::new();
    for _ in 0..rounds(files) {
        group += 1;
        let start = Instant::now();
        let status = Command::new("chgrp").arg("-R").arg(group.to_string()).arg(tree.path()).status();
        assert!(status.expect("chgrp is there").success());
        chgrp.push((start.elapsed(), Duration::ZERO));
    }
    show("chgrp -R", chgrp, entries);
    println!("{:>38} {:>9} KiB", "most memory", most_memory());
}

/// Makes the tree: a hundred files to a directory, a hundred directories to one above. Returns the number of entries
/// with the root.
fn plant(root: &Path, files: usize) -> u64 {
    let mut entries = 1;
    let mut dir = PathBuf::new();
    for i in 0..files {
        if i % 100 == 0 {
            if i % 10_000 == 0 {
                entries += 1;
            }
            entries += 1;
            dir = root.join(format!("{}/{}", i / 10_000, i / 100));
            std::fs::create_dir_all(&dir).expect("a directory is made");
        }
        entries += 1;
        std::fs::File::create_new(dir.join(format!("file-{i}"))).expect("a file is made");
    }
    entries
}

/// What the threads of this process have worked, which a busy machine does not change.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn show(what: &str, mut times: Vec<(Duration, Duration)>, entries: u64) {
    times.sort_unstable();
    let (best, worked) = times[0];
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let each = |time: Duration| time.as_secs_f64() * 1e9 / entries as f64;
    print!("{what:>38} {:>7.3} s, {:>6.0} ns each", best.as_secs_f64(), each(best));
    println!(" (processors: {:.3} s, {:.0} ns each)", worked.as_secs_f64(), each(worked));
}

/// The most memory that this process had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or_default()
}
