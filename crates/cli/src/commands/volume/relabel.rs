//! `ringfence volume relabel`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use ringfence_runtime::volume::{OwnOptions, RelabelOptions, relabel};
use serde_json::json;

use crate::commands::{chain, complain, output_failed, stdout, warn};
use crate::exit::Exit;
use crate::progress::Counting;
use crate::{jsonl, view};

/// Label a tree for SELinux, as the container runtime does for a pod's volumes
///
/// Everything in the tree gets the label that files of a container with these seLinuxOptions have: the user and level of
/// the options, the role object_r and the type container_file_t. What has it already is left alone, and a run that was
/// interrupted is completed by the next one. Nothing outside the tree is touched.
///
/// A volume that is mounted with -o context= needs no labelling; `ringfence explain` says when that is so, and which
/// condition is missing.
#[derive(Debug, clap::Args)]
pub(super) struct RelabelArgs {
    /// seLinuxOptions.level: the pod's sensitivity and categories, such as s0:c123,c456.
    #[arg(long, value_name = "LEVEL", required_unless_present = "label")]
    level: Option<String>,

    /// seLinuxOptions.user.
    #[arg(long, value_name = "USER", default_value = "system_u")]
    user: String,

    /// The type of the files. The type in seLinuxOptions is that of the process and says nothing of files.
    #[arg(long, value_name = "TYPE", default_value = "container_file_t")]
    file_type: String,

    /// The whole label instead: user:role:type:level.
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["level", "user", "file_type"])]
    label: Option<String>,

    /// Write labels although this kernel runs without SELinux, and cannot tell whether they mean anything.
    #[arg(long)]
    offline: bool,

    /// Change nothing, and say how much would be changed.
    #[arg(long)]
    dry_run: bool,

    /// How many threads [default: one for each processor, at most 8].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// How to print: text or json.
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    output: Output,

    /// The root of the volume.
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn main(args: &RelabelArgs) -> Exit {
    if !args.offline && !Path::new("/sys/fs/selinux/enforce").exists() {
        complain("this kernel runs without SELinux, so that labels have no effect here; --offline writes them anyway");
        return Exit::Failure;
    }
    let level = args.level.as_deref().unwrap_or("s0");
    let label = args.label.clone().unwrap_or_else(|| format!("{}:object_r:{}:{level}", args.user, args.file_type));
    let entries = AtomicU64::new(0);
    let options = RelabelOptions {
        threads: args.threads.unwrap_or_else(|| OwnOptions::default().threads),
        dry_run: args.dry_run,
        progress: Some(&entries),
    };
    let done = match Counting::new("entries").during(&entries, || relabel(&args.dir, &label, &options)) {
        Ok(done) => done,
        Err(error) => {
            complain(&view::clean(&chain(&error)));
            return Exit::Failure;
        }
    };
    let dir = args.dir.to_string_lossy();
    let mut out = stdout(args.output == Output::Text);
    let printed = match args.output {
        Output::Text => {
            let would = if args.dry_run { "would be labelled" } else { "labelled" };
            let (changed, entries) = (done.changed, done.entries);
            writeln!(out, "{}: {changed} {would} {label}, of {entries} entries", view::clean(&dir))
        }
        Output::Json => jsonl::write(
            &mut out,
            &json!({
                "dir": dir, "label": label, "dryRun": args.dry_run, "entries": done.entries, "changed": done.changed,
                "mounts": done.mounts, "failed": done.failed,
            }),
        ),
    };
    if let Err(error) = printed.and_then(|()| out.flush()) {
        return output_failed(&error);
    }
    if let Some(path) = &done.first_mount {
        let path = path.to_string_lossy();
        warn(&format!("{}: mounted there and no part of the volume, passed over", view::clean(&path)));
    }
    match &done.first_failure {
        None => Exit::Clean,
        Some((path, error)) => {
            let path = path.to_string_lossy();
            let others = done.failed.saturating_sub(1);
            warn(&format!("{}: cannot be labelled: {error}, and {others} others", view::clean(&path)));
            Exit::Findings
        }
    }
}
