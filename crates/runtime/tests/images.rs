//! Images as files: the ways in which they are saved, what their layers mean, and what a hostile one tries.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ringfence_runtime::rootfs::image::{Image, ImageError, ImageLimits, unpack};
use ringfence_runtime::state::StateDir;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

type Bytes = Vec<u8>;

/// A layer under construction. Paths are written as they are, also those that the tar library would refuse.
#[derive(Default)]
struct Layer(Vec<u8>);

impl Layer {
    fn raw(mut self, path: &str, kind: EntryType, link: &str, mode: u32, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn dir(self, path: &str) -> Self {
        self.raw(path, EntryType::Directory, "", 0o755, b"")
    }

    fn file(self, path: &str, data: &str) -> Self {
        self.raw(path, EntryType::Regular, "", 0o644, data.as_bytes())
    }

    fn symlink(self, path: &str, to: &str) -> Self {
        self.raw(path, EntryType::Symlink, to, 0o777, b"")
    }

    fn hardlink(self, path: &str, to: &str) -> Self {
        self.raw(path, EntryType::Link, to, 0o644, b"")
    }

    fn done(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
    json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"User": "app:audio", "Env": ["A=1"], "Entrypoint": ["/app"], "WorkingDir": "/srv"}})
    .to_string()
    .into_bytes()
}

/// As `docker save` wrote it for years.
fn docker_archive(dir: &Path, layers: &[Bytes]) -> PathBuf {
    let layers: Vec<Vec<u8>> = layers.to_vec();
    let config = config(&layers);
    let config_name = format!("{}.json", sha256(&config));
    let names: Vec<_> = (0..layers.len()).map(|i| format!("{i}/layer.tar")).collect();
    let manifest = json!([{"Config": config_name, "RepoTags": ["local/app:1"], "Layers": names}]).to_string();
    let path = dir.join("image.tar");
    let mut archive = Builder::new(fs::File::create(&path).unwrap());
    let mut add = |name: &str, data: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, data).unwrap();
    };
    add(&config_name, &config);
    for (name, layer) in names.iter().zip(&layers) {
        add(name, layer);
    }
    add("manifest.json", manifest.as_bytes());
    archive.into_inner().unwrap();
    path
}

