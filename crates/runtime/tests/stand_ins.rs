//! Volumes that only a cluster can provide, paths that the machine lacks, and a home that nobody could know before.
//! Needs root.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::effective::EffectivePod;
use ringfence_context::facts::Facts;
use ringfence_runtime::engine::{Engine, Exit};
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::{Observed, PodRun, RunError, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::NoObjects;
use serde_json::{Value, json};

/// The engines that are here; none without root.
fn engines() -> Vec<Box<dyn Engine>> {
    if !support::is_root() {
        eprintln!("passed over: not root");
        return Vec::new();
    }
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(BuiltIn::new())];
    match External::find("runc") {
        Ok(engine) => engines.push(Box::new(engine)),
        Err(_) => eprintln!("passed over: there is no runc"),
    }
    engines
}

fn facts(claims: &[&str]) -> Facts {
    Facts { claim_templates: Some(claims.iter().map(|name| (*name).to_owned()).collect()), ..support::facts() }
}

/// A pod of one container with these volumes and mounts.
#[allow(clippy::needless_pass_by_value, reason = "written as literals where it is used")]
fn mounting(volumes: Value, mounts: Value) -> Pod {
    support::pod(json!({
        "metadata": {"name": "web"},
        "spec": {
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000},
            "volumes": volumes,
            "containers": [{"name": "c", "image": "local/root:1", "volumeMounts": mounts}]
        }
    }))
}

fn with_run<T>(
    pod: &Pod,
    facts: &Facts,
    create_host_paths: bool,
    then: impl FnOnce(&PodRun<'_>, &EffectivePod) -> T,
) -> Result<T, RunError> {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let base = dir.path().join("state");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o711)).unwrap();
    let state = StateDir::create_in(&base, Path::new(support::INSIDE)).unwrap();
    let effective = support::effective(pod, facts);
    let options = RunOptions {
        state: &state,
        binary: Path::new(support::INSIDE),
        objects: &NoObjects,
        seccomp_root: None,
        given_volumes: None,
        create_host_paths,
    };
    let run = PodRun::prepare(pod, &effective, &effective.containers[0], options)?;
    Ok(then(&run, &effective))
}

fn probe(engine: &dyn Engine, run: &PodRun<'_>, effective: &EffectivePod) -> Observed {
    let rootfs = support::image("");
    run.probe(engine, &effective.containers[0], &RootfsRequest::Host(&rootfs), &ProcessArgs::default())
        .unwrap_or_else(|error| panic!("{}: {error:?}", engine.name()))
}

