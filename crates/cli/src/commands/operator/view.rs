//! A plan for people, for programs and for bash.

use std::io::{self, Write};

use ringfence_operators::plan::{Check, Command, Fact, Plan, Step};
use serde_json::Value;

use crate::view::{BAD, GOOD, HEADING, clean};
use crate::yaml;

type Holds<'a> = &'a dyn Fn(&Fact) -> Option<bool>;

/// A word as every shell takes it for itself: within single quotes nothing has a meaning but their end.
pub(super) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// What a command prints that is so.
fn expectation(check: &Check) -> String {
    match (&check.expected, check.fails) {
        (Some(expected), _) => format!("prints {expected}"),
        (None, true) => "says that it is not found".to_owned(),
        (None, false) => "succeeds".to_owned(),
    }
}

fn value(value: &Value) -> String {
    if value.is_null() { "(take it out)".to_owned() } else { value.to_string() }
}

pub(super) fn text(out: &mut impl Write, plan: &Plan, holds: Holds<'_>) -> io::Result<()> {
    writeln!(out, "{HEADING}{}{HEADING:#}\n", clean(&plan.title))?;
    if plan.steps.is_empty() {
        writeln!(out, "nothing is to be done\n")?;
    }
    for (number, step) in plan.steps.iter().enumerate() {
        writeln!(out, "{HEADING}{}. {}{HEADING:#}", number + 1, clean(&step.title))?;
        writeln!(out, "   {}", clean(&step.why))?;
        if let Some(warning) = &step.warning {
            writeln!(out, "   {BAD}{}{BAD:#}", clean(warning))?;
        }
        checks(out, "before", &step.before, holds)?;
        for edit in &step.edits {
            writeln!(out, "   edit:   {}: {}", clean(&edit.field), clean(&value(&edit.value)))?;
        }
        for command in &step.commands {
            writeln!(out, "   type:   {}", clean(&line(&command.words)))?;
            if let Some(input) = &command.input {
                writeln!(out, "           {}: `ringfence operator scc redis-enterprise` prints it", input.name)?;
            }
            if let Some(prints) = &command.prints {
                writeln!(out, "           prints: {}", clean(prints))?;
            }
        }
        checks(out, "after", &step.after, holds)?;
        writeln!(out)?;
    }
    for note in &plan.notes {
        writeln!(out, "note: {}", clean(note))?;
    }
    Ok(())
}

fn checks(out: &mut impl Write, when: &str, checks: &[Check], holds: Holds<'_>) -> io::Result<()> {
    for check in checks {
        write!(out, "   {:<8}{}", format!("{when}:"), clean(&check.statement))?;
        match check.fact.as_ref().and_then(holds) {
            Some(true) => writeln!(out, " {GOOD}(is so){GOOD:#}")?,
            Some(false) => writeln!(out, " {BAD}(is not so){BAD:#}")?,
            None => writeln!(out)?,
        }
        writeln!(out, "           {}   # {}", clean(&line(&check.words)), clean(&expectation(check)))?;
    }
    Ok(())
}

/// The plan, each check with `holds` where the cluster could answer.
pub(super) fn json(plan: &Plan, holds: Holds<'_>) -> io::Result<Value> {
    let mut document = serde_json::to_value(plan)?;
    for (index, step) in plan.steps.iter().enumerate() {
        for (key, checks) in [("before", &step.before), ("after", &step.after)] {
            for (at, check) in checks.iter().enumerate() {
                let answer = check.fact.as_ref().and_then(holds);
                if let (Some(answer), Some(written)) =
                    (answer, document.pointer_mut(&format!("/steps/{index}/{key}/{at}")).and_then(Value::as_object_mut))
                {
                    written.insert("holds".to_owned(), answer.into());
                }
            }
        }
    }
    Ok(document)
}

