//! The pods that a stream's objects describe, whatever kind wraps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::derived::Derivation;
use crate::document::{Document, Kind, Node};
use crate::invalid::{self, Refusal};
use crate::problem::{Problem, ProblemKind};
use crate::schema::{self, TypeId};

/// An object that is a pod or makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The object's document, an index into the stream.
    pub document: usize,
    /// The path of the object in its document: empty, or `items[3]` and the like for what lists hold.
    pub object_path: String,
    /// The object's `apiVersion`.
    pub api_version: String,
    /// The object's `kind`.
    pub kind: WorkloadKind,
    /// The metadata of the object itself.
    pub object: ObjectMeta,
    /// The metadata of the pods: the template's, which is the object's own for a pod.
    pub metadata: ObjectMeta,
    /// The spec of the pods.
    pub spec: PodSpec,
    /// Where it all comes from, if an operator makes the workload of a custom resource: then `object_path` is that
    /// resource's.
    pub derived: Option<Arc<Derivation>>,
}

/// The kinds that are pods or make pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the kinds of the API")]
pub enum WorkloadKind {
    Pod,
    PodTemplate,
    ReplicationController,
    ReplicaSet,
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl WorkloadKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Pod,
        Self::PodTemplate,
        Self::ReplicationController,
        Self::ReplicaSet,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
    ];

    /// The kind as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::PodTemplate => "PodTemplate",
            Self::ReplicationController => "ReplicationController",
            Self::ReplicaSet => "ReplicaSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The API group and version that serve the kind.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Pod | Self::PodTemplate | Self::ReplicationController => "v1",
            Self::ReplicaSet | Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::Job | Self::CronJob => "batch/v1",
        }
    }

    /// Where the object holds the pod template, empty if it is a pod itself.
    #[must_use]
    pub fn template_path(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::PodTemplate => "template",
            Self::CronJob => "spec.jobTemplate.spec.template",
            _ => "spec.template",
        }
    }

    fn from_type(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == kind && k.serves(api_version))
    }

    /// Whether this is the kind's group, whatever the version: what old manifests ask for has the same pods. One that
    /// does not say is taken at its kind's word.
    fn serves(self, api_version: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let own = self.api_version().split_once('/').map_or("", |(group, _)| group);
        let moved = matches!(self, Self::ReplicaSet | Self::Deployment | Self::DaemonSet) && group == "extensions";
        group == own || moved || api_version.is_empty()
    }
}

impl Workload {
    /// The object's name, or the prefix that its name will have.
    pub fn name(&self) -> &str {
        self.object.name.as_deref().or(self.object.generate_name.as_deref()).unwrap_or_default()
    }

    /// The object's namespace, which is that of its pods. Empty if it does not say.
    pub fn namespace(&self) -> &str {
        self.object.namespace.as_deref().unwrap_or_default()
    }

    /// A path of the pod, such as `spec.containers[0].image`, as a path of the document.
    ///
    /// Of a derived workload's pod it is the field of the custom resource that is responsible.
    pub fn path(&self, pod_path: &str) -> String {
        if let Some(derived) = &self.derived {
            return join(&self.object_path, &derived.field(pod_path));
        }
        join(&join(&self.object_path, self.kind.template_path()), pod_path)
    }
}

pub(crate) fn join(parent: &str, child: &str) -> String {
    match (parent.is_empty(), child.is_empty() || child.starts_with('[')) {
        (true, _) => child.to_owned(),
        (_, true) => format!("{parent}{child}"),
        _ => format!("{parent}.{child}"),
    }
}

/// A workload that the API server would refuse to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The object's document, an index into the stream.
    pub document: usize,
    /// The path of the object in its document.
    pub object_path: String,
    /// The object's `apiVersion`.
    pub api_version: String,
    /// The object's `kind`.
    pub kind: WorkloadKind,
    /// The object's namespace, if it could be read.
    pub namespace: String,
    /// The object's name, if it could be read.
    pub name: String,
    /// The first value of a wrong type.
    pub problem: Problem,
}

