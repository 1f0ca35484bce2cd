//! `ringfence scc which`.

use std::io::Write as _;

use super::{Format, Question, on_openshift};
use crate::admit::{AdmissionReport, describe};
use crate::exit::Exit;
use crate::pods::{self, Item, title};
use crate::view::clean;

/// Which constraint each pod gets, why that one came first, and what it fills in
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    question: Question,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence scc which app.yaml --cluster dump.yaml
  ringfence scc which app.yaml --cluster dump.yaml --as alice --as-group developers

Exit status: 0 every pod gets one, 1 some are refused, 2 something could not be read.";

pub(super) fn main(args: &Args) -> Exit {
    args.question.ask(|judge| {
        let mut out = super::super::stdout(args.output == Format::Text);
        let mut all = Vec::new();
        let mut exit = Exit::Clean;
        let seen = pods::for_each_with(&args.question.inputs, &on_openshift(), |place, item| {
            let workload = match item {
                Item::Workload(workload) => workload,
                Item::Broken { title, line, column, message } => {
                    exit = exit.max(Exit::Findings);
                    super::super::complain(&format!("{}:{line}:{column}: {message} (in {title})", place.source));
                    return Ok(());
                }
            };
            let Some(answer) = judge.ask(workload) else { return Ok(()) };
            let report = AdmissionReport::new(judge, &answer, workload);
            let admission = &report.admission;
            if !admission.allowed {
                exit = exit.max(Exit::Findings);
            }
            if args.output == Format::Json {
                all.push(serde_json::json!({"source": place.source, "document": place.document.index(),
                    "kind": workload.kind.as_str(), "namespace": judge.namespace_of(workload),
                    "name": workload.name(), "admission": report}));
                return Ok(());
            }
            let verdict = match (&admission.scc, admission.allowed, admission.by) {
                (Some(scc), true, _) => scc.clone(),
                (None, true, _) => "constraints have no say in it".to_owned(),
                (Some(scc), false, Some(by)) => format!("{scc}, but {by} refuses it"),
                (_, false, by) => {
                    format!("refused by {}", by.map(|by| by.to_string()).unwrap_or_default())
                }
            };
            writeln!(out, "{}: {}", clean(&title(workload)), clean(&verdict))?;
            if let Some(message) = admission.message.as_ref().filter(|_| report.candidates.is_empty()) {
                writeln!(out, "    {}", clean(message))?;
            }
            for candidate in &report.candidates {
                writeln!(out, "    {}", clean(&candidate.advice()))?;
            }
            if let Some(grant) = &report.smallest_grant {
                writeln!(out, "    as it is, the least that takes it is {}", clean(grant))?;
            }
            writeln!(out, "{}", describe(&report))
        })?;
        if args.output == Format::Json {
            serde_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
        }
        out.flush()?;
        Ok(seen.exit.map_or(exit, |failed| failed.max(exit)))
    })
}
