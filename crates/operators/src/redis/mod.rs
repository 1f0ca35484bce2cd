//! Redis Enterprise for Kubernetes: the facts that more than its pods depend on.

mod cluster;
mod mode;

pub use cluster::{Cluster, ClusterError};
pub use mode::{Mode, UNPRIVILEGED_SINCE};

/// The API group of Redis Enterprise's resources.
pub const GROUP: &str = "app.redislabs.com";

/// The security context constraint that privileged mode needs on OpenShift.
pub const SCC: &str = "redis-enterprise-scc-v2";

/// The user and group that the processes of a node have, and that own its volume.
pub const UID: i64 = 1001;

/// How many files some processes of a node must be able to have open.
pub const OPEN_FILES: u64 = 100_000;

/// The name of the container that runs a node of the cluster. It alone has the capability in privileged mode.
pub const NODE_CONTAINER: &str = "redis-enterprise-node";

/// The name of the container that joins a node to its cluster.
pub const BOOTSTRAPPER_CONTAINER: &str = "bootstrapper";
