//! From a field's path to its place in the text.

use crate::document::{Document, Node};
use crate::location::Location;
use crate::tree::Span;

/// Where a field is, or what of it there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path that was found: the one asked for, or its nearest ancestor in the document. The empty path is the root.
    pub path: String,
    /// Whether the field itself was found.
    pub exact: bool,
    /// The field's key. List elements and the root have none.
    pub key: Option<Span>,
    /// The field's value.
    pub value: Span,
}

/// One step of a path.
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

/// Splits `spec.containers[0].name` and `metadata.annotations[example.com/a.b]` into steps, each with where it ends.
fn steps(path: &str) -> impl Iterator<Item = (Step<'_>, usize)> {
    let mut pos = 0;
    std::iter::from_fn(move || {
        let rest = path.get(pos..)?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        let start = path.len() - rest.len();
        if rest.is_empty() {
            return None;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let n = inner.find(']').unwrap_or(inner.len());
            pos = (start + n + 2).min(path.len());
            let name = inner.get(..n)?;
            let step = name.parse().map_or(Step::Key(name), Step::Index);
            return Some((step, pos));
        }
        let n = rest.find(['.', '[']).unwrap_or(rest.len());
        pos = start + n;
        Some((Step::Key(rest.get(..n)?), pos))
    })
}

impl<'d> Node<'d> {
    /// The node at a path below this one, such as `spec.containers[0].name`. Keys that hold dots stand in brackets.
    pub fn find(self, path: &str) -> Option<Node<'d>> {
        let mut node = self;
        for (step, _) in steps(path) {
            node = node.step(&step)?.1;
        }
        Some(node)
    }

    fn step(self, step: &Step<'_>) -> Option<(Option<Span>, Node<'d>)> {
        let by_key = |key: &str| self.entry(key).map(|e| (Some(e.key_span), self.with(e.value)));
        match *step {
            Step::Key(key) => by_key(key),
            // A label or an annotation may well be called `1`.
            Step::Index(i) => self.at(i).map(|n| (None, n)).or_else(|| by_key(&i.to_string())),
        }
    }

    /// Where a path below this node leads, or where its nearest existing ancestor is.
    pub fn locate(self, path: &str) -> Place {
        let mut place = Place { path: String::new(), exact: true, key: None, value: self.span() };
        let mut node = self;
        for (step, end) in steps(path) {
            let Some((key, next)) = node.step(&step) else {
                place.exact = false;
                return place;
            };
            node = next;
            place.key = key;
            place.value = node.span();
            place.path.clear();
            place.path.push_str(path.get(..end).unwrap_or_default());
        }
        place
    }
}

impl Document<'_> {
    /// Where a path leads, or where its nearest existing ancestor is. A document that is empty or in error has no
    /// places.
    ///
    /// ```
    /// let documents = ringfence_manifest::read(b"spec:\n  containers:\n  - name: app\n");
    /// let place = documents[0].locate("spec.containers[0].securityContext.privileged").unwrap();
    /// assert_eq!((place.path.as_str(), place.exact), ("spec.containers[0]", false));
    /// let at = documents[0].location(place.value.start);
    /// assert_eq!((at.line, at.column), (3, 5));
    /// ```
    pub fn locate(&self, path: &str) -> Option<Place> {
        self.root().map(|root| root.locate(path))
    }

    /// Where the reader should look for a path: its key if the field is there, else its nearest ancestor's.
    pub fn location_of(&self, path: &str) -> Option<Location> {
        let place = self.locate(path)?;
        Some(self.location(place.key.unwrap_or(place.value).start))
    }
}
