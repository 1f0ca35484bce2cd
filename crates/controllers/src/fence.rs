//! Until when this replica may write.
//!
//! A leader that cannot renew its lease must have stopped writing before another may take over. So no write begins once
//! the lease should have been renewed, and none is waited for beyond the lease's end. All is measured on this machine's
//! steady clock from before the renewal was sent; the others measure from when they saw it, which is later.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How far this replica leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// Somebody else may write.
    Idle,
    /// This replica may write.
    Leading {
        /// No write begins after this.
        renew_by: Instant,
        /// No write is waited for after this.
        ends: Instant,
    },
    /// There is nobody else: leaders are not elected.
    Alone,
}

/// Nothing may be written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead")]
pub(crate) struct NotLeading;

/// Asked before every write.
#[derive(Debug, Clone)]
pub(crate) struct Fence(watch::Sender<Term>);

impl Fence {
    pub(crate) fn new(term: Term) -> Self {
        Self(watch::Sender::new(term))
    }

    pub(crate) fn set(&self, term: Term) {
        self.0.send_if_modified(|was| {
            let news = *was != term;
            *was = term;
            news
        });
    }

    /// How long a write that begins now may be waited for, if one may begin.
    pub(crate) fn may_write(&self, now: Instant) -> Result<Option<Duration>, NotLeading> {
        match *self.0.borrow() {
            Term::Alone => Ok(None),
            Term::Leading { renew_by, ends } if now < renew_by => Ok(Some(ends - now)),
            Term::Idle | Term::Leading { .. } => Err(NotLeading),
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.may_write(Instant::now()).is_ok()
    }

    /// Waits until this replica leads.
    pub(crate) async fn leading(&self) {
        let mut terms = self.0.subscribe();
        // The sender is here: it does not go away.
        let _ = terms.wait_for(|term| *term != Term::Idle).await;
    }

    /// Waits until this replica has stopped to lead.
    pub(crate) async fn idle(&self) {
        let mut terms = self.0.subscribe();
        let _ = terms.wait_for(|term| *term == Term::Idle).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_write_begins_once_the_lease_should_have_been_renewed() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let fence = Fence::new(Term::Idle);
        assert_eq!(fence.may_write(now), Err(NotLeading));
        fence.set(Term::Leading { renew_by: after(10), ends: after(15) });
        assert_eq!(fence.may_write(after(9)), Ok(Some(Duration::from_secs(6))));
        assert_eq!(fence.may_write(after(10)), Err(NotLeading));
        fence.set(Term::Alone);
        assert_eq!(fence.may_write(after(100)), Ok(None));
    }
}
