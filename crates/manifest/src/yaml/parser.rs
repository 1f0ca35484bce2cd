//! From tokens to events: YAML's grammar, as a state machine, so that depth costs heap and not stack.

use std::collections::HashMap;

use super::resolve::Tag;
use super::scanner::Scanner;
use super::token::{Result, SyntaxError, Token, TokenKind as T};
use crate::tree::Text;

#[derive(Clone, Copy, Debug)]
enum State {
    DocumentEnd,
    DocumentContent,
    BlockNode,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

/// What a node may carry in front of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Properties {
    pub(super) anchor: Option<Text>,
    pub(super) tag: Option<Tag>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// `plain` says that nothing but the text tells the type.
    Scalar {
        text: Text,
        plain: bool,
        properties: Properties,
        start: usize,
        end: usize,
    },
    Alias {
        name: Text,
        start: usize,
        end: usize,
    },
    SequenceStart {
        properties: Properties,
        start: usize,
    },
    MappingStart {
        properties: Properties,
        start: usize,
    },
    /// The end of the innermost collection. `end` is where its closing bracket ends, if it has one.
    CollectionEnd {
        end: Option<usize>,
    },
    DocumentEnd,
}

pub(super) struct Parser<'t> {
    pub(super) scanner: Scanner<'t>,
    state: State,
    states: Vec<State>,
    /// Prefixes by handle.
    tag_directives: HashMap<&'t str, Text>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Parser {
            scanner: Scanner::new(text),
            state: State::End,
            states: Vec::with_capacity(16),
            tag_directives: HashMap::new(),
        }
    }

    pub(super) fn text(&self, text: Text) -> &str {
        text.get(self.scanner.text, &self.scanner.side)
    }

    /// Begins the first document. Nothing is there: no document.
    pub(super) fn start_document(&mut self) -> Result<bool> {
        let first = self.scanner.peek()?;
        let directive = matches!(first.kind, T::VersionDirective { .. } | T::TagDirective { .. });
        if first.kind == T::StreamEnd {
            return Ok(false);
        }
        if !directive && first.kind != T::DocumentStart {
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            return Ok(true);
        }
        self.directives()?;
        let token = self.scanner.peek()?;
        if token.kind != T::DocumentStart {
            return fail("did not find expected <document start>", token);
        }
        self.scanner.skip_token();
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok(true)
    }

    fn directives(&mut self) -> Result<()> {
        let mut version = false;
        loop {
            let token = self.scanner.peek()?;
            match token.kind {
                T::VersionDirective { .. } if version => return fail("found duplicate %YAML directive", token),
                T::VersionDirective { major: 1, minor: 1 } => version = true,
                T::VersionDirective { .. } => return fail("found incompatible YAML document", token),
                T::TagDirective { handle, prefix } => {
                    // A handle is never unescaped, so it lies in the text itself.
                    if self.tag_directives.insert(handle.get(self.scanner.text, ""), prefix).is_some() {
                        return fail("found duplicate %TAG directive", token);
                    }
                }
                _ => return Ok(()),
            }
            self.scanner.skip_token();
        }
    }

    pub(super) fn next(&mut self) -> Result<Event> {
        match self.state {
            State::BlockNode => self.node(true, false),
            State::DocumentContent => {
                // An explicit document may hold nothing at all.
                let token = self.scanner.peek()?;
                if matches!(token.kind, T::DocumentStart | T::DocumentEnd | T::StreamEnd)
                    || matches!(token.kind, T::VersionDirective { .. } | T::TagDirective { .. })
                {
                    self.pop();
                    return Ok(empty(token.start));
                }
                self.node(true, false)
            }
            State::BlockSequenceEntry => self.block_sequence_entry(),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirstEntry => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowSequenceEntryMappingKey => self.flow_pair_key(),
            State::FlowSequenceEntryMappingValue => self.flow_pair_value(),
            State::FlowSequenceEntryMappingEnd => {
                self.scanner.peek()?;
                self.state = State::FlowSequenceEntry;
                Ok(Event::CollectionEnd { end: None })
            }
            State::FlowMappingFirstKey => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
            State::DocumentEnd => {
                // What follows is not looked at, but it must be a token.
                self.scanner.peek()?;
                self.state = State::End;
                Ok(Event::DocumentEnd)
            }
            State::End => Ok(Event::DocumentEnd),
        }
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn take(&mut self) -> Result<Token> {
        self.scanner.skip_token();
        self.scanner.peek()
    }

    /// A node, after which the given state goes on.
    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> Result<Event> {
        self.states.push(then);
        self.node(block, indentless)
    }

    fn empty_then(&mut self, then: State, pos: usize) -> Event {
        self.state = then;
        empty(pos)
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<Event> {
        let mut token = self.scanner.peek()?;
        if let T::Alias(name) = token.kind {
            self.scanner.skip_token();
            self.pop();
            return Ok(Event::Alias { name, start: token.start, end: token.end });
        }
        let mut properties = Properties::default();
        let (first, mut last) = (token, token.start);
        let mut tag = None;
        for _ in 0..2 {
            match token.kind {
                T::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                T::Tag { handle, suffix } if tag.is_none() => tag = Some((handle, suffix)),
                _ => break,
            }
            last = token.end;
            token = self.take()?;
        }
        if let Some((handle, suffix)) = tag {
            properties.tag = Some(self.resolve_tag(handle, suffix, first)?);
        }
        let start = token.start;
        match token.kind {
            T::BlockEntry if indentless => {
                self.state = State::IndentlessSequenceEntry;
                Ok(Event::SequenceStart { properties, start })
            }
            T::Scalar { text, plain } => {
                self.scanner.skip_token();
                self.pop();
                let plain = match properties.tag {
                    None => plain,
                    Some(tag) => tag == Tag::Bang,
                };
                Ok(Event::Scalar { text, plain, properties, start, end: token.end })
            }
            T::FlowSequenceStart => {
                self.state = State::FlowSequenceFirstEntry;
                Ok(Event::SequenceStart { properties, start })
            }
            T::FlowMappingStart => {
                self.state = State::FlowMappingFirstKey;
                Ok(Event::MappingStart { properties, start })
            }
            T::BlockSequenceStart if block => {
                self.scanner.skip_token();
                self.state = State::BlockSequenceEntry;
                Ok(Event::SequenceStart { properties, start })
            }
            T::BlockMappingStart if block => {
                self.scanner.skip_token();
                self.state = State::BlockMappingKey;
                Ok(Event::MappingStart { properties, start })
            }
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                self.pop();
                let plain = properties.tag.is_none();
                Ok(Event::Scalar { text: Text::EMPTY, plain, properties, start: last, end: last })
            }
            _ => fail("did not find expected node content", token),
        }
    }

    /// Puts a tag together from its handle's prefix and its suffix. Only the few that mean something are told apart,
    /// so that nothing need be copied.
    fn resolve_tag(&self, handle: Text, suffix: Text, first: Token) -> Result<Tag> {
        let (handle, suffix) = (self.text(handle), self.text(suffix));
        if handle.is_empty() {
            return Ok(Tag::new("", suffix));
        }
        if let Some(prefix) = self.tag_directives.get(handle) {
            return Ok(Tag::new(self.text(*prefix), suffix));
        }
        match handle {
            "!" => Ok(Tag::new("!", suffix)),
            "!!" => Ok(Tag::new(Tag::PREFIX, suffix)),
            _ => fail("found undefined tag handle", first),
        }
    }

    fn block_sequence_entry(&mut self) -> Result<Event> {
        let token = self.scanner.peek()?;
        match token.kind {
            T::BlockEntry => {
                let next = self.take()?;
                if matches!(next.kind, T::BlockEntry | T::BlockEnd) {
                    return Ok(self.empty_then(State::BlockSequenceEntry, token.end));
                }
                self.node_then(State::BlockSequenceEntry, true, false)
            }
            T::BlockEnd => {
                self.scanner.skip_token();
                self.pop();
                Ok(Event::CollectionEnd { end: None })
            }
            _ => fail("did not find expected '-' indicator", token),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Result<Event> {
        let token = self.scanner.peek()?;
        if token.kind != T::BlockEntry {
            self.pop();
            return Ok(Event::CollectionEnd { end: None });
        }
        let next = self.take()?;
        if matches!(next.kind, T::BlockEntry | T::Key | T::Value | T::BlockEnd) {
            return Ok(self.empty_then(State::IndentlessSequenceEntry, token.end));
        }
        self.node_then(State::IndentlessSequenceEntry, true, false)
    }

    fn block_mapping_key(&mut self) -> Result<Event> {
        let token = self.scanner.peek()?;
        match token.kind {
            T::Key => {
                let next = self.take()?;
                if matches!(next.kind, T::Key | T::Value | T::BlockEnd) {
                    return Ok(self.empty_then(State::BlockMappingValue, token.end));
                }
                self.node_then(State::BlockMappingValue, true, true)
            }
            T::BlockEnd => {
                self.scanner.skip_token();
                self.pop();
                Ok(Event::CollectionEnd { end: None })
            }
            _ => fail("did not find expected key", token),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event> {
        let token = self.scanner.peek()?;
        if token.kind != T::Value {
            return Ok(self.empty_then(State::BlockMappingKey, token.start));
        }
        let next = self.take()?;
        if matches!(next.kind, T::Key | T::Value | T::BlockEnd) {
            return Ok(self.empty_then(State::BlockMappingKey, token.end));
        }
        self.node_then(State::BlockMappingKey, true, true)
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Result<Event> {
        let mut token = if first { self.take()? } else { self.scanner.peek()? };
        if token.kind != T::FlowSequenceEnd {
            if !first {
                if token.kind != T::FlowEntry {
                    return fail("did not find expected ',' or ']'", token);
                }
                token = self.take()?;
            }
            if token.kind == T::Key {
                self.scanner.skip_token();
                self.state = State::FlowSequenceEntryMappingKey;
                return Ok(Event::MappingStart { properties: Properties::default(), start: token.start });
            }
            if token.kind != T::FlowSequenceEnd {
                return self.node_then(State::FlowSequenceEntry, false, false);
            }
        }
        self.scanner.skip_token();
        self.pop();
        Ok(Event::CollectionEnd { end: Some(token.end) })
    }

    fn flow_pair_key(&mut self) -> Result<Event> {
        let token = self.scanner.peek()?;
        if !matches!(token.kind, T::Value | T::FlowEntry | T::FlowSequenceEnd) {
            return self.node_then(State::FlowSequenceEntryMappingValue, false, false);
        }
        // libyaml and go-yaml take this token as well, and so miss the `]` of `[?]`.
        self.scanner.skip_token();
        Ok(self.empty_then(State::FlowSequenceEntryMappingValue, token.end))
    }

    fn flow_pair_value(&mut self) -> Result<Event> {
        let mut token = self.scanner.peek()?;
        if token.kind == T::Value {
            token = self.take()?;
            if !matches!(token.kind, T::FlowEntry | T::FlowSequenceEnd) {
                return self.node_then(State::FlowSequenceEntryMappingEnd, false, false);
            }
        }
        Ok(self.empty_then(State::FlowSequenceEntryMappingEnd, token.start))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Event> {
        let mut token = if first { self.take()? } else { self.scanner.peek()? };
        if token.kind != T::FlowMappingEnd {
            if !first {
                if token.kind != T::FlowEntry {
                    return fail("did not find expected ',' or '}'", token);
                }
                token = self.take()?;
            }
            if token.kind == T::Key {
                token = self.take()?;
                if matches!(token.kind, T::Value | T::FlowEntry | T::FlowMappingEnd) {
                    return Ok(self.empty_then(State::FlowMappingValue, token.start));
                }
                return self.node_then(State::FlowMappingValue, false, false);
            }
            if token.kind != T::FlowMappingEnd {
                return self.node_then(State::FlowMappingEmptyValue, false, false);
            }
        }
        self.scanner.skip_token();
        self.pop();
        Ok(Event::CollectionEnd { end: Some(token.end) })
    }

    fn flow_mapping_value(&mut self, nothing: bool) -> Result<Event> {
        let mut token = self.scanner.peek()?;
        if !nothing && token.kind == T::Value {
            token = self.take()?;
            if !matches!(token.kind, T::FlowEntry | T::FlowMappingEnd) {
                return self.node_then(State::FlowMappingKey, false, false);
            }
        }
        Ok(self.empty_then(State::FlowMappingKey, token.start))
    }
}

/// What stands for a node that is not there: null.
fn empty(pos: usize) -> Event {
    Event::Scalar { text: Text::EMPTY, plain: true, properties: Properties::default(), start: pos, end: pos }
}

fn fail<T>(message: &str, token: Token) -> Result<T> {
    Err(SyntaxError { message: message.into(), pos: token.start })
}
