//! What a cluster says of its storage: claims, the volumes that they are bound to, and what the drivers announce.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::CSIDriver;

/// Objects of a cluster's storage, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorageFacts {
    /// Claims, of any namespace.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Volumes.
    pub volumes: Vec<PersistentVolume>,
    /// What CSI drivers announce.
    pub drivers: Vec<CSIDriver>,
}

impl StorageFacts {
    /// The volume that a claim of the namespace is bound to, from whichever side says so. What names no namespace is taken
    /// to be in the pod's.
    pub(crate) fn bound_to(&self, namespace: Option<&str>, claim: &str) -> Option<&PersistentVolume> {
        let same = |other: Option<&str>| namespace.is_none() || other.is_none() || namespace == other;
        let named = self
            .claims
            .iter()
            .find(|other| other.metadata.name.as_deref() == Some(claim) && same(other.metadata.namespace.as_deref()));
        let volume = named.and_then(|claim| claim.spec.as_ref()).and_then(|spec| spec.volume_name.as_deref());
        self.volumes.iter().find(|other| {
            let by_claim = volume.is_some() && other.metadata.name.as_deref() == volume;
            let reference = other.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
            let by_volume = reference.is_some_and(|reference| {
                reference.name.as_deref() == Some(claim) && same(reference.namespace.as_deref())
            });
            by_claim || by_volume
        })
    }

    /// What the driver of this name announces.
    pub(crate) fn driver(&self, name: &str) -> Option<&CSIDriver> {
        self.drivers.iter().find(|driver| driver.metadata.name.as_deref() == Some(name))
    }
}
