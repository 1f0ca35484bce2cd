//! Workloads that would break under a level, all over the cluster.

use super::Sought;
use crate::Ui;
use crate::address::{WorkloadsForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{Paging, ROWS, count, number};
use crate::surveys::Row;
use maud::{Markup, html};
use ringfence_admission::cluster::{Alike, Cluster};
use ringfence_admission::pod_security::{Breaking, LevelVersion};
use ringfence_pss::Level;
use serde::Serialize;

/// Pods of one owner that would be refused for one reason.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Broken {
    pub(super) namespace: String,
    /// Whether the namespace enforces the level already, so that they would be refused now.
    pub(super) enforced: bool,
    #[serde(flatten)]
    pub(super) breaking: Breaking,
}

#[derive(Debug, Serialize)]
struct Workloads {
    #[serde(rename = "break")]
    breaks: &'static str,
    pods: usize,
    namespaces: usize,
    #[serde(flatten)]
    paging: Paging,
    #[serde(rename = "workloads")]
    rows: Vec<Broken>,
}

/// What would break in a namespace, of the pods that are wanted.
pub(super) fn of_namespace(
    ui: &Ui,
    cluster: &impl Cluster,
    row: &Row,
    level: Level,
    wanted: impl Fn(&Alike<'_>) -> bool,
) -> Vec<Broken> {
    if row.exempt || row.survey.refused(level).pods == 0 {
        return Vec::new();
    }
    let by = LevelVersion { level, version: row.enforce.version };
    let breaking = ui.pod_security.breaking(cluster, &row.name, by, wanted).unwrap_or_default();
    let enforced = row.enforce.level >= level;
    breaking.into_iter().map(|breaking| Broken { namespace: row.name.clone(), enforced, breaking }).collect()
}

pub(crate) fn view(ui: &Ui, cluster: &impl Cluster, form: &WorkloadsForm) -> Sheet {
    let mut rows = ui.surveys.all(&ui.pod_security, cluster);
    let level = form.breaks;
    rows.retain(|row| {
        !row.exempt && row.survey.refused(level).pods > 0 && (form.namespace.is_empty() || row.name == form.namespace)
    });
    let found = if form.text.is_empty() { counted(ui, cluster, form, &rows) } else { sought(ui, cluster, form, &rows) };
    let main = show(&found, form);
    Sheet::new(format!("What breaks under {level}"), &found, main)
}

/// How many rows each namespace has is known, so that only those on this page are made.
fn counted(ui: &Ui, cluster: &impl Cluster, form: &WorkloadsForm, rows: &[Row]) -> Workloads {
    let level = form.breaks;
    let total = rows.iter().map(|row| row.survey.refused(level).rows).sum();
    let paging = Paging::new(total, form.page);
    let mut skip = paging.skip();
    let mut workloads = Vec::new();
    for row in rows {
        let here = row.survey.refused(level).rows;
        if skip >= here {
            skip -= here;
            continue;
        }
        workloads.extend(of_namespace(ui, cluster, row, level, |_| true).into_iter().skip(skip));
        skip = 0;
        if workloads.len() >= ROWS {
            break;
        }
    }
    workloads.truncate(ROWS);
    let pods = rows.iter().map(|row| row.survey.refused(level).pods).sum();
    Workloads { breaks: level.as_str(), pods, namespaces: rows.len(), paging, rows: workloads }
}

fn sought(ui: &Ui, cluster: &impl Cluster, form: &WorkloadsForm, rows: &[Row]) -> Workloads {
    let (mut pods, mut namespaces, mut total) = (0, 0, 0);
    let mut workloads = Vec::new();
    let skip = (form.page - 1) * ROWS;
    let sought = Sought::new(&form.text);
    for row in rows {
        let all_fit = sought.is_in(&row.name);
        let all = of_namespace(ui, cluster, row, form.breaks, |pod| all_fit || is_sought(pod, &sought));
        let before = total;
        for broken in all {
            pods += broken.breaking.count;
            if total >= skip && workloads.len() < ROWS {
                workloads.push(broken);
            }
            total += 1;
        }
        namespaces += usize::from(total > before);
    }
    let paging = Paging::new(total, form.page);
    Workloads { breaks: form.breaks.as_str(), pods, namespaces, paging, rows: workloads }
}

/// A workload goes by its name, and a pod that was made by hand by its own.
fn is_sought(pod: &Alike<'_>, sought: &Sought) -> bool {
    sought.is_in(pod.owner.map_or(pod.name, |owner| owner.name.as_str()))
}

fn show(found: &Workloads, form: &WorkloadsForm) -> Markup {
    let level = form.breaks.as_str();
    let parameters = [("break", level), ("q", form.text.as_str()), ("namespace", form.namespace.as_str())];
    html! {
        h1 { "What breaks under " (level) }
        form.filter action="/ui/workloads" data-live {
            (layout::choice("break", "Level", level, &[("baseline", "baseline"), ("restricted", "restricted")]))
            (layout::text("name", "q", "Workload or namespace has", &form.text))
            (layout::text("namespace", "namespace", "Only in namespace", &form.namespace))
            button type="submit" { "Show" }
        }
        p #status role="status" {
            (count(found.pods, "pod")) " in " (count(found.namespaces, "namespace")) " would be refused by " (level)
            ", if made again."
        }
        div #results {
            @if !found.rows.is_empty() {
                (table(&found.rows, true))
                (found.paging.links(&["workloads"], &parameters))
            }
        }
    }
}

/// The rows of a list.
pub(super) fn table(rows: &[Broken], with_namespace: bool) -> Markup {
    layout::wide(
        "Workloads that would break",
        &html! {
            thead {
                tr {
                    @if with_namespace { th scope="col" { "Namespace" } }
                    th scope="col" { "Workload" }
                    th.n scope="col" { "Pods" }
                    th scope="col" { "Because of" }
                    th scope="col" { "For example" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @if with_namespace {
                            td {
                                (layout::namespace(&row.namespace))
                                @if row.enforced { " " span.tag { "enforced already" } }
                            }
                        }
                        th scope="row" { (layout::workload(row.breaking.owner.as_ref())) }
                        td.n { (number(row.breaking.count)) }
                        td.why { (row.breaking.reason) details { summary { "Details" } p { (row.breaking.detail) } } }
                        td { a href=(href(&["pods", &row.namespace, &row.breaking.example], &[])) { (row.breaking.example) } }
                    }
                }
            }
        },
    )
}
