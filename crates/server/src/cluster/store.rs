//! What is kept of the objects of one kind, and how it follows the cluster.

use super::state::State;
use ringfence_admission::decode::DecodeError;
use ringfence_live::{Client, Event, Resource, follow, follow_in, name_of};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Objects of one kind.
pub(super) trait Store: Send + Sync + 'static {
    /// A whole list begins. What is there stays until it is at its end.
    fn begin(&self);
    /// An object is there.
    fn put(&self, object: &RawValue) -> Result<(), DecodeError>;
    /// An object is gone.
    fn remove(&self, namespace: &str, name: &str);
    /// The list is at its end: what was not in it is gone.
    fn finish(&self);
}

/// Keeps the store like the cluster, for as long as the runtime lives.
pub(super) fn watch<S: Store>(
    client: &Client,
    server: &str,
    resource: Resource<'static>,
    store: Arc<S>,
    state: Arc<State>,
) {
    let tell = teller(resource, store, state);
    tokio::spawn(follow(client.clone(), server.to_owned(), resource, tell));
}

/// The same for the objects of one namespace.
pub(super) fn watch_in<S: Store>(
    client: &Client,
    server: &str,
    resource: Resource<'static>,
    namespace: String,
    store: Arc<S>,
    state: Arc<State>,
) {
    let tell = teller(resource, store, state);
    let (client, server) = (client.clone(), server.to_owned());
    tokio::spawn(async move { follow_in(client, server, resource, &namespace, tell).await });
}

fn teller<S: Store>(
    resource: Resource<'static>,
    store: Arc<S>,
    state: Arc<State>,
) -> impl FnMut(Event<'_>) + Send + 'static {
    move |event: Event<'_>| match event {
        Event::Listing => store.begin(),
        Event::Is(object) => {
            if let Err(error) = store.put(object) {
                let (namespace, name) = name_of(object);
                state.failed();
                tracing::warn!(%resource, namespace, name, %error, "cannot use an object");
            }
        }
        Event::Gone(object) => {
            let (namespace, name) = name_of(object);
            store.remove(&namespace, &name);
        }
        Event::Listed => {
            store.finish();
            state.listed();
            tracing::info!(%resource, "listed");
        }
        Event::Alive => state.alive(),
        Event::Absent => {
            store.begin();
            store.finish();
            if !state.is_settled() {
                tracing::info!(%resource, "the cluster has none");
            }
            state.absent();
        }
        Event::Trouble(error) => {
            state.troubled(error.to_string());
            tracing::warn!(%resource, %error, "cannot follow the cluster; what is known is kept");
        }
    }
}
