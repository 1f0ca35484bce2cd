//! Every constraint's turn at a pod, as for one that is made now.

use super::Candidate;
use crate::{
    admit::{
        Pipeline,
        access::{Rbac, subject},
    },
    cluster::{Cluster, LookupError},
    user::User,
};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Decision, Engine, Operation, Outcome, Trial, why_before};

/// What would become of a pod if it were made now, and what every constraint has to say of it.
#[derive(Debug, Clone)]
pub struct Turns {
    /// What is decided.
    pub decision: Decision,
    /// Every constraint in the order of trial, those after the one that takes the pod too.
    pub trials: Vec<Trial>,
    /// If none takes it: what each would take, the nearest first.
    pub near: Vec<Candidate>,
    /// If none takes it: the least right with which one takes it as it is.
    pub smallest_grant: Option<String>,
}

impl Turns {
    /// The next constraint that would have taken the pod, after the chosen one.
    pub fn next(&self) -> Option<&Trial> {
        let chosen = self.decision.chosen.as_ref()?;
        let mut later = self.trials.iter().skip_while(|trial| trial.scc != *chosen).skip(1);
        later.find(|trial| trial.usable.is_some() && trial.outcome == Outcome::Admitted)
    }
}

impl<C: Cluster> Pipeline<C> {
    /// Every constraint's turn at a pod that has its service account. `None` where constraints have no say: on a cluster
    /// without, and in namespaces that they leave alone.
    pub fn turns(&self, pod: &Pod, namespace: &str, user: &User) -> Result<Option<Turns>, LookupError> {
        let Some(found) = self.constrained(namespace)? else { return Ok(None) };
        let (index, user) = (self.cluster.rbac(), subject(user));
        let access = Rbac::new(&index, namespace);
        let candidates = self.candidates(namespace, &found);
        let decision = candidates.admit(pod, &user, Operation::Create, &access);
        let refused = decision.message.is_some();
        let near = if refused { candidates.near_misses(pod, &user, &access) } else { Vec::new() };
        let near = near.iter().map(|near| Candidate::new(near, pod, str::to_owned)).collect();
        let smallest = if refused { candidates.smallest_grant(pod, &user, &access) } else { None };
        let smallest_grant = smallest.map(|missing| format!("{}, once {}", missing.scc, super::give(&missing)));
        let trials = candidates.trials(pod, &user, &access);
        Ok(Some(Turns { decision, trials, near, smallest_grant }))
    }
}

/// Why one constraint comes before another, with the numbers that decide.
pub fn because(engine: &Engine, first: &str, second: &str) -> String {
    let why = engine.get(first).zip(engine.get(second)).and_then(|(a, b)| why_before(a, b));
    match why {
        Some(ringfence_scc::Why::Priority(mine, other)) => format!("its priority is higher: {mine}, not {other}"),
        Some(ringfence_scc::Why::Restrictive { score, other, reason }) => {
            format!("it {reason} (restrictiveness {score}, not {other})")
        }
        Some(ringfence_scc::Why::Name) => "they are alike, and its name comes first".to_owned(),
        None => "it was asked for by name".to_owned(),
    }
}
