//! What is still to be done, each key once.
//!
//! As client-go's work queue: a key that is added while it is worked on is worked on again afterwards; one that fails
//! comes back after a time that doubles with each failure in a row.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// After the first failure, and at most: those of client-go's default rate limiter.
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1000);

/// Keys to be worked on.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Every method leaves it whole, so that a poisoned lock is as good as new.
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<String>,
    /// What is in `ready`, or will be once it is no longer worked on.
    waiting: HashSet<String>,
    under_way: HashSet<String>,
    later: BTreeSet<(Instant, String)>,
    /// When a key in `later` is due.
    due: HashMap<String, Instant>,
    failures: BTreeMap<String, u32>,
    adds: u64,
    retries: u64,
}

/// Numbers for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) ready: usize,
    pub(crate) failing: usize,
    pub(crate) adds: u64,
    pub(crate) retries: u64,
}

impl Queue {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be worked on as soon as may be.
    pub(crate) fn add(&self, key: &str) {
        self.state().add(key);
        self.news.notify_one();
    }

    /// To be worked on then; earlier, if something else asks for it.
    pub(crate) fn add_after(&self, key: &str, wait: Duration, now: Instant) {
        self.state().add_at(key, now + wait);
        self.news.notify_one();
    }

    /// To be worked on again after a failure.
    pub(crate) fn retry(&self, key: &str, now: Instant) {
        let wait = {
            let mut state = self.state();
            state.retries += 1;
            let failures = state.failures.entry(key.to_owned()).or_default();
            *failures += 1;
            FIRST.saturating_mul(1_u32.checked_shl(*failures - 1).unwrap_or(u32::MAX)).min(LONGEST)
        };
        self.add_after(key, wait, now);
    }

    /// The key is no longer worked on.
    pub(crate) fn done(&self, key: &str) {
        let mut state = self.state();
        state.under_way.remove(key);
        if state.waiting.contains(key) {
            state.ready.push_back(key.to_owned());
        }
        drop(state);
        self.news.notify_one();
    }

    /// It went well: its failures are forgotten.
    pub(crate) fn forget(&self, key: &str) {
        self.state().failures.remove(key);
    }

    /// The next key, or when there may be one.
    pub(crate) fn try_next(&self, now: Instant) -> Result<String, Option<Instant>> {
        let mut state = self.state();
        while state.later.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = state.later.pop_first() else { break };
            state.due.remove(&key);
            state.add(&key);
        }
        match state.ready.pop_front() {
            Some(key) => {
                state.waiting.remove(&key);
                state.under_way.insert(key.clone());
                Ok(key)
            }
            None => Err(state.later.first().map(|(due, _)| *due)),
        }
    }

    /// Waits for the next key.
    pub(crate) async fn next(&self) -> String {
        loop {
            let news = self.news.notified();
            match self.try_next(Instant::now()) {
                Ok(key) => return key,
                Err(None) => news.await,
                Err(Some(due)) => {
                    let _ = tokio::time::timeout_at(due, news).await;
                }
            }
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        let state = self.state();
        Depth { ready: state.waiting.len(), failing: state.failures.len(), adds: state.adds, retries: state.retries }
    }
}

impl State {
    fn add(&mut self, key: &str) {
        if self.waiting.insert(key.to_owned()) {
            self.adds += 1;
            if !self.under_way.contains(key) {
                self.ready.push_back(key.to_owned());
            }
        }
    }

    fn add_at(&mut self, key: &str, due: Instant) {
        match self.due.get(key) {
            Some(sooner) if *sooner <= due => return,
            Some(later) => {
                self.later.remove(&(*later, key.to_owned()));
            }
            None => {}
        }
        self.due.insert(key.to_owned(), due);
        self.later.insert((due, key.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_there_once_and_comes_again_if_it_changed_while_worked_on() {
        let (queue, now) = (Queue::default(), Instant::now());
        for key in ["a", "b", "a"] {
            queue.add(key);
        }
        assert_eq!(queue.try_next(now), Ok("a".into()));
        queue.add("a");
        assert_eq!(queue.try_next(now), Ok("b".into()));
        assert_eq!(queue.try_next(now), Err(None));
        queue.done("a");
        assert_eq!(queue.try_next(now), Ok("a".into()));
    }

    #[test]
    fn failures_wait_twice_as_long_each_time_until_one_goes_well() {
        let (queue, now) = (Queue::default(), Instant::now());
        let wait = |queue: &Queue| {
            queue.retry("a", now);
            let due = queue.try_next(now).unwrap_err().unwrap();
            assert_eq!(queue.try_next(due), Ok("a".into()));
            queue.done("a");
            due - now
        };
        let waits: Vec<u128> = (0..4).map(|_| wait(&queue).as_millis()).collect();
        assert_eq!(waits, [5, 10, 20, 40]);
        for _ in 0..40 {
            wait(&queue);
        }
        assert_eq!(wait(&queue), LONGEST);
        queue.forget("a");
        assert_eq!(wait(&queue), FIRST);
    }

    #[test]
    fn what_is_due_later_comes_sooner_when_asked_for() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add_after("a", Duration::from_mins(1), now);
        queue.add_after("a", Duration::from_secs(5), now);
        queue.add_after("a", Duration::from_secs(90), now);
        assert_eq!(queue.try_next(now), Err(Some(now + Duration::from_secs(5))));
        queue.add("a");
        assert_eq!(queue.try_next(now), Ok("a".into()));
    }

    proptest! {
        /// Whatever happens: a key that was added is given out after that, and never to two at a time.
        #[test]
        fn nothing_is_lost_and_nothing_is_worked_on_twice_at_once(steps in prop::collection::vec((0_u8..4, 0_u8..5), 0..200)) {
            let (queue, now) = (Queue::default(), Instant::now());
            let mut under_way = BTreeSet::new();
            let mut owed = BTreeSet::new();
            for (step, key) in steps {
                let key = key.to_string();
                match step {
                    0 => { queue.add(&key); owed.insert(key); }
                    1 if under_way.remove(&key) => { queue.retry(&key, now); queue.done(&key); owed.insert(key); }
                    2 if under_way.remove(&key) => queue.done(&key),
                    _ => if let Ok(next) = queue.try_next(now + LONGEST) {
                        owed.remove(&next);
                        prop_assert!(under_way.insert(next));
                    },
                }
            }
            for key in under_way {
                queue.done(&key);
            }
            while let Ok(next) = queue.try_next(now + LONGEST) {
                owed.remove(&next);
                queue.done(&next);
            }
            prop_assert!(owed.is_empty());
        }
    }
}
