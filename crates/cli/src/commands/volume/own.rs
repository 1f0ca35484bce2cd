//! `ringfence volume own`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use ringfence_runtime::volume::{Change, ChangePolicy, HardLinks, OwnOptions, Owned, Ownership, own_with};
use serde_json::json;

use crate::commands::{chain, complain, count, output_failed, warn};
use crate::exit::Exit;
use crate::progress::Counting;
use crate::{jsonl, view};

/// Apply fsGroup ownership to a tree
///
/// Everything in the tree gets the group and may be read and written by it; directories pass the group on to what is
/// made in them. What is right already is left alone, and a run that was interrupted is completed by the next one.
///
/// Symbolic links are changed themselves and never followed, and what is mounted below DIR is passed over, so that
/// nothing outside the tree is touched, whatever is renamed or linked in it meanwhile.
#[derive(Debug, clap::Args)]
pub(super) struct OwnArgs {
    /// The group ID: the pod's fsGroup.
    #[arg(long, value_name = "GID", value_parser = clap::value_parser!(u32).range(0..=i64::from(i32::MAX)))]
    fs_group: u32,

    /// fsGroupChangePolicy: Always, or OnRootMismatch, which lets the tree be when its root is right already.
    #[arg(long, value_name = "POLICY", default_value = "Always", ignore_case = true)]
    policy: Policy,

    /// The volume is mounted read-only: the group may read it and not write.
    #[arg(long)]
    read_only: bool,

    /// Change nothing, and say what would be changed.
    #[arg(long)]
    dry_run: bool,

    /// Leave files that have other names, which may lie outside the tree, and then leave DIR itself too. The kubelet
    /// changes them.
    #[arg(long)]
    refuse_hard_links: bool,

    /// How many threads [default: one for each processor, at most 8].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// How to print: text, json (one object at the end) or jsonl (a line for each change too).
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    output: Output,

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Jsonl,
}

pub(super) fn main(args: &OwnArgs) -> Exit {
    let policy = match args.policy {
        Policy::Always => ChangePolicy::Always,
        Policy::OnRootMismatch => ChangePolicy::OnRootMismatch,
    };
    // No colours in it, so that several threads can write to it as it is.
    let out = Mutex::new((io::BufWriter::new(io::stdout()), Ok(())));
    let tell = |change: &Change| {
        let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (out, outcome) = &mut *out;
        if outcome.is_ok() {
            *outcome = line(out, change, args.output);
        }
    };
    let each = args.output == Output::Jsonl || args.dry_run && args.output == Output::Text;
    let entries = AtomicU64::new(0);
    let mut options = OwnOptions {
        dry_run: args.dry_run,
        hard_links: if args.refuse_hard_links { HardLinks::Refuse } else { HardLinks::Change },
        progress: Some(&entries),
        on_change: each.then_some(&tell),
        ..OwnOptions::default()
    };
    options.threads = args.threads.unwrap_or(options.threads);
    let ownership = Ownership { fs_group: args.fs_group, policy, read_only: args.read_only };
    let owned = Counting::new("entries").during(&entries, || own_with(&args.dir, ownership, &options));
    let owned = match owned {
        Ok(owned) => owned,
        Err(error) => {
            complain(&view::clean(&chain(&error)));
            return Exit::Failure;
        }
    };
    let (mut out, mut outcome) = out.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if outcome.is_ok() {
        outcome = match args.output {
            Output::Text => writeln!(out, "{}", summary(args, &owned)),
            Output::Json | Output::Jsonl => jsonl::write(&mut out, &object(args, &owned)),
        }
        .and_then(|()| out.flush());
    }
    if let Err(error) = outcome {
        return output_failed(&error);
    }
    warnings(args, &owned);
    if owned.failed > 0 || owned.refused > 0 { Exit::Findings } else { Exit::Clean }
}

/// One change.
fn line(out: &mut impl Write, change: &Change, output: Output) -> io::Result<()> {
    let ((gid, new_gid), (mode, new_mode)) = (change.gid, change.mode);
    let path = change.path.to_string_lossy();
    if output == Output::Text {
        let path = view::clean(&path);
        return writeln!(out, "{path}: group {gid} to {new_gid}, mode {mode:04o} to {new_mode:04o}");
    }
    let mode = [format!("{mode:04o}"), format!("{new_mode:04o}")];
    jsonl::write(out, &json!({ "path": path, "gid": [gid, new_gid], "mode": mode }))
}

fn summary(args: &OwnArgs, owned: &Owned) -> String {
    let dir = args.dir.to_string_lossy();
    let dir = view::clean(&dir);
    let group = args.fs_group;
    let entries = |n: u64| if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") };
    if owned.entries == 0 || owned.changed == 0 && owned.failed == 0 && owned.refused == 0 {
        return format!("{dir}: right already");
    }
    let would = if args.dry_run { "would be given" } else { "given" };
    format!("{dir}: {} {would} to group {group}, of {}", entries(owned.changed), entries(owned.entries))
}

fn object(args: &OwnArgs, owned: &Owned) -> serde_json::Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    json!({
        "dir": args.dir.to_string_lossy(),
        "fsGroup": args.fs_group,
        "dryRun": args.dry_run,
        "entries": owned.entries,
        "changed": owned.changed,
        "hardLinks": owned.hard_links,
        "firstHardLink": path(&owned.first_hard_link),
        "refused": owned.refused,
        "mounts": owned.mounts,
        "firstMount": path(&owned.first_mount),
        "gone": owned.gone,
        "failed": owned.failed,
        "firstFailure": owned.first_failure.as_ref().map(|(path, error)| json!({
            "path": path.to_string_lossy(),
            "error": error.to_string(),
        })),
    })
}

/// What a person wants to know, although the kubelet would not say it.
fn warnings(args: &OwnArgs, owned: &Owned) {
    let first = |path: &Path, n: u64| {
        let others = if n > 1 { format!(" and {}", count((n - 1) as usize, "other")) } else { String::new() };
        format!("{}{others}", view::clean(&path.to_string_lossy()))
    };
    if let Some((path, error)) = &owned.first_failure {
        warn(&format!("{}: cannot be changed: {error}", first(path, owned.failed)));
    }
    if let Some(path) = &owned.first_mount {
        warn(&format!("{}: mounted there and no part of the volume, passed over", first(path, owned.mounts)));
    }
    if let Some(path) = owned.first_hard_link.as_ref().filter(|_| args.output == Output::Text) {
        let done = match (args.refuse_hard_links, owned.refused) {
            (true, n) if n > 0 => format!(
                "{} not changed, and {} neither; find the other names with find -samefile",
                count(n as usize, "such file"),
                view::clean(&args.dir.to_string_lossy())
            ),
            _ => "the other names, which may lie outside the tree, show the same group and mode".to_owned(),
        };
        warn(&format!("{}: more than one name: {done}", first(path, owned.hard_links)));
    }
}
