//! One namespace: its labels, and the workloads that would break under a level.

use super::workloads::{self, Broken};
use crate::address::href;
use crate::layout::{self, Sheet};
use crate::paging::{ROWS, count, number};
use crate::surveys::Row;
use crate::{Missing, Ui, View};
use maud::{Markup, html};
use ringfence_admission::cluster::Cluster;
use ringfence_admission::pod_security::{LevelVersion, Mode};
use ringfence_pss::Level;
use serde::Serialize;
use std::collections::BTreeMap;

/// Labels and annotations with these prefixes decide something.
const PREFIXES: [&str; 3] = ["pod-security.kubernetes.io/", "openshift.io/", "security.openshift.io/"];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct One {
    #[serde(flatten)]
    row: Row,
    /// The level that is asked about.
    level: &'static str,
    breaking: Vec<Broken>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

pub(crate) fn view(ui: &Ui, cluster: &impl Cluster, name: &str, level: Level) -> View {
    let missing = || Missing(format!("There is no namespace {name:?} here."));
    let namespace = cluster.namespace(name).map_err(|_| missing())?;
    let row = ui.surveys.one(&ui.pod_security, cluster, &namespace);
    let mut breaking = workloads::of_namespace(ui, cluster, &row, level, |_| true);
    let more = breaking.len().saturating_sub(ROWS);
    breaking.truncate(ROWS);
    let deciding = |map: &Option<BTreeMap<String, String>>| {
        let all = map.iter().flatten().filter(|(key, _)| PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
        all.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (labels, annotations) = (deciding(&namespace.metadata.labels), deciding(&namespace.metadata.annotations));
    let one = One { row, level: level.as_str(), breaking, labels, annotations };
    let main = show(&one, level, more);
    Ok(Sheet::new(format!("Namespace {name}"), &one, main))
}

fn show(one: &One, level: Level, more: usize) -> Markup {
    let row = &one.row;
    let refused = row.survey.refused(level);
    let version = row.enforce.version;
    html! {
        nav.crumbs aria-label="Where this is" { a href="/ui/namespaces" { "Namespaces" } }
        h1 { "Namespace " (row.name) }
        @for mistake in &row.mistakes { p.note.bad { strong { "Mistake in a label. " } (mistake) } }
        @if row.exempt { p.note { "The configuration exempts this namespace: its labels have no effect." } }
        @if row.terminating { p.note { "This namespace is going away." } }
        dl.facts {
            @for (mode, (by, labelled)) in Mode::ALL.iter().zip([row.enforce, row.audit, row.warn].into_iter().zip(row.labelled)) {
                div { dt { (mode) } dd { (layout::level_version(by)) @if !labelled { " " span.quiet { "default" } } } }
            }
            div {
                dt { "pods" }
                dd { a href=(href(&["pods"], &[("namespace", &row.name)])) { (number(row.survey.pods)) } }
            }
            div {
                dt { "satisfied" }
                dd { @match row.satisfies { Some(level) => (layout::level(level)), None => span.quiet { "no pods" } } }
            }
        }
        h2 { "What would break" }
        nav.tabs aria-label="Level" {
            @for other in [Level::Baseline, Level::Restricted] {
                a href=(href(&["namespaces", &row.name], &[("level", other.as_str())]))
                    aria-current=[(other == level).then_some("true")] { "under " (other) }
            }
        }
        @if row.exempt {
            p { "Nothing, because the namespace is exempt." }
        } @else if refused.pods == 0 {
            p { "Nothing: all " (count(row.survey.pods, "pod")) " satisfy " (level) "." }
            @if row.enforce.level < level { (command(&row.name, level)) }
        } @else {
            p {
                strong { (count(refused.pods, "pod")) " of " (number(row.survey.pods)) }
                " would be refused by " (LevelVersion { level, version })
                ", if made again."
                @if row.enforce.level >= level { " The namespace enforces that already." }
            }
            (workloads::table(&one.breaking, false))
            @if more > 0 {
                p {
                    a href=(href(&["workloads"], &[("break", level.as_str()), ("namespace", &row.name)])) {
                        "All " (count(more + ROWS, "row"))
                    }
                }
            }
        }
        @if !one.labels.is_empty() || !one.annotations.is_empty() {
            h2 { "Labels and annotations that decide something" }
            dl {
                @for (key, value) in one.labels.iter().chain(&one.annotations) { dt { (key) } dd { code { (value) } } }
            }
        }
    }
}

fn command(namespace: &str, level: Level) -> Markup {
    // Only what needs no quotes is shown as a command; nothing else is a name of a namespace.
    let plain = namespace.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    html! {
        @if plain && !namespace.starts_with('-') {
            p { "To enforce it:" }
            pre { code data-copy {
                "kubectl label --overwrite namespace " (namespace) " " (Mode::Enforce.level_label()) "=" (level)
            } }
        }
    }
}
