//! `ringfence volume`, as a person or a storage driver runs it.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{lines, ringfence};

/// Root can give files to any group, another user only to its own.
fn group() -> u32 {
    if ringfence_runtime::observe::is_privileged() { 4711 } else { rustix::process::getegid().as_raw() }
}

fn plant(root: &Path, directories: usize, files: usize) {
    for d in 0..directories {
        let dir = root.join(format!("{}/{d}", d % 7));
        fs::create_dir_all(&dir).unwrap();
        for f in 0..files {
            fs::write(dir.join(f.to_string()), "").unwrap();
            fs::set_permissions(dir.join(f.to_string()), Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn all_right(root: &Path, group: u32) -> bool {
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let wanted = if metadata.is_dir() { 0o2770 } else { 0o660 };
        if metadata.gid() != group || metadata.mode() & wanted != wanted {
            return false;
        }
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    true
}

fn own<'a>(dir: &'a str, group: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["volume", "own", "--fs-group", group], more, &[dir]].concat()
}

#[test]
fn a_run_that_is_killed_is_completed_by_the_next_one_whenever_it_was() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), 150, 40);
    let (path, group) = (dir.path().to_str().unwrap(), group().to_string());
    let mut unfinished = 0;
    for round in 0..12_u64 {
        // Wrong again, everywhere.
        let status = Command::new("chmod").args(["-R", "g-rws", path]).status().unwrap();
        assert!(status.success());
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(own(path, &group, &["--policy", "OnRootMismatch"]))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(round * 3_000));
        child.kill().unwrap();
        child.wait().unwrap();
        unfinished += u32::from(!all_right(dir.path(), group.parse().unwrap()));
        let ran = ringfence(own(path, &group, &["--policy", "OnRootMismatch"]), "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(all_right(dir.path(), group.parse().unwrap()), "killed after {} µs", round * 3_000);
    }
    assert!(unfinished > 0, "no run was killed in its course");
}

#[test]
fn a_dry_run_lists_what_it_would_change_and_the_end_says_how_much() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), 1, 2);
    let (path, group) = (dir.path().to_str().unwrap(), group().to_string());
    let ran = ringfence(own(path, &group, &["--dry-run", "-o", "jsonl"]), "");
    let lines = lines(&ran);
    assert_eq!((ran.code, lines.len()), (0, 6), "{}", ran.out);
    let file = lines.iter().find(|line| line["path"] == format!("{path}/0/0/1")).unwrap();
    assert_eq!(file["mode"], serde_json::json!(["0600", "0660"]));
    assert_eq!((&lines[5]["changed"], &lines[5]["dryRun"]), (&5.into(), &true.into()));
    let text = ringfence(own(path, &group, &["--dry-run"]), "").out;
    assert!(text.contains("mode 0600 to 0660\n"), "{text}");
    assert!(text.ends_with(&format!("{path}: 5 entries would be given to group {group}, of 5 entries\n")), "{text}");
    assert_eq!(fs::metadata(dir.path().join("0/0/1")).unwrap().mode() & 0o777, 0o600);
    let ran = ringfence(own(path, &group, &[]), "");
    assert_eq!(ran.out, format!("{path}: 5 entries given to group {group}, of 5 entries\n"));
    let ran = ringfence(own(path, &group, &[]), "");
    assert_eq!(ran.out, format!("{path}: right already\n"));
}

#[test]
fn a_file_with_a_name_elsewhere_is_warned_about_and_can_be_refused() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&secret, dir.path().join("link")).unwrap();
    let (path, group) = (dir.path().to_str().unwrap(), group().to_string());
    let ran = ringfence(own(path, &group, &["--refuse-hard-links"]), "");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("{path}/link: more than one name: 1 such file not changed")), "{}", ran.err);
    assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o777, 0o600);
    let ran = ringfence(own(path, &group, &[]), "");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("the other names, which may lie outside the tree"), "{}", ran.err);
    assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o777, 0o660);
}

#[test]
fn what_is_mounted_in_a_volume_is_passed_over_and_said() {
    if !ringfence_runtime::observe::is_privileged() {
        eprintln!("needs root, to mount: skipped");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mounted, file) = (dir.path().join("mounted"), dir.path().join("file"));
    fs::create_dir(&mounted).unwrap();
    fs::write(&file, "").unwrap();
    let script = r#"
        mount -t tmpfs none "$1/mounted" && touch "$1/mounted/inside" && chmod 600 "$1/mounted/inside" &&
        mount --bind /etc/hostname "$1/file" &&
        before=$(stat -c '%g %a %z' /etc/hostname "$1/mounted/inside")
        "$2" volume own --fs-group 4711 "$1" && [ "$before" = "$(stat -c '%g %a %z' /etc/hostname "$1/mounted/inside")" ]"#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([dir.path().as_os_str(), env!("CARGO_BIN_EXE_ringfence").as_ref()])
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert!(err.contains("and 1 other: mounted there and no part of the volume"), "{err}");
    assert_eq!(fs::metadata(dir.path()).unwrap().gid(), 4711);
}

fn claim(volumes: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  securityContext: {{fsGroup: 4242}}\n  restartPolicy: Never\n  \
         containers:\n  - {{name: c, image: i, command: [sh, -c, 'stat -c %g:%a /data/file; echo new > /data/made'], \
         volumeMounts: [{{name: data, mountPath: /data}}]}}\n  volumes:\n  - {{name: data, {volumes}}}\n{more}"
    )
}

/// A claim and its volume, of a kind that the kubelet gives to fsGroup.
const BEHIND: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {volumeName: v, \
    accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n---\napiVersion: v1\nkind: PersistentVolume\n\
    metadata: {name: v}\nspec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, csi: {driver: d, volumeHandle: h, \
    fsType: ext4}}\n---\napiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: d}\nspec: {fsGroupPolicy: File}\n";

#[test]
fn a_claim_gets_the_directory_that_is_given_for_it_with_the_pods_group() {
    if !ringfence_runtime::observe::is_privileged() {
        println!("skipped: needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let given = format!("data={}", dir.path().display());
    let claim = claim("persistentVolumeClaim: {claimName: c}", BEHIND);
    let ran = ringfence(["run", "-", "--volume", &given], &claim);
    assert_eq!((ran.code, ran.out.trim()), (0, "4242:664"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(dir.path().join("made")).unwrap(), "new\n");
    // Before the manifest, too, where docker has a flag of that name.
    let ran = ringfence(["run", "--volume", &given, "-"], &claim);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_directory_for_a_volume_that_is_not_there_or_is_made_here_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("{name}={}", dir.path().display());
    let refused = |name: &str, volume: &str, why: &str| {
        let ran = ringfence(["run", "-", "--volume", &at(name)], claim(volume, ""));
        assert_eq!(ran.code, 125, "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    };
    refused("other", "persistentVolumeClaim: {claimName: c}", "the pod has no volume of this name; it has data");
    refused("data", "emptyDir: {}", "it is made here, and takes no directory");
    let ran = ringfence(["run", "-", "--volume", "data=/no/such/directory"], claim("emptyDir: {}", ""));
    assert_eq!(ran.code, 2, "{}", ran.err);
}
