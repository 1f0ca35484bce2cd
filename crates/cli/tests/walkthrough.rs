//! docs/walkthrough.md, its commands run as they are written there: as root, and as a user who has subordinate IDs.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

#[allow(dead_code, reason = "only its paths are used here")]
mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

/// A command, what is typed into it, and what it should print.
#[derive(Debug, Default)]
struct Step {
    command: String,
    typed: Vec<String>,
    printed: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: command.to_owned(), ..Step::default() });
            } else if let Some(typed) = line.strip_prefix("/ $ ").or_else(|| line.strip_prefix("/ # ")) {
                steps.last_mut().unwrap().typed.push(typed.to_owned());
            } else {
                steps.last_mut().unwrap().printed.push(line.to_owned());
            }
        }
    }
    steps
}

/// Whether a line is as the page has it; `...` is anything.
fn is_like(line: &str, wanted: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let (line, wanted) = (words(line), words(wanted));
    let mut rest = line.as_str();
    for (i, part) in wanted.split("...").map(str::trim).enumerate() {
        let Some(at) = rest.find(part) else { return false };
        if i == 0 && at != 0 {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    wanted.ends_with("...") || rest.is_empty()
}

#[test]
fn a_line_may_leave_something_open() {
    assert!(is_like("drwxrwsrwx 2 root  2000 4096 Nov 22 01:11 demo", "drwxrwsrwx ... root 2000 ... demo"));
    assert!(!is_like("drwxrwsrwx 2 root  2000 4096 Nov 22 01:11 demo2", "drwxrwsrwx ... root 2000 ... demo"));
    assert!(!is_like("xdrwxrwsrwx 2 root 2000 demo", "drwxrwsrwx ... root 2000 ... demo"));
}

#[test]
fn the_page_runs_as_it_is_written() {
    if !ringfence_runtime::observe::is_privileged()
        && let Some(why) = ringfence_runtime::subordinate::missing()
    {
        println!("skipped: {why}");
        return;
    }
    let page = std::fs::read_to_string(common::root().join("docs/walkthrough.md")).unwrap();
    let steps = steps(&page);
    assert!(steps.len() >= 10, "{steps:?}");
    // Named as the page has it, and in a /run or a TMPDIR of its own: other tests have pods, too.
    let own = tempfile::tempdir().unwrap();
    let is_root = ringfence_runtime::observe::is_privileged();
    let mut shell = if is_root {
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--propagation", "private", "sh"]);
        shell
    } else {
        let mut shell = Command::new("sh");
        shell.env("TMPDIR", own.path()).env_remove("XDG_RUNTIME_DIR");
        shell
    };
    shell.current_dir(common::root());
    let binary = common::binary();
    let binary = binary.parent().unwrap();
    let path = std::env::join_paths(
        [binary.to_path_buf()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    shell.env("PATH", path.unwrap());
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut script = if is_root { "set -e; mount -t tmpfs none /run\n" } else { "set -e\n" }.to_owned();
    for (i, step) in steps.iter().enumerate() {
        script += &format!("echo '=== {i}'\n");
        if step.typed.is_empty() {
            script += &format!("{} </dev/null\n", step.command);
        } else {
            script += &format!("{} <<'TYPED'\n{}\nTYPED\n", step.command, step.typed.join("\n"));
        }
    }
    let base = if is_root { "/run/ringfence" } else { "$TMPDIR/ringfence-*" };
    script += &format!("echo '=== end'; ls -A {base}\n");
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(output.status.success(), "{out}");
    for (i, step) in steps.iter().enumerate() {
        let printed = out.split(&format!("=== {i}\n")).nth(1).unwrap().split("=== ").next().unwrap();
        // The shell's prompts stand before what the commands print.
        let mut lines = printed.lines().map(|line| line.trim_start_matches(['$', '#', ' ']));
        for wanted in step.printed.iter().filter(|wanted| *wanted != "...") {
            // What is typed into a terminal is printed, too, so that other lines may come between.
            assert!(lines.any(|line| is_like(line, wanted)), "{:?}: no {wanted:?} in\n{printed}", step.command);
        }
    }
    assert_eq!(out.split("=== end\n").nth(1), Some(""), "something is left behind");
}

#[test]
fn a_user_with_subordinate_ids_sees_the_same() {
    common::again_without_root(common::Caller::UserWithIds, &["the_page_runs_as_it_is_written"]);
}

#[test]
fn root_of_a_user_namespace_sees_the_same() {
    common::again_without_root(common::Caller::NamespaceRootWithIds, &["the_page_runs_as_it_is_written"]);
}
