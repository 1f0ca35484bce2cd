//! One kind of object, page by page.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use crate::{connect::Cluster, error::ListError, resource::Resource};
use kube::{
    api::{GetParams, ListParams},
    core::Request,
};
use serde::Deserialize;
use serde_json::Value;

/// Objects of a page, as kubectl asks for them.
pub const PAGE: u32 = 500;

/// How often a list is begun again.
const RESTARTS: usize = 5;

/// Some of the objects of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The objects, each with `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// How many come after this page, if the server says so.
    pub remaining: Option<u64>,
}

/// What a list came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listed {
    /// Objects that were handed over.
    pub objects: usize,
    /// How often the list expired on the way. Then it is not of one moment: an object may have come or gone meanwhile.
    pub restarts: usize,
}

/// What the server sends.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    metadata: Metadata,
    // Some servers write an empty list as null.
    items: Option<Vec<Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

impl Cluster {
    /// Hands over every object of the kind, in all namespaces, none twice. What was handed over before an error stays
    /// good, but is not all.
    pub fn list(&self, resource: Resource<'_>, visit: &mut dyn FnMut(Page)) -> Result<Listed, ListError> {
        self.list_at(&resource.path(), None, resource, visit)
    }

    /// The same for those of one name, in all namespaces: what somebody may list who may not list the others.
    pub fn list_named(
        &self,
        resource: Resource<'_>,
        name: &str,
        visit: &mut dyn FnMut(Page),
    ) -> Result<Listed, ListError> {
        self.list_at(&resource.path(), Some(name), resource, visit)
    }

    /// The same for one namespace, in which somebody may be allowed to list who may not list everywhere.
    pub fn list_in(
        &self,
        resource: Resource<'_>,
        namespace: &str,
        visit: &mut dyn FnMut(Page),
    ) -> Result<Listed, ListError> {
        self.list_at(&resource.path_in(namespace), None, resource, visit)
    }

    /// The object of that name, of a kind that is in no namespace; `None` if there is none.
    pub fn get(&self, resource: Resource<'_>, name: &str) -> Result<Option<Value>, ListError> {
        let request = Request::new(resource.path()).get(name, &GetParams::default());
        let answer =
            request.map_err(kube::Error::BuildRequest).and_then(|r| self.runtime.block_on(self.client.request(r)));
        match answer {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(ListError::new(error, &self.server, &resource)),
        }
    }

    fn list_at(
        &self,
        path: &str,
        name: Option<&str>,
        resource: Resource<'_>,
        visit: &mut dyn FnMut(Page),
    ) -> Result<Listed, ListError> {
        let mut listed = Listed::default();
        let mut so_far = SoFar::default();
        let mut token = None;
        loop {
            match self.page(path, name, token.take()) {
                Ok(answer) => {
                    let mut items = answer.items.unwrap_or_default();
                    so_far.keep_new(&mut items);
                    for item in &mut items {
                        complete(item, resource);
                    }
                    listed.objects += items.len();
                    visit(Page { items, remaining: answer.metadata.remaining_item_count });
                    token = answer.metadata.r#continue.filter(|token| !token.is_empty());
                    if token.is_none() {
                        return Ok(listed);
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 410 => {
                    listed.restarts += 1;
                    if listed.restarts > RESTARTS {
                        return Err(ListError::Expired { resource: resource.to_string(), times: listed.restarts });
                    }
                    // The server may offer to go on from the same place in the list as it is now.
                    token = status.metadata.and_then(|list| list.continue_).filter(|token| !token.is_empty());
                    if token.is_none() && !so_far.begin_again() {
                        return Err(ListError::Unordered { resource: resource.to_string() });
                    }
                }
                Err(error) => return Err(self.explain(error, resource)),
            }
        }
    }

    fn page(&self, path: &str, name: Option<&str>, token: Option<String>) -> Result<Answer, kube::Error> {
        let field_selector = name.map(|name| format!("metadata.name={name}"));
        let parameters =
            ListParams { limit: Some(PAGE), continue_token: token, field_selector, ..ListParams::default() };
        let request = Request::new(path).list(&parameters).map_err(kube::Error::BuildRequest)?;
        self.runtime.block_on(self.client.request(request))
    }

    /// Whoever may not list a kind is told so whether or not it exists; whether it does, everybody may ask.
    fn explain(&self, error: kube::Error, resource: Resource<'_>) -> ListError {
        let error = ListError::new(error, &self.server, &resource);
        if matches!(error, ListError::Forbidden { .. })
            && !resource.is_core()
            && let Ok(request) = Request::new(resource.group_path()).list(&ListParams::default())
            && let Err(kube::Error::Api(status)) = self.runtime.block_on(self.client.request::<Value>(request))
            && status.code == 404
        {
            return ListError::Absent { resource: resource.to_string() };
        }
        error
    }
}

/// Items of a list do not say what they are.
fn complete(item: &mut Value, resource: Resource<'_>) {
    if let Value::Object(fields) = item {
        for (key, value) in [("apiVersion", resource.api_version), ("kind", resource.kind)] {
            fields.entry(key).or_insert_with(|| value.into());
        }
    }
}

/// How far a list has been handed over. Lists come in the order of their keys in the server's store, which end in
/// namespace and name; so the last is enough to know them all.
#[derive(Debug, Default)]
struct SoFar {
    last: Option<String>,
    out_of_order: bool,
    /// Whether the objects up to the last come again.
    again: bool,
}

impl SoFar {
    /// Leaves only the objects that were not there before.
    fn keep_new(&mut self, items: &mut Vec<Value>) {
        items.retain(|item| {
            let key = key(item);
            let is_later = self.last.as_ref().is_none_or(|last| key > *last);
            if is_later {
                self.again = false;
                self.last = Some(key);
                return true;
            }
            self.out_of_order |= !self.again;
            !self.again
        });
    }

    /// Whether that can be done.
    fn begin_again(&mut self) -> bool {
        self.again = self.last.is_some();
        !self.out_of_order
    }
}

fn key(item: &Value) -> String {
    let text = |pointer| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}
