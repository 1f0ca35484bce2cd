//! One kind of object, followed for ever: a list, then what changes, and a new list whenever the changes are lost.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use crate::{error::ListError, list::PAGE, resource::Resource};
use futures_util::TryStreamExt as _;
use kube::{
    Client,
    api::{ListParams, WatchParams},
    core::{Request, WatchEvent},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    hash::{BuildHasher as _, RandomState},
    pin::pin,
    time::Duration,
};
use tokio::time::timeout;

/// How long the server is asked to keep a watch open, in seconds.
const WATCH: u32 = 240;
/// How much longer than that the connection may be silent before it is taken for dead.
const GRACE: Duration = Duration::from_secs(15);
/// How long a page of a list may take.
const LIST: Duration = Duration::from_mins(1);
/// How long to wait after the first failure, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What is told to whoever follows a kind of object.
#[derive(Debug)]
pub enum Event<'e> {
    /// A whole list begins: what does not come before [`Event::Listed`] is there no more.
    Listing,
    /// An object that is there now, new or changed, as JSON. It may be one that is known.
    Is(&'e RawValue),
    /// An object that is gone, as it last was.
    Gone(&'e RawValue),
    /// The list is whole. What is known is a state that the cluster was in, and changes follow.
    Listed,
    /// Changes are received, or were until a moment ago: nothing known is older than that.
    Alive,
    /// The server has no such kind, for now.
    Absent,
    /// Something went wrong. What is known stays, and is as old as the last [`Event::Alive`]; it will be tried again.
    Trouble(&'e ListError),
}

/// Follows a kind of object in all namespaces, until it is dropped.
pub async fn follow(client: Client, server: String, resource: Resource<'static>, tell: impl FnMut(Event<'_>)) {
    let what = What { resource, path: resource.path(), fields: None };
    follow_what(client, server, what, tell).await;
}

/// The same for the objects of one name, which must be one.
pub async fn follow_named(
    client: Client,
    server: String,
    resource: Resource<'static>,
    name: &str,
    tell: impl FnMut(Event<'_>),
) {
    let what = What { resource, path: resource.path(), fields: Some(format!("metadata.name={name}")) };
    follow_what(client, server, what, tell).await;
}

/// Namespace and name of an object; empty if there are none.
pub fn name_of(object: &RawValue) -> (String, String) {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Object {
        metadata: Names,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Names {
        namespace: String,
        name: String,
    }
    let object: Object = serde_json::from_str(object.get()).unwrap_or_default();
    (object.metadata.namespace, object.metadata.name)
}

/// The same for one namespace, whose name must be one.
pub async fn follow_in(
    client: Client,
    server: String,
    resource: Resource<'static>,
    namespace: &str,
    tell: impl FnMut(Event<'_>),
) {
    let what = What { resource, path: resource.path_in(namespace), fields: None };
    follow_what(client, server, what, tell).await;
}

/// Which objects.
struct What {
    resource: Resource<'static>,
    path: String,
    /// A field selector.
    fields: Option<String>,
}

async fn follow_what(client: Client, server: String, what: What, mut tell: impl FnMut(Event<'_>)) {
    let mut wait = Wait::default();
    loop {
        let failed = match list(&client, &server, &what, &mut tell).await {
            Ok(version) => {
                wait = Wait::default();
                watch(&client, &server, &what, version, &mut tell).await
            }
            Err(error) => Some(error),
        };
        // A watch that expired is no failure, but a list must not be asked for in a tight loop either.
        match failed {
            Some(ListError::Absent { .. }) => {
                tell(Event::Absent);
                wait = Wait::LONGEST;
            }
            Some(error) => tell(Event::Trouble(&error)),
            None => {}
        }
        wait.pause().await;
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Metadata,
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    r#continue: Option<String>,
    resource_version: Option<String>,
}

/// Tells a whole list, and returns its version.
async fn list(
    client: &Client,
    server: &str,
    What { resource, path, fields }: &What,
    tell: &mut impl FnMut(Event<'_>),
) -> Result<String, ListError> {
    tell(Event::Listing);
    let mut token = None;
    loop {
        let parameters = ListParams {
            limit: Some(PAGE),
            continue_token: token,
            field_selector: fields.clone(),
            ..ListParams::default()
        };
        let request = Request::new(path).list(&parameters).map_err(kube::Error::BuildRequest);
        let asked = async { client.request::<Page>(request?).await };
        let page = timeout(LIST, asked).await.map_err(|_| too_slow(server))?;
        let page = page.map_err(|error| ListError::new(error, server, resource))?;
        for item in page.items.iter().flatten() {
            tell(Event::Is(item));
        }
        tell(Event::Alive);
        token = page.metadata.r#continue.filter(|token| !token.is_empty());
        if token.is_none() {
            tell(Event::Listed);
            return Ok(page.metadata.resource_version.unwrap_or_default());
        }
    }
}

/// Tells changes from a version on. Returns when they are lost, with the reason unless it is in the nature of things.
async fn watch(
    client: &Client,
    server: &str,
    What { resource, path, fields }: &What,
    mut version: String,
    tell: &mut impl FnMut(Event<'_>),
) -> Option<ListError> {
    let mut wait = Wait::default();
    loop {
        let field_selector = fields.clone();
        let parameters =
            WatchParams { timeout: Some(WATCH), bookmarks: true, field_selector, ..WatchParams::default() };
        let request = Request::new(path).watch(&parameters, &version).map_err(kube::Error::BuildRequest);
        let patience = Duration::from_secs(WATCH.into()) + GRACE;
        let opened = async { client.request_events::<Box<RawValue>>(request?).await };
        let failed = match timeout(LIST, opened).await {
            Err(_) => Some(too_slow(server)),
            Ok(Err(error)) if is_expired(&error) => return None,
            Ok(Err(error)) => Some(ListError::new(error, server, resource)),
            Ok(Ok(events)) => {
                let mut events = pin!(events);
                tell(Event::Alive);
                loop {
                    let event = match timeout(patience, events.try_next()).await {
                        // Silence for longer than the server was asked to keep the connection.
                        Err(_) => break Some(too_slow(server)),
                        // The time for which it was asked is over, or the connection is.
                        Ok(Ok(None)) => break None,
                        Ok(Err(error)) if is_expired(&error) => return None,
                        Ok(Err(error)) => break Some(ListError::new(error, server, resource)),
                        Ok(Ok(Some(event))) => event,
                    };
                    wait = Wait::default();
                    match &event {
                        WatchEvent::Added(object) | WatchEvent::Modified(object) => tell(Event::Is(object)),
                        WatchEvent::Deleted(object) => tell(Event::Gone(object)),
                        WatchEvent::Bookmark(_) => {}
                        WatchEvent::Error(status) if status.code == 410 => return None,
                        WatchEvent::Error(status) => {
                            break Some(ListError::new(kube::Error::Api(status.clone()), server, resource));
                        }
                    }
                    if let Some(seen) = version_of(&event) {
                        version = seen;
                    }
                    tell(Event::Alive);
                }
            }
        };
        match failed {
            // A kind may be taken away.
            Some(error @ ListError::Absent { .. }) => return Some(error),
            Some(error) => tell(Event::Trouble(&error)),
            None => {}
        }
        wait.pause().await;
    }
}

/// Whether the version is older than what the server remembers.
fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

fn version_of(event: &WatchEvent<Box<RawValue>>) -> Option<String> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    match event {
        WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version.clone()),
        WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
            serde_json::from_str::<Object>(object.get()).ok()?.metadata.resource_version
        }
        WatchEvent::Error(_) => None,
    }
}

fn too_slow(server: &str) -> ListError {
    ListError::Unreachable { server: server.to_owned(), reason: "no answer in time".to_owned() }
}

/// Waits longer each time, and never in step with others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait(Duration);

impl Default for Wait {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Wait {
    const LONGEST: Self = Self(LONGEST_WAIT);

    pub(crate) async fn pause(&mut self) {
        // Between a half and the whole; every hasher is seeded anew.
        let random = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or(0);
        tokio::time::sleep(self.0 / 2 + self.0 / 2000 * random).await;
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
    }
}
