//! The same spec under the built-in launcher and under runc: what the process sees must agree.

use oci_spec::runtime::{
    Capabilities, Capability, LinuxDeviceCgroup, LinuxNamespaceType, LinuxResources, PosixRlimitBuilder,
    PosixRlimitType,
};
use ringfence_runtime::external::External;
use ringfence_runtime::seccomp::{KernelVersion, Profile, Target, runtime_default};

use crate::harness::{Bed, default_capabilities, is_root};

/// What is compared: credentials, limits, signals, names, the root, masked and read-only paths, devices, descriptors.
const LOOK: &str = r"exec 2>&1
grep -E '^(Umask|Uid|Gid|Groups|Sig(Blk|Cgt)|Shd|Cap|NoNewPrivs|Seccomp|Speculation)' /proc/self/status
cat /proc/self/limits /proc/self/oom_score_adj /proc/sys/kernel/hostname
readlink /proc/self/cwd
ls /proc/self/fd
for p in /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/scsi /sys/firmware; do
  cat $p 2>&1 | grep -q . && echo text ; ls $p 2>&1 | grep -q . && echo entries
done
for p in /proc/sys/kernel/domainname /proc/irq/x /x /dev/x /dev/shm/x /dev/mqueue/x /tmp/x /etc/x /sys/x; do
  echo x 2>&1 > $p && echo written $p
