//! Containers really started here: what goes wrong, what is left behind, and the kinds of volumes and roots. Needs root.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use ringfence_context::process::Namespace;
use ringfence_runtime::engine::{Engine, Exit, Stdio};
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::observe;
use ringfence_runtime::rootfs::{Protection, RootfsRequest, RootfsSource};
use ringfence_runtime::run::{Observed, PodRun, RunError, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::Objects;
use serde_json::{Value, json};

/// The engines that are here; none without root.
fn engines() -> Vec<Box<dyn Engine>> {
    if !support::is_root() {
        eprintln!("passed over: not root");
        return Vec::new();
    }
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(BuiltIn::new())];
    for name in ["runc", "crun"] {
        match External::find(name) {
            Ok(engine) => engines.push(Box::new(engine)),
            Err(_) => eprintln!("passed over: there is no {name}"),
        }
    }
    engines
}

#[derive(Default)]
struct Given(BTreeMap<String, ConfigMap>, BTreeMap<String, Secret>);

impl Objects for Given {
    fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.0.get(name)
    }
    fn secret(&self, name: &str) -> Option<&Secret> {
        self.1.get(name)
    }
}

fn with_run<T>(
    pod: &Pod,
    objects: &dyn Objects,
    then: impl FnOnce(&PodRun<'_>, &StateDir) -> T,
) -> Result<T, RunError> {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let base = dir.path().join("state");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o711)).unwrap();
    let state = StateDir::create_in(&base, Path::new(support::INSIDE)).unwrap();
    let effective = support::effective(pod, &support::facts());
    let options = RunOptions {
        state: &state,
        binary: Path::new(support::INSIDE),
        objects,
        seccomp_root: None,
        given_volumes: None,
        create_host_paths: true,
    };
    let run = PodRun::prepare(pod, &effective, &effective.containers[0], options)?;
    let outcome = then(&run, &state);
    drop(run);
    drop(state);
    // Nothing is left when the run is over.
    assert_eq!(fs::read_dir(&base).unwrap().count(), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&base.display().to_string()), "{mounts}");
    Ok(outcome)
}

fn probe(
    engine: &dyn Engine,
    pod: &Pod,
    objects: &dyn Objects,
    rootfs: &RootfsRequest<'_>,
) -> Result<Observed, RunError> {
    let effective = support::effective(pod, &support::facts());
    with_run(pod, objects, |run, _| run.probe(engine, &effective.containers[0], rootfs, &ProcessArgs::default()))?
}

#[allow(clippy::needless_pass_by_value, reason = "written as a literal where it is used")]
fn one(spec: Value) -> Pod {
    let mut pod = json!({"metadata": {"name": "web"}, "spec": spec});
    let container = &mut pod["spec"]["containers"][0];
    container["name"] = json!("c");
    container["image"] = json!("local/root:1");
    support::pod(pod)
}

fn run_command(engine: &dyn Engine, pod: &Pod, args: &[&str]) -> Result<Exit, RunError> {
    let effective = support::effective(pod, &support::facts());
    let process = ProcessArgs { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..ProcessArgs::default() };
    with_run(pod, &Given::default(), |run, _| {
        run.run(engine, &effective.containers[0], &RootfsRequest::Host(&support::image("")), &process)
    })?
}

#[test]
fn a_command_runs_and_its_exit_status_comes_back() {
    for engine in engines() {
        let pod = one(json!({"containers": [{}]}));
        assert_eq!(run_command(&*engine, &pod, &["sh", "-c", "exit 7"]).unwrap(), Exit::Code(7), "{}", engine.name());
        let killed = run_command(&*engine, &pod, &["sh", "-c", "kill -KILL $$"]).unwrap();
        // The first process of a PID namespace does not die of its own signals.
        assert!([0, 137].contains(&killed.code()), "{}: {killed:?}", engine.name());
    }
}

#[test]
fn a_command_that_is_not_there_is_a_start_error() {
    for engine in engines() {
        let pod = one(json!({"containers": [{}]}));
        for command in ["ringfence-has-no-such-command", "/nowhere/command", "/etc/passwd", "/usr"] {
            let error = run_command(&*engine, &pod, &[command]).unwrap_err();
            let refusal = error.refusal().unwrap_or_else(|| panic!("{} {command}: {error:?}", engine.name()));
            assert_eq!(refusal.reason.as_str(), "StartError", "{} {command}", engine.name());
            assert!(
                matches!(&error, RunError::Start(ringfence_runtime::engine::StartError::Exec { command: named, .. }) if named == command),
                "{} {command}: {error:?}",
                engine.name()
            );
        }
    }
}

