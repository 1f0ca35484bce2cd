//! One document of a stream, and the nodes in it.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::error::ReadError;
use crate::location::{Location, Waymarks};
use crate::tree::{Entry, NodeData, NodeId, Span, Tree, Value};

/// A document as it was read, or why it could not be.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub(crate) index: usize,
    pub(crate) text: Cow<'a, str>,
    /// Where `text` begins in the stream.
    pub(crate) base: Location,
    pub(crate) tree: Tree,
    pub(crate) root: Option<NodeId>,
    pub(crate) error: Option<ReadError>,
    pub(crate) waymarks: OnceLock<Waymarks>,
}

impl Document<'_> {
    /// The document's position in its stream, from 0. Documents that are empty or in error count.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the document's spans are ranges of: its part of the stream, a byte order mark at its start excluded.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the document could not be read.
    pub fn error(&self) -> Option<&ReadError> {
        self.error.as_ref()
    }

    /// The outermost node. A document that is empty, or in error, has none.
    pub fn root(&self) -> Option<Node<'_>> {
        self.root.map(|id| self.node(id))
    }

    /// Where a byte of [`text`](Self::text) is in the stream.
    pub fn location(&self, pos: u32) -> Location {
        self.waymarks.get_or_init(|| Waymarks::new(&self.text, self.base)).location(&self.text, pos as usize)
    }

    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        Node { tree: &self.tree, text: &self.text, id }
    }
}

/// A value in a document.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    pub(crate) tree: &'d Tree,
    pub(crate) text: &'d str,
    pub(crate) id: NodeId,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind<'d> {
    /// `null`, `~`, or nothing at all.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string, unescaped.
    Str(&'d str),
    /// A sequence.
    Seq,
    /// A mapping.
    Map,
}

impl<'d> Node<'d> {
    pub(crate) fn data(self) -> NodeData {
        self.tree.node(self.id)
    }

    pub(crate) fn with(self, id: NodeId) -> Self {
        Node { id, ..self }
    }

    /// The node's type, and its value unless it is a collection.
    pub fn kind(self) -> Kind<'d> {
        match self.data().value {
            Value::Null => Kind::Null,
            Value::Bool(b) => Kind::Bool(b),
            Value::Int(i) => Kind::Int(i),
            Value::Uint(u) => Kind::Uint(u),
            Value::Float(f) => Kind::Float(f),
            Value::Str(text) => Kind::Str(text.get(self.text, &self.tree.side)),
            Value::Seq { .. } => Kind::Seq,
            Value::Map { .. } => Kind::Map,
        }
    }

    /// Where the node is written. For an alias that is the `*name`, and for what a merge key took over, its origin.
    pub fn span(self) -> Span {
        self.data().span
    }

    /// The string, if it is one.
    pub fn as_str(self) -> Option<&'d str> {
        match self.kind() {
            Kind::Str(s) => Some(s),
            _ => None,
        }
    }

    pub(crate) fn raw_entries(self) -> &'d [Entry] {
        match self.data().value {
            Value::Map { first, len } => self.tree.entries_of(first, len),
            _ => &[],
        }
    }

    /// The keys and values of a mapping, in the order of the text. Keys are unique. Anything else has none.
    pub fn entries(self) -> impl ExactSizeIterator<Item = (&'d str, Node<'d>)> {
        self.raw_entries().iter().map(move |e| (e.key.get(self.text, &self.tree.side), self.with(e.value)))
    }

    pub(crate) fn raw_items(self) -> &'d [NodeId] {
        match self.data().value {
            Value::Seq { first, len } => self.tree.items_of(first, len),
            _ => &[],
        }
    }

    /// The elements of a sequence. Anything else has none.
    pub fn items(self) -> impl ExactSizeIterator<Item = Node<'d>> {
        self.raw_items().iter().map(move |id| self.with(*id))
    }

    pub(crate) fn entry(self, key: &str) -> Option<&'d Entry> {
        self.raw_entries().iter().find(|e| e.key.get(self.text, &self.tree.side) == key)
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.entry(key).map(|e| self.with(e.value))
    }

    /// An element by its position, if this is a sequence that has it.
    pub fn at(self, index: usize) -> Option<Node<'d>> {
        self.raw_items().get(index).map(|id| self.with(*id))
    }
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json())
    }
}
