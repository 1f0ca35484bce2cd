//! CVE-2024-21626: a working directory through a descriptor of the machine that leaked into the container.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use crate::harness::Bed;

#[test]
fn a_working_directory_through_any_descriptor_shows_nothing_of_the_machine() {
    let Some(mut bed) = Bed::new() else { return };
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("marker"), "the machine's").unwrap();
    let host = fs::File::open(outside.path()).unwrap();
    // Without close-on-exec, as a careless program has them, low and high.
    let leaks: Vec<_> = [10, 200, 900]
        .into_iter()
        .map(|lowest| {
            let fd = rustix::io::fcntl_dupfd_cloexec(host.as_fd(), lowest).unwrap();
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
            fd
        })
        .collect();
    let numbers = (0..24).chain(leaks.iter().map(AsRawFd::as_raw_fd));
    for number in numbers {
        for way in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd", "/dev/fd", "/proc/self/cwd/../proc/self/fd"]
        {
            bed.process().set_cwd(format!("{way}/{number}").into());
            let Ok(seen) = bed.sh("cat marker; cat ../marker; readlink /proc/self/cwd") else { continue };
            assert!(!seen.out.contains("the machine's"), "{way}/{number}: {seen:?}");
            assert!(seen.out.lines().last().is_some_and(|cwd| cwd.starts_with('/')), "{way}/{number}: {seen:?}");
        }
    }
    // And from inside, by any name.
    bed.process().set_cwd("/".into());
    let seen = bed.sh("for fd in /proc/self/fd/* /proc/1/fd/*; do cat $fd/marker; done; echo tried").unwrap();
    assert!(!seen.out.contains("the machine's") && seen.out.ends_with("tried\n"), "{seen:?}");
    drop(leaks);
}
