use std::fs;
use std::path::Path;

use super::*;

/// A node below a directory, of these files.
fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, NodeFacts) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let look = Look { root: dir.path().to_path_buf(), in_pod: false, base_spec: None };
    let facts = inspect_node(&look).unwrap();
    (dir, facts)
}

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1048576              1048576              files     \n";
const NR_OPEN: (&str, &str) = ("proc/sys/fs/nr_open", "1048576\n");

fn pod_limits(facts: &NodeFacts) -> Option<(u64, u64, &str)> {
    facts.open_files.pod.as_ref().map(|limits| (limits.soft, limits.hard, limits.source.as_str()))
}

#[test]
fn a_container_inherits_the_runtimes_limits() {
    let (_dir, facts) = node(&[NR_OPEN, ("proc/70/comm", "containerd\n"), ("proc/70/limits", LIMITS)]);
    let (soft, hard, source) = pod_limits(&facts).unwrap();
    assert_eq!((soft, hard), (1_048_576, 1_048_576));
    assert!(source.starts_with("containerd (PID 70)"), "{source}");
}

/// Kubespray starts containerd with a limit of 1048576 and lets it give every container 65535.
#[test]
fn what_the_runtime_is_configured_to_give_counts_before_what_it_has() {
    let (_dir, facts) = node(&[
        NR_OPEN,
        ("proc/70/comm", "containerd\n"),
        ("proc/70/limits", LIMITS),
        (
            "etc/containerd/config.toml",
            "[plugins.x.runtimes.runc]\nbase_runtime_spec = \"/etc/containerd/cri-base.json\"\n",
        ),
        (
            "etc/containerd/cri-base.json",
            r#"{"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 65535, "hard": 65535}]}}"#,
        ),
    ]);
    assert_eq!(
        pod_limits(&facts),
        Some((65_535, 65_535, "containerd's base_runtime_spec, /etc/containerd/cri-base.json"))
    );
}

#[test]
fn the_sandbox_of_a_pod_is_the_best_witness() {
    let (_dir, facts) = node(&[
        ("proc/70/comm", "containerd\n"),
        ("proc/70/limits", LIMITS),
        ("proc/90/comm", "pause\n"),
        ("proc/90/cgroup", "0::/kubepods.slice/pod1/x\n"),
        ("proc/90/limits", "Max open files            7                    9                    files\n"),
        ("proc/91/comm", "pause\n"),
        ("proc/91/cgroup", "0::/user.slice\n"),
    ]);
    assert_eq!(pod_limits(&facts), Some((7, 9, "the sandbox of a pod, pause (PID 90)")));
}

#[test]
fn without_a_process_the_unit_tells() {
    let (_dir, facts) =
        node(&[NR_OPEN, ("usr/lib/systemd/system/containerd.service", "[Service]\nLimitNOFILE=infinity\n")]);
    assert_eq!(
        pod_limits(&facts),
        Some((1_048_576, 1_048_576, "LimitNOFILE= of /usr/lib/systemd/system/containerd.service"))
    );
    let (_dir, facts) = node(&[
        ("usr/lib/systemd/system/crio.service", "[Service]\nLimitNOFILE=1\n"),
        ("etc/systemd/system/crio.service.d/limit.conf", "[Service]\nLimitNOFILE=1024:65536\n"),
    ]);
    assert_eq!(
        pod_limits(&facts),
        Some((1024, 65_536, "LimitNOFILE= of /etc/systemd/system/crio.service.d/limit.conf"))
    );
    let (_dir, facts) = node(&[("lib/systemd/system/docker.service", "[Service]\n")]);
    assert_eq!(pod_limits(&facts).map(|(soft, hard, _)| (soft, hard)), Some((1024, 524_288)));
}

/// As in a container that plays a machine: a unit may ask for more than its systemd can give.
#[test]
fn a_unit_gets_no_more_than_an_init_without_sys_resource_has() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let with = |bounding: &str| {
        let line = |line: &str| {
            if line.starts_with("CapBnd:") { format!("CapBnd:\t{bounding}\n") } else { format!("{line}\n") }
        };
        status.lines().map(line).collect::<String>()
    };
    let of_init = |bounding| {
        let (_dir, facts) = node(&[
            NR_OPEN,
            ("proc/1/status", &with(bounding)),
            ("proc/1/limits", "Max open files            1024                 20000                files\n"),
            ("lib/systemd/system/containerd.service", "[Service]\nLimitNOFILE=infinity\n"),
        ]);
        facts.open_files.pod.unwrap().hard
    };
    assert_eq!(of_init("000001fffeffffff"), 20_000);
    assert_eq!(of_init("000001ffffffffff"), 1_048_576);
}

