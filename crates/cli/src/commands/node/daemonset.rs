//! `ringfence node daemonset`.

use std::io::Write as _;

use crate::commands::{complain, output_failed, stdout};
use crate::exit::Exit;

/// The manifest of a DaemonSet that checks every node: an annotation on each Node, and metrics
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image that holds the ringfence binary as its entry point.
    #[arg(long, value_name = "IMAGE")]
    image: String,
}

const EXAMPLES: &str = "\
Examples:
  ringfence node daemonset --image registry.example.com/ringfence:0.1.0 | kubectl apply -f -
  kubectl get nodes -o json > nodes.json && ringfence node check --for redis-enterprise --node nodes.json";

const MANIFEST: &str = include_str!("daemonset.yaml");

pub(super) fn main(args: &Args) -> Exit {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    let begins = args.image.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins || !args.image.bytes().all(fits) {
        complain(&format!(
            "--image {:?} is no name of an image: write it as registry.example.com/ringfence:0.1.0",
            args.image
        ));
        return Exit::Failure;
    }
    let mut out = stdout(false);
    let text = MANIFEST.replace("image: IMAGE", &format!("image: \"{}\"", args.image));
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Clean,
        Err(error) => output_failed(&error),
    }
}
