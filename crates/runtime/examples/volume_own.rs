//! Applies fsGroup to a tree: `volume_own --fs-group G [--policy P] [--read-only] DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

use ringfence_runtime::volume::{ChangePolicy, Ownership, own};

fn main() -> ExitCode {
    let mut ownership = Ownership { fs_group: 0, policy: ChangePolicy::Always, read_only: false };
    let mut dir = PathBuf::new();
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--fs-group") => {
                let Some(group) = args.next().and_then(|group| group.to_str()?.parse().ok()) else {
                    return ExitCode::from(2);
                };
                ownership.fs_group = group;
            }
            Some("--policy") if args.next().is_some_and(|policy| policy == "OnRootMismatch") => {
                ownership.policy = ChangePolicy::OnRootMismatch;
            }
            Some("--policy") => {}
            Some("--read-only") => ownership.read_only = true,
            _ => dir = arg.into(),
        }
    }
    match own(&dir, ownership) {
        Ok(owned) => {
            println!("{} entries, {} could not be changed", owned.entries, owned.failed);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
