//! A node as the JSON that the API machinery makes of it.

use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::document::{Kind, Node};
use crate::json;

/// Serializing recurses; beyond this depth it fails. [`Node::to_json`] does not, and has no limit.
const MAX_SERIALIZE_DEPTH: usize = 500;

enum Step<'d> {
    Node(Node<'d>),
    Key(&'d str),
    Raw(&'static str),
}

impl<'d> Node<'d> {
    /// The node as compact JSON, keys sorted and numbers written as Go does both. It takes no stack, however deep.
    pub fn to_json(self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the node as compact JSON.
    pub fn write_json(self, out: &mut String) {
        let mut steps = vec![Step::Node(self)];
        while let Some(step) = steps.pop() {
            let node = match step {
                Step::Raw(text) => {
                    out.push_str(text);
                    continue;
                }
                Step::Key(key) => {
                    json::write_string(out, key);
                    out.push(':');
                    continue;
                }
                Step::Node(node) => node,
            };
            match node.kind() {
                Kind::Null => out.push_str("null"),
                Kind::Bool(b) => out.push_str(if b { "true" } else { "false" }),
                Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => json::write_number(out, node.data().value),
                Kind::Str(text) => json::write_string(out, text),
                Kind::Seq => {
                    out.push('[');
                    steps.push(Step::Raw("]"));
                    for (i, item) in node.items().enumerate().collect::<Vec<_>>().into_iter().rev() {
                        steps.push(Step::Node(item));
                        if i > 0 {
                            steps.push(Step::Raw(","));
                        }
                    }
                }
                Kind::Map => {
                    out.push('{');
                    steps.push(Step::Raw("}"));
                    for (i, (key, value)) in node.sorted().into_iter().enumerate().rev() {
                        steps.push(Step::Node(value));
                        steps.push(Step::Key(key));
                        if i > 0 {
                            steps.push(Step::Raw(","));
                        }
                    }
                }
            }
        }
    }

    fn sorted(self) -> Vec<(&'d str, Node<'d>)> {
        let mut entries: Vec<_> = self.entries().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

/// Serializes as [`Node::to_json`] writes, keys sorted. Fails on nodes more than 500 levels deep.
impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Limited { node: *self, depth: 0 }.serialize(serializer)
    }
}

struct Limited<'d> {
    node: Node<'d>,
    depth: usize,
}

impl Serialize for Limited<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > MAX_SERIALIZE_DEPTH {
            return Err(S::Error::custom("nested too deeply to serialize"));
        }
        let below = |node| Limited { node, depth: self.depth + 1 };
        match self.node.kind() {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool(b) => serializer.serialize_bool(b),
            Kind::Int(i) => serializer.serialize_i64(i),
            Kind::Uint(u) => serializer.serialize_u64(u),
            Kind::Float(f) => match crate::number::float_as_integer(f) {
                Some(i) => serializer.serialize_i64(i),
                None => serializer.serialize_f64(f),
            },
            Kind::Str(text) => serializer.serialize_str(text),
            Kind::Seq => {
                let mut seq = serializer.serialize_seq(Some(self.node.items().len()))?;
                for item in self.node.items() {
                    seq.serialize_element(&below(item))?;
                }
                seq.end()
            }
            Kind::Map => {
                let sorted = self.node.sorted();
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(key, &below(value))?;
                }
                map.end()
            }
        }
    }
}
