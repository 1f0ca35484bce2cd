//! The verdicts by range of versions, for people.

use std::fmt::Write as _;

use super::ObjectReport;

/// One line for each range of versions with one answer; empty when only one version was asked for.
pub(crate) fn ranges(report: &ObjectReport) -> String {
    let mut text = String::new();
    for verdict in report.pss.iter().filter(|verdict| verdict.from != verdict.to) {
        let range = format!("{}…{}", verdict.from, verdict.to);
        let answer = if verdict.allowed { "admitted".to_owned() } else { format!("refused: {}", verdict.reason) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<10} {range:<15} {answer}", verdict.level);
    }
    text
}
