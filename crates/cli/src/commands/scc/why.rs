//! `ringfence scc why`.

use std::io::Write as _;

use ringfence_manifest::{Document, Workload};
use ringfence_scc::Outcome;

use super::{Format, Question, on_openshift};
use crate::admit::{AdmissionReport, Answer, Candidate, Judge, because, describe, subject};
use crate::exit::Exit;
use crate::pods::{self, Item, title};
use crate::view::clean;

/// Why a pod gets this constraint, or why not: who would have to be given it, what it objects to, what comes before it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The constraint.
    scc: String,

    #[command(flatten)]
    question: Question,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence scc why anyuid app.yaml --cluster dump.yaml

Exit status: 0 every pod gets this one, 1 some do not, 2 something could not be read.";

/// What stands between a pod and a constraint.
enum Verdict {
    Chosen,
    /// Constraints are not asked, or the refusal comes before they are.
    NotAsked(String),
    /// It would do, but another comes first, because of this.
    Later {
        chosen: String,
        because: String,
    },
    /// It does not take the pod.
    Not(Box<Candidate>),
    /// The pod asks for another by name, or a broken constraint keeps it from being asked.
    NotACandidate(String),
}

pub(super) fn main(args: &Args) -> Exit {
    args.question.ask(|judge| {
        if judge.admitter().engine().get(&args.scc).is_none() {
            super::unknown(&args.scc, judge.admitter().engine().constraints().iter());
            return Ok(Exit::Failure);
        }
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
            let verdict = verdict(judge, &answer, &args.scc, workload);
            if !matches!(verdict, Verdict::Chosen) {
                exit = exit.max(Exit::Findings);
            }
            if args.output == Format::Json {
                let mut object = json(&verdict);
                object["source"] = place.source.into();
                object["kind"] = workload.kind.as_str().into();
                object["namespace"] = judge.namespace_of(workload).into();
                object["name"] = workload.name().into();
                object["scc"] = args.scc.as_str().into();
                object["chosen"] = answer.admission.scc.clone().into();
                all.push(object);
                return Ok(());
            }
            let words = text(&verdict, &args.scc, place.document, place.source);
            writeln!(out, "{}: {words}", clean(&title(workload)))?;
            if matches!(verdict, Verdict::Chosen) {
                write!(out, "{}", describe(&AdmissionReport::new(judge, &answer, workload)))?;
            }
            writeln!(out)
        })?;
        if args.output == Format::Json {
            serde_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
        }
        out.flush()?;
        Ok(seen.exit.map_or(exit, |failed| failed.max(exit)))
    })
}

fn verdict(judge: &Judge<'_>, answer: &Answer, scc: &str, workload: &Workload) -> Verdict {
    let admission = &answer.admission;
    let refusal = || admission.message.clone().unwrap_or_else(|| "constraints have no say in it".to_owned());
    let Some(candidates) = &answer.candidates else { return Verdict::NotAsked(refusal()) };
    if admission.scc.as_deref() == Some(scc) {
        return Verdict::Chosen;
    }
    let (user, access) = (subject(&admission.user), judge.access());
    let trials = candidates.trials(&answer.before, &user, &access);
    match (trials.iter().find(|trial| trial.scc == scc), &admission.scc) {
        (Some(trial), Some(chosen)) if trial.usable.is_some() && trial.outcome == Outcome::Admitted => {
            Verdict::Later { chosen: chosen.clone(), because: because(judge.admitter().engine(), chosen, scc) }
        }
        (Some(_), _) => {
            let candidate = |near: &_| Candidate::new(near, &answer.before, |field| workload.path(field));
            let near = candidates.near_misses(&answer.before, &user, &access);
            near.into_iter()
                .find(|near| near.scc == scc)
                .map_or_else(|| Verdict::NotACandidate(refusal()), |near| Verdict::Not(Box::new(candidate(&near))))
        }
        (None, _) => Verdict::NotACandidate(match required(answer) {
            Some(required) => format!("the pod asks for {required} alone, by {}", ringfence_scc::REQUIRED_SCC),
            None => refusal(),
        }),
    }
}

fn required(answer: &Answer) -> Option<&str> {
    let annotations = answer.before.metadata.annotations.as_ref()?;
    annotations.get(ringfence_scc::REQUIRED_SCC).map(String::as_str).filter(|required| !required.is_empty())
}

fn text(verdict: &Verdict, scc: &str, document: &Document<'_>, source: &str) -> String {
    let candidate = match verdict {
        Verdict::Chosen => return format!("gets {scc}"),
        Verdict::NotAsked(why) | Verdict::NotACandidate(why) => return format!("not {scc}: {}", clean(why)),
        Verdict::Later { chosen, because } => {
            return format!("not {scc}, though it would do: {chosen} comes first, because {because}");
        }
        Verdict::Not(candidate) => candidate,
    };
    let mut lines = vec![format!("not {scc}")];
    if !candidate.usable {
        lines.push("it may not be used".to_owned());
    }
    for objection in &candidate.objections {
        let at = document.location_of(&objection.field);
        let place = at.map_or_else(String::new, |at| format!("{source}:{}:{}: ", at.line, at.column));
        lines.push(format!("{place}{}: {}", objection.field, objection.message));
    }
    lines.push(candidate.advice());
    clean_lines(&lines)
}

fn clean_lines(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| clean(line)).collect();
    lines.join("\n    ")
}

fn json(verdict: &Verdict) -> serde_json::Value {
    match verdict {
        Verdict::Chosen => serde_json::json!({"verdict": "chosen"}),
        Verdict::NotAsked(why) => serde_json::json!({"verdict": "notAsked", "because": why}),
        Verdict::NotACandidate(why) => serde_json::json!({"verdict": "noCandidate", "because": why}),
        Verdict::Later { because, .. } => serde_json::json!({"verdict": "later", "because": because}),
        Verdict::Not(candidate) => serde_json::json!({"verdict": "refused", "candidate": candidate}),
    }
}
