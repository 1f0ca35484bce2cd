//! The objects of a dump, one at a time.
//!
//! What is small is read as every manifest is. What is large and JSON, as `kubectl get -o json` prints it, is cut into
//! its objects as it comes, so that a dump larger than memory can be gone through.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ringfence_manifest::Node;

use super::scan::Scanner;
use crate::commands::complain;
use crate::input::{Entry, InputError};
use crate::view::clean;

/// An object, as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) json: String,
    /// The type that its list gives it, in case it has none of its own.
    pub(crate) list_type: Arc<(String, String)>,
}

impl Raw {
    /// The type that the list gives, for whom it is optional.
    pub(crate) fn list_type(&self) -> Option<(&str, &str)> {
        let (api_version, kind) = &*self.list_type;
        (!kind.is_empty()).then_some((api_version, kind))
    }
}

/// Up to here the whole is read at once.
const SMALL: usize = 64 << 20;

/// Hands over every object, lists opened up, and how far it has come: bytes since the last time. False if some could
/// not be read, which has then been said.
pub(crate) fn each(
    entry: &Entry,
    visit: &mut dyn FnMut(Raw),
    advance: &mut dyn FnMut(usize),
) -> Result<bool, InputError> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| InputError::Unreadable { path, source }
    };
    match entry {
        Entry::Stdin => {
            let path = Path::new("standard input");
            from(&entry.name(), io::stdin().lock(), visit, advance).map_err(unreadable(path))
        }
        Entry::File(path) => {
            if !std::fs::metadata(path).map_err(unreadable(path))?.is_file() {
                return Err(InputError::Special { path: path.clone() });
            }
            let file = File::open(path).map_err(unreadable(path))?;
            from(&entry.name(), file, visit, advance).map_err(unreadable(path))
        }
    }
}

fn from(
    name: &str,
    mut reader: impl Read,
    visit: &mut dyn FnMut(Raw),
    advance: &mut dyn FnMut(usize),
) -> io::Result<bool> {
    let mut head = Vec::new();
    reader.by_ref().take(SMALL as u64).read_to_end(&mut head)?;
    let json = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if head.len() < SMALL || !json {
        reader.read_to_end(&mut head)?;
        advance(head.len());
        return Ok(whole(name, &head, visit));
    }
    let mut scanner = Scanner::default();
    let mut chunk = head;
    loop {
        let fed = scanner.feed(&chunk, visit);
        advance(chunk.len());
        if let Err(error) = fed {
            complain(&format!("{}: {error}; what came before is used", clean(name)));
            return Ok(false);
        }
        chunk.resize(1 << 20, 0);
        let read = reader.read(&mut chunk)?;
        chunk.truncate(read);
        if read == 0 {
            break;
        }
    }
    if scanner.is_between() {
        return Ok(true);
    }
    complain(&format!("{}: ends in the middle of a document; what came before is used", clean(name)));
    Ok(false)
}

fn whole(name: &str, bytes: &[u8], visit: &mut dyn FnMut(Raw)) -> bool {
    let mut good = true;
    for document in ringfence_manifest::read(bytes) {
        if let Some(error) = document.error() {
            let at = error.location;
            let message = format!("{name}:{}:{}: {}; the rest is used", at.line, at.column, error.message);
            complain(&clean(&message));
            good = false;
        } else if let Some(root) = document.root() {
            open(root, &Arc::default(), visit);
        }
    }
    good
}

/// Lists within lists, which nobody prints, are deeper than the stack only if a document nests them on purpose; reading
/// has a limit for that.
fn open(node: Node<'_>, list_type: &Arc<(String, String)>, visit: &mut dyn FnMut(Raw)) {
    let mut stack = vec![(node, Arc::clone(list_type))];
    while let Some((node, list_type)) = stack.pop() {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let kind = text("kind").unwrap_or_default();
        let items = node.get("items").filter(|items| items.kind() == ringfence_manifest::Kind::Seq);
        match (kind.strip_suffix("List"), items) {
            (Some(item_kind), Some(items)) => {
                let own = (text("apiVersion").unwrap_or_default().to_owned(), item_kind.to_owned());
                let own = if item_kind.is_empty() { Arc::default() } else { Arc::new(own) };
                let items: Vec<_> = items.items().collect();
                stack.extend(items.into_iter().rev().map(|item| (item, Arc::clone(&own))));
            }
            _ if node.kind() == ringfence_manifest::Kind::Map => visit(Raw { json: node.to_json(), list_type }),
            _ => {}
        }
    }
}
