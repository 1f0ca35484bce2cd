//! Security context constraints: how many pods have each, and how many would be given another one if they were made again.

use crate::address::{ConstraintsForm, NowForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{Paging, ROWS, count, number};
use crate::shares::Counts;
use crate::{Ui, page::Sought};
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::{Cluster, Platform};
use ringfence_scc::score;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A constraint in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// `None` for pods without one.
    #[serde(serialize_with = "crate::shares::name")]
    pub(super) name: Option<Arc<str>>,
    /// `None` if there is no such constraint any more.
    pub(super) priority: Option<i32>,
    /// The higher, the less it restricts.
    pub(super) score: Option<i32>,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// Whether the cluster has constraints at all.
    has_constraints: bool,
    /// How many of the rows are of constraints, and not of pods without one.
    #[serde(skip)]
    named: usize,
    pods: usize,
    would_change: usize,
    would_be_refused: usize,
    #[serde(flatten)]
    paging: Paging,
    constraints: Vec<Row>,
}

/// Every constraint in the order of trial, then those that are no more but that pods still have, then pods without one.
pub(super) fn rows<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>) -> Vec<Row> {
    let mut counts: BTreeMap<Option<Arc<str>>, Counts> = BTreeMap::new();
    for (_, shares) in ui.shares.all(cluster, pipeline) {
        for share in &*shares {
            let recorded = share.recorded.clone();
            counts.entry(recorded.clone()).or_default().add(share, recorded.as_deref());
            if let ringfence_admission::admit::Now::Given(given) = &share.now
                && recorded.as_ref() != Some(given)
            {
                counts.entry(Some(Arc::clone(given))).or_default().add(share, Some(given));
            }
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for scc in pipeline.engine().constraints() {
        let name: Arc<str> = scc.name().into();
        let counts = counts.remove(&Some(Arc::clone(&name))).unwrap_or_default();
        rows.push(Row {
            name: Some(name),
            priority: Some(scc.priority.unwrap_or_default()),
            score: Some(score(scc)),
            counts,
        });
    }
    let none = counts.remove(&None);
    let gone = counts.into_iter().map(|(name, counts)| Row { name, priority: None, score: None, counts });
    rows.extend(gone);
    rows.extend(none.map(|counts| Row { name: None, priority: None, score: None, counts }));
    rows
}

/// How many pods would be given another constraint, and how many none.
pub(super) fn changes<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>) -> (usize, usize) {
    let rows = rows(ui, cluster, pipeline);
    (rows.iter().map(|row| row.counts.would_change).sum(), rows.iter().map(|row| row.counts.would_be_refused).sum())
}

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, form: &ConstraintsForm) -> Sheet {
    let has_constraints = cluster.platform() == Platform::OpenShift;
    let mut rows = if has_constraints { rows(ui, cluster, pipeline) } else { Vec::new() };
    let sought = Sought::new(&form.text);
    rows.retain(|row| form.text.is_empty() || row.name.as_ref().is_some_and(|name| sought.is_in(name)));
    let sum = |of: fn(&Counts) -> usize| rows.iter().map(|row| of(&row.counts)).sum();
    let (pods, would_change) = (sum(|counts| counts.pods), sum(|counts| counts.would_change));
    let would_be_refused = sum(|counts| counts.would_be_refused);
    let named = rows.iter().filter(|row| row.name.is_some()).count();
    let paging = Paging::new(rows.len(), form.page);
    let constraints = rows.into_iter().skip(paging.skip()).take(ROWS).collect();
    let found = Found { has_constraints, named, pods, would_change, would_be_refused, paging, constraints };
    let main = show(&found, form);
    Sheet::new("Constraints", &found, main)
}

fn show(found: &Found, form: &ConstraintsForm) -> Markup {
    html! {
        h1 { "Security context constraints" }
        @if !found.has_constraints {
            p { "This cluster has no security context constraints: Pod Security alone decides." }
        } @else {
            form.filter action="/ui/constraints" data-live {
                (layout::text("name", "q", "Name", &form.text))
                button type="submit" { "Filter" }
            }
            p #status role="status" {
                (count(found.named, "constraint")) ", " (count(found.pods, "pod")) ". "
                @if found.would_change == 0 && found.would_be_refused == 0 {
                    "Made again, none would be given another, and none refused."
                } @else {
                    "Made again, " (count(found.would_change, "pod")) " would be given another, and "
                    (count(found.would_be_refused, "pod")) " none."
                }
            }
            div #results {
                @if !found.constraints.is_empty() {
                    (layout::wide("Constraints in the order in which they are tried, and how many pods have each", &table(&found.constraints)))
                    (found.paging.links(&["constraints"], &[("q", &form.text)]))
                }
            }
            p.quiet {
                "Each pod is tried as it is stored, with what its constraint filled in, as made by its controller; one that was "
                "made by hand, as made by a user without rights of its own. Nothing that runs is stopped."
            }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Constraint" }
                th.n scope="col" { "Priority" }
                th.n scope="col" { "Score" }
                th.n scope="col" { "Pods" }
                th.n scope="col" { "Would get another" }
                th.n scope="col" { "Would be refused" }
                th.n scope="col" { "Would have it" }
            }
        }
        tbody {
            @for row in rows {
                tr {
                    th scope="row" {
                        @match &row.name {
                            Some(name) => {
                                a href=(href(&["constraints", name], &[])) { (name) }
                                @if row.priority.is_none() { " " span.tag.bad { "does not exist" } }
                            }
                            None => span.quiet { "none recorded" },
                        }
                    }
                    td.n { @if let Some(priority) = row.priority { (priority) } }
                    td.n { @if let Some(score) = row.score { (number(usize::try_from(score).unwrap_or_default())) } }
                    td.n { (linked(row.counts.pods, row.name.as_deref(), None)) }
                    td.n { (linked(row.counts.would_change, row.name.as_deref(), Some(NowForm::Other))) }
                    td.n { (linked(row.counts.would_be_refused, row.name.as_deref(), Some(NowForm::Refused))) }
                    td.n { @if row.name.is_some() { (number(row.counts.would_have)) } }
                }
            }
        }
    }
}

/// A number of pods with a constraint, as a link to them.
pub(super) fn linked(pods: usize, scc: Option<&str>, now: Option<NowForm>) -> Markup {
    let to = || href(&["pods"], &[("scc", scc.unwrap_or(NO_CONSTRAINT)), ("now", now.map_or("", NowForm::as_str))]);
    html! { @if pods == 0 { span.quiet { "0" } } @else { a href=(to()) { (number(pods)) } } }
}

/// Stands for no constraint where a name is asked for; no constraint has such a name.
pub(super) const NO_CONSTRAINT: &str = "-";
