//! The cluster that a command is asked about: `--cluster`, `--kubeconfig`, `--platform` and what comes of them.

mod access;
mod defaults;
mod dump;
mod live;
mod needs;
mod pod_security;
mod scan;
mod scope;
mod slim;
mod stream;
mod waivers;

use std::path::PathBuf;

use ringfence_admission::cluster::{Builder, Kind, Platform, Snapshot};

use crate::commands::{chain, complain, warn};
use crate::input::{Entry, Inputs};

pub(crate) use live::{Asked, Live, LiveArgs};
pub(crate) use needs::Needs;
pub(crate) use pod_security::{
    PodSecurityArgs, PodSecurityError, json as pod_security_json, read as read_pod_security,
};
pub(crate) use scope::Scope;
pub(crate) use slim::slim;
pub(crate) use stream::{Raw, each};
pub(crate) use waivers::{WaiverArgs, Where, namespace};

/// A cluster's dumps.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DumpArgs {
    /// A dump of the cluster, as `kubectl get … -o yaml` (or json) prints it, or a directory of such; may be repeated.
    #[arg(long = "cluster", value_name = "FILE|DIR")]
    dumps: Vec<PathBuf>,
}

impl DumpArgs {
    /// Whether any was named.
    pub(crate) fn is_given(&self) -> bool {
        !self.dumps.is_empty()
    }

    /// The files.
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs::of(self.dumps.clone())
    }
}

/// The cluster, from dumps or running.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    dumps: DumpArgs,

    #[command(flatten)]
    live: LiveArgs,

    /// What kind of cluster it is; otherwise its objects tell, by whether there are SecurityContextConstraints.
    ///
    /// With openshift, a cluster whose dump has no SecurityContextConstraints has the platform's own; without any dump
    /// it is a new cluster, in which every namespace exists.
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<PlatformName>,
}

/// Kinds of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlatformName {
    /// Pod Security alone.
    Kubernetes,
    /// Security context constraints, then Pod Security.
    Openshift,
}

/// A cluster, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) snapshot: Snapshot,
    /// An OpenShift that nobody wrote down: every namespace is there.
    pub(crate) imagined: Option<Builder>,
    /// The namespace of what names none, if it is a running cluster's context that says so.
    pub(crate) namespace: Option<String>,
    /// Whether some of it could not be read, which has been said.
    pub(crate) incomplete: bool,
}

/// How many problems of one dump are told; a binding to a role that has gone is no rarity.
const MOST_PROBLEMS: usize = 20;

impl ClusterArgs {
    /// Whether a cluster is asked about.
    pub(crate) fn is_given(&self) -> bool {
        self.has_objects() || self.platform.is_some()
    }

    /// The same; but within a pod, and where nothing is named, the pod's own cluster.
    pub(crate) fn or_within(self) -> Self {
        if self.has_objects() { self } else { Self { live: self.live.or_within(), ..self } }
    }

    /// The running cluster. `None` if there is none to ask, which has been said.
    pub(crate) fn connect(&self) -> Option<Live> {
        self.live.connect()
    }

    /// The platform that was named.
    pub(crate) fn platform(&self) -> Option<ringfence_operators::Platform> {
        self.platform.map(|platform| match platform {
            PlatformName::Kubernetes => ringfence_operators::Platform::Kubernetes,
            PlatformName::Openshift => ringfence_operators::Platform::OpenShift,
        })
    }

    /// Whether there is more to it than its platform.
    pub(crate) fn has_objects(&self) -> bool {
        self.live.is_given() || !self.dumps.dumps.is_empty()
    }

    /// The dumps, for people.
    pub(crate) fn dumps_in_words(&self) -> String {
        let names: Vec<String> = self.dumps.dumps.iter().map(|path| path.display().to_string()).collect();
        format!("A snapshot: {}", names.join(", "))
    }

    /// Where the running cluster is that is asked about unless there is a dump.
    pub(crate) fn running(&self) -> Option<ringfence_live::Target> {
        self.dumps.dumps.is_empty().then(|| self.live.target())
    }

    /// The cluster, or else one that is as OpenShift installs it.
    pub(crate) fn load_or_openshift(&self, needs: Needs, scope: Scope<'_>) -> Option<Loaded> {
        if self.is_given() {
            return self.load(needs, scope);
        }
        Self { platform: Some(PlatformName::Openshift), ..self.clone() }.load(needs, scope)
    }

    /// What operators on the cluster take it for.
    pub(crate) fn platform_of(&self, loaded: &Loaded) -> ringfence_operators::Platform {
        self.platform().unwrap_or(match loaded.snapshot.platform() {
            Platform::OpenShift => ringfence_operators::Platform::OpenShift,
            Platform::Kubernetes => ringfence_operators::Platform::Kubernetes,
        })
    }

