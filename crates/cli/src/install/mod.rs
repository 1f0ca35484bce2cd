//! Installing the webhooks, and what may run beside them: the manifests, which are the Helm chart's, and how they come to a cluster and go again.

mod chart;
mod left;
mod place;
mod ready;
mod session;
mod template;

pub(crate) use chart::{Chart, Choices};
pub(crate) use left::{as_place, left};
pub(crate) use place::{is_webhook, place};
pub(crate) use ready::{COMPONENTS, unready};
pub(crate) use session::{InstallError, MANAGER, Session, is_applied_by_us};

/// As a `caBundle` is written.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
