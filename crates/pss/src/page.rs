//! The reference page of a control, from its doc comment and its data.

use crate::{control::Control, words::plural};
use std::fmt::Write as _;

pub(crate) fn page(control: &Control) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write!(page, "# {}\n\n{}. A control of the {} level", control.id, control.title, control.level);
    if let Some(first) = control.revisions.first() {
        let _ = write!(page, ", since {}", first.since);
    }
    page.push_str(".\n\n");
    for line in control.docs.lines() {
        page.push_str(line.strip_prefix(' ').unwrap_or(line));
        page.push('\n');
    }

    let _ = write!(page, "\n## Restricted {}\n\n", plural("field", "fields", control.fields.len()));
    page.push_str("| Field | Allowed |\n| --- | --- |\n");
    for field in control.fields {
        let _ = writeln!(page, "| `{}` | {} |", field.path, field.allowed);
    }
    if control.fields.iter().any(|field| field.is_of_container()) {
        page.push_str(
            "\n`containers` stands for `initContainers` (sidecars among them) and `ephemeralContainers` as well.\n",
        );
    }

    page.push_str("\n## Versions\n\n");
    for revision in control.revisions {
        let _ = writeln!(page, "- {}: {}", revision.since, revision.change);
    }
    let overrides = control.revisions.iter().flat_map(|revision| revision.overrides).next();
    if let Some(id) = overrides {
        let _ = write!(page, "\nAt the restricted level it stands in for `{id}`.\n");
    }
    page
}
