//! The container's file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use oci_spec::runtime::LinuxNamespaceType;
use ringfence_runtime::engine::StartError;

use crate::harness::{Bed, default_capabilities, is_root};

#[test]
fn a_symlink_in_the_image_cannot_move_a_mount_outside() {
    let Some(mut bed) = Bed::new() else { return };
    let outside = bed.directory.path().join("outside");
    let volume = bed.directory.path().join("volume");
    fs::create_dir_all(outside.join("there")).expect("a directory");
    fs::create_dir(&volume).expect("a directory");
    fs::write(volume.join("mark"), "").expect("a file");
    let up = format!("../../../../../../../../..{}", outside.display());
    for (name, to) in [("absolute", outside.display().to_string()), ("relative", up)] {
        symlink(&to, bed.root().join(name)).expect("a link");
        for below in ["", "/there", "/new", "/deep/er"] {
            let mut bed_mounts = bed.spec.mounts().clone();
            bed.mount(&format!("/{name}{below}"), "bind", volume.clone(), &["rbind", "rprivate"]);
            let path = format!("/{name}{below}");
            let seen = bed.sh(&format!("ls {path} {}{}", outside.display(), below)).expect("a start");
            assert_eq!(seen.out.matches("mark").count(), 2, "{name}{below}: {seen:?}");
            bed.spec.set_mounts(bed_mounts.take());
            fs::remove_dir_all(bed.root().join("tmp")).expect("removed");
        }
    }
    let left: Vec<_> = fs::read_dir(&outside).expect("outside").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["there"], "nothing is made outside");

    // Where the same path is in the image, the link leads there.
    let inside = bed.root().join(outside.strip_prefix("/").expect("absolute"));
    fs::create_dir_all(&inside).expect("a directory");
    bed.mount("/absolute", "bind", volume, &["rbind", "rprivate"]);
    let seen = bed.sh(&format!("ls {}", outside.display())).expect("a start");
    assert_eq!(seen.out, "mark\n");
    assert!(!outside.join("mark").exists());
}

#[test]
fn proc_is_not_mounted_through_a_symlink() {
    let Some(mut bed) = Bed::new() else { return };
    fs::remove_dir(bed.root().join("proc")).expect("removed");
    fs::create_dir(bed.root().join("elsewhere")).expect("a directory");
    symlink("elsewhere", bed.root().join("proc")).expect("a link");
    let refused = bed.sh("true");
    assert!(matches!(&refused, Err(StartError::Step { step, .. }) if step.contains("proc")), "{refused:?}");
}

#[test]
fn masked_paths_are_empty_and_read_only_paths_cannot_be_written() {
    let Some(mut bed) = Bed::new() else { return };
    fs::create_dir(bed.root().join("secret")).expect("a directory");
    fs::write(bed.root().join("secret/key"), "key").expect("a file");
    fs::write(bed.root().join("etc/token"), "token").expect("a file");
    fs::create_dir(bed.root().join("fixed")).expect("a directory");
    let linux = bed.linux();
    let with = |paths: &Option<Vec<String>>, more: &[&str]| {
        let more = more.iter().map(|path| (*path).to_owned());
        Some(paths.iter().flatten().cloned().chain(more).collect::<Vec<_>>())
    };
    let masked = with(linux.masked_paths(), &["/secret", "/etc/token", "/missing"]);
    let read_only = with(linux.readonly_paths(), &["/fixed", "/missing"]);
    linux.set_masked_paths(masked).set_readonly_paths(read_only);
    let seen = bed
        .sh("ls /secret; cat /etc/token /proc/keys /proc/kcore; touch /secret/x /fixed/x; echo 1 > /proc/sys/vm/swappiness; echo end")
        .expect("a start");
    assert!(!seen.out.contains("key") && !seen.out.contains("token\n"), "{seen:?}");
    assert_eq!(seen.out.matches("Read-only file system").count(), 3, "{seen:?}");
    assert!(seen.out.ends_with("end\n"), "{seen:?}");
}

