//! What operators make of their custom resources.
//!
//! A custom resource is no pod, and yet decides what pods there will be. [`Operators`] turns it into the workloads that
//! its operator would make of it, as [`ringfence_manifest::Workload`]s in which every value has its source: a field of
//! the resource, or the operator with its reason. Operators are data, [`profile::Profile`]s, of which some are built in.
//!
//! ```
//! use ringfence_operators::{Item, Operators};
//!
//! let yaml = b"
//! apiVersion: elasticsearch.k8s.elastic.co/v1
//! kind: Elasticsearch
//! metadata: {name: quickstart}
//! spec:
//!   version: 8.8.0
//!   nodeSets: [{name: default, count: 1}]
//! ";
//! let documents = ringfence_manifest::read(yaml);
//! let items = Operators::default().items(&documents[0]);
//! let [Item::Derived(quickstart)] = items.as_slice() else { panic!() };
//! let nodes = &quickstart.workloads[0];
//! assert_eq!((nodes.kind.as_str(), nodes.name()), ("StatefulSet", "quickstart-es-default"));
//! let context = nodes.spec.containers[0].security_context.as_ref().unwrap();
//! assert_eq!(context.read_only_root_filesystem, Some(true));
//! ```
//!
//! This crate knows no cluster and does no I/O. It has no unsafe code, panics on no input, and ends soon on any profile:
//! expressions are bounded before they are evaluated.

#![forbid(unsafe_code)]

mod cel;
mod csv;
mod derive;
mod merge;
mod operators;
mod place;
pub mod plan;
mod pod;
pub mod profile;
pub mod redis;
mod settings;
mod tree;
mod version;

pub use csv::{Csv, CsvFinding, Grant};
pub use derive::{Derived, Note};
pub use operators::{Item, Operators, built_in};
pub use settings::{OperatorSetting, Platform, SettingError};
pub use version::{Version, VersionError};
