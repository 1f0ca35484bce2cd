//! `ringfence scc minimal`.

use std::collections::BTreeMap;
use std::io::Write as _;

use ringfence_admission::admit::pods_of;
use ringfence_admission::cluster::{Kind, Namespaces as _};
use ringfence_manifest::Workload;
use ringfence_scc::{Namespace, SecurityContextConstraints, minimal_for};
use serde_json::{Value, json};

use super::on_openshift;
use crate::admit::imagined_annotations;
use crate::cluster::{ClusterArgs, Loaded, Needs, Scope};
use crate::exit::Exit;
use crate::input::Inputs;
use crate::pods::{self, Item, title};
use crate::yaml;

/// The smallest new constraint that admits a workload as it is, with the role and binding that let it be used
///
/// Begins with restricted-v2 and loosens only what it objects to, only as far as this workload needs. Prints YAML to
/// look at and to apply.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// The namespace of what names none; otherwise that of a running cluster's context, or `default`.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The new constraint's name; otherwise the workload's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  ringfence scc minimal app.yaml                          as far as the manifest tells
  ringfence scc minimal app.yaml --cluster dump.yaml      with the ranges of the cluster's namespace
  ringfence scc minimal app.yaml | oc apply -f -

Exit status: 0, or 2 if something could not be read or no constraint would do.";

pub(super) fn main(args: &Args) -> Exit {
    let scope = Scope::Inputs { inputs: &args.inputs, default: args.namespace.as_deref() };
    let Some(loaded) = args.cluster.load_or_openshift(Needs::Admission, scope) else { return Exit::Failure };
    let mut out = super::super::stdout(false);
    let mut exit = if loaded.incomplete { Exit::Failure } else { Exit::Clean };
    let mut count = 0;
    let seen = pods::for_each_with(&args.inputs, &on_openshift(), |place, item| {
        let failure = match item {
            Item::Workload(workload) => match objects(args, &loaded, workload) {
                Ok(objects) => {
                    for object in &objects {
                        if count > 0 {
                            writeln!(out, "---")?;
                        }
                        count += 1;
                        out.write_all(yaml::document(object).as_bytes())?;
                    }
                    return Ok(());
                }
                Err(why) => format!("{}: {}: {why}", place.source, title(workload)),
            },
            Item::Broken { title, line, column, message } => {
                format!("{}:{line}:{column}: {message} (in {title})", place.source)
            }
        };
        exit = Exit::Failure;
        super::super::complain(&crate::view::clean(&failure));
        Ok(())
    });
    match seen.and_then(|seen| out.flush().map(|()| seen)) {
        Ok(seen) => seen.exit.map_or(exit, |failed| failed.max(exit)),
        Err(error) => super::super::output_failed(&error),
    }
}

/// The constraint, its role and the binding, or why there are none.
fn objects(args: &Args, loaded: &Loaded, workload: &Workload) -> Result<[Value; 3], String> {
    let own = Some(workload.namespace()).filter(|name| !name.is_empty());
    let default = args.namespace.as_deref().or(loaded.namespace.as_deref()).unwrap_or("default");
    let name = own.unwrap_or(default);
    let annotations = if args.cluster.has_objects() {
        let found = loaded.snapshot.namespace(name).map_err(|error| error.to_string())?;
        found.metadata.annotations.clone().unwrap_or_default()
    } else {
        // Any range will do: what the workload asks for is written into the constraint itself.
        imagined_annotations()
    };
    let kind = Kind::of(workload.kind.api_version(), workload.kind.as_str());
    let pods = kind.and_then(|kind| pods_of(kind, name, &workload.object, &workload.metadata, &workload.spec));
    let pod = pods.ok_or("makes no pods")?.pod;
    let scc_name = args.name.as_deref().unwrap_or(workload.name());
    let scc_name = if scc_name.is_empty() { "minimal" } else { scc_name.trim_end_matches('-') };
    let namespace = Namespace { name, annotations: Some(&annotations) };
    let scc = minimal_for(scc_name, &pod, &namespace)
        .ok_or_else(|| format!("no constraint admits it in namespace {name:?}; is its range of users set?"))?;
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).filter(|a| !a.is_empty());
    Ok(with_role(&scc, name, account.unwrap_or("default")))
}

fn with_role(scc: &SecurityContextConstraints, namespace: &str, account: &str) -> [Value; 3] {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = format!("use-scc-{}", scc.name());
    let mut object = serde_json::to_value(scc).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        // What says nothing need not be read.
        fields.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!(""));
        let mut typed: BTreeMap<String, Value> = std::mem::take(fields).into_iter().collect();
        typed.insert("apiVersion".into(), "security.openshift.io/v1".into());
        typed.insert("kind".into(), "SecurityContextConstraints".into());
        typed.insert("metadata".into(), json!({"name": scc.name()}));
        // The API wants these lists, if need be empty.
        for field in ["allowedCapabilities", "defaultAddCapabilities", "requiredDropCapabilities", "volumes"] {
            typed.entry(field.into()).or_insert_with(|| json!([]));
        }
        *fields = typed.into_iter().collect();
    }
    let binding = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]});
    let role = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Role",
        "metadata": {"name": role, "namespace": namespace},
        "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "resourceNames": [scc.name()], "verbs": ["use"]}]});
    [object, role, binding]
}
