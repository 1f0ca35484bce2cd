//! `ringfence scc who`.

use std::io::{self, Write as _};

use ringfence_admission::cluster::Snapshot;
use ringfence_admission::rbac::Grant;
use ringfence_scc::SecurityContextConstraints;

use super::Format;
use crate::cluster::{ClusterArgs, Needs, Scope};
use crate::exit::Exit;
use crate::view::clean;

/// Who may use a constraint, where, and through which binding
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The constraint.
    scc: String,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Only in this namespace; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence scc who privileged --cluster dump.yaml
  ringfence scc who anyuid --cluster dump.yaml -n shop

Exit status: 0, or 2 if something could not be read.";

/// Everybody who may use the constraint.
struct Users {
    /// In every namespace.
    everywhere: Vec<Grant>,
    /// In one.
    local: Vec<(String, Vec<Grant>)>,
}

pub(super) fn main(args: &Args) -> Exit {
    let Some(loaded) = args.cluster.load_or_openshift(Needs::Admission, Scope::Named(&args.namespaces)) else {
        return Exit::Failure;
    };
    let Some(scc) = loaded.snapshot.constraints().find(|scc| scc.name() == args.scc) else {
        super::unknown(&args.scc, loaded.snapshot.constraints());
        return Exit::Failure;
    };
    let users = users(&loaded.snapshot, scc, &args.namespaces);
    match print(args, &users) {
        Ok(()) if loaded.incomplete => Exit::Failure,
        Ok(()) => Exit::Clean,
        Err(error) => super::super::output_failed(&error),
    }
}

fn users(cluster: &Snapshot, scc: &SecurityContextConstraints, namespaces: &[String]) -> Users {
    let mut everywhere: Vec<Grant> = scc.users.iter().map(|user| Grant::Users { user: user.clone() }).collect();
    everywhere.extend(scc.groups.iter().map(|group| Grant::Groups { group: group.clone() }));
    everywhere.extend(cluster.rbac().subjects("", scc.name()));
    let all = cluster.namespaces().filter_map(|namespace| namespace.metadata.name.clone());
    let names: Vec<String> = if namespaces.is_empty() { all.collect() } else { namespaces.to_vec() };
    let is_local = |grant: &Grant| matches!(grant, Grant::Binding { binding, .. } if binding.namespace.is_some());
    let local = names.into_iter().map(|name| {
        let grants = cluster.rbac().subjects(&name, scc.name()).into_iter().filter(is_local).collect::<Vec<_>>();
        (name, grants)
    });
    Users { everywhere, local: local.filter(|(_, grants)| !grants.is_empty()).collect() }
}

fn print(args: &Args, users: &Users) -> io::Result<()> {
    let mut out = super::super::stdout(args.output == Format::Text);
    if args.output == Format::Json {
        let local: serde_json::Map<_, _> =
            users.local.iter().map(|(name, grants)| (name.clone(), serde_json::json!(grants))).collect();
        let document = serde_json::json!({"scc": args.scc, "everywhere": users.everywhere, "namespaces": local});
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)?;
        return out.flush();
    }
    writeln!(out, "in every namespace:")?;
    for grant in &users.everywhere {
        writeln!(out, "    {}", clean(&grant.to_string()))?;
    }
    // Nobody writes this down, and it is true of every constraint.
    writeln!(out, "    everybody in group \"system:masters\"")?;
    for (namespace, grants) in &users.local {
        writeln!(out, "in {}:", clean(namespace))?;
        for grant in grants {
            writeln!(out, "    {}", clean(&grant.to_string()))?;
        }
    }
    out.flush()
}
