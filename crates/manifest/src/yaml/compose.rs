//! From events to a tree: anchors, aliases, merges, keys, and the bounds on what aliases may blow up.

use std::collections::HashMap;

use super::parser::{Event, Parser, Properties};
use super::resolve::{self, Scalar, Tag};
use super::token::{Result, SyntaxError};
use super::{base64, chars};
use crate::error::ReadError;
use crate::number;
use crate::tree::{Entry, KeyClass, NodeId, Span, Text, Tree, Value};

/// Up to so many decoded nodes, 99% may come from aliases; from so many on, 10%; in between, in proportion.
const LOW: u64 = 400_000;
const HIGH: u64 = 4_000_000;

/// A collection that is being read.
struct Frame {
    map: bool,
    start: usize,
    end: usize,
    anchor: Option<usize>,
    /// Where its items or entries begin among the pending ones.
    base: usize,
    /// The key whose value comes next.
    key: Option<PendingKey>,
    /// How many nodes Go would decode below it.
    cost: u64,
}

#[derive(Clone, Copy)]
struct PendingKey {
    text: Text,
    span: Span,
    class: KeyClass,
}

struct Anchored {
    /// `None` while the node is still being read: it would contain itself.
    node: Option<NodeId>,
    cost: u64,
}

struct Composer<'t> {
    parser: Parser<'t>,
    tree: Tree,
    frames: Vec<Frame>,
    items: Vec<NodeId>,
    entries: Vec<Entry>,
    anchors: Vec<Anchored>,
    names: HashMap<&'t str, usize>,
    source: &'t str,
    /// Whether a number or a key is there that JSON cannot express.
    beyond_json: bool,
    decoded: u64,
    aliased: u64,
}

/// Reads the first document. Without one, there is no root.
pub(crate) fn compose(text: &str) -> std::result::Result<(Tree, Option<NodeId>), ReadError> {
    let run = || {
        if let Some(pos) = chars::first_forbidden(text) {
            return Err(SyntaxError { message: "control characters are not allowed".into(), pos });
        }
        let mut composer = Composer {
            parser: Parser::new(text),
            tree: Tree::default(),
            frames: Vec::with_capacity(16),
            items: Vec::with_capacity(16),
            entries: Vec::with_capacity(32),
            anchors: Vec::new(),
            names: HashMap::new(),
            source: text,
            beyond_json: false,
            decoded: 1,
            aliased: 0,
        };
        // Most nodes take some sixteen bytes of text.
        composer.tree.nodes.reserve(text.len() / 16);
        composer.tree.entries.reserve(text.len() / 24);
        let root = composer.document()?;
        let mut tree = composer.tree;
        tree.side = composer.parser.scanner.side;
        Ok((tree, root))
    };
    run().map_err(|SyntaxError { message, pos }| ReadError::at(message, text, pos))
}