#[test]
fn a_capability_that_the_node_lacks_is_a_start_error() {
    let lacks = observe::node_facts().capabilities.bounding.is_some_and(|set| set.0 & (1 << 24) == 0);
    if !lacks {
        eprintln!("passed over: this machine lacks no capability");
        return;
    }
    for engine in engines() {
        let pod = one(json!({"containers": [{"securityContext": {"capabilities": {"add": ["SYS_RESOURCE"]}}}]}));
        let error = probe(&*engine, &pod, &Given::default(), &RootfsRequest::Host(&support::image(""))).unwrap_err();
        assert_eq!(
            error.refusal().map(|refusal| refusal.reason.as_str()),
            Some("StartError"),
            "{}: {error:?}",
            engine.name()
        );
    }
}

#[test]
fn a_directory_is_a_root_that_stays_as_it_is() {
    for engine in engines() {
        for read_only in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir_all(dir.path().join("data/deep")).unwrap();
            fs::create_dir_all(dir.path().join("tmp")).unwrap();
            fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o1777)).unwrap();
            fs::write(dir.path().join("file"), "").unwrap();
            let before = listing(dir.path());
            let pod = one(json!({
                "securityContext": {"runAsUser": 1000},
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"securityContext": {"readOnlyRootFilesystem": read_only},
                    "volumeMounts": [{"name": "v", "mountPath": "/data/new/volume"}]}]
            }));
            let observed = probe(&*engine, &pod, &Given::default(), &RootfsRequest::Dir(dir.path()));
            let observed = observed.unwrap();
            assert_eq!(observed.state.read_only_root_filesystem, Some(read_only));
            assert_eq!(observed.state.volumes["/data/new/volume"].mode, "drwxrwxrwx", "{}", engine.name());
            assert!(observed.state.created_files.contains_key("/data/new/volume"), "{}", engine.name());
            assert!(matches!(observed.rootfs, RootfsSource::Dir { protection: Protection::Overlay, .. }));
            assert_eq!(listing(dir.path()), before, "{}", engine.name());
        }
    }
}

fn listing(root: &Path) -> Vec<String> {
    let mut open = vec![root.to_path_buf()];
    let mut list = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            list.push(format!("{} {:o}", entry.path().display(), entry.metadata().unwrap().permissions().mode()));
            if entry.path().is_dir() {
                open.push(entry.path());
            }
        }
    }
    list.sort();
    list
}

#[test]
fn a_read_only_root_is_read_only_and_the_machines_programs_always_are() {
    for engine in engines() {
        let writes = |read_only: bool, path: &str| {
            let pod = one(json!({
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"securityContext": {"readOnlyRootFilesystem": read_only},
                    "volumeMounts": [{"name": "v", "mountPath": "/usr/share/ringfence-volume"}]}]
            }));
            run_command(&*engine, &pod, &["sh", "-c", &format!("echo > {path}")]).unwrap() == Exit::Code(0)
        };
        assert!(writes(false, "/tmp/x"), "{}", engine.name());
        assert!(writes(true, "/usr/share/ringfence-volume/x"), "{}", engine.name());
        assert!(!writes(true, "/tmp/x"), "{}", engine.name());
        assert!(!writes(false, "/usr/x"), "{}", engine.name());
        assert!(!Path::new("/usr/share/ringfence-volume").exists());
    }
}

