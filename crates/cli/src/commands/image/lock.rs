//! `ringfence image lock`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use ringfence_context::facts::normalise_image_name;
use serde_json::json;

use super::{Done, Format};
use crate::exit::Exit;
use crate::input::Inputs;
use crate::pods::{self, Item};
use crate::pull::{ImageArgs, Pull};
use crate::store::images_of;

/// Write down what the images of manifests say of their users, for `explain --images`
///
/// For each image its digest, USER, user database, entry point, environment and volumes. With the file next to the
/// manifests, `ringfence explain --images` and `ringfence prove --images` come to the same answer everywhere, without the
/// images.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    /// An image that no manifest names.
    #[arg(long = "image", value_name = "NAME")]
    images: Vec<String>,

    #[command(flatten)]
    store: ImageArgs,

    /// How to print: text is YAML.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence image lock deploy/ > images.yaml
  ringfence explain --images images.yaml deploy/

Exit status: 0 every image is in the file, 1 some are not here, 2 something could not be read.";

pub(super) fn main(args: &Args) -> Done {
    let mut names: BTreeSet<String> = args.images.iter().cloned().collect();
    let mut exit = Exit::Clean;
    if args.inputs.are_named() || names.is_empty() {
        let seen = pods::for_each(&args.inputs, |_, item| {
            match item {
                Item::Workload(workload) => names.extend(images_of(workload)),
                Item::Broken { title, message, .. } => return Err(io::Error::other(format!("{title}: {message}"))),
            }
            Ok(())
        });
        // Boxed by its text: only printing fails with an error of input and output.
        exit = seen.map_err(|error| error.to_string())?.exit.unwrap_or(exit);
    }
    let mut local = args.store.local(Pull::Never)?;
    let mut images = Vec::new();
    let mut known = BTreeSet::new();
    for name in names {
        let full = normalise_image_name(&name)?;
        // Two names of one image are one entry.
        if !known.insert(full) {
            continue;
        }
        if let Some(image) = local.image(&name)? {
            let facts = ringfence_context::facts::ImageFacts { name, ..image.facts };
            images.push(serde_json::to_value(facts)?);
        } else {
            crate::commands::complain(&format!(
                "{name}: not in the store; `ringfence image pull` or --pull missing gets it"
            ));
            exit = exit.max(Exit::Findings);
        }
    }
    let file = json!({"images": images});
    if args.output == Format::Json {
        super::json(&file)?;
        return Ok(exit);
    }
    let mut out = crate::commands::stdout(false);
    out.write_all(crate::yaml::document(&file).as_bytes())?;
    out.flush()?;
    Ok(exit)
}
