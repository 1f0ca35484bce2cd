//! A running cluster, as far as admission needs it, kept up to date.
//!
//! ```text
//! namespaces ─▶ labels and annotations that decide something   pods ─▶ name, owner, template (alike pods share one)
//! SCCs, and with them roles and bindings ─▶ who may use which
//! ```
//!
//! What is known stays when the API server goes away; how old it is, the metrics tell.

mod constraints;
mod namespaces;
mod pods;
mod state;
mod store;
mod waivers;

use crate::source::{AnyCluster, Asked, Source};
use constraints::{Constraints, Kept};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use namespaces::Namespaces;
use pods::Pods;
use ringfence_admission::cluster::{self, Alike, Kind, LookupError, Platform};
use ringfence_admission::rbac::Index;
use ringfence_admission::waiver::{Terms, Waivers};
use ringfence_live::{Client, Resource};
use ringfence_scc::SecurityContextConstraints;
use ringfence_ui::Freshness;
use state::States;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{watch, watch_in};
use tokio::sync::Semaphore;

/// How long a namespace that was asked for counts, before it is known from the watch.
const RECENT: Duration = Duration::from_secs(30);
/// How long to wait for the answer about one object.
const LOOK_UP: Duration = Duration::from_secs(2);
/// How many may be asked for at one time, and be remembered.
const LOOK_UPS: usize = 16;
const MOST_RECENT: usize = 1000;

/// A cluster that is watched.
pub struct Live {
    client: Client,
    namespaces: Arc<Namespaces>,
    pods: Arc<Pods>,
    constraints: Arc<Constraints>,
    states: Arc<States>,
    /// Where waivers count.
    waivers: Option<Arc<waivers::Kept>>,
    recent: Mutex<HashMap<String, (Arc<Namespace>, Instant)>>,
    look_ups: Semaphore,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// Begins to watch, waivers too if there are terms for them, and of pods more than the webhooks need if there is a page
    /// that shows them. Must be called within a tokio runtime; the watches end with it.
    pub fn start(client: Client, server: &str, waivers: Option<Terms>, has_page: bool) -> Arc<Self> {
        let live = Arc::new(Self {
            client,
            namespaces: Arc::default(),
            pods: Arc::new(Pods::new(has_page)),
            constraints: Arc::default(),
            states: Arc::default(),
            waivers: waivers.map(|terms| Arc::new(waivers::Kept::new(terms))),
            recent: Mutex::default(),
            look_ups: Semaphore::new(LOOK_UPS),
        });
        watch(
            &live.client,
            server,
            resource(Kind::Namespace),
            Arc::clone(&live.namespaces),
            live.states.of(Kind::Namespace),
        );
        watch(&live.client, server, resource(Kind::Pod), Arc::clone(&live.pods), live.states.of(Kind::Pod));
        let constraints = Arc::clone(&live.constraints);
        watch(
            &live.client,
            server,
            resource(Kind::SecurityContextConstraints),
            constraints,
            live.states.of(Kind::SecurityContextConstraints),
        );
        if let Some(kept) = &live.waivers {
            let namespace = kept.terms().namespace.clone();
            let state = live.states.of(Kind::Waiver);
            watch_in(&live.client, server, resource(Kind::Waiver), namespace, Arc::clone(kept), state);
        }
        tokio::spawn(Arc::clone(&live).watch_rbac(server.to_owned()));
        live
    }

    /// Roles and bindings are worth their memory only where there are constraints.
    async fn watch_rbac(self: Arc<Self>, server: String) {
        let sccs = self.states.of(Kind::SecurityContextConstraints);
        while !sccs.is_present() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for kind in constraints::RBAC {
            let kept = Kept::new(kind, Arc::clone(&self.constraints));
            watch(&self.client, &server, resource(kind), Arc::new(kept), self.states.of(kind));
        }
        loop {
            self.constraints.index_if_changed();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn recent(&self, name: &str) -> Option<Arc<Namespace>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(name).filter(|(_, since)| since.elapsed() < RECENT).map(|(namespace, _)| Arc::clone(namespace))
    }

    async fn ask_for_namespace(&self, name: &str) {
        let Ok(_permit) = self.look_ups.acquire().await else { return };
        let Some(asked) =
            ringfence_live::get::<Namespace>(&self.client, resource(Kind::Namespace), None, name, LOOK_UP).await
        else {
            return;
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST_RECENT {
            recent.retain(|_, (_, since)| since.elapsed() < RECENT);
        }
        if recent.len() < MOST_RECENT {
            recent.insert(name.to_owned(), (Arc::new(namespaces::slim(asked)), Instant::now()));
        }
    }
}

fn resource(kind: Kind) -> Resource<'static> {
    Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() }
}

