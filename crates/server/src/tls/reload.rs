//! Certificates come and go: a new pair is taken as soon as it is whole, a bad one is told of and the old one kept.

use super::Identity;
use crate::app::App;
use std::error::Error as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the files are looked at. They are small, and reading them sees through every way of exchanging files.
const EVERY: Duration = Duration::from_millis(500);

/// What came of looking at the files.
#[derive(Debug)]
pub(super) enum Looked {
    Same,
    Renewed,
    /// With the reason in words.
    Bad(String),
}

impl Identity {
    /// Looks at the files for as long as the server lives.
    pub(crate) async fn keep_fresh(self: Arc<Self>, app: Arc<App>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            app.metrics.certificate_expiry.store(self.expiry.load(Relaxed), Relaxed);
            match &self.files.kept {
                None => drop(tick.tick().await),
                // Other files may change, too.
                Some(kept) => tokio::select! {
                    _ = tick.tick() => {}
                    () = kept.exchanged() => {}
                },
            }
            let this = Arc::clone(&self);
            let Ok(looked) = tokio::task::spawn_blocking(move || this.look()).await else { continue };
            match looked {
                Looked::Same => {}
                Looked::Renewed => {
                    app.metrics.certificate_reloads.add(["renewed".into()]);
                    tracing::info!("took a new certificate");
                }
                Looked::Bad(why) => {
                    app.metrics.certificate_reloads.add(["refused".into()]);
                    tracing::warn!(%why, "the new certificate cannot be used; the old one is kept");
                }
            }
        }
    }

    pub(super) fn look(&self) -> Looked {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            // They may be about to be exchanged; if they stay away, the next renewal is missed, which is told.
            Err(error) => {
                let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
                if *seen == super::files::Contents::default() {
                    return Looked::Same;
                }
                self.had_ended.store(false, Relaxed);
                *seen = super::files::Contents::default();
                return Looked::Bad(words(&error));
            }
        };
        let was_over = self.had_ended.load(Relaxed);
        let is_known = contents == *self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if is_known && !was_over {
            return Looked::Same;
        }
        let configured = self.files.configure(&contents, Some(self.expiry.load(Relaxed)));
        let is_over = matches!(configured, Err(super::TlsError::Expired { .. }));
        self.had_ended.store(is_over, Relaxed);
        if is_known && is_over {
            return Looked::Same;
        }
        let number = contents.number;
        // A bad pair is told of once, not twice a second.
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = contents;
        match configured {
            Ok((config, expiry)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                self.expiry.store(expiry, Relaxed);
                self.took(number, true);
                Looked::Renewed
            }
            Err(error) => {
                self.took(number, false);
                Looked::Bad(words(&error))
            }
        }
    }

    /// Whoever exchanged the pair is told.
    fn took(&self, number: u64, is_good: bool) {
        if let Some(kept) = &self.files.kept {
            kept.took(number, is_good);
        }
    }
}

fn words(error: &super::TlsError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
