//! `ringfence sync --watch`: the controllers.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use ringfence_admission::sync::Settings;
use ringfence_controllers::{McsRange, Options, Ranges, Told, UidRange, Which, run};
use ringfence_live::Target;

use super::watching::Watching;
use super::{chain, complain};
use crate::exit::Exit;

/// Which controllers, and how they go about it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --watch")]
#[group(requires = "watch")]
pub(crate) struct WatchArgs {
    /// Which controllers run: `sync` labels namespaces as their service accounts need it, `privileged` keeps default,
    /// kube-system and kube-public privileged, `ranges` gives each namespace its users, groups and SELinux level.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "sync,privileged,ranges")]
    controllers: Vec<Name>,

    #[command(flatten)]
    watching: Watching,

    /// The users and groups that namespaces get theirs from: FIRST-LAST/BLOCKSIZE.
    #[arg(long, value_name = "RANGE", default_value = "1000000000-1999999999/10000")]
    uid_range: UidRange,

    /// The SELinux levels that namespaces get theirs from: PREFIX/CATEGORIES or PREFIX/CATEGORIES,HIGHEST.
    #[arg(long, value_name = "RANGE", default_value = "s0:/2")]
    mcs_range: McsRange,

    /// How many SELinux levels go to each namespace.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    mcs_labels_per_namespace: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    Sync,
    Privileged,
    Ranges,
}

/// Runs the controllers until they are told to end.
pub(crate) fn main(args: &WatchArgs, target: &Target, labels: Settings, dry_run: bool) -> Exit {
    match watch(args, target, labels, dry_run) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            complain(&chain(&*error));
            Exit::Failure
        }
    }
}

fn watch(args: &WatchArgs, target: &Target, labels: Settings, dry_run: bool) -> Result<(), Box<dyn std::error::Error>> {
    let ranges =
        Ranges { uids: args.uid_range, levels: args.mcs_range.clone(), levels_each: args.mcs_labels_per_namespace };
    let controllers: BTreeSet<Which> = args.controllers.iter().map(|name| (*name).into()).collect();
    let blocks = u64::try_from(ranges.uids.blocks()).unwrap_or(u64::MAX);
    if controllers.contains(&Which::Ranges) && ranges.namespaces() < blocks {
        let (uids, levels, each) = (ranges.uids, &ranges.levels, ranges.levels_each);
        return Err(format!(
            "--uid-range {uids} has {blocks} blocks, but --mcs-range {levels} has levels for only {} namespaces with {each} each: give fewer or larger blocks, more categories, or a smaller --mcs-labels-per-namespace",
            ranges.namespaces()
        )
        .into());
    }
    args.watching.run(target, "ringfence-controllers", |at| async move {
        let options = Options {
            controllers,
            labels,
            ranges,
            namespace: at.namespace,
            election: at.election,
            writes_per_second: at.writes_per_second,
            burst: at.burst,
            resync: at.resync,
            listener: at.listener,
            dry_run: dry_run.then(print),
        };
        run(at.client, &at.server, options).await
    })
}

/// Prints each write that a dry run would make.
fn print() -> Told {
    Arc::new(|line| {
        let mut out = std::io::stdout().lock();
        // Whoever does not read any more has had enough; the log goes on.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    })
}

impl From<Name> for Which {
    fn from(name: Name) -> Self {
        match name {
            Name::Sync => Self::Sync,
            Name::Privileged => Self::Privileged,
            Name::Ranges => Self::Ranges,
        }
    }
}
