//! Objects of one kind, by namespace (empty for what is in none) and name.

use std::collections::BTreeMap;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// Objects, each with the list that it was last in.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    all: BTreeMap<Key, (T, u64)>,
    list: u64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), list: 0 }
    }
}

impl<T: PartialEq> Kept<T> {
    /// A whole list begins. What is there stays until it is at its end.
    pub(crate) fn begin(&mut self) {
        self.list += 1;
    }

    /// Puts an object in. Returns what was there before, unless it is the same.
    pub(crate) fn put(&mut self, key: Key, object: T) -> Result<Option<T>, Same> {
        if let Some((known, list)) = self.all.get_mut(&key)
            && *known == object
        {
            *list = self.list;
            return Err(Same);
        }
        Ok(self.all.insert(key, (object, self.list)).map(|(old, _)| old))
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<T> {
        self.all.remove(key).map(|(old, _)| old)
    }

    /// The list is at its end: what was not in it is gone, and returned.
    pub(crate) fn finish(&mut self) -> Vec<(Key, T)> {
        let list = self.list;
        self.all.extract_if(.., |_, (_, at)| *at != list).map(|(key, (old, _))| (key, old)).collect()
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.all.get(&(namespace.to_owned(), name.to_owned())).map(|(object, _)| object)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.all.values().map(|(object, _)| object)
    }

    /// The names in a namespace.
    pub(crate) fn names(&self, namespace: &str) -> impl Iterator<Item = &str> {
        self.within(namespace).map(|(name, _)| name)
    }

    /// The objects of a namespace, by their names.
    pub(crate) fn within(&self, namespace: &str) -> impl Iterator<Item = (&str, &T)> {
        let from = (namespace.to_owned(), String::new());
        let all = self.all.range(from..).take_while(move |((of, _), _)| of == namespace);
        all.map(|((_, name), (object, _))| (&**name, object))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Same;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str) -> Key {
        (namespace.to_owned(), name.to_owned())
    }

    #[test]
    fn what_a_new_list_has_not_is_gone_and_only_then() {
        let mut kept = Kept::default();
        kept.begin();
        assert_eq!(kept.put(key("n", "a"), 1), Ok(None));
        assert_eq!(kept.put(key("n", "b"), 1), Ok(None));
        assert_eq!(kept.finish(), []);
        kept.begin();
        assert_eq!(kept.put(key("n", "b"), 1), Err(Same));
        assert_eq!(kept.put(key("n", "b"), 2), Ok(Some(1)));
        assert_eq!(kept.get("n", "a"), Some(&1));
        assert_eq!(kept.finish(), [(key("n", "a"), 1)]);
    }

    #[test]
    fn names_are_those_of_one_namespace() {
        let mut kept = Kept::default();
        for (namespace, name) in [("a", "x"), ("b", "y"), ("b", "z"), ("bb", "x")] {
            let _ = kept.put(key(namespace, name), ());
        }
        assert_eq!(kept.names("b").collect::<Vec<_>>(), ["y", "z"]);
    }
}
