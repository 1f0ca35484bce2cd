//! A layer and a manifest of strangers: unpacking ends in an error or in files below its own directory, shows nothing of
//! overlayfs that is not its own doing, and touches nothing outside.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use ringfence_runtime::rootfs::image::ImageLimits;
use ringfence_runtime::store::{Descriptor, Document, Platform, Store, digest};

fuzz_target!(|data: &[u8]| {
    let _ = Document::parse(data);
    // Two layers, so that the second meets what the first has made.
    let (first, second) = data.split_at(data.len() / 1024 * 512);
    let dir = std::env::temp_dir().join(format!("ringfence-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("outside"), "kept").expect("a file");
    let store = Store::open(&dir.join("store")).expect("a store");
    let add = |bytes: &[u8]| store.add_document(bytes).expect("a blob");
    let (first, second) = (add(first), add(second));
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{first}","{second}"]}}}}"#);
    let config = add(config.as_bytes());
    let manifest = format!(
        r#"{{"config":{{"digest":"{config}"}},"layers":[{{"digest":"{first}"}},{{"digest":"{second}"}}]}}"#
    );
    let name = "example.com/fuzz:1";
    let descriptor = Descriptor { digest: digest(manifest.as_bytes()), ..Descriptor::default() };
    add(manifest.as_bytes());
    store.tag(name, descriptor).expect("a name");
    let resolved = store.resolve(name, &Platform::host()).expect("a manifest").expect("an image");
    let limits = ImageLimits { bytes: 1 << 20, entries: 1000 };
    let unpacked = store.unpack(&resolved, limits, &mut |_| {});
    assert_eq!(std::fs::read(dir.join("outside")).expect("the file"), b"kept");
    let entries = || std::fs::read_dir(&dir).expect("the directory").count();
    assert_eq!(entries(), 2, "{unpacked:?}");
    assert!(!Path::new("/escaped").exists());
});
