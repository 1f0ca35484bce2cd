//! Pass after pass, everything is brought into step: the Secret, what is served with, and the webhook configurations.

use super::issue::{self, IssueError, SKEW};
use super::material::Material;
use super::plan::{Wishes, plan};
use super::targets::{Here, places};
use super::{Kept, secret};
use jiff::Timestamp;
use ringfence_live::{Apply, ChangeError, Client, Place, Resource, apply, attend, read, read_at, replace};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Who sets the Secret's data and the bundles.
const FIELD_MANAGER: &str = "ringfence-serve";
/// How long nothing is looked at while nothing seems to change; shorter where certificates are.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How long to wait after the first failure, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

const SECRET: Resource<'static> = Resource { api_version: "v1", plural: "secrets", kind: "Secret" };

/// What a server that makes its own certificates is told.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// Namespace and name of the Secret. It has to be there, be it empty.
    pub secret: (String, String),
    /// Namespace and name of the Service that leads here.
    pub service: Option<(String, String)>,
    /// Further DNS names and addresses of the server.
    pub names: Vec<String>,
    /// Names of webhook configurations, of either kind.
    pub configurations: Vec<String>,
    /// How long a certificate lives.
    pub lifetime: Duration,
}

/// Why certificates could not be brought into step.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("there is no Secret {name} in the namespace {namespace}: it is to be made, empty, by who installs")]
    NoSecret { namespace: String, name: String },
}

impl SelfSigned {
    /// Where the pair will be. Until it is known, one that nobody vouches for is in its place.
    pub fn kept(&self) -> Result<Kept, Box<dyn std::error::Error>> {
        let now = now();
        let authority = issue::authority(now, now + 86_400)?;
        let pair = issue::certificate(&authority, &self.wishes().names, now, now + 86_400)?;
        Ok(Kept::until_known((pair.certificate, pair.key)))
    }

    /// Keeps everything in step for as long as the runtime lives, which has to be entered.
    pub fn keep(self, client: Client, kept: Kept) {
        let changed = Arc::new(Notify::new());
        let attended: Vec<_> =
            places(&self.configurations).into_iter().chain([self.place()]).map(Attended::from).collect();
        for one in attended {
            let (client, changed) = (client.clone(), Arc::clone(&changed));
            tokio::spawn(async move { attend(client, one.place(), || changed.notify_one()).await });
        }
        let jumped = Arc::clone(&changed);
        tokio::spawn(ringfence_live::jumps(move |_| jumped.notify_one()));
        tokio::spawn(async move { self.pass_after_pass(&client, &kept, &changed).await });
    }

