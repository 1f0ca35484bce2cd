//! What a node check comes to: nodes, findings and verdicts.

use ringfence_context::facts::NodeFacts;
use ringfence_context::node::{Answer, ELASTICSEARCH, Finding, Need, REDIS_ENTERPRISE, Severity, Verdict};
use ringfence_context::node::{privileged_mode, unprivileged_mode};
use serde::Serialize;

use crate::exit::Exit;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) nodes: Vec<NodeFacts>,
    pub(crate) verdicts: Vec<Joined>,
    pub(crate) findings: Vec<Placed>,
}

/// A finding, with whose it is and where it is written.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    pub(crate) node: String,
    pub(crate) object: String,
    pub(crate) source: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

/// One answer for all nodes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    /// The application.
    pub(crate) r#for: &'static str,
    /// `unprivileged`, `privileged`, or `any` where an application has no modes.
    pub(crate) mode: &'static str,
    /// What is answered, as a statement.
    pub(crate) statement: String,
    pub(crate) answer: Answer,
    /// Each node's own.
    pub(crate) nodes: Vec<OfNode>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OfNode {
    pub(crate) node: String,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

/// A node's name, or which it is.
pub(crate) fn name(node: &NodeFacts, index: usize) -> String {
    node.name.clone().unwrap_or_else(|| format!("node {}", index + 1))
}

impl Report {
    /// Judges the nodes for applications.
    pub(crate) fn judge(&mut self, needs: &[Need]) {
        for need in needs {
            if need.name == REDIS_ENTERPRISE.name {
                self.join(need, "unprivileged", "unprivileged mode is safe on", unprivileged_mode);
                self.join(need, "privileged", "privileged mode works on", privileged_mode);
            } else {
                self.join(need, "any", &format!("{} can run on", need.title), |node| {
                    ringfence_context::node::runs(need, node)
                });
            }
        }
    }

    fn join(&mut self, need: &Need, mode: &'static str, statement: &str, judge: impl Fn(&NodeFacts) -> Verdict) {
        let of_node = |(index, node)| OfNode { node: name(node, index), verdict: judge(node) };
        let nodes: Vec<_> = self.nodes.iter().enumerate().map(of_node).collect();
        let answer = nodes.iter().map(|node| node.verdict.answer).max().unwrap_or(Answer::Unknown);
        let which = if self.nodes.len() == 1 { "this node" } else { "these nodes" };
        self.verdicts.push(Joined { r#for: need.name, mode, statement: format!("{statement} {which}"), answer, nodes });
    }

    /// 1 where something breaks or cannot be told. Redis Enterprise is judged by its default, unprivileged mode.
    pub(crate) fn exit(&self) -> Exit {
        let broken = self.findings.iter().any(|placed| placed.finding.severity != Severity::Note);
        let mut first = self.verdicts.iter().filter(|joined| joined.mode != "privileged");
        if broken || first.any(|joined| joined.answer != Answer::Yes) { Exit::Findings } else { Exit::Clean }
    }
}

/// The application of that name.
pub(crate) fn need(name: &str) -> Option<Need> {
    [REDIS_ENTERPRISE, ELASTICSEARCH].into_iter().find(|need| need.name == name)
}