/// What a document holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The workloads, in the order of the text.
    pub workloads: Vec<Result<Workload, Box<Unreadable>>>,
    /// How many objects of each other kind were passed over, by `apiVersion` and `kind`. Both are empty for what has
    /// none.
    pub passed_over: BTreeMap<(String, String), usize>,
}

/// An object of a document, lists opened up.
#[derive(Clone, Debug)]
pub struct Object<'d> {
    /// The object.
    pub node: Node<'d>,
    /// Its path in the document: empty, or `items[3]` and the like for what lists hold.
    pub path: String,
    /// Its `apiVersion`, empty where it has none.
    pub api_version: &'d str,
    /// Its `kind`, empty where it has none.
    pub kind: &'d str,
    /// The kind, if it is a pod or makes pods.
    pub workload: Option<WorkloadKind>,
}

impl Document<'_> {
    /// The workloads in the document, lists opened up, and what else there is.
    pub fn contents(&self) -> Contents {
        self.read_objects(false).0
    }

    /// What a strict API server would object to in the document's workloads, and keys that are there twice in
    /// anything. In the order of the text.
    pub fn problems(&self) -> Vec<Problem> {
        self.read_objects(true).1
    }

    /// Both [`contents`](Self::contents) and [`problems`](Self::problems), in less time than one after the other.
    pub fn examine(&self) -> (Contents, Vec<Problem>) {
        self.read_objects(true)
    }

    fn read_objects(&self, strictly: bool) -> (Contents, Vec<Problem>) {
        let mut contents = Contents::default();
        let mut problems = if strictly { schema::duplicates(self) } else { Vec::new() };
        for Object { node, path, api_version, kind, workload } in self.objects() {
            let Some(kind) = workload else {
                *contents.passed_over.entry((api_version.to_owned(), kind.to_owned())).or_default() += 1;
                continue;
            };
            let of = TypeId::of(kind);
            let wrong_type = if strictly {
                let objections = schema::check(self, node, of, &path);
                let first = objections.iter().find(|p| p.kind == ProblemKind::Type).cloned();
                problems.extend(objections);
                first
            } else {
                schema::first_type_problem(self, node, of, &path)
            };
            let known = wrong_type.is_some();
            let workload = self.workload(node, path, api_version, kind, wrong_type);
            match &workload {
                // What cannot be decoded is never validated.
                Ok(workload) if strictly => {
                    let pod = join(&workload.object_path, kind.template_path());
                    let refusals = invalid::refusals(&workload.metadata, &workload.spec).into_iter();
                    problems.extend(refusals.map(|refusal| self.refused(node, &workload.object_path, &pod, refusal)));
                }
                Err(unreadable) if strictly && !known => problems.push(unreadable.problem.clone()),
                _ => {}
            }
            contents.workloads.push(workload);
        }
        problems.sort_by_key(|p| (p.location.offset, p.kind));
        (contents, problems)
    }

    fn refused(&self, object: Node<'_>, object_path: &str, pod_path: &str, refusal: Refusal) -> Problem {
        let field = join(pod_path, &refusal.field);
        let below = field.get(object_path.len()..).unwrap_or_default();
        let span = object.locate(below).value;
        let Refusal { message, hint, .. } = refusal;
        let location = self.location(span.start);
        Problem { kind: ProblemKind::Invalid, field, message, hint, span, location }
    }

    /// What a strict API server would object to in the pod template at `path`, and what it would refuse, were it one of
    /// a workload.
    pub fn template_problems(&self, path: &str) -> Vec<Problem> {
        let Some(node) = self.root().and_then(|root| root.find(path)) else { return Vec::new() };
        schema::check(self, node, TypeId::pod_template(), path)
    }

    /// What the API server would refuse in a workload's pods.
    pub fn refusals(&self, workload: &Workload) -> Vec<Problem> {
        let Some(root) = self.root() else { return Vec::new() };
        let refused = |refusal: Refusal| {
            let field = workload.path(&refusal.field);
            let span = root.locate(&field).value;
            let Refusal { message, hint, .. } = refusal;
            Problem { kind: ProblemKind::Invalid, field, message, hint, span, location: self.location(span.start) }
        };
        invalid::refusals(&workload.metadata, &workload.spec).into_iter().map(refused).collect()
    }

    /// A problem at a field, or where its nearest ancestor is.
    pub fn problem_at(&self, field: &str, kind: ProblemKind, message: String, hint: Option<String>) -> Problem {
        let place = self.locate(field);
        let span = place.map_or(crate::Span { start: 0, end: 0 }, |place| match (place.exact, place.key) {
            (false, Some(key)) => key,
            _ => place.value,
        });
        let location = self.location(span.start);
        Problem { kind, field: field.to_owned(), message, hint, span, location }
    }

    /// The objects of the document, lists opened up, in the order of the text.
    pub fn objects(&self) -> Vec<Object<'_>> {
        let mut found = Vec::new();
        // Lists may hold lists: an explicit stack, in reverse, keeps the order of the text.
        let mut open: Vec<_> = self.root().map(|root| (root, String::new())).into_iter().collect();
        while let Some((node, path)) = open.pop() {
            let text = |key| node.get(key).and_then(Node::as_str).unwrap_or_default();
            let (api_version, kind) = (text("apiVersion"), text("kind"));
            let workload = WorkloadKind::from_type(api_version, kind);
            if let Some(items) = list_items(node, kind).filter(|_| workload.is_none()) {
                let below = |i: usize| join(&path, &format!("items[{i}]"));
                let items: Vec<_> = items.items().enumerate().map(|(i, n)| (n, below(i))).collect();
                open.extend(items.into_iter().rev());
            } else if node.kind() != Kind::Null {
                found.push(Object { node, path, api_version, kind, workload });
            }
        }
        found
    }

    fn workload(
        &self,
        node: Node<'_>,
        object_path: String,
        api_version: &str,
        kind: WorkloadKind,
        wrong_type: Option<Problem>,
    ) -> Result<Workload, Box<Unreadable>> {
        let decoded = match wrong_type {
            Some(problem) => Err(problem),
            None => decode(node, kind).map_err(|error| self.problem(node, &object_path, error.to_string())),
        };
        let api_version = api_version.to_owned();
        match decoded {
            Ok((object, metadata, spec)) => Ok(Workload {
                document: self.index(),
                object_path,
                api_version,
                kind,
                metadata: metadata.unwrap_or_else(|| object.clone()),
                object,
                spec,
                derived: None,
            }),
            Err(problem) => {
                let text = |path| node.find(path).and_then(Node::as_str).unwrap_or_default().to_owned();
                let (namespace, name) = (text("metadata.namespace"), text("metadata.name"));
                let document = self.index();
                Err(Box::new(Unreadable { document, object_path, api_version, kind, namespace, name, problem }))
            }
        }
    }

    fn problem(&self, node: Node<'_>, path: &str, message: String) -> Problem {
        let span = node.span();
        let location = self.location(span.start);
        Problem { kind: ProblemKind::Type, field: path.to_owned(), message, hint: None, span, location }
    }
}

/// The elements of a list: `List`, and `PodList` and its like.
fn list_items<'d>(node: Node<'d>, kind: &str) -> Option<Node<'d>> {
    let items = node.get("items")?;
    (kind.ends_with("List") && items.kind() == Kind::Seq).then_some(items)
}

type Decoded = (ObjectMeta, Option<ObjectMeta>, PodSpec);

fn decode(node: Node<'_>, kind: WorkloadKind) -> Result<Decoded, crate::DecodeError> {
    let meta = |of: Node<'_>| of.get("metadata").map_or_else(|| Ok(ObjectMeta::default()), optional);
    let template = node.find(kind.template_path());
    let spec = match template.and_then(|t| t.get("spec")) {
        Some(spec) => optional(spec)?,
        None => PodSpec::default(),
    };
    let metadata = match (kind, template) {
        (WorkloadKind::Pod, _) => None,
        (_, Some(template)) => Some(meta(template)?),
        (_, None) => Some(ObjectMeta::default()),
    };
    Ok((meta(node)?, metadata, spec))
}

fn optional<'d, T: serde::Deserialize<'d> + Default>(node: Node<'d>) -> Result<T, crate::DecodeError> {
    node.decode::<Option<T>>().map(Option::unwrap_or_default)
}
