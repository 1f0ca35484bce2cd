//! `ringfence install`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_live::{ChangeError, Cluster, ListError, Place, Resource};
use serde_json::{Value, json};

use super::{chain, complain, output_failed, stdout};
use crate::cluster::LiveArgs;
use crate::exit::Exit;
use crate::install::{COMPONENTS, Chart, Choices, InstallError, MANAGER, Session, is_webhook, place, unready};
use crate::view::clean;

/// The admission webhooks into a cluster, or as manifests
///
/// Installs what `ringfence serve` needs: a restricted namespace, a service account with the rights to look, a Deployment
/// that withstands a lost node, and, once that is ready, the webhook configurations; with --controllers and --reports
/// also Deployments of these, each with an account of its own. The same objects as those of the Helm chart and the
/// kustomization under deploy/. Doing it again changes what has changed, and removes what is no longer asked for.
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

    /// Write no events about refused pods, and do without the rights for that.
    #[arg(long)]
    no_events: bool,

    /// The PodSecurityConfiguration: defaults and exemptions.
    #[arg(long, value_name = "FILE")]
    pod_security_config: Option<PathBuf>,

    /// Let Waivers count: defines the resource, makes the namespace for them, and lets the server read them there.
    #[arg(long)]
    waivers: bool,

    /// The namespace whose Waivers count, with --waivers.
    #[arg(long, value_name = "NAMESPACE", default_value = WAIVERS, requires = "waivers")]
    waivers_from: String,

    /// Also run the controllers of `ringfence sync --watch`: `sync`, `privileged` and `ranges`, or those that are named.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, value_delimiter = ',',
        default_missing_value = "sync,privileged,ranges")]
    controllers: Vec<Controller>,

    /// Also run `ringfence report --watch --events`. The cluster has to know PolicyReports.
    #[arg(long)]
    reports: bool,

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
  ringfence install --image registry.example.com/ringfence:0.1.0 --scc yes --controllers --reports --waivers
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
enum Controller {
    /// Labels follow what service accounts may do through constraints.
    Sync,
    /// default, kube-system and kube-public are privileged.
    Privileged,
    /// Each namespace has users, groups and an SELinux level of its own.
    Ranges,
}

/// The namespace of waivers, if no other is named.
pub(super) const WAIVERS: &str = "ringfence-waivers";

/// The kinds that reports are of.
const REPORTS: [Resource<'static>; 2] = [
    Resource { api_version: "wgpolicyk8s.io/v1alpha2", plural: "policyreports", kind: "PolicyReport" },
    Resource { api_version: "wgpolicyk8s.io/v1alpha2", plural: "clusterpolicyreports", kind: "ClusterPolicyReport" },
];

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
    if args.reports {
        know_reports(&cluster)?;
    }
    let chart = Chart::render(&choices(args, values))?;
    let session = Session { cluster: &cluster, dry_run: args.dry_run.is_some(), force: args.force_conflicts };
    session.check_managers(&chart.objects)?;
    let mut imagined = Vec::new();
    for namespace in [args.namespace.as_str(), args.waivers_from.as_str()] {
        if session.dry_run && cluster.read(namespace_place(namespace))?.is_none() {
            imagined.push(namespace);
        }
    }
    for object in chart.objects.iter().filter(|object| !is_webhook(object)) {
        // Nothing can be tried in a namespace that is not there.
        if object["metadata"]["namespace"].as_str().is_some_and(|namespace| imagined.contains(&namespace)) {
            if let Some(place) = place(object) {
                session.say("not tried, for want of the namespace:", &place.to_string())?;
            }
            continue;
        }
        session.apply(object)?;
    }
    let within = Duration::from_secs(args.timeout);
    let wait = |name: &str, what: &str| {
        let there = |object: &&Value| object["kind"] == "Deployment" && object["metadata"]["name"] == name;
        let Some(deployment) = chart.objects.iter().find(there).filter(|_| !session.dry_run) else { return Ok(()) };
        session.wait(what, within, |cluster| unready(cluster, &args.namespace, name))?;
        let replicas = deployment["spec"]["replicas"].as_u64().and_then(|number| usize::try_from(number).ok());
        let replicas = super::count(replicas.unwrap_or_default(), "replica");
        session.say("ready:", &format!("deployments.apps/{name} with {replicas}"))
    };
    wait("ringfence", "the servers are not ready")?;
    for object in chart.objects.iter().filter(|object| is_webhook(object)) {
        register_webhooks(&session, object, within, args)?;
    }
    session.prune(&Chart::everything(&args.namespace, &args.waivers_from)?.objects, &chart.objects)?;
    // Nothing of admission depends on these.
    for (name, what) in COMPONENTS {
        wait(name, what)?;
    }
    Ok(())
}

/// Reports are of kinds that the cluster has to have from elsewhere.
fn know_reports(cluster: &Cluster) -> Result<(), Box<dyn std::error::Error>> {
    for resource in REPORTS {
        match cluster.list(resource, &mut |_| {}) {
            Ok(_) => {}
            Err(ListError::Absent { .. }) => return Err(ringfence_controllers::NO_KINDS.into()),
            Err(error) => return Err(error.into()),
        }
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
    for name in args.excluded.iter().chain([&args.namespace, &args.waivers_from]) {
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
        ("events", (!args.no_events).into()),
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
    values.extend([
        ("waivers.enabled", args.waivers.into()),
        ("waivers.namespace", args.waivers_from.as_str().into()),
        ("reports.enabled", args.reports.into()),
        ("controllers.enabled", (!args.controllers.is_empty()).into()),
        ("controllers.sync", args.controllers.contains(&Controller::Sync).into()),
        ("controllers.privileged", args.controllers.contains(&Controller::Privileged).into()),
        ("controllers.ranges", args.controllers.contains(&Controller::Ranges).into()),
    ]);
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
