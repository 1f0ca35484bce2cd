//! The pod that is a command line's equal, and the command line that is a container's. What the other side cannot say is
//! a note, never left out without a word.

mod capabilities;
mod from_container;
mod quote;
mod to_pod;
mod volumes;

#[cfg(test)]
mod tests;

pub use from_container::from_container;
pub use quote::command_line;
pub use to_pod::to_pod;

/// Something that the other side says otherwise or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is meant: a flag with its value, or a field of the pod.
    pub what: String,
    /// Why, and what to do instead.
    pub why: String,
}

/// One side in the words of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Expressed<T> {
    /// It.
    pub value: T,
    /// What it does not say.
    pub notes: Vec<Note>,
}

/// The notes, while they are made.
type Notes = Vec<Note>;

fn note(notes: &mut Notes, what: impl Into<String>, why: impl Into<String>) {
    let note = Note { what: what.into(), why: why.into() };
    if !notes.contains(&note) {
        notes.push(note);
    }
}
