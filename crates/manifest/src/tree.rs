//! What a document says, as a flat tree.
//!
//! All nodes of a document lie in three vectors, and strings are ranges of the document's text, so reading costs a
//! handful of allocations however many nodes there are. Nodes refer to each other by index: an alias costs nothing,
//! and neither reading, printing nor dropping a tree recurses.

use std::collections::HashMap;

/// A range of bytes in the text of a [`Document`](crate::Document), or in its side buffer of unescaped strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    start: u32,
    end: u32,
}

/// Offsets from here on point into the side buffer. Texts are therefore limited to 1 GiB.
const SIDE: u32 = 1 << 30;

impl Text {
    pub(crate) const EMPTY: Text = Text { start: 0, end: 0 };

    /// A range of the document's own text.
    pub(crate) fn source(start: usize, end: usize) -> Self {
        Text { start: start as u32, end: end as u32 }
    }

    /// A range of the side buffer.
    pub(crate) fn side(start: usize, end: usize) -> Self {
        Text { start: SIDE + start as u32, end: SIDE + end as u32 }
    }

    /// The string itself. A range that lies outside (there is none) is the empty string.
    pub(crate) fn get<'t>(self, source: &'t str, side: &'t str) -> &'t str {
        let range = |base: u32| (self.start - base) as usize..(self.end - base) as usize;
        if self.start >= SIDE {
            side.get(range(SIDE)).unwrap_or_default()
        } else {
            source.get(range(0)).unwrap_or_default()
        }
    }
}

/// A range of bytes in a document's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    /// The span as a range, to slice the document's text with.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The index of a node in its tree.
pub(crate) type NodeId = u32;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Integers above `i64::MAX` only.
    Uint(u64),
    Float(f64),
    Str(Text),
    Seq {
        first: u32,
        len: u32,
    },
    Map {
        first: u32,
        len: u32,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeData {
    pub(crate) value: Value,
    pub(crate) span: Span,
    /// The node was written as `*anchor`; its span is that of the alias.
    pub(crate) alias: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Text,
    pub(crate) key_span: Span,
    pub(crate) value: NodeId,
    pub(crate) class: KeyClass,
}

/// What a key was before it became a string. Go's maps hold `1` and `"1"` as two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyClass {
    Str,
    Int,
    Float,
    Bool,
    /// Equal to no other key, not even to itself.
    Nan,
    /// Null, or an integer above `i64::MAX`: JSON has no such key, and a document that ends up with one is refused.
    Unsupported,
    /// `<<`: the value's entries are taken over.
    Merge,
}

/// A key that occurs again in the same mapping. The later value is the one that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duplicate {
    pub(crate) key_span: Span,
    /// The value that counts, by which the mapping can be found.
    pub(crate) value: NodeId,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<NodeData>,
    pub(crate) items: Vec<NodeId>,
    pub(crate) entries: Vec<Entry>,
    /// Strings that are not in the text as such: unescaped, folded, decoded.
    pub(crate) side: String,
    pub(crate) duplicates: Vec<Duplicate>,
}

impl Tree {
    pub(crate) fn push(&mut self, value: Value, span: Span) -> NodeId {
        self.nodes.push(NodeData { value, span, alias: false });
        (self.nodes.len() - 1) as NodeId
    }

    pub(crate) fn node(&self, id: NodeId) -> NodeData {
        const NONE: NodeData = NodeData { value: Value::Null, span: Span { start: 0, end: 0 }, alias: false };
        self.nodes.get(id as usize).copied().unwrap_or(NONE)
    }

    pub(crate) fn items_of(&self, first: u32, len: u32) -> &[NodeId] {
        self.items.get(first as usize..(first + len) as usize).unwrap_or_default()
    }

    pub(crate) fn entries_of(&self, first: u32, len: u32) -> &[Entry] {
        self.entries.get(first as usize..(first + len) as usize).unwrap_or_default()
    }

    /// Copies the pending items into the tree as one sequence.
    pub(crate) fn seal_seq(&mut self, pending: &[NodeId]) -> Value {
        let first = self.items.len() as u32;
        self.items.extend_from_slice(pending);
        Value::Seq { first, len: pending.len() as u32 }
    }

    /// Copies the pending entries into the tree as one mapping: merges are taken over in place, and of equal keys the
    /// last value stays, as Go's maps do it. Merge keys must have been checked to hold mappings.
    pub(crate) fn seal_map(&mut self, source: &str, pending: &[Entry]) -> Value {
        let first = self.entries.len();
        let mut index = Index::default();
        for entry in pending {
            if entry.class == KeyClass::Merge {
                self.merge(source, first, *entry, &mut index);
            } else {
                self.set(source, first, *entry, &mut index);
            }
        }
        Value::Map { first: first as u32, len: (self.entries.len() - first) as u32 }
    }

    fn merge(&mut self, source: &str, first: usize, entry: Entry, index: &mut Index) {
        let mut take = |tree: &mut Tree, value: Value| {
            if let Value::Map { first: from, len } = value {
                for i in from..from + len {
                    if let Some(merged) = tree.entries.get(i as usize).copied() {
                        tree.set(source, first, merged, index);
                    }
                }
            }
        };
        match self.node(entry.value).value {
            map @ Value::Map { .. } => take(self, map),
            // Of several mappings the earlier ones take precedence.
            Value::Seq { first: from, len } => {
                for i in (from..from + len).rev() {
                    let value = self.items.get(i as usize).map_or(Value::Null, |id| self.node(*id).value);
                    take(self, value);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, source: &str, first: usize, entry: Entry, index: &mut Index) {
        let Some(at) = index.find(self, source, first, &entry) else {
            self.entries.push(entry);
            return;
        };
        if let Some(slot) = self.entries.get_mut(at) {
            let same = slot.class == entry.class && entry.class != KeyClass::Nan;
            *slot = entry;
            if same {
                self.duplicates.push(Duplicate { key_span: entry.key_span, value: entry.value });
            }
        }
    }
}

/// Finds keys in the mapping being sealed: by looking at each while it is small, by hash from then on.
#[derive(Default)]
struct Index {
    /// Keys by a hash of theirs; the entries are the last of the tree.
    large: Option<HashMap<Box<str>, usize>>,
}

const SMALL: usize = 24;

impl Index {
    fn find(&mut self, tree: &Tree, source: &str, first: usize, entry: &Entry) -> Option<usize> {
        let key = entry.key.get(source, &tree.side);
        let so_far = tree.entries.get(first..).unwrap_or_default();
        if so_far.len() < SMALL {
            return so_far.iter().position(|e| e.key.get(source, &tree.side) == key).map(|i| first + i);
        }
        let large = self.large.get_or_insert_with(|| {
            so_far.iter().enumerate().map(|(i, e)| (e.key.get(source, &tree.side).into(), first + i)).collect()
        });
        if let Some(at) = large.get(key) {
            return Some(*at);
        }
        large.insert(key.into(), tree.entries.len());
        None
    }
}
