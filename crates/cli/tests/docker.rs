//! `ringfence run` with docker's command line: what the container's own programs see.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use common::{Ran, ringfence};

/// A busybox with the users of the conformance suite; none, and a word, where it cannot be had.
fn busybox() -> Option<tempfile::TempDir> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    if u64::from_str_radix(effective, 16).unwrap() & (1 << 21) == 0 {
        println!("skipped: needs root");
        return None;
    }
    common::busybox()
}

fn run(image: &Path, flags: &[&str], command: &[&str]) -> Ran {
    let image = image.to_str().unwrap();
    ringfence(["run"].iter().chain(flags).chain([&image]).chain(command), "")
}

/// Standard output of a command that must succeed.
fn out(image: &Path, flags: &[&str], command: &[&str]) -> String {
    let Ran { code, out, err } = run(image, flags, command);
    assert_eq!(code, 0, "{flags:?} {command:?}: {err}");
    out
}

fn sh(image: &Path, flags: &[&str], script: &str) -> String {
    out(image, flags, &["sh", "-c", script])
}

#[test]
fn each_form_of_user_gives_the_ids_that_docker_gives() {
    let Some(image) = busybox() else { return };
    let ids = |user: &str| sh(image.path(), &["-u", user], "echo $(id -u) $(id -g) $(id -G)");
    assert_eq!(ids("alice"), "1000 1000 1000 29 50000\n", "user");
    assert_eq!(ids("alice:audio"), "1000 29 29\n", "user:group");
    assert_eq!(ids("4321"), "4321 0 0\n", "uid");
    assert_eq!(ids("1000"), "1000 1000 1000 29 50000\n", "the uid of a user");
    assert_eq!(ids("4321:3000"), "4321 3000 3000\n", "uid:gid");
    assert_eq!(ids("alice:3000"), "1000 3000 3000\n", "user:gid");
    assert_eq!(ids("4321:audio"), "4321 29 29\n", "uid:group");
    assert_eq!(out(image.path(), &[], &["id", "-G"]), "0 1\n", "none");
    assert_eq!(
        out(image.path(), &["--user=4321:3000", "--group-add", "audio", "--group-add=7777"], &["id", "-G"]),
        "3000 29 7777\n"
    );
}

#[test]
fn everything_after_the_image_is_the_command() {
    let Some(image) = busybox() else { return };
    assert_eq!(out(image.path(), &["--rm"], &["sh", "-c", "echo $0 $@", "--user", "root", "-x"]), "--user root -x\n");
    assert_eq!(run(image.path(), &[], &["sh", "-c", "exit 7"]).code, 7);
    assert_eq!(run(image.path(), &[], &["nothing"]).code, 127);
    assert_eq!(run(image.path(), &[], &["/etc/passwd"]).code, 126);
}

#[test]
fn all_capabilities_but_one() {
    let Some(image) = busybox() else { return };
    let bounding = |flags: &[&str]| {
        let line = sh(image.path(), flags, "grep CapBnd /proc/self/status");
        u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap()
    };
    let machine = fs::read_to_string("/proc/self/status").unwrap();
    let machine = machine.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    let machine = u64::from_str_radix(machine, 16).unwrap();
    // As a user other than root, because a machine may lack some, and then docker does not start root.
    let all = bounding(&["-u", "alice", "--cap-add=ALL", "--cap-drop=MKNOD"]);
    assert_eq!(all, machine & ((1 << 38) - 1) & !(1 << 27));
    assert_eq!(bounding(&["--cap-add", "SYS_ADMIN"]), 0xa82_425fb | (1 << 31));
}

