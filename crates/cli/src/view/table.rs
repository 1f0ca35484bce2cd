//! Rows as a table.

use anstyle::{AnsiColor, Effects, Style};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use super::{Agreement, Row, clean};
use crate::render::text::width;

/// The heading of a section, with colours.
pub(crate) const HEADING: Style = Style::new().effects(Effects::BOLD);
/// What agrees.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What does not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// The rows as a table, with colours; `observed` adds the columns of what the kernel says.
pub(crate) fn table(rows: &[Row], observed: bool) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width().min(200) as u16);
    table.enforce_styling();
    let mut header = vec!["field", "declared", "computed", "from"];
    if observed {
        header.extend(["observed", "agreement"]);
    }
    table.set_header(header);
    for row in rows {
        let declared = row.declared.as_ref().map_or_else(String::new, |(value, place)| format!("{value} ({place})"));
        let mut cells: Vec<Cell> =
            [&row.field, &declared, &row.computed, &row.origin].map(|text| Cell::new(clean(text))).into();
        if observed {
            let (mark, color) = match row.agreement {
                Agreement::Agrees => ("agrees", Color::Green),
                Agreement::Differs => ("DIFFERS", Color::Red),
                Agreement::Open => ("", Color::Reset),
            };
            cells.push(Cell::new(clean(row.observed.as_deref().unwrap_or("-"))));
            cells.push(Cell::new(mark).fg(color));
        }
        table.add_row(cells);
    }
    table.trim_fmt()
}
