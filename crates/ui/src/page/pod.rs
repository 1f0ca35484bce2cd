//! One pod: what each level has against it, and its constraint.

use super::scc::{self, Constraint};
use crate::layout::{self, Sheet};
use crate::paging::count;
use crate::{Missing, Ui, View, Whole};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use maud::{Markup, html};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::Cluster;
use ringfence_admission::pod_security::{LevelVersion, Owner};
use ringfence_pss::{Level, Version};
use serde::Serialize;
use std::ops::ControlFlow;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct One {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    /// Whether all of the pod is known, or only what is kept of it.
    whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not_whole: Option<String>,
    enforce: String,
    exempt: bool,
    levels: Vec<Judged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraint: Option<Constraint>,
}

/// What a level says of the pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Judged {
    level: &'static str,
    #[serde(skip)]
    by: Option<LevelVersion>,
    allowed: bool,
    fields: Vec<Field>,
}

/// A field that a level objects to.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    control: &'static str,
    #[serde(rename = "field")]
    path: String,
    value: String,
    hint: &'static str,
}

pub(crate) fn view<C: Cluster>(
    ui: &Ui,
    cluster: &C,
    pipeline: &Pipeline<C>,
    whole: &Whole,
    (namespace, name): (&str, &str),
) -> View {
    let missing = |_| Missing(format!("There is no namespace {namespace:?} here."));
    let found = cluster.namespace(namespace).map_err(missing)?;
    let none = || Missing(format!("There is no pod {name:?} in namespace {namespace:?}."));
    let kept_pod;
    let (pod, why_not_whole) = match whole {
        Whole::Had(pod) => (&**pod, None),
        other => {
            kept_pod = kept(cluster, namespace, name).ok_or_else(none)?;
            let why = match other {
                Whole::NotHad(why) => format!("The API server did not give the whole pod: {why}."),
                _ => "The API server has no such pod any more.".to_owned(),
            };
            (&kept_pod, Some(why))
        }
    };
    let enforce = ui.pod_security.policy_of(&found).0.enforce;
    let none = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&none);
    let account = spec.service_account_name.clone();
    let runtime_class = ui.pod_security.exempts_runtime_class(spec);
    let one = One {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        owner: Owner::of(pod),
        service_account: account,
        whole: why_not_whole.is_none(),
        why_not_whole,
        enforce: enforce.to_string(),
        exempt: runtime_class || ui.pod_security.exempts_namespace(namespace),
        levels: [Level::Baseline, Level::Restricted].map(|level| judge(ui, pod, level, enforce.version)).into(),
        constraint: scc::find(cluster, pipeline, pod, namespace),
    };
    let main = show(&one, enforce);
    Ok(Sheet::new(format!("Pod {name} in {namespace}"), &one, main))
}

/// What is kept of a pod, where the whole one is not to be had.
fn kept(cluster: &impl Cluster, namespace: &str, name: &str) -> Option<Pod> {
    let mut found = None;
    let visited = cluster.alike(namespace, &mut |alike| {
        if alike.name != name {
            return ControlFlow::Continue(());
        }
        let mut pod = (**alike.pod).clone();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.namespace = Some(namespace.to_owned());
        pod.metadata.owner_references = alike.owner.map(|owner| {
            vec![OwnerReference {
                api_version: owner.api_version.clone(),
                kind: owner.kind.clone(),
                name: owner.name.clone(),
                uid: owner.uid.clone(),
                controller: Some(true),
                block_owner_deletion: None,
            }]
        });
        found = Some(pod);
        ControlFlow::Break(())
    });
    visited.ok()?;
    found
}

fn judge(ui: &Ui, pod: &Pod, level: Level, version: Version) -> Judged {
    let none = PodSpec::default();
    let by = LevelVersion { level, version };
    let verdict = ui.pod_security.judge(by, &pod.metadata, pod.spec.as_ref().unwrap_or(&none));
    let mut fields: Vec<Field> = Vec::new();
    for finding in verdict.findings() {
        let field = Field {
            control: finding.control().id,
            path: finding.path(),
            value: finding.value().to_string(),
            hint: finding.hint().text,
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Judged { level: level.as_str(), by: Some(by), allowed: verdict.allowed(), fields }
}

fn show(one: &One, enforce: LevelVersion) -> Markup {
    html! {
        nav.crumbs aria-label="Where this is" {
            a href="/ui/namespaces" { "Namespaces" } " / " (layout::namespace(&one.namespace))
        }
        h1 { "Pod " (one.name) }
        @if let Some(why) = &one.why_not_whole {
            p.note {
                strong { (why) } " What follows is from what is kept of it: what the controls and constraints read, its name, "
                "what made it, and its constraint."
            }
        }
        dl.facts {
            div { dt { "namespace" } dd { (layout::namespace(&one.namespace)) } }
            div { dt { "made by" } dd { (layout::workload(one.owner.as_ref())) } }
            @if let Some(account) = &one.service_account { div { dt { "service account" } dd { (account) } } }
            @if let Some(recorded) = one.constraint.as_ref().and_then(|constraint| constraint.recorded.as_ref()) {
                div { dt { "constraint" } dd { (recorded) } }
            }
            div { dt { "namespace enforces" } dd { (layout::level_version(enforce)) } }
        }
        @if one.exempt { p.note { "This pod is exempt by the configuration: no level refuses it." } }
        @if let Some(constraint) = &one.constraint { (scc::show(constraint)) }
        h2 { "Pod Security" }
        @for judged in &one.levels { (level(judged)) }
    }
}

fn level(judged: &Judged) -> Markup {
    let by = judged.by.map(|by| by.to_string()).unwrap_or_default();
    html! {
        @if judged.allowed {
            p { "Satisfies " (by) "." }
        } @else {
            h3 { "Refused by " (by) ", for " (count(judged.fields.len(), "field")) }
            (layout::wide(&format!("What {} objects to", judged.level), &html! {
                thead {
                    tr {
                        th scope="col" { "Field" }
                        th scope="col" { "Is" }
                        th scope="col" { "What to do" }
                        th scope="col" { "Control" }
                    }
                }
                tbody {
                    @for field in &judged.fields {
                        tr {
                            th scope="row" { code { (field.path) } }
                            td.is { code { (field.value) } }
                            td { (field.hint) }
                            td.together { (field.control) }
                        }
                    }
                }
            }))
        }
    }
}
