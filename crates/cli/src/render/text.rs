//! Reports for people, in the manner of rustc.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::Diagnostic;

/// The report of one finding, with colours; the stream that prints it takes them out where they are not wanted.
pub(crate) fn report(diagnostic: &Diagnostic) -> String {
    let place = &diagnostic.place;
    let title = Level::ERROR.primary_title(&*diagnostic.message).id(&*diagnostic.code);
    let mut group = Group::with_title(title);
    if place.line > 0 {
        let mut snippet = Snippet::source(&*place.excerpt.text)
            .line_start(place.excerpt.first_line)
            .fold(false)
            .annotation(AnnotationKind::Primary.span(place.excerpt.span.clone()).label(&*diagnostic.label));
        if place.excerpt.cut {
            // The renderer would count columns from where the line was cut.
            group = group.element(Origin::path(&*place.source).line(place.line).char_column(place.column));
        } else {
            snippet = snippet.path(&*place.source);
        }
        group = group.element(snippet);
    } else {
        group = group.element(Origin::path(&*place.source));
    }
    if !diagnostic.object.is_empty() {
        group = group.element(Level::NOTE.message(format!("in {}", diagnostic.object)));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    Renderer::styled().term_width(width()).render(&[group])
}

/// The terminal's width in columns; wide where output goes to a file.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(140, |(width, _)| usize::from(width.0).max(40))
}
