//! Records and namespaces in a cluster. The record is a ConfigMap beside the lease.

use super::allocator::{Known, Record, Store};
use super::bitmap::Bitmap;
use crate::report::Report;
use crate::writer::{WriteError, Writer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use ringfence_admission::sync::FORMER_MANAGER;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The name of upstream's record, with who writes this one before it.
pub(crate) const RECORD: &str = "ringfence-scc-uid";
/// The keys within it.
const RANGE: &str = "range";
const TAKEN: &str = "allocated";
const FREED: &str = "freed";

/// Objects of a page.
const PAGE: u32 = 500;

pub(crate) struct Api {
    pub(crate) writer: Arc<Writer>,
    pub(crate) namespace: String,
    pub(crate) report: Report,
    /// What a dry run has not written.
    pub(crate) imagined: Mutex<Option<Record>>,
}

impl Api {
    fn records(&self) -> Request {
        Request::new(format!("/api/v1/namespaces/{}/configmaps", self.namespace))
    }
}

fn namespaces() -> Request {
    Request::new("/api/v1/namespaces")
}

impl Store for Api {
    async fn record(&self) -> Result<Option<Record>, WriteError> {
        if let Some(record) = &*self.imagined.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Some(record.clone()));
        }
        match self.writer.read(self.records().get(RECORD, &GetParams::default())).await {
            Ok(map) => Ok(Some(read(map))),
            Err(WriteError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn save(&self, record: &Record) -> Result<Record, WriteError> {
        if self.writer.dry_run {
            *self.imagined.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
            return Ok(record.clone());
        }
        let content = json!({RANGE: record.range, FREED: record.freed.to_string()});
        let taken = json!({TAKEN: STANDARD.encode(record.taken.write())});
        let Some(version) = &record.version else {
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RECORD},
                "data": content, "binaryData": taken});
            let request = self.records().create(&PostParams::default(), map.to_string().into_bytes());
            return self.writer.write(request).await.map(read);
        };
        let metadata = json!({"uid": record.uid, "resourceVersion": version});
        let patch = json!({"metadata": metadata, "data": content, "binaryData": taken});
        let request = self.records().patch(RECORD, &PatchParams::default(), &Patch::Merge(&patch));
        match self.writer.write(request).await {
            Err(WriteError::Gone) => Err(WriteError::Conflict("the record was deleted".to_owned())),
            map => map.map(read),
        }
    }

    async fn namespaces(&self) -> Result<Vec<Known>, WriteError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            metadata: Metadata,
            items: Option<Vec<Namespace>>,
        }
        #[derive(Deserialize, Default)]
        struct Metadata {
            #[serde(default)]
            r#continue: Option<String>,
        }
        // All pages are of one moment; if that is too long ago, the list fails and repair begins anew.
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let parameters = ListParams { limit: Some(PAGE), continue_token: token, ..ListParams::default() };
            let page: Page = self.writer.read(namespaces().list(&parameters)).await?;
            all.extend(page.items.into_iter().flatten().map(known));
            token = page.metadata.r#continue.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn namespace(&self, name: &str) -> Result<Option<Known>, WriteError> {
        match self.writer.read(namespaces().get(name, &GetParams::default())).await {
            Ok(namespace) => Ok(Some(known(namespace))),
            Err(WriteError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn annotate(&self, namespace: &Known, annotations: &BTreeMap<String, String>) -> Result<(), WriteError> {
        let configuration = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name,
            "uid": namespace.uid, "resourceVersion": namespace.version, "annotations": annotations}});
        let parameters = PatchParams {
            dry_run: self.writer.dry_run,
            field_manager: Some(FORMER_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = namespaces().patch(&namespace.name, &parameters, &Patch::Apply(&configuration));
        self.writer.write::<Value>(request).await?;
        self.report.write("ranges", &namespace.name, FORMER_MANAGER, false, &BTreeMap::new(), annotations);
        Ok(())
    }
}

/// A record that is not of the form is one of no range, which repair makes anew.
fn read(map: ConfigMap) -> Record {
    let mut data = map.data.unwrap_or_default();
    let range = data.remove(RANGE).unwrap_or_default();
    let freed = data.remove(FREED).and_then(|freed| freed.parse().ok()).unwrap_or_default();
    let taken = map.binary_data.unwrap_or_default().remove(TAKEN).map(|bytes| bytes.0).unwrap_or_default();
    Record { range, taken: Bitmap::read(&taken), freed, uid: map.metadata.uid, version: map.metadata.resource_version }
}

fn known(namespace: Namespace) -> Known {
    let metadata = namespace.metadata;
    Known {
        name: metadata.name.unwrap_or_default(),
        uid: metadata.uid,
        version: metadata.resource_version,
        annotations: metadata.annotations.unwrap_or_default(),
        terminating: metadata.deletion_timestamp.is_some(),
    }
}
