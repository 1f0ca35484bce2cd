//! The security context constraint of a pod: which it got, which it would get now, and why.

use crate::address::href;
use crate::layout;
use crate::paging::number;
use k8s_openapi::api::core::v1::Pod;
use maud::{Markup, html};
use ringfence_admission::admit::{Maker, Pipeline, recorded};
use ringfence_admission::cluster::{Cluster, Platform};
use ringfence_admission::explain::{Candidate, Turns, because, plain_violation};
use ringfence_admission::pod_security::Owner;
use ringfence_admission::user::User;
use ringfence_scc::{
    Grant, Outcome, Skipped, Subject, SubjectType, Trial, VALIDATED_SCC, VALIDATED_SCC_SUBJECT_TYPE, score,
};
use serde::Serialize;

/// The constraint of a pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Constraint {
    /// The one that it was given when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recorded: Option<String>,
    /// Whose right to it counted then: `user` or `serviceaccount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    /// The one that it would be given now.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    /// The refusal, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// Why nothing is known of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    /// As whom the pod would be made, beside its service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    maker: Option<String>,
    /// Every constraint in the order of trial.
    turns: Vec<Turn>,
    /// Why the chosen one comes before the next that would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// What each would take, if none takes the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    near: Vec<Candidate>,
    /// The least right with which one takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest_grant: Option<String>,
}

/// The turn of a constraint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    scc: String,
    priority: i32,
    /// The higher, the less it restricts.
    score: i32,
    /// Who may use it, and through what; absent if neither the maker nor the service account may.
    #[serde(skip_serializing_if = "Option::is_none")]
    usable: Option<String>,
    /// `taken`, `would do`, `refused` or `not usable`.
    outcome: &'static str,
    /// What it objects to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objections: Vec<String>,
}

/// The next constraint that would do.
#[derive(Debug, Serialize)]
struct Next {
    scc: String,
    because: String,
}

/// The constraint of a pod; `None` on a cluster without constraints.
pub(super) fn find<C: Cluster>(cluster: &C, pipeline: &Pipeline<C>, pod: &Pod, namespace: &str) -> Option<Constraint> {
    if cluster.platform() != Platform::OpenShift {
        return None;
    }
    let annotations = pod.metadata.annotations.as_ref();
    let mut constraint = Constraint {
        recorded: recorded(pod).map(str::to_owned),
        subject_type: annotations.and_then(|all| all.get(VALIDATED_SCC_SUBJECT_TYPE).cloned()),
        now: None,
        refusal: None,
        unknown: None,
        maker: None,
        turns: Vec::new(),
        next: None,
        near: Vec::new(),
        smallest_grant: None,
    };
    let maker = Maker::of_owner(Owner::of(pod).as_ref()).user_again();
    match pipeline.turns(pod, namespace, &maker) {
        Err(error) => constraint.unknown = Some(error.to_string()),
        Ok(None) => constraint.unknown = Some(format!("constraints have no say in namespace {namespace:?}")),
        Ok(Some(turns)) if turns.decision.skipped == Some(Skipped::Windows) => {
            constraint.unknown = Some("constraints have no say in pods for Windows".to_owned());
        }
        Ok(Some(turns)) => fill_in(&mut constraint, cluster, pipeline, pod, namespace, &maker, turns),
    }
    constraint.maker = Some(maker.name).filter(|name| !name.is_empty());
    Some(constraint)
}

