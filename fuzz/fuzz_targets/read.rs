//! A manifest of a stranger: whatever the bytes are, reading them, printing them as JSON and judging the pods in them
//! ends, and does not panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_pss::{Level, evaluate_all};

fuzz_target!(|data: &[u8]| {
    for document in ringfence_manifest::read(data) {
        if let Some(root) = document.root() {
            let json = root.to_json();
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok() || json.len() > 1 << 16);
        }
    }
});
