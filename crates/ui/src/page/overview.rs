//! The whole cluster at a glance: what is enforced, against what would be satisfied.

use super::constraints;
use crate::Ui;
use crate::address::{NowForm, Satisfies, State, href};
use crate::layout::{self, Sheet};
use crate::paging::{count, number};
use crate::surveys::Row;
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::{Cluster, Kind, Platform};
use ringfence_admission::pod_security::Mode;
use ringfence_pss::Level;
use serde::Serialize;

const LEVELS: [Level; 3] = [Level::Privileged, Level::Baseline, Level::Restricted];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    source: String,
    platform: Platform,
    namespaces: usize,
    pods: usize,
    /// How many namespaces enforce a level and satisfy another.
    levels: Vec<Cell>,
    /// How many namespaces could enforce more, and so on.
    states: Vec<(&'static str, usize)>,
    /// What becomes of pods if they are made again, where there are constraints.
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<Changes>,
    /// What counts where a namespace says nothing, by mode.
    defaults: Vec<(Mode, String)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    would_change: usize,
    would_be_refused: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cell {
    enforced: &'static str,
    satisfied: &'static str,
    namespaces: usize,
}

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>) -> Sheet {
    let rows = ui.surveys.all(&ui.pod_security, cluster);
    let cell = |level: Level, satisfies: Satisfies| {
        let wanted = match satisfies {
            Satisfies::Level(level) => Some(level),
            Satisfies::NoPods => None,
        };
        let fits = |row: &&Row| row.enforce.level == level && row.satisfies == wanted;
        let namespaces = rows.iter().filter(fits).count();
        Cell { enforced: level.as_str(), satisfied: satisfies.as_str(), namespaces }
    };
    let overview = Overview {
        source: ui.about.source.clone(),
        platform: cluster.platform(),
        namespaces: rows.len(),
        pods: rows.iter().map(|row| row.survey.pods).sum(),
        levels: LEVELS.iter().flat_map(|level| Satisfies::ALL.map(|satisfies| cell(*level, satisfies))).collect(),
        states: State::ALL.map(|state| (state.as_str(), rows.iter().filter(|row| state.holds(row)).count())).into(),
        constraints: (cluster.platform() == Platform::OpenShift).then(|| {
            let (would_change, would_be_refused) = constraints::changes(ui, cluster, pipeline);
            Changes { would_change, would_be_refused }
        }),
        defaults: Mode::ALL.map(|mode| (mode, ui.pod_security.defaults().of(mode).to_string())).into(),
    };
    let main = show(ui, cluster, &overview);
    Sheet::new("Overview", &overview, main)
}

impl State {
    /// Whether a namespace is in it.
    pub(crate) fn holds(self, row: &Row) -> bool {
        match self {
            Self::Raise => row.could_raise(),
            Self::Violating => row.is_violating(),
            Self::Mislabelled => !row.mistakes.is_empty(),
            Self::Exempt => row.exempt,
        }
    }
}

fn show(ui: &Ui, cluster: &impl Cluster, overview: &Overview) -> Markup {
    let platform = match overview.platform {
        Platform::Kubernetes => "Kubernetes",
        Platform::OpenShift => "a platform with security context constraints",
    };
    html! {
        h1 { "Overview" }
        p.lead {
            strong { (count(overview.namespaces, "namespace")) } " with "
            strong { (count(overview.pods, "pod")) } ", on " (platform) "."
        }
        @if !cluster.has_seen(Kind::Namespace) {
            p.note { "No list of namespaces was given, so that there is none to show." }
        }
        @if !cluster.has_seen(Kind::Pod) {
            p.note { "No list of pods was given, so that nothing is known to break." }
        }
        h2 { "To do" }
        ul.todo {
            @for (state, (_, n)) in State::ALL.into_iter().zip(&overview.states) {
                li {
                    a href=(href(&["namespaces"], &[("state", state.as_str())])) {
                        (count(*n, "namespace")) " " (if *n == 1 { singular(state) } else { state.words() })
                    }
                }
            }
            @if let Some(changes) = &overview.constraints {
                @for (n, now, words) in [(changes.would_change, NowForm::Other, "would get another constraint, made again"),
                    (changes.would_be_refused, NowForm::Refused, "would be refused by every constraint, made again")] {
                    li { a href=(href(&["pods"], &[("now", now.as_str())])) { (count(n, "pod")) " " (words) } }
                }
            }
        }
        h2 { "Namespaces by level" }
        (layout::wide("What namespaces enforce, and what their pods satisfy", &html! {
            thead {
                tr {
                    th scope="col" { "Enforced" }
                    @for satisfies in Satisfies::ALL { th.n scope="col" { (heading(satisfies)) } }
                }
            }
            tbody {
                @for (level, cells) in LEVELS.iter().zip(overview.levels.chunks(Satisfies::ALL.len())) {
                    tr {
                        th scope="row" { (layout::level(*level)) }
                        @for cell in cells {
                            td.n {
                                @if cell.namespaces == 0 { span.quiet { "0" } }
                                @else {
                                    a href=(href(&["namespaces"], &[("level", cell.enforced), ("satisfies", cell.satisfied)])) {
                                        (number(cell.namespaces))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }))
        p { "What a level would refuse is judged by the version that the namespace enforces. A new level stops nothing that "
            "runs: it counts when a pod is made again." }
        h2 { "What is known" }
        dl {
            dt { "Objects" } dd { (ui.about.source) }
            dt { "Without labels" }
            dd { @for (i, (mode, by)) in overview.defaults.iter().enumerate() { @if i > 0 { ", " } (mode) " " (by) } }
            dt { "Workloads" }
            dd { "Only pods are known. What has none now (scaled to zero, suspended, not yet due) is not judged here: "
                code { "ringfence simulate" } " judges templates, too." }
            @if ui.about.is_watched {
                dt { "Pods" }
                dd { "Of each, what controls and constraints read, its name, what made it and its constraint are kept. The rest of a pod is "
                    "asked for when you look at it." }
            }
        }
    }
}

fn heading(satisfies: Satisfies) -> Markup {
    match satisfies {
        Satisfies::Level(Level::Privileged) => html! { "satisfy privileged only" },
        Satisfies::Level(level) => html! { "satisfy " (level) },
        Satisfies::NoPods => html! { "have no pods" },
    }
}

fn singular(state: State) -> &'static str {
    match state {
        State::Raise => "could enforce more",
        State::Violating => "has pods that violate what it enforces",
        State::Mislabelled => "has mistakes in its labels",
        State::Exempt => "is exempt",
    }
}
