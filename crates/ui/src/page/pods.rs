//! Pods: what made each, which constraint took it, and what it satisfies.

use super::Sought;
use super::constraints::NO_CONSTRAINT;
use crate::address::{NowForm, PodsForm, href};
use crate::layout::{self, Sheet};
use crate::paging::{ROWS, count};
use crate::{Missing, Ui, View};
use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};
use maud::{Markup, html};
use ringfence_admission::admit::{Again, Now, Pipeline, Share, recorded};
use ringfence_admission::cluster::{Alike, Cluster, Platform};
use ringfence_admission::pod_security::{LevelVersion, Owner, PodSecurity};
use ringfence_pss::{Level, Version};
use serde::Serialize;
use std::collections::HashSet;
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
    /// The constraint that it would be given if it were made again, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) would_be_given: Option<String>,
    /// Whether no constraint would take it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) would_be_refused: bool,
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

pub(crate) fn view<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, form: &PodsForm) -> View {
    if !form.namespace.is_empty() && cluster.namespace(&form.namespace).is_err() {
        return Err(Missing(format!("There is no namespace {:?} here.", form.namespace)));
    }
    let mut pods = find(ui, cluster, pipeline, form, ROWS + 1);
    let is_more = pods.len() > ROWS;
    pods.truncate(ROWS);
    let next = pods.last().filter(|_| is_more).map(|last| format!("{}/{}", last.namespace, last.name));
    let found = Pods { pods, next };
    let main = show(&found, form, cluster.platform() == Platform::OpenShift);
    Ok(Sheet::new("Pods", &found, main))
}

/// The first pods that fit, by namespace and name.
pub(super) fn find<C: Cluster>(
    ui: &Ui,
    cluster: &C,
    pipeline: &Pipeline<C>,
    form: &PodsForm,
    most: usize,
) -> Vec<Listed> {
    let has_constraints = cluster.platform() == Platform::OpenShift;
    let worth_it = worth_it(ui, cluster, pipeline, form);
    let mut namespaces: Vec<(String, Version)> = Vec::new();
    let (after_namespace, after_name) =
        form.after.as_ref().map_or(("", ""), |(namespace, name)| (namespace.as_str(), name.as_str()));
    cluster.each_namespace(&mut |namespace: &Namespace| {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        let is_wanted = form.namespace.is_empty() || form.namespace == name;
        if is_wanted && name >= after_namespace && worth_it.as_ref().is_none_or(|all| all.contains(name)) {
            namespaces.push((name.to_owned(), ui.pod_security.policy_of(namespace).0.enforce.version));
        }
    });
    let sought = Sought::new(&form.text);
    let mut found = Vec::new();
    for (namespace, version) in namespaces {
        let all_fit = sought.is_in(&namespace);
        let mut again: Option<Again<'_>> = None;
        // A namespace that is gone by now has no pods.
        let _ = cluster.alike(&namespace, &mut |pod| {
            let is_before = form.after.is_some() && namespace == after_namespace && pod.name <= after_name;
            let scc = recorded(pod.pod);
            if !is_before && (all_fit || names_fit(pod, &sought)) && form.has_scc(scc) {
                if has_constraints && again.is_none() {
                    again = pipeline.again(&namespace).ok();
                }
                let now = again.as_mut().map_or(Now::Unasked, |again| again.ask(&pod));
                if form.has_now(scc, &now) {
                    found.push(Listed {
                        namespace: namespace.clone(),
                        name: pod.name.to_owned(),
                        owner: pod.owner.cloned(),
                        scc: scc.map(str::to_owned),
                        would_be_refused: now == Now::Refused,
                        would_be_given: match now {
                            Now::Given(given) if scc != Some(&*given) => Some(given.to_string()),
                            _ => None,
                        },
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

/// The namespaces that have pods with such a constraint, where that is asked for and known.
fn worth_it<C: Cluster>(ui: &Ui, cluster: &C, pipeline: &Pipeline<C>, form: &PodsForm) -> Option<HashSet<String>> {
    if cluster.platform() != Platform::OpenShift || (form.scc.is_empty() && form.now.is_none()) {
        return None;
    }
    let fits = |share: &Share| {
        let recorded = share.recorded.as_deref();
        form.has_scc(recorded) && form.has_now(recorded, &share.now)
    };
    let all = ui.shares.all(cluster, pipeline).into_iter().filter(|(_, shares)| shares.iter().any(fits));
    Some(all.map(|(namespace, _)| namespace).collect())
}

impl PodsForm {
    fn has_scc(&self, recorded: Option<&str>) -> bool {
        self.scc.is_empty() || recorded.unwrap_or(NO_CONSTRAINT) == self.scc
    }

    fn has_now(&self, recorded: Option<&str>, now: &Now) -> bool {
        match self.now {
            None => true,
            Some(NowForm::Other) => now.is_other(recorded),
            Some(NowForm::Refused) => *now == Now::Refused,
        }
    }
}

fn names_fit(pod: Alike<'_>, sought: &Sought) -> bool {
    sought.is_in(pod.name) || pod.owner.is_some_and(|owner| sought.is_in(&owner.name))
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
        let now = form.now.map_or("", NowForm::as_str);
        let all = [
            ("q", form.text.as_str()),
            ("namespace", &form.namespace),
            ("scc", &form.scc),
            ("now", now),
            ("after", after),
        ];
        href(&["pods"], &all)
    };
    html! {
        h1 { "Pods" }
        form.filter action="/ui/pods" data-live {
            (layout::text("name", "q", "Pod, workload or namespace has", &form.text))
            (layout::text("namespace", "namespace", "Only in namespace", &form.namespace))
            @if has_constraints {
                (layout::text("scc", "scc", "Only with constraint", &form.scc))
                (layout::choice("now", "Made again", form.now.map_or("", NowForm::as_str), &[("", "whatever becomes of them"),
                    ("other", "would get another constraint"), ("refused", "would be refused by all")]))
            }
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
                            td {
                                @match &pod.scc {
                                    Some(scc) => a href=(href(&["constraints", scc], &[])) { (scc) },
                                    None => span.quiet { "none" },
                                }
                                @if pod.would_be_refused { " " span.tag.bad { "would be refused" } }
                                @if let (Some(given), Some(_)) = (&pod.would_be_given, &pod.scc) {
                                    " " span.tag.bad { "would get " (given) }
                                }
                            }
                        }
                        td { span class={ "level " (pod.satisfies) } { (pod.satisfies) } }
                    }
                }
            }
        },
    )
}
