//! CVE-2021-30465: a mount whose target, in a volume that another container writes to, is exchanged for a link while
//! the container is being made, so that the mount lands where a later one takes its source from.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::Bed;
use crate::{exchange, race_time};

#[test]
fn a_mount_into_a_shared_volume_lands_in_the_container_or_nowhere() {
    let Some(mut bed) = Bed::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (volume, payload, wanted) = (dir.path().join("volume"), dir.path().join("payload"), dir.path().join("wanted"));
    for (path, text) in [(&volume.join("sub"), "sub"), (&payload, "payload"), (&wanted, "wanted")] {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("which"), text).unwrap();
    }
    // Where the later mount comes from: the attacker wants its payload there, and then in the container at /later; or
    // the other way round, the machine's root instead of the volume.
    symlink(&wanted, volume.join("link")).unwrap();
    bed.mount("/volume", "bind", &volume, &["rbind", "rw"]);
    bed.mount("/volume/sub", "bind", &payload, &["rbind", "rw"]);
    bed.mount("/later", "bind", &wanted, &["rbind", "rw"]);
    let stop = AtomicBool::new(false);
    let (mut started, mut refused) = (0_u32, 0_u32);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| exchange(&volume.join("sub"), &volume.join("link"), &stop));
        let end = Instant::now() + race_time();
        let mut wrong = None;
        // A machine with much to do may not have come to one by then.
        let latest = end + Duration::from_mins(1);
        while wrong.is_none() && (Instant::now() < end || started == 0 && Instant::now() < latest) {
            match bed.run(&["/bin/cat", "/later/which"]) {
                Ok(seen) if seen.out == "wanted" => started += 1,
                Ok(seen) => wrong = Some(seen),
                // The target was a link at that moment, which leads nowhere in the container.
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
        let exchanges = attacker.join().unwrap();
        assert!(wrong.is_none(), "after {started} starts: {wrong:?}");
        assert!(exchanges > 100, "there was no race");
    });
    println!("{started} started, {refused} refused");
    assert!(started > 0, "nothing was started, {refused} refused");
    assert_eq!(fs::read_to_string(wanted.join("which")).unwrap(), "wanted");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&dir.path().display().to_string()), "something is mounted on the machine: {mounts}");
}