#[test]
fn a_device_has_the_name_and_the_access_that_it_is_given() {
    let Some(image) = busybox() else { return };
    let loop_control = PathBuf::from("/dev/loop-control");
    if !fs::metadata(&loop_control).is_ok_and(|device| device.file_type().is_char_device()) {
        println!("skipped: no /dev/loop-control here");
        return;
    }
    let script = "(: < /dev/xvdc) 2>/dev/null && echo read; (: > /dev/xvdc) 2>/dev/null && echo write; ls /dev";
    let seen = |flags: &[&str]| sh(image.path(), flags, script);
    let both = seen(&["--device=/dev/loop-control:/dev/xvdc"]);
    assert!(both.starts_with("read\nwrite\n") && both.contains("\nxvdc\n"), "{both}");
    assert!(!both.contains("loop-control"), "{both}");
    let access = |flags: &[&str]| {
        let seen = seen(flags);
        (seen.contains("read\n"), seen.contains("write\n"))
    };
    assert_eq!(access(&["--device=/dev/loop-control:/dev/xvdc:r"]), (true, false));
    assert_eq!(access(&["--device=/dev/loop-control:/dev/xvdc:w"]), (false, true));
    assert_eq!(access(&["--device=/dev/loop-control:/dev/xvdc:m"]), (false, false));
}

#[test]
fn a_node_that_the_container_makes_opens_only_where_a_rule_allows_it() {
    let Some(image) = busybox() else { return };
    // /dev/kmsg: a character device that no container has.
    let script = "mknod /tmp/kmsg c 1 11 && (: < /tmp/kmsg) 2>&1 && echo opened";
    let refused = run(image.path(), &["--cap-add", "SYSLOG"], &["sh", "-c", script]);
    assert!(!refused.out.contains("opened"), "{}", refused.out);
    let flags = ["--cap-add", "SYSLOG", "--device-cgroup-rule", "c 1:11 r"];
    assert_eq!(sh(image.path(), &flags, script), "opened\n");
    let write = "mknod /tmp/kmsg c 1 11 && (: > /tmp/kmsg) 2>/dev/null && echo opened";
    assert!(!run(image.path(), &flags, &["sh", "-c", write]).out.contains("opened"));
}

#[test]
fn a_privileged_container_sees_the_hosts_devices() {
    let Some(image) = busybox() else { return };
    // As a user other than root, because a machine may lack a capability, and then docker does not start root.
    let inside = out(image.path(), &["-u", "alice", "--privileged"], &["ls", "/dev"]);
    let inside: Vec<&str> = inside.lines().collect();
    for entry in fs::read_dir("/dev").unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        let name = entry.file_name().into_string().unwrap();
        if (kind.is_char_device() || kind.is_block_device()) && name != "console" {
            assert!(inside.contains(&name.as_str()), "{name}: {inside:?}");
        }
    }
    let unprivileged = out(image.path(), &[], &["ls", "/dev"]);
    assert!(!unprivileged.contains("kmsg") && unprivileged.contains("null"), "{unprivileged}");
}

#[test]
fn limits_sysctls_and_tmpfs_are_what_is_asked_for() {
    let Some(image) = busybox() else { return };
    let limits =
        sh(image.path(), &["--ulimit", "nofile=512:600", "--ulimit=core=0"], "ulimit -Sn; ulimit -Hn; ulimit -c");
    assert_eq!(limits, "512\n600\n0\n");
    let sysctl = |flags: &[&str]| sh(image.path(), flags, "cat /proc/sys/kernel/shm_rmid_forced");
    assert_eq!((sysctl(&[]).as_str(), sysctl(&["--sysctl", "kernel.shm_rmid_forced=1"]).as_str()), ("0\n", "1\n"));
    let mount = |flags: &[&str]| sh(image.path(), flags, "grep ' /scratch ' /proc/mounts; stat -c '%a %u' /scratch");
    let seen = mount(&["--tmpfs", "/scratch:size=1m,uid=1000,mode=0700"]);
    assert!(seen.contains("tmpfs") && seen.contains("noexec") && seen.contains("size=1024k"), "{seen}");
    assert!(seen.ends_with("700 1000\n"), "{seen}");
    assert!(mount(&["--tmpfs", "/scratch:exec"]).lines().next().is_some_and(|line| !line.contains("noexec")));
    let shm = sh(image.path(), &["--shm-size=2m"], "grep ' /dev/shm ' /proc/mounts");
    assert!(shm.contains("size=2048k"), "{shm}");
    assert!(!sh(image.path(), &["--ipc", "none"], "cat /proc/mounts").contains("/dev/shm"));
}