#[test]
fn volumes_of_objects_and_of_the_machine_are_seen() {
    for engine in engines() {
        let host = tempfile::tempdir().unwrap();
        fs::set_permissions(host.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let mut objects = Given::default();
        objects.0.insert(
            "conf".to_owned(),
            ConfigMap { data: Some([("a".to_owned(), "1".to_owned())].into()), ..ConfigMap::default() },
        );
        objects.1.insert(
            "sec".to_owned(),
            Secret { string_data: Some([("k".to_owned(), "v".to_owned())].into()), ..Secret::default() },
        );
        let pod = one(json!({
            "securityContext": {"fsGroup": 2000, "runAsUser": 1000},
            "volumes": [
                {"name": "conf", "configMap": {"name": "conf"}},
                {"name": "sec", "secret": {"secretName": "sec", "defaultMode": 0o400}},
                {"name": "host", "hostPath": {"path": host.path().display().to_string(), "type": "Directory"}},
                {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "down", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}
            ],
            "containers": [{"volumeMounts": [
                {"name": "conf", "mountPath": "/conf"},
                {"name": "sec", "mountPath": "/sec", "readOnly": true},
                {"name": "host", "mountPath": "/host"},
                {"name": "mem", "mountPath": "/mem"},
                {"name": "mem", "mountPath": "/mem2", "subPath": "deep/er"},
                {"name": "down", "mountPath": "/down"}
            ]}]
        }));
        let observed = probe(&*engine, &pod, &objects, &RootfsRequest::Host(&support::image(""))).unwrap();
        let seen: Vec<_> = observed
            .state
            .volumes
            .iter()
            .map(|(path, volume)| format!("{path} {} {}:{}", volume.mode, volume.uid, volume.gid))
            .collect();
        assert_eq!(
            seen,
            [
                "/conf drwxrwsrwx 0:2000",
                "/down drwxrwsrwt 0:2000",
                "/host drwxr-x--- 0:0",
                "/mem drwxrwsrwt 0:2000",
                "/mem2 drwxrwsrwx 0:2000",
                "/sec drwxrwsrwt 0:2000",
            ],
            "{}",
            engine.name()
        );
        assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0, "the probe writes nothing to the machine");
    }
}

#[test]
fn a_secret_can_be_read_by_the_pods_group_alone() {
    for engine in engines() {
        let mut objects = Given::default();
        objects.1.insert(
            "sec".to_owned(),
            Secret { string_data: Some([("k".to_owned(), "v".to_owned())].into()), ..Secret::default() },
        );
        for (group, status) in [(2000, 0), (3000, 1)] {
            let mut security = json!({"runAsUser": 1000, "runAsGroup": 3000});
            if group == 2000 {
                security["fsGroup"] = json!(2000);
            }
            let pod = one(json!({
                "securityContext": security,
                "volumes": [{"name": "sec", "secret": {"secretName": "sec", "defaultMode": 0o400}}],
                "containers": [{"volumeMounts": [{"name": "sec", "mountPath": "/sec"}]}]
            }));
            let effective = support::effective(&pod, &support::facts());
            let process = ProcessArgs { args: ["cat", "/sec/k"].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
            let exit = with_run(&pod, &objects, |run, _| {
                run.run(&*engine, &effective.containers[0], &RootfsRequest::Host(&support::image("")), &process)
            });
            assert_eq!(exit.unwrap().unwrap(), Exit::Code(status), "{} {group}", engine.name());
        }
    }
}

#[test]
fn a_volume_whose_object_is_missing_is_a_failed_mount() {
    if !support::is_root() {
        return;
    }
    let pod = one(json!({
        "volumes": [{"name": "conf", "configMap": {"name": "none"}}],
        "containers": [{"volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}]
    }));
    let error = with_run(&pod, &Given::default(), |_, _| ()).unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.reason.as_str()), Some("FailedMount"), "{error:?}");
}

#[test]
fn a_pod_with_its_own_users_sees_itself_as_declared() {
    use std::os::unix::fs::MetadataExt as _;
    let null = || std::fs::metadata("/dev/null").map(|null| (null.uid(), null.gid(), null.mode())).unwrap();
    let before = null();
    for engine in engines() {
        let pod = one(json!({
            "hostUsers": false,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}],
            "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "m", "mountPath": "/m"}]}]
        }));
        let observed = probe(&*engine, &pod, &Given::default(), &RootfsRequest::Host(&support::image("")))
            .unwrap_or_else(|error| panic!("{}: {error:?}", engine.name()));
        let state = observed.state;
        assert_eq!(state.namespaces.map(|namespaces| namespaces.user), Some(Namespace::Own), "{}", engine.name());
        assert_eq!((state.uid, state.gid), (Some(1000), Some(3000)));
        assert!(state.groups.unwrap().contains(&2000));
        let volume = &state.volumes["/v"];
        assert_eq!((volume.mode.as_str(), volume.uid, volume.gid), ("drwxrwsrwx", 0, 2000), "{}", engine.name());
        let volume = &state.volumes["/m"];
        assert_eq!((volume.mode.as_str(), volume.uid, volume.gid), ("drwxrwsrwt", 0, 2000), "{}", engine.name());
        assert_eq!(null(), before, "{} changed the machine's own /dev/null", engine.name());
    }
}

