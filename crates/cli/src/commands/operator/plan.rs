//! `ringfence operator plan`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ringfence_admission::cluster::Snapshot;
use ringfence_admission::rbac::grants;
use ringfence_admission::user::User;
use ringfence_manifest::{Document, Node};
use ringfence_operators::plan::{Ask, Fact, Plan, PlanError, plan, redis_enterprise_scc, redis_enterprise_scc_name};

use super::view;
use crate::cluster::{ClusterArgs, Needs, Scope};
use crate::commands::{chain, complain, output_failed, stdout};
use crate::exit::Exit;
use crate::input::Entry;
use crate::view::clean;

/// The steps of an installation, an upgrade or a change of mode, with what to check before and after each
///
/// Takes a RedisEnterpriseCluster, an Elasticsearch or a ClusterServiceVersion. Nothing is changed: what to type is
/// printed, with names and namespaces filled in, for reading or as a script. With a cluster or its dump, each check that
/// can be answered is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The custom resource as it is wanted, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The version that runs now; without it, it is a new installation.
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,

    /// The version wanted: the operator's for Redis Enterprise, spec.version for Elasticsearch, the oldest OpenShift that
    /// must be supported for a ClusterServiceVersion.
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    /// The custom resource as it runs now, where it differs from the one wanted.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,

    /// The namespace of a resource that does not say its own.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The user that an Elasticsearch before 8.0.0 is to run as.
    #[arg(long, value_name = "UID", default_value = "1234")]
    user: u32,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence operator plan rec.yaml --from 7.8.6-1 --to 7.22.0-6 --platform openshift
  ringfence operator plan rec.yaml --from 7.8.6-1 --to 7.22.0-6 --cluster dump.yaml
  ringfence operator plan rec.yaml --to 7.22.0-6 --platform openshift -o sh > plan.sh
  ringfence operator plan elasticsearch.yaml --user 1234 --platform kubernetes

Exit status: 0, 1 if a check that the cluster could answer does not hold yet, 2 if there is no plan.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// A script for bash that stops at the first check that does not hold.
    Sh,
    /// For a ticket or a page.
    Markdown,
}

pub(super) fn main(args: &Args) -> Exit {
    match make(args) {
        Ok((plan, cluster, incomplete)) => {
            let holds = |fact: &Fact| cluster.as_ref().map(|cluster| holds(fact, cluster));
            let checks = plan.steps.iter().flat_map(|step| &step.after).filter_map(|check| check.fact.as_ref());
            let open = checks.filter(|fact| holds(fact) == Some(false)).count() > 0;
            match print(args.output, &plan, &holds) {
                Ok(()) if incomplete => Exit::Failure,
                Ok(()) if open => Exit::Findings,
                Ok(()) => Exit::Clean,
                Err(error) => output_failed(&error),
            }
        }
        Err(message) => {
            if !message.is_empty() {
                complain(&clean(&message));
            }
            Exit::Failure
        }
    }
}

/// The plan, and the cluster to hold it against if there is one. An empty error has been said already.
fn make(args: &Args) -> Result<(Plan, Option<Snapshot>, bool), String> {
    let loaded = if args.cluster.has_objects() {
        Some(args.cluster.load(Needs::Webhook, Scope::Named(args.namespace.as_slice())).ok_or_else(String::new)?)
    } else {
        None
    };
    let known = loaded.as_ref().map(|loaded| args.cluster.platform_of(loaded));
    let platform = args.cluster.platform().or(known);
    let platform = platform.ok_or("which platform? name it with --platform openshift or --platform kubernetes")?;
    let bytes = read(&args.file)?;
    let documents = ringfence_manifest::read(&bytes);
    let before = args.before.as_deref().map(read).transpose()?;
    let before = before.as_deref().map(ringfence_manifest::read).unwrap_or_default();
    let name = |path: &Path| path.display().to_string();
    let before = match &args.before {
        Some(path) => Some(find(&name(path), &before)?.1),
        None => None,
    };
    let (document, resource) = find(&name(&args.file), &documents)?;
    let ask = Ask {
        from: args.from.as_deref(),
        to: args.to.as_deref(),
        platform,
        namespace: args.namespace.as_deref(),
        before,
        user: args.user,
    };
    let plan = plan(resource, &ask).map_err(|error| place(&name(&args.file), document, &error))?;
    let incomplete = loaded.as_ref().is_some_and(|loaded| loaded.incomplete);
    Ok((plan, loaded.map(|loaded| loaded.snapshot), incomplete))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let entry = if path.as_os_str() == "-" { Entry::Stdin } else { Entry::File(path.to_path_buf()) };
    entry.read().map_err(|error| chain(&error))
}

