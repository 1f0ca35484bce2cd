//! `ringfence ps`.

use std::io::Write as _;

use ringfence_runtime::run::life::now;
use ringfence_runtime::state::{self, ContainerRecord, ContainerState, FoundPod, PodPhase};
use serde::Serialize;

use crate::exit::Exit;
use crate::jsonl;
use crate::view;

/// Show the pods that run here
///
/// Those of this user, whether `run` waits for them or they were started by `run -d`. What is shown is held against the
/// kernel: a pod whose supervisor was killed has ended, and is not shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// text for people, json for one array, jsonl for a line for each pod.
    #[arg(short, long, value_enum, default_value = "text", hide_possible_values = true)]
    output: Output,

    /// Print the names alone.
    #[arg(short, long, conflicts_with = "output")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Jsonl,
}

/// A pod as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    namespace: &'a str,
    name: &'a str,
    phase: &'static str,
    created: u64,
    detached: bool,
    supervisor_pid: u32,
    containers: Vec<ShownContainer<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownContainer<'a> {
    name: &'a str,
    kind: &'a str,
    image: &'a str,
    restarts: u32,
    #[serde(flatten)]
    state: ShownState<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
enum ShownState<'a> {
    Waiting {
        reason: &'a str,
        message: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    Running {
        pid: u32,
        since: u64,
    },
    #[serde(rename_all = "camelCase")]
    Terminated {
        exit_code: u8,
        signal: i32,
        reason: &'a str,
        at: u64,
    },
}

pub(crate) fn main(args: &Args) -> Exit {
    let pods = match state::base_dir().and_then(|base| state::pods_in(&base)) {
        Ok(pods) => pods,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let printed = if args.quiet {
        names(&pods)
    } else {
        match args.output {
            Output::Text => text(&pods),
            Output::Json => json(&pods),
            Output::Jsonl => lines(&pods),
        }
    };
    match printed {
        Ok(()) => Exit::Clean,
        Err(error) => super::output_failed(&error),
    }
}

fn names(pods: &[FoundPod]) -> std::io::Result<()> {
    let mut out = super::stdout(true);
    for pod in pods {
        writeln!(out, "{}", view::clean(&pod.record.name))?;
    }
    out.flush()
}

fn shown(pod: &FoundPod) -> Shown<'_> {
    let record = &pod.record;
    let containers = record.containers.iter().map(|container| ShownContainer {
        name: &container.name,
        kind: &container.kind,
        image: &container.image,
        restarts: container.restarts,
        state: match &container.state {
            ContainerState::Waiting { reason, message } => ShownState::Waiting { reason, message },
            ContainerState::Running { since, process } => ShownState::Running { pid: process.pid, since: *since },
            ContainerState::Terminated { at, exit_code, signal, reason } => {
                ShownState::Terminated { exit_code: *exit_code, signal: *signal, reason, at: *at }
            }
        },
    });
    Shown {
        id: &record.id,
        namespace: &record.namespace,
        name: &record.name,
        phase: record.phase.as_str(),
        created: record.created,
        detached: record.detached,
        supervisor_pid: record.supervisor.pid,
        containers: containers.collect(),
    }
}

fn json(pods: &[FoundPod]) -> std::io::Result<()> {
    let mut out = super::stdout(false);
    let all: Vec<Shown<'_>> = pods.iter().map(shown).collect();
    serde_json::to_writer_pretty(&mut out, &all)?;
    writeln!(out)?;
    out.flush()
}

fn lines(pods: &[FoundPod]) -> std::io::Result<()> {
    let mut out = super::stdout(false);
    for pod in pods {
        jsonl::write(&mut out, &shown(pod))?;
    }
    out.flush()
}

/// As `kubectl get pods` shows them.
fn text(pods: &[FoundPod]) -> std::io::Result<()> {
    let mut rows: Vec<[String; 6]> = vec![["NAME", "READY", "STATUS", "RESTARTS", "AGE", "ID"].map(str::to_owned)];
    for pod in pods {
        let record = &pod.record;
        let counted = |container: &&ContainerRecord| matches!(container.kind.as_str(), "main" | "sidecar");
        let all = record.containers.iter().filter(counted);
        let ready = all.clone().filter(|container| matches!(container.state, ContainerState::Running { .. }));
        let restarts: u32 = record.containers.iter().map(|container| container.restarts).sum();
        rows.push([
            view::clean(&record.name).into_owned(),
            format!("{}/{}", ready.count(), all.count()),
            view::clean(&status(record.phase, &record.containers)).into_owned(),
            restarts.to_string(),
            age(now().saturating_sub(record.created)),
            view::clean(&record.id).into_owned(),
        ]);
    }
    let mut out = super::stdout(true);
    let widths: Vec<usize> = (0..6)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line.extend(std::iter::repeat_n(' ', width + 3 - cell.chars().count()));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// The phase, or what keeps a container from running, as `kubectl` says it.
fn status(phase: PodPhase, containers: &[ContainerRecord]) -> String {
    let waits = containers.iter().find_map(|container| match &container.state {
        ContainerState::Waiting { reason, .. } if reason != "PodInitializing" => Some(reason.clone()),
        _ => None,
    });
    match (phase, waits) {
        (PodPhase::Pending, None) => {
            let init = containers.iter().filter(|container| container.kind == "init");
            let done = init.clone().filter(|container| matches!(container.state, ContainerState::Terminated { .. }));
            format!("Init:{}/{}", done.count(), init.count())
        }
        (PodPhase::Pending | PodPhase::Running, Some(reason)) => reason,
        (PodPhase::Succeeded, _) => "Completed".to_owned(),
        (PodPhase::Failed, _) => "Error".to_owned(),
        (phase, _) => phase.as_str().to_owned(),
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        assert_eq!([59, 119, 120, 7199, 7200, 200_000].map(age), ["59s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
