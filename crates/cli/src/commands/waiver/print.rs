//! Waivers as people and programs read them.

use std::io::{self, Write};

use k8s_openapi::jiff::SignedDuration;
use ringfence_admission::waiver::{Reach, State, Waiver};
use serde_json::{Value, json};

use super::super::count;
use super::worth::{Told, Worth};
use crate::view::clean;

/// `waivers/node-exporter: counts, 26 days left, of platform@example.com; needed by 2 workloads, 5 pods`
pub(super) fn line(told: &Told) -> String {
    let title = &told.title;
    let Some(waiver) = &told.usage.waiver else {
        return format!("{title}: does not count: {}", told.error.as_deref().unwrap_or("it cannot be read"));
    };
    let left = span(told.left());
    let mut text = match (&told.error, &told.usage.state) {
        (Some(error), _) => format!("{title}: does not count: {error}; of {}", waiver.owner),
        (None, State::Expired) => format!("{title}: expired {left} ago, of {}", waiver.owner),
        (None, _) if told.expires_soon => format!("{title}: expires soon, {left} left, of {}", waiver.owner),
        (None, _) => format!("{title}: counts, {left} left, of {}", waiver.owner),
    };
    let pods = told.usage.pods();
    if pods > 0 {
        let workloads = count(told.usage.needed_by.len(), "workload");
        text += &format!("; {} {workloads}, {}", need(told), count(pods, "pod"));
    } else if told.unused {
        text += &format!("; unused: {}", why(told));
    }
    text
}

/// Who lacks a waiver that does not count runs still, and is refused when it is made again.
fn need(told: &Told) -> &'static str {
    if told.usage.state == State::Valid { "needed by" } else { "lacked by" }
}

fn why(told: &Told) -> String {
    let waiver = told.usage.waiver.as_deref();
    let namespaces = waiver.map(|waiver| waiver.namespaces.join(", ")).unwrap_or_default();
    match &told.usage.reach {
        Reach::NoNamespace => format!("there is no namespace {namespaces}"),
        Reach::NoLevel => format!("no level is enforced in {namespaces}"),
        Reach::NoPod => format!("there is no pod{} in {namespaces}", waiver.map(which).unwrap_or_default()),
        Reach::NoViolation => "its pods violate none of its controls in the fields that it covers".to_owned(),
        Reach::Outlasted(other) => format!("{other} covers the same and lasts longer"),
        Reach::Nothing | Reach::Needed => String::new(),
    }
}

fn span(time: SignedDuration) -> String {
    let hours = usize::try_from(time.as_hours().unsigned_abs()).unwrap_or(usize::MAX);
    match hours {
        0 => "less than an hour".to_owned(),
        1..48 => count(hours, "hour"),
        _ => count(hours / 24, "day"),
    }
}

/// The pods that it is about: ` of DaemonSet agent with app=web`. Nothing for all of them.
fn which(waiver: &Waiver) -> String {
    let maker = waiver.workload.maker.as_ref().map(|(kind, name)| format!(" of {kind} {name}"));
    let selector = waiver.workload.selector.as_ref().map(|selector| format!(" with {selector}"));
    maker.into_iter().chain(selector).collect()
}

/// `3 waivers: 1 good, 1 unused, 1 expired`
pub(super) fn summary(all: &[Told]) -> String {
    if all.is_empty() {
        return "there are no waivers".to_owned();
    }
    let of = |worth: Worth| all.iter().filter(|told| told.worth == worth).count();
    let parts: Vec<String> = Worth::ALL
        .into_iter()
        .filter(|worth| of(*worth) > 0)
        .map(|worth| {
            let what = match worth {
                Worth::Good => "in order",
                Worth::ExpiresSoon => "expiring soon",
                Worth::Unused => "unused",
                Worth::Expired => "expired",
                Worth::Invalid => "without effect",
            };
            format!("{} {what}", of(worth))
        })
        .collect();
    format!("{}: {}", count(all.len(), "waiver"), parts.join(", "))
}

/// Everything that there is to say of one.
pub(super) fn explain(out: &mut impl Write, told: &Told) -> io::Result<()> {
    writeln!(out, "{}", clean(&line(told)))?;
    let mut say = |text: String| writeln!(out, "  {}", clean(&text));
    let Some(waiver) = &told.usage.waiver else { return Ok(()) };
    let pod = waiver.pod_fields.then(|| "the pod's own".to_owned());
    let containers = waiver.containers.iter().map(|name| match name.as_str() {
        "*" => "all containers'".to_owned(),
        name => format!("container {name}'s"),
    });
    let fields: Vec<String> = pod.into_iter().chain(containers).collect();
    let made = waiver.created.map(|made| format!(", made {made}")).unwrap_or_default();
    say(format!("expires {}{made}", waiver.expires))?;
    say(format!("reason: {}", waiver.reason))?;
    say(format!("namespaces: {}", waiver.namespaces.join(", ")))?;
    say(format!("pods: all{}", which(waiver)))?;
    say(format!("fields: {}", fields.join(", ")))?;
    say(format!("controls: {}", waiver.controls.join(", ")))?;
    for ((namespace, maker), by) in &told.usage.needed_by {
        let controls: Vec<&str> = by.controls.iter().copied().collect();
        let (kind, name, pods) = (&maker.kind, &maker.name, count(by.pods, "pod"));
        say(format!("{} {kind} {name} in {namespace}, {pods}: {}", need(told), controls.join(", ")))?;
    }
    let needless = told.usage.needless_controls();
    if told.usage.reach == Reach::Needed && !needless.is_empty() {
        say(format!("needed by nothing that runs: {}", needless.join(", ")))?;
    }
    Ok(())
}

/// A line of JSON.
pub(super) fn object(told: &Told) -> Value {
    let usage = &told.usage;
    let state = match (&told.error, &usage.state) {
        (Some(_), _) | (None, State::Invalid(_)) => "invalid",
        (None, State::Expired) => "expired",
        (None, State::Valid) => "valid",
    };
    let needed_by: Vec<Value> = usage
        .needed_by
        .iter()
        .map(|((namespace, maker), need)| {
            json!({"namespace": namespace, "kind": maker.kind, "name": maker.name, "pods": need.pods,
                "controls": need.controls})
        })
        .collect();
    let mut object = json!({"waiver": told.title, "state": state, "expiresSoon": told.expires_soon,
        "unused": told.unused, "neededBy": needed_by});
    if let Some(error) = &told.error {
        object["error"] = error.as_str().into();
    }
    if told.unused {
        object["because"] = why(told).into();
    }
    if let Some(waiver) = &usage.waiver {
        let workload = &waiver.workload;
        let maker = workload.maker.as_ref().map(|(kind, name)| json!({"kind": kind, "name": name}));
        object["namespaces"] = json!(waiver.namespaces);
        object["workload"] = maker.unwrap_or_else(|| json!({}));
        match &workload.selector {
            Some(selector) => object["workload"]["selector"] = selector.to_string().into(),
            None if workload.maker.is_none() => object["workload"]["every"] = true.into(),
            None => {}
        }
        object["podFields"] = waiver.pod_fields.into();
        object["containers"] = json!(waiver.containers);
        object["controls"] = json!(waiver.controls);
        object["needlessControls"] = json!(usage.needless_controls());
        object["owner"] = waiver.owner.as_str().into();
        object["reason"] = waiver.reason.as_str().into();
        object["created"] = json!(waiver.created.map(|created| created.to_string()));
        object["expires"] = waiver.expires.to_string().into();
    }
    object
}
