//! `install`, `serve` and `uninstall` against real API servers, which ask the webhooks as they would in production.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(unreachable_pub, reason = "the modules are those of one test program")]

#[path = "install/balancer.rs"]
mod balancer;
#[path = "install/certificates.rs"]
mod certificates;
#[path = "install/client_certificate.rs"]
mod client_certificate;
mod common;
#[path = "install/components.rs"]
mod components;
#[path = "install/constraints.rs"]
mod constraints;
#[path = "install/events.rs"]
mod events;
#[path = "install/faults.rs"]
mod faults;
#[path = "install/pod_security.rs"]
mod pod_security;
#[path = "common/policy_reports.rs"]
mod policy_reports;
#[path = "install/printed.rs"]
mod printed;
#[path = "install/replica.rs"]
mod replica;
#[path = "controllers/running.rs"]
mod running;
#[path = "install/setting.rs"]
mod setting;
#[path = "install/within.rs"]
mod within;
