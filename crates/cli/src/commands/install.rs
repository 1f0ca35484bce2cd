//! `ringfence install`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_live::{ChangeError, Cluster, Place, Resource};
use serde_json::{Value, json};

use super::{chain, complain, output_failed, stdout};
use crate::cluster::LiveArgs;
use crate::exit::Exit;
use crate::install::{Chart, Choices, InstallError, MANAGER, Session, is_webhook, place};
use crate::view::clean;

/// The admission webhooks into a cluster, or as manifests
///
/// Installs what `ringfence serve` needs: a restricted namespace, a service account with the rights to look, a Deployment
/// that withstands a lost node, and, once that is ready, the webhook configurations. The same objects as those of the
/// Helm chart and the kustomization under deploy/. Doing it again changes what has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Args {
    /// The image that holds the ringfence binary as its entry point.
    #[arg(long, value_name = "IMAGE", required_unless_present = "url")]
    image: Option<String>,

    /// The namespace to install into, which is made if it is not there.
    #[arg(long, value_name = "NAME", default_value = "ringfence-system")]
    namespace: String,

    #[command(flatten)]
    live: LiveArgs,

    /// Print the manifests and ask no cluster.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context", "dry_run"])]
    print: bool,

    /// Have the API server say what it would do.
    #[arg(long, value_name = "WHERE", require_equals = true)]
    dry_run: Option<DryRun>,

    /// How many servers.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    replicas: u32,

    /// Security context constraints: register the webhooks for them; `yes` defines the resource, too, where it is not
    /// there. `auto` registers them where there is the resource and no OpenShift, which has its own admission plugins;
    /// with --print, it registers none.
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    scc: Scc,

    /// What becomes of requests that no server answers: refused, or let through.
    #[arg(long, value_name = "POLICY", default_value = "Fail")]
    failure_policy: FailurePolicy,

    /// Refuse nothing: what would be refused is let through with a warning, and logged and counted.
    #[arg(long)]
    advisory: bool,

    /// Name each field at fault and what to write instead, in further warnings.
    #[arg(long)]
    hints: bool,

    /// The PodSecurityConfiguration: defaults and exemptions.
    #[arg(long, value_name = "FILE")]
    pod_security_config: Option<PathBuf>,

    /// The namespace whose Waivers count. Apply deploy/crds/waivers.yaml and deploy/rbac/waivers.yaml before.
    #[arg(long, value_name = "NAMESPACE")]
    waivers_from: Option<String>,

    /// A further namespace that is never asked about; may be repeated. The webhook's own and kube-system never are.
    #[arg(long = "exclude-namespace", value_name = "NAME")]
    excluded: Vec<String>,

    /// A Secret with a certificate that something else keeps fresh, in place of the server's own authority.
    #[arg(long, value_name = "SECRET", requires = "ca_bundle")]
    tls_secret: Option<String>,

    /// The authority of the server's certificate, as PEM.
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,

    /// The server runs outside of the cluster, at this URL: install only what makes the API server ask it.
    #[arg(long, value_name = "URL", conflicts_with_all = ["image", "tls_secret"], value_parser = https)]
    url: Option<String>,

    /// Do without Landlock, for nodes whose kernel has none.
    #[arg(long)]
    no_landlock: bool,

    /// Take over fields that others have set.
    #[arg(long)]
    force_conflicts: bool,

    /// Seconds to wait for the servers to be ready, and for their certificate to be known.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  ringfence install --image registry.example.com/ringfence:0.1.0 --advisory     look first, refuse nothing
  ringfence install --image registry.example.com/ringfence:0.1.0 --dry-run=server
  ringfence install --image registry.example.com/ringfence:0.1.0 --print | kubectl apply -f -
  ringfence install --url https://192.0.2.7:8443                                serve outside of the cluster

