//! What is listed.

use std::fmt;

/// A kind of object, as the API server's paths name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource<'r> {
    /// Group and version, such as `apps/v1`, or `v1` for the core group.
    pub api_version: &'r str,
    /// The plural name, such as `deployments`.
    pub plural: &'r str,
    /// The kind of one object, such as `Deployment`.
    pub kind: &'r str,
}

impl Resource<'_> {
    /// Where the API of the group and version is found.
    pub(crate) fn group_path(&self) -> String {
        let root = if self.is_core() { "api" } else { "apis" };
        format!("/{root}/{}", self.api_version)
    }

    /// Where all objects are listed, in whatever namespace.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.group_path(), self.plural)
    }

    /// Where the objects of one namespace are listed.
    pub(crate) fn path_in(&self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", self.group_path(), self.plural)
    }

    /// Whether every Kubernetes API server has it: the core group does not come and go.
    pub fn is_core(&self) -> bool {
        !self.api_version.contains('/')
    }
}

/// As kubectl names it, such as `deployments.apps`.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)?;
        match self.api_version.split_once('/') {
            Some((group, _)) => write!(f, ".{group}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_group_has_a_path_of_its_own() {
        let pods = Resource { api_version: "v1", plural: "pods", kind: "Pod" };
        let sets = Resource { api_version: "apps/v1", plural: "replicasets", kind: "ReplicaSet" };
        assert_eq!((pods.path(), pods.to_string()), ("/api/v1/pods".into(), "pods".into()));
        assert_eq!((sets.path(), sets.to_string()), ("/apis/apps/v1/replicasets".into(), "replicasets.apps".into()));
        assert_eq!(sets.path_in("a"), "/apis/apps/v1/namespaces/a/replicasets");
    }
}
