//! A running cluster: `--kubeconfig` and `--context`.

use std::path::PathBuf;

use ringfence_admission::cluster::Kind;
use ringfence_live::{Cluster, ListError, Page, Resource, Target};
use serde_json::{Value, json};

use super::slim;
use crate::commands::{chain, complain, warn};
use crate::progress::Progress;
use crate::view::clean;

/// Where the running cluster is found.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// Ask the running cluster of this kubeconfig. Objects are only listed, and of no more kinds than the answer needs:
    /// never Secrets or ConfigMaps.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Ask the running cluster of this context, of --kubeconfig, of $KUBECONFIG or of ~/.kube/config.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// What asking the cluster came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether some of it could not be listed, which has been said.
    pub(crate) incomplete: bool,
    /// Whether there are security context constraints which may not be listed.
    pub(crate) has_hidden_constraints: bool,
}

impl LiveArgs {
    /// Whether a running cluster is asked.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// The running cluster, as it is found.
    pub(crate) fn target(&self) -> Target {
        Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// Lists these kinds and hands over their objects, without what is not needed and what may be secret; in place of
    /// a kind that has none, an empty list. `None` if there is no cluster to ask, which has been said.
    pub(crate) fn each(&self, wants: impl Fn(Kind) -> bool, visit: &mut dyn FnMut(Value)) -> Option<Asked> {
        let cluster = match Cluster::connect(&self.target()) {
            Ok(cluster) => cluster,
            Err(error) => {
                complain(&clean(&chain(&error)));
                return None;
            }
        };
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| wants(*kind)).collect();
        let progress = Progress::new("listing", kinds.len());
        let mut asked = Asked::default();
        for kind in kinds {
            let listed = list(&cluster, kind, &progress, visit);
            progress.step();
            let Err(error) = listed else { continue };
            let text = clean(&chain(&error)).into_owned();
            let mut instead = "the rest of the cluster is used";
            match error {
                // A cluster without the kind has no objects of it. But every cluster has namespaces.
                ListError::Absent { .. } if kind != Kind::Namespace => continue,
                ListError::Absent { .. } => {
                    let text = format!("{text}: {} is no Kubernetes API server", clean(cluster.server()));
                    progress.suspend(|| complain(&text));
                    progress.finish();
                    return None;
                }
                error if error.is_fatal() => {
                    progress.suspend(|| complain(&text));
                    progress.finish();
                    return None;
                }
                ListError::Forbidden { .. } if kind == Kind::SecurityContextConstraints => {
                    // They are there, or it would have been said that they are not.
                    asked.has_hidden_constraints = true;
                    instead = "the platform's own are taken for them";
                }
                _ => {}
            }
            progress.suspend(|| complain(&format!("{text}; {instead}")));
            asked.incomplete = true;
        }
        progress.finish();
        Some(asked)
    }
}

fn list(cluster: &Cluster, kind: Kind, progress: &Progress, visit: &mut dyn FnMut(Value)) -> Result<(), ListError> {
    let resource = Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() };
    let mut pages = 0;
    let listed = cluster.list(resource, &mut |page: Page| {
        if pages == 0 {
            progress.expect(page.remaining.unwrap_or_default().div_ceil(u64::from(ringfence_live::PAGE)));
        } else {
            progress.step();
        }
        pages += 1;
        page.items.into_iter().filter_map(|item| slim(kind.api_version(), kind.as_str(), item)).for_each(&mut *visit);
    })?;
    if listed.objects == 0 {
        // That there are none is worth knowing, too.
        visit(json!({"apiVersion": kind.api_version(), "kind": format!("{kind}List"), "items": []}));
    }
    if listed.restarts > 0 {
        let text = format!("the list of {resource} expired while it was read, and is not of one moment");
        progress.suspend(|| warn(&text));
    }
    Ok(())
}
