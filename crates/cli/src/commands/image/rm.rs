//! `ringfence image rm`.

use ringfence_runtime::store::Store;

use super::Done;
use crate::exit::Exit;
use crate::store::StoreArgs;

/// Remove images from the store
///
/// What another name or a running container still uses stays.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The images' names.
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,

    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn main(args: &Args) -> Done {
    let mut exit = Exit::Clean;
    let Some(store) = Store::existing(&args.store.root()?)? else {
        return Err("there is no store yet".into());
    };
    for name in &args.names {
        if !store.remove(name)? {
            crate::commands::complain(&format!("{name}: not in the store"));
            exit = Exit::Findings;
        }
    }
    super::prune::prune(&store, super::Format::Text)?;
    Ok(exit)
}
