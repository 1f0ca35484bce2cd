//! `ringfence image prune`.

use std::io::Write as _;

use ringfence_runtime::store::{Store, StoreError};
use serde_json::json;

use super::{Done, Format};
use crate::commands::count;
use crate::exit::Exit;
use crate::store::StoreArgs;

/// Remove from the store what no name leads to and nobody uses
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

pub(super) fn main(args: &Args) -> Done {
    match Store::existing(&args.store.root()?)? {
        Some(store) => prune(&store, args.output),
        None => Ok(Exit::Clean),
    }
}

pub(super) fn prune(store: &Store, format: Format) -> Done {
    let removed = match store.prune(false) {
        Err(error @ StoreError::Busy(_)) => {
            crate::commands::warn(&format!("{error}; waiting for it"));
            store.prune(true)?
        }
        other => other?,
    };
    if format == Format::Json {
        return super::json(&json!({"blobs": removed.blobs, "bytes": removed.bytes, "layers": removed.layers,
            "layersInUse": removed.in_use}));
    }
    let mut out = crate::commands::stdout(true);
    writeln!(
        out,
        "removed {} ({}) and {}",
        count(removed.blobs as usize, "blob"),
        super::size(removed.bytes),
        count(removed.layers as usize, "unpacked layer")
    )?;
    if removed.in_use > 0 {
        writeln!(out, "kept {} that containers use", count(removed.in_use as usize, "unpacked layer"))?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}
