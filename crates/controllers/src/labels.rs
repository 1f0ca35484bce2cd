//! Pod-security labels: the synchroniser, and the one that keeps the privileged namespaces privileged.

use crate::cache::Cache;
use crate::controller::Controller;
use crate::report::Report;
use crate::writer::{WriteError, Writer};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::Request;
use ringfence_admission::cluster::Namespaces as _;
use ringfence_admission::sync::{MANAGER, NEEDS, Outcome, Plan, Settings, Skip, is_always_privileged, plan_namespace};
use std::sync::Arc;
use std::time::Duration;

const NAMESPACES: &str = "/api/v1/namespaces";

/// Keeps labels as the namespaces' service accounts need them.
pub(crate) struct Sync {
    pub(crate) cache: Arc<Cache>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) settings: Settings,
    pub(crate) report: Report,
}

/// Keeps `default`, `kube-system` and `kube-public` privileged.
pub(crate) struct Privileged {
    pub(crate) cache: Arc<Cache>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) report: Report,
}

impl Controller for Sync {
    const NAME: &'static str = "sync";

    async fn sync(&self, key: &str) -> Result<Option<Duration>, WriteError> {
        if is_always_privileged(key) {
            return Ok(None);
        }
        if self.cache.unknown(&NEEDS).is_some() {
            // All are asked for again when it is known.
            return Ok(None);
        }
        self.cache.refresh().await;
        let Ok(namespace) = self.cache.namespace(key) else { return Ok(None) };
        let plan = plan_namespace(&self.cache, &namespace, self.settings);
        if plan.take_over(&namespace).is_some() {
            let taken = self.take_over(key).await?;
            let plan = plan_namespace(&self.cache, &taken, self.settings);
            return apply(Self::NAME, &self.writer, &self.report, &taken, &plan, self.settings).await;
        }
        apply(Self::NAME, &self.writer, &self.report, &namespace, &plan, self.settings).await
    }
}

impl Sync {
    /// Makes the synchroniser the owner of the labels that it wrote under its former name. Returns the namespace as it
    /// is then.
    async fn take_over(&self, name: &str) -> Result<Namespace, WriteError> {
        let whole: Namespace = self.writer.read(Request::new(NAMESPACES).get(name, &GetParams::default())).await?;
        let plan = plan_namespace(&self.cache, &whole, self.settings);
        let Some(patch) = plan.take_over(&whole) else { return Ok(whole) };
        let parameters = PatchParams {
            dry_run: self.writer.dry_run,
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = Request::new(NAMESPACES).patch(name, &parameters, &Patch::Merge(&patch));
        let taken = self.writer.write(request).await?;
        tracing::info!(controller = Self::NAME, namespace = name, "took labels over from the former field manager");
        Ok(taken)
    }
}

impl Controller for Privileged {
    const NAME: &'static str = "privileged";

    async fn sync(&self, key: &str) -> Result<Option<Duration>, WriteError> {
        if !is_always_privileged(key) {
            return Ok(None);
        }
        let Ok(namespace) = self.cache.namespace(key) else { return Ok(None) };
        let settings = Settings::default();
        let plan = plan_namespace(&self.cache, &namespace, settings);
        apply(Self::NAME, &self.writer, &self.report, &namespace, &plan, settings).await
    }
}

/// Writes what is planned, if it is not so already.
async fn apply(
    controller: &'static str,
    writer: &Writer,
    report: &Report,
    namespace: &Namespace,
    plan: &Plan,
    settings: Settings,
) -> Result<Option<Duration>, WriteError> {
    let name = &*plan.namespace;
    let Some(apply) = plan.apply(namespace, settings) else {
        if let Outcome::Skipped(why @ (Skip::Unconvertible { .. } | Skip::AnnotationConflict { .. })) = &plan.outcome {
            tracing::warn!(controller, namespace = name, why = %Outcome::Skipped(why.clone()), "cannot label");
        }
        return Ok(None);
    };
    let parameters = PatchParams {
        dry_run: writer.dry_run,
        force: apply.force,
        field_manager: Some(apply.manager.to_owned()),
        ..PatchParams::default()
    };
    let configuration = apply.configuration(namespace);
    let request = Request::new(NAMESPACES).patch(name, &parameters, &Patch::Apply(&configuration));
    match writer.write::<Namespace>(request).await {
        Ok(_) => {
            let level = plan.level.map(|level| level.to_string()).unwrap_or_default();
            let because = plan.because.first().map(ToString::to_string).unwrap_or_default();
            tracing::info!(
                controller,
                namespace = name,
                level,
                force = apply.force,
                dry_run = writer.dry_run,
                because,
                "labelled"
            );
            report.applied(controller, name, &apply);
            Ok(None)
        }
        // It went away, or is another by now, of which the watch will tell.
        Err(WriteError::Gone) => Ok(None),
        // As upstream: who owns the labels may have changed, of which the watch tells too.
        Err(WriteError::Conflict(error)) if !apply.force => {
            tracing::warn!(controller, namespace = name, error, "somebody else manages the labels");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
