//! `ringfence uninstall`.

use ringfence_live::Cluster;
use serde_json::Value;

use super::install::WAIVERS;
use super::{chain, complain, output_failed};
use crate::cluster::LiveArgs;
use crate::exit::Exit;
use crate::install::{Chart, InstallError, Session, as_place, is_webhook, left};
use crate::view::clean;

/// Take the admission webhooks out of a cluster
///
/// The webhook configurations go first, so that the cluster recovers at once, whatever the servers do; then all else
/// that `ringfence install` made, what the controllers and reports wrote for themselves, and the namespace. What others
/// made or manage stays, and so do labels and ranges of namespaces.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 nothing is left, 2 something is.")]
pub(crate) struct Args {
    /// The namespace that it was installed into.
    #[arg(long, value_name = "NAME", default_value = "ringfence-system")]
    namespace: String,

    #[command(flatten)]
    live: LiveArgs,

    /// The namespace whose waivers counted.
    #[arg(long, value_name = "NAMESPACE", default_value = WAIVERS)]
    waivers_from: String,

    /// Remove the definitions of resources, too, and with them every object of these kinds: all constraints, all waivers.
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
    let mut objects = Chart::everything(&args.namespace, &args.waivers_from)?.objects;
    objects.reverse();
    let is_own_namespace =
        |object: &Value| object["kind"] == "Namespace" && object["metadata"]["name"] == args.namespace;
    // Definitions go with everything that they define, and that namespace with the waivers in it.
    objects.retain(|object| {
        args.crds
            || is_own_namespace(object)
            || !matches!(object["kind"].as_str(), Some("Namespace" | "CustomResourceDefinition"))
    });
    // The cluster must recover, even if something else manages it all; that is said afterwards.
    let (webhooks, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_webhook);
    let (namespace, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_own_namespace);
    let mut exit = Exit::Clean;
    let mut note = |done: Result<bool, InstallError>| match done {
        Ok(false) => Ok(()),
        Ok(true) => {
            exit = Exit::Failure;
            Ok(())
        }
        Err(InstallError::Output(error)) => Err(error),
        // The rest is to go all the same.
        Err(error) => {
            complain(&clean(&chain(&error)));
            exit = Exit::Failure;
            Ok(())
        }
    };
    let mut remove = || -> std::io::Result<()> {
        for object in webhooks.iter().chain(&others) {
            note(session.delete(object))?;
        }
        // Nobody may write these any more.
        match left(&cluster, &args.namespace) {
            Ok(all) => {
                for at in &all {
                    note(session.delete_at(as_place(at)).map(|()| false))?;
                }
            }
            Err(error) => {
                complain(&clean(&chain(&error)));
                note(Ok(true))?;
            }
        }
        for object in &namespace {
            note(session.delete(object))?;
        }
        Ok(())
    };
    if let Err(error) = remove() {
        return Ok(output_failed(&error));
    }
    Ok(exit)
}
