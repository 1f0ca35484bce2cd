//! One security context constraint: where pods have it, which would be given another one, and who may use it.

use super::constraints::{self, Row, linked};
use super::pods::{self, Listed};
use crate::address::{NowForm, PodsForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{Paging, ROWS, count, number};
use crate::shares::Counts;
use crate::{Missing, Ui, View};
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::Cluster;
use ringfence_admission::rbac::who_may_use;
use serde::Serialize;
use std::cmp::Reverse;

/// How many of the pods that would change are shown here.
const MOST: usize = 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct One {
    #[serde(flatten)]
    row: Row,
    #[serde(flatten)]
    paging: Paging,
    /// Those with the most pods first.
    namespaces: Vec<Within>,
    /// The first pods that would be given another one.
    changing: Vec<Listed>,
    /// Who may use it anywhere in the cluster, and how, the first of them.
    usable_by: Vec<String>,
    usable_by_in_all: usize,
}

#[derive(Debug, Serialize)]
struct Within {
    namespace: String,
    #[serde(flatten)]
    counts: Counts,
}

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, name: &str, page: usize) -> View {
    let rows = constraints::rows(ui, cluster, pipeline);
    let row = rows.into_iter().find(|row| row.name.as_deref() == Some(name));
    let row = row.ok_or_else(|| Missing(format!("There is no security context constraint {name:?} here.")))?;
    let mut namespaces = Vec::new();
    for (namespace, shares) in ui.shares.all(cluster, pipeline) {
        let mut counts = Counts::default();
        shares.iter().for_each(|share| counts.add(share, Some(name)));
        if counts != Counts::default() {
            namespaces.push(Within { namespace, counts });
        }
    }
    namespaces.sort_by_key(|within| Reverse((within.counts.pods, within.counts.would_have)));
    let paging = Paging::new(namespaces.len(), page);
    let namespaces = namespaces.into_iter().skip(paging.skip()).take(ROWS).collect();
    let form = PodsForm { scc: name.to_owned(), now: Some(NowForm::Other), ..PodsForm::default() };
    let changing =
        if row.counts.would_change == 0 { Vec::new() } else { pods::find(ui, cluster, pipeline, &form, MOST) };
    let scc = pipeline.engine().get(name);
    let usable_by = scc.map(|scc| who_may_use(&cluster.rbac(), scc, "")).unwrap_or_default();
    let usable_by_in_all = usable_by.len();
    let usable_by = usable_by.iter().take(ROWS).map(ToString::to_string).collect();
    let one = One { row, paging, namespaces, changing, usable_by, usable_by_in_all };
    let main = show(&one, name);
    Ok(Sheet::new(format!("Constraint {name}"), &one, main))
}

fn show(one: &One, name: &str) -> Markup {
    let counts = &one.row.counts;
    html! {
        nav.crumbs aria-label="Where this is" { a href="/ui/constraints" { "Constraints" } }
        h1 { "Security context constraint " (name) }
        @if one.row.priority.is_none() {
            p.note.bad { "There is no such constraint. It was recorded when these pods were made." }
        }
        dl.facts {
            @if let (Some(priority), Some(score)) = (one.row.priority, one.row.score) {
                div { dt { "priority" } dd { (priority) } }
                div { dt { "score" } dd { (number(usize::try_from(score).unwrap_or_default())) } }
            }
            div { dt { "pods" } dd { (linked(counts.pods, Some(name), None)) } }
            div { dt { "would get another" } dd { (linked(counts.would_change, Some(name), Some(NowForm::Other))) } }
            div { dt { "would be refused" } dd { (linked(counts.would_be_refused, Some(name), Some(NowForm::Refused))) } }
            div { dt { "would have it" } dd { (number(counts.would_have)) } }
        }
        @if !one.changing.is_empty() {
            h2 { "Which pods would get another" }
            (pods::table(&one.changing, true))
            @if counts.would_change > one.changing.len() {
                p {
                    a href=(href(&["pods"], &[("scc", name), ("now", NowForm::Other.as_str())])) {
                        "All " (count(counts.would_change, "pod"))
                    }
                }
            }
        }
        h2 { "Where it counts" }
        @if one.namespaces.is_empty() {
            p { "No pod has it, and none would be given it." }
        } @else {
            (layout::wide("Namespaces with pods that have it, or would be given it", &html! {
                thead {
                    tr {
                        th scope="col" { "Namespace" }
                        th.n scope="col" { "Pods" }
                        th.n scope="col" { "Would get another" }
                        th.n scope="col" { "Would be refused" }
                        th.n scope="col" { "Would have it" }
                    }
                }
                tbody {
                    @for within in &one.namespaces {
                        tr {
                            th scope="row" { (layout::namespace(&within.namespace)) }
                            td.n {
                                @if within.counts.pods == 0 { span.quiet { "0" } }
                                @else {
                                    a href=(href(&["pods"], &[("namespace", &within.namespace), ("scc", name)])) { (number(within.counts.pods)) }
                                }
                            }
                            td.n { (number(within.counts.would_change)) }
                            td.n { (number(within.counts.would_be_refused)) }
                            td.n { (number(within.counts.would_have)) }
                        }
                    }
                }
            }))
            (one.paging.links(&["constraints", name], &[]))
        }
        @if !one.usable_by.is_empty() {
            h2 { "Who may use it in every namespace" }
            ul { @for who in &one.usable_by { li { (who) } } }
            @if one.usable_by_in_all > one.usable_by.len() {
                p { "These are the first of " (number(one.usable_by_in_all)) ": " code { "ringfence scc who" } " tells them all." }
            }
        }
    }
}