    async fn pass_after_pass(&self, client: &Client, kept: &Kept, changed: &Notify) {
        let mut state = State::default();
        let mut wait = FIRST_WAIT;
        loop {
            let rest = match self.pass(client, kept, &mut state).await {
                Ok(()) => {
                    if state.trouble.take().is_some() {
                        tracing::info!("certificates are in step again");
                    }
                    wait = FIRST_WAIT;
                    LONGEST_REST.min(self.lifetime / 20).max(FIRST_WAIT)
                }
                // Another replica, or anybody else, was faster: look again.
                Err(KeepError::Change(ChangeError { code: Some(409), .. })) => FIRST_WAIT,
                Err(error) => {
                    let text = error.to_string();
                    if state.trouble.as_deref() != Some(&*text) {
                        tracing::warn!(error = %text, "cannot keep certificates in step; what is there is used");
                        state.trouble = Some(text);
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                    wait
                }
            };
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn pass(&self, client: &Client, kept: &Kept, state: &mut State) -> Result<(), KeepError> {
        // The configurations are read before the Secret: a bundle that is found there cannot be newer than the Secret,
        // so that none is ever replaced by an older one.
        let mut configurations = Vec::new();
        for place in places(&self.configurations) {
            if let Some(configuration) = read(client, place).await? {
                configurations.push((place, configuration));
            }
        }
        let place = self.place();
        let (stored, date) = read_at(client, place).await?;
        let now = state.time(date, now());
        let Some(mut stored) = stored else {
            let (namespace, name) = self.secret.clone();
            return Err(KeepError::NoSecret { namespace, name });
        };
        let found = Material::read(&secret::data(&stored));
        // What somebody has emptied or broken is put back as it was.
        let usable = found.clone().or_else(|| state.last.clone());
        let here = Here { service: self.service.clone(), names: self.names.clone() };
        let told = usable.as_ref().is_some_and(|material| {
            let bundle = material.bundle();
            configurations.iter().all(|(_, configuration)| here.change(configuration, &bundle).is_none())
        });
        let planned = plan(usable.as_ref(), told, &self.wishes(), now)?;
        let material = match planned.or_else(|| usable.filter(|usable| found.as_ref() != Some(usable))) {
            Some(new) => {
                stored["data"] = secret::encoded(&new.write());
                replace(client, place, &stored, FIELD_MANAGER).await?;
                let (from, until) = new.serving.validity().unwrap_or_default();
                tracing::info!(
                    authorities = new.bundle.len(),
                    successor = new.successor.is_some(),
                    from,
                    until,
                    "renewed what the Secret holds"
                );
                new
            }
            // There is one: a plan without one makes one.
            None => match found {
                Some(found) => found,
                None => return Ok(()),
            },
        };
        // Only then is anybody told whom to believe.
        kept.set(&material.serving.certificate, &material.serving.key).await;
        let bundle = material.bundle();
        state.last = Some(material);
        for (place, configuration) in &configurations {
            let Some(change) = here.change(configuration, &bundle) else { continue };
            let how = Apply { manager: FIELD_MANAGER, force: true, dry_run: false };
            apply(client, *place, &change, how).await?;
            tracing::info!(configuration = %place, "told it the authorities");
        }
        Ok(())
    }

    fn place(&self) -> Place<'_> {
        Place { resource: SECRET, namespace: Some(&self.secret.0), name: &self.secret.1 }
    }

    fn wishes(&self) -> Wishes {
        let mut names = Vec::new();
        if let Some((namespace, name)) = &self.service {
            names.extend([
                format!("{name}.{namespace}.svc"),
                format!("{name}.{namespace}.svc.cluster.local"),
                format!("{name}.{namespace}"),
            ]);
        }
        names.extend(self.names.iter().cloned());
        Wishes { names, lifetime: self.lifetime.as_secs().max(1) }
    }
}

/// What is remembered from pass to pass.
#[derive(Default)]
struct State {
    /// What the Secret held when it was last good.
    last: Option<Material>,
    /// What was told of last.
    trouble: Option<String>,
    /// Whether the API server's clock is another, which was told.
    is_another: bool,
}

impl State {
    /// The time by which certificates are made, in seconds since 1970: that of who has to believe them. Replicas whose
    /// clocks are years apart so agree on what has ended, and do not replace what the other made for ever.
    fn time(&mut self, date: Option<Timestamp>, own: u64) -> u64 {
        let Some(date) = date.and_then(|date| u64::try_from(date.as_second()).ok()) else { return own };
        let is_another = date.abs_diff(own) > SKEW;
        if is_another && !self.is_another {
            tracing::warn!(own, date, "the API server's clock is another; certificates go by that");
        }
        self.is_another = is_another;
        date
    }
}

/// A place that owns its names.
struct Attended {
    resource: Resource<'static>,
    namespace: Option<String>,
    name: String,
}

impl Attended {
    fn from(place: Place<'_>) -> Self {
        let resource = super::targets::known(place.resource.plural).unwrap_or(SECRET);
        Self { resource, namespace: place.namespace.map(str::to_owned), name: place.name.to_owned() }
    }

    fn place(&self) -> Place<'_> {
        Place { resource: self.resource, namespace: self.namespace.as_deref(), name: &self.name }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
