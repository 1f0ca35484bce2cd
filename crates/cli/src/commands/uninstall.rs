//! `ringfence uninstall`.

use ringfence_live::Cluster;

use super::{chain, complain, output_failed};
use crate::cluster::LiveArgs;
use crate::exit::Exit;
use crate::install::{Chart, Choices, InstallError, MANAGER, Session, is_webhook};
use crate::view::clean;

/// Take the admission webhooks out of a cluster
///
/// The webhook configurations go first, so that the cluster recovers at once, whatever the servers do; then all else
/// that `ringfence install` made, and the namespace. What others made or manage stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 nothing is left, 2 something is.")]
pub(crate) struct Args {
    /// The namespace that it was installed into.
    #[arg(long, value_name = "NAME", default_value = "ringfence-system")]
    namespace: String,

    #[command(flatten)]
    live: LiveArgs,

    /// Remove the definitions of resources, too, and with them every object of these kinds: all constraints.
    #[arg(long)]
    crds: bool,

    /// Have the API server say what it would do.
    #[arg(long, value_name = "WHERE", require_equals = true)]
    dry_run: Option<DryRun>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    /// By the API server, which stores nothing.
    Server,
}

pub(crate) fn main(args: &Args) -> Exit {
    match run(args) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&clean(&chain(&*error)));
            Exit::Failure
        }
    }
}

fn run(args: &Args) -> Result<Exit, Box<dyn std::error::Error>> {
    let cluster = Cluster::connect(&args.live.target())?;
    let session = Session { cluster: &cluster, dry_run: args.dry_run.is_some(), force: false };
    // Everything that an installation can have, the last first.
    let yes = |path| (path, true.into());
    let mut values = vec![yes("scc.enabled"), yes("scc.crd"), yes("namespace.create"), ("image", "any".into())];
    values.push(("podSecurityConfiguration", serde_json::json!({"any": true})));
    let choices = Choices { namespace: args.namespace.clone(), manager: MANAGER.to_owned(), values };
    let mut objects = Chart::render(&choices)?.objects;
    objects.reverse();
    // The cluster must recover, even if something else manages it all; that is said afterwards.
    let (webhooks, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_webhook);
    let mut exit = Exit::Clean;
    for object in webhooks.iter().chain(&others) {
        if object["kind"] == "CustomResourceDefinition" && !args.crds {
            continue;
        }
        match session.delete(object) {
            Ok(false) => {}
            Ok(true) => exit = Exit::Failure,
            Err(InstallError::Output(error)) => return Ok(output_failed(&error)),
            // The rest is to go all the same.
            Err(error) => {
                complain(&clean(&chain(&error)));
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}