fn shell(engine: &dyn Engine, run: &PodRun<'_>, effective: &EffectivePod, script: &str) -> Exit {
    let process = ProcessArgs { args: ["sh", "-c", script].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
    let rootfs = support::image("");
    run.run(engine, &effective.containers[0], &RootfsRequest::Host(&rootfs), &process)
        .unwrap_or_else(|error| panic!("{}: {error:?}", engine.name()))
}

#[test]
fn an_empty_directory_stands_in_for_what_only_a_cluster_has() {
    for engine in engines() {
        let pod = mounting(
            json!([
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "share", "nfs": {"server": "s", "path": "/"}},
                {"name": "driver", "csi": {"driver": "d"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
                {"name": "empty", "emptyDir": {}}
            ]),
            json!([
                {"name": "data", "mountPath": "/data"},
                {"name": "data", "mountPath": "/part", "subPath": "a/b"},
                {"name": "share", "mountPath": "/share"},
                {"name": "driver", "mountPath": "/driver"},
                {"name": "scratch", "mountPath": "/scratch"},
                {"name": "template", "mountPath": "/template"},
                {"name": "empty", "mountPath": "/empty"}
            ]),
        );
        with_run(&pod, &facts(&["template"]), false, |run, effective| {
            let names: Vec<_> = run.stand_ins().keys().map(String::as_str).collect();
            assert_eq!(names, ["data", "driver", "scratch", "share", "template"]);
            assert_eq!(run.stand_ins()["data"], "a claim is not here: an empty directory stands in for it");
            assert_eq!(run.stand_ins()["share"], "an nfs volume is not here: an empty directory stands in for it");
            let observed = probe(&*engine, run, effective);
            let not_shown: Vec<_> = observed.not_shown.keys().map(String::as_str).collect();
            let wanted = ["/data", "/driver", "/part", "/scratch", "/share", "/template"].map(|path| format!("volumes.{path}"));
            assert_eq!(not_shown, wanted, "{}", engine.name());
            assert_eq!(observed.state.volumes.keys().collect::<Vec<_>>(), ["/empty"]);
            let script = "for d in data part share driver scratch template; do test -z \"$(ls /$d | grep -v a)\" && echo x > /$d/file || exit 3; done; test -e /data/a/b/file";
            assert_eq!(shell(&*engine, run, effective, script), Exit::Code(0), "{}", engine.name());
        })
        .unwrap();
    }
}

#[test]
fn a_volume_that_nobody_declares_is_still_an_error() {
    if !support::is_root() {
        return;
    }
    let pod = mounting(json!([]), json!([{"name": "none", "mountPath": "/none"}]));
    let error = with_run(&pod, &facts(&[]), false, |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("is mounted and not declared"), "{error}");
}

#[test]
fn an_empty_file_stands_in_for_a_token_and_what_else_the_cluster_knows() {
    for engine in engines() {
        let pod = mounting(
            json!([
                {"name": "api", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token"}},
                    {"downwardAPI": {"items": [
                        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                        {"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}}
                    ]}}
                ]}},
                {"name": "limits", "downwardAPI": {"items": [
                    {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}
                ]}}
            ]),
            json!([{"name": "api", "mountPath": "/api"}, {"name": "limits", "mountPath": "/limits"}]),
        );
        with_run(&pod, &facts(&[]), false, |run, effective| {
            assert_eq!(
                run.stand_ins()["api"],
                "a service account token is not here: an empty file stands in for it; \
                 the pod's UID is not here: an empty file stands in for it"
            );
            assert!(run.stand_ins()["limits"].starts_with("a container's resources are not here"));
            let observed = probe(&*engine, run, effective);
            assert!(observed.not_shown.contains_key("volumes./api"), "{:?}", observed.not_shown);
            let script = "test -f /api/token && ! test -s /api/token && grep -q web /api/name && test -f /limits/cpu";
            assert_eq!(shell(&*engine, run, effective, script), Exit::Code(0), "{}", engine.name());
        })
        .unwrap();
    }
}

/// Every path below `dir`.
fn tree(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(path) = open.pop() {
        found.insert(path.strip_prefix(dir).unwrap().display().to_string());
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

fn host_paths(dir: &Path) -> Pod {
    let path = |name: &str| dir.join(name).display().to_string();
    fs::create_dir(dir.join("there")).unwrap();
    mounting(
        json!([
            {"name": "untyped", "hostPath": {"path": path("a/untyped")}},
            {"name": "dir", "hostPath": {"path": path("dir"), "type": "DirectoryOrCreate"}},
            {"name": "file", "hostPath": {"path": path("file"), "type": "FileOrCreate"}},
            {"name": "there", "hostPath": {"path": path("there")}},
            {"name": "empty", "emptyDir": {}}
        ]),
        json!([
            {"name": "untyped", "mountPath": "/untyped"},
            {"name": "dir", "mountPath": "/dir"},
            {"name": "file", "mountPath": "/file"},
            {"name": "there", "mountPath": "/there", "subPath": "x/y"},
            {"name": "there", "mountPath": "/outer"},
            {"name": "empty", "mountPath": "/outer/inner"}
        ]),
    )
}

#[test]
fn what_is_missing_on_the_machine_is_not_made_unless_it_may_be() {
    for engine in engines() {
        let dir = tempfile::tempdir().unwrap();
        let pod = host_paths(dir.path());
        let before = tree(dir.path());
        with_run(&pod, &facts(&[]), false, |run, effective| {
            let names: Vec<_> = run.stand_ins().keys().map(String::as_str).collect();
            assert_eq!(names, ["dir", "file", "there", "untyped"]);
            assert!(run.created_paths().is_empty());
            let observed = probe(&*engine, run, effective);
            for path in ["/untyped", "/dir", "/file", "/there", "/outer"] {
                assert!(observed.not_shown.contains_key(&format!("volumes.{path}")), "{:?}", observed.not_shown);
            }
            let script = "test -d /untyped && test -d /dir && test -f /file && test -d /there && test -d /outer/inner";
            assert_eq!(shell(&*engine, run, effective, script), Exit::Code(0), "{}", engine.name());
        })
        .unwrap();
        assert_eq!(tree(dir.path()), before, "{}", engine.name());
    }
}

#[test]
fn what_is_made_on_the_machine_is_said() {
    for engine in engines() {
        let dir = tempfile::tempdir().unwrap();
        let pod = host_paths(dir.path());
        with_run(&pod, &facts(&[]), true, |run, effective| {
            assert!(run.stand_ins().is_empty(), "{:?}", run.stand_ins());
            let made: Vec<_> = run.created_paths().iter().map(|path| path.strip_prefix(dir.path()).unwrap()).collect();
            assert_eq!(made, ["a/untyped", "dir", "file", "there/x/y"].map(Path::new));
            assert_eq!(shell(&*engine, run, effective, "true"), Exit::Code(0), "{}", engine.name());
        })
        .unwrap();
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode();
        assert_eq!([mode("a/untyped"), mode("dir"), mode("file")], [0o40755, 0o40755, 0o100_644]);
        assert!(dir.path().join("there/x/y").is_dir());
    }
}

#[test]
fn a_home_that_lies_in_a_volume_is_read_from_it() {
    for engine in engines() {
        let etc = tempfile::tempdir().unwrap();
        fs::set_permissions(etc.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["hosts", "hostname", "resolv.conf"] {
            fs::write(etc.path().join(name), "").unwrap();
        }
        fs::write(etc.path().join("passwd"), "root:x:0:0::/root:\nme:x:1000:1000::/srv/me:/bin/sh\n").unwrap();
        let file = etc.path().join("passwd").display().to_string();
        let volumes = json!([
            {"name": "host", "hostPath": {"path": etc.path().display().to_string()}},
            {"name": "file", "hostPath": {"path": file, "type": "File"}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "empty", "emptyDir": {}}
        ]);
        let homes = [
            ("host", "/etc", "/srv/me"),
            ("file", "/etc/passwd", "/srv/me"),
            ("claim", "/etc", "/"),
            ("empty", "/etc", "/"),
        ];
        for (volume, path, home) in homes {
            let pod = mounting(volumes.clone(), json!([{"name": volume, "mountPath": path}]));
            with_run(&pod, &facts(&[]), false, |run, effective| {
                let observed = probe(&*engine, run, effective);
                assert_eq!(observed.state.home.as_deref(), Some(home), "{} {volume}", engine.name());
            })
            .unwrap();
        }
    }
}
