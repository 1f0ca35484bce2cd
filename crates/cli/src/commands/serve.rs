//! `ringfence serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringfence_admission::cluster::Snapshot;
use ringfence_admission::pod_security::{Limits as PodLimits, PodSecurity};
use ringfence_live::Target;
use ringfence_server::{
    About, Events, Fail, Kept, Limits, Live, Page, Sandbox, Server, Settings, Shut, Source, TlsFiles, Traces,
};

use super::{chain, complain};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope, WaiverArgs};
use crate::exit::Exit;
use crate::log;
use crate::self_signed::SelfSignedArgs;

/// Admission webhooks: Pod Security, and security context constraints where there are any
///
/// Answers the AdmissionReviews of an API server: POST /validate, with the rules, words, audit annotations and metrics
/// of the Pod Security webhook of Kubernetes; POST /mutate-scc and /validate-scc, with those of OpenShift's plugin for
/// security context constraints, where the cluster has any. GET /livez, /readyz and /metrics answer, too.
///
/// Without --cluster it watches the running cluster: that of its own pod, or the one kubectl would ask.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    #[command(flatten)]
    waivers: WaiverArgs,

    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,

    /// The server's certificate with those between it and its authority, as PEM. It is read anew when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", required_unless_present_any = ["insecure_http", "ui", "self_signed"])]
    tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The authorities of clients, as PEM: who has no certificate of theirs is refused.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_http")]
    client_ca: Option<PathBuf>,

    /// Refuse clients whose certificate has not this common name or DNS name; may be repeated.
    #[arg(long = "client-name", value_name = "NAME", requires = "client_ca")]
    client_names: Vec<String>,

    #[command(flatten)]
    self_signed: SelfSignedArgs,

    /// Speak plain HTTP. An API server asks only over TLS: this is for tests and demonstrations.
    #[arg(long, conflicts_with = "tls_cert")]
    insecure_http: bool,

    /// Show the cluster on a page, which only reads: namespaces by level, what a stricter one would break, and each pod's
    /// constraint and why. Without --tls-cert and --insecure-http there is the page alone, and no webhook.
    #[arg(long)]
    ui: bool,

    /// Where the page listens. Nobody logs in: who can connect sees it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090", requires = "ui")]
    ui_listen: SocketAddr,

    /// A name, beside localhost, by which browsers ask for the page; may be repeated. Needed where it listens on anything
    /// but loopback.
    #[arg(long = "ui-host", value_name = "NAME", requires = "ui")]
    ui_hosts: Vec<String>,

    /// Let through what cannot be judged, with a warning and an audit annotation.
    #[arg(long, overrides_with = "fail_closed")]
    fail_open: bool,

    /// Refuse what cannot be judged. This is the default.
    #[arg(long, overrides_with = "fail_open")]
    fail_closed: bool,

    /// Refuse nothing: what would be refused is let through with a warning and an audit annotation, logged and counted.
    #[arg(long)]
    advisory: bool,

    /// Name each field at fault and what to write instead, in further warnings.
    #[arg(long)]
    hints: bool,

    /// Tell in an event, on what made it, of each pod that is refused and why; a Deployment shows it. It needs the right
    /// to write events, and to read replica sets and jobs.
    #[arg(long, conflicts_with = "dumps")]
    events: bool,

    /// How many pods of a relabelled namespace are checked; `all` for every one.
    #[arg(long, value_name = "NUMBER", default_value = "3000", value_parser = how_many)]
    max_existing_pods: HowMany,

    /// Connections at one time.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Seconds to go on serving after being told to end, with /readyz failing, so that nobody asks any more.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    drain_delay: u64,

    /// Seconds that requests under way may take after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_timeout: u64,

    /// Do not shut the server in. Otherwise it gives up capabilities, new privileges, all files but those it reads
    /// (Landlock) and all system calls but those it makes (seccomp), or does not start. `landlock`: go without that
    /// alone, on kernels that have none.
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    no_sandbox: Option<Part>,

    /// How to log.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    log_format: log::Format,

    /// What to log.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: log::From,
}

const EXAMPLES: &str = "\
Examples:
  ringfence serve --cluster dump.yaml --listen 127.0.0.1:8080 --insecure-http    try it with a dump
  ringfence serve --cluster dump.yaml --ui                                       look at a dump in a browser
  ringfence serve --tls-cert tls.crt --tls-key tls.key --client-ca ca.crt \\
      --pod-security-config podsecurity.yaml                                     in the cluster that it watches
  ringfence serve --self-signed --service ringfence-system/ringfence \\
      --webhook-configuration ringfence                                          with certificates of its own

SIGTERM ends it once every request under way is answered. Exit status: 0 it was told to end, 2 it could not serve.";

/// What a sandbox may be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// Landlock.
    Landlock,
}

/// A number, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HowMany(Option<usize>);

fn how_many(text: &str) -> Result<HowMany, String> {
    if text == "all" {
        return Ok(HowMany(None));
    }
    text.parse().map(|number| HowMany(Some(number))).map_err(|_| "neither a number nor `all`".to_owned())
}

