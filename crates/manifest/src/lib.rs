//! What the bytes of a Kubernetes manifest say.
//!
//! [`read`] turns a stream of YAML and JSON into [`Document`]s, exactly as Kubernetes' API machinery would understand
//! them: YAML 1.1's words and numbers, merge keys, streams of JSON objects, and what is refused. Every [`Node`] knows
//! its [`Span`] in the text.
//!
//! From a document, [`Document::contents`] makes the [`Workload`]s: the pods that its objects describe, whatever kind
//! wraps them and however deep in lists they are, as k8s-openapi's types. [`Document::problems`] says what a strict
//! API server would object to, and [`Document::examine`] gives both. [`Document::locate`] finds a field's place in the
//! text, or its nearest ancestor's.
//!
//! ```
//! let yaml = b"
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: web, namespace: shop}
//! spec:
//!   template:
//!     spec:
//!       securityContext: {runAsUser: 0o1000}
//!       containers:
//!       - name: app
//!         securityContext:
//!           fsGroup: 2000
//!           runAsNonRoot: yes
//! ";
//! let documents = ringfence_manifest::read(yaml);
//! let contents = documents[0].contents();
//! let web = contents.workloads[0].as_ref().unwrap();
//! assert_eq!((web.namespace(), web.name()), ("shop", "web"));
//! assert_eq!(web.spec.security_context.as_ref().unwrap().run_as_user, Some(0o1000));
//!
//! let path = web.path("spec.containers[0].securityContext.runAsNonRoot");
//! assert_eq!(path, "spec.template.spec.containers[0].securityContext.runAsNonRoot");
//! assert_eq!(documents[0].location_of(&path).unwrap().line, 13);
//!
//! let problems = documents[0].problems();
//! assert_eq!(problems[0].message, "unknown field \"spec.template.spec.containers[0].securityContext.fsGroup\"");
//! assert_eq!(problems[0].hint.as_deref(), Some("move it to spec.template.spec.securityContext.fsGroup"));
//! ```
//!
//! This crate knows no policy and no cluster. It has no unsafe code, does no I/O, and panics on no input; depth costs
//! it heap and not stack.

mod de;
mod derived;
mod document;
mod error;
mod invalid;
mod json;
mod locate;
mod location;
mod number;
mod path;
mod print;
mod problem;
mod quantity;
mod schema;
mod stream;
mod time;
mod tree;
mod workload;
mod yaml;

pub use de::DecodeError;
pub use derived::{Derivation, Source};
pub use document::{Document, Kind, Node};
pub use error::ReadError;
pub use locate::Place;
pub use location::Location;
pub use problem::{Problem, ProblemKind};
pub use stream::{Options, read, read_with};
pub use tree::Span;
pub use workload::{Contents, Object, Unreadable, Workload, WorkloadKind};
