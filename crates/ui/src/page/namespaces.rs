//! Namespaces: what they enforce, what their pods satisfy, and how much a stricter level would break.

use super::Sought;
use crate::Ui;
use crate::address::{NamespacesForm, Satisfies, State, href};
use crate::layout::{self, Sheet};
use crate::paging::{Paging, ROWS, count, number};
use crate::surveys::Row;
use maud::{Markup, html};
use ringfence_admission::cluster::Cluster;
use ringfence_admission::pod_security::LevelVersion;
use ringfence_pss::Level;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Namespaces {
    #[serde(flatten)]
    paging: Paging,
    namespaces: Vec<Row>,
}

pub(crate) fn view(ui: &Ui, cluster: &impl Cluster, form: &NamespacesForm) -> Sheet {
    let mut rows = ui.surveys.all(&ui.pod_security, cluster);
    let sought = Sought::new(&form.text);
    rows.retain(|row| fits(row, form, &sought));
    let paging = Paging::new(rows.len(), form.page);
    let namespaces: Vec<Row> = rows.into_iter().skip(paging.skip()).take(ROWS).collect();
    let found = Namespaces { paging, namespaces };
    let main = show(&found, form);
    Sheet::new("Namespaces", &found, main)
}

fn fits(row: &Row, form: &NamespacesForm, sought: &Sought) -> bool {
    let satisfies = match form.satisfies {
        None => true,
        Some(Satisfies::Level(level)) => row.satisfies == Some(level),
        Some(Satisfies::NoPods) => row.satisfies.is_none(),
    };
    satisfies
        && form.level.is_none_or(|level| row.enforce.level == level)
        && form.state.is_none_or(|state| state.holds(row))
        && sought.is_in(&row.name)
}

fn show(found: &Namespaces, form: &NamespacesForm) -> Markup {
    let level = form.level.map_or("", Level::as_str);
    let satisfies = form.satisfies.map_or("", Satisfies::as_str);
    let state = form.state.map_or("", State::as_str);
    let parameters = [("q", form.text.as_str()), ("level", level), ("satisfies", satisfies), ("state", state)];
    html! {
        h1 { "Namespaces" }
        form.filter action="/ui/namespaces" data-live {
            (layout::text("name", "q", "Name", &form.text))
            (layout::choice("level", "Enforced", level, &[("", "any level"), ("privileged", "privileged"),
                ("baseline", "baseline"), ("restricted", "restricted")]))
            (layout::choice("satisfies", "Satisfied", satisfies, &[("", "any level"), ("restricted", "restricted"),
                ("baseline", "baseline"), ("privileged", "privileged only"), ("no-pods", "has no pods")]))
            (layout::choice("state", "Show", state, &[("", "all"), ("raise", "those that could enforce more"),
                ("violating", "those with pods that violate"), ("mislabelled", "those with mistakes in labels"),
                ("exempt", "exempt ones")]))
            button type="submit" { "Filter" }
        }
        p #status role="status" { (count(found.paging.total, "namespace")) "." }
        div #results {
            @if !found.namespaces.is_empty() {
                (layout::wide("Namespaces", &table(&found.namespaces)))
                (found.paging.links(&["namespaces"], &parameters))
            }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Namespace" }
                th scope="col" { "Enforce" }
                th scope="col" { "Audit" }
                th scope="col" { "Warn" }
                th.n scope="col" { "Pods" }
                th scope="col" { "Satisfied" }
                th scope="col" { "Baseline would break" }
                th scope="col" { "Restricted would break" }
            }
        }
        tbody {
            @for row in rows {
                tr {
                    th scope="row" {
                        (layout::namespace(&row.name))
                        @if row.exempt { " " span.tag { "exempt" } }
                        @if row.terminating { " " span.tag { "going away" } }
                        @if !row.mistakes.is_empty() { " " span.tag.bad { "mistakes in labels" } }
                        @if row.is_violating() { " " span.tag.bad { "violates" } }
                    }
                    @for (by, labelled) in [row.enforce, row.audit, row.warn].into_iter().zip(row.labelled) {
                        td { (mode(by, labelled)) }
                    }
                    td.n { (number(row.survey.pods)) }
                    td {
                        @match row.satisfies {
                            Some(level) => (layout::level(level)),
                            None => span.quiet { "no pods" },
                        }
                    }
                    td { (breaks(row, Level::Baseline)) }
                    td { (breaks(row, Level::Restricted)) }
                }
            }
        }
    }
}

/// A level, and whether nobody chose it.
fn mode(by: LevelVersion, labelled: bool) -> Markup {
    html! {
        @if labelled { (layout::level_version(by)) }
        @else { span.quiet.together { (by.level) @if !by.version.is_latest() { " " (by.version) } " (default)" } }
    }
}

fn breaks(row: &Row, level: Level) -> Markup {
    let refused = row.survey.refused(level);
    html! {
        @if refused.pods == 0 || row.exempt { span.quiet { "nothing" } }
        @else {
            a href=(href(&["namespaces", &row.name], &[("level", level.as_str())])) { (count(refused.pods, "pod")) }
        }
    }
}
