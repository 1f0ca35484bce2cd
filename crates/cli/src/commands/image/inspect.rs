//! `ringfence image inspect`.

use std::io::Write as _;

use ringfence_runtime::store::Store;
use serde_json::json;

use super::{Done, Format};
use crate::exit::Exit;
use crate::store::StoreArgs;

/// What an image in the store says of itself, and which user it runs as
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image's name.
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,

    #[command(flatten)]
    store: StoreArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

pub(super) fn main(args: &Args) -> Done {
    let store = Store::existing(&args.store.root()?)?;
    let mut exit = Exit::Clean;
    let mut all = Vec::new();
    for name in &args.names {
        let resolved = match &store {
            Some(store) => store.resolve(name, &args.store.platform())?.map(|resolved| (store, resolved)),
            None => None,
        };
        let Some((store, resolved)) = resolved else {
            crate::commands::complain(&format!("{name}: not in the store; `ringfence image pull` gets it"));
            exit = Exit::Findings;
            continue;
        };
        let image = crate::store::unpacked(store, &resolved, args.store.limits())?;
        all.push((resolved, image));
    }
    if args.output == Format::Json {
        let all = all.iter().map(|(resolved, image)| {
            json!({"name": resolved.name, "digest": resolved.digest, "manifest": resolved.manifest,
                "platform": resolved.platform.to_string(), "created": resolved.created,
                "config": resolved.config.digest,
                "layers": resolved.layers.iter().zip(&resolved.diff_ids).map(|(layer, diff_id)|
                    json!({"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size,
                        "diffId": diff_id})).collect::<Vec<_>>(),
                "facts": image.facts})
        });
        super::json(&all.collect())?;
        return Ok(exit);
    }
    let mut out = crate::commands::stdout(true);
    for (resolved, image) in all {
        let facts = &image.facts;
        let words = |words: &[String]| words.join(" ");
        let none_or = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        let user = if facts.user.is_empty() { "none, so root".to_owned() } else { facts.user.clone() };
        let size = resolved.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        let rows = [
            ("Name", resolved.name.clone()),
            ("Digest", resolved.digest.clone()),
            ("Manifest", resolved.manifest.clone()),
            ("Platform", resolved.platform.to_string()),
            ("Created", resolved.created.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("Layers", format!("{}, {}", resolved.layers.len(), super::size(size))),
            ("USER", user),
            ("ENTRYPOINT", none_or(&words(&facts.entrypoint))),
            ("CMD", none_or(&words(&facts.cmd))),
            ("WORKDIR", none_or(&facts.working_dir)),
            ("STOPSIGNAL", none_or(&facts.stop_signal)),
            ("VOLUME", none_or(&words(&facts.volumes))),
            ("ENV", none_or(&words(&facts.env))),
            ("/etc/passwd", lines(facts.passwd.as_deref())),
            ("/etc/group", lines(facts.group.as_deref())),
        ];
        let rows: Vec<_> = rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
        writeln!(out, "{}\n", super::table(&[], &rows).trim_fmt())?;
    }
    out.flush()?;
    Ok(exit)
}

fn lines(text: Option<&str>) -> String {
    match text {
        Some(text) => match text.lines().count() {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        },
        None => "none".to_owned(),
    }
}