/// The first object of the file for which there may be a plan; where there is none, the first object.
fn find<'d>(name: &str, documents: &'d [Document<'d>]) -> Result<(&'d Document<'d>, Node<'d>), String> {
    if let Some((document, error)) = documents.iter().find_map(|document| Some((document, document.error()?))) {
        let (line, column) = (error.location.line, error.location.column);
        return Err(format!("{name}:{line}:{column}: {} (in document {})", error.message, document.index() + 1));
    }
    let mut roots = documents.iter().filter_map(|document| Some((document, document.root()?)));
    let planned = |node: &Node<'_>| {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
        ["RedisEnterpriseCluster", "Elasticsearch", "ClusterServiceVersion"].contains(&kind)
    };
    let found = roots.clone().find(|(_, node)| planned(node)).or_else(|| roots.next());
    found.ok_or_else(|| format!("{name}: has no object"))
}

/// The error with its place, where it has one.
fn place(name: &str, document: &Document<'_>, error: &PlanError) -> String {
    let Some(found) = error.field().and_then(|field| document.locate(field)) else { return error.to_string() };
    let at = document.location(found.key.unwrap_or(found.value).start);
    format!("{name}:{}:{}: {error}", at.line, at.column)
}

/// Whether it is so in the cluster.
fn holds(fact: &Fact, cluster: &Snapshot) -> bool {
    let scc = |name: &str| cluster.constraints().find(|scc| scc.name() == name);
    match fact {
        Fact::Scc { name, exists } => scc(name).is_some() == *exists,
        Fact::SccAsPublished => match (scc(redis_enterprise_scc_name()), ringfence_scc::decode(redis_enterprise_scc()))
        {
            (Some(found), Ok(published)) => ringfence_scc::diff(found, &published).is_empty(),
            _ => false,
        },
        Fact::MayUse { scc: name, namespace, account, may } => {
            let user = User::service_account(namespace, account);
            let allowed = match scc(name) {
                Some(scc) => !grants(cluster.rbac(), scc, &user, namespace).is_empty(),
                None => cluster.rbac().allows(&user, namespace, name),
            };
            allowed == *may
        }
        Fact::PodsUnder { namespace, pods, scc } => pods.iter().all(|wanted| {
            let is = |pod: &&k8s_openapi::api::core::v1::Pod| {
                pod.metadata.name.as_ref() == Some(wanted) && pod.metadata.namespace.as_ref() == Some(namespace)
            };
            let annotation = cluster.all_pods().find(is).and_then(|pod| pod.metadata.annotations.as_ref());
            annotation.and_then(|all| all.get("openshift.io/scc")) == Some(scc)
        }),
    }
}

fn print(format: Format, plan: &Plan, holds: &dyn Fn(&Fact) -> Option<bool>) -> io::Result<()> {
    let mut out = stdout(format == Format::Text);
    match format {
        Format::Text => view::text(&mut out, plan, holds)?,
        Format::Markdown => view::markdown(&mut out, plan, holds)?,
        Format::Sh => view::script(&mut out, plan)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &view::json(plan, holds)?)?;
            writeln!(out)?;
        }
    }
    out.flush()
}
