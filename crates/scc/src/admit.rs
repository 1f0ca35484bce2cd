//! Admission of a pod: which SCC takes it, what that makes of it, or what every SCC had against it.
//!
//! Upstream: `Admit`, `Validate` and `computeSecurityContext` of `sccadmission/admission.go`.

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::access::{Access, Grant, Subject, SubjectType, grant};
use crate::constraints::SecurityContextConstraints;
use crate::decision::{Decision, Outcome, Trial};
use crate::go::{aggregate, quote};
use crate::namespace::{Namespace, NamespaceError, ProviderError};
use crate::pod::{self, api_defaults};
use crate::provider::{Draft, Provider};
use crate::skip::skip;

/// Names the one SCC that a pod may be admitted by.
pub const REQUIRED_SCC: &str = "openshift.io/required-scc";
/// Says which SCC admitted a pod.
pub const VALIDATED_SCC: &str = "openshift.io/scc";
/// Says on whose behalf: `user` or `serviceaccount`.
pub const VALIDATED_SCC_SUBJECT_TYPE: &str = "security.openshift.io/validated-scc-subject-type";

/// Before every refusal that comes of trials.
const UNABLE: &str = "unable to validate against any security context constraint";

/// What is being done to the pod.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// It is created: SCCs may fill in what it leaves out.
    Create,
    /// It is updated: an SCC must take it as it is.
    Update {
        /// The pod as it is stored.
        old: &'a Pod,
    },
    /// Its `ephemeralcontainers` subresource is updated: only those may be filled in.
    UpdateEphemeralContainers {
        /// The pod as it is stored.
        old: &'a Pod,
    },
}

/// The SCCs of a cluster made ready for one namespace; worth keeping for its other pods.
#[derive(Debug, Clone)]
pub struct Candidates {
    pub(crate) namespace: String,
    /// Why no pod can be created here, whatever the SCC.
    unusable: Option<NamespaceError>,
    /// By name, in the order of trial.
    pub(crate) providers: Vec<(String, Result<Provider, ProviderError>)>,
}

/// How much of a pod an SCC may fill in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Allowed,
    EphemeralContainers,
    None,
}

/// The turns of the SCCs, and the one that took the pod.
struct Run {
    trials: Vec<Trial>,
    taken: Option<(Draft, String, SubjectType, Grant)>,
    /// What the refusal lists, in order.
    errors: Vec<String>,
}

impl Candidates {
    pub(crate) fn new(ordered: &[SecurityContextConstraints], namespace: &Namespace<'_>, kernel: (u32, u32)) -> Self {
        let provider =
            |scc: &SecurityContextConstraints| (scc.name().to_string(), Provider::new(scc, namespace, kernel));
        Self {
            namespace: namespace.name.into(),
            unusable: namespace.check().err(),
            providers: ordered.iter().map(provider).collect(),
        }
    }

    /// Decides about a pod, which need not have the API's defaults yet, but must have its service account.
    pub fn admit(
        &self,
        pod: &Pod,
        user: &Subject,
        operation: Operation<'_>,
        access: &(impl Access + ?Sized),
    ) -> Decision {
        let defaulted = api_defaults(pod);
        let skipped = match operation {
            Operation::Create => skip(&defaulted, operation),
            Operation::Update { old } => skip(&defaulted, Operation::Update { old: &api_defaults(old) }),
            Operation::UpdateEphemeralContainers { old } => {
                skip(&defaulted, Operation::UpdateEphemeralContainers { old: &api_defaults(old) })
            }
        };
        let pod = defaulted.into_owned();
        let mut decision =
            Decision { skipped, chosen: None, validated_by: None, grant: None, pod, trials: Vec::new(), message: None };
        if decision.skipped.is_some() {
            return decision;
        }
        let mutation = match operation {
            Operation::Create => Mutation::Allowed,
            Operation::UpdateEphemeralContainers { .. } => Mutation::EphemeralContainers,
            Operation::Update { .. } => Mutation::None,
        };
        let required = pod::annotation(&decision.pod, REQUIRED_SCC).unwrap_or_default();
        if let Operation::Update { old } | Operation::UpdateEphemeralContainers { old } = operation
            && pod::annotation(old, REQUIRED_SCC).unwrap_or_default() != required
        {
            let error = format!("invalid change of required security context constraint annotation: {REQUIRED_SCC}");
            decision.message = Some(forbidden(&decision.pod, &error));
            return decision;
        }
        match self.run(&decision.pod, user, mutation, required, "", access) {
            Err(error) => decision.message = Some(forbidden(&decision.pod, &error)),
            Ok(Run { trials, taken: None, errors }) => {
                decision.trials = trials;
                let error = format!("{UNABLE}: {}", aggregate(errors));
                decision.message = Some(forbidden(&decision.pod, &error));
            }
            Ok(Run { trials, taken: Some((draft, scc, subject, grant)), .. }) => {
                decision.trials = trials;
                draft.write_to(&mut decision.pod);
                let annotations = decision.pod.metadata.annotations.get_or_insert_default();
                annotations.insert(VALIDATED_SCC.into(), scc.clone());
                annotations.insert(VALIDATED_SCC_SUBJECT_TYPE.into(), subject.as_str().into());
                decision.chosen = Some(scc);
                decision.validated_by = Some(subject);
                decision.grant = Some(grant);
            }
        }
        decision
    }

