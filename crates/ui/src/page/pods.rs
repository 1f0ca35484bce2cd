//! Pods: what made each, which constraint took it, and what it satisfies.

use super::has;
use crate::address::{PodsForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{ROWS, count};
use crate::{Missing, Ui, View};
use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};
use maud::{Markup, html};
use ringfence_admission::cluster::{Alike, Cluster, Platform};
use ringfence_admission::pod_security::{LevelVersion, Owner, PodSecurity};
use ringfence_pss::{Level, Version};
use ringfence_scc::VALIDATED_SCC;
use serde::Serialize;
use std::ops::ControlFlow;

/// A pod in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Owner>,
    /// The constraint that took it, as its annotation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scc: Option<String>,
    /// The strictest level that does not refuse it.
    pub(super) satisfies: &'static str,
}

#[derive(Debug, Serialize)]
struct Pods {
    pods: Vec<Listed>,
    /// What to put into `after` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(crate) fn view(ui: &Ui, cluster: &impl Cluster, form: &PodsForm) -> View {
    if !form.namespace.is_empty() && cluster.namespace(&form.namespace).is_err() {
        return Err(Missing(format!("There is no namespace {:?} here.", form.namespace)));
    }
    let mut pods = find(ui, cluster, form, ROWS + 1);
    let is_more = pods.len() > ROWS;
    pods.truncate(ROWS);
    let next = pods.last().filter(|_| is_more).map(|last| format!("{}/{}", last.namespace, last.name));
    let found = Pods { pods, next };
    let main = show(&found, form, cluster.platform() == Platform::OpenShift);
    Ok(Sheet::new("Pods", &found, main))
}

/// The first pods that fit, by namespace and name.
pub(super) fn find(ui: &Ui, cluster: &impl Cluster, form: &PodsForm, most: usize) -> Vec<Listed> {
    let mut namespaces: Vec<(String, Version)> = Vec::new();
    let (after_namespace, after_name) =
        form.after.as_ref().map_or(("", ""), |(namespace, name)| (namespace.as_str(), name.as_str()));
    cluster.each_namespace(&mut |namespace: &Namespace| {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        if (form.namespace.is_empty() || form.namespace == name) && name >= after_namespace {
            namespaces.push((name.to_owned(), ui.pod_security.policy_of(namespace).0.enforce.version));
        }
    });
    let mut found = Vec::new();
    for (namespace, version) in namespaces {
        let all_fit = has(&namespace, &form.text);
        // A namespace that is gone by now has no pods.
        let _ = cluster.alike(&namespace, &mut |pod| {
            let is_before = form.after.is_some() && namespace == after_namespace && pod.name <= after_name;
            if !is_before && (all_fit || names_fit(pod, &form.text)) {
                let scc = constraint(pod.pod);
                if form.scc.is_empty() || scc == Some(form.scc.as_str()) {
                    found.push(Listed {
                        namespace: namespace.clone(),
                        name: pod.name.to_owned(),
                        owner: pod.owner.cloned(),
                        scc: scc.map(str::to_owned),
                        satisfies: satisfied(&ui.pod_security, pod.pod, version).as_str(),
                    });
                }
            }
            if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if found.len() >= most {
            break;
        }
    }
    found
}

fn names_fit(pod: Alike<'_>, text: &str) -> bool {
    has(pod.name, text) || pod.owner.is_some_and(|owner| has(&owner.name, text))
}

/// The constraint that took the pod.
pub(super) fn constraint(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(VALIDATED_SCC).map(String::as_str)
}

/// The strictest level that does not refuse the pod.
fn satisfied(pod_security: &PodSecurity, pod: &Pod, version: Version) -> Level {
    let none = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&none);
    let fits =
        |level: &Level| pod_security.judge(LevelVersion { level: *level, version }, &pod.metadata, spec).allowed();
    [Level::Restricted, Level::Baseline].into_iter().find(fits).unwrap_or(Level::Privileged)
}

fn show(found: &Pods, form: &PodsForm, has_constraints: bool) -> Markup {
    let parameters = |after: &str| {
        let all = [("q", form.text.as_str()), ("namespace", &form.namespace), ("scc", &form.scc), ("after", after)];
        href(&["pods"], &all)
    };
    html! {
        h1 { "Pods" }
        form.filter action="/ui/pods" data-live {
            (layout::text("name", "q", "Pod, workload or namespace has", &form.text))
            (layout::text("namespace", "namespace", "Only in namespace", &form.namespace))
            @if has_constraints { (layout::text("scc", "scc", "Only with constraint", &form.scc)) }
            button type="submit" { "Show" }
        }
        p #status role="status" {
            @if found.pods.is_empty() { "No pods." }
            @else if found.next.is_some() { "The first " (count(found.pods.len(), "pod")) @if form.after.is_some() { " from there" } "." }
            @else { (count(found.pods.len(), "pod")) "." }
        }
        div #results {
            @if !found.pods.is_empty() {
                (table(&found.pods, has_constraints))
                @if found.next.is_some() || form.after.is_some() {
                    nav.pages aria-label="Pages" {
                        @if form.after.is_some() { a href=(parameters("")) { "From the beginning" } }
                        @if let Some(next) = &found.next { a rel="next" href=(parameters(next)) { "Next" } }
                    }
                }
            }
        }
    }
}

/// A list of pods.
pub(super) fn table(pods: &[Listed], has_constraints: bool) -> Markup {
    layout::wide(
        "Pods",
        &html! {
            thead {
                tr {
                    th scope="col" { "Pod" }
                    th scope="col" { "Namespace" }
                    th scope="col" { "Made by" }
                    @if has_constraints { th scope="col" { "Constraint" } }
                    th scope="col" { "Satisfies" }
                }
            }
            tbody {
                @for pod in pods {
                    tr {
                        th scope="row" { (layout::pod(&pod.namespace, &pod.name)) }
                        td { (layout::namespace(&pod.namespace)) }
                        td { (layout::workload(pod.owner.as_ref())) }
                        @if has_constraints {
                            td { @match &pod.scc { Some(scc) => (scc), None => span.quiet { "none" } } }
                        }
                        td { span class={ "level " (pod.satisfies) } { (pod.satisfies) } }
                    }
                }
            }
        },
    )
}
