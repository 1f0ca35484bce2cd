//! `ringfence operator`: operators and what they make of their custom resources, and what to do around them.

mod plan;
mod profile;
mod scc;
mod view;

use crate::exit::Exit;

/// What is known of operators, profiles of your own, and what to type for an installation, upgrade or change of mode
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Plan(Box<plan::Args>),
    Profile(profile::Args),
    Scc(scc::Args),
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Plan(args) => plan::main(args),
        Command::Profile(args) => profile::main(args),
        Command::Scc(args) => scc::main(args),
    }
}