#[test]
fn without_any_witness_the_limit_is_unknown_and_says_so() {
    // A configuration of a runtime that is not there counts for nothing.
    let (_dir, facts) =
        node(&[("etc/docker/daemon.json", r#"{"default-ulimits": {"nofile": {"Soft": 1, "Hard": 1}}}"#)]);
    assert_eq!(pod_limits(&facts), None);
    assert!(facts.unknown["openFiles.pod"].contains("no process of a pod"), "{:?}", facts.unknown);
    assert!(facts.unknown.contains_key("openFiles.nrOpen"));
}

#[test]
fn what_is_not_mounted_is_unknown_and_not_absent() {
    let (_dir, facts) = node(&[NR_OPEN]);
    assert_eq!((facts.apparmor, facts.selinux, facts.seccomp_actions), (None, None, None));
    for key in ["apparmor", "selinux", "seccompActions", "cgroups"] {
        assert!(facts.unknown.contains_key(key), "{key}: {:?}", facts.unknown);
    }
    let sys = ("sys/module/apparmor/parameters/enabled", "N\n");
    let (_dir, facts) = node(&[sys, ("proc/filesystems", "nodev\tproc\n"), ("proc/self/status", "Name:\tx\n")]);
    assert_eq!((facts.apparmor, facts.selinux, facts.seccomp_actions), (Some(false), Some(false), Some(vec![])));
    let (_dir, facts) = node(&[sys, ("proc/filesystems", "nodev\tselinuxfs\n")]);
    assert_eq!((facts.apparmor, facts.selinux), (Some(false), None));
    let (_dir, facts) = node(&[sys, ("sys/fs/selinux/enforce", "1"), ("proc/filesystems", "nodev\tselinuxfs\n")]);
    assert_eq!((facts.selinux, facts.selinux_mode.as_deref()), (Some(true), Some("enforcing")));
}

#[test]
fn a_link_of_the_node_does_not_lead_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("proc/sys/fs")).unwrap();
    fs::write(dir.path().join("secret"), "5").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), root.join("proc/sys/fs/nr_open")).unwrap();
    std::os::unix::fs::symlink("../../../../secret", root.join("proc/sys/fs/file-max")).unwrap();
    let facts = inspect_node(&Look { root, in_pod: false, base_spec: None }).unwrap();
    assert_eq!((facts.open_files.nr_open, facts.open_files.file_max), (None, None));
}

#[test]
fn a_fifo_and_an_endless_file_do_not_hold_it_up() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("proc/sys/fs")).unwrap();
    let fifo = dir.path().join("proc/sys/fs/nr_open");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    fs::write(dir.path().join("proc/sys/fs/file-max"), vec![b'1'; 2 << 20]).unwrap();
    let look = Look { root: dir.path().to_path_buf(), in_pod: false, base_spec: None };
    let facts = inspect_node(&look).unwrap();
    assert_eq!((facts.open_files.nr_open, facts.open_files.file_max), (None, None));
}

#[test]
fn in_a_pod_the_own_limit_is_the_pods_and_nothing_is_claimed_of_the_nodes_capabilities() {
    let facts = inspect_node(&Look { root: Path::new("/").to_path_buf(), in_pod: true, base_spec: None }).unwrap();
    let own = facts.open_files.own.clone().unwrap();
    assert_eq!(facts.open_files.pod.map(|pod| (pod.soft, pod.hard)), Some((own.soft, own.hard)));
    assert_eq!(facts.capabilities.bounding, None);
    assert_eq!((facts.user_namespaces, facts.id_mapped_mounts), (None, None));
    assert!(facts.unknown.contains_key("userNamespaces"), "{:?}", facts.unknown);
}

#[test]
fn this_machine_is_told_truly() {
    let facts = inspect_node(&Look { root: Path::new("/").to_path_buf(), in_pod: false, base_spec: None }).unwrap();
    let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    assert_eq!(facts.open_files.nr_open.map(|n| n.to_string()), Some(read("/proc/sys/fs/nr_open")));
    assert_eq!(facts.kernel, Some(read("/proc/sys/kernel/osrelease")));
    let status = parse(&fs::read_to_string("/proc/self/status").unwrap());
    if is_privileged_here() {
        assert_eq!(facts.capabilities.bounding, Some(status));
        // As root either it works or it is false; it is never left open.
        assert!(facts.user_namespaces.is_some() && facts.id_mapped_mounts.is_some(), "{facts:?}");
    }
    assert!(facts.seccomp_actions.is_some_and(|actions| actions.iter().any(|action| action == "errno")));
}

fn is_privileged_here() -> bool {
    crate::observe::is_privileged()
}

fn parse(text: &str) -> ringfence_context::capability::CapSet {
    crate::observe::parse_status(text).unwrap().capabilities.bounding
}
