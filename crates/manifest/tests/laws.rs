//! What holds for every input.

use proptest::prelude::*;
use ringfence_manifest::{Document, Node, read};
use serde_json::Value;

/// Everything that can be asked of a document.
fn ask_everything(documents: &[Document<'_>]) {
    for document in documents {
        if let Some(root) = document.root() {
            let json = root.to_json();
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok() || deep(&json), "{json}");
            spans(document, root);
        }
        document.contents();
        for problem in document.problems() {
            assert!(document.text().get(problem.span.range()).is_some());
        }
    }
}

/// serde_json gives up at 128 levels.
fn deep(json: &str) -> bool {
    json.bytes().filter(|c| matches!(c, b'[' | b'{')).count() > 100
}

fn spans(document: &Document<'_>, root: Node<'_>) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        assert!(document.text().get(node.span().range()).is_some(), "{:?} of {:?}", node.span(), document.text());
        open.extend(node.items());
        open.extend(node.entries().map(|(_, value)| value));
    }
}

/// Fragments that YAML gives a meaning, put together at random.
fn yamlish() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&x ",
        "*x",
        "!!int ",
        "!!str ",
        "!t ",
        "<<: ",
        "'",
        "\"",
        "\\",
        "\\u0041",
        "|",
        ">",
        "|2-",
        "# c",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "1e3",
        "0x1F",
        "~",
        "yes",
        "é",
        "\u{2028}",
        "\u{85}",
        "\u{FEFF}",
        "\r\n",
        "kind: Pod",
        "apiVersion: v1",
        "spec: ",
        "containers:",
        "\"kind\": \"Pod\"",
        "securityContext: ",
        "runAsUser: ",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|f| f.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ask_everything(&read(&bytes));
    }

    #[test]
    fn no_yaml_makes_it_panic(yaml in yamlish()) {
        ask_everything(&read(yaml.as_bytes()));
    }

    #[test]
    fn json_is_read_as_it_is(value in prop::collection::btree_map(any::<String>(), json(), 0..4)) {
        let value = Value::Object(value.into_iter().collect());
        let text = value.to_string();
        let documents = read(text.as_bytes());
        prop_assert_eq!(documents.len(), 1);
        let root = documents[0].root().unwrap();
        prop_assert_eq!(&serde_json::from_str::<Value>(&root.to_json()).unwrap(), &value);
        prop_assert_eq!(&serde_json::to_value(root).unwrap(), &value);
    }

    #[test]
    fn what_is_printed_is_read_again_as_the_same(yaml in yamlish()) {
        for document in read(yaml.as_bytes()) {
            let Some(json) = document.root().map(Node::to_json).filter(|j| j.starts_with('{')) else { continue };
            prop_assert_eq!(read(json.as_bytes())[0].root().map(Node::to_json), Some(json.clone()));
        }
    }

    #[test]
    fn lines_of_json_are_as_many_documents(values in prop::collection::vec(any::<String>(), 1..20)) {
        let lines: Vec<_> = values.iter().map(|v| serde_json::json!({ "a": v }).to_string()).collect();
        let text = lines.join("\n");
        let documents = read(text.as_bytes());
        let read_back: Vec<_> = documents.iter().filter_map(|d| d.root()?.get("a")?.as_str()).collect();
        prop_assert_eq!(read_back, values.iter().map(String::as_str).collect::<Vec<_>>());
        for (i, document) in documents.iter().enumerate() {
            prop_assert_eq!(document.location_of("a").map(|l| l.line as usize), Some(i + 1));
        }
    }
}
