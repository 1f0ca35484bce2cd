//! `ringfence node`: what the machines of a cluster can honour.

mod check;
mod daemon;
mod daemonset;

use crate::exit::Exit;

/// What a node can honour: capabilities, open files, seccomp, user namespaces and more
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(Box<check::Args>),
    Daemonset(daemonset::Args),
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Check(args) => check::main(args),
        Command::Daemonset(args) => daemonset::main(args),
    }
}
