//! `ringfence snapshot`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use serde_json::Value;

use crate::cluster::{LiveArgs, Raw, Scope, each, slim};
use crate::exit::Exit;
use crate::input::Inputs;
use crate::view::clean;
use crate::{jsonl, yaml};

/// One dump with what the other commands need of a cluster, and nothing secret
///
/// Reads what `kubectl get … -o yaml` (or json) printed, or lists a running cluster page by page, and keeps namespaces, service accounts, security context
/// constraints, roles, bindings, pods and workloads. Of these only the fields that decide something stay: no Secrets and
/// ConfigMaps, no values of environment variables, no commands and arguments, no annotations but known ones.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    live: LiveArgs,

    /// Where to look on a running cluster if not everything may be listed; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  kubectl get -A -o json namespaces,serviceaccounts,pods,deployments,roles,rolebindings > all.json
  kubectl get -o json clusterroles,clusterrolebindings,scc > more.json
  ringfence snapshot all.json more.json > cluster.yaml
  ringfence snapshot --context production > cluster.yaml
  ringfence check --cluster cluster.yaml app.yaml

Exit status: 0, or 2 if something could not be read.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A document for each object.
    Yaml,
    /// One list, an object a line.
    Json,
}

pub(crate) fn main(args: &Args) -> Exit {
    let (entries, errors) = if !args.live.is_given() {
        args.inputs.entries()
    } else if args.inputs.are_named() {
        super::complain("files or a running cluster, not both");
        return Exit::Failure;
    } else {
        (Vec::new(), Vec::new())
    };
    let mut exit = Exit::Clean;
    for error in &errors {
        super::complain(&super::chain(error));
        exit = Exit::Failure;
    }
    let mut writer = Writer {
        out: super::stdout(false),
        format: args.output,
        written: 0,
        kept: 0,
        left: BTreeMap::new(),
        failed: None,
    };
    if let Err(error) = writer.begin() {
        return super::output_failed(&error);
    }
    for entry in entries {
        match each(&entry, &mut |raw| writer.object(&raw), &mut |_| {}) {
            Ok(true) => {}
            Ok(false) => exit = Exit::Failure,
            Err(error) => {
                super::complain(&super::chain(&error));
                exit = Exit::Failure;
            }
        }
    }
    if args.live.is_given() {
        let Some(live) = args.live.connect() else { return Exit::Failure };
        match live.each(|_, _| true, Scope::Named(&args.namespaces), &mut |object| writer.listed(&object)) {
            Some(asked) if !asked.incomplete => {}
            Some(_) => exit = Exit::Failure,
            None => return Exit::Failure,
        }
    }
    match writer.finish() {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

struct Writer {
    out: io::BufWriter<Box<dyn io::Write>>,
    format: Format,
    written: usize,
    /// Objects among what was written.
    kept: usize,
    /// How many objects of each kind nobody needs.
    left: BTreeMap<String, usize>,
    failed: Option<io::Error>,
}

impl Writer {
    fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => writeln!(self.out, "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["),
            Format::Yaml => Ok(()),
        }
    }

    fn object(&mut self, raw: &Raw) {
        if self.failed.is_some() {
            return;
        }
        let object: Value = match serde_json::from_str(&raw.json) {
            Ok(object) => object,
            Err(error) => {
                super::warn(&format!("an object is left out: {error}"));
                return;
            }
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (api_version, kind) = raw.list_type().unwrap_or_default();
        let api_version = text("apiVersion").unwrap_or(api_version).to_owned();
        let kind = text("kind").unwrap_or(kind).to_owned();
        match slim(&api_version, &kind, object) {
            None => *self.left.entry(kind).or_default() += 1,
            Some(object) => self.failed = self.write(&object).err(),
        }
    }

    /// What a running cluster has: an object that is slim already, or an empty list.
    fn listed(&mut self, object: &Value) {
        if self.failed.is_none() {
            self.failed = self.write(object).err();
        }
    }

    fn write(&mut self, object: &Value) -> io::Result<()> {
        let between = if self.written > 0 { [",", "---\n"] } else { ["", ""] };
        self.written += 1;
        self.kept += usize::from(object.get("items").is_none());
        match self.format {
            Format::Json => {
                self.out.write_all(between[0].as_bytes())?;
                jsonl::write(&mut self.out, object)
            }
            Format::Yaml => {
                self.out.write_all(between[1].as_bytes())?;
                self.out.write_all(yaml::document(object).as_bytes())
            }
        }
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.format == Format::Json {
            writeln!(self.out, "]}}")?;
        }
        self.out.flush()?;
        let left: Vec<_> = self
            .left
            .iter()
            .map(|(kind, count)| format!("{count} {}", if kind.is_empty() { "without a kind" } else { kind }))
            .collect();
        let kept = super::count(self.kept, "object");
        let left = if left.is_empty() { String::new() } else { format!("; left out: {}", left.join(", ")) };
        anstream::eprintln!("{}", clean(&format!("{kept} kept{left}")));
        Ok(())
    }
}
