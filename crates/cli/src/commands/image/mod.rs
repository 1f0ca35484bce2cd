//! `ringfence image`: the local store of images.

mod inspect;
mod load;
mod lock;
mod ls;
mod prune;
mod pull;
mod rm;

use crate::exit::Exit;

/// The local store of images: fill it, look into it, clean it up
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Pull(pull::Args),
    Load(load::Args),
    Ls(ls::Args),
    Inspect(inspect::Args),
    Lock(lock::Args),
    Rm(rm::Args),
    Prune(prune::Args),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

pub(crate) fn main(args: &Args) -> Exit {
    let done = match &args.command {
        Command::Pull(args) => pull::main(args),
        Command::Load(args) => load::main(args),
        Command::Ls(args) => ls::main(args),
        Command::Inspect(args) => inspect::main(args),
        Command::Lock(args) => lock::main(args),
        Command::Rm(args) => rm::main(args),
        Command::Prune(args) => prune::main(args),
    };
    done.unwrap_or_else(|error| match error.downcast::<std::io::Error>() {
        // Only printing gives such an error as it is.
        Ok(error) => super::output_failed(&error),
        Err(error) => {
            super::complain(&super::chain(&*error));
            Exit::Failure
        }
    })
}

type Done = Result<Exit, Box<dyn std::error::Error>>;

/// `sha256:` and the first digits, as people recognise it.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

/// A size for people.
fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A table without lines.
fn table(header: &[&str], rows: &[Vec<String>]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_width(crate::render::text::width().min(200) as u16);
    table.set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| crate::view::clean(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// One JSON document on standard output.
fn json(value: &serde_json::Value) -> Done {
    let mut out = super::stdout(false);
    serde_json::to_writer_pretty(&mut out, value)?;
    std::io::Write::write_all(&mut out, b"\n")?;
    std::io::Write::flush(&mut out)?;
    Ok(Exit::Clean)
}
