//! `ringfence operator`: operators and what they make of their custom resources.

mod profile;

use crate::exit::Exit;

/// What is known of operators, and what a profile of your own makes of a custom resource
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Profile(profile::Args),
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Profile(args) => profile::main(args),
    }
}
