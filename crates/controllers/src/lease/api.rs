//! A lease in a cluster.

use super::Leases;
use crate::writer::reason;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{GetParams, PostParams};
use kube::core::Request;
use std::fmt::Debug;

/// The lease of that name in that namespace.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    namespace: String,
    name: String,
}

impl Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Api {
    pub(crate) fn new(client: Client, namespace: String, name: String) -> Self {
        Self { client, namespace, name }
    }

    fn request(&self) -> Request {
        Request::new(format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace))
    }

    fn named(&self, lease: &Lease) -> Result<Vec<u8>, String> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.namespace = Some(self.namespace.clone());
        serde_json::to_vec(&lease).map_err(|error| error.to_string())
    }
}

impl Leases for Api {
    async fn get(&self) -> Result<Option<Lease>, String> {
        let request = self.request().get(&self.name, &GetParams::default()).map_err(|error| error.to_string())?;
        match self.client.request(request).await {
            Ok(lease) => Ok(Some(lease)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, String> {
        let request = self.request().create(&PostParams::default(), self.named(lease)?);
        let request = request.map_err(|error| error.to_string())?;
        self.client.request(request).await.map_err(|error| reason(&error))
    }

    async fn update(&self, lease: &Lease) -> Result<Lease, String> {
        let request = self.request().replace(&self.name, &PostParams::default(), self.named(lease)?);
        let request = request.map_err(|error| error.to_string())?;
        self.client.request(request).await.map_err(|error| reason(&error))
    }
}