impl Source for Arc<Live> {
    fn cluster(&self) -> Result<AnyCluster, &'static str> {
        let sccs = self.states.of(Kind::SecurityContextConstraints);
        if !self.states.of(Kind::Namespace).is_settled() {
            return Err("the cluster's namespaces are not known yet");
        }
        if !self.states.of(Kind::Pod).is_settled() {
            return Err("the cluster's pods are not known yet");
        }
        if !sccs.is_settled() {
            return Err("the cluster's security context constraints are not known yet");
        }
        if self.waivers.is_some() && !self.states.of(Kind::Waiver).is_settled() {
            return Err("the cluster's waivers are not known yet");
        }
        if sccs.is_present()
            && !(constraints::RBAC.into_iter().all(|kind| self.states.of(kind).is_settled())
                && self.constraints.is_indexed())
        {
            return Err("the cluster's roles and bindings are not known yet");
        }
        Ok(Arc::clone(self) as AnyCluster)
    }

    fn look_up<'s>(&'s self, namespace: &'s str) -> Option<Pin<Box<dyn Future<Output = ()> + Send + 's>>> {
        if namespace.is_empty() || self.namespaces.get(namespace).is_some() || self.recent(namespace).is_some() {
            return None;
        }
        Some(Box::pin(self.ask_for_namespace(namespace)))
    }

    fn pod<'s>(&'s self, namespace: &'s str, name: &'s str) -> Asked<'s> {
        Box::pin(ringfence_live::get_or_why(&self.client, resource(Kind::Pod), Some(namespace), name, LOOK_UP))
    }

    fn freshness(&self) -> Option<Freshness> {
        Some(self.states.freshness())
    }

    fn waivers(&self) -> Option<Arc<Waivers>> {
        self.waivers.as_ref().map(|kept| kept.all())
    }

    fn revision(&self) -> u64 {
        self.constraints.revision() + self.namespaces.revision()
    }

    fn metrics(&self, out: &mut String) {
        self.states.render(out);
        crate::metrics::gauge("ringfence_namespaces", "Namespaces that are known.", self.namespaces.len() as u64, out);
        let (pods, templates) = self.pods.len();
        crate::metrics::gauge("ringfence_pods", "Pods that are known.", pods as u64, out);
        crate::metrics::gauge("ringfence_pod_templates", "Different pods among them.", templates as u64, out);
    }
}

impl cluster::Namespaces for Live {
    fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError> {
        let found = self.namespaces.get(name).or_else(|| self.recent(name));
        found.ok_or_else(|| LookupError::not_found("namespaces", name))
    }
}

impl cluster::Pods for Live {
    fn pods(&self, namespace: &str, visit: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError> {
        self.pods.each(namespace, &mut |alike| visit(&pods::whole(namespace, alike)));
        Ok(())
    }

    fn alike(&self, namespace: &str, visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>) -> Result<(), LookupError> {
        self.pods.each(namespace, visit);
        Ok(())
    }

    fn pods_revision(&self, namespace: &str) -> Option<u64> {
        Some(self.pods.revision(namespace))
    }
}

/// Service accounts and operators are not watched: no webhook asks for them.
impl cluster::Cluster for Live {
    fn platform(&self) -> Platform {
        if self.states.of(Kind::SecurityContextConstraints).is_present() {
            Platform::OpenShift
        } else {
            Platform::Kubernetes
        }
    }

    fn has_seen(&self, kind: Kind) -> bool {
        States::is_watched(kind) && self.states.of(kind).is_present()
    }

    fn each_namespace(&self, visit: &mut dyn FnMut(&Namespace)) {
        self.namespaces.each(visit);
    }

    fn service_account(&self, _: &str, _: &str) -> Option<Arc<ServiceAccount>> {
        None
    }

    fn each_service_account(&self, _: &str, _: &mut dyn FnMut(&ServiceAccount)) {}

    fn each_constraint(&self, visit: &mut dyn FnMut(&SecurityContextConstraints)) {
        self.constraints.each(visit);
    }

    fn constraints_revision(&self) -> Option<u64> {
        Some(self.constraints.revision() + self.constraints.indexes())
    }

    fn rbac(&self) -> Arc<Index> {
        self.constraints.index()
    }

    fn has_operator(&self, _: &str) -> bool {
        false
    }
}
