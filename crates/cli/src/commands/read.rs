//! `ringfence read`.

use std::io::{self, Write};

use ringfence_manifest::Document;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::Exit;
use crate::input::Inputs;
use crate::jsonl;

/// What the bytes say, as Kubernetes reads them, and what a strict API server objects to
///
/// Reads YAML (with the booleans, octal numbers, merge keys and anchors that Kubernetes accepts), JSON and JSON lines,
/// and prints what the API machinery makes of each document.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The JSON of each document, indented, and the objections on standard error.
    Text,
    /// One JSON document: a list of all.
    Json,
    /// A line of JSON for each document.
    Jsonl,
}

#[derive(Serialize)]
struct Line {
    source: String,
    document: usize,
    json: Option<Box<RawValue>>,
    error: Option<Error>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Error {
    message: String,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct Problem {
    kind: &'static str,
    field: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    line: u32,
    column: u32,
}

pub(crate) fn main(args: &Args) -> Exit {
    let (entries, errors) = args.inputs.entries();
    let mut exit = Exit::Clean;
    for error in &errors {
        super::complain(&super::chain(error));
        exit = Exit::Failure;
    }
    let mut out = super::stdout(false);
    let mut all = Vec::new();
    for entry in entries {
        let bytes = match entry.read() {
            Ok(bytes) => bytes,
            Err(error) => {
                super::complain(&super::chain(&error));
                exit = Exit::Failure;
                continue;
            }
        };
        let source = entry.name();
        for document in ringfence_manifest::read(&bytes) {
            let line = line(&source, &document);
            if line.error.is_some() || !line.problems.is_empty() {
                exit = exit.max(Exit::Findings);
            }
            let printed = match args.output {
                Format::Text => print(&line, &mut out),
                Format::Jsonl => jsonl::write(&mut out, &line),
                Format::Json => {
                    all.push(line);
                    Ok(())
                }
            };
            if let Err(error) = printed {
                return super::output_failed(&error);
            }
        }
    }
    let mut finished = Ok(());
    if args.output == Format::Json {
        finished = serde_json::to_writer_pretty(&mut out, &all).map_err(Into::into).and_then(|()| writeln!(out));
    }
    match finished.and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

fn line(source: &str, document: &Document<'_>) -> Line {
    let error = document.error().map(|error| Error {
        message: error.message.clone(),
        line: error.location.line,
        column: error.location.column,
    });
    let problems = document.problems().into_iter().map(|problem| Problem {
        kind: problem.kind.as_str(),
        field: problem.field,
        message: problem.message,
        hint: problem.hint,
        line: problem.location.line,
        column: problem.location.column,
    });
    Line {
        source: source.to_owned(),
        document: document.index(),
        // What a document prints is JSON; were it not, `null` is what could be made of it.
        json: document.root().and_then(|root| RawValue::from_string(root.to_json()).ok()),
        error,
        problems: problems.collect(),
    }
}

fn print(line: &Line, out: &mut impl Write) -> io::Result<()> {
    if let Some(error) = &line.error {
        super::complain(&format!("{}:{}:{}: {}", line.source, error.line, error.column, error.message));
        return Ok(());
    }
    if let Some(json) = &line.json {
        let value: serde_json::Value = serde_json::from_str(json.get())?;
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
    }
    for problem in &line.problems {
        let place = format!("{}:{}:{}", line.source, problem.line, problem.column);
        let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        super::complain(&format!("{place}: {} {}: {}{hint}", problem.kind, problem.field, problem.message));
    }
    Ok(())
}