/// As an OCI image layout with gzipped layers.
fn layout(dir: &Path, layers: &[Bytes]) -> PathBuf {
    let root = dir.join("layout");
    fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    let blob = |bytes: &[u8]| {
        fs::write(root.join("blobs/sha256").join(sha256(bytes)), bytes).unwrap();
        json!({"digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len()})
    };
    let descriptors: Vec<_> = layers
        .iter()
        .map(|layer| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(layer).unwrap();
            blob(&gzip.finish().unwrap())
        })
        .collect();
    let config = blob(&config(layers));
    let manifest = blob(json!({"schemaVersion": 2, "config": config, "layers": descriptors}).to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(root.join("index.json"), index.to_string()).unwrap();
    root
}

struct Bed {
    dir: tempfile::TempDir,
    state: StateDir,
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let state = StateDir::create_in(&dir.path().join("state"), Path::new(support::INSIDE)).unwrap();
    Bed { dir, state }
}

impl Bed {
    fn unpack(&self, path: &Path) -> Result<Image, ImageError> {
        unpack(&self.state, "0", path, None, ImageLimits::default())
    }

    fn layers(&self, layers: &[Bytes]) -> Result<Image, ImageError> {
        self.unpack(&docker_archive(self.dir.path(), layers))
    }
}

#[test]
fn a_docker_archive_and_a_layout_unpack_to_the_same_files_and_facts() {
    let layers = vec![
        Layer::default().dir("etc").file("etc/passwd", "app:x:7:8::/home:\n").symlink("bin", "usr/bin").done(),
        Layer::default().dir("usr/bin").file("bin/app", "#!").hardlink("usr/bin/app2", "usr/bin/app").done(),
    ];
    for make in [docker_archive as fn(&Path, &[Bytes]) -> PathBuf, layout] {
        let bed = bed();
        let image = bed.unpack(&make(bed.dir.path(), &layers)).unwrap();
        assert_eq!(image.facts.user, "app:audio");
        assert_eq!(image.facts.passwd.as_deref(), Some("app:x:7:8::/home:\n"));
        assert_eq!(image.facts.group, None);
        assert_eq!((image.facts.entrypoint, image.facts.working_dir), (vec!["/app".to_owned()], "/srv".to_owned()));
        assert_eq!(fs::read(image.root.join("usr/bin/app2")).unwrap(), b"#!");
        assert_eq!(fs::read_link(image.root.join("bin")).unwrap(), Path::new("usr/bin"));
    }
}

#[test]
fn whiteouts_remove_what_the_layers_below_brought() {
    let bed = bed();
    let image = bed
        .layers(&[
            Layer::default().file("gone", "").file("d/old", "").file("d/sub/old", "").file("e/f", "").done(),
            Layer::default().file(".wh.gone", "").file("d/new", "").file("d/.wh..wh..opq", "").file(".wh.e", "").done(),
        ])
        .unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&image.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["d"]);
    assert!(image.root.join("d/new").exists());
    assert!(!image.root.join("d/old").exists() && !image.root.join("d/sub").exists());
}

#[test]
fn a_later_layer_may_change_what_a_path_is() {
    let bed = bed();
    let image = bed
        .layers(&[
            Layer::default().file("a/f", "").symlink("b", "a").file("c", "").done(),
            Layer::default().file("a", "file").dir("b").file("b/x", "").symlink("c", "b").done(),
        ])
        .unwrap();
    assert_eq!(fs::read(image.root.join("a")).unwrap(), b"file");
    assert!(image.root.join("b").symlink_metadata().unwrap().is_dir());
    assert!(image.root.join("c").is_symlink());
}

#[test]
fn nothing_is_written_outside_the_root() {
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("file"), "kept").unwrap();
    let away = victim.path().display().to_string();
    let inside = format!("{}/file", away.trim_start_matches('/'));
    let tries: Vec<(&str, Layer)> = vec![
        ("dots", Layer::default().file("../../../../../../../../../../tmp/ringfence-escaped", "x")),
        ("dots within", Layer::default().file("a/../../x", "x")),
        ("a link and a file below it", Layer::default().symlink("l", &away).file("l/file", "x")),
        ("a link and a directory in its place", Layer::default().symlink("l", &away).dir("l").file("l/file", "x")),
        (
            "a relative link",
            Layer::default().symlink("l", "../../../../../../../..").file(&format!("l{away}/file"), "x"),
        ),
        ("a link to a link", Layer::default().symlink("a", &away).symlink("b", "a").file("b/file", "x")),
        ("a link and a whiteout", Layer::default().symlink("l", &away).file("l/.wh.file", "")),
        ("a link and an opaque whiteout", Layer::default().symlink("l", &away).file("l/.wh..wh..opq", "")),
        ("a whiteout of dots", Layer::default().file("a/.wh...", "")),
        ("a whiteout of nothing", Layer::default().file("a/.wh.", "")),
        ("a hard link with dots", Layer::default().hardlink("h", &format!("../../../../../../../../{inside}"))),
        ("an absolute hard link", Layer::default().hardlink("h", &format!("{away}/file"))),
        ("a hard link through a link", Layer::default().symlink("l", &away).hardlink("h", "l/file")),
        ("proc's magic links", Layer::default().symlink("l", "/proc/self/root").file(&format!("l{away}/file"), "x")),
        ("a link to itself", Layer::default().symlink("l", "l").file("l/x", "x")),
    ];
    for (name, layer) in tries {
        let bed = bed();
        let outcome = bed.layers(&[layer.done()]);
        let kept: Vec<_> = fs::read_dir(victim.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(kept, ["file"], "{name}: {outcome:?}");
        assert_eq!(fs::read(victim.path().join("file")).unwrap(), b"kept", "{name}");
        assert!(!Path::new("/tmp/ringfence-escaped").exists(), "{name}");
        if let Ok(image) = outcome {
            let escaped = image.root.join("h").symlink_metadata();
            assert!(escaped.is_err(), "{name} made a second name");
        }
    }
}

#[test]
fn a_changed_layer_or_configuration_is_refused() {
    let layer = Layer::default().file("a", "1").done();
    let bed = bed();
    let path = docker_archive(bed.dir.path(), &[layer]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"1\0\0\0").unwrap();
    bytes[at] = b'2';
    fs::write(&path, bytes).unwrap();
    assert!(matches!(bed.unpack(&path), Err(ImageError::Digest { .. })));

    let other = self::bed();
    let root = layout(other.dir.path(), &[Layer::default().file("a", "1").done()]);
    for blob in fs::read_dir(root.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&blob).unwrap()).replace("app:audio", "root");
        if text.contains("root") && text.contains("diff_ids") {
            fs::write(blob, text).unwrap();
        }
    }
    assert!(matches!(other.unpack(&root), Err(ImageError::Digest { .. })));
}

#[test]
fn an_image_larger_than_the_limits_is_refused() {
    let bed = bed();
    let path = docker_archive(bed.dir.path(), &[Layer::default().file("a", &"x".repeat(5000)).file("b", "").done()]);
    let limits =
        |bytes, entries| unpack(&bed.state, &format!("{bytes}-{entries}"), &path, None, ImageLimits { bytes, entries });
    assert!(limits(1 << 20, 10).is_ok());
    assert!(limits(4000, 10).is_err());
    assert!(matches!(limits(1 << 20, 1), Err(ImageError::TooLarge { what: "entries", .. })));
}

#[test]
fn devices_are_left_out_and_counted() {
    let bed = bed();
    let image =
        bed.layers(&[Layer::default().raw("sda", EntryType::Block, "", 0o666, b"").file("a", "").done()]).unwrap();
    assert_eq!(image.left_out.devices, 1);
    assert!(!image.root.join("sda").exists());
}

#[test]
fn what_is_no_image_is_said_so() {
    let bed = bed();
    let file = bed.dir.path().join("text");
    fs::write(&file, "hello").unwrap();
    assert!(matches!(bed.unpack(&file), Err(ImageError::NotAnImage { .. })));
    assert!(matches!(bed.unpack(bed.dir.path()), Err(ImageError::NotAnImage { .. })));
    assert!(matches!(bed.unpack(Path::new("/dev/null")), Err(ImageError::NotAnImage { .. })));
    assert!(matches!(bed.unpack(&bed.dir.path().join("none")), Err(ImageError::Read { .. })));
}

#[test]
fn a_gzipped_archive_is_unpacked_too() {
    let bed = bed();
    let path = docker_archive(bed.dir.path(), &[Layer::default().file("a", "1").done()]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&fs::read(&path).unwrap()).unwrap();
    fs::write(&path, gzip.finish().unwrap()).unwrap();
    assert!(bed.unpack(&path).unwrap().root.join("a").exists());
}