pub(super) fn markdown(out: &mut impl Write, plan: &Plan, holds: Holds<'_>) -> io::Result<()> {
    writeln!(out, "# {}\n", plain(&plan.title))?;
    if plan.steps.is_empty() {
        writeln!(out, "Nothing is to be done.\n")?;
    }
    for (number, step) in plan.steps.iter().enumerate() {
        writeln!(out, "## {}. {}\n\n{}\n", number + 1, plain(&step.title), plain(&step.why))?;
        if let Some(warning) = &step.warning {
            writeln!(out, "> **Warning:** {}\n", plain(warning))?;
        }
        list(out, "Before", &step.before, holds)?;
        for edit in &step.edits {
            writeln!(out, "Set {} to {}.\n", code(&edit.field), code(&value(&edit.value)))?;
        }
        for command in &step.commands {
            fenced(out, &line(&command.words))?;
        }
        list(out, "After", &step.after, holds)?;
    }
    for note in &plan.notes {
        writeln!(out, "- {}", plain(note))?;
    }
    Ok(())
}

fn list(out: &mut impl Write, when: &str, checks: &[Check], holds: Holds<'_>) -> io::Result<()> {
    if checks.is_empty() {
        return Ok(());
    }
    writeln!(out, "{when}:\n")?;
    for check in checks {
        let mark = if check.fact.as_ref().and_then(holds) == Some(true) { 'x' } else { ' ' };
        let (words, expectation) = (line(&check.words), expectation(check));
        writeln!(out, "- [{mark}] {}: {} {}", plain(&check.statement), code(&words), plain(&expectation))?;
    }
    writeln!(out)
}

/// Text in which Markdown finds nothing to do.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for character in clean(text).chars() {
        if "\\`*_[]<>#|".contains(character) {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

/// A span of code, within more backticks than it has.
fn code(text: &str) -> String {
    let text = clean(text);
    let ticks = "`".repeat(longest_run(&text) + 1);
    if text.starts_with('`') || text.ends_with('`') {
        format!("{ticks} {text} {ticks}")
    } else {
        format!("{ticks}{text}{ticks}")
    }
}

fn fenced(out: &mut impl Write, text: &str) -> io::Result<()> {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    writeln!(out, "{fence}sh\n{}\n{fence}\n", clean(text))
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

/// What the script's checks are made with; only those that it uses are in it.
const SUCCEEDS: &str = r#"succeeds() { # STATEMENT COMMAND...
  local statement=$1
  shift
  "$@" >&2 || not_so "$statement"
  say "    is so: $statement"
}
"#;
const PRINTS: &str = r#"prints() { # STATEMENT EXPECTED COMMAND...
  local statement=$1 expected=$2 found
  shift 2
  # A command may say no by its exit status too.
  found=$("$@" || true)
  [ "$found" = "$expected" ] || not_so "$statement (found: $found)"
  say "    is so: $statement"
}
"#;
const NOT_FOUND: &str = r#"not_found() { # STATEMENT COMMAND...
  local statement=$1 found
  shift
  # Only that it is not there counts, not that nobody could be asked.
  if found=$("$@" 2>&1) || [[ $found != *NotFound* ]]; then
    not_so "$statement (found: $found)"
  fi
  say "    is so: $statement"
}
"#;

/// Words for the reader, without the backticks that a shell would take for a command if they were not quoted.
fn said(text: &str) -> String {
    quote(&clean(&text.replace('`', "")))
}

/// A script that stops at the first check that does not hold.
pub(super) fn script(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    writeln!(out, "#!/usr/bin/env bash\n# {}\n# Read it before you run it.\nset -euo pipefail\n", clean(&plan.title))?;
    writeln!(out, "say() {{ printf '%s\\n' \"$*\" >&2; }}")?;
    let all: Vec<&Check> = plan.steps.iter().flat_map(|step| step.before.iter().chain(&step.after)).collect();
    if !all.is_empty() {
        writeln!(out, "not_so() {{\n  say \"    is NOT so: $1\"\n  exit 1\n}}")?;
    }
    for (function, text) in [("succeeds", SUCCEEDS), ("prints", PRINTS), ("not_found", NOT_FOUND)] {
        if all.iter().any(|check| function_of(check) == function) {
            write!(out, "{text}")?;
        }
    }
    for (number, step) in plan.steps.iter().enumerate() {
        script_of(out, number + 1, step)?;
    }
    writeln!(out)?;
    for note in &plan.notes {
        writeln!(out, "say {}", said(&format!("note: {note}")))?;
    }
    writeln!(out, "say 'done'")
}

