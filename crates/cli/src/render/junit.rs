//! JUnit XML, which build servers show as test results: a suite for each file, a case for each object.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::BytesText;

use crate::diagnostic::Diagnostic;

/// The cases of one file.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    /// The file.
    pub(crate) name: String,
    /// Its objects.
    pub(crate) cases: Vec<Case>,
}

/// One object, as a test.
#[derive(Debug)]
pub(crate) struct Case {
    /// `Deployment shop/web`.
    pub(crate) name: String,
    /// What was asked: the levels and versions.
    pub(crate) class: String,
    /// What was found; none is a pass.
    pub(crate) failures: Vec<Diagnostic>,
}

/// Writes the whole report.
pub(crate) fn write(suites: &[Suite], out: impl Write) -> io::Result<()> {
    let count =
        |suite: &Suite| (suite.cases.len(), suite.cases.iter().filter(|case| !case.failures.is_empty()).count());
    let (tests, failures) = suites.iter().map(count).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let mut writer = Writer::new_with_indent(out, b' ', 2);
    writer.write_event(quick_xml::events::Event::Decl(quick_xml::events::BytesDecl::new(
        "1.0",
        Some("UTF-8"),
        None,
    )))?;
    writer
        .create_element("testsuites")
        .with_attributes([("name", "ringfence"), ("tests", &*tests.to_string()), ("failures", &*failures.to_string())])
        .write_inner_content(|writer| suites.iter().try_for_each(|suite| write_suite(suite, count(suite), writer)))?;
    writeln!(writer.get_mut())
}

fn write_suite<W: Write>(suite: &Suite, (tests, failures): (usize, usize), writer: &mut Writer<W>) -> io::Result<()> {
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", &*clean(&suite.name)),
            ("tests", &*tests.to_string()),
            ("failures", &*failures.to_string()),
        ])
        .write_inner_content(|writer| suite.cases.iter().try_for_each(|case| write_case(case, writer)))?;
    Ok(())
}

fn write_case<W: Write>(case: &Case, writer: &mut Writer<W>) -> io::Result<()> {
    let name = clean(&case.name);
    let element = writer.create_element("testcase").with_attributes([("name", &*name), ("classname", &*case.class)]);
    if case.failures.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element
        .write_inner_content(|writer| case.failures.iter().try_for_each(|failure| write_failure(failure, writer)))?;
    Ok(())
}

fn write_failure<W: Write>(failure: &Diagnostic, writer: &mut Writer<W>) -> io::Result<()> {
    let place = &failure.place;
    let mut text = format!("{}:{}:{}: {}", place.source, place.line, place.column, failure.field);
    for help in &failure.help {
        text += "\n";
        text += help;
    }
    writer
        .create_element("failure")
        .with_attributes([("type", &*clean(&failure.code)), ("message", &*clean(&failure.message))])
        .write_text_content(BytesText::new(&clean(&text)))?;
    Ok(())
}

/// XML 1.0 has no way to write most control characters.
fn clean(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}
