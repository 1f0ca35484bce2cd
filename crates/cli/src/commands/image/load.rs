//! `ringfence image load`.

use std::io::Write as _;
use std::path::PathBuf;

use ringfence_runtime::state::StateDir;
use serde_json::json;

use super::{Done, Format};
use crate::exit::Exit;
use crate::store::StoreArgs;

/// Put images from files into the store: OCI layouts, archives of them, and what `docker save` writes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// OCI layout directories or archives, also compressed ones.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How to call the image, instead of as the file does.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    store: StoreArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

pub(super) fn main(args: &Args) -> Done {
    let store = args.store.open()?;
    let state = StateDir::create(&std::env::current_exe()?)?;
    let mut all = Vec::new();
    for path in &args.paths {
        let loaded = store.load(path, args.name.as_deref(), &state, args.store.limits());
        let loaded = loaded.map_err(|error| format!("{}: {}", path.display(), crate::commands::chain(&error)))?;
        all.extend(loaded);
    }
    if args.output == Format::Json {
        let all = all.iter().map(|named| json!({"name": named.name, "digest": named.descriptor.digest}));
        return super::json(&all.collect());
    }
    let mut out = crate::commands::stdout(true);
    for named in all {
        writeln!(out, "{} {}", crate::view::clean(&named.name), named.descriptor.digest)?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}
