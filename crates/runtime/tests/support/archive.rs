//! Images made of given layers.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its image fails")]

use std::fs;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

/// Writes an image called `local/app:1` as `docker save` does.
pub(crate) fn archive(path: &Path, layers: &[Vec<u8>]) {
    let hex = |bytes: &[u8]| format!("{:x}", Sha256::digest(bytes));
    let diff_ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    let config = json!({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string();
    let names: Vec<_> = (0..layers.len()).map(|i| format!("{i}.tar")).collect();
    let manifest = json!([{"Config": "config", "RepoTags": ["local/app:1"], "Layers": names}]).to_string();
    let mut tar = Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: &str, data: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, data).unwrap();
    };
    add("config", config.as_bytes());
    for (name, layer) in names.iter().zip(layers) {
        add(name, layer);
    }
    add("manifest.json", manifest.as_bytes());
    tar.into_inner().unwrap();
}
