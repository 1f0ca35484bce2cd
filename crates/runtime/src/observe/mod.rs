//! Reading back what the kernel says: of a process inside a container through the probe, of any process from outside
//! through `/proc`, and of the machine itself.

mod host;
mod limit;
mod mode;
mod mountinfo;
mod namespaces;
mod node;
mod outside;
mod privilege;
mod process;
mod report;
mod status;

pub use host::{host_facts, node_facts};
pub use limit::{Attempt, RaisedLimit};
pub use mode::mode_string;
pub use mountinfo::{MountInfo, Propagation, is_masked, parse_mountinfo, root_is_read_only};
pub use namespaces::{NAMESPACES, NamespaceIds, namespace_ids};
pub use node::{Look, inspect_node};
pub use outside::{MountAt, Outside, ProcessHandle, ids_inside};
pub(crate) use privilege::{in_initial_user_namespace, is_namespace_root, lines, outer_uid};
pub use privilege::{is_machine_root, is_privileged};
pub use process::observe;
pub use report::ProbeReport;
pub use status::{ParseError, Status, parse_status};
