//! YAML as Kubernetes' API machinery reads it.
//!
//! Kubernetes reads YAML with go-yaml v2, a translation of libyaml with rules of its own, which YAML 1.2 parsers do
//! not share: what is accepted, where a document ends, which words are booleans, what `<<` overrides. No Rust library
//! follows it (the ports of libyaml allocate for every token and differ where go-yaml does; the others read YAML 1.2),
//! and reading a manifest as the API server would is what everything else here rests on. So this is a scanner and
//! parser of its own. It reads the first document of its text and, as go-yaml does, ignores what follows its root.

mod base64;
mod chars;
mod compose;
mod parser;
mod property;
mod resolve;
mod scalar;
mod scanner;
mod timestamp;
mod token;

pub(crate) use compose::compose;