#[test]
fn a_read_only_root_refuses_writes_and_its_mounts_do_not() {
    let Some(mut bed) = Bed::new() else { return };
    bed.spec.root_mut().as_mut().expect("a root").set_readonly(Some(true));
    let seen = bed.sh("touch /x; touch /dev/shm/x && echo written").expect("a start");
    assert!(seen.out.contains("Read-only file system") && seen.out.contains("written"), "{seen:?}");
    assert!(!bed.root().join("x").exists());
}

#[test]
fn mount_options_are_applied() {
    let Some(mut bed) = Bed::new() else { return };
    let volume = bed.directory.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    bed.mount("/a/b", "tmpfs", "tmpfs", &["nosuid", "noexec", "mode=1730", "size=64k"]);
    bed.mount("/ro", "bind", volume.clone(), &["rbind", "ro", "nosuid"]);
    bed.mount("/rw", "bind", volume, &["bind", "rprivate", "rw"]);
    let seen = bed
        .sh("grep -E ' /(a/b|ro|rw) ' /proc/self/mounts; ls -ld /a/b; touch /ro/x; touch /rw/x && ls /ro")
        .expect("a start");
    let line = |path: &str| {
        let line = seen.out.lines().find(|line| line.contains(&format!(" {path} ")));
        line.unwrap_or_else(|| panic!("no {path} in {seen:?}")).to_owned()
    };
    assert!(line("/a/b").contains("nosuid") && line("/a/b").contains("noexec") && line("/a/b").contains("size=64k"));
    assert!(line("/ro").contains(" ro,nosuid"), "{seen:?}");
    assert!(line("/rw").contains(" rw,"), "{seen:?}");
    assert!(seen.out.contains("drwx-wx--T"), "{seen:?}");
    assert!(seen.out.contains("Read-only file system") && seen.out.ends_with("x\n"), "{seen:?}");
}

#[test]
fn a_file_is_mounted_on_a_file() {
    let Some(mut bed) = Bed::new() else { return };
    let hosts = bed.directory.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").expect("a file");
    bed.mount("/etc/hosts", "bind", hosts, &["rbind", "ro"]);
    assert_eq!(bed.sh("cat /etc/hosts").expect("a start").out, "127.0.0.1 localhost\n");
}

#[test]
fn the_common_devices_are_there_and_work() {
    let Some(mut bed) = Bed::new() else { return };
    let seen = bed
        .sh("echo x > /dev/null && cat /dev/null && ls -l /dev/full /dev/zero /dev/urandom /dev/tty | grep -c ^c; readlink /dev/ptmx; readlink /dev/fd; echo out > /dev/stdout")
        .expect("a start");
    assert_eq!(seen.out, "4\npts/ptmx\n/proc/self/fd\nout\n", "{seen:?}");
}

#[test]
fn a_device_node_of_ones_own_cannot_be_opened() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    bed.capabilities(&default_capabilities());
    let volume = bed.directory.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    bed.mount("/volume", "bind", volume, &["rbind"]);
    // 1:11 is /dev/kmsg: harmless to read, and not the container's.
    let seen = bed
        .sh("for d in /tmp /dev /dev/shm /volume; do mknod $d/kmsg c 1 11; cat $d/kmsg 2>&1 | grep -c denied; done")
        .expect("a start");
    assert_eq!(seen.out, "1\n1\n1\n1\n", "{seen:?}");
}

