//! `ringfence scc`: the questions that people ask most about security context constraints.

mod diff;
mod minimal;
mod which;
mod who;
mod why;

use ringfence_operators::{Operators, Platform};
use ringfence_scc::SecurityContextConstraints;

use crate::admit::{AsArgs, Judge};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope};
use crate::exit::Exit;
use crate::input::Inputs;

/// Security context constraints: which one and why, why not another, who may use one, what a new one would need
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The operators as they are where there are constraints.
fn on_openshift() -> Operators {
    Operators::new(Platform::OpenShift)
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Which(which::Args),
    Why(why::Args),
    Diff(diff::Args),
    Who(who::Args),
    Minimal(minimal::Args),
}

/// Which pods, on which cluster, made by whom.
#[derive(Debug, clap::Args)]
struct Question {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    #[command(flatten)]
    who: AsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Which(args) => which::main(args),
        Command::Why(args) => why::main(args),
        Command::Diff(args) => diff::main(args),
        Command::Who(args) => who::main(args),
        Command::Minimal(args) => minimal::main(args),
    }
}

impl Question {
    /// Reads the cluster and lets it be asked. What ails it counts once the answers are out.
    fn ask(&self, answer: impl FnOnce(&Judge<'_>) -> std::io::Result<Exit>) -> Exit {
        let pod_security = match self.pod_security.load(None) {
            Ok(pod_security) => pod_security,
            Err(error) => {
                super::complain(&super::chain(&error));
                return Exit::Failure;
            }
        };
        let scope = Scope::Inputs { inputs: &self.inputs, default: self.who.namespace() };
        let Some(loaded) = self.cluster.load_or_openshift(Needs::Admission, scope) else { return Exit::Failure };
        let judge = Judge::new(&loaded, pod_security, &self.who);
        match answer(&judge) {
            Ok(exit) if loaded.incomplete => exit.max(Exit::Failure),
            Ok(exit) => exit,
            Err(error) => super::output_failed(&error),
        }
    }
}

/// The names of constraints, for those who misspelt one.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a SecurityContextConstraints>) {
    let names: Vec<&str> = known.map(SecurityContextConstraints::name).collect();
    let names = crate::view::clean(&names.join(", ")).into_owned();
    super::complain(&format!("no security context constraint {name:?}: there are {names}"));
}
