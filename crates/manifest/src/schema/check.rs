//! Walks a node along its type: unknown fields, values of a wrong type, fields at the wrong place.

use super::misplaced::{self, Level};
use super::suggest::nearest;
use super::{Shape, TypeId};
use crate::document::{Document, Kind, Node};
use crate::number::float_as_integer;
use crate::path::{Path, Segment};
use crate::problem::{Problem, ProblemKind};
use crate::quantity;
use crate::time;
use crate::tree::Span;

/// The first value that Go would refuse to decode, if there is one.
pub(crate) fn first_type_problem(
    document: &Document<'_>,
    node: Node<'_>,
    of: TypeId,
    object_path: &str,
) -> Option<Problem> {
    let mut walk = Walk::new(document, object_path, true);
    walk.object(node, of);
    walk.problems.into_iter().next()
}

/// All that a strict decoder objects to in an object, and where misplaced fields belong.
pub(crate) fn check(document: &Document<'_>, node: Node<'_>, of: TypeId, object_path: &str) -> Vec<Problem> {
    let mut walk = Walk::new(document, object_path, false);
    walk.object(node, of);
    walk.problems
}

struct Walk<'d> {
    document: &'d Document<'d>,
    path: Path<'d>,
    /// The structs around the current field, the innermost last.
    levels: Vec<Level>,
    problems: Vec<Problem>,
    types_only: bool,
}

impl<'d> Walk<'d> {
    fn new(document: &'d Document<'d>, object_path: &'d str, types_only: bool) -> Self {
        Walk { document, path: Path::new(object_path), levels: Vec::new(), problems: Vec::new(), types_only }
    }

    fn report(&mut self, kind: ProblemKind, message: String, hint: Option<String>, span: Span) {
        let location = self.document.location(span.start);
        self.problems.push(Problem { kind, field: self.path.to_string(), message, hint, span, location });
    }

    fn value(&mut self, node: Node<'d>, shape: Shape) {
        let kind = node.kind();
        if kind == Kind::Null {
            return;
        }
        let fits = match shape {
            Shape::Any => true,
            Shape::Bool => matches!(kind, Kind::Bool(_)),
            Shape::Str => matches!(kind, Kind::Str(_)),
            Shape::I32 => integer(kind).is_some_and(|i| i32::try_from(i).is_ok()),
            Shape::I64 => integer(kind).is_some(),
            Shape::IntOrString => match kind {
                Kind::Str(_) => true,
                _ => integer(kind).is_some_and(|i| i32::try_from(i).is_ok()),
            },
            Shape::Quantity => match kind {
                Kind::Str(text) => quantity::is_quantity(text.trim()),
                Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => quantity::is_quantity(&node.to_json()),
                _ => false,
            },
            Shape::Time => matches!(kind, Kind::Str(text) if time::is_rfc3339(text)),
            Shape::Object(id) => return self.object(node, TypeId(id)),
            Shape::List(of) => return self.list(node, *of),
            Shape::Map(of) => return self.map(node, *of),
        };
        if !fits {
            self.wrong_type(node, shape);
        }
    }

    fn wrong_type(&mut self, node: Node<'d>, shape: Shape) {
        let message = format!("expected {}, found {}", expected(shape), found(node));
        let hint = match (shape, node.kind()) {
            (Shape::Str, Kind::Bool(_) | Kind::Int(_) | Kind::Uint(_) | Kind::Float(_)) => {
                let written = self.document.text().get(node.span().range()).unwrap_or_default();
                Some(format!("write it in quotes: {written:?}"))
            }
            (Shape::Bool, Kind::Str(text)) if matches!(text, "true" | "false") => {
                Some(format!("write {text} without quotes"))
            }
            (Shape::I32 | Shape::I64, Kind::Str(text)) if text.parse::<i64>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            _ => None,
        };
        self.report(ProblemKind::Type, message, hint, node.span());
    }

    fn object(&mut self, node: Node<'d>, of: TypeId) {
        if node.kind() != Kind::Map {
            if node.kind() != Kind::Null {
                self.wrong_type(node, Shape::Object(of.0));
            }
            return;
        }
        self.levels.push(Level { of, depth: self.path.len() });
        for entry in node.raw_entries() {
            let key = entry.key.get(node.text, &node.tree.side);
            self.path.push(Segment::Field(key));
            match of.get().field(key) {
                Some(shape) => self.value(node.with(entry.value), shape),
                None if self.types_only => {}
                None => self.unknown(key, entry.key_span),
            }
            self.path.pop();
        }
        self.levels.pop();
    }

    fn unknown(&mut self, key: &str, span: Span) {
        let near = self.levels.last().and_then(|level| nearest(key, level.of.get().fields.iter().map(|f| f.0)));
        let message = format!("unknown field \"{}\"", self.path);
        let moved = misplaced::right_place(key, &self.levels, &self.path);
        let hint = match (&moved, near) {
            (Some(place), _) => Some(place.hint()),
            (None, Some(name)) => Some(format!("did you mean {name}?")),
            (None, None) => None,
        };
        self.report(ProblemKind::Unknown, message, hint, span);
        if let Some(place) = moved {
            self.report(ProblemKind::Misplaced, place.message(key), Some(place.hint()), span);
        }
    }

    fn list(&mut self, node: Node<'d>, of: Shape) {
        if node.kind() != Kind::Seq {
            return self.wrong_type(node, Shape::List(&Shape::Any));
        }
        for (i, item) in node.items().enumerate() {
            self.path.push(Segment::Index(i));
            self.value(item, of);
            self.path.pop();
        }
    }

    fn map(&mut self, node: Node<'d>, of: Shape) {
        if node.kind() != Kind::Map {
            return self.wrong_type(node, Shape::Map(&Shape::Any));
        }
        for (key, value) in node.entries() {
            self.path.push(Segment::Key(key));
            self.value(value, of);
            self.path.pop();
        }
    }
}

/// The integer that Go would see. A float is one if JSON writes it without fraction and exponent.
fn integer(kind: Kind<'_>) -> Option<i64> {
    match kind {
        Kind::Int(i) => Some(i),
        Kind::Float(f) => float_as_integer(f),
        _ => None,
    }
}

fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Bool => "true or false",
        Shape::Str => "a string",
        Shape::I32 => "an integer of 32 bits",
        Shape::I64 => "an integer of 64 bits",
        Shape::IntOrString => "an integer of 32 bits or a string",
        Shape::Quantity => "a quantity",
        Shape::Time => "a time as in RFC 3339",
        Shape::List(_) => "an array",
        Shape::Object(_) | Shape::Map(_) | Shape::Any => "an object",
    }
}

fn found(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Bool(b) => b.to_string(),
        Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => format!("the number {}", node.to_json()),
        Kind::Str(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Kind::Str(_) => "a string".to_owned(),
        Kind::Seq => "an array".to_owned(),
        Kind::Map => "an object".to_owned(),
    }
}
