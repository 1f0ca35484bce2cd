//! A manifest of a stranger: whatever the bytes are, reading them, printing them as JSON and objecting to them ends and
//! does not panic, and every place named lies in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for document in ringfence_manifest::read(data) {
        if let Some(root) = document.root() {
            let json = root.to_json();
            // Nesting deeper than serde_json reads is no fault of the text.
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&json) {
                assert!(error.to_string().contains("recursion"), "{error}: {json}");
            }
        }
        for problem in document.problems() {
            assert!(document.text().get(problem.span.range()).is_some(), "{problem:?}");
            assert!(problem.location.line > 0 && problem.location.column > 0);
        }
        for workload in document.contents().workloads.into_iter().flatten() {
            assert!(document.locate(&workload.path("spec")).is_some());
        }
    }
});
