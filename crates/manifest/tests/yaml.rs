//! What YAML documents say, by go-yaml's rules. Each case was read by sigs.k8s.io/yaml as well.

use ringfence_manifest::{Document, Node, read};

/// The JSON of the first document, or its error.
fn json(yaml: &str) -> Result<String, String> {
    let documents = read(yaml.as_bytes());
    let Some(document) = documents.first() else { return Ok("null".to_owned()) };
    match document.error() {
        Some(error) => Err(error.to_string()),
        None => Ok(document.root().map_or_else(|| "null".to_owned(), Node::to_json)),
    }
}

#[track_caller]
fn reads(cases: &[(&str, &str)]) {
    for (yaml, want) in cases {
        assert_eq!(json(yaml).as_deref(), Ok(*want), "{yaml:?}");
    }
}

#[track_caller]
fn refuses(cases: &[(&str, &str)]) {
    for (yaml, want) in cases {
        assert_eq!(json(yaml), Err((*want).to_owned()), "{yaml:?}");
    }
}

#[test]
fn words_are_booleans_and_null_as_in_yaml_1_1() {
    reads(&[
        ("[y, Yes, ON, true]", "[true,true,true,true]"),
        ("[n, NO, off, False]", "[false,false,false,false]"),
        ("[yEs, tRUE, nO, 'yes', \"no\"]", r#"["yEs","tRUE","nO","yes","no"]"#),
        ("[~, null, Null, NULL, nULL]", r#"[null,null,null,null,"nULL"]"#),
        ("a:\nb: ''\n", r#"{"a":null,"b":""}"#),
    ]);
}

#[test]
fn numbers_are_what_go_parses() {
    reads(&[
        ("[0644, 0o17, +0o7, 0x1F, -0x1F, 0b101, 0b-1]", "[420,15,7,31,-31,5,-1]"),
        ("[1_000, 0x_1F, 1_, _1]", r#"[1000,31,1,"_1"]"#),
        ("[08, 09.5, 1e3, 1E+3, .5, 5., +.5]", "[8,9.5,1000,1000,0.5,5,0.5]"),
        ("[1e21, 1e-7, 1e400]", r#"[1e+21,1e-7,"1e400"]"#),
        (
            "[9223372036854775807, 9223372036854775808, 18446744073709551616]",
            "[9223372036854775807,9223372036854775808,18446744073709552000]",
        ),
        ("[1:30, 0x, 0b2, ., .e5, .5_0]", r#"["1:30","0x","0b2",".",".e5",0.5]"#),
        ("2001-12-14", r#""2001-12-14""#),
    ]);
    refuses(&[
        ("a: .inf", "line 1, column 4: json: unsupported value: +Inf"),
        ("a: [.NaN]", "line 1, column 5: json: unsupported value: NaN"),
    ]);
    // Only what is left of the document counts.
    reads(&[("a: .inf\na: 1", r#"{"a":1}"#)]);
}

#[test]
fn tags_decide_the_type_or_refuse_the_text() {
    reads(&[
        ("[!!str 5, !!int \"5\", !!float 3, !!bool 'yes', !!null '']", r#"["5",5,3,true,null]"#),
        ("[!!binary SGk=, ! 5, !own 5, !!timestamp 2001-01-01]", r#"["Hi","5","5","2001-01-01"]"#),
        ("%TAG !e! tag:yaml.org,2002:\n---\n!e!int '7'", "7"),
        ("!<tag:yaml.org,2002:str> 7", r#""7""#),
        ("[!!str {a: 1}, !!str ]", r#"[{"a":1},""]"#),
    ]);
    refuses(&[
        ("!!int x", "line 1, column 7: cannot decode !!str `x` as a !!int"),
        ("!!timestamp 5", "line 1, column 13: cannot decode !!int `5` as a !!timestamp"),
        ("!!binary x", "line 1, column 10: !!binary value contains invalid base64 data"),
        ("!e!x 1", "line 1, column 1: found undefined tag handle"),
    ]);
}

#[test]
fn merge_keys_take_over_what_is_not_written_later() {
    reads(&[
        ("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}", r#"{"a":{"x":1,"z":2},"b":{"x":1,"z":3}}"#),
        // The merge comes later, so it wins.
        ("a: &a {x: 1}\nb: {x: 2, <<: *a}", r#"{"a":{"x":1},"b":{"x":1}}"#),
        ("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}", r#"{"a":{"x":1},"b":{"x":2,"z":2},"c":{"x":1,"z":2}}"#),
        ("a: {'<<': 1}", r#"{"a":{"<<":1}}"#),
    ]);
    refuses(&[
        ("<<: 1", "line 1, column 5: map merge requires map or sequence of maps as the value"),
        ("a: &a [{x: 1}]\n<<: *a", "line 2, column 5: map merge requires map or sequence of maps as the value"),
    ]);
}

#[test]
fn keys_become_strings() {
    reads(&[
        ("1: a\nyes: b\n0x10: c\n1.5: d\n1e6: e", r#"{"1":"a","1.5":"d","16":"c","1e+06":"e","true":"b"}"#),
        ("? a\n: b", r#"{"a":"b"}"#),
        ("a: &x k\n*x : 1", r#"{"a":"k","k":1}"#),
    ]);
    refuses(&[
        ("~: 1", "line 1, column 1: a map key may be neither null nor an integer above 9223372036854775807"),
        ("{[a]: 1}", "line 1, column 2: invalid map key: a map or a sequence"),
        ("*x : 1", "line 1, column 1: unknown anchor 'x' referenced"),
    ]);
}

#[test]
fn scalars_fold_and_keep_as_they_should() {
    reads(&[
        ("a: b\n  c\n\n  d", r#"{"a":"b c\nd"}"#),
        ("a: 'it''s\n  so'", r#"{"a":"it's so"}"#),
        ("a: \"x\\\n   y\\t\\u00e9\\x41\"", "{\"a\":\"xy\\té\u{41}\"}"),
        ("a: |\n  x\n   y\n\nb: |-\n  z\n\n", r#"{"a":"x\n y\n","b":"z"}"#),
        ("a: >\n  x\n  y\n\n   z\n  w\n", r#"{"a":"x y\n\n z\nw\n"}"#),
        ("a: |2+\n   x\n\n", r#"{"a":" x\n\n"}"#),
        ("a:b", r#""a:b""#),
        ("{a:1, b: c#d}", r#"{"a:1":null,"b":"c#d"}"#),
    ]);
}

#[test]
fn only_the_first_node_of_a_document_counts() {
    reads(&[("[a] b", r#"["a"]"#), ("a: 1\n...\nb: [", r#"{"a":1}"#), ("{}: 1", "{}")]);
}

#[test]
fn says_where_and_why_a_text_is_not_yaml() {
    refuses(&[
        ("a: b: c", "line 1, column 5: mapping values are not allowed in this context"),
        ("a: - b", "line 1, column 4: block sequence entries are not allowed in this context"),
        ("a:\n  - b\n c", "line 3, column 2: did not find expected key"),
        ("a: 1\nb\nc: 2", "line 3, column 1: could not find expected ':'"),
        ("a: @b", "line 1, column 4: found character that cannot start any token"),
        ("é: [a", "line 1, column 6: did not find expected ',' or ']'"),
        ("a: \"\\/\"", "line 1, column 5: found unknown escape character"),
        ("a: \"\\ud800\"", "line 1, column 7: found invalid Unicode character escape code"),
        ("a:\n  - b\n\tc", "line 3, column 1: found a tab character that violates indentation"),
        ("%YAML 1.2\n---\na", "line 1, column 1: found incompatible YAML document"),
        ("a: &a [*a]", "line 1, column 8: anchor 'a' value contains itself"),
        ("a: \u{1}", "line 1, column 4: control characters are not allowed"),
    ]);
}

#[test]
fn a_bomb_of_aliases_is_refused_and_a_few_are_not() {
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
    for i in 1..9 {
        let before = format!("*a{}", i - 1);
        bomb.push(format!("a{i}: &a{i} [{}]", vec![before; 9].join(", ")));
    }
    let bomb = bomb.join("\n");
    assert!(json(&bomb).unwrap_err().ends_with("document contains excessive aliasing"));
    reads(&[("a: &a {x: [1, 2]}\nb: [*a, *a]", r#"{"a":{"x":[1,2]},"b":[{"x":[1,2]},{"x":[1,2]}]}"#)]);
}

#[test]
fn depth_costs_no_stack() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert_eq!(json(&deep(9_000)), Ok(deep(9_000)));
    assert_eq!(json(&format!("{{\"a\":{}}}", deep(9_000))), Ok(format!("{{\"a\":{}}}", deep(9_000))));
    assert!(json(&deep(20_000)).unwrap_err().ends_with("exceeded max depth of 10000"));
    let indented: Vec<_> = (0..3_000).map(|i| " ".repeat(i) + "a:").collect();
    assert!(json(&indented.join("\n")).is_ok());
}

#[test]
fn spans_slice_to_what_was_written() {
    let yaml = "a: 'x'\nb:\n- {c: [1,\n  2]}\n- &n  |\n  text\n- *n\n";
    let documents = read(yaml.as_bytes());
    let document: &Document<'_> = &documents[0];
    let slice = |path: &str| {
        let place = document.locate(path).filter(|p| p.exact).expect(path);
        (place.key.map(|k| &yaml[k.range()]), &yaml[place.value.range()])
    };
    assert_eq!(slice("a"), (Some("a"), "'x'"));
    assert_eq!(slice("b[0]"), (None, "{c: [1,\n  2]}"));
    assert_eq!(slice("b[0].c"), (Some("c"), "[1,\n  2]"));
    assert_eq!(slice("b[1]"), (None, "|\n  text"));
    assert_eq!(slice("b[2]"), (None, "*n"));
}