fn fill_in<C: Cluster>(
    constraint: &mut Constraint,
    cluster: &C,
    pipeline: &Pipeline<C>,
    pod: &Pod,
    namespace: &str,
    maker: &User,
    turns: Turns,
) {
    let engine = pipeline.engine();
    let chosen = turns.decision.chosen.clone();
    constraint.next = turns
        .next()
        .zip(chosen.as_ref())
        .map(|(next, chosen)| Next { scc: next.scc.clone(), because: because(engine, chosen, &next.scc) });
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or_default();
    let right = |trial: &Trial| {
        let (subject, grant) = trial.usable.as_ref()?;
        let (who, user) = match subject {
            SubjectType::User => ("the maker".to_owned(), maker.clone()),
            SubjectType::ServiceAccount => {
                let Subject { name, groups } = Subject::service_account(namespace, account);
                (format!("service account {account}"), User { name, groups })
            }
        };
        let through = match grant {
            Grant::Users => "the constraint's users".to_owned(),
            Grant::Groups(group) => format!("the constraint's groups name {group:?}"),
            Grant::Rule(rule) => cluster
                .rbac()
                .first(&user, namespace, &trial.scc)
                .map_or_else(|| format!("{} gives {}", rule.binding, rule.role), |grant| grant.to_string()),
            _ => "a right".to_owned(),
        };
        Some(format!("{who}: {through}"))
    };
    constraint.turns = turns
        .trials
        .iter()
        .map(|trial| {
            let scc = engine.get(&trial.scc);
            Turn {
                priority: scc.and_then(|scc| scc.priority).unwrap_or_default(),
                score: scc.map(score).unwrap_or_default(),
                usable: right(trial),
                outcome: match &trial.outcome {
                    _ if chosen.as_ref() == Some(&trial.scc) => "taken",
                    Outcome::NotUsable => "not usable",
                    Outcome::Refused(_) => "refused",
                    Outcome::WouldMutate | Outcome::Admitted => "would do",
                },
                objections: objections(trial),
                scc: trial.scc.clone(),
            }
        })
        .collect();
    constraint.now = chosen;
    constraint.refusal = turns.decision.message;
    constraint.near = turns.near;
    constraint.smallest_grant = turns.smallest_grant;
}

/// The host's network is objected to for the pod, and for every container.
fn objections(trial: &Trial) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for violation in trial.violations() {
        let text = format!("{}: {}", violation.field, plain_violation(violation));
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

pub(super) fn show(constraint: &Constraint) -> Markup {
    html! {
        h2 { "Security context constraint" }
        p {
            @match &constraint.recorded {
                Some(recorded) => {
                    "It was given " strong { (recorded) } " when it was made"
                    @match constraint.subject_type.as_deref() {
                        Some("serviceaccount") => ", by the right of its service account",
                        Some("user") => ", by the right of whoever made it",
                        _ => "",
                    }
                    "."
                }
                None => { "It has no annotation " code { (VALIDATED_SCC) } ": no constraint was recorded when it was made." }
            }
            " "
            @match (&constraint.now, &constraint.unknown) {
                (Some(now), _) if constraint.recorded.as_ref() == Some(now) => "It would be given the same now.",
                (Some(now), _) => { "Made again as it is, it would be given " strong { (now) } "." }
                (None, Some(unknown)) => { "What it would be given now is not known: " (unknown) "." }
                (None, None) => "Made again as it is, it would be refused.",
            }
        }
        @if let Some(next) = &constraint.next {
            @if let Some(now) = &constraint.now {
                p { (now) " comes before " (next.scc) ", which would do as well: " (next.because) "." }
            }
        }
        @if !constraint.near.is_empty() {
            details {
                summary { "What it would take" }
                ul {
                    @for near in &constraint.near { li { (near.advice()) } }
                    @if let Some(grant) = &constraint.smallest_grant { li { "As it is, the least is " (grant) } }
                }
            }
        }
        @if !constraint.turns.is_empty() {
            (layout::wide("Constraints in the order in which they are tried", &html! {
                thead {
                    tr {
                        th scope="col" { "Constraint" }
                        th.n scope="col" { "Priority" }
                        th.n scope="col" { "Score" }
                        th scope="col" { "Outcome" }
                        th scope="col" { "Usable through" }
                        th scope="col" { "Objections" }
                    }
                }
                tbody {
                    @for turn in &constraint.turns {
                        tr.taken[turn.outcome == "taken"] {
                            th scope="row" { a href=(href(&["constraints", &turn.scc], &[])) { (turn.scc) } }
                            td.n { (turn.priority) }
                            td.n { (number(usize::try_from(turn.score).unwrap_or_default())) }
                            td.outcome { (turn.outcome) }
                            td { @match &turn.usable { Some(usable) => (usable), None => span.quiet { "nothing" } } }
                            td.why { @for objection in &turn.objections { p { (objection) } } }
                        }
                    }
                }
            }))
            p.quiet {
                "The pod is tried as it is stored, with what its constraint filled in, as made by "
                @match &constraint.maker { Some(maker) => code { (maker) }, None => "a user without rights of its own" }
                ". A higher priority is tried first; of equals, the lower score, which restricts more."
            }
        }
    }
}