#[test]
fn a_container_that_is_dropped_is_ended() {
    for engine in engines() {
        let pod = one(json!({"containers": [{}]}));
        let effective = support::effective(&pod, &support::facts());
        let process = ProcessArgs { args: ["sleep", "4711"].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
        with_run(&pod, &Given::default(), |run, _| {
            let rootfs = support::image("");
            let mut started = run
                .start(&*engine, &effective.containers[0], &RootfsRequest::Host(&rootfs), &process, Stdio::Inherit)
                .unwrap();
            let process = Path::new("/proc").join(started.running().pid().to_string());
            assert!(process.exists(), "{}", engine.name());
            drop(started);
            assert!(!process.exists(), "{}", engine.name());
        })
        .unwrap();
    }
}

#[test]
fn the_containers_of_a_pod_share_its_namespaces() {
    for engine in engines() {
        for share_processes in [false, true] {
            let pod = one(json!({
                "shareProcessNamespace": share_processes,
                "hostname": "shared",
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [
                    {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
                    {"name": "d", "image": "local/root:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
                ]
            }));
            let effective = support::effective(&pod, &support::facts());
            let script = |file: &str| {
                let script = format!(
                    "cd /proc/self/ns && for n in ipc net uts; do echo $n $(readlink $n); done > /v/{file}; \
                     cat /proc/sys/kernel/hostname >> /v/{file}; echo $$ > /v/pid-{file}; echo x > /dev/shm/{file}; ls /dev/shm > /v/shm-{file}"
                );
                ProcessArgs { args: vec!["sh".to_owned(), "-c".to_owned(), script], ..ProcessArgs::default() }
            };
            let image = support::image("");
            with_run(&pod, &Given::default(), |run, state| {
                run.share_namespaces(&*engine).unwrap_or_else(|error| panic!("{}: {error:?}", engine.name()));
                for (i, file) in ["one", "two"].into_iter().enumerate() {
                    let exit = run.run(&*engine, &effective.containers[i], &RootfsRequest::Host(&image), &script(file));
                    assert_eq!(exit.unwrap_or_else(|error| panic!("{}: {error:?}", engine.name())), Exit::Code(0));
                }
                let read = |file: &str| fs::read_to_string(state.path().join("volumes/v").join(file)).unwrap();
                let (one, two) = (read("one"), read("two"));
                assert_eq!(one, two, "{}", engine.name());
                // The first process of a PID namespace of its own.
                assert_eq!(read("pid-two") == "1\n", !share_processes, "{}", engine.name());
                assert!(one.ends_with("shared\n"), "{one}");
                assert_eq!(read("shm-two"), "one\ntwo\n", "{}", engine.name());
            })
            .unwrap();
        }
    }
}

#[test]
fn files_on_volumes_of_a_pod_with_its_own_users_keep_the_ids_that_it_knows() {
    use std::os::unix::fs::MetadataExt as _;
    for engine in engines() {
        if engine.name() == "runc" {
            // Which before 1.2 drops the flags of a tmpfs when it makes a mount of it read-only, and may not.
            eprintln!("passed over: runc");
            continue;
        }
        let host = tempfile::tempdir().unwrap();
        fs::set_permissions(host.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(host.path().join("of-root"), "").unwrap();
        fs::write(host.path().join("of-group"), "").unwrap();
        std::os::unix::fs::chown(host.path().join("of-group"), Some(7), Some(2000)).unwrap();
        let pod = one(json!({
            "hostUsers": false,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [
                {"name": "v", "emptyDir": {}},
                {"name": "conf", "configMap": {"name": "conf", "defaultMode": 0o640}},
                {"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}},
                {"name": "h", "hostPath": {"path": host.path()}}
            ],
            "containers": [{"volumeMounts": [
                {"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/part", "subPath": "part"},
                {"name": "conf", "mountPath": "/conf"}, {"name": "key", "mountPath": "/key"},
                {"name": "h", "mountPath": "/h"}
            ]}]
        }));
        let mut given = Given::default();
        let data = std::iter::once(("x".to_owned(), "y".to_owned())).collect();
        given.0.insert("conf".to_owned(), ConfigMap { data: Some(data), ..ConfigMap::default() });
        let data = std::iter::once(("x".to_owned(), "y".to_owned())).collect();
        given.1.insert("key".to_owned(), Secret { string_data: Some(data), ..Secret::default() });
        let script = "set -e; cat /conf/x /key/x >/dev/null; touch /v/new /part/new /h/new; \
            stat -L -c '%a %u:%g %n' /v /v/new /part /part/new /conf/x /key/x /h/of-root /h/of-group /h/new /etc/hosts > /v/seen; \
            head -c 20 /proc/self/uid_map | tr -s ' ' >> /v/seen";
        let process = ProcessArgs { args: ["sh", "-c", script].map(str::to_owned).to_vec(), ..ProcessArgs::default() };
        let effective = support::effective(&pod, &support::facts());
        with_run(&pod, &given, |run, state| {
            let image = support::image("");
            // As often as it is started.
            for _ in 0..2 {
                let exit = run.run(&*engine, &effective.containers[0], &RootfsRequest::Host(&image), &process);
                assert_eq!(exit.unwrap_or_else(|error| panic!("{}: {error:?}", engine.name())), Exit::Code(0));
            }
            let seen = fs::read_to_string(state.path().join("volumes/v/seen")).unwrap();
            let mut lines = seen.lines();
            let wanted = [
                "2777 0:2000 /v",
                "644 1000:2000 /v/new",
                "2777 0:2000 /part",
                "644 1000:2000 /part/new",
                "640 0:2000 /conf/x",
                "440 0:2000 /key/x",
                "644 0:0 /h/of-root",
                "644 7:2000 /h/of-group",
                "644 1000:3000 /h/new",
                "644 0:0 /etc/hosts",
            ];
            for wanted in wanted {
                assert_eq!(lines.next(), Some(wanted), "{}: {seen}", engine.name());
            }
            // And so they lie on the machine, where nothing of the pod's own range of IDs is left.
            let owner = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
            assert_eq!(owner(&host.path().join("new")), (1000, 3000), "{}", engine.name());
            assert_eq!(owner(&host.path().join("of-root")), (0, 0));
            assert_eq!(owner(&state.path().join("volumes/v/new")), (1000, 2000), "{}", engine.name());
        })
        .unwrap_or_else(|error| panic!("{}: {error:?}", engine.name()));
    }
}

#[test]
fn a_file_system_whose_ids_cannot_be_mapped_is_refused() {
    for engine in engines() {
        let pod = one(json!({
            "hostUsers": false,
            "volumes": [{"name": "h", "hostPath": {"path": "/proc/sys"}}],
            "containers": [{"volumeMounts": [{"name": "h", "mountPath": "/h"}]}]
        }));
        let error = probe(&*engine, &pod, &Given::default(), &RootfsRequest::Host(&support::image(""))).unwrap_err();
        let refusal = error.refusal().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(refusal.reason.as_str(), "StartError");
        assert_eq!(
            refusal.message,
            "failed to set MOUNT_ATTR_IDMAP on /proc/sys: Invalid argument (os error 22) \
             (maybe the filesystem used doesn't support idmap mounts on this kernel?)"
        );
    }
}

#[test]
fn no_two_pods_with_users_of_their_own_share_an_id() {
    if !support::is_root() {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let pod = one(json!({"hostUsers": false, "containers": [{}]}));
    let effective = support::effective(&pod, &support::facts());
    let states: Vec<_> =
        (0..3).map(|_| StateDir::create_in(base.path(), Path::new(support::INSIDE)).unwrap()).collect();
    let first = |state: &StateDir| {
        let options = RunOptions {
            state,
            binary: Path::new(support::INSIDE),
            objects: &Given::default(),
            seccomp_root: None,
            given_volumes: None,
            create_host_paths: false,
        };
        let run = PodRun::prepare(&pod, &effective, &effective.containers[0], options).unwrap();
        let script = ["sh", "-c", "exec sleep 60"].map(str::to_owned).to_vec();
        let process = ProcessArgs { args: script, ..ProcessArgs::default() };
        let null = || fs::File::options().read(true).write(true).open("/dev/null").unwrap().into();
        let stdio = Stdio::Fds { stdin: null(), stdout: null(), stderr: null() };
        let image = support::image("");
        let rootfs = RootfsRequest::Host(&image);
        let mut started = run.start(&BuiltIn::new(), &effective.containers[0], &rootfs, &process, stdio).unwrap();
        let map = fs::read_to_string(format!("/proc/{}/uid_map", started.running().pid())).unwrap();
        let numbers: Vec<u32> = map.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect();
        assert_eq!((numbers[0], numbers[2], numbers[1] % 65_536), (0, 65_536, 0), "{map}");
        numbers[1]
    };
    let mut blocks: Vec<u32> = states.iter().map(first).collect();
    blocks.sort_unstable();
    blocks.dedup();
    assert_eq!(blocks.len(), 3);
}
