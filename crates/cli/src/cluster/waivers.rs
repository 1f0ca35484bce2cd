//! Which waivers count: `--waivers-from` and `--waiver-max-days`.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ringfence_admission::cluster::Kind;
use ringfence_admission::waiver::{Terms, Waivers, Waiving};
use ringfence_live::{ListError, Resource};
use serde_json::Value;

use super::{ClusterArgs, Loaded};
use crate::commands::{chain, complain, warn};
use crate::view::clean;

/// Which waivers count.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WaiverArgs {
    /// Count the Waiver objects of this namespace, and of no other: whoever may make them there may grant exceptions
    /// from Pod Security anywhere in the cluster. Otherwise no waiver counts.
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub(crate) waivers_from: Option<String>,

    /// How many days after it was made a waiver must have expired; one that lasts longer does not count.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) waiver_max_days: u32,
}

/// A name goes into a path, where another would lead elsewhere.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = !text.is_empty() && text.len() <= 63 && text.bytes().all(fits) && !text.starts_with('-');
    if good { Ok(text.to_owned()) } else { Err("no name of a namespace".to_owned()) }
}

impl WaiverArgs {
    /// Under which terms waivers count, if any do.
    pub(crate) fn terms(&self) -> Option<Terms> {
        let longest = SignedDuration::from_hours(i64::from(self.waiver_max_days) * 24);
        self.waivers_from.clone().map(|namespace| Terms { namespace, longest })
    }

    /// The waivers of a cluster that was read, as they are now; those that do not count are warned of. An error, which
    /// has been said, if they cannot be listed.
    pub(crate) fn load(&self, cluster: &ClusterArgs, loaded: &Loaded) -> Result<Option<Waiving>, ()> {
        let Some(terms) = self.terms() else { return Ok(None) };
        let waivers = Waivers::new(&terms, &self.objects(cluster, loaded, Where::Counting)?);
        for (title, error) in waivers.problems() {
            warn(&clean(&format!("waiver {title} does not count: {error}")));
        }
        Ok(Some(Waiving { waivers: Arc::new(waivers), now: Timestamp::now() }))
    }

    /// The Waiver objects of a cluster that was read. An error, which has been said, if they cannot be listed.
    pub(crate) fn objects(&self, cluster: &ClusterArgs, loaded: &Loaded, which: Where) -> Result<Vec<Value>, ()> {
        let mut objects: Vec<Value> = loaded.snapshot.waivers().cloned().collect();
        if let Some(terms) = self.terms().filter(|_| cluster.live.is_given()) {
            objects.extend(list(cluster, &terms.namespace, which)?);
        }
        Ok(objects)
    }
}

/// Which waivers of a running cluster are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Those that may count.
    Counting,
    /// All of them, if they may be listed.
    Everywhere,
}

fn list(cluster: &ClusterArgs, namespace: &str, which: Where) -> Result<Vec<Value>, ()> {
    let Some(live) = cluster.live.connect() else { return Err(()) };
    let kind = Kind::Waiver;
    let resource = Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() };
    let mut found = Vec::new();
    let mut listed = match which {
        Where::Everywhere => live.cluster().list(resource, &mut |page| found.extend(page.items)),
        Where::Counting => live.list_in(resource, namespace, &mut |page| found.extend(page.items)),
    };
    if which == Where::Everywhere && matches!(listed, Err(ListError::Forbidden { .. })) {
        found.clear();
        listed = live.list_in(resource, namespace, &mut |page| found.extend(page.items));
    }
    match listed {
        Err(ListError::Absent { .. }) if which == Where::Everywhere => {
            warn("the cluster does not know waivers: `ringfence install --waivers` defines them");
            Ok(found)
        }
        Ok(_) | Err(ListError::Absent { .. }) => Ok(found),
        Err(error) => {
            complain(&clean(&format!("{}; without knowing the waivers nothing can be said", chain(&error))));
            Err(())
        }
    }
}
