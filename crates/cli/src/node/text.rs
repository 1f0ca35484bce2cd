//! A node check for people.

use std::io::{self, Write};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use ringfence_context::capability::CapSet;
use ringfence_context::facts::{Limits, NodeFacts};
use ringfence_context::node::{Answer, Severity};

use super::report::{Joined, Placed, Report, name};
use crate::render::text::width;
use crate::view::{BAD, GOOD, HEADING, clean};

/// Everything.
pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for (index, node) in report.nodes.iter().enumerate() {
        writeln!(out, "{HEADING}{}{HEADING:#}", clean(&name(node, index)))?;
        writeln!(out, "{}\n", table(node))?;
    }
    for placed in &report.findings {
        finding(out, placed, report.nodes.len() > 1)?;
    }
    for joined in &report.verdicts {
        verdict(out, joined)?;
    }
    Ok(())
}

fn table(node: &NodeFacts) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width().min(200) as u16).enforce_styling();
    table.set_header(["fact", "value", "what it means"]);
    for (fact, value, meaning) in rows(node) {
        table.add_row([fact, &value, &meaning].map(|text| Cell::new(clean(text))));
    }
    table.trim_fmt()
}

/// Fact, value, and what follows of it for a container.
fn rows(node: &NodeFacts) -> Vec<(&'static str, String, String)> {
    let mut rows = Vec::new();
    let mut row = |fact, key: &str, value: Option<String>, meaning: &str| match (value, node.unknown.get(key)) {
        (Some(value), why) => {
            let why = why.map_or_else(String::new, |why| format!("; {why}"));
            rows.push((fact, value, format!("{meaning}{why}")));
        }
        (None, Some(why)) => rows.push((fact, "unknown".to_owned(), why.clone())),
        (None, None) => {}
    };
    row("kernel", "kernel", node.kernel.clone(), "");
    row("kubelet", "kubelet", node.kubelet.clone(), "");
    row("container runtime", "runtime", node.runtime.clone(), "");
    let handlers = node.runtime_handlers.iter().map(|(name, handler)| {
        let name = if name.is_empty() { "(default)" } else { name };
        let can = if handler.user_namespaces { "user namespaces" } else { "no user namespaces" };
        format!("{name}: {can}")
    });
    let handlers = handlers.collect::<Vec<_>>().join(", ");
    row("runtime handlers", "runtimeHandlers", Some(handlers).filter(|text| !text.is_empty()), "");
    let bounding = node.capabilities.bounding;
    row("capabilities", "capabilities.bounding", bounding.map(|set| set.to_string()), &lacking(bounding));
    let limits = |limits: &Limits| format!("{} soft, {} hard", number(limits.soft), number(limits.hard));
    let files = &node.open_files;
    let source = files.pod.as_ref().map_or("", |limits| &limits.source);
    row("open files of a pod's process", "openFiles.pod", files.pod.as_ref().map(limits), source);
    row("open files of this process", "openFiles.own", files.own.as_ref().map(limits), "says nothing of pods");
    row("fs.nr_open", "openFiles.nrOpen", files.nr_open.map(number), "the highest limit that a process can have");
    row("fs.file-max", "openFiles.fileMax", files.file_max.map(number), "for all processes together");
    let actions = node.seccomp_actions.as_ref();
    let actions = actions.map(|actions| if actions.is_empty() { "no".to_owned() } else { actions.join(" ") });
    row("seccomp", "seccompActions", actions, "what a filter can answer");
    row("no_new_privs", "noNewPrivileges", yes(node.no_new_privileges), "for allowPrivilegeEscalation: false");
    row("AppArmor", "apparmor", yes(node.apparmor), "");
    let selinux = node.selinux_mode.clone().map(|mode| format!("yes, {mode}")).or(yes(node.selinux));
    row("SELinux", "selinux", selinux, "");
    row("user namespaces", "userNamespaces", yes(node.user_namespaces), "for hostUsers: false");
    row("id-mapped mounts", "idMappedMounts", yes(node.id_mapped_mounts), "for the volumes of hostUsers: false");
    let controllers = node.cgroup_controllers.as_ref().map_or_else(String::new, |names| names.join(" "));
    row("cgroups", "cgroups", node.cgroups.clone(), &controllers);
    for (name, value) in &node.sysctls {
        rows.push(("sysctl", format!("{name} = {value}"), String::new()));
    }
    rows
}

fn number(value: u64) -> String {
    if value >= i64::MAX as u64 { "unlimited".to_owned() } else { value.to_string() }
}

fn yes(value: Option<bool>) -> Option<String> {
    value.map(|value| if value { "yes" } else { "no" }.to_owned())
}

/// What no container can have there.
fn lacking(bounding: Option<CapSet>) -> String {
    let Some(bounding) = bounding else { return String::new() };
    let lacking = CapSet::ALL.difference(bounding);
    if lacking.is_empty() {
        return "every capability can be given".to_owned();
    }
    let names: Vec<_> = lacking.iter().map(ringfence_context::capability::Capability::name).collect();
    format!("no container can have {}", names.join(", "))
}

fn finding(out: &mut impl Write, placed: &Placed, named: bool) -> io::Result<()> {
    let finding = &placed.finding;
    let (style, word) = match finding.severity {
        Severity::Breaks => (BAD, "breaks"),
        Severity::Unknown => (BAD, "unknown"),
        Severity::Note => (HEADING, "note"),
    };
    let node = if named { format!(" on {}", placed.node) } else { String::new() };
    let container = finding.container.as_ref().map_or_else(String::new, |name| format!(", container {name}"));
    let whose = format!("{}{container}{node}: {}", placed.object, finding.message);
    writeln!(out, "{style}{word}{style:#}[{}]: {}", finding.fact, clean(&whose))?;
    writeln!(out, "  --> {}:{}:{} ({})", clean(&placed.source), placed.line, placed.column, clean(&finding.field))?;
    if let Some(help) = &finding.help {
        writeln!(out, "  help: {help}")?;
    }
    writeln!(out)
}

fn verdict(out: &mut impl Write, joined: &Joined) -> io::Result<()> {
    let (style, word) = match joined.answer {
        Answer::Yes => (GOOD, "yes"),
        Answer::No => (BAD, "no"),
        Answer::Unknown => (BAD, "not known"),
    };
    let because: Vec<String> = joined
        .nodes
        .iter()
        .filter(|node| node.verdict.answer == joined.answer)
        .map(|node| format!("{}: {}", node.node, node.verdict.because.join("; ")))
        .collect();
    writeln!(out, "{}: {style}{word}{style:#}, because {}", joined.statement, clean(&because.join("; ")))?;
    for node in &joined.nodes {
        for note in &node.verdict.notes {
            writeln!(out, "  note: {}: {}", clean(&node.node), clean(note))?;
        }
    }
    Ok(())
}
