//! Clocks: that of an API server which is not this machine's, and a machine's that somebody sets while requests run,
//! leases are held and waivers expire. The latter happens in the virtual machine of `tests/vm` alone.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "clock/api.rs"]
mod api;
#[path = "clock/certificates.rs"]
mod certificates;
#[path = "clock/client.rs"]
mod client;
#[path = "clock/controllers.rs"]
mod controllers;
#[path = "clock/machine.rs"]
mod machine;
#[path = "clock/program.rs"]
mod program;
#[path = "clock/requests.rs"]
mod requests;
#[path = "clock/waivers.rs"]
mod waivers;

use serde_json::{Value, json};

fn namespace(name: &str, level: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
        "labels": {"pod-security.kubernetes.io/enforce": level}}})
}
