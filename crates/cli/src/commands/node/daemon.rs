//! Keeping a node's facts where others find them: an annotation of its Node, and metrics; again and again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringfence_context::facts::NodeFacts;
use ringfence_live::{Cluster, Target};

use crate::commands::{chain, complain};
use crate::exit::Exit;
use crate::node::report::Report;
use crate::node::{ANNOTATION, look, metrics, serve};

/// Where the facts go, beside standard output.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// Keep the facts of this machine in an annotation of its Node, ringfence.github.io/node-facts.
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["nodes", "manifests", "output"])]
    publish: Option<Publish>,

    /// The Node's name in the cluster; otherwise $NODE_NAME.
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,

    /// Serve /metrics and /healthz here, and look again every --interval; with --publish, publish again as well.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["nodes", "manifests", "output"])]
    listen: Option<SocketAddr>,

    /// Seconds between looks.
    #[arg(long, value_name = "SECONDS", default_value = "300", requires = "listen", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,

    /// The kubeconfig to publish with; otherwise $KUBECONFIG, or the pod's own service account.
    #[arg(long, value_name = "FILE", requires = "publish")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME", requires = "publish")]
    context: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Publish {
    /// An annotation of the Node.
    Annotation,
}

impl DaemonArgs {
    /// Whether there is anything to do here.
    pub(super) fn are_given(&self) -> bool {
        self.publish.is_some() || self.listen.is_some()
    }

    /// Looks, publishes and serves; once, or for ever where there is an address to serve on.
    pub(super) fn run(&self, look: &dyn Fn() -> Result<NodeFacts, String>, judge: &dyn Fn(&mut Report)) -> Exit {
        let state = Arc::new(Mutex::new(serve::State::default()));
        let once = || {
            let done = self.once(look, judge);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            match done {
                Ok(text) => *state = serve::State { metrics: text, trouble: None },
                // What was found before stays, and whoever asks for health is told.
                Err(message) => {
                    complain(&crate::view::clean(&message));
                    state.trouble = Some(message);
                }
            }
            state.trouble.is_none()
        };
        let good = once();
        let Some(address) = self.listen else { return if good { Exit::Clean } else { Exit::Failure } };
        match serve::start(address, Arc::clone(&state)) {
            Ok(bound) => anstream::eprintln!("serving /metrics and /healthz on {bound}"),
            Err(error) => {
                complain(&format!("cannot listen on {address}: {error}"));
                return Exit::Failure;
            }
        }
        loop {
            std::thread::sleep(Duration::from_secs(self.interval));
            once();
        }
    }

    /// The metrics, once everything else has been done.
    fn once(
        &self,
        look: &dyn Fn() -> Result<NodeFacts, String>,
        judge: &dyn Fn(&mut Report),
    ) -> Result<String, String> {
        let mut facts = look()?;
        let name = self.node_name.clone().or_else(|| std::env::var("NODE_NAME").ok()).filter(|name| !name.is_empty());
        if name.is_some() {
            facts.name.clone_from(&name);
        }
        if self.publish == Some(Publish::Annotation) {
            let name = name.ok_or("--publish needs the Node's name: --node-name, or NODE_NAME in the environment")?;
            let name = name.as_str();
            let target = Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
            let cluster = Cluster::connect_from_within(&target).map_err(|error| chain(&error))?;
            let node = cluster.node(name).map_err(|error| chain(&error))?;
            look::complete(&mut facts, &node);
            let text = serde_json::to_string(&facts).map_err(|error| error.to_string())?;
            cluster.annotate_node(name, ANNOTATION, &text).map_err(|error| chain(&error))?;
        }
        let mut report = Report { nodes: vec![facts], ..Report::default() };
        judge(&mut report);
        Ok(metrics::metrics(&report))
    }
}
