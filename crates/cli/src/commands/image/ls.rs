//! `ringfence image ls`.

use std::io::Write as _;

use ringfence_runtime::store::{Platform, Store, StoreError};
use serde_json::json;

use super::{Done, Format};
use crate::exit::Exit;
use crate::store::StoreArgs;

/// The images in the store
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

struct Row {
    name: String,
    digest: String,
    platform: Option<Platform>,
    /// Of the layers as they came.
    size: Option<u64>,
    created: Option<String>,
    /// Why it cannot be used.
    error: Option<String>,
}

pub(super) fn main(args: &Args) -> Done {
    let rows = match Store::existing(&args.store.root()?)? {
        Some(store) => rows(&store, &args.store.platform())?,
        None => Vec::new(),
    };
    if args.output == Format::Json {
        let rows = rows.iter().map(|row| {
            json!({"name": row.name, "digest": row.digest, "platform": row.platform.as_ref().map(ToString::to_string),
                "size": row.size, "created": row.created, "error": row.error})
        });
        return super::json(&rows.collect());
    }
    let cells: Vec<_> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.name,
                super::short(&row.digest).to_owned(),
                row.platform.map(|platform| platform.to_string()).or(row.error).unwrap_or_default(),
                row.size.map(super::size).unwrap_or_default(),
                row.created.map(|created| created.get(..10).unwrap_or(&created).to_owned()).unwrap_or_default(),
            ]
        })
        .collect();
    let mut out = crate::commands::stdout(true);
    writeln!(out, "{}", super::table(&["NAME", "DIGEST", "PLATFORM", "SIZE", "CREATED"], &cells).trim_fmt())?;
    out.flush()?;
    Ok(Exit::Clean)
}

fn rows(store: &Store, platform: &Platform) -> Result<Vec<Row>, StoreError> {
    let row = |named: ringfence_runtime::store::Named| {
        let digest = named.descriptor.digest;
        match store.select(&named.name, &digest, platform) {
            Ok(image) => Row {
                name: named.name,
                digest,
                platform: Some(image.platform),
                size: Some(image.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add)),
                created: image.created,
                error: None,
            },
            Err(error) => {
                let error = match error {
                    StoreError::Missing(_) => format!("not here for {platform}"),
                    StoreError::Platform { offered, .. } => offered.join(", "),
                    error => crate::commands::chain(&error),
                };
                Row { name: named.name, digest, platform: None, size: None, created: None, error: Some(error) }
            }
        }
    };
    Ok(store.names()?.into_iter().map(row).collect())
}
