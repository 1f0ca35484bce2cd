//! What is said of each process, and the one line at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ringfence_context::process::ProcessState;
use serde::Serialize;

use super::Compared;
use super::container::Container;
use crate::commands::count;
use crate::exit::Exit;
use crate::jsonl;
use crate::view::{self, Agreement, BAD, GOOD, HEADING, Row, clean};
use ringfence_runtime::observe::Outside;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// A table for each process that differs.
    Text,
    /// One JSON document.
    Json,
    /// A line of JSON for each process.
    Jsonl,
}

/// A process, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pid: Option<u32>,
    /// In clock ticks since the machine was started (proc_pid_stat(5)); with the number it names the process for good.
    start_time: Option<u64>,
    command: String,
    /// Whether it is the container's first process.
    first: bool,
    container: Option<Known>,
    /// What it was compared with: `manifest` or `specification`.
    against: Option<&'static str>,
    /// The manifest's file, or whose specification it is.
    source: Option<String>,
    /// Why it was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    /// Whether anything differs that counts.
    drifted: bool,
    drift: Vec<Drift>,
    /// How many values were compared.
    compared: usize,
    not_compared: BTreeMap<String, String>,
    not_shown: BTreeMap<String, String>,
    expected: Option<ProcessState>,
    observed: Option<ProcessState>,
    #[serde(skip)]
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    runtime: String,
    id: String,
    name: String,
    pod: String,
    namespace: String,
    uid: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Drift {
    field: String,
    /// What is written, and where.
    declared: Option<Written>,
    expected: String,
    origin: String,
    observed: String,
    /// Whether the process has less than it was given.
    narrower: bool,
}

#[derive(Debug, Serialize)]
struct Written {
    value: String,
    place: String,
}

impl Entry {
    /// Of a process or container of which nothing was compared.
    pub(crate) fn new(container: Option<&Container>) -> Self {
        Self {
            pid: None,
            start_time: None,
            command: String::new(),
            first: true,
            container: container.map(|container| Known {
                runtime: container.runtime.clone(),
                id: container.id.clone(),
                name: container.name.clone(),
                pod: container.pod.clone(),
                namespace: container.namespace.clone(),
                uid: container.uid.clone(),
            }),
            against: None,
            source: None,
            error: None,
            skipped: None,
            drifted: false,
            drift: Vec::new(),
            compared: 0,
            not_compared: BTreeMap::new(),
            not_shown: BTreeMap::new(),
            expected: None,
            observed: None,
            rows: Vec::new(),
        }
    }

    /// The same of this process.
    #[must_use]
    pub(crate) fn of_process(mut self, pid: u32, start_time: Option<u64>, command: String, first: bool) -> Self {
        (self.pid, self.start_time, self.command, self.first) = (Some(pid), start_time, command, first);
        self
    }

    /// The same, of which nothing could be compared.
    #[must_use]
    pub(crate) fn failed(mut self, error: String) -> Self {
        self.error = Some(error);
        self
    }

    /// The same, of which there is nothing to compare.
    #[must_use]
    pub(crate) fn skipped(mut self, why: String) -> Self {
        self.skipped = Some(why);
        self
    }

