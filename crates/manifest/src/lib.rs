//! What a Kubernetes manifest says.

pub mod document;
mod error;
mod json;
mod location;
mod number;
mod print;
mod stream;
mod tree;
mod yaml;

pub use document::{Document, Kind, Node};
pub use error::ReadError;
pub use location::Location;
pub use stream::{Options, read, read_with};
pub use tree::Span;
