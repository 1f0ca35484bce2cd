//! An admission, for people.

use std::fmt::Write as _;

use super::AdmissionReport;
use crate::view::clean;

/// What became of a pod that was let through, and what whoever makes it is warned of.
pub(crate) fn describe(report: &AdmissionReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |words: &str| {
        let _ = writeln!(text, "    {}", clean(words));
    };
    let admission = &report.admission;
    if let Some(granted) = &admission.grant {
        line(&format!("usable because {granted}"));
    }
    if let Some(why) = &report.why {
        let unusable: Vec<&str> =
            why.before.iter().filter(|before| before.outcome == "not usable").map(|before| &*before.scc).collect();
        if !unusable.is_empty() {
            line(&format!("asked before it, but not usable: {}", unusable.join(", ")));
        }
        for before in why.before.iter().filter(|before| before.outcome == "refused") {
            line(&format!("asked before it: {}, which objects to {}", before.scc, before.fields.join(", ")));
        }
        if let Some(next) = &why.next {
            line(&format!("comes before {}, which would do as well: {}", next.scc, next.because));
        }
    }
    if let Some(skipped) = &report.scc_skipped {
        line(skipped);
    }
    for filled in &report.filled_in {
        line(&format!("fills in {}: {}", filled.field, filled.value));
    }
    for warning in &admission.at_once {
        line(&format!("warning on applying: {warning}"));
    }
    for warning in &admission.warnings {
        line(&format!("warning: {warning}"));
    }
    for assumption in &admission.assumptions {
        line(&format!("note: {assumption}"));
    }
    text
}
