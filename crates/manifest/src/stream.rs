//! From bytes to documents.
//!
//! A stream is split where the API machinery's readers split it: at lines that begin with `---`, and, as long as there
//! is JSON, after each object. A document that cannot be read does not keep the others from being read.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::document::Document;
use crate::error::ReadError;
use crate::location::Location;
use crate::tree::Tree;
use crate::{json, yaml};

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How many bytes a stream may have; no more than 1 GiB minus one byte is ever read. 512 MiB unless set.
    pub max_bytes: usize,
}

/// Texts are addressed with 30 bits.
const MOST_BYTES: usize = (1 << 30) - 1;

impl Default for Options {
    fn default() -> Self {
        Options { max_bytes: 512 << 20 }
    }
}

/// Reads all documents of a stream.
///
/// YAML and JSON may be mixed as `kubectl` reads them. Byte order marks and UTF-16 with one are understood. This never
/// fails and never panics; a document that could not be read says so.
///
/// ```
/// let documents = ringfence_manifest::read(b"kind: Pod\nspec: {hostPID: yes}\n---\n{\"kind\":\"Service\"}");
/// let pod = documents[0].root().unwrap();
/// assert_eq!(pod.to_json(), r#"{"kind":"Pod","spec":{"hostPID":true}}"#);
/// assert_eq!(documents[1].root().unwrap().get("kind").unwrap().as_str(), Some("Service"));
/// ```
#[must_use]
pub fn read(bytes: &[u8]) -> Vec<Document<'_>> {
    read_with(bytes, &Options::default())
}

/// Reads all documents of a stream within the given bounds.
#[must_use]
pub fn read_with<'a>(bytes: &'a [u8], options: &Options) -> Vec<Document<'a>> {
    let limit = options.max_bytes.min(MOST_BYTES);
    let mut reader = Reader { documents: Vec::new(), base: Location::START };
    if bytes.len() > limit {
        let message = format!("the input has {} bytes, more than the {limit} that are read", bytes.len());
        reader.fail("", ReadError { message, location: Location::START });
        return reader.documents;
    }
    if let [0xFF, 0xFE, rest @ ..] | [0xFE, 0xFF, rest @ ..] = bytes {
        return read_utf16(rest, bytes.first() == Some(&0xFF));
    }
    let mut rest = bytes.strip_prefix(BOM).unwrap_or(bytes);
    reader.base.offset = bytes.len() - rest.len();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_len(rest));
        reader.chunk(chunk);
        rest = after;
    }
    reader.documents
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

fn read_utf16(bytes: &[u8], little: bool) -> Vec<Document<'static>> {
    let (units, odd) = bytes.as_chunks::<2>();
    let units = units.iter().map(|u| if little { u16::from_le_bytes(*u) } else { u16::from_be_bytes(*u) });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if odd.is_empty() => read(text.as_bytes()).into_iter().map(Document::into_owned).collect(),
        _ => {
            let mut reader = Reader { documents: Vec::new(), base: Location::START };
            let message = "the byte order mark announces UTF-16, but what follows is not UTF-16".to_owned();
            reader.fail("", ReadError { message, location: Location::START });
            reader.documents
        }
    }
}

impl Document<'_> {
    fn into_owned(self) -> Document<'static> {
        let Document { index, text, base, tree, root, error, waymarks } = self;
        Document { index, text: Cow::Owned(text.into_owned()), base, tree, root, error, waymarks }
    }
}

/// How far the document that begins here goes: up to the next line that begins with `---`. A first such line belongs
/// to the document, with comments and directives before it.
fn chunk_len(bytes: &[u8]) -> usize {
    let mut begun = false;
    let mut pos = 0;
    loop {
        let line = bytes.get(pos..).unwrap_or_default();
        if line.starts_with(b"---") && matches!(line.get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n')) {
            if begun {
                return pos;
            }
            begun = true;
        } else if !begun {
            let first = line.iter().find(|c| !matches!(c, b' ' | b'\t' | b'\r'));
            begun = !matches!(first, None | Some(b'\n' | b'#' | b'%'));
        }
        match memchr::memchr(b'\n', line) {
            Some(n) => pos += n + 1,
            None => return bytes.len(),
        }
    }
}

struct Reader<'a> {
    documents: Vec<Document<'a>>,
    /// Where what comes next begins.
    base: Location,
}

impl<'a> Reader<'a> {
    fn chunk(&mut self, chunk: &'a [u8]) {
        let next = |base: Location, text: &str| base.advanced(text, text.len());
        let text = match std::str::from_utf8(chunk) {
            Ok(text) => text,
            Err(error) => {
                let valid = chunk.get(..error.valid_up_to()).and_then(|v| std::str::from_utf8(v).ok());
                let valid = valid.unwrap_or_default();
                self.fail("", ReadError::at("invalid UTF-8", valid, valid.len()));
                // What follows may be read again; its lines are counted as well as they can be.
                let lossy = String::from_utf8_lossy(chunk);
                self.base = Location { offset: self.base.offset + chunk.len(), ..next(self.base, &lossy) };
                return;
            }
        };
        let after = next(self.base, text);
        if !self.json(text) {
            self.yaml(text);
        }
        self.base = after;
    }

