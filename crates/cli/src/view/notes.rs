//! What is said above and below a container's table.

use std::io::{self, Write};

use anstyle::{AnsiColor, Effects, Style};
use ringfence_context::effective::{ContainerKind, EffectiveContainer, Refusal, Warning};
use ringfence_context::origin::Origin;

use super::table::{BAD, HEADING};
use super::{Declared, clean};

const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);

/// The line above a table: whose it is.
pub(crate) fn heading(
    out: &mut impl Write,
    title: &str,
    container: &EffectiveContainer,
    source: &str,
) -> io::Result<()> {
    let kind = match container.kind {
        ContainerKind::Init => "init container",
        ContainerKind::Sidecar => "sidecar",
        ContainerKind::Main => "container",
        ContainerKind::Ephemeral => "ephemeral container",
    };
    let image = container.image.as_ref().map_or_else(String::new, |image| format!(", image {image}"));
    let (whose, image) = (format!("{title}, {kind} {}", container.name), format!("{image} ({source})"));
    writeln!(out, "{HEADING}{}{HEADING:#}{}", clean(&whose), clean(&image))
}

/// The lines below a table: what will be refused, and what has no effect.
pub(crate) fn notes(
    out: &mut impl Write,
    declared: &dyn Declared,
    refusal: Option<&Refusal>,
    warnings: &[Warning],
) -> io::Result<()> {
    let at = |field: &str| declared.declared(field).map_or_else(|| field.to_owned(), |(_, place)| place);
    if let Some(refusal) = refusal {
        let place = match &refusal.origin {
            Some(Origin::Container { field } | Origin::Pod { field }) => format!(" ({})", at(field)),
            _ => String::new(),
        };
        writeln!(out, "  {BAD}will not start{BAD:#}: {}: {}{place}", refusal.reason.as_str(), clean(&refusal.message))?;
    }
    for warning in warnings {
        writeln!(
            out,
            "  {WARNING}warning{WARNING:#}[{}]: {} ({})",
            warning.code,
            clean(&warning.message),
            at(&warning.field)
        )?;
        if let Some(hint) = &warning.hint {
            writeln!(out, "    help: {}", clean(hint))?;
        }
    }
    Ok(())
}
