//! `ringfence scc diff`.

use std::io::{self, Write as _};
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use ringfence_manifest::{Document, Node};
use ringfence_operators::plan::{redis_enterprise_scc, redis_enterprise_scc_name};
use ringfence_scc::{FieldDiff, Looser, SecurityContextConstraints, decode, diff};

use super::Format;
use crate::cluster::{ClusterArgs, Needs, Scope};
use crate::exit::Exit;
use crate::input::Entry;
use crate::render::text::width;
use crate::view::clean;

/// The fields in which two constraints differ, and which of them lets pods do more
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A constraint of the cluster, of OpenShift itself where no cluster is given, redis-enterprise-scc-v2 as Redis
    /// publishes it, or the file of one.
    a: String,

    /// The other.
    b: String,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence scc diff restricted restricted-v2
  ringfence scc diff nonroot-v2 my-scc.yaml
  ringfence scc diff restricted-v2 redis-enterprise-scc-v2

Exit status: 0 they are alike, 1 they differ, 2 one could not be read.";

pub(super) fn main(args: &Args) -> Exit {
    let Some(loaded) = args.cluster.load_or_openshift(Needs::Constraints, Scope::Named(&[])) else {
        return Exit::Failure;
    };
    let known: Vec<_> = loaded.snapshot.constraints().collect();
    let (Some(a), Some(b)) = (find(&args.a, &known), find(&args.b, &known)) else { return Exit::Failure };
    let differences = diff(&a, &b);
    let exit = if differences.is_empty() { Exit::Clean } else { Exit::Findings };
    match print(args, &differences) {
        Ok(()) if loaded.incomplete => Exit::Failure,
        Ok(()) => exit,
        Err(error) => super::super::output_failed(&error),
    }
}

/// The constraint of that name, or in the file of that name. That there is none has then been said.
fn find(name: &str, known: &[&SecurityContextConstraints]) -> Option<SecurityContextConstraints> {
    if let Some(found) = known.iter().find(|scc| scc.name() == name) {
        return Some((*found).clone());
    }
    // What an operator publishes can be named as well.
    if name == redis_enterprise_scc_name() && !Path::new(name).exists() {
        return decode(redis_enterprise_scc()).ok();
    }
    if !Path::new(name).exists() {
        super::unknown(name, known.iter().copied());
        return None;
    }
    let bytes = match Entry::File(name.into()).read() {
        Ok(bytes) => bytes,
        Err(error) => {
            super::super::complain(&super::super::chain(&error));
            return None;
        }
    };
    let documents = ringfence_manifest::read(&bytes);
    let roots = documents.iter().filter_map(Document::root);
    let mut kinds = roots.filter(|root| root.get("kind").and_then(Node::as_str) == Some("SecurityContextConstraints"));
    let Some(root) = kinds.next() else {
        super::super::complain(&format!("{name}: has no SecurityContextConstraints"));
        return None;
    };
    let decoded = serde_json::to_value(root).map_err(|error| error.to_string());
    match decoded.and_then(|value| decode(value).map_err(|error| error.to_string())) {
        Ok(scc) => Some(scc),
        Err(error) => {
            super::super::complain(&clean(&format!("{name}: {error}")));
            None
        }
    }
}

fn print(args: &Args, differences: &[FieldDiff]) -> io::Result<()> {
    let mut out = super::super::stdout(args.output == Format::Text);
    let looser = |difference: &FieldDiff| match difference.looser {
        Looser::A => Some(&args.a),
        Looser::B => Some(&args.b),
        Looser::Neither => None,
    };
    if args.output == Format::Json {
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|_| text.into());
        let all: Vec<_> = differences
            .iter()
            .map(|d| serde_json::json!({"field": d.field, "a": value(&d.a), "b": value(&d.b), "looser": looser(d)}))
            .collect();
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        return out.flush();
    }
    if differences.is_empty() {
        writeln!(out, "{} and {} are alike", args.a, args.b)?;
        return out.flush();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width().min(200) as u16);
    table.set_header(["field", &args.a, &args.b, "lets pods do more"]);
    for difference in differences {
        let cells = [difference.field, &difference.a, &difference.b, looser(difference).map_or("", |name| name)];
        table.add_row(cells.map(|cell| clean(cell).into_owned()));
    }
    writeln!(out, "{}", table.trim_fmt())?;
    out.flush()
}
