//! Namespaces, and pods by their own name or that of what made them.

use super::constraints::{self, Row};
use super::{Sought, pods};
use crate::Ui;
use crate::address::{PodsForm, href};
use crate::layout::{self, Sheet};
use crate::paging::count;
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::{Cluster, Platform};
use serde::Serialize;

/// How many of each are shown.
const MOST: usize = 20;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// The first of them.
    namespaces: Vec<String>,
    namespaces_in_all: usize,
    /// The first of them.
    pods: Vec<pods::Listed>,
    more_pods: bool,
    /// The first of them.
    constraints: Vec<Row>,
    constraints_in_all: usize,
}

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, text: &str) -> Sheet {
    let mut found = Found::default();
    if !text.is_empty() {
        let sought = Sought::new(text);
        cluster.each_namespace(&mut |namespace| {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            if sought.is_in(name) {
                found.namespaces_in_all += 1;
                if found.namespaces.len() < MOST {
                    found.namespaces.push(name.to_owned());
                }
            }
        });
        let form = PodsForm { text: text.to_owned(), ..PodsForm::default() };
        found.pods = pods::find(ui, cluster, pipeline, &form, MOST + 1);
        found.more_pods = found.pods.len() > MOST;
        found.pods.truncate(MOST);
        if cluster.platform() == Platform::OpenShift {
            found.constraints = constraints::rows(ui, cluster, pipeline);
            found.constraints.retain(|row| row.name.as_ref().is_some_and(|name| sought.is_in(name)));
            found.constraints_in_all = found.constraints.len();
            found.constraints.truncate(MOST);
        }
    }
    let main = show(&found, text, cluster.platform() == Platform::OpenShift);
    let title = if text.is_empty() { "Search".to_owned() } else { format!("Search for {text}") };
    Sheet::new(title, &found, main)
}

fn show(found: &Found, text: &str, has_constraints: bool) -> Markup {
    html! {
        h1 { @if text.is_empty() { "Search" } @else { "Search for " q { (text) } } }
        @if text.is_empty() {
            p { "Write part of the name of a namespace, a workload, a pod or a constraint into the field above." }
        } @else if found.namespaces.is_empty() && found.pods.is_empty() && found.constraints.is_empty() {
            p role="status" { "Nothing has this in its name." }
        } @else {
            @if !found.namespaces.is_empty() {
                h2 { (count(found.namespaces_in_all, "namespace")) }
                ul.names { @for name in &found.namespaces { li { (layout::namespace(name)) } } }
                @if found.namespaces_in_all > found.namespaces.len() {
                    p { a href=(href(&["namespaces"], &[("q", text)])) { "All of them" } }
                }
            }
            @if !found.constraints.is_empty() {
                h2 { (count(found.constraints_in_all, "constraint")) }
                ul.names {
                    @for name in found.constraints.iter().filter_map(|row| row.name.as_ref()) {
                        li { a href=(href(&["constraints", name], &[])) { (name) } }
                    }
                }
                @if found.constraints_in_all > found.constraints.len() {
                    p { a href=(href(&["constraints"], &[("q", text)])) { "All of them" } }
                }
            }
            @if !found.pods.is_empty() {
                h2 { "Pods" }
                (pods::table(&found.pods, has_constraints))
                @if found.more_pods { p { a href=(href(&["pods"], &[("q", text)])) { "More of them" } } }
            }
        }
    }
}