pub(crate) fn main(args: &Args) -> Exit {
    if args.ui && !args.ui_listen.ip().is_loopback() && args.ui_hosts.is_empty() {
        complain(&format!(
            "the page would listen on {}, which is not loopback: name the host that browsers ask for with --ui-host",
            args.ui_listen
        ));
        return Exit::Failure;
    }
    let mut pod_security = match args.pod_security.load(None) {
        Ok(pod_security) => {
            pod_security.with_limits(PodLimits { pods: args.max_existing_pods.0 }).with_hints(args.hints)
        }
        Err(error) => {
            complain(&chain(&error));
            return Exit::Failure;
        }
    };
    let cluster = if let Some(target) = args.cluster.running() {
        From::Running(target)
    } else if args.self_signed.is_given() {
        complain("--self-signed keeps certificates in a running cluster, and --cluster is none");
        return Exit::Failure;
    } else {
        let Some(loaded) = args.cluster.load(Needs::Webhook, Scope::Named(&[])) else { return Exit::Failure };
        if loaded.incomplete && !args.fail_open {
            complain("the cluster could not be read as a whole, and --fail-open was not given");
            return Exit::Failure;
        }
        match args.waivers.load(&args.cluster, &loaded) {
            Ok(Some(waiving)) => pod_security = pod_security.with_waivers(waiving),
            Ok(None) => {}
            Err(()) => return Exit::Failure,
        }
        From::Dump(Arc::new(loaded.snapshot))
    };
    match serve(args, pod_security, cluster) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            complain(&chain(&*error));
            Exit::Failure
        }
    }
}

/// Shuts this thread in, and with it all that are started later.
fn shut_in(args: &Args, cluster: &From, tls: Option<&TlsFiles>) -> Result<Option<Shut>, Box<dyn std::error::Error>> {
    if args.no_sandbox == Some(Part::All) {
        return Ok(None);
    }
    let mut read = tls.map(TlsFiles::directories).unwrap_or_default();
    if let From::Running(target) = cluster {
        read.extend(ringfence_live::files(target)?);
    }
    let sandbox = Sandbox { read, without_landlock: args.no_sandbox == Some(Part::Landlock) };
    Ok(Some(sandbox.enter()?))
}

/// Where the cluster's objects come from.
enum From {
    Dump(Arc<Snapshot>),
    Running(Target),
}

fn serve(args: &Args, pod_security: PodSecurity, cluster: From) -> Result<(), Box<dyn std::error::Error>> {
    let mut settings = Settings {
        listen: args.listen,
        fail: if args.fail_open { Fail::Open } else { Fail::Closed },
        advisory: args.advisory,
        limits: Limits { connections: args.max_connections, ..Limits::default() },
        drain_delay: Duration::from_secs(args.drain_delay),
        drain_timeout: Duration::from_secs(args.drain_timeout),
        traces: None,
    };
    let own = args.self_signed.settings();
    let kept = own.as_ref().map(ringfence_server::SelfSigned::kept).transpose()?;
    let tls = tls(args, kept.as_ref());
    let webhooks = tls.is_some() || args.insecure_http;
    let listener = webhooks.then(|| ringfence_server::listen(args.listen)).transpose()?;
    let page = args.ui.then(|| ringfence_server::listen(args.ui_listen)).transpose()?;
    let mut about = About {
        version: env!("CARGO_PKG_VERSION"),
        source: args.cluster.dumps_in_words(),
        is_watched: matches!(cluster, From::Running(_)),
    };
    // What they need of files is read before there are none.
    let traces = Traces::from_environment(|name| std::env::var(name).ok());
    let shut = shut_in(args, &cluster, tls.as_ref())?;
    log::start(args.log_format, args.log_level);
    if let Some(Shut { landlock, seccomp_instructions }) = shut {
        tracing::info!(capabilities = "none", no_new_privs = true, landlock, seccomp_instructions, "shut in");
    } else {
        tracing::warn!("not shut in: --no-sandbox");
    }
    // Reviews matter more than traces: where these are set up wrongly, there are none.
    match traces {
        Ok(traces) => settings.traces = traces,
        Err(error) => tracing::warn!(error = %chain(&error), "there are no traces"),
    }
    if let Some(traces) = &settings.traces {
        tracing::info!(?traces, "sending traces");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut events = None;
        let source: Arc<dyn Source> = match cluster {
            From::Dump(snapshot) => Arc::new(snapshot),
            From::Running(target) => {
                let (client, server) = ringfence_live::client(&target).await?;
                tracing::info!(%server, "watching");
                if let (Some(own), Some(kept)) = (own, kept) {
                    own.keep(client.clone(), kept);
                }
                events = args.events.then(|| Events::start(client.clone()));
                about.source = format!("The cluster at {server}, which is watched");
                Arc::new(Live::start(client, &server, args.waivers.terms(), args.ui))
            }
        };
        let mut server = Server::new(settings, listener, tls, pod_security, source)?;
        if let Some(events) = events {
            server = server.with_events(events);
        }
        if let Some(listener) = page {
            let hosts = args.ui_hosts.clone();
            server = server.with_page(Page { listener, address: args.ui_listen, hosts, about })?;
        }
        let (tls, fail) = (!args.insecure_http, if args.fail_open { "open" } else { "closed" });
        if let Some(address) = server.address() {
            tracing::info!(%address, tls, fail, version = env!("CARGO_PKG_VERSION"), "listening");
        }
        if let Some(address) = server.page_address() {
            tracing::info!(page = %format_args!("http://{address}/ui/"), "showing a page");
        }
        Ok(server.run().await?)
    })
}

fn tls(args: &Args, kept: Option<&Kept>) -> Option<TlsFiles> {
    let (certificate, key) = match kept {
        // Only names, for messages.
        Some(_) => ("of the Secret".into(), "of the Secret".into()),
        None => (args.tls_cert.clone()?, args.tls_key.clone()?),
    };
    Some(TlsFiles {
        kept: kept.cloned(),
        certificate,
        key,
        client_authorities: args.client_ca.clone(),
        client_names: args.client_names.clone(),
    })
}
