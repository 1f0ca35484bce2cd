//! `ringfence volume`.

mod own;
mod relabel;

use crate::exit::Exit;

/// Give a volume to a group or label it, as kubelet and runtime do
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Own(own::OwnArgs),
    Relabel(relabel::RelabelArgs),
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Own(args) => own::main(args),
        Command::Relabel(args) => relabel::main(args),
    }
}