#[test]
fn environment_directory_names_and_entry_point_are_what_is_asked_for() {
    let Some(image) = busybox() else { return };
    let flags =
        ["-e", "A=1", "--env=B=2 3", "-w", "/tmp", "-h", "box", "--add-host", "db:10.0.0.1", "--entrypoint", "sh"];
    let seen = out(image.path(), &flags, &["-c", "echo $A $B $PWD $HOME $HOSTNAME $(hostname); cat /etc/hosts"]);
    assert!(seen.starts_with("1 2 3 /tmp /root box box\n"), "{seen}");
    assert!(seen.contains("10.0.0.1\tdb\n") && seen.contains("127.0.0.1\tbox\n"), "{seen}");
}

#[test]
fn a_volume_is_the_hosts_directory_and_may_be_read_only() {
    let Some(image) = busybox() else { return };
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("in"), "hello\n").unwrap();
    let flag = |options: &str| format!("--volume={}:/data{options}", data.path().display());
    assert_eq!(sh(image.path(), &[&flag("")], "touch /data/out; cat /data/in"), "hello\n");
    assert!(data.path().join("out").exists());
    assert_ne!(run(image.path(), &[&flag(":ro")], &["touch", "/data/more"]).code, 0);
    assert_ne!(run(image.path(), &["--read-only"], &["touch", "/x"]).code, 0);
    let missing = data.path().join("missing/dir");
    let made = run(image.path(), &[&format!("-v{}:/m", missing.display())], &["touch", "/m/x"]);
    assert!(made.code == 0 && made.err.contains("made on this machine as docker makes it"), "{}", made.err);
    assert!(missing.join("x").exists());
    let bind = format!("--mount=type=bind,src={}/none,dst=/m", data.path().display());
    let refused = run(image.path(), &[&bind], &["id"]);
    assert!(refused.code == 125 && refused.err.contains("bind source path does not exist"), "{}", refused.err);
}

#[test]
fn the_paths_of_proc_are_masked_unless_that_is_turned_off() {
    let Some(image) = busybox() else { return };
    let script =
        "head -c 1 /proc/timer_list 2>/dev/null | grep -c . ; echo 1 > /proc/sys/kernel/shmmni && echo written";
    assert!(run(image.path(), &[], &["sh", "-c", script]).out.starts_with("0\n"));
    let flags = ["--security-opt", "systempaths=unconfined"];
    assert!(sh(image.path(), &flags, script).ends_with("written\n"));
}

