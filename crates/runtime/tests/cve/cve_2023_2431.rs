//! CVE-2023-2431: a Localhost seccomp profile without a name, which the kubelet took for none and ran unconfined.

use serde_json::json;

use crate::{pod, support};

#[test]
fn a_localhost_profile_without_a_name_never_runs_unconfined() {
    let profiles = tempfile::tempdir().unwrap();
    for engine in pod::engines() {
        for profile in [
            json!({"type": "Localhost", "localhostProfile": ""}),
            json!({"type": "Localhost"}),
            json!({"type": "Localhost", "localhostProfile": "."}),
            json!({"type": "Localhost", "localhostProfile": "../../dev/null"}),
            json!({"type": "Localhost", "localhostProfile": "/dev/null"}),
        ] {
            for level in ["pod", "container"] {
                let mut spec = json!({"containers": [{}]});
                let at = if level == "pod" { &mut spec } else { &mut spec["containers"][0] };
                at["securityContext"] = json!({"seccompProfile": profile});
                let command = ["grep", "Seccomp:", "/proc/self/status"];
                let outcome = pod::run_with(&*engine, spec, &command, &support::facts(), Some(profiles.path()));
                assert!(outcome.is_err(), "{} with {profile} of the {level}: {outcome:?}", engine.name());
            }
        }
    }
}
