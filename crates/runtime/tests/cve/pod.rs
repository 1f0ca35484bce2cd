//! A pod of one container, started and listened to.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use ringfence_context::facts::Facts;
use ringfence_runtime::engine::{Engine, Exit, Stdio};
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::{PodRun, RunError, RunOptions};
use ringfence_runtime::spec::ProcessArgs;
use ringfence_runtime::state::StateDir;
use ringfence_runtime::volume::NoObjects;
use serde_json::{Value, json};

use crate::support;

/// The engines that are here. Without root only the built-in one, which then makes a user namespace.
pub(crate) fn engines() -> Vec<Box<dyn Engine>> {
    if !support::is_root() {
        return vec![Box::new(BuiltIn::new().keep_groups(true))];
    }
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(BuiltIn::new())];
    match External::find("runc") {
        Ok(engine) => engines.push(Box::new(engine)),
        Err(_) => eprintln!("passed over: there is no runc"),
    }
    engines
}

/// Runs the command in the pod's container on this machine's programs; what it printed, and how it ended.
pub(crate) fn run(engine: &dyn Engine, spec: Value, args: &[&str]) -> Result<(String, Exit), RunError> {
    run_with(engine, spec, args, &support::facts(), None)
}

/// The same with other facts and a directory of seccomp profiles.
pub(crate) fn run_with(
    engine: &dyn Engine,
    mut spec: Value,
    args: &[&str],
    facts: &Facts,
    seccomp_root: Option<&Path>,
) -> Result<(String, Exit), RunError> {
    let container = &mut spec["containers"][0];
    container["name"] = json!("c");
    if container["image"].is_null() {
        container["image"] = json!("local/root:1");
    }
    let pod = support::pod(json!({"metadata": {"name": "web"}, "spec": spec}));
    let effective = support::effective(&pod, facts);
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create_in(dir.path(), Path::new(support::INSIDE)).unwrap();
    for open in [dir.path(), state.path()] {
        fs::set_permissions(open, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    }
    let options = RunOptions {
        state: &state,
        binary: Path::new(support::INSIDE),
        objects: &NoObjects,
        seccomp_root,
        given_volumes: None,
        create_host_paths: true,
    };
    let run = PodRun::prepare(&pod, &effective, &effective.containers[0], options)?;
    let process = ProcessArgs { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..ProcessArgs::default() };
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let stdio = Stdio::Fds {
        stdin: fs::File::open("/dev/null").unwrap().into(),
        stdout: write.try_clone().unwrap(),
        stderr: write,
    };
    let image = support::image("");
    let mut started = run.start(engine, &effective.containers[0], &RootfsRequest::Host(&image), &process, stdio)?;
    let mut out = String::new();
    fs::File::from(read).read_to_string(&mut out).unwrap();
    let exit = started.running().wait()?;
    Ok((out, exit))
}