Exit status: 0 it is installed and ready, 2 it is not.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    /// By the API server, which stores nothing.
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scc {
    /// Where there is the resource, and no OpenShift.
    Auto,
    /// Register the webhooks, and define the resource.
    Yes,
    /// Neither.
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
enum FailurePolicy {
    /// Refused.
    Fail,
    /// Let through.
    Ignore,
}

fn https(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").ok_or("an API server asks https URLs alone")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(fits) {
        return Err("no URL that a webhook can have: https://HOST:PORT/PATH".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(crate) fn main(args: &Args) -> Exit {
    match run(args) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            if let Some(InstallError::Output(error)) = error.downcast_ref() {
                return output_failed(error);
            }
            complain(&clean(&chain(&*error)));
            Exit::Failure
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut values = values(args)?;
    if args.print {
        constraints(&mut values, args.scc == Scc::Yes, args.scc == Scc::Yes);
        let text = Chart::render(&choices(args, values))?.yaml();
        let mut out = stdout(false);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(InstallError::Output)?;
        return Ok(());
    }
    let cluster = Cluster::connect(&args.live.target())?;
    let (register, define) = match args.scc {
        Scc::No => (false, false),
        scc => {
            let groups = cluster.groups()?;
            let there = groups.iter().any(|group| group == "security.openshift.io");
            let openshift =
                groups.iter().any(|group| group.ends_with(".openshift.io") && group != "security.openshift.io");
            if scc == Scc::Yes { (true, !there || defined_by_us(&cluster)?) } else { (there && !openshift, false) }
        }
    };
    constraints(&mut values, register, define);
    let chart = Chart::render(&choices(args, values))?;
    let session = Session { cluster: &cluster, dry_run: args.dry_run.is_some(), force: args.force_conflicts };
    session.check_managers(&chart.objects)?;
    let namespace = namespace_place(&args.namespace);
    let imagined = session.dry_run && cluster.read(namespace)?.is_none();
    for object in chart.objects.iter().filter(|object| !is_webhook(object)) {
        // Nothing can be tried in a namespace that is not there.
        if imagined && object["metadata"]["namespace"].is_string() {
            if let Some(place) = place(object) {
                session.say("not tried, for want of the namespace:", &place.to_string())?;
            }
            continue;
        }
        session.apply(object)?;
    }
    let within = Duration::from_secs(args.timeout);
    if !session.dry_run && args.url.is_none() {
        session.wait("the servers are not ready", within, |cluster| unready(cluster, &args.namespace))?;
        session.say(
            "ready:",
            &format!("deployments.apps/ringfence with {}", super::count(args.replicas as usize, "replica")),
        )?;
    }
    for object in chart.objects.iter().filter(|object| is_webhook(object)) {
        register_webhooks(&session, object, within, args)?;
    }
    Ok(())
}

/// Makes the API server ask. Before the server has said who vouches for it, every request would fail: until then, what
/// is not answered is let through.
fn register_webhooks(session: &Session<'_>, object: &Value, within: Duration, args: &Args) -> Result<(), InstallError> {
    let Some(place) = place(object) else { return Ok(()) };
    if !session.dry_run
        && args.ca_bundle.is_none()
        && session.cluster.read(place)?.is_none_or(|there| !is_vouched_for(&there, object))
    {
        let mut careful = object.clone();
        for hook in careful["webhooks"].as_array_mut().into_iter().flatten() {
            hook["failurePolicy"] = "Ignore".into();
        }
        session.apply(&careful)?;
        let what = match &args.url {
            None => "the servers have not entered their authority into the webhook configuration".to_owned(),
            Some(url) => format!(
                "no server has entered its authority into the webhook configuration; start one: {}",
                serve_command(url, &args.namespace)
            ),
        };
        session.wait(&what, within, |cluster| {
            let there = cluster.read(place)?.unwrap_or_default();
            Ok((!is_vouched_for(&there, object)).then(String::new))
        })?;
    }
    session.apply(object)
}

/// How a server outside of the cluster is started.
fn serve_command(url: &str, namespace: &str) -> String {
    let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, port)| if port.ends_with(']') { url } else { host });
    format!(
        "ringfence serve --self-signed --certificate-name {} --certificate-secret {namespace}/ringfence-tls --webhook-configuration ringfence",
        host.trim_matches(['[', ']'])
    )
}

/// Whether every webhook of `wanted` has an authority.
fn is_vouched_for(there: &Value, wanted: &Value) -> bool {
    let hooks = |object: &Value| object["webhooks"].as_array().cloned().unwrap_or_default();
    let there = hooks(there);
    hooks(wanted).iter().all(|hook| {
        there.iter().any(|own| {
            own["name"] == hook["name"]
                && own["clientConfig"]["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty())
        })
    })
}

/// What keeps the Deployment from being ready.
fn unready(cluster: &Cluster, namespace: &str) -> Result<Option<String>, ChangeError> {
    let resource = Resource { api_version: "apps/v1", plural: "deployments", kind: "Deployment" };
    let place = Place { resource, namespace: Some(namespace), name: "ringfence" };
    let deployment = cluster.read(place)?.unwrap_or_default();
    let status = &deployment["status"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let wanted = number(&deployment["spec"]["replicas"]);
    let seen = number(&status["observedGeneration"]) >= number(&deployment["metadata"]["generation"]);
    let ready = seen
        && number(&status["updatedReplicas"]) == wanted
        && number(&status["replicas"]) == wanted
        && number(&status["availableReplicas"]) == wanted;
    if ready {
        return Ok(None);
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let said =
        conditions.filter(|condition| (condition["type"] == "ReplicaFailure") == (condition["status"] == "True"));
    let mut words: Vec<&str> = said.filter_map(|condition| condition["message"].as_str()).collect();
    words.dedup();
    let counted = format!("{} of {wanted} available", number(&status["availableReplicas"]));
    Ok(Some([&[counted.as_str()][..], &words].concat().join("; ")))
}

fn namespace_place(name: &str) -> Place<'_> {
    Place { resource: Resource { api_version: "v1", plural: "namespaces", kind: "Namespace" }, namespace: None, name }
}

/// Whether the resource of constraints is there because of an earlier installation, which may then change it.
fn defined_by_us(cluster: &Cluster) -> Result<bool, ChangeError> {
    let resource = Resource {
        api_version: "apiextensions.k8s.io/v1",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
    };
    let place = Place { resource, namespace: None, name: "securitycontextconstraints.security.openshift.io" };
    let there = cluster.read(place)?.unwrap_or_default();
    Ok(crate::install::is_applied_by_us(&there))
}

fn choices(args: &Args, values: Vec<(&'static str, Value)>) -> Choices {
    Choices { namespace: args.namespace.clone(), manager: MANAGER.to_owned(), values }
}

fn constraints(values: &mut Vec<(&'static str, Value)>, register: bool, define: bool) {
    values.extend([("scc.enabled", register.into()), ("scc.crd", define.into())]);
}

fn values(args: &Args) -> Result<Vec<(&'static str, Value)>, Box<dyn std::error::Error>> {
    let label = |name: &str| {
        !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    for name in args.excluded.iter().chain([&args.namespace]).chain(&args.waivers_from) {
        if !label(name) {
            return Err(format!("{name:?} is no name of a namespace: lower-case letters, digits and hyphens").into());
        }
    }
    let mut excluded = vec!["kube-system".to_owned()];
    excluded.extend(args.excluded.iter().cloned());
    let mut values = vec![
        ("namespace.create", true.into()),
        ("replicas", args.replicas.into()),
        ("failurePolicy", if args.failure_policy == FailurePolicy::Fail { "Fail" } else { "Ignore" }.into()),
        ("advisory", args.advisory.into()),
        ("hints", args.hints.into()),
        ("landlock", (!args.no_landlock).into()),
        ("excludedNamespaces", json!(excluded)),
    ];
    if let Some(image) = &args.image {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
        if !image.starts_with(|first: char| first.is_ascii_alphanumeric()) || !image.bytes().all(fits) {
            return Err(format!(
                "--image {image:?} is no name of an image: write it as registry.example.com/ringfence:0.1.0"
            )
            .into());
        }
        values.push(("image", image.as_str().into()));
    }
    if let Some(path) = &args.pod_security_config {
        values.push(("podSecurityConfiguration", crate::cluster::pod_security_json(path)?));
    }
    if let Some(namespace) = &args.waivers_from {
        values.push(("waiversFrom", namespace.as_str().into()));
    }
    if let Some(secret) = &args.tls_secret {
        values.push(("certificates.secret", secret.as_str().into()));
    }
    if let Some(path) = &args.ca_bundle {
        let bundle = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if !String::from_utf8_lossy(&bundle).contains("-----BEGIN CERTIFICATE-----") {
            return Err(format!("{} has no certificate", path.display()).into());
        }
        values.push(("certificates.caBundle", crate::install::base64(&bundle).into()));
    }
    if let Some(url) = &args.url {
        values.push(("url", url.as_str().into()));
    }
    Ok(values)
}
