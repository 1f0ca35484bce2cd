//! One namespace: its labels, and the workloads that would break under a level.

use super::constraints::NO_CONSTRAINT;
use super::workloads::{self, Broken};
use crate::address::{NowForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{ROWS, count, number};
use crate::shares::Counts;
use crate::surveys::Row;
use crate::{Missing, Ui, View};
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::Cluster;
use ringfence_admission::pod_security::{LevelVersion, Mode};
use ringfence_pss::Level;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// What its pods have, on a cluster with constraints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<Having>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Having {
    /// `None` for pods without one.
    #[serde(serialize_with = "crate::shares::name")]
    name: Option<Arc<str>>,
    #[serde(flatten)]
    counts: Counts,
}

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, name: &str, level: Level) -> View {
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
    let shares = ui.shares.one(cluster, pipeline, name, &namespace);
    let mut constraints: BTreeMap<Option<Arc<str>>, Counts> = BTreeMap::new();
    for share in &*shares {
        constraints.entry(share.recorded.clone()).or_default().add(share, share.recorded.as_deref());
    }
    let constraints = constraints.into_iter().map(|(name, counts)| Having { name, counts }).collect();
    let one = One { constraints, row, level: level.as_str(), breaking, labels, annotations };
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
        @if !one.constraints.is_empty() { (constraints(&row.name, &one.constraints)) }
        @if !one.labels.is_empty() || !one.annotations.is_empty() {
            h2 { "Labels and annotations that decide something" }
            dl {
                @for (key, value) in one.labels.iter().chain(&one.annotations) { dt { (key) } dd { code { (value) } } }
            }
        }
    }
}

fn constraints(namespace: &str, all: &[Having]) -> Markup {
    let linked = |pods: usize, scc: Option<&str>, now: &str| {
        let to = href(&["pods"], &[("namespace", namespace), ("scc", scc.unwrap_or(NO_CONSTRAINT)), ("now", now)]);
        html! { @if pods == 0 { span.quiet { "0" } } @else { a href=(to) { (number(pods)) } } }
    };
    html! {
        h2 { "Security context constraints" }
        (layout::wide("Constraints that pods here have", &html! {
            thead {
                tr {
                    th scope="col" { "Constraint" }
                    th.n scope="col" { "Pods" }
                    th.n scope="col" { "Would get another" }
                    th.n scope="col" { "Would be refused" }
                }
            }
            tbody {
                @for Having { name, counts } in all {
                    tr {
                        th scope="row" {
                            @match name {
                                Some(name) => a href=(href(&["constraints", name], &[])) { (name) },
                                None => span.quiet { "none recorded" },
                            }
                        }
                        td.n { (linked(counts.pods, name.as_deref(), "")) }
                        td.n { (linked(counts.would_change, name.as_deref(), NowForm::Other.as_str())) }
                        td.n { (linked(counts.would_be_refused, name.as_deref(), NowForm::Refused.as_str())) }
                    }
                }
            }
        }))
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
