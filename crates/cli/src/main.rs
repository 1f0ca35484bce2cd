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
    // Docker's flags end at the image, and what follows belongs to the container: clap has no such rule.
    if let Some(exit) = docker::intercept(std::env::args_os()) {
        return exit.into();
    }
    args::Cli::parse().run().into()
}