#[test]
fn a_process_that_can_mount_cannot_open_the_hosts_devices_either() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    let mut set = default_capabilities();
    // The second one opens /dev/kmsg where the kernel restricts it.
    set.extend([oci_spec::runtime::Capability::SysAdmin, oci_spec::runtime::Capability::Syslog]);
    bed.capabilities(&set);
    let script = "mkdir /tmp/d; mount -t tmpfs x /tmp/d && mknod /tmp/d/kmsg c 1 11 && cat /tmp/d/kmsg; mount -t devtmpfs x /tmp/d && cat /tmp/d/kmsg; cat /proc/self/cgroup; echo > /dev/null && echo end";
    let seen = match bed.sh(script) {
        Err(StartError::Unsupported { what, where_ }) => {
            println!("skipped: {what} is not supported {where_}");
            return;
        }
        seen => seen.expect("a start"),
    };
    assert_eq!(seen.out.matches("Operation not permitted").count(), 2, "{seen:?}");
    assert!(seen.out.ends_with("end\n"), "{seen:?}");
    // The cgroup is gone with it.
    let group = seen.out.lines().find_map(|line| line.strip_prefix("0::")).expect("a cgroup");
    assert_eq!(group, "/", "the container sees no cgroup above its own: {seen:?}");
    let ours = format!("ringfence-{}-", std::process::id());
    for base in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let mut left = fs::read_dir(base).into_iter().flatten().flatten();
        assert!(left.all(|entry| !entry.file_name().to_string_lossy().starts_with(&ours)), "{base}");
    }

    // One that may open all devices may open this one, too.
    let mut resources = oci_spec::runtime::LinuxResources::default();
    let mut rule = oci_spec::runtime::LinuxDeviceCgroup::default();
    rule.set_allow(true).set_access(Some("rwm".to_owned()));
    resources.set_devices(Some(vec![rule]));
    bed.linux().set_resources(Some(resources));
    let seen = bed.sh("mknod /tmp/kmsg c 1 11 && : < /tmp/kmsg && echo opened").expect("a start");
    assert_eq!(seen.out, "opened\n");
}

#[test]
fn nothing_of_the_hosts_mounts_is_left() {
    let Some(mut bed) = Bed::new() else { return };
    let seen = bed.sh("cat /proc/self/mountinfo").expect("a start");
    // Of the host's root, the container's own directory and what is shown of /dev.
    for line in seen.out.lines() {
        let point = line.split(' ').nth(4).expect("a mount point");
        let known = ["/", "/proc", "/sys", "/dev"];
        assert!(
            known.iter().any(|known| point == *known || (*known != "/" && point.starts_with(&format!("{known}/")))),
            "{line}"
        );
    }
}

/// What is shown of cgroups, whoever asks for it to be writable.
fn cgroup_mount(bed: &mut Bed, access: &str) {
    bed.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]);
}

#[test]
fn a_container_without_a_group_of_its_own_sees_no_cgroups() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        bed.linux()
            .namespaces_mut()
            .get_or_insert_default()
            .push(crate::harness::namespace(LinuxNamespaceType::Cgroup));
    }
    cgroup_mount(&mut bed, "rw");
    let seen = bed.sh("ls -A /sys/fs/cgroup; echo $?; mkdir /sys/fs/cgroup/x").expect("a start");
    assert!(seen.out.starts_with("0\n") && seen.out.contains("Read-only file system"), "{seen:?}");
}

#[test]
fn a_container_with_a_group_sees_that_alone_and_read_only() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        bed.linux()
            .namespaces_mut()
            .get_or_insert_default()
            .push(crate::harness::namespace(LinuxNamespaceType::Cgroup));
    }
    let mut memory = oci_spec::runtime::LinuxMemory::default();
    memory.set_limit(Some(64 << 20));
    let mut resources = oci_spec::runtime::LinuxResources::default();
    resources.set_devices(None).set_memory(Some(memory));
    let name = format!("ringfence-view-{}", std::process::id());
    bed.linux().set_resources(Some(resources)).set_cgroups_path(Some(name.into()));
    cgroup_mount(&mut bed, "rw");
    let script = "cd /sys/fs/cgroup; cat cgroup.procs */cgroup.procs; echo end; mkdir x */x; \
        for f in cgroup.procs */cgroup.procs; do echo $$ > $f && echo written; done; \
        grep -E ' /sys/fs/cgroup[ /]' /proc/self/mountinfo";
    let seen = match bed.sh(script) {
        Err(error) if error.to_string().contains("cgroup") => {
            println!("skipped: {error}");
            return;
        }
        seen => seen.expect("a start"),
    };
    // Its own processes: the shell, and what it starts.
    let processes = seen.out.split("end\n").next().expect("processes");
    let numbers = processes.lines().filter(|line| line.parse::<u32>().is_ok_and(|pid| pid < 20)).count();
    assert!(
        numbers >= 1 && !processes.lines().any(|line| line.parse().is_ok_and(|pid: u32| pid == 0 || pid >= 20)),
        "{seen:?}"
    );
    assert!(seen.out.contains("Read-only file system") && !seen.out.contains("written"), "{seen:?}");
    let mounts: Vec<&str> = seen.out.lines().filter(|line| line.contains(" - ")).collect();
    assert!(!mounts.is_empty() && mounts.len() <= 2, "{mounts:?}");
    for mount in mounts {
        assert!(mount.split(' ').nth(5).is_some_and(|options| options.starts_with("ro")), "{mount}");
    }
}

