//! Random pods under the built-in launcher and under runc: status, mounts and devices agree, but for the differences that
//! docs/run.md lists. `RINGFENCE_PODS` says how many pods, `RINGFENCE_SEED` with which the first one is made (`just pods`).
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]
#![allow(unreachable_pub, reason = "the modules are those of this test alone")]

#[path = "../common/mod.rs"]
mod common;
mod generator;
mod look;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use common::{lines, ringfence};
use generator::{Feature, build, features};
use look::{Met, SCRIPT, Seen, differences};
use serde_json::{Value, json};

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |number| number.parse().unwrap())
}

/// A root file system, a directory of the host, and seccomp profiles.
struct Bed(tempfile::TempDir);

const ENGINES: [&str; 2] = ["built-in", "runc"];

impl Bed {
    fn new() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
        let is_root = u64::from_str_radix(effective, 16).unwrap() & (1 << 21) != 0;
        let find = |tool: &str| {
            let path = std::env::var("PATH").unwrap();
            path.split(':').map(|dir| Path::new(dir).join(tool)).find(|path| path.is_file())
        };
        let (true, Some(busybox), Some(_)) = (is_root, find("busybox"), find("runc")) else {
            println!("skipped: needs root, busybox and runc");
            return None;
        };
        let bed = Self(tempfile::tempdir().unwrap());
        let root = bed.path("root");
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp", "mnt", "srv"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for name in ["cat", "find", "grep", "head", "id", "ls", "mknod", "readlink", "rm", "sed", "sh", "sort", "stat"]
        {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\napp:x:1000:\naudio:x:29:app,root\n").unwrap();
        fs::create_dir_all(bed.path("host/dir")).unwrap();
        fs::write(bed.path("host/file"), "of the host").unwrap();
        fs::create_dir_all(bed.path("seccomp/profiles")).unwrap();
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["keyctl", "add_key"], "action": "SCMP_ACT_ERRNO"}]});
        fs::write(bed.path("seccomp/profiles/own.json"), profile.to_string()).unwrap();
        Some(bed)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn common(&self, command: &str, engine: &str, file: &Path) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let root = ["--rootfs".to_owned(), path(&self.path("root"))];
        let seccomp = ["--seccomp-root".to_owned(), path(&self.path("seccomp"))];
        let engine = ["--engine".to_owned(), engine.to_owned()];
        [command.to_owned()].into_iter().chain(root).chain(seccomp).chain(engine).chain([path(file)]).collect()
    }

    /// What differs for the pod of these features.
    fn compare(&self, features: &[Feature], met: &mut Met) -> Vec<String> {
        let file = self.path("pod.json");
        let objects = build("random", features);
        fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
        let [ours, theirs] = ENGINES.map(|engine| {
            let ran = ringfence(
                [self.common("prove", engine, &file), vec!["-o".to_owned(), "jsonl".to_owned()]].concat(),
                "",
            );
            assert!(ran.code < 2, "{engine}: {}{}", ran.out, ran.err);
            lines(&ran).remove(0)["containers"][0].take()
        });
        let mut found = Vec::new();
        // Engines have their own words for a refusal.
        let reason = |container: &Value| container["error"]["reason"].clone();
        if reason(&ours) != reason(&theirs) {
            found.push(format!("refusal: ours {}, theirs {}", ours["error"], theirs["error"]));
        }
        let (own, other) = (&ours["observed"], &theirs["observed"]);
        let names = own.as_object().into_iter().chain(other.as_object()).flat_map(serde_json::Map::keys);
        let names: std::collections::BTreeSet<_> = names.collect();
        for name in names.into_iter().filter(|name| own[name.as_str()] != other[name.as_str()]) {
            found.push(format!("state {name}: ours {}, theirs {}", own[name.as_str()], other[name.as_str()]));
        }
        if !found.is_empty() || !own.is_object() {
            return found;
        }
        let [ours, theirs] = ENGINES.map(|engine| {
            let command = ["--", "sh", "-c", SCRIPT].map(str::to_owned).to_vec();
            ringfence([self.common("run", engine, &file), command].concat(), "")
        });
        if ours.code != theirs.code {
            found.push(format!("exit: ours {} {}, theirs {} {}", ours.code, ours.err, theirs.code, theirs.err));
            return found;
        }
        let (ours, theirs) = (Seen::parse(&ours.out), Seen::parse(&theirs.out));
        // With root's limits nearly everything can be seen.
        assert!(ours.is_whole() && theirs.is_whole(), "{ours:#?} {theirs:#?}");
        differences(&ours, &theirs, met)
    }

    /// The fewest features with which something still differs.
    fn shrink(&self, mut features: Vec<Feature>) -> Vec<Feature> {
        let mut at = 0;
        while at < features.len() {
            let mut fewer = features.clone();
            fewer.remove(at);
            if self.compare(&fewer, &mut Met::new()).is_empty() {
                at += 1;
            } else {
                features = fewer;
            }
        }
        features
    }
}

#[test]
fn the_built_in_launcher_and_runc_agree_on_random_pods() {
    let Some(bed) = Bed::new() else { return };
    let (first, pods) = (number("RINGFENCE_SEED", 1), number("RINGFENCE_PODS", 12));
    let host = bed.path("host").display().to_string();
    let mut met = Met::new();
    let mut failures = Vec::new();
    for seed in first..first + pods {
        let features = features(seed, &host);
        if bed.compare(&features, &mut met).is_empty() {
            continue;
        }
        // A few in their smallest form say as much as all.
        let fewest = if failures.len() < 3 { bed.shrink(features) } else { features };
        let found = bed.compare(&fewest, &mut Met::new()).join("\n  ");
        let spec = build("random", &fewest).pop().unwrap()["spec"].take();
        failures.push(format!("seed {seed} (RINGFENCE_SEED={seed} RINGFENCE_PODS=1):\n  {found}\n  {spec}"));
    }
    println!("known differences over {pods} pods: {met:#?}");
    assert!(failures.is_empty(), "{} pods differ:\n{}", failures.len(), failures.join("\n"));
}
