//! `ringfence volume`.

mod own;

use crate::exit::Exit;

/// Give a volume to a group, as the kubelet does for fsGroup
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Own(own::OwnArgs),
}

pub(crate) fn main(args: &Args) -> Exit {
    match &args.command {
        Command::Own(args) => own::main(args),
    }
}
