//! Volumes that are the host's own root.

use std::fs;

use crate::harness::{Bed, default_capabilities, is_root};

/// A pod that mounts the host's `/` at `/host`.
fn with_host(options: &[&str]) -> Option<Bed> {
    if !is_root() {
        println!("skipped: not root");
        return None;
    }
    let mut bed = Bed::new()?;
    bed.capabilities(&default_capabilities());
    bed.mount("/host", "bind", "/", options);
    Some(bed)
}

#[test]
fn the_hosts_root_is_mounted_read_only() {
    for options in [
        &["rbind", "rprivate", "ro"][..],
        &["rbind", "rprivate", "rro"],
        &["rbind", "rslave", "ro"],
        &["bind", "rprivate", "ro"],
    ] {
        let Some(mut bed) = with_host(options) else { return };
        let mark = bed.directory.path().join("mark");
        let seen = bed.sh(&format!("touch /host{}", mark.display())).expect("a start");
        // Only `rro` covers what is mounted below, as with runc.
        let below = fs::metadata(bed.directory.path()).expect("metadata");
        let same = std::os::unix::fs::MetadataExt::dev(&below)
            == std::os::unix::fs::MetadataExt::dev(&fs::metadata("/").expect("metadata"));
        let covered = options.contains(&"rro") || same;
        assert_eq!(seen.out.contains("Read-only file system"), covered, "{options:?}: {seen:?}");
        let seen = bed.sh("touch /host/ringfence-test").expect("a start");
        assert!(seen.out.contains("Read-only file system"), "{options:?}: {seen:?}");
    }
}

#[test]
fn the_hosts_root_is_the_hosts_and_not_the_containers() {
    for options in [&["rbind", "rprivate"][..], &["rbind", "rslave"], &["rbind", "rshared"], &["bind", "rslave"]] {
        let Some(mut bed) = with_host(options) else { return };
        fs::write(bed.root().join("of-the-container"), "").expect("a file");
        let seen = bed.sh("ls /host; grep -c ' /host ' /proc/self/mountinfo").expect("a start");
        let has = |name: &str| seen.out.lines().any(|line| line == name);
        assert!(has("usr") && !has("of-the-container"), "{options:?}: {seen:?}");
        assert!(has("1"), "one mount is at /host alone: {options:?}: {seen:?}");
    }
}

#[test]
fn mounts_of_the_host_arrive_in_a_volume_that_asks_for_them() {
    use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

    let Some(mut bed) = with_host(&["rbind", "rslave", "ro"]) else { return };
    let shared = bed.directory.path().join("shared");
    fs::create_dir(&shared).expect("a directory");
    mount("tmpfs", &shared, "tmpfs", MountFlags::empty(), None).expect("a mount");
    mount_change(&shared, MountPropagationFlags::SHARED).expect("a shared mount");
    let point = shared.join("point");
    fs::create_dir(&point).expect("a directory");
    let script = format!(
        "echo up; for i in $(seq 100); do grep -q ' /host{} ' /proc/self/mountinfo && echo arrived && exit; sleep 0.05; done",
        point.display()
    );
    let (mut running, read) = bed.start(&["/bin/sh", "-c", &script]).expect("a start");
    mount("tmpfs", &point, "tmpfs", MountFlags::empty(), None).expect("a mount");
    let exit = running.wait();
    unmount(&point, UnmountFlags::DETACH).expect("unmounted");
    unmount(&shared, UnmountFlags::DETACH).expect("unmounted");
    exit.expect("an end");
    assert_eq!(crate::harness::everything(read), "up\narrived\n");
}