    fn push(&mut self, text: &'a str, tree: Tree, root: Option<u32>) {
        let (index, base) = (self.documents.len(), self.base);
        let (text, waymarks) = (Cow::Borrowed(text), OnceLock::new());
        self.documents.push(Document { index, text, base, tree, root, error: None, waymarks });
    }

    fn fail(&mut self, text: &'a str, error: ReadError) {
        let (index, base) = (self.documents.len(), self.base);
        let error = Some(ReadError { location: error.location.rebased(base), ..error });
        let (text, tree, waymarks) = (Cow::Borrowed(text), Tree::default(), OnceLock::new());
        self.documents.push(Document { index, text, base, tree, root: None, error, waymarks });
    }

    fn yaml(&mut self, text: &'a str) {
        // Where files were joined, a byte order mark may follow the separator.
        let inner = text.split_once('\n').and_then(|(first, rest)| {
            let separator = first.strip_prefix("---").is_some_and(|f| f.trim().is_empty());
            rest.strip_prefix('\u{FEFF}').filter(|_| separator)
        });
        let text = inner.map_or(text, |inner| {
            self.base = self.base.advanced(text, text.len() - inner.len());
            self.base.column = 1;
            inner
        });
        match yaml::compose(text) {
            Ok((tree, root)) => self.push(text, tree, root),
            Err(error) => self.fail(text, error),
        }
    }

    /// Reads a chunk that begins with `{` as JSON objects, one after the other. While there have been none or one, what
    /// is not JSON may be YAML, as it is to `kubectl`; whatever follows the root of such a document is read as well if
    /// it begins like an object at the start of a line.
    fn json(&mut self, text: &'a str) -> bool {
        if !text.trim_start_matches(SPACE).starts_with('{') {
            return false;
        }
        let mut pos = 0;
        let (before, mut objects) = (self.documents.len(), 0);
        loop {
            let rest = text.get(pos..).unwrap_or_default();
            let object = skip_comments(rest);
            let begin = text.len() - object.len();
            let start = self.base;
            self.base = start.advanced(rest, begin - pos);
            if object.is_empty() {
                return true;
            }
            let error = match json::read(object) {
                Ok((tree, root, len)) if object.starts_with('{') => {
                    let (own, _) = object.split_at(len);
                    self.push(own, tree, Some(root));
                    self.base = self.base.advanced(own, len);
                    pos = begin + len;
                    objects += 1;
                    continue;
                }
                Ok(_) => json::JsonError { message: "expected an object", pos: 0 },
                Err(error) => error,
            };
            // Where the next line begins an object, if lines are what this is made of.
            let next = object.get(error.pos..).and_then(|o| o.find("\n{")).map(|n| begin + error.pos + n + 1);
            let end = next.unwrap_or(text.len());
            // An object with a quoted key, or none, was meant as JSON.
            let quoted = object.get(1..).is_some_and(|o| o.trim_start().starts_with(['"', '}']));
            // To YAML, the blanks before its first document matter.
            let first = self.documents.len() == before;
            let from = if first { pos } else { begin };
            let until = [Some(end), next.filter(|_| first).map(|_| text.len())];
            let mut outcomes =
                until.into_iter().flatten().filter(|_| objects == 0 || (objects == 1 && !quoted)).map(|to| {
                    let own = text.get(from..to).unwrap_or_default();
                    (own, to, yaml::compose(own))
                });
            let (own, to, outcome) = match outcomes.next() {
                None => (object, end, None),
                Some((own, to, Ok(read))) => (own, to, Some(Ok(read))),
                Some((own, to, Err(error))) => match outcomes.next() {
                    Some((own, to, Ok(read))) => (own, to, Some(Ok(read))),
                    _ => (own, to, Some(Err(error))),
                },
            };
            drop(outcomes);
            let after = self.base.advanced(object, to - begin);
            match outcome {
                Some(Ok((tree, root))) => {
                    self.base = if first { start } else { self.base };
                    self.push(own, tree, root);
                }
                Some(Err(error)) if !quoted => {
                    self.base = if first { start } else { self.base };
                    self.fail(own, error);
                }
                _ => {
                    let own = text.get(begin..to).unwrap_or_default();
                    self.fail(own, ReadError::at(error.message, own, error.pos));
                }
            }
            self.base = after;
            pos = to;
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Passes over white space, and over comments, which JSON has not but files of objects do.
fn skip_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches(SPACE);
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start_matches(SPACE);
    }
    rest
}