done 2>&1
stat -c '%A %u %g %t:%T %N' /dev/*
mknod /tmp/d c 1 11 && (: < /tmp/d) 2> /dev/null && echo opened
";

fn agree(change: impl Fn(&mut Bed)) {
    agree_on(LOOK, |out| assert!(out.contains("NoNewPrivs"), "{out}"), change);
}

fn agree_on(look: &str, looked: impl Fn(&str), change: impl Fn(&mut Bed)) {
    let Some(mut bed) = Bed::new() else { return };
    let Ok(runc) = External::find("runc") else {
        println!("skipped: no runc here");
        return;
    };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    // Each under a root of its own: the script writes.
    let mut other = Bed::new().expect("busybox");
    for bed in [&mut bed, &mut other] {
        change(bed);
    }
    let ours = bed.sh(look).expect("a start");
    let theirs = other.run_under(&runc, &["/bin/sh", "-c", look]).expect("a start under runc");
    let lines = |out: &str| out.lines().filter(|line| !is_apart(line)).map(str::to_owned).collect::<Vec<_>>();
    looked(&ours.out);
    let (ours_apart, theirs_apart) = (lines(&ours.out), lines(&theirs.out));
    let differ: Vec<_> = ours_apart.iter().zip(&theirs_apart).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(differ.is_empty(), "ours, theirs: {differ:#?}");
    assert_eq!(ours_apart.len(), theirs_apart.len());
    assert_eq!(ours.exit, theirs.exit);
}

/// Lines that may differ: how many filters one profile takes.
fn is_apart(line: &str) -> bool {
    line.starts_with("Seccomp_filters")
}

#[test]
fn root_agrees() {
    agree(|bed| _ = bed.capabilities(&default_capabilities()));
}

#[test]
fn root_without_capabilities_agrees() {
    agree(|bed| _ = bed.capabilities(&Capabilities::new()));
}

#[test]
fn a_user_agrees() {
    agree(|bed| _ = bed.capabilities(&default_capabilities()).user(1000, 3000, &[2000, 5]));
}

#[test]
fn a_confined_user_agrees() {
    agree(|bed| {
        bed.capabilities(&Capabilities::new()).user(65_532, 65_532, &[]);
        bed.process().set_no_new_privileges(Some(true)).set_oom_score_adj(Some(1000)).set_cwd("/tmp".into());
        bed.spec.root_mut().as_mut().expect("a root").set_readonly(Some(true));
    });
}

#[test]
fn limits_and_the_mask_agree() {
    agree(|bed| {
        let limit = |typ, soft: u64, hard: u64| {
            PosixRlimitBuilder::default().typ(typ).soft(soft).hard(hard).build().expect("a limit")
        };
        bed.process().set_rlimits(Some(vec![
            limit(PosixRlimitType::RlimitNofile, 100, 200),
            limit(PosixRlimitType::RlimitCore, 0, 0),
        ]));
        bed.process().user_mut().set_umask(Some(0o077));
    });
}

#[test]
fn the_runtimes_default_profile_agrees() {
    for no_new_privs in [true, false] {
        for user in [0, 1000] {
            agree(|bed| {
                bed.capabilities(&default_capabilities()).user(user, user, &[]);
                bed.process().set_no_new_privileges(Some(no_new_privs));
                bed.linux().set_seccomp(default_profile());
            });
        }
    }
}

fn default_profile() -> Option<oci_spec::runtime::LinuxSeccomp> {
    let kernel = KernelVersion::parse(&rustix::system::uname().release().to_string_lossy());
    let target = Target::native()?;
    Profile::oci(&runtime_default::<&str>(target, kernel, &[])).cloned()
}

#[test]
fn ambient_capabilities_agree() {
    agree(|bed| {
        let set: Capabilities = [Capability::NetBindService, Capability::Chown].into_iter().collect();
        bed.capabilities(&set).user(1000, 1000, &[]);
        let mut sets = bed.process().capabilities().clone().expect("capabilities");
        sets.set_inheritable(Some(set.clone())).set_ambient(Some(set));
        bed.process().set_capabilities(Some(sets));
    });
}

#[test]
fn a_privileged_container_agrees() {
    agree(|bed| {
        bed.capabilities(
            &default_capabilities().into_iter().chain([Capability::SysAdmin, Capability::Syslog]).collect(),
        );
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(true).set_access(Some("rwm".to_owned()));
        let mut resources = LinuxResources::default();
        resources.set_devices(Some(vec![rule]));
        bed.linux().set_resources(Some(resources)).set_masked_paths(None).set_readonly_paths(None);
    });
}

#[test]
fn the_hosts_namespaces_agree() {
    agree(|bed| {
        for typ in [LinuxNamespaceType::Pid, LinuxNamespaceType::Network, LinuxNamespaceType::Ipc] {
            bed.without_namespace(typ);
        }
        bed.capabilities(&default_capabilities());
    });
}

/// How the mounts of a path look: how many there are, and whether they are read-only.
const LOOK_AT_MOUNTS: &str = r"exec 2>&1
ls -a /host
touch /host/ringfence-test && echo written
grep ' /host ' /proc/self/mountinfo | grep -c .
grep ' /host ' /proc/self/mountinfo | grep -oE ' (ro|rw),'
";

#[test]
fn a_volume_of_the_hosts_root_agrees() {
    for options in [["rbind", "rprivate", "ro"], ["rbind", "rslave", "ro"], ["bind", "rprivate", "ro"]] {
        agree_on(
            LOOK_AT_MOUNTS,
            |out| assert!(out.contains("usr\n") && out.contains("Read-only file system"), "{out}"),
            |bed| _ = bed.mount("/host", "bind", "/", &options),
        );
    }
}

#[test]
fn mount_points_behind_links_agree() {
    let look = "exec 2>&1; cat /a/mark /b/c/mark /etc/d/mark; grep -c '/volume' /proc/self/mountinfo; ls / /etc /srv; ls -l /a /b /etc/d | grep -o ' -> .*'; stat -c %a /srv/a /srv";
    agree_on(
        look,
        // The last link goes through a name that is missing; it is mounted all the same.
        |out| assert_eq!((out.matches("text").count(), out.contains("\n3\n")), (2, true), "{out}"),
        |bed| {
            let volume = bed.directory.path().join("volume");
            std::fs::create_dir(&volume).expect("a directory");
            std::fs::write(volume.join("mark"), "text\n").expect("a file");
            for (name, to) in [("a", "/srv/a"), ("b", "../../../srv/b"), ("etc/d", "../x/../y")] {
                std::os::unix::fs::symlink(to, bed.root().join(name)).expect("a link");
            }
            for path in ["/a", "/b/c", "/etc/d"] {
                bed.mount(path, "bind", volume.clone(), &["rbind", "rprivate"]);
            }
        },
    );
}
