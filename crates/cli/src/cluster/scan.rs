//! Cuts a stream of JSON into objects, and lists into their items, without reading what is in them.

use std::sync::Arc;

use super::stream::Raw;

/// Where in the text the scanner is. It holds the object that it is in, and no more.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    held: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Where in `held` the last string of the outermost object began and ended.
    last_string: (usize, usize),
    /// What the items of the list that it is in are.
    list: Option<Arc<(String, String)>>,
    /// Whether the items are still to come, rather than what stands after them.
    in_items: bool,
}

/// What no dump has.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error("not JSON: {0:?} where an object should begin")]
    Stray(char),
    #[error("not UTF-8")]
    NotUtf8,
    #[error("a bracket too many")]
    Bracket,
}

#[derive(serde::Deserialize)]
struct Head {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
}

impl Scanner {
    /// Whether nothing has been begun that is not finished.
    pub(super) fn is_between(&self) -> bool {
        self.depth == 0
    }

    /// Takes the next piece of text.
    pub(super) fn feed(&mut self, mut text: &[u8], visit: &mut dyn FnMut(Raw)) -> Result<(), ScanError> {
        while let Some(&byte) = text.first() {
            if self.in_string {
                text = self.string(text);
                continue;
            }
            text = text.get(1..).unwrap_or_default();
            self.structure(byte, visit)?;
        }
        Ok(())
    }

    /// Takes the text up to the end of the string, or all of it.
    fn string<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let mut at = 0;
        if self.escaped {
            self.escaped = false;
            at = 1;
        }
        let end = loop {
            let rest = text.get(at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                None => break text.len(),
                Some(found) if rest.get(found) == Some(&b'"') => {
                    self.in_string = false;
                    break at + found + 1;
                }
                Some(found) if at + found + 1 == text.len() => {
                    self.escaped = true;
                    break text.len();
                }
                Some(found) => at += found + 2,
            }
        };
        let (own, rest) = text.split_at(end.min(text.len()));
        self.held.extend_from_slice(own);
        if !self.in_string && self.depth == 1 {
            self.last_string.1 = self.held.len();
        }
        rest
    }

    fn structure(&mut self, byte: u8, visit: &mut dyn FnMut(Raw)) -> Result<(), ScanError> {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(()),
            b'"' if self.depth > 0 => {
                if self.depth == 1 {
                    self.last_string.0 = self.held.len();
                }
                self.in_string = true;
            }
            b'{' | b'[' if byte == b'{' || self.depth > 0 => {
                if self.depth == 2 && self.list.is_some() {
                    self.held.clear();
                }
                self.depth += 1;
                self.held.push(byte);
                if byte == b'[' && self.depth == 2 && self.list.is_none() && self.follows_items() {
                    self.begin_list();
                }
                return Ok(());
            }
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1).ok_or(ScanError::Bracket)?;
                self.held.push(byte);
                if self.list.is_some() {
                    match (self.depth, byte) {
                        (2, b'}') if self.in_items => {
                            let list_type = self.list.clone().unwrap_or_default();
                            self.give(list_type, visit)?;
                        }
                        (1, b']') => self.in_items = false,
                        (0, _) => self.list = None,
                        _ => {}
                    }
                    if self.depth < 2 || !self.in_items {
                        self.held.clear();
                    }
                } else if self.depth == 0 {
                    self.give(Arc::default(), visit)?;
                }
                return Ok(());
            }
            other if self.depth == 0 => return Err(ScanError::Stray(char::from(other))),
            _ => {}
        }
        self.held.push(byte);
        // After the items of a list nothing is worth holding.
        if self.list.is_some() && (self.depth <= 2 || !self.in_items) && !self.in_string {
            self.held.clear();
        }
        Ok(())
    }

    /// Whether the bracket just taken is the value of the key `items`.
    fn follows_items(&self) -> bool {
        let (start, end) = self.last_string;
        self.held.get(start..end) == Some(b"\"items\"") && self.held.get(end..) == Some(b":[")
    }

    fn begin_list(&mut self) {
        self.held.extend_from_slice(b"]}");
        let head =
            serde_json::from_slice(&self.held).unwrap_or(Head { api_version: String::new(), kind: String::new() });
        let item = head.kind.strip_suffix("List").unwrap_or_default().to_owned();
        let api_version = if item.is_empty() { String::new() } else { head.api_version };
        self.list = Some(Arc::new((api_version, item)));
        self.in_items = true;
        self.held.clear();
    }

    fn give(&mut self, list_type: Arc<(String, String)>, visit: &mut dyn FnMut(Raw)) -> Result<(), ScanError> {
        let json = String::from_utf8(std::mem::take(&mut self.held)).map_err(|_| ScanError::NotUtf8)?;
        visit(Raw { json, list_type });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut scanner = Scanner::default();
        for piece in text.as_bytes().chunks(piece) {
            scanner.feed(piece, &mut |raw: Raw| found.push((raw.list_type.1.clone(), raw.json))).unwrap();
        }
        assert!(scanner.is_between());
        found
    }

    #[test]
    fn finds_the_items_of_lists_and_single_objects_however_the_text_is_cut() {
        let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"items":[{"no":1}]},"items":[
            {"a":"\"}{\\","b":[{"items":[{"c":1}]}]}, {"d": {}}],"after":{"x":[{"y":{}}],"z":{}},"s":"items"}
            {"kind":"Pod","spec":{"items":[]}} {"kind":"List","items":[]} {"items":[{"e":"é"}]}"#;
        let pair = |kind: &str, json: &str| (kind.to_owned(), json.to_owned());
        let expected = [
            pair("Pod", r#"{"a":"\"}{\\","b":[{"items":[{"c":1}]}]}"#),
            pair("Pod", r#"{"d":{}}"#),
            pair("", r#"{"kind":"Pod","spec":{"items":[]}}"#),
            pair("", r#"{"e":"é"}"#),
        ];
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(scan(text, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(Scanner::default().feed(b"{} kind: Pod", &mut |_| {}).is_err());
        assert!(Scanner::default().feed(b"{}}", &mut |_| {}).is_err());
        assert!(Scanner::default().feed(b"{\"a\":\"\xff\"}", &mut |_| {}).is_err());
    }
}
