//! Which constraint the pods of a namespace would be given if they were made again, each kind of pod asked for once.

use super::{
    access::{Rbac, subject},
    maker::Maker,
    pipeline::Pipeline,
};
use crate::{
    cluster::{Alike, Cluster, Kind, LookupError, Pods},
    pod_security::Owner,
    rbac::Index,
    user::User,
};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Candidates, Operation, Skipped, VALIDATED_SCC};
use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

/// What becomes of a pod that is made again as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Now {
    /// It is given this constraint.
    Given(Arc<str>),
    /// No constraint takes it.
    Refused,
    /// Constraints have no say.
    Unasked,
}

/// How many pods of a namespace have one constraint and would be given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The constraint that was recorded when they were made, if one was.
    pub recorded: Option<Arc<str>>,
    /// What becomes of them if they are made again.
    pub now: Now,
    /// How many there are.
    pub pods: usize,
}

/// The pods of one namespace, made again.
#[derive(Debug)]
pub struct Again<'n> {
    namespace: &'n str,
    /// `None` where constraints have no say.
    asked: Option<(Arc<Index>, Arc<Candidates>)>,
    /// By template and maker.
    known: HashMap<(usize, Maker), Now>,
}

impl Now {
    /// Whether a pod that has a constraint would be given another one.
    pub fn is_other(&self, recorded: Option<&str>) -> bool {
        matches!((self, recorded), (Self::Given(now), Some(recorded)) if **now != *recorded)
    }
}

impl Maker {
    /// Who made a pod that has this owner; the requester stands for those of whom nobody knows.
    pub fn of_owner(owner: Option<&Owner>) -> Self {
        let kind = owner.and_then(|owner| Kind::of(&owner.api_version, &owner.kind));
        match kind.and_then(Self::of) {
            Some(maker @ Self::Controller(_)) => maker,
            _ => Self::Requester,
        }
    }

    /// As whom such a pod is made again: its controller, or else a user without rights of its own.
    pub fn user_again(self) -> User {
        match self {
            Self::Controller(_) => self.user(&User::default()),
            _ => User::impersonated("", &[]),
        }
    }
}

/// The constraint that took a pod when it was made, as its annotation says.
pub fn recorded(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(VALIDATED_SCC).map(String::as_str)
}

impl<C: Cluster> Pipeline<C> {
    /// Makes ready to ask for the pods of a namespace.
    pub fn again<'n>(&self, namespace: &'n str) -> Result<Again<'n>, LookupError> {
        let found = self.constrained(namespace)?;
        let asked = found.map(|found| (self.cluster.rbac(), self.passing_candidates(namespace, &found)));
        Ok(Again { namespace, asked, known: HashMap::new() })
    }

    /// How many pods of the namespace have which constraint, and what becomes of them if they are made again: by the name
    /// of the constraint.
    pub fn shares<P: Pods + ?Sized>(&self, pods: &P, namespace: &str) -> Result<Vec<Share>, LookupError> {
        let mut again = self.again(namespace)?;
        let mut shares: Vec<Share> = Vec::new();
        // Where each kind of pod is counted.
        let mut places: HashMap<(usize, Maker), usize> = HashMap::new();
        pods.alike(namespace, &mut |pod| {
            let kind = pod.template.map(|template| (template, Maker::of_owner(pod.owner)));
            let known = kind.and_then(|kind| places.get(&kind).copied());
            let place = known.unwrap_or_else(|| {
                let (recorded, now) = (recorded(pod.pod), again.ask(&pod));
                let place = shares.iter().position(|share| share.recorded.as_deref() == recorded && share.now == now);
                let place = place.unwrap_or_else(|| {
                    shares.push(Share { recorded: recorded.map(Arc::from), now, pods: 0 });
                    shares.len() - 1
                });
                if let Some(kind) = kind {
                    places.insert(kind, place);
                }
                place
            });
            if let Some(share) = shares.get_mut(place) {
                share.pods += 1;
            }
            ControlFlow::Continue(())
        })?;
        shares.sort_unstable_by(|a, b| (&a.recorded, &a.now).cmp(&(&b.recorded, &b.now)));
        Ok(shares)
    }
}

impl Again<'_> {
    /// What becomes of a pod of the namespace.
    pub fn ask(&mut self, pod: &Alike<'_>) -> Now {
        let Some((index, candidates)) = &self.asked else { return Now::Unasked };
        let maker = Maker::of_owner(pod.owner);
        let kind = pod.template.map(|template| (template, maker));
        if let Some(known) = kind.and_then(|kind| self.known.get(&kind)) {
            return known.clone();
        }
        let user = subject(&maker.user_again());
        let decision = candidates.admit(pod.pod, &user, Operation::Create, &Rbac::new(index, self.namespace));
        let now = match (decision.chosen, decision.skipped) {
            (Some(chosen), _) => Now::Given(chosen.into()),
            (None, Some(Skipped::Windows | Skipped::Unchanged)) => Now::Unasked,
            (None, None) => Now::Refused,
        };
        if let Some(kind) = kind {
            self.known.insert(kind, now.clone());
        }
        now
    }
}

#[cfg(test)]
mod tests;