#[test]
fn a_profile_of_docker_filters_by_capability() {
    let Some(image) = busybox() else { return };
    let profile = image.path().join("etc/profile.json");
    fs::write(
        &profile,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64"}, {"architecture": "SCMP_ARCH_AARCH64"}],
           "syscalls": [{"names": ["mknod", "mknodat"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_TIME"]}}]}"#,
    )
    .unwrap();
    let option = format!("--security-opt=seccomp={}", profile.display());
    assert_ne!(run(image.path(), &[&option], &["mknod", "/tmp/p", "p"]).code, 0);
    assert_eq!(run(image.path(), &[&option, "--cap-add=SYS_TIME"], &["mknod", "/tmp/p", "p"]).code, 0);
}

#[test]
fn what_docker_refuses_is_refused_with_its_status() {
    let Some(image) = busybox() else { return };
    let refused = |flags: &[&str]| {
        let Ran { code, err, .. } = run(image.path(), flags, &["id"]);
        (code, err)
    };
    for (flags, code, words) in [
        (&["--user", "ghost"][..], 125, "unable to find user ghost: no matching entries in passwd file"),
        (&["--user", "4294967296"], 125, "uids and gids must be in range 0-2147483647"),
        (&["--cap-add", "BOGUS"], 125, "invalid CapAdd: unknown capability: \"CAP_BOGUS\""),
        (&["--device", "/dev/nope"], 127, "no such file or directory"),
        (&["--gpus", "all"], 125, "--gpus is not possible here"),
        (&["--cap-ad", "ALL"], 125, "did you mean --cap-add?"),
        (&["--network", "container:x"], 125, "there are no other containers"),
        (&["--tmpfs", "/x:bogus"], 125, "Invalid tmpfs option"),
    ] {
        let (found, err) = refused(flags);
        assert!(found == code && err.contains(words), "{flags:?}: {found} {err}");
    }
    let pod = ringfence(["run", "--cap-add", "ALL", "-"], "");
    assert!(pod.code == 125 && pod.err.contains("--cap-add is a flag for images"), "{}", pod.err);
}

#[test]
fn limits_that_are_not_applied_are_said_so() {
    let Some(image) = busybox() else { return };
    let name = format!("swappy-{}", std::process::id());
    let ran = run(image.path(), &["--memory-swappiness", "10", "--name", &name], &["id", "-u"]);
    assert!(ran.code == 0 && ran.err.contains("--memory-swappiness 10 is not applied"), "{}", ran.err);
    assert!(!ran.err.contains("--name"), "{}", ran.err);
}

#[test]
fn a_proof_of_flags_is_read_back_from_the_kernel() {
    let Some(image) = busybox() else { return };
    let flags =
        ["--prove", "-o", "json", "-u", "alice:audio", "--read-only", "--security-opt=no-new-privileges", "--pid=host"];
    let proof: serde_json::Value = serde_json::from_str(&out(image.path(), &flags, &[])).unwrap();
    let container = &proof["containers"][0];
    assert_eq!(container["agreement"], true, "{container}");
    assert_eq!(container["computed"], container["observed"]);
    assert_eq!(container["observed"]["groups"], serde_json::json!([29]));
    assert_eq!(container["observed"]["namespaces"]["pid"], "host");
    let text = run(image.path(), &["--prove"], &[]);
    assert!(text.code == 0 && text.out.contains("proved"), "{}{}", text.out, text.err);
}

#[test]
fn the_recorded_containers_of_docker_have_the_recorded_limits_devices_and_mounts() {
    let Some(image) = busybox() else { return };
    let cases = common::root().join("../shared/conformance/docker/cases.jsonl.xz");
    let Ok(text) = std::process::Command::new("xz").arg("-dc").arg(&cases).output() else {
        println!("skipped: no xz");
        return;
    };
    if !text.status.success() {
        println!("skipped: the conformance suite is not beside this checkout");
        return;
    }
    let profile = cases.parent().unwrap().join("../kubelet/seccomp");
    let script = "ulimit -Sn; ulimit -Hn; for d in /dev/xa /dev/fuse /dev/loop-control; do if test -c $d; then echo $d $( (: < $d) 2>/dev/null && echo r || echo n)$( (: > $d) 2>/dev/null && echo w || echo n); fi; done; grep ' /scratch ' /proc/mounts | grep -o ^tmpfs; cat /proc/sys/kernel/shm_rmid_forced";
    let mut looked = 0;
    for line in String::from_utf8(text.stdout).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let args: Vec<String> = case["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap().replace("@SECCOMP@", profile.to_str().unwrap()))
            .collect();
        // What makes a difference here, of the images that have the users of this one.
        let about = ["--device", "--tmpfs", "--ulimit", "kernel.shm_rmid_forced=1"];
        let user = args.iter().position(|arg| arg == "--user").and_then(|at| args.get(at + 1));
        let known = user.is_some_and(|user| !user.contains("nobody") && !user.contains("video"));
        let groups = args.iter().any(|arg| arg == "wheel");
        if case["exit"] != 0 || !known || groups || !about.iter().any(|flag| args.iter().any(|arg| arg == flag)) {
            continue;
        }
        let flags: Vec<&str> = args.iter().map(String::as_str).collect();
        let seen = sh(image.path(), &flags, script);
        let mut lines = seen.lines();
        let limits = format!("{}/{}", lines.next().unwrap(), lines.next().unwrap());
        // The recorded daemon's own limit is not this machine's.
        if case["limits"] != "20000/20000" {
            assert_eq!(case["limits"], limits, "{args:?}");
        }
        let mut rest: Vec<&str> = lines.collect();
        assert_eq!(case["shmRmid"], rest.pop().unwrap(), "{args:?}");
        let tmpfs = rest.last() == Some(&"tmpfs");
        assert_eq!(case["tmpfs"] == "tmpfs", tmpfs, "{args:?}");
        let devices: serde_json::Map<String, serde_json::Value> = rest
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(device, access)| (device.to_owned(), access.into()))
            .collect();
        assert_eq!(case["devices"], serde_json::Value::Object(devices), "{args:?}");
        looked += 1;
    }
    assert!(looked > 30, "{looked} cases were looked at");
}

#[test]
fn a_command_line_becomes_a_pod_and_says_what_has_no_equivalent() {
    let ran = ringfence(
        ["docker", "run", "--cap-add=ALL", "--device=/dev/sda:/dev/xvdc", "--user", "1000:29", "busybox", "id", "-u"],
        "",
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let checked = ringfence(["read", "-"], &ran.out);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert!(ran.out.starts_with("# --device /dev/sda:/dev/xvdc: a pod names no devices"), "{}", ran.out);
    for line in ["runAsUser: 1000", "runAsGroup: 29", "supplementalGroupsPolicy: Strict", "type: RuntimeDefault"] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    let back = ringfence(["docker", "from", "-"], &ran.out);
    assert!(
        back.out.contains("--user=1000:29 --cap-add=ALL --cap-drop=PERFMON")
            || back.out.contains("--user=1000:29 --cap-add=ALL"),
        "{}",
        back.out
    );
    assert!(back.out.trim_end().ends_with("busybox id -u"), "{}", back.out);
    let wrong = ringfence(["docker", "run", "--cap-ad=ALL", "busybox"], "");
    assert!(wrong.code == 2 && wrong.err.contains("did you mean --cap-add?"), "{}", wrong.err);
}

#[test]
fn a_service_of_a_compose_file_becomes_a_pod() {
    let file = "services:\n  web:\n    image: shop:1\n    user: '1000:29'\n    cap_drop: [ALL]\n    depends_on: [db]\n  db:\n    image: db:1\n    ulimits: {nofile: 5}\n";
    let ran = ringfence(["docker", "compose", "-"], file);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains("# services.web.depends_on: ")
            && ran.out.contains("\n---\n")
            && ran.out.contains("# --ulimit: "),
        "{}",
        ran.out
    );
    let one = ringfence(["docker", "compose", "-", "web"], file);
    assert!(one.out.contains("name: web") && !one.out.contains("name: db"), "{}", one.out);
    let none = ringfence(["docker", "compose", "-", "mail"], file);
    assert!(none.code == 2 && none.err.contains("there is no service \"mail\"; there is db, web"), "{}", none.err);
    assert_eq!(ringfence(["docker", "compose", "-"], "services: 1").code, 2);
    assert_eq!(ringfence(["docker", "compose", "-"], "a: [").code, 2);
}

/// Fields that a pod and docker's command line both decide, in the same way.
fn agrees(pod: &serde_json::Value, docker: &serde_json::Value, flags: &[&str]) {
    for field in
        ["uid", "gid", "groups", "noNewPrivileges", "seccompMode", "readOnlyRootFilesystem", "procMasked", "home"]
    {
        assert_eq!(pod[field], docker[field], "{field} of {flags:?}");
    }
    for set in ["bounding", "permitted", "effective", "inheritable", "ambient"] {
        assert_eq!(pod["capabilities"][set], docker["capabilities"][set], "{set} of {flags:?}");
    }
    for namespace in ["pid", "ipc", "net", "user"] {
        assert_eq!(pod["namespaces"][namespace], docker["namespaces"][namespace], "{namespace} of {flags:?}");
    }
}

#[test]
fn a_command_line_and_its_pod_are_proved_to_be_equal() {
    if busybox().is_none() {
        return;
    }
    let images = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    fs::write(
        images.path(),
        "images:\n- name: shop:1\n  user: app:audio\n  passwd: |\n    root:x:0:0:root:/root:/bin/sh\n    alice:x:1000:1000::/home:/bin/sh\n    app:x:1500:1501:app:/home:/bin/sh\n  group: |\n    root:x:0:\n    bin:x:1:root\n    audio:x:29:app,alice\n    extra:x:50000:alice\n",
    )
    .unwrap();
    let images = images.path().to_str().unwrap();
    // A generator of its own: the same command lines every time, and every flag with every other sooner or later.
    let mut seed: u32 = 2026;
    let mut pick = |list: &[&'static str]| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        list[(seed >> 16) as usize % list.len()]
    };
    for _ in 0..40 {
        let mut flags: Vec<&str> = Vec::new();
        let user = pick(&[
            "",
            "--user=alice",
            "--user=alice:audio",
            "--user=1000",
            "--user=4321:3000",
            "--user=app",
            "--user=4321",
        ]);
        flags.push(user);
        flags.push(pick(&["", "--group-add=audio", "--group-add=7777", "--group-add=extra"]));
        flags.push(pick(&["", "--cap-add=SYS_TIME", "--cap-add=NET_ADMIN", "--cap-add=ALL", "--cap-add=cap_chown"]));
        flags.push(pick(&["", "--cap-drop=MKNOD", "--cap-drop=ALL", "--cap-drop=CHOWN", "--cap-drop=net_raw"]));
        flags.push(pick(&["", "--security-opt=no-new-privileges", "--security-opt=seccomp=unconfined"]));
        flags.push(pick(&["", "--read-only"]));
        flags.push(pick(&["", "--pid=host", "--ipc=host", "--network=host"]));
        flags.retain(|flag| !flag.is_empty());
        let proved =
            ringfence(["run", "--prove", "-o", "json", "--images", images].iter().chain(&flags).chain(&["shop:1"]), "");
        assert_eq!(proved.code, 0, "{flags:?}: {}", proved.err);
        let docker: serde_json::Value = serde_json::from_str(&proved.out).unwrap();
        let pod = ringfence(["docker", "run", "--images", images].iter().chain(&flags).chain(&["shop:1"]), "");
        assert_eq!(pod.code, 0, "{flags:?}: {}", pod.err);
        let proved = ringfence(["prove", "-o", "jsonl", "--images", images, "-"], &pod.out);
        assert_eq!(proved.code, 0, "{flags:?}: {}{}\n{}", proved.out, proved.err, pod.out);
        let pod: serde_json::Value = serde_json::from_str(&proved.out).unwrap();
        agrees(&pod["containers"][0]["observed"], &docker["containers"][0]["observed"], &flags);
    }
}

#[test]
fn a_named_volume_stays_for_the_next_container() {
    if !ringfence_runtime::observe::is_privileged() {
        println!("skipped: needs root");
        return;
    }
    let store = tempfile::tempdir().unwrap();
    let store = store.path().join("store").display().to_string();
    let run = |command: &str| {
        ringfence(["run", "--store", &store, "-v", "notes:/notes", "a-name-that-no-image-has", "sh", "-c", command], "")
    };
    let ran = run("echo kept > /notes/file");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run("cat /notes/file");
    assert_eq!((ran.code, ran.out.trim()), (0, "kept"), "{}", ran.err);
}
