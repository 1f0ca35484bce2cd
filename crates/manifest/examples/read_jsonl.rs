//! Prints what standard input says, a line of JSON per document.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut out = std::io::stdout().lock();
    for document in ringfence_manifest::read(&input) {
        let json = document.root().map_or_else(|| "null".to_owned(), |n| n.to_json());
        let error = serde_json::to_string(&document.error().map(ToString::to_string))?;
        writeln!(out, "{{\"json\":{json},\"error\":{error}}}")?;
    }
    Ok(())
}
