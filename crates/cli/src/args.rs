//! The command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands::{
    check, docker, exec, explain, image, install, logs, node, operator, prove, ps, read, report, rm, run, scc, serve,
    simulate, snapshot, sync, uninstall, verify, volume, waiver,
};
use crate::exit::Exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Kubernetes security contexts: what a manifest declares, what the platform admits, what the process really gets.
///
/// Exit status: 0 nothing found, 1 findings, 2 the tool could not do its work.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, styles = STYLES, max_term_width = 100, help_template = HELP, subcommand_value_name = "COMMAND", disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    color: Color,

    #[command(subcommand)]
    command: Command,
}

/// The list of commands is grouped by what people hold.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

You hold a manifest:
  check    Would it be admitted, and if not, why, where, and what to write instead
  explain  Each container's effective security context, every value with where it comes from
  prove    Declared, computed and observed side by side: start each context and read the kernel back
  read     What the bytes say, as Kubernetes reads them, and what a strict API server objects to

You hold an operator's custom resource:
  operator What is known of operators, profiles of your own, and what to type for an upgrade or a change of mode

You hold this machine:
  node     What it can honour, and what of your manifests it cannot
  docker   Docker's command lines and compose services as pods, and pods as docker's command lines
  image    Images in a local store: pull, load, look into, lock what they say of users, clean up
  run      Run the pod's containers here with their security contexts applied; -d to leave them running
  ps       The pods that run here
  exec     Run a command in one of their containers, with all that the container has and nothing else
  logs     What a container has printed
  rm       End pods, and remove what they leave
  verify   Hold running processes against what their pods declare
  volume   Give a volume to a group, as the kubelet does for fsGroup

You hold a cluster, or a dump of one:
  check    --cluster: as that cluster admits it, and why not otherwise
  install  The webhooks into a cluster, or as manifests; uninstall takes them out again
  report   What runs and violates the levels that its namespace has now, as PolicyReports
  scc      Which security context constraint and why, why not another, who may use one, what a new one needs
  serve    Admission webhooks: Pod Security, and security context constraints where there are any
  simulate What a change of labels or configuration would break
  snapshot One dump with what these commands need, and nothing secret
  sync     Which pod-security labels OpenShift's synchroniser gives each namespace, and because of whom; --watch gives
           them, and ranges of users
  waiver   Which waivers count, which will not for long, and which nothing needs

Options:
{options}

`ringfence COMMAND --help` says more.";

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Exec(exec::Args),
    Docker(docker::Args),
    Explain(explain::Args),
    Image(image::Args),
    Install(install::Args),
    Node(node::Args),
    Logs(logs::Args),
    Operator(operator::Args),
    Prove(prove::Args),
    Ps(ps::Args),
    Read(read::Args),
    Report(report::Args),
    Rm(rm::Args),
    Run(run::Args),
    Scc(scc::Args),
    Serve(serve::Args),
    Simulate(simulate::Args),
    Snapshot(snapshot::Args),
    Sync(sync::Args),
    Uninstall(uninstall::Args),
    Verify(verify::Args),
    Volume(volume::Args),
    Waiver(waiver::Args),
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Cli {
    pub(crate) fn run(self) -> Exit {
        match self.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        match self.command {
            Command::Check(args) => check::main(&args),
            Command::Exec(args) => exec::main(&args),
            Command::Logs(args) => logs::main(&args),
            Command::Ps(args) => ps::main(&args),
            Command::Rm(args) => rm::main(&args),
            Command::Docker(args) => docker::main(&args),
            Command::Explain(args) => explain::main(&args),
            Command::Image(args) => image::main(&args),
            Command::Install(args) => install::main(&args),
            Command::Node(args) => node::main(&args),
            Command::Operator(args) => operator::main(&args),
            Command::Prove(args) => prove::main(&args),
            Command::Read(args) => read::main(&args),
            Command::Report(args) => report::main(&args),
            Command::Run(args) => run::main(&args),
            Command::Scc(args) => scc::main(&args),
            Command::Serve(args) => serve::main(&args),
            Command::Simulate(args) => simulate::main(&args),
            Command::Snapshot(args) => snapshot::main(&args),
            Command::Sync(args) => sync::main(&args),
            Command::Uninstall(args) => uninstall::main(&args),
            Command::Verify(args) => verify::main(&args),
            Command::Volume(args) => volume::main(&args),
            Command::Waiver(args) => waiver::main(&args),
        }
    }
}