#[test]
fn names_and_sysctls_are_the_containers_own() {
    let Some(mut bed) = Bed::new() else { return };
    bed.spec.set_domainname(Some("example".to_owned()));
    let sysctls = [("net.ipv4.ip_unprivileged_port_start", "80"), ("kernel/shmmni", "2048")];
    bed.linux().set_sysctl(Some(sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into()));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let seen = bed
        .sh("cd /proc/sys; cat kernel/hostname kernel/domainname net/ipv4/ip_unprivileged_port_start kernel/shmmni")
        .expect("a start");
    assert_eq!(seen.out, "ringfence\nexample\n80\n2048\n");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").expect("a name"), host);
}

#[test]
fn a_missing_working_directory_is_made() {
    let Some(mut bed) = Bed::new() else { return };
    bed.process().set_cwd("/srv/app".into());
    assert_eq!(bed.run(&["/bin/readlink", "/proc/self/cwd"]).expect("a start").out, "/srv/app\n");
}

#[test]
fn a_file_is_made_behind_a_link_into_nothing() {
    let Some(mut bed) = Bed::new() else { return };
    let volume = bed.directory.path().join("file");
    fs::write(&volume, "text\n").expect("a file");
    symlink("../run/resolv.conf", bed.root().join("etc/resolv.conf")).expect("a link");
    bed.mount("/etc/resolv.conf", "bind", volume, &["rbind", "ro"]);
    let seen = bed.sh("cat /etc/resolv.conf /run/resolv.conf").expect("a start");
    assert_eq!(seen.out, "text\ntext\n");
}

#[test]
fn a_volume_over_or_inside_proc_is_refused() {
    let Some(mut bed) = Bed::new() else { return };
    let volume = bed.directory.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    symlink("/proc", bed.root().join("other")).expect("a link");
    let mounts = bed.spec.mounts().clone();
    for (path, typ, why) in [
        ("/proc", "bind", "not of type proc"),
        ("/proc", "tmpfs", "not of type proc"),
        ("/proc/sys/kernel", "bind", "inside /proc"),
        ("/proc/sys/kernel", "tmpfs", "inside /proc"),
        ("/other", "bind", "not of type proc"),
        ("/other/sys/kernel", "bind", "inside /proc"),
        ("/x/../proc/fs", "bind", "inside /proc"),
    ] {
        let options: &[&str] = if typ == "bind" { &["rbind"] } else { &[] };
        bed.mount(path, typ, volume.clone(), options);
        match bed.sh("true") {
            Err(StartError::Step { source, .. }) => assert!(source.to_string().ends_with(why), "{path}: {source}"),
            other => panic!("{path}: {other:?}"),
        }
        bed.spec.set_mounts(mounts.clone());
    }
}

#[test]
fn a_proc_and_files_that_stand_in_for_those_of_proc_can_be_mounted() {
    let Some(mut bed) = Bed::new() else { return };
    let file = bed.directory.path().join("uptime");
    fs::write(&file, "1 1\n").expect("a file");
    bed.mount("/proc/uptime", "bind", file, &["bind"]);
    bed.mount("/host/proc", "bind", "/proc", &["rbind", "rprivate"]);
    let seen = bed.sh("cat /proc/uptime; cat /host/proc/version").expect("a start");
    assert!(seen.out.starts_with("1 1\nLinux version"), "{seen:?}");
}