    /// Reads the cluster. What is wrong with it is said on standard error, and the rest is used; `None` if a running
    /// cluster cannot be asked at all.
    pub(crate) fn load(&self, needs: Needs, scope: Scope<'_>) -> Option<Loaded> {
        self.load_with(needs, scope, vec![])
    }

    /// As [`load`](Self::load), with objects that will be on the cluster as well.
    pub(crate) fn load_with(&self, needs: Needs, scope: Scope<'_>, more: Vec<serde_json::Value>) -> Option<Loaded> {
        let mut builder = Builder::default();
        for object in more {
            builder.add("the manifests", object);
        }
        let (mut incomplete, mut namespace) = (false, None);
        let mut platform = self.platform;
        if self.live.is_given() {
            if !self.dumps.dumps.is_empty() {
                complain("a dump or a running cluster, not both: --cluster, or --kubeconfig and --context");
                return None;
            }
            let live = self.live.connect()?;
            // Rights are asked for only where they are rights to constraints.
            let idle = |asked: &Asked| match self.platform {
                Some(platform) => platform == PlatformName::Kubernetes,
                None => asked.is_without_constraints,
            };
            // Waivers are asked for where they count, in the one namespace.
            let wants = |kind: Kind, asked: &Asked| {
                kind != Kind::Waiver && needs.wants(kind) && !(needs.skips_rights(kind) && idle(asked))
            };
            let asked = live.each(wants, scope, &mut |object| builder.add("the cluster", object))?;
            namespace = Some(live.namespace().to_owned());
            incomplete |= asked.incomplete;
            if asked.has_hidden_constraints {
                platform = platform.or(Some(PlatformName::Openshift));
            }
        }
        if !self.dumps.dumps.is_empty() {
            let (entries, errors) = self.dumps.inputs().entries();
            for error in &errors {
                complain(&chain(error));
                incomplete = true;
            }
            for entry in entries {
                let whole = if is_large(&entry) {
                    dump::add_large(&mut builder, &entry, needs)
                } else {
                    entry.read().map(|bytes| dump::add(&mut builder, &entry.name(), &bytes, needs))
                };
                match whole {
                    Ok(whole) => incomplete |= !whole,
                    Err(error) => {
                        complain(&chain(&error));
                        incomplete = true;
                    }
                }
            }
        }
        let builder = complete(builder, platform);
        let imagined = !self.has_objects() && platform == Some(PlatformName::Openshift);
        let imagined = imagined.then(|| builder.clone());
        let snapshot = builder.build();
        tell(&snapshot, needs, self);
        Some(Loaded { snapshot, imagined, namespace, incomplete })
    }
}

/// Gives the cluster its platform, and that platform's constraints if nobody wrote them down.
fn complete(mut builder: Builder, platform: Option<PlatformName>) -> Builder {
    match platform {
        None => {}
        Some(PlatformName::Kubernetes) => builder.set_platform(Platform::Kubernetes),
        Some(PlatformName::Openshift) => {
            builder.set_platform(Platform::OpenShift);
            if builder.clone().build().constraints().next().is_none() {
                defaults::add(&mut builder);
            }
        }
    }
    builder
}

/// Whether a file is better gone through than read as a whole, which would tell places but takes memory.
fn is_large(entry: &Entry) -> bool {
    let Entry::File(path) = entry else { return false };
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 64 << 20)
}

/// Says what is wrong with a cluster's objects, and what is missed among them.
fn tell(snapshot: &Snapshot, needs: Needs, args: &ClusterArgs) {
    let problems = snapshot.problems();
    for problem in problems.iter().take(MOST_PROBLEMS) {
        warn(&crate::view::clean(&problem.to_string()));
    }
    if let Some(more) = problems.len().checked_sub(MOST_PROBLEMS).filter(|more| *more > 0) {
        warn(&format!("and {more} more like these"));
    }
    for scc in snapshot.constraints() {
        for error in ringfence_scc::validate(scc) {
            let text = format!("SecurityContextConstraints {:?}: {error}", scc.name());
            warn(&crate::view::clean(&text));
        }
        // The API server stores this one, and no pod ever fits it.
        if let (Some(min), Some(max)) = (scc.run_as_user.uid_range_min, scc.run_as_user.uid_range_max)
            && min > max
        {
            let text =
                format!("SecurityContextConstraints {:?}: runAsUser has an empty range, {min} to {max}", scc.name());
            warn(&crate::view::clean(&text));
        }
    }
    // Nobody expects more of a cluster of which only the platform is said.
    for (kind, consequence) in needs.missed(snapshot).into_iter().filter(|_| args.has_objects()) {
        if args.live.is_given() {
            warn(&format!("no {kind} of the cluster is known: {consequence}"));
        } else {
            warn(&format!("the cluster's dump has no {kind}, not even an empty list: {consequence}"));
        }
    }
}