fn script_of(out: &mut impl Write, number: usize, step: &Step) -> io::Result<()> {
    writeln!(out, "\nsay {}", said(&format!("{number}. {}", step.title)))?;
    if let Some(warning) = &step.warning {
        writeln!(out, "say {}", said(&format!("    {warning}")))?;
    }
    for check in &step.before {
        script_check(out, check)?;
    }
    for edit in step.edits.iter().filter(|_| step.commands.is_empty()) {
        let text = format!("    edit {}: {}", edit.field, value(&edit.value));
        writeln!(out, "say {}", said(&text))?;
    }
    for command in &step.commands {
        script_command(out, command)?;
    }
    if step.commands.is_empty() {
        writeln!(out, "say '    this step is yours: run the script again once it is done'")?;
    }
    for check in &step.after {
        script_check(out, check)?;
    }
    Ok(())
}

fn script_command(out: &mut impl Write, command: &Command) -> io::Result<()> {
    let Some(input) = &command.input else { return writeln!(out, "{}", line(&command.words)) };
    // The manifest is in the script, so that it needs no file beside it.
    let words: Vec<String> =
        command.words.iter().map(|word| if word == input.name { "-".to_owned() } else { word.clone() }).collect();
    let text = yaml::document(&input.object);
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    writeln!(out, "{} <<'{end}'\n{text}{end}", line(&words))
}

fn function_of(check: &Check) -> &'static str {
    match (&check.expected, check.fails) {
        (Some(_), _) => "prints",
        (None, true) => "not_found",
        (None, false) => "succeeds",
    }
}

fn script_check(out: &mut impl Write, check: &Check) -> io::Result<()> {
    let statement = quote(&clean(&check.statement));
    let expected = check.expected.as_ref().map_or_else(String::new, |expected| format!(" {}", quote(expected)));
    if check.words.iter().any(|word| word.contains('$')) {
        writeln!(out, "# shellcheck disable=SC2016 # it is for the inner shell to expand")?;
    }
    writeln!(out, "{} {statement}{expected} {}", function_of(check), line(&check.words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_every_word_as_it_is() {
        for word in
            ["", "plain", "a b", "it's", "$(id)", "`id`", "a\nb", "\\", "'", "''", "*", "~", "!x", "é", "-n", "#"]
        {
            let script = format!("printf '%s' {}", quote(word));
            let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&shell.stdout), word, "{script}");
        }
    }

    #[test]
    fn no_name_leaves_its_place_in_a_script_or_a_page() {
        let hostile = "x\nrm -rf /\n```\n'; id #";
        let step = Step {
            title: hostile.to_owned(),
            commands: vec![Command { words: vec!["echo".to_owned(), hostile.to_owned()], input: None, prints: None }],
            ..Step::default()
        };
        let plan = Plan { title: hostile.to_owned(), steps: vec![step], notes: vec![hostile.to_owned()] };
        let mut text = Vec::new();
        script(&mut text, &plan).unwrap();
        let output =
            std::process::Command::new("bash").args(["-n", "-c", &String::from_utf8(text.clone()).unwrap()]).output();
        assert!(output.unwrap().status.success());
        let run = std::process::Command::new("bash").args(["-c", &String::from_utf8(text).unwrap()]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout), format!("{hostile}\n"));
        let mut page = Vec::new();
        markdown(&mut page, &plan, &|_| None).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.lines().any(|line| line == "rm -rf /"), "{page}");
    }
}
