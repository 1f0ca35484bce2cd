//! `ringfence run --prove` with docker's command line: what was computed beside what the kernel says.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ringfence_context::process::ProcessState;
use serde::Serialize;

use super::arguments::{Format, Line};
use super::run::{Failed, Ready, warnings};
use crate::commands::{self, warn};
use crate::exit::Exit;
use crate::jsonl;
use crate::view::{self, Agreement, BAD, GOOD, Row, clean};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    engine: String,
    image: String,
    warnings: Vec<String>,
    containers: Vec<Container>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    computed: Option<ProcessState>,
    observed: Option<ProcessState>,
    /// Why it did not start.
    error: Option<Problem>,
    not_shown: BTreeMap<String, String>,
    agreement: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rootfs: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    /// docker's exit status.
    exit: u8,
    message: String,
}

pub(super) fn main(line: &Line) -> Exit {
    let name = line.options.beside("name").unwrap_or("container").to_owned();
    let mut proof = Proof {
        engine: String::new(),
        image: line.options.image.clone(),
        warnings: warnings(line),
        containers: vec![],
    };
    let mut container = Container {
        name,
        computed: None,
        observed: None,
        error: None,
        not_shown: BTreeMap::new(),
        agreement: false,
        rootfs: None,
    };
    let failed = observe(line, &mut proof, &mut container).err();
    if let Some(Failed { exit, message, .. }) = &failed {
        commands::complain(message);
        container.error = Some(Problem { exit: *exit, message: message.clone() });
    }
    let rows = rows(&container);
    container.agreement = failed.is_none() && !rows.iter().any(|row| row.agreement == Agreement::Differs);
    let exit = match (&failed, container.agreement) {
        (Some(failed), _) => Exit::Passed(failed.exit),
        (None, true) => Exit::Clean,
        (None, false) => Exit::Findings,
    };
    proof.containers.push(container);
    match print(line, &proof, &rows) {
        Ok(()) => exit,
        Err(error) => commands::output_failed(&error),
    }
}

fn observe(line: &Line, proof: &mut Proof, container: &mut Container) -> Result<(), Failed> {
    let ready = Ready::new(line)?;
    ready.engine().name().clone_into(&mut proof.engine);
    if ready.stand_in {
        proof.warnings.push(format!("image {:?} is not here: its USER is taken to be root", line.options.image));
    }
    proof.warnings.extend(ready.without_root.iter().flat_map(|users| users.notes.clone()));
    container.computed = Some(ready.container.process());
    let state = ready.state()?;
    let seen = ready.run(line, &state, false).probe(ready.engine(), &ready.rootfs(line))?;
    container.observed = Some(seen.state);
    container.not_shown = seen.not_seen;
    container.rootfs = Some(seen.source.to_string());
    Ok(())
}

/// A row for each field of the state.
fn rows(container: &Container) -> Vec<Row> {
    let Some(computed) = &container.computed else { return Vec::new() };
    let words = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fields = |state: &ProcessState| match serde_json::to_value(state) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let observed = container.observed.as_ref().map(fields);
    let mut rows = Vec::new();
    for (field, value) in fields(computed) {
        // Volumes are not part of what docker's flags decide.
        if value.is_null() || field == "volumes" {
            continue;
        }
        let seen = observed.as_ref().and_then(|fields| fields.get(&field)).filter(|seen| !seen.is_null());
        let seen = seen.filter(|_| !container.not_shown.contains_key(&field));
        let agreement = match seen {
            Some(seen) if *seen == value => Agreement::Agrees,
            Some(_) => Agreement::Differs,
            None => Agreement::Open,
        };
        rows.push(Row {
            field,
            declared: None,
            computed: words(&value),
            origin: String::new(),
            observed: seen.map(words),
            agreement,
        });
    }
    rows
}

fn print(line: &Line, proof: &Proof, rows: &[Row]) -> io::Result<()> {
    let mut out = commands::stdout(line.own.output == Format::Text);
    match line.own.output {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, proof)?;
            writeln!(out)?;
        }
        Format::Jsonl => jsonl::write(&mut out, proof)?,
        Format::Text => {
            for warning in &proof.warnings {
                warn(warning);
            }
            for container in &proof.containers {
                if container.observed.is_some() {
                    writeln!(out, "{}", view::table(rows, true))?;
                }
                for (field, why) in &container.not_shown {
                    writeln!(out, "  not shown here: {}: {}", clean(field), clean(why))?;
                }
                let verdict = match (&container.error, container.agreement) {
                    (Some(_), _) => format!("{BAD}did not start{BAD:#}"),
                    (None, true) => format!("{GOOD}proved{GOOD:#}: the container runs as computed"),
                    (None, false) => format!("{BAD}not proved{BAD:#}: the container runs otherwise"),
                };
                writeln!(out, "{verdict} ({})", proof.engine)?;
            }
        }
    }
    out.flush()
}
