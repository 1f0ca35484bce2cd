//! A running cluster: `--kubeconfig` and `--context`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ringfence_admission::cluster::Kind;
use ringfence_live::{Cluster, ListError, Listed, Page, Resource, Target};
use serde_json::{Value, json};

use super::access::Denied;
use super::{Scope, slim};
use crate::commands::{chain, complain, warn};
use crate::progress::Progress;
use crate::view::clean;

/// Where the running cluster is found.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// Ask the running cluster of this kubeconfig. Objects are only listed, and of no more kinds than the answer needs:
    /// never Secrets or ConfigMaps. Where they may not be listed everywhere, they are in the namespaces asked about.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Ask the running cluster of this context, of --kubeconfig, of $KUBECONFIG or of ~/.kube/config.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Ask the cluster of the pod in which this runs.
    #[arg(skip)]
    within: bool,
}

/// What asking the cluster came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether some of it could not be listed, which has been said.
    pub(crate) incomplete: bool,
    /// Whether there are security context constraints which may not be listed.
    pub(crate) has_hidden_constraints: bool,
    /// Whether there are none because nobody there knows of them.
    pub(crate) is_without_constraints: bool,
}

/// A cluster that answers.
pub(crate) struct Live(Cluster);

impl LiveArgs {
    /// Whether a running cluster is asked.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.within
    }

    /// The same; but within a pod, and where nothing is named, the pod's own cluster.
    pub(crate) fn or_within(self) -> Self {
        let within = !self.is_given() && ringfence_live::is_within();
        Self { within, ..self }
    }

    /// The running cluster, as it is found.
    pub(crate) fn target(&self) -> Target {
        Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// Reads the kubeconfig. `None` if there is no cluster to ask, which has been said.
    pub(crate) fn connect(&self) -> Option<Live> {
        let target = self.target();
        let connected = if self.within { Cluster::connect_from_within(&target) } else { Cluster::connect(&target) };
        match connected {
            Ok(cluster) => Some(Live(cluster)),
            Err(error) => {
                complain(&clean(&chain(&error)));
                None
            }
        }
    }
}

impl Live {
    /// Lists one kind in one namespace.
    pub(crate) fn list_in(
        &self,
        resource: Resource<'_>,
        namespace: &str,
        visit: &mut dyn FnMut(Page),
    ) -> Result<Listed, ListError> {
        self.0.list_in(resource, namespace, visit)
    }

    /// The cluster itself, for who changes it.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0
    }

    /// The namespace of the context.
    pub(crate) fn namespace(&self) -> &str {
        self.0.namespace()
    }

    /// Lists these kinds, which may depend on what is known so far, and hands over their objects, without what is not
    /// needed and what may be secret; in place of a kind that has none, an empty list. `None` if the cluster does not
    /// answer, which has been said.
    pub(crate) fn each(
        &self,
        wants: impl Fn(Kind, &Asked) -> bool,
        scope: Scope<'_>,
        visit: &mut dyn FnMut(Value),
    ) -> Option<Asked> {
        let nothing = Asked::default();
        let progress = Progress::new("listing", Kind::ALL.iter().filter(|kind| wants(**kind, &nothing)).count());
        let mut listing = Listing {
            cluster: &self.0,
            scope,
            namespaces: None,
            progress,
            asked: Asked::default(),
            denied: Denied::default(),
            narrowed: Vec::new(),
            visit,
        };
        for kind in Kind::ALL.iter().copied() {
            if !wants(kind, &listing.asked) {
                continue;
            }
            let listed = listing.kind(kind);
            listing.progress.step();
            if let Err(error) = listed {
                listing.progress.finish();
                complain(&error);
                return None;
            }
        }
        Some(listing.finish())
    }
}

/// How far it has come.
struct Listing<'l> {
    cluster: &'l Cluster,
    scope: Scope<'l>,
    /// Found out when they are wanted first.
    namespaces: Option<BTreeSet<String>>,
    progress: Progress,
    asked: Asked,
    denied: Denied,
    /// The kinds that were looked for in some namespaces only.
    narrowed: Vec<String>,
    visit: &'l mut dyn FnMut(Value),
}

