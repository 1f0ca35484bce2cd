//! A capability at work: what `prove` shows beside the state of a process.

use ringfence_context::capability::Capability;
use ringfence_context::effective::EffectiveContainer;
use ringfence_context::process::Namespace;
use ringfence_runtime::observe::{self, Attempt, RaisedLimit};
use ringfence_runtime::run::Observed;
use serde::Serialize;

const CAPABILITY: &str = "SYS_RESOURCE";

/// What a capability that the manifest adds makes possible here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Demonstration {
    pub(crate) capability: &'static str,
    /// Whether the capability made the difference.
    pub(crate) shown: bool,
    /// What happened, or why it cannot be shown here.
    pub(crate) statement: String,
    /// The attempts, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raised_limit: Option<RaisedLimit>,
}

/// The demonstrations for a container: none but for one that adds SYS_RESOURCE.
pub(crate) fn of(container: &EffectiveContainer, observed: Option<&Observed>) -> Vec<Demonstration> {
    if !container.capabilities.adds(CAPABILITY) {
        return vec![];
    }
    let raised = observed.and_then(|observed| observed.raised_limit.as_ref());
    let (shown, statement) = match raised {
        Some(Ok(raised)) if raised.shows_the_capability() => (true, shown(raised)),
        Some(Ok(raised)) => (false, not_shown(container, observed, raised)),
        Some(Err(why)) => (false, format!("could not be tried: {why}")),
        None if missing(container) => (
            false,
            "cannot be had here, because it is not in this machine's bounding set, so that no process can have it and the \
             container does not start"
                .to_owned(),
        ),
        None => (false, "not tried, because the container did not start".to_owned()),
    };
    let raised_limit = raised.and_then(|raised| raised.as_ref().ok()).cloned();
    vec![Demonstration { capability: CAPABILITY, shown, statement, raised_limit }]
}

fn missing(container: &EffectiveContainer) -> bool {
    Capability::from_name(CAPABILITY).is_some_and(|capability| container.capabilities.missing.contains(capability))
}

fn shown(raised: &RaisedLimit) -> String {
    let RaisedLimit { from, to, process, without, .. } = raised;
    let how = if process.raised { "the process" } else { "a program with the file capability" };
    let itself = if process.raised {
        String::new()
    } else {
        format!("; the process itself does not have it and is refused{}", because(process))
    };
    format!(
        "{how} raised its RLIMIT_NOFILE from {from} to {to}; without the capability that is refused{}{itself}",
        because(without)
    )
}

/// Why the capability made no difference.
fn not_shown(container: &EffectiveContainer, observed: Option<&Observed>, raised: &RaisedLimit) -> String {
    let RaisedLimit { from, to, process, program, without } = raised;
    let what = format!("raise RLIMIT_NOFILE from {from} to {to}");
    if process.raised || without.raised || without.effective != Some(false) {
        let error = because(without);
        return format!("says nothing here: whether a process without it may {what} could not be told{error}");
    }
    let state = observed.map(|observed| &observed.state);
    let bounding = state.and_then(|state| state.capabilities).map(|sets| sets.bounding);
    let lacks = |set: ringfence_context::capability::CapSet| {
        Capability::from_name(CAPABILITY).is_some_and(|capability| !set.contains(capability))
    };
    let why = if bounding.is_some_and(lacks) {
        "it is not in the container's bounding set, because this machine's lacks it".to_owned()
    } else if !observe::is_privileged() || container.namespaces.user == Namespace::Own {
        "in a user namespace the capability raises no limit (setrlimit(2))".to_owned()
    } else if process.effective == Some(true) {
        format!("the process has it and is refused all the same{}", because(process))
    } else if state.and_then(|state| state.no_new_privileges) == Some(true) {
        "the user is not root, and no_new_privs keeps file capabilities from giving it (allowPrivilegeEscalation: false)"
            .to_owned()
    } else {
        let error = program.as_ref().map_or_else(String::new, because);
        format!("the user is not root, and a program with the file capability did not get it either{error}")
    };
    format!("cannot {what}: {why}")
}

fn because(attempt: &Attempt) -> String {
    attempt.error.as_ref().map_or_else(String::new, |error| format!(" ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(effective: bool, raised: bool) -> Attempt {
        let error = (!raised).then(|| "Operation not permitted".to_owned());
        Attempt { effective: Some(effective), raised, error }
    }

    #[test]
    fn it_is_shown_only_by_a_difference() {
        let raised = |process: Attempt, program: Option<Attempt>, without: Attempt| RaisedLimit {
            from: 65535,
            to: 1_048_576,
            process,
            program,
            without,
        };
        let root = raised(attempt(true, true), None, attempt(false, false));
        assert!(root.shows_the_capability());
        assert_eq!(
            shown(&root),
            "the process raised its RLIMIT_NOFILE from 65535 to 1048576; without the capability that is refused \
             (Operation not permitted)"
        );
        let user = raised(attempt(false, false), Some(attempt(true, true)), attempt(false, false));
        assert!(user.shows_the_capability());
        assert!(shown(&user).starts_with("a program with the file capability raised"), "{}", shown(&user));
        assert!(!raised(attempt(true, false), None, attempt(false, false)).shows_the_capability());
        assert!(!raised(attempt(true, true), None, attempt(true, true)).shows_the_capability());
        assert!(!raised(attempt(false, true), None, attempt(false, true)).shows_the_capability());
    }
}
