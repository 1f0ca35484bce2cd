//! What a node can honour, from its `/proc`, `/sys` and `/etc`, and by trying.
//!
//! The node may be this machine, or be mounted below a directory, as a DaemonSet sees it. What was looked for in vain is
//! in [`NodeFacts::unknown`], with the reason; nothing is guessed.

mod cgroups;
mod files;
mod kernel;
mod limits;
mod namespaces;
mod processes;
mod runtime_config;
mod unit;

use std::io;
use std::path::{Path, PathBuf};

use ringfence_context::facts::NodeFacts;

use files::Files;
use processes::Processes;

/// Where the node is, and what is known of it already.
#[derive(Clone, Debug)]
pub struct Look {
    /// The node's root: `/`, or where it is mounted.
    pub root: PathBuf,
    /// Whether this process runs in a pod, so that its own limits are those of pods, and its own namespaces, capabilities
    /// and file systems are not the node's.
    pub in_pod: bool,
    /// The specification that the runtime starts from, when the runtime itself has said which file that is.
    pub base_spec: Option<PathBuf>,
}

impl Look {
    /// The node whose root is here. Whether this is a pod, the environment that the kubelet gives every container tells.
    pub fn at(root: &Path) -> Self {
        let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        Self { root: root.to_path_buf(), in_pod, base_spec: None }
    }

    /// Whether this is the node itself, with all its mounts.
    fn is_plain(&self) -> bool {
        !self.in_pod && self.root == Path::new("/")
    }

    /// Whether the node's own file systems are seen, and not only those of a pod.
    pub fn sees_node(&self) -> bool {
        !self.in_pod || self.root != Path::new("/")
    }
}

/// Looks. An error only if there is no root.
pub fn inspect_node(look: &Look) -> io::Result<NodeFacts> {
    let files = Files::open(&look.root)?;
    let processes = if look.sees_node() { Processes::list(&files) } else { Processes::default() };
    let mut facts = NodeFacts::default();
    kernel::look(look, &files, &mut facts);
    kernel::capabilities(look, &files, &processes, &mut facts);
    cgroups::look(&files, &mut facts);
    limits::look(look, &files, &processes, &mut facts);
    namespaces::look(look, &files, &mut facts);
    Ok(facts)
}

#[cfg(test)]
mod tests;