impl Listing<'_> {
    /// Lists a kind. What is wrong with it is said; an error is the end of all questions.
    fn kind(&mut self, kind: Kind) -> Result<(), String> {
        let (cluster, resource) = (self.cluster, resource(kind));
        let Err(error) = self.pages(kind, |visit| cluster.list(resource, visit)) else { return Ok(()) };
        let text = clean(&chain(&error)).into_owned();
        let instead = match &error {
            // A cluster without the kind has no objects of it. But every cluster has namespaces.
            ListError::Absent { .. } if kind != Kind::Namespace => {
                self.asked.is_without_constraints |= kind == Kind::SecurityContextConstraints;
                return Ok(());
            }
            ListError::Absent { .. } => {
                return Err(format!("{text}: {} is no Kubernetes API server", clean(cluster.server())));
            }
            error if error.is_fatal() => return Err(text),
            ListError::Forbidden { message, .. } => {
                if self.narrow(kind)? {
                    return Ok(());
                }
                self.denied.add(resource, message);
                if kind == Kind::SecurityContextConstraints {
                    // They are there, or it would have been said that they are not.
                    self.asked.has_hidden_constraints = true;
                    "the platform's own are taken for them"
                } else {
                    "the rest of the cluster is used"
                }
            }
            _ => "the rest of the cluster is used",
        };
        self.progress.suspend(|| complain(&format!("{text}; {instead}")));
        self.asked.incomplete = true;
        Ok(())
    }

    /// Looks for a kind that may not be listed everywhere in the namespaces that matter. False if that cannot be.
    fn narrow(&mut self, kind: Kind) -> Result<bool, String> {
        let (cluster, resource) = (self.cluster, resource(kind));
        if kind.is_cluster_scoped() && kind != Kind::Namespace {
            return Ok(false);
        }
        let scope = self.scope;
        let names = self.namespaces.get_or_insert_with(|| scope.namespaces(cluster.namespace())).clone();
        if names.is_empty() {
            return Ok(false);
        }
        for name in &names {
            let listed = if kind == Kind::Namespace {
                self.pages(kind, |visit| {
                    let found = cluster.get(resource, name)?;
                    let objects = usize::from(found.is_some());
                    visit(Page { items: found.into_iter().collect(), remaining: None });
                    Ok(Listed { objects, restarts: 0 })
                })
            } else {
                self.pages(kind, |visit| cluster.list_in(resource, name, visit))
            };
            match listed {
                Ok(()) => {}
                Err(error) if error.is_fatal() => return Err(clean(&chain(&error)).into_owned()),
                Err(error) => {
                    if let ListError::Forbidden { message, .. } = &error {
                        self.denied.add(resource, message);
                    }
                    let text = format!("{}; the rest of the cluster is used", clean(&chain(&error)));
                    self.progress.suspend(|| complain(&text));
                    self.asked.incomplete = true;
                }
            }
        }
        self.narrowed.push(kind.resource().to_owned());
        Ok(true)
    }

    /// Hands over what a request gives.
    fn pages(
        &mut self,
        kind: Kind,
        list: impl FnOnce(&mut dyn FnMut(Page)) -> Result<Listed, ListError>,
    ) -> Result<(), ListError> {
        let (progress, visit) = (&self.progress, &mut *self.visit);
        let mut pages = 0;
        let listed = list(&mut |page: Page| {
            if pages == 0 {
                progress.expect(page.remaining.unwrap_or_default().div_ceil(u64::from(ringfence_live::PAGE)));
            } else {
                progress.step();
            }
            pages += 1;
            page.items
                .into_iter()
                .filter_map(|item| slim(kind.api_version(), kind.as_str(), item))
                .for_each(&mut *visit);
        })?;
        if listed.objects == 0 {
            // That there are none is worth knowing, too.
            visit(json!({"apiVersion": kind.api_version(), "kind": format!("{kind}List"), "items": []}));
        }
        if listed.restarts > 0 {
            let text = format!("the list of {} expired while it was read, and is not of one moment", resource(kind));
            progress.suspend(|| warn(&text));
        }
        Ok(())
    }

    fn finish(self) -> Asked {
        self.progress.finish();
        if !self.narrowed.is_empty() {
            let names: Vec<String> = self.namespaces.unwrap_or_default().into_iter().collect();
            warn(&clean(&format!(
                "{} may not be listed everywhere: asked for those of {} only",
                self.narrowed.join(", "),
                names.join(", ")
            )));
        }
        if let Some(advice) = self.denied.advice() {
            warn(&clean(&advice));
        }
        self.asked
    }
}

fn resource(kind: Kind) -> Resource<'static> {
    Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() }
}
