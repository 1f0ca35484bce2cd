//! Values that many hold.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};

/// Values that are kept once, for as long as somebody has them.
#[derive(Debug)]
pub struct Shared<T: ?Sized> {
    /// By two keyed hashes of what tells them apart, which nobody outside can make collide.
    by_hash: HashMap<(u64, u64), Weak<T>>,
    keys: (RandomState, RandomState),
    /// When to look for those that nobody has any more.
    sweep_at: usize,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self { by_hash: HashMap::new(), keys: Default::default(), sweep_at: 64 }
    }
}

impl<T: ?Sized> Shared<T> {
    /// How many different values there are, or were until a moment ago.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// The value that is kept under the key.
    pub fn known(&self, key: &[u8]) -> Option<Arc<T>> {
        self.by_hash.get(&self.hash(key)).and_then(Weak::upgrade)
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.keys.0.hash_one(key), self.keys.1.hash_one(key))
    }

    /// The value that is kept under the key, which is this one if there is none yet.
    pub fn share(&mut self, key: &[u8], value: impl Into<Arc<T>>) -> Arc<T> {
        let hash = self.hash(key);
        if let Some(known) = self.by_hash.get(&hash).and_then(Weak::upgrade) {
            return known;
        }
        if self.by_hash.len() >= self.sweep_at {
            self.by_hash.retain(|_, value| value.strong_count() > 0);
            self.by_hash.shrink_to_fit();
            self.sweep_at = (self.by_hash.len() * 2).max(64);
        }
        let value = value.into();
        self.by_hash.insert(hash, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_values_are_one_and_go_when_nobody_has_them() {
        let mut shared: Shared<i32> = Shared::default();
        assert!(shared.known(b"a").is_none());
        let (a, b) = (shared.share(b"a", 1), shared.share(b"a", 2));
        assert!(Arc::ptr_eq(&a, &b) && *b == 1 && shared.len() == 1 && shared.known(b"a").is_some());
        drop((a, b));
        for key in 0_u32..200 {
            shared.share(&key.to_be_bytes(), 0);
        }
        assert!(shared.len() <= 65 && !shared.is_empty(), "{}", shared.len());
    }
}