impl Composer<'_> {
    fn document(&mut self) -> Result<Option<NodeId>> {
        if !self.parser.start_document()? {
            return Ok(None);
        }
        let mut root = None;
        loop {
            let done = match self.parser.next()? {
                Event::DocumentEnd => break,
                Event::Scalar { text, plain, properties, start, end } => {
                    Some(self.scalar(text, plain, properties, start, end)?)
                }
                Event::Alias { name, start, end } => Some(self.alias(name, start, end)?),
                Event::SequenceStart { properties, start } => self.open(false, properties, start)?,
                Event::MappingStart { properties, start } => self.open(true, properties, start)?,
                Event::CollectionEnd { end } => self.close(end),
            };
            if let Some(node) = done {
                self.place(node, &mut root)?;
            }
        }
        if self.beyond_json {
            self.refuse_beyond_json(root)?;
        }
        Ok(root)
    }

    fn text(&self, text: Text) -> &str {
        self.parser.text(text)
    }

    fn anchor(&mut self, properties: Properties, node: Option<NodeId>) -> Option<usize> {
        let name = properties.anchor?;
        let index = self.anchors.len();
        self.anchors.push(Anchored { node, cost: 1 });
        self.names.insert(name.get(self.source, ""), index);
        Some(index)
    }

    fn open(&mut self, map: bool, properties: Properties, start: usize) -> Result<Option<NodeId>> {
        self.count(1, 0, start)?;
        let anchor = self.anchor(properties, None);
        let base = if map { self.entries.len() } else { self.items.len() };
        self.frames.push(Frame { map, start, end: start + 1, anchor, base, key: None, cost: 0 });
        Ok(None)
    }

    fn close(&mut self, end: Option<usize>) -> Option<NodeId> {
        let frame = self.frames.pop()?;
        let end = end.unwrap_or(frame.end);
        let value = if frame.map {
            // The side buffer is the scanner's until the document ends; keys are looked up in it.
            self.tree.side = std::mem::take(&mut self.parser.scanner.side);
            let value = self.tree.seal_map(self.source, self.entries.get(frame.base..).unwrap_or_default());
            self.entries.truncate(frame.base);
            self.parser.scanner.side = std::mem::take(&mut self.tree.side);
            value
        } else {
            let value = self.tree.seal_seq(self.items.get(frame.base..).unwrap_or_default());
            self.items.truncate(frame.base);
            value
        };
        let node = self.tree.push(value, Span::new(frame.start, end));
        if let Some(anchored) = frame.anchor.and_then(|i| self.anchors.get_mut(i)) {
            *anchored = Anchored { node: Some(node), cost: frame.cost + 1 };
        }
        if let Some(parent) = self.frames.last_mut() {
            parent.cost = parent.cost.saturating_add(frame.cost);
            parent.end = end;
        }
        Some(node)
    }

    fn scalar(&mut self, text: Text, plain: bool, p: Properties, start: usize, end: usize) -> Result<NodeId> {
        let as_plain = plain && p.tag.is_none();
        let mut value = None;
        // `<<` is looked at as a key in `place`; it is a string like any other.
        let scalar = match p.tag {
            None if as_plain => resolve::plain(self.text(text)),
            None => Scalar::Str,
            Some(tag) => {
                let found = resolve::tagged(tag, self.text(text));
                found.map_err(|message| SyntaxError { message, pos: start })?
            }
        };
        if scalar == Scalar::Binary {
            let Some(bytes) = base64::decode(self.text(text)) else {
                let message = "!!binary value contains invalid base64 data".to_owned();
                return Err(SyntaxError { message, pos: start });
            };
            let side = &mut self.parser.scanner.side;
            let from = side.len();
            side.push_str(&base64::to_string(&bytes));
            value = Some(Value::Str(Text::side(from, side.len())));
        }
        let value = value.unwrap_or(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Int(i) => Value::Int(i),
            Scalar::Uint(u) => Value::Uint(u),
            Scalar::Float(f) => {
                self.beyond_json |= !f.is_finite();
                Value::Float(f)
            }
            Scalar::Str | Scalar::Binary => Value::Str(text),
        });
        let node = self.tree.push(value, Span::new(start, end));
        self.anchor(p, Some(node));
        let merge = self.is_key_next() && self.text(text) == "<<" && (plain || p.tag == Some(Tag::Merge));
        if let Some(frame) = self.frames.last_mut() {
            frame.end = end.max(frame.start + 1);
            if merge {
                frame.key = Some(PendingKey { text, span: Span::new(start, end), class: KeyClass::Merge });
            }
        }
        if !merge {
            self.count(1, 0, start)?;
        }
        Ok(node)
    }

    /// Whether the next node is a key of the innermost collection.
    fn is_key_next(&self) -> bool {
        self.frames.last().is_some_and(|f| f.map && f.key.is_none())
    }

    fn alias(&mut self, name: Text, start: usize, end: usize) -> Result<NodeId> {
        let name = name.get(self.source, "");
        let Some(target) = self.names.get(name).and_then(|i| self.anchors.get(*i)) else {
            return Err(SyntaxError { message: format!("unknown anchor '{name}' referenced"), pos: start });
        };
        let Some(node) = target.node else {
            return Err(SyntaxError { message: format!("anchor '{name}' value contains itself"), pos: start });
        };
        let cost = target.cost;
        self.count(1, 0, start)?;
        self.count(cost, cost, start)?;
        let value = self.tree.node(node).value;
        let node = self.tree.push(value, Span::new(start, end));
        if let Some(data) = self.tree.nodes.last_mut() {
            data.alias = true;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.end = end;
        }
        Ok(node)
    }

    /// Counts decoded nodes as go-yaml does, and refuses a document that is mostly made by its aliases.
    fn count(&mut self, decoded: u64, aliased: u64, pos: usize) -> Result<()> {
        self.decoded = self.decoded.saturating_add(decoded);
        self.aliased = self.aliased.saturating_add(aliased);
        if let Some(frame) = self.frames.last_mut() {
            frame.cost = frame.cost.saturating_add(decoded);
        }
        if self.aliased <= 100 || self.decoded <= 1000 {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio is what is compared")]
        let (share, allowed) = {
            let beyond = self.decoded.clamp(LOW, HIGH) - LOW;
            let allowed = 0.99 - 0.89 * (beyond as f64 / (HIGH - LOW) as f64);
            (self.aliased as f64 / self.decoded as f64, allowed)
        };
        if share > allowed {
            return Err(SyntaxError { message: "document contains excessive aliasing".into(), pos });
        }
        Ok(())
    }

    /// Puts a finished node where it belongs: under its key, among the items, as a key, or as the root.
    fn place(&mut self, node: NodeId, root: &mut Option<NodeId>) -> Result<()> {
        let Some(frame) = self.frames.last() else {
            *root = Some(node);
            return Ok(());
        };
        if !frame.map {
            self.items.push(node);
            return Ok(());
        }
        let Some(key) = frame.key else {
            let key = self.key(node)?;
            if let Some(frame) = self.frames.last_mut() {
                frame.key = Some(key);
            }
            return Ok(());
        };
        // A merge key is noted when its scalar is read; the scalar itself comes here first.
        if key.class == KeyClass::Merge && key.span == self.tree.node(node).span {
            return Ok(());
        }
        if key.class == KeyClass::Merge {
            self.check_merge(node)?;
        }
        self.entries.push(Entry { key: key.text, key_span: key.span, value: node, class: key.class });
        if let Some(frame) = self.frames.last_mut() {
            frame.key = None;
        }
        Ok(())
    }

    fn check_merge(&self, node: NodeId) -> Result<()> {
        let data = self.tree.node(node);
        let mergeable = match data.value {
            Value::Map { .. } => true,
            Value::Seq { first, len } if !data.alias => {
                self.tree.items_of(first, len).iter().all(|i| matches!(self.tree.node(*i).value, Value::Map { .. }))
            }
            _ => false,
        };
        if mergeable {
            return Ok(());
        }
        let message = "map merge requires map or sequence of maps as the value".to_owned();
        Err(SyntaxError { message, pos: data.span.start as usize })
    }

    /// A node as a key: what is not a string becomes one, as far as it can.
    fn key(&mut self, node: NodeId) -> Result<PendingKey> {
        let data = self.tree.node(node);
        let (class, text) = match data.value {
            Value::Str(text) => return Ok(PendingKey { text, span: data.span, class: KeyClass::Str }),
            Value::Int(i) => (KeyClass::Int, i.to_string()),
            Value::Float(f) if f.is_nan() => (KeyClass::Nan, ".nan".to_owned()),
            Value::Float(f) => (KeyClass::Float, number::float_key(f)),
            Value::Bool(b) => (KeyClass::Bool, b.to_string()),
            Value::Null | Value::Uint(_) => {
                self.beyond_json = true;
                let text = if data.value == Value::Null { "\0null".to_owned() } else { format!("\0{:?}", data.value) };
                (KeyClass::Unsupported, text)
            }
            Value::Seq { .. } | Value::Map { .. } => {
                let message = "invalid map key: a map or a sequence".to_owned();
                return Err(SyntaxError { message, pos: data.span.start as usize });
            }
        };
        let side = &mut self.parser.scanner.side;
        let from = side.len();
        side.push_str(&text);
        Ok(PendingKey { text: Text::side(from, side.len()), span: data.span, class })
    }

    /// JSON has no infinity, and only strings for keys. What a later key overrides does not matter, so this looks at the
    /// finished tree.
    fn refuse_beyond_json(&self, root: Option<NodeId>) -> Result<()> {
        let mut seen = vec![false; self.tree.nodes.len()];
        let mut open: Vec<NodeId> = root.into_iter().collect();
        while let Some(id) = open.pop() {
            match seen.get_mut(id as usize) {
                Some(done) if !*done => *done = true,
                _ => continue,
            }
            let data = self.tree.node(id);
            match data.value {
                Value::Float(f) if !f.is_finite() => {
                    let name = if f.is_nan() {
                        "NaN"
                    } else if f > 0.0 {
                        "+Inf"
                    } else {
                        "-Inf"
                    };
                    let message = format!("json: unsupported value: {name}");
                    return Err(SyntaxError { message, pos: data.span.start as usize });
                }
                Value::Seq { first, len } => open.extend(self.tree.items_of(first, len)),
                Value::Map { first, len } => {
                    for entry in self.tree.entries_of(first, len) {
                        if entry.class == KeyClass::Unsupported {
                            let message =
                                "a map key may be neither null nor an integer above 9223372036854775807".to_owned();
                            return Err(SyntaxError { message, pos: entry.key_span.start as usize });
                        }
                        open.push(entry.value);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
