//! Pod Security admission: which level and version counts for a request, and what the API server says of it.
//!
//! [`PodSecurity::review`] answers a request. Its rules are those of `k8s.io/pod-security-admission/admission`.

mod config;
mod evaluate;
mod exempt;
mod existing;
mod extract;
mod hints;
mod name;
mod namespace;
mod pod;
mod policy;
mod response;
mod significant;
mod survey;
mod template;
mod workload;

pub use config::{ConfigError, Defaults, Exemptions, PodSecurityConfiguration};
pub use existing::{ExistingPods, Limits, Owner, Violating};
pub use extract::{RESOURCES, Template};
pub use policy::{LevelVersion, Mode, Policy};
pub(crate) use response::forbidden_message;
pub use survey::{Breaking, Refused, Survey};
pub use template::{template, template_for_constraints};

use crate::{
    cluster::{Namespaces, Pods},
    review::{AdmissionRequest, AdmissionResponse, Recorded},
    waiver::Waiving,
};
use ringfence_pss::Version;
use std::sync::Arc;

/// The plug-in: its configuration, and what it takes for granted.
#[derive(Debug, Clone)]
pub struct PodSecurity {
    exemptions: Exemptions,
    defaults: Policy,
    latest: Option<Version>,
    limits: Limits,
    hints: bool,
    waiving: Option<Arc<Waiving>>,
}

/// What a request comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// The answer.
    pub response: AdmissionResponse,
    /// The pods that a namespace's new level would refuse, if that was asked.
    pub existing: Option<ExistingPods>,
}

impl PodSecurity {
    /// Takes a configuration, if it is valid.
    pub fn new(configuration: PodSecurityConfiguration) -> Result<Self, ConfigError> {
        let defaults = configuration.policy()?;
        let exemptions = configuration.exemptions;
        Ok(Self { exemptions, defaults, latest: None, limits: Limits::NONE, hints: false, waiving: None })
    }

    /// Judges as a cluster of that version does: its version is the latest there, and stands in for newer ones.
    #[must_use]
    pub fn with_latest(mut self, version: Version) -> Self {
        self.latest = Some(version);
        self
    }

    /// Stops checking the pods of a namespace somewhere, as the API server does.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds to what is refused or warned of a warning for each field at fault, with its path and what to write. The API
    /// server itself says no such thing.
    #[must_use]
    pub fn with_hints(mut self, hints: bool) -> Self {
        self.hints = hints;
        self
    }

    /// Counts waivers, as they are at a moment.
    #[must_use]
    pub fn with_waivers(mut self, waiving: Waiving) -> Self {
        self.waiving = Some(Arc::new(waiving));
        self
    }

    /// The waivers that count, if any do.
    pub fn waiving(&self) -> Option<&Waiving> {
        self.waiving.as_deref()
    }

    /// The policy where a namespace says nothing.
    pub fn defaults(&self) -> Policy {
        self.defaults
    }

    /// Answers a request.
    pub fn review<C: Namespaces + Pods + ?Sized>(&self, cluster: &C, request: &AdmissionRequest) -> Review {
        self.review_with(cluster, request, self.waiving())
    }

    /// Answers a request, with these waivers.
    pub fn review_with<C: Namespaces + Pods + ?Sized>(
        &self,
        cluster: &C,
        request: &AdmissionRequest,
        waiving: Option<&Waiving>,
    ) -> Review {
        let mut review = match (request.resource.group.as_str(), request.resource.resource.as_str()) {
            ("", "namespaces") => {
                let mut review = self.review_namespace(cluster, request);
                // The reference counts nothing here.
                review.response.recorded = Recorded::default();
                review
            }
            ("", "pods") => Review::from(self.review_pod(cluster, request, waiving)),
            _ => Review::from(self.review_workload(cluster, request)),
        };
        review.response.uid.clone_from(&request.uid);
        review
    }
}

impl From<AdmissionResponse> for Review {
    fn from(response: AdmissionResponse) -> Self {
        Self { response, existing: None }
    }
}

impl Default for PodSecurity {
    /// Privileged everywhere, unless a namespace says otherwise.
    fn default() -> Self {
        Self {
            exemptions: Exemptions::default(),
            defaults: Policy::PRIVILEGED,
            latest: None,
            limits: Limits::NONE,
            hints: false,
            waiving: None,
        }
    }
}

#[cfg(test)]
mod tests;
