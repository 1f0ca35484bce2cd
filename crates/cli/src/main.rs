//! The ringfence command: arguments, output formats and exit codes. What is right and what is wrong the libraries know.
#![forbid(unsafe_code)]

mod admit;
mod args;
mod check;
mod cluster;
mod commands;
mod demonstration;
mod diagnostic;
mod docker;
mod exit;
mod facts;
mod images;
mod input;
mod install;
mod jsonl;
mod log;
mod machine;
mod node;
mod objects;
mod operators;
mod pods;
mod progress;
mod pull;
mod render;
mod running;
mod self_signed;
mod store;
mod verify;
mod view;
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // The probe in a container and the guardian of a run are this same binary.
    if let Some(code) = ringfence_runtime::inside::main(std::env::args_os()) {
        return code;
    }
    begin_anew_where_containers_start();
    // Docker's flags end at the image, and what follows belongs to the container: clap has no such rule.
    if let Some(exit) = docker::intercept(std::env::args_os()) {
        return exit.into();
    }
    args::Cli::parse().run().into()
}

/// Commands that start containers do so from where no container can write to this program, for which it starts once
/// more. That is done before the arguments are read, which would be done twice. A failure is theirs to tell of: each of
/// them asks again, and starts nothing then.
fn begin_anew_where_containers_start() {
    let starts = |command: std::ffi::OsString| command == "run" || command == "exec";
    if std::env::args_os().nth(1).is_some_and(starts) {
        drop(ringfence_runtime::protect::protect());
    }
}
