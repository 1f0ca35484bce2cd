//! GitHub's workflow commands, which annotate the lines of a pull request.

use crate::diagnostic::Diagnostic;

/// The workflow command for one finding.
/// See "Workflow commands for GitHub Actions", "Setting an error message".
pub(crate) fn command(diagnostic: &Diagnostic) -> String {
    let place = &diagnostic.place;
    let mut properties = format!("file={}", property(&place.source));
    if place.line > 0 {
        properties += &format!(",line={},col={},endLine={}", place.line, place.column, place.end.0);
        // The last column counts only within one line, and includes its character.
        if place.end.0 == place.line {
            properties += &format!(",endColumn={}", place.end.1.saturating_sub(1).max(place.column));
        }
    }
    let mut message = diagnostic.message.clone();
    for help in &diagnostic.help {
        message += "\n";
        message += help;
    }
    let title = property(&format!("{}: {}", diagnostic.code, diagnostic.object));
    format!("::error {properties},title={title}::{}", data(&message))
}

/// Text in the message: only what would end the line is escaped.
fn data(text: &str) -> String {
    let escaped = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    crate::view::clean(&escaped).into_owned()
}

/// Text in a property: what separates properties is escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    #[test]
    fn a_finding_cannot_smuggle_in_a_second_command() {
        let diagnostic = Diagnostic {
            code: "privileged".into(),
            message: "container \"a\n::error::b\" is 100% wrong".into(),
            object: "Pod a,b:c".into(),
            field: String::new(),
            place: Place::new("x,y.yaml", "a: b\n", 3..4, 1, 4),
            label: String::new(),
            help: vec![],
        };
        let line = command(&diagnostic);
        assert_eq!(
            line,
            "::error file=x%2Cy.yaml,line=1,col=4,endLine=1,endColumn=4,title=privileged%3A Pod a%2Cb%3Ac::container \"a%0A::error::b\" is 100%25 wrong"
        );
    }
}
