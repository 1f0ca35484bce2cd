//! Prints what standard input says, a line of JSON per document.

use std::io::{Read, Write};

use ringfence_manifest::Node;
use serde_json::json;

fn main() -> std::io::Result<()> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut out = std::io::stdout().lock();
    for document in ringfence_manifest::read(&input) {
        let json = document.root().map_or_else(|| "null".to_owned(), Node::to_json);
        let error = json!(document.error().map(ToString::to_string));
        let problems: Vec<_> = document
            .problems()
            .into_iter()
            .map(|p| {
                json!({"kind": p.kind.as_str(), "field": p.field, "message": p.message, "hint": p.hint,
                       "line": p.location.line, "column": p.location.column})
            })
            .collect();
        writeln!(out, "{{\"json\":{json},\"error\":{error},\"problems\":{}}}", json!(problems))?;
    }
    Ok(())
}