    /// The second look that the API server takes once every plugin has had its say: some SCC must take the pod as it
    /// now is, the annotated one being asked first. Returns the refusal.
    pub fn validate(&self, pod: &Pod, user: &Subject, access: &(impl Access + ?Sized)) -> Result<(), String> {
        let pod = api_defaults(pod);
        if skip(&pod, Operation::Create).is_some() {
            return Ok(());
        }
        let required = pod::annotation(&pod, REQUIRED_SCC).unwrap_or_default();
        let hint = pod::annotation(&pod, VALIDATED_SCC).unwrap_or_default();
        if !required.is_empty() && required != hint {
            let error = format!("required scc/{required} does not match the suggested scc/{hint}");
            return Err(forbidden(&pod, &error));
        }
        match self.run(&pod, user, Mutation::None, required, hint, access) {
            Ok(Run { taken: Some(_), .. }) => Ok(()),
            // This list is printed plainly: neither commas nor brackets left out for one.
            Ok(Run { errors, .. }) => Err(forbidden(&pod, &format!("{UNABLE}: [{}]", errors.join(" ")))),
            Err(error) => Err(forbidden(&pod, &error)),
        }
    }

    /// Whether a user may `exec` into or `attach` to a stored pod: only if they, or the pod's service account, could
    /// create it. Returns the refusal.
    ///
    /// Upstream: `sccadmission/scc_exec.go`.
    pub fn exec(
        &self,
        pod: &Pod,
        user: &Subject,
        subresource: &str,
        access: &(impl Access + ?Sized),
    ) -> Result<(), String> {
        let Some(refusal) = self.admit(pod, user, Operation::Create, access).message else { return Ok(()) };
        let error = format!(
            "{subresource} operation is not allowed because the pod's security context exceeds your permissions: {refusal}"
        );
        Err(forbidden(pod, &error))
    }

    /// Every SCC's turn at the creation of a pod, beyond the one that takes it: for those who ask why not another.
    /// Empty when SCCs are not asked, or when the namespace or a broken SCC keeps every pod out.
    pub fn trials(&self, pod: &Pod, user: &Subject, access: &(impl Access + ?Sized)) -> Vec<Trial> {
        let pod = api_defaults(pod);
        if skip(&pod, Operation::Create).is_some() {
            return Vec::new();
        }
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let usable = self.usability(spec, user, access);
        let required = pod::annotation(&pod, REQUIRED_SCC).unwrap_or_default();
        let turn = |provider: &Provider| {
            let usable = usable(&provider.scc);
            let outcome = match usable {
                None => Outcome::NotUsable,
                Some(_) => provider.try_on(&pod, spec).map_or_else(Outcome::Refused, |_| Outcome::Admitted),
            };
            Trial { scc: provider.scc.name().into(), usable, outcome }
        };
        self.prepared(required).unwrap_or_default().into_iter().map(turn).collect()
    }

    /// The candidates that count for a pod, or why there are none.
    pub(crate) fn prepared(&self, required: &str) -> Result<Vec<&Provider>, String> {
        let candidates: Vec<_> =
            self.providers.iter().filter(|(name, _)| required.is_empty() || name == required).collect();
        if candidates.is_empty() && !required.is_empty() {
            let name = quote(required);
            return Err(format!(
                "failed to retrieve the required SCC {name}: securitycontextconstraints.security.openshift.io {name} not found"
            ));
        }
        if candidates.is_empty() {
            return Err("no SecurityContextConstraints found in cluster".into());
        }
        if let Some(error) = &self.unusable {
            return Err(error.to_string());
        }
        let broken: Vec<String> =
            candidates.iter().filter_map(|(_, p)| p.as_ref().err()).map(ToString::to_string).collect();
        if !broken.is_empty() {
            return Err(aggregate(broken));
        }
        Ok(candidates.into_iter().filter_map(|(_, p)| p.as_ref().ok()).collect())
    }

