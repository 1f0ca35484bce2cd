//! A node check for Prometheus (text exposition format 0.0.4).

use std::fmt::Write as _;

use ringfence_context::capability::CapSet;
use ringfence_context::node::{Answer, Severity};

use super::report::{Report, name};

/// The metrics, as a scrape gets them.
pub(crate) fn metrics(report: &Report) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, f64)>| {
        if samples.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP ringfence_node_{name} {help}\n# TYPE ringfence_node_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "ringfence_node_{name}{{{labels}}} {value}");
        }
    };
    let nodes = || report.nodes.iter().enumerate().map(|(index, node)| (label("node", &name(node, index)), node));
    let mut facts = Vec::new();
    for (of, node) in nodes() {
        let mut fact = |key: &str, value: Option<bool>| {
            if let Some(value) = value {
                facts.push((format!("{of},{}", label("fact", key)), f64::from(u8::from(value))));
            }
        };
        fact("apparmor", node.apparmor);
        fact("selinux", node.selinux);
        fact("selinuxEnforcing", node.selinux_mode.as_ref().map(|mode| mode == "enforcing"));
        fact("userNamespaces", node.user_namespaces);
        fact("idMappedMounts", node.id_mapped_mounts);
        fact("noNewPrivileges", node.no_new_privileges);
        fact("seccomp", node.seccomp_actions.as_ref().map(|actions| !actions.is_empty()));
    }
    family("fact", "Whether the node has it: 1 or 0; what is not known is left out.", facts);
    let unknown = nodes().flat_map(|(of, node)| {
        node.unknown.keys().map(move |key| (format!("{of},{}", label("fact", key)), 1.0)).collect::<Vec<_>>()
    });
    family("unknown", "Facts that could not be found out.", unknown.collect());
    let lacking = nodes().flat_map(|(of, node)| {
        let lacking = node.capabilities.bounding.map_or(CapSet::EMPTY, |set| CapSet::ALL.difference(set));
        lacking.iter().map(|one| (format!("{of},{}", label("capability", one.name())), 1.0)).collect::<Vec<_>>()
    });
    family("capability_missing", "Capabilities that no container can have.", lacking.collect());
    let mut limits = Vec::new();
    for (of, node) in nodes() {
        let mut limit = |of_what: &str, value: Option<u64>| {
            if let Some(value) = value {
                #[allow(clippy::cast_precision_loss, reason = "Prometheus has floating point numbers only")]
                limits.push((format!("{of},{}", label("limit", of_what)), value as f64));
            }
        };
        limit("podSoft", node.open_files.pod.as_ref().map(|limits| limits.soft));
        limit("podHard", node.open_files.pod.as_ref().map(|limits| limits.hard));
        limit("nrOpen", node.open_files.nr_open);
        limit("fileMax", node.open_files.file_max);
    }
    family("open_files", "Limits on open files.", limits);
    let info = nodes().map(|(of, node)| {
        let text = |key: &str, value: &Option<String>| label(key, value.as_deref().unwrap_or_default());
        let labels = [text("kernel", &node.kernel), text("runtime", &node.runtime), text("kubelet", &node.kubelet)];
        (format!("{of},{},{}", labels.join(","), text("cgroups", &node.cgroups)), 1.0)
    });
    family("info", "Versions.", info.collect());
    let mut verdicts = Vec::new();
    for joined in &report.verdicts {
        for node in &joined.nodes {
            let value = match node.verdict.answer {
                Answer::Yes => 1.0,
                Answer::No => 0.0,
                Answer::Unknown => f64::NAN,
            };
            let labels = [label("node", &node.node), label("for", joined.r#for), label("mode", joined.mode)];
            verdicts.push((labels.join(","), value));
        }
    }
    family("fit", "Whether an application can run: 1 yes, 0 no, NaN not known.", verdicts);
    let mut findings = Vec::new();
    for (index, node) in report.nodes.iter().enumerate() {
        let of = name(node, index);
        for (severity, word) in [(Severity::Breaks, "breaks"), (Severity::Unknown, "unknown"), (Severity::Note, "note")]
        {
            let of_it = |placed: &&super::report::Placed| placed.node == of && placed.finding.severity == severity;
            let count = report.findings.iter().filter(of_it).count();
            if count > 0 {
                #[allow(clippy::cast_precision_loss, reason = "there are not that many")]
                findings.push((format!("{},{}", label("node", &of), label("severity", word)), count as f64));
            }
        }
    }
    family("findings", "What of the given manifests the node cannot honour.", findings);
    text
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_context::facts::NodeFacts;

    #[test]
    fn a_hostile_name_stays_within_its_label() {
        let node =
            NodeFacts { name: Some("a\"} 1\nx{b=\"\\".to_owned()), apparmor: Some(true), ..NodeFacts::default() };
        let text = metrics(&Report { nodes: vec![node], ..Report::default() });
        assert!(text.contains(r#"ringfence_node_fact{node="a\"} 1\nx{b=\"\\",fact="apparmor"} 1"#), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("ringfence_node_")), "{text}");
    }
}
