//! `ringfence volume`.

use std::path::PathBuf;

use ringfence_runtime::volume::{ChangePolicy, Ownership, own};

use crate::exit::Exit;

/// Give a volume to a group, as the kubelet does for fsGroup
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Own(OwnArgs),
}

/// Apply fsGroup ownership to a tree
///
/// Everything in the tree gets the group and may be read and written by it; directories pass the group on to what is
/// made in them. Symbolic links are changed themselves and never followed, so that nothing outside the tree is touched.
#[derive(Debug, clap::Args)]
struct OwnArgs {
    /// The group ID: the pod's fsGroup.
    #[arg(long, value_name = "GID")]
    fs_group: u32,

    /// fsGroupChangePolicy: Always, or OnRootMismatch, which lets the tree be when its root is right already.
    #[arg(long, value_name = "POLICY", default_value = "Always", ignore_case = true)]
    policy: Policy,

    /// The volume is mounted read-only: the group may read it and not write.
    #[arg(long)]
    read_only: bool,

    /// The root of the volume.
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Policy {
    #[value(name = "Always")]
    Always,
    #[value(name = "OnRootMismatch")]
    OnRootMismatch,
}

pub(crate) fn main(args: &Args) -> Exit {
    let Command::Own(args) = &args.command;
    let policy = match args.policy {
        Policy::Always => ChangePolicy::Always,
        Policy::OnRootMismatch => ChangePolicy::OnRootMismatch,
    };
    match own(&args.dir, Ownership { fs_group: args.fs_group, policy, read_only: args.read_only }) {
        Ok(owned) => {
            if owned.entries == 0 {
                anstream::println!("{}: right already", args.dir.display());
            } else {
                anstream::println!(
                    "{}: {} given to group {}",
                    args.dir.display(),
                    super::count(owned.entries as usize, "entry").replace("entrys", "entries"),
                    args.fs_group
                );
            }
            match owned.first_failure {
                None => Exit::Clean,
                // The kubelet passes over them; a person wants to know.
                Some((path, error)) => {
                    let others = owned.failed.saturating_sub(1);
                    super::warn(&format!("{}: cannot be changed: {error}, and {others} others", path.display()));
                    Exit::Findings
                }
            }
        }
        Err(error) => {
            super::complain(&super::chain(&error));
            Exit::Failure
        }
    }
}
