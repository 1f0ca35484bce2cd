//! Certificates of the server's own: an authority and what it signs, kept in a Secret that all replicas share, renewed
//! before they end, and known to the webhook configurations.
//!
//! ```text
//!             ┌─ read, and replace if nobody else has ─▶ Secret
//! keeper ─────┤                                            │ authority, successor, certificate
//!   ▲ watch   ├─ the pair ─▶ tls (read anew as files are)  │
//!   └─────────┴─ caBundle ─▶ webhook configurations  ◀─────┘ all authorities that count
//! ```
//!
//! The Secret alone decides. A successor is first told to every webhook configuration and only then used, so that at no
//! moment an API server meets a certificate whose authority it has not been told of.

mod issue;
mod keeper;
mod material;
mod plan;
mod secret;
mod targets;

pub use keeper::SelfSigned;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The pair that is served with, which the keeper exchanges.
#[derive(Clone)]
pub struct Kept {
    /// Certificate and key as PEM.
    pair: Arc<RwLock<(String, String)>>,
    /// How often the pair was exchanged, and which of them was last looked at.
    given: Arc<watch::Sender<u64>>,
    taken: Arc<watch::Sender<u64>>,
    is_known: Arc<AtomicBool>,
}

/// The key does not show itself to who prints this.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// With a pair for whoever asks before the real one is known, and believes anybody, as a kubelet's probe does.
    pub(crate) fn until_known(pair: (String, String)) -> Self {
        Self {
            pair: Arc::new(RwLock::new(pair)),
            given: Arc::default(),
            taken: Arc::default(),
            is_known: Arc::default(),
        }
    }

    /// Exchanges the pair, and waits until new connections get it.
    pub(crate) async fn set(&self, certificate: &str, key: &str) {
        let pair = (certificate.to_owned(), key.to_owned());
        let mut number = *self.given.borrow();
        let known = {
            let mut current = self.pair.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, pair.clone()) == pair
        };
        if !known {
            number += 1;
            self.given.send_replace(number);
        }
        // Whoever takes it lives as long as the server does.
        let _ = self.taken.subscribe().wait_for(|taken| *taken >= number).await;
    }

    /// The pair, and its number for [`took`](Self::took).
    pub(crate) fn get(&self) -> (u64, Vec<u8>, Vec<u8>) {
        let number = *self.given.borrow();
        let pair = self.pair.read().unwrap_or_else(PoisonError::into_inner);
        (number, pair.0.clone().into_bytes(), pair.1.clone().into_bytes())
    }

    /// The pair of this number was looked at, and is what new connections get if it is good.
    pub(crate) fn took(&self, number: u64, is_good: bool) {
        self.is_known.fetch_or(is_good && number > 0, Relaxed);
        self.taken.send_replace(number);
    }

    /// Waits for a pair that has not been taken.
    pub(crate) async fn exchanged(&self) {
        let taken = *self.taken.borrow();
        let _ = self.given.subscribe().wait_for(|given| *given > taken).await;
    }

    /// Whether the pair is one that an API server can believe.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Relaxed)
    }
}