    /// The same, compared.
    #[must_use]
    pub(crate) fn compared(
        mut self,
        (against, source): (&'static str, String),
        compared: Compared,
        seen: Outside,
        allow_narrower: bool,
    ) -> Self {
        let drifts = compared.rows.iter().filter(|row| row.agreement == Agreement::Differs);
        self.drift = drifts
            .map(|row| Drift {
                field: row.field.clone(),
                declared: row.declared.clone().map(|(value, place)| Written { value, place }),
                expected: row.computed.clone(),
                origin: row.origin.clone(),
                observed: row.observed.clone().unwrap_or_default(),
                narrower: compared.is_narrower(row, &seen),
            })
            .collect();
        self.drifted = self.drift.iter().any(|drift| !(allow_narrower && drift.narrower));
        self.compared = compared.rows.iter().filter(|row| row.agreement != Agreement::Open).count();
        (self.against, self.source) = (Some(against), Some(source));
        self.not_compared = compared.not_known;
        self.not_shown = seen.not_seen;
        self.expected = Some(compared.expected);
        self.observed = Some(seen.state);
        self.rows = compared.rows;
        self
    }

    fn exit(&self) -> Exit {
        if self.error.is_some() || !self.not_shown.is_empty() {
            Exit::Failure
        } else if self.drifted {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}

/// All that is said.
pub(crate) struct Report {
    output: Output,
    verbose: bool,
    entries: Vec<Entry>,
}

impl Report {
    pub(crate) fn new(output: Output, verbose: bool) -> Self {
        Self { output, verbose, entries: Vec::new() }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Prints all, and says how it came out.
    pub(crate) fn print(&self) -> io::Result<Exit> {
        let mut out = crate::commands::stdout(self.output == Output::Text);
        match self.output {
            Output::Text => self.text(&mut out)?,
            Output::Json => {
                serde_json::to_writer_pretty(&mut out, &self.entries)?;
                writeln!(out)?;
            }
            Output::Jsonl => {
                for entry in &self.entries {
                    jsonl::write(&mut out, entry)?;
                }
            }
        }
        out.flush()?;
        Ok(self.entries.iter().map(Entry::exit).max().unwrap_or(Exit::Clean))
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        for entry in &self.entries {
            let quiet = entry.drift.is_empty() && entry.exit() == Exit::Clean && entry.skipped.is_none();
            if quiet && !self.verbose {
                continue;
            }
            self.entry(entry, out)?;
        }
        writeln!(out, "{}", self.verdict())
    }

    fn entry(&self, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
        let whose = entry.container.as_ref().map_or_else(
            || "a process of no known container".to_owned(),
            |known| {
                let pod = if known.pod.is_empty() {
                    String::new()
                } else {
                    format!("Pod {}/{}, ", known.namespace, known.pod)
                };
                format!("{pod}container {}", known.name)
            },
        );
        let id = entry.container.as_ref().map_or_else(String::new, |known| {
            let short: String =
                if known.runtime == "ringfence" { known.id.clone() } else { known.id.chars().take(13).collect() };
            format!(" ({} {short})", known.runtime)
        });
        let process = entry.pid.map_or_else(String::new, |pid| {
            let kind = if entry.first { "process" } else { "further process" };
            format!(", {kind} {pid}: {}", shorten(&entry.command))
        });
        writeln!(out, "{HEADING}{}{HEADING:#}{}{}", clean(&whose), clean(&id), clean(&process))?;
        if let Some(error) = &entry.error {
            writeln!(out, "  {BAD}not verified{BAD:#}: {}\n", clean(error))?;
            return Ok(());
        }
        if let Some(why) = &entry.skipped {
            writeln!(out, "  skipped: {}\n", clean(why))?;
            return Ok(());
        }
        let shown = |row: &&Row| row.agreement == Agreement::Differs || self.verbose;
        let rows: Vec<Row> = entry.rows.iter().filter(shown).cloned().collect();
        if !rows.is_empty() {
            writeln!(out, "{}", view::table(&rows, true))?;
        }
        let less: Vec<_> =
            entry.drift.iter().filter(|drift| drift.narrower).map(|drift| drift.field.as_str()).collect();
        if !less.is_empty() {
            let word = if entry.drifted {
                "the process has less than it was given"
            } else {
                "allowed, as the process has less than it was given"
            };
            writeln!(out, "  {word}: {}", clean(&less.join(", ")))?;
        }
        for (field, why) in &entry.not_compared {
            writeln!(out, "  unknown, not compared: {}: {}", clean(field), clean(why))?;
        }
        for (field, why) in &entry.not_shown {
            writeln!(out, "  {BAD}not shown{BAD:#}: {}: {}", clean(field), clean(why))?;
        }
        let source = entry.source.as_deref().unwrap_or_default();
        let against = match entry.against {
            Some("manifest") => format!("the manifest ({source})"),
            _ => format!("no manifest, but what {source} was told at the start"),
        };
        writeln!(out, "  compared with {}\n", clean(&against))
    }

    /// The one line at the end.
    fn verdict(&self) -> String {
        let skipped = self.entries.iter().filter(|entry| entry.skipped.is_some()).count();
        let total = self.entries.len() - skipped;
        let drifted = self.entries.iter().filter(|entry| entry.drifted).count();
        let failed = self.entries.iter().filter(|entry| entry.exit() == Exit::Failure).count();
        let values: usize = self.entries.iter().map(|entry| entry.compared).sum();
        let unknown: usize = self.entries.iter().map(|entry| entry.not_compared.len()).sum();
        if total == 0 {
            return "nothing to verify: no container runs here".to_owned();
        }
        let processes = if total == 1 { "1 process".to_owned() } else { format!("{total} processes") };
        let mut text = match (drifted, failed) {
            (0, 0) => format!("{GOOD}no drift{GOOD:#}: {processes} as declared"),
            (0, _) => format!("{BAD}not verified{BAD:#}: {failed} of {processes} could not be looked at wholly"),
            (_, 0) => format!("{BAD}drift{BAD:#}: {drifted} of {processes}"),
            _ => format!("{BAD}drift{BAD:#}: {drifted} of {processes}, {failed} could not be looked at wholly"),
        };
        text += &format!(", {} compared", count(values, "value"));
        if unknown > 0 {
            text += &format!(", {unknown} unknown and not compared");
        }
        if skipped > 0 {
            text += &format!(", {} skipped", count(skipped, "process").replace("processs", "processes"));
        }
        text
    }
}

/// Command lines may be long.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
