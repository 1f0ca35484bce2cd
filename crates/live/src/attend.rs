//! One object, attended to: somebody is told that it changed, and looks for himself.

use crate::change::Place;
use crate::follow::Wait;
use futures_util::TryStreamExt as _;
use kube::{Client, api::WatchParams, core::Request};
use serde::de::IgnoredAny;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// How long the server is asked to keep a watch open, in seconds.
const WATCH: u32 = 240;
/// How much longer than that it may be silent before it is taken for dead.
const GRACE: Duration = Duration::from_secs(15);

/// Tells of every change of an object, and now and then of none; for ever. It is asked for by its name alone, as a role
/// with `resourceNames` allows it.
pub async fn attend(client: Client, place: Place<'_>, mut tell: impl FnMut()) {
    let parameters =
        WatchParams { timeout: Some(WATCH), ..WatchParams::default() }.fields(&format!("metadata.name={}", place.name));
    let patience = Duration::from_secs(WATCH.into()) + GRACE;
    let mut wait = Wait::default();
    loop {
        // Of a name that is none there is nothing to be told.
        let Ok(path) = place.collection() else { return };
        // From whatever is known to the server: the state is told first, so that nothing is missed.
        let opened = async {
            client
                .request_events::<IgnoredAny>(
                    Request::new(path).watch(&parameters, "0").map_err(kube::Error::BuildRequest)?,
                )
                .await
        };
        if let Ok(Ok(events)) = timeout(patience, opened).await {
            let mut events = pin!(events);
            while let Ok(Ok(Some(_))) = timeout(patience, events.try_next()).await {
                wait = Wait::default();
                tell();
            }
        }
        wait.pause().await;
    }
}
