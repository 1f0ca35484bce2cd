//! `ringfence run` with docker's command line: an image and docker's flags in place of a manifest.

mod arguments;
mod files;
mod prove;
mod run;
mod streams;

use std::ffi::OsString;
use std::path::Path;

use ringfence_docker::Refusal;

use crate::commands;
use crate::exit::Exit;
use arguments::What;

pub(crate) use arguments::Version;
pub(crate) use files::CallersFiles;

/// Runs the command line if it is docker's: `run` with an image. None leaves it to everybody else.
pub(crate) fn intercept(args: impl IntoIterator<Item = OsString>) -> Option<Exit> {
    let args: Option<Vec<String>> = args.into_iter().skip(1).map(|arg| arg.into_string().ok()).collect();
    let (color, rest) = after_run(args?)?;
    match arguments::what(&rest) {
        What::Manifest => None,
        What::Help => Some(help()),
        What::Wrong(refusal) => Some(refuse(&refusal)),
        What::Image(line) => {
            color.as_deref().map(colour);
            Some(if line.own.prove { prove::main(&line) } else { run::main(&line) })
        }
    }
}

/// What follows `run`, and the `--color` before it.
fn after_run(args: Vec<String>) -> Option<(Option<String>, Vec<String>)> {
    let mut rest = args.into_iter();
    let mut color = None;
    loop {
        let arg = rest.next()?;
        match arg.as_str() {
            "run" => return Some((color, rest.collect())),
            "--color" => color = Some(rest.next()?),
            other => color = Some(other.strip_prefix("--color=")?.to_owned()),
        }
    }
}

fn colour(when: &str) {
    match when {
        "always" => anstream::ColorChoice::Always.write_global(),
        "never" => anstream::ColorChoice::Never.write_global(),
        _ => {}
    }
}

/// Says why, and gives docker's exit status.
fn refuse(refusal: &Refusal) -> Exit {
    commands::complain(&refusal.message);
    Exit::Passed(refusal.exit)
}

fn help() -> Exit {
    anstream::print!("{}", arguments::help());
    Exit::Clean
}

/// Whether the path is a root file system: it has what programs and users need.
fn is_rootfs(path: &Path) -> bool {
    path.join("etc").is_dir() || path.join("bin").is_dir() || path.join("usr").is_dir()
}
