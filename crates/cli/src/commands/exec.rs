//! `ringfence exec`.

use oci_spec::runtime::Spec;
use ringfence_runtime::engine::Running;
use ringfence_runtime::launcher::{BuiltIn, Exec, Home};
use ringfence_runtime::observe;
use ringfence_runtime::protect;
use ringfence_runtime::run::attach::{self, Terminal};
use ringfence_runtime::run::signals::Signals;

use crate::exit::Exit;
use crate::running;

/// Run a command in a container that runs already
///
/// The command gets what the container's own process got: every namespace, the cgroup, user, groups, all five capability
/// sets, no_new_privs, the seccomp filter, labels, limits and the working directory. This is read back from outside
/// before it runs. It sees no descriptor of the caller's: streams are copied. The exit status is the command's; 125 means
/// that it could not be run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The pod, by its name or ID as `ps` shows them.
    pod: String,

    /// The container; the first main one otherwise.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,

    /// Pass standard input on.
    #[arg(short = 'i', long)]
    stdin: bool,

    /// Give the command a terminal.
    #[arg(short, long)]
    tty: bool,

    /// A further environment variable.
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  ringfence exec -it web -- sh
  ringfence exec web -c sidecar -- cat /proc/1/status
  tar c . | ringfence exec -i web -- tar x -C /data";

/// As `run` does it.
const NOT_RUN: u8 = 125;

pub(crate) fn main(args: &Args) -> Exit {
    match exec(args) {
        Ok(code) => Exit::Passed(code),
        Err(message) => {
            super::complain(&message);
            Exit::Passed(NOT_RUN)
        }
    }
}

fn exec(args: &Args) -> Result<u8, String> {
    protect::protect().map_err(|error| format!("cannot keep containers from writing to this program: {error}"))?;
    let pod = running::find(&args.pod)?;
    let name = running::container(&pod, args.container.as_deref())?;
    let process = running::process(&pod, &name)?;
    let mut spec = pod.spec(&name).map_err(|error| super::chain(&error))?;
    command(&mut spec, args)?;
    let home = Home::hold(&process).map_err(|error| super::chain(&error))?;
    // Without privilege the kernel gives no way to drop the caller's groups; the container has them, too.
    let engine = BuiltIn::new().keep_groups(!observe::is_privileged());
    let terminal = |error: std::io::Error| format!("cannot make a terminal: {error}");
    let copied = |error: std::io::Error| format!("cannot pass the streams on: {error}");
    let (mut started, copied) = if args.tty {
        let signals = Signals::of_terminal().map_err(terminal)?;
        let user = spec.process().as_ref().map(|process| process.user().clone()).unwrap_or_default();
        let (uid, gid) = home.outside(user.uid(), user.gid());
        let root = home.root().map_err(terminal)?;
        let (controller, stdio) = Terminal::open(&root, uid, gid).map_err(terminal)?;
        let started = start(engine, &home, &spec, stdio, true)?;
        let ended = started.watch().map_err(copied)?;
        let result = controller.copy(&ended, args.stdin, Some(&signals));
        (started, result.map_err(copied))
    } else {
        let (stdio, pipes) = attach::pipes(args.stdin).map_err(copied)?;
        let started = start(engine, &home, &spec, stdio, false)?;
        let ended = started.watch().map_err(copied)?;
        (started, pipes.copy(&ended).map_err(copied))
    };
    // Where the streams failed, dropping the process ends it.
    copied?;
    started.wait().map(ringfence_runtime::engine::Exit::code).map_err(|error| super::chain(&error))
}

fn start(
    engine: BuiltIn,
    home: &Home,
    spec: &Spec,
    stdio: ringfence_runtime::engine::Stdio,
    terminal: bool,
) -> Result<Box<dyn Running>, String> {
    engine.exec(home, Exec { spec, stdio, terminal }).map_err(|error| super::chain(&error))
}

/// Puts the command in the place of the container's own.
fn command(spec: &mut Spec, args: &Args) -> Result<(), String> {
    let Some(process) = spec.process_mut() else { return Err("the container's spec has no process".to_owned()) };
    let mut env = process.env().clone().unwrap_or_default();
    if args.tty && !env.iter().any(|variable| variable.starts_with("TERM=")) {
        env.push(format!("TERM={}", std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned())));
    }
    for variable in &args.env {
        let Some((name, _)) = variable.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(format!("{variable:?} sets no variable; write NAME=VALUE"));
        };
        let prefix = format!("{name}=");
        env.retain(|set| !set.starts_with(&prefix));
        env.push(variable.clone());
    }
    process.set_env(Some(env));
    process.set_args(Some(args.command.clone()));
    Ok(())
}