    fn run(
        &self,
        pod: &Pod,
        user: &Subject,
        mutation: Mutation,
        required: &str,
        hint: &str,
        access: &(impl Access + ?Sized),
    ) -> Result<Run, String> {
        let mut providers = self.prepared(required)?;
        if mutation != Mutation::Allowed {
            // A stable sort: the hinted SCC first, the others as they were.
            providers.sort_by_key(|p| p.scc.name() != hint);
        }
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let usable = self.usability(spec, user, access);
        let mut run = Run { trials: Vec::new(), taken: None, errors: Vec::new() };
        for provider in &providers {
            let scc = provider.scc.name();
            let Some((subject, grant)) = usable(&provider.scc) else {
                run.errors.push(format!("provider {}: Forbidden: not usable by user or serviceaccount", quote(scc)));
                run.trials.push(Trial { scc: scc.into(), usable: None, outcome: Outcome::NotUsable });
                continue;
            };
            let outcome = match provider.try_on(pod, spec) {
                Err(violations) => {
                    run.errors.extend(violations.iter().map(ToString::to_string));
                    Outcome::Refused(violations)
                }
                Ok(draft) => {
                    let acceptable = match mutation {
                        Mutation::Allowed => true,
                        Mutation::EphemeralContainers => draft.leaves_unchanged(pod, spec, true),
                        Mutation::None => draft.leaves_unchanged(pod, spec, false),
                    };
                    if acceptable {
                        run.taken = Some((draft, scc.into(), subject, grant.clone()));
                        Outcome::Admitted
                    } else {
                        Outcome::WouldMutate
                    }
                }
            };
            run.trials.push(Trial { scc: scc.into(), usable: Some((subject, grant)), outcome });
            if run.taken.is_some() {
                return Ok(run);
            }
        }
        run.errors.extend(Self::restricted_would_do(pod, spec, &providers, &run.trials));
        Ok(run)
    }

    /// On whose behalf an SCC may be used: the pod's service account is asked first, then the user.
    pub(crate) fn usability<'a>(
        &'a self,
        spec: &PodSpec,
        user: &'a Subject,
        access: &'a (impl Access + ?Sized),
    ) -> impl Fn(&SecurityContextConstraints) -> Option<(SubjectType, Grant)> + 'a {
        let account = Some(pod::service_account(spec)).filter(|name| !name.is_empty());
        let account = account.map(|name| Subject::service_account(&self.namespace, name));
        move |scc| {
            let may_use = |subject: &Subject| grant(scc, subject, &self.namespace, access);
            let for_account = account.as_ref().and_then(may_use).map(|g| (SubjectType::ServiceAccount, g));
            for_account.or_else(|| may_use(user).map(|g| (SubjectType::User, g)))
        }
    }

    /// Clusters installed before `restricted-v2` gave everyone `restricted`; the API server helps those who miss it.
    fn restricted_would_do(pod: &Pod, spec: &PodSpec, providers: &[&Provider], trials: &[Trial]) -> Option<String> {
        let tried = |name: &str| trials.iter().find(|t| t.scc == name);
        tried("restricted-v2")?;
        tried("restricted").filter(|t| t.outcome == Outcome::NotUsable)?;
        let restricted = providers.iter().find(|p| p.scc.name() == "restricted")?;
        restricted.try_on(pod, spec).is_ok().then(|| {
            "no access to scc/restricted: Forbidden: the pod fails to validate against the `restricted-v2` security \
             context constraint, but would validate successfully against the `restricted` security context constraint"
                .into()
        })
    }
}

/// A refusal as the API server words it.
fn forbidden(pod: &Pod, error: &str) -> String {
    let named = |s: &Option<String>| s.clone().filter(|s| !s.is_empty());
    let name = named(&pod.metadata.name).or_else(|| named(&pod.metadata.generate_name));
    format!("pods {} is forbidden: {error}", quote(name.as_deref().unwrap_or("Unknown")))
}
