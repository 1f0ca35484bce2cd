//! One file for each command: its arguments and its flow.

pub(crate) mod check;
mod control_page;
pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod image;
pub(crate) mod install;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod operator;
pub(crate) mod prove;
pub(crate) mod ps;
pub(crate) mod read;
pub(crate) mod report;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod scc;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod snapshot;
pub(crate) mod sync;
mod sync_watch;
pub(crate) mod uninstall;
pub(crate) mod verify;
pub(crate) mod volume;
pub(crate) mod waiver;
mod watching;

use std::error::Error;
use std::io::{self, Write};

use anstyle::{AnsiColor, Effects, Style};

use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// The error and its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}

/// Says on standard error what the tool could not do.
pub(crate) fn complain(message: &str) {
    anstream::eprintln!("{ERROR}error:{ERROR:#} {message}");
}

/// Standard output is gone: quietly if the reader has had enough, as `head` has.
pub(crate) fn output_failed(error: &io::Error) -> Exit {
    if error.kind() != io::ErrorKind::BrokenPipe {
        complain(&format!("cannot write to standard output: {error}"));
    }
    Exit::Failure
}

/// `1 object`, `2 objects`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Standard output, buffered. Text for people loses its colours where they are not wanted; what programs read goes out
/// byte for byte.
pub(crate) fn stdout(text: bool) -> io::BufWriter<Box<dyn Write>> {
    io::BufWriter::new(if text { Box::new(anstream::stdout()) } else { Box::new(io::stdout()) })
}

const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);

/// Says on standard error what is not as it seems.
pub(crate) fn warn(message: &str) {
    anstream::eprintln!("{WARNING}warning:{WARNING:#} {message}");
}
