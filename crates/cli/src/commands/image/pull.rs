//! `ringfence image pull`.

use std::io::Write as _;

use serde_json::json;

use super::{Done, Format};
use crate::exit::Exit;
use crate::pull::RegistryArgs;
use crate::store::StoreArgs;

/// Fetch images from registries into the store
///
/// Every byte is held against its digest. What is here already does not come again, and what an interrupted pull has
/// fetched is kept for the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The images' names.
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence image pull busybox:1.36
  ringfence image pull --platform linux/arm64 quay.io/prometheus/node-exporter:v1.8.2
  ringfence image pull registry.example.com/app@sha256:9d1a…

Exit status: 0 every image is here, 2 one is not.";

pub(super) fn main(args: &Args) -> Done {
    let store = args.store.open()?;
    let client = args.registry.client(args.store.limits().bytes, true)?;
    let mut exit = Exit::Clean;
    let mut all = Vec::new();
    for name in &args.names {
        match crate::pull::pull(&client, &store, name, &args.store) {
            Ok(pulled) => all.push(pulled),
            Err(error) => {
                crate::commands::complain(&format!("{name}: {}", crate::commands::chain(&error)));
                exit = Exit::Failure;
            }
        }
    }
    if args.output == Format::Json {
        let all = all.iter().map(|one| json!({"name": one.name, "digest": one.digest, "fetched": one.fetched}));
        super::json(&all.collect())?;
        return Ok(exit);
    }
    let mut out = crate::commands::stdout(true);
    for one in all {
        writeln!(out, "{} {} ({} fetched)", crate::view::clean(&one.name), one.digest, super::size(one.fetched))?;
    }
    out.flush()?;
    Ok(exit)
}
