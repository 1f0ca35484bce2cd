//! How a stream falls into documents, and what one bad document does to the others.

use ringfence_manifest::{Document, Node, Options, read, read_with};

/// Each document's JSON, or where its error is.
fn all(bytes: &[u8]) -> Vec<String> {
    let one = |d: &Document<'_>| match d.error() {
        Some(e) => format!("error at {}:{}", e.location.line, e.location.column),
        None => d.root().map_or_else(|| "null".to_owned(), Node::to_json),
    };
    read(bytes).iter().map(one).collect()
}

#[test]
fn documents_are_separated_by_lines_of_dashes() {
    assert_eq!(all(b"a: 1\n---\nb: 2\n--- # c\nc: 3\n"), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    assert_eq!(
        all(b"# head\n---\na: 1\n---\n---\nb: 2\r\n---\r\nc: 3"),
        [r#"{"a":1}"#, "null", r#"{"b":2}"#, r#"{"c":3}"#]
    );
    assert_eq!(all(b"--- {a: 1}\n--- b\n"), [r#"{"a":1}"#, r#""b""#]);
    assert_eq!(all(b"a: |\n  ---\n  x\n---a\n").len(), 1);
    assert_eq!(all(b""), [""; 0]);
    assert_eq!(all(b"  \n# nothing\n"), ["null"]);
}

#[test]
fn a_bad_document_leaves_the_others_be() {
    assert_eq!(
        all(b"a: 1\n---\nb: [\n---\nc: \xff\n---\nd: 4\n"),
        [r#"{"a":1}"#, "error at 4:1", "error at 5:4", r#"{"d":4}"#]
    );
}

#[test]
fn json_objects_follow_each_other() {
    assert_eq!(all(b"{\"a\":1}\n{\"b\":2}{\"c\":3}\n\n"), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    assert_eq!(all(b"{\n\t\"a\": \"\\/\\ud83d\\ude00\"\n}\n---\nb: 1"), ["{\"a\":\"/😀\"}", r#"{"b":1}"#]);
    assert_eq!(all(b"{\"a\":1}\n{\"b\":}\n{\"c\":3}\n"), [r#"{"a":1}"#, "error at 2:6", r#"{"c":3}"#]);
    assert_eq!(all(b"{\"a\" 1}\n{\"b\":2}\n"), ["error at 1:6", r#"{"b":2}"#]);
}

#[test]
fn what_begins_like_json_may_be_yaml() {
    assert_eq!(all(b"{a: 1} # flow\n"), [r#"{"a":1}"#]);
    assert_eq!(all(b"{\"a\": 1} # comment\n"), [r#"{"a":1}"#]);
    assert_eq!(all(b"{a: 1}\n{\"b\":2} # b\n{c: 3}\n"), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    assert_eq!(all(b"{\"a\": 1,\n # comment\n \"b\": yes}\n"), [r#"{"a":1,"b":true}"#]);
}

#[test]
fn byte_order_marks_and_utf_16_are_understood() {
    assert_eq!(all("\u{FEFF}a: 1\n---\n\u{FEFF}b: 2".as_bytes()), [r#"{"a":1}"#, r#"{"b":2}"#]);
    let units = |f: fn(u16) -> [u8; 2]| "\u{FEFF}a: 😀\n---\nb: 2".encode_utf16().flat_map(f).collect::<Vec<u8>>();
    assert_eq!(all(&units(u16::to_le_bytes)), [r#"{"a":"😀"}"#, r#"{"b":2}"#]);
    assert_eq!(all(&units(u16::to_be_bytes)), [r#"{"a":"😀"}"#, r#"{"b":2}"#]);
    assert_eq!(all(b"\xff\xfea"), ["error at 1:1"]);
}

#[test]
fn places_are_those_of_the_whole_stream() {
    let text = "a: 1\n---\nb:\n  é: {c: 3}\n---\n{\"d\":1}\n  {\"e\":2}\n";
    let documents = read(text.as_bytes());
    let at = |i: usize, path: &str| {
        let l = documents[i].location_of(path).unwrap();
        (l.line, l.column, &text[l.offset..=l.offset])
    };
    assert_eq!(at(0, "a"), (1, 1, "a"));
    assert_eq!(at(1, "b.é.c"), (4, 7, "c"));
}

#[test]
fn objects_of_a_json_stream_know_their_lines() {
    let documents = read(b"{\"d\":1}\n  {\"e\":\n2} {\"f\":3}\n");
    let at = |i: usize, path: &str| documents[i].location_of(path).map(|l| (l.line, l.column));
    assert_eq!([at(0, "d"), at(1, "e"), at(2, "f")], [Some((1, 2)), Some((2, 4)), Some((3, 5))]);
}

#[test]
fn an_input_beyond_the_limit_is_not_read() {
    let mut options = Options::default();
    options.max_bytes = 3;
    let documents = read_with(b"a: 1", &options);
    assert_eq!(documents[0].error().unwrap().message, "the input has 4 bytes, more than the 3 that are read");
}
