//! A page to look at a cluster with: which namespaces enforce what, what their pods would satisfy, what a stricter level
//! would break, and which security context constraint a pod has and why.
//!
//! ```text
//! path and query ─ Address::read ─▶ Address ─ Ui::answer ─▶ a view of the cluster ─┬─▶ HTML
//!                                              surveys, kept for each namespace    └─▶ JSON, under /ui/api/
//! ```
//!
//! Every state of the page is an address: what is shown follows from the path, the query and the cluster, and nothing
//! else. The HTML works without its script, holds no script or style of its own, and every text that comes from the
//! cluster is escaped by the templates. It only reads.
//!
//! This crate must not know sockets, HTTP's headers, files, clocks or a Kubernetes client.
#![forbid(unsafe_code)]

mod address;
mod asset;
mod layout;
mod page;
mod paging;
mod shares;
mod surveys;

pub use address::{Address, Misread};
pub use asset::{Asset, asset};

use address::Page;
use k8s_openapi::api::core::v1::Pod;
use layout::{Around, Sheet};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::{Cluster, Platform};
use ringfence_admission::pod_security::PodSecurity;
use serde::Serialize;
use shares::Shares;
use surveys::Surveys;

/// What the page says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The version of the program.
    pub version: &'static str,
    /// Where the cluster's objects come from, in a few words.
    pub source: String,
    /// Whether only part of each pod is known, and the rest is asked for when one pod is looked at.
    pub is_watched: bool,
}

/// The page of one cluster.
#[derive(Debug)]
pub struct Ui {
    about: About,
    pod_security: PodSecurity,
    surveys: Surveys,
    shares: Shares,
}

/// The pod that an address asks for, as the cluster's API server has it now.
#[derive(Debug, Clone, PartialEq)]
pub enum Whole {
    /// No pod is asked for.
    NotAsked,
    /// This is it.
    Had(Box<Pod>),
    /// There is none.
    Gone,
    /// It is not to be had, for this reason.
    NotHad(String),
}

/// How fresh what is known of a watched cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// How long ago the API server was last heard of, in seconds.
    pub heard_seconds_ago: u64,
    /// Why it is not heard of now, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body is JSON; otherwise it is HTML.
    pub is_json: bool,
    /// The document.
    pub body: String,
}

/// A view that there is, or the reason for which there is none.
type View = Result<Sheet, Missing>;

/// What was asked for is not there.
#[derive(Debug)]
struct Missing(String);

impl Ui {
    /// A page that judges by the configuration. The clusters that it is asked about must know the service accounts of
    /// pods.
    pub fn new(about: About, pod_security: PodSecurity) -> Self {
        Self { about, pod_security, surveys: Surveys::default(), shares: Shares::default() }
    }

    /// Judges all pods, so that the first who looks need not wait.
    pub fn warm<C: Cluster>(&self, cluster: &C, pipeline: &Pipeline<C>) {
        drop(self.surveys.all(&self.pod_security, cluster));
        drop(self.shares.all(cluster, pipeline));
    }

    /// Answers what was asked.
    pub fn answer<C: Cluster>(
        &self,
        address: &Address,
        cluster: &C,
        pipeline: &Pipeline<C>,
        whole: &Whole,
        freshness: Option<&Freshness>,
    ) -> Answer {
        let view = match &address.page {
            Page::Overview => Ok(page::overview::view(self, cluster, pipeline)),
            Page::Namespaces(form) => Ok(page::namespaces::view(self, cluster, form)),
            Page::Namespace { name, level } => page::namespace::view(self, cluster, pipeline, name, *level),
            Page::Workloads(form) => Ok(page::workloads::view(self, cluster, form)),
            Page::Pods(form) => page::pods::view(self, cluster, pipeline, form),
            Page::Pod { namespace, name } => page::pod::view(self, cluster, pipeline, whole, (namespace, name)),
            Page::Constraints(form) => Ok(page::constraints::view(self, cluster, pipeline, form)),
            Page::Constraint { name, page } => page::constraint::view(self, cluster, pipeline, name, *page),
            Page::Search { text } => Ok(page::search::view(self, cluster, pipeline, text)),
        };
        let has_constraints = cluster.platform() == Platform::OpenShift;
        let around = Around { about: &self.about, address: Some(address), has_constraints, freshness };
        match view {
            Ok(sheet) if address.is_json => Answer { status: 200, is_json: true, body: layout::json(sheet, freshness) },
            Ok(sheet) => Answer { status: 200, is_json: false, body: layout::whole(around, &sheet) },
            Err(Missing(what)) => self.refusal(404, "Not found", &what, address.is_json),
        }
    }

    /// An answer for who asked for something that is not there, or cannot be had now.
    pub fn refusal(&self, status: u16, title: &str, why: &str, is_json: bool) -> Answer {
        let body = if is_json {
            serde_json::json!({ "error": why }).to_string()
        } else {
            layout::refusal(&self.about, title, why)
        };
        Answer { status, is_json, body }
    }
}
