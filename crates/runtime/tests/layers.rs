//! Layers unpacked one by one into directories of their own must come, stacked by the kernel, to what they come to when
//! they are unpacked one over the other.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use proptest::prelude::*;
use ringfence_runtime::rootfs::image::{ImageLimits, unpack};
use ringfence_runtime::state::StateDir;
use ringfence_runtime::store::{Platform, Store};
use support::archive::archive;
use tar::{Builder, EntryType, Header};

#[derive(Clone, Debug)]
enum Entry {
    File(String, u8),
    Dir(String),
    Link(String, String),
    Hard(String, String),
    Whiteout(String),
    Opaque(String),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![path(), path().prop_map(|path| format!("/{path}")), path().prop_map(|path| format!("../{path}"))]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => (path(), any::<u8>()).prop_map(|(path, data)| Entry::File(path, data)),
        3 => path().prop_map(Entry::Dir),
        1 => (path(), target()).prop_map(|(path, to)| Entry::Link(path, to)),
        1 => (path(), path()).prop_map(|(path, to)| Entry::Hard(path, to)),
        2 => path().prop_map(Entry::Whiteout),
        1 => path().prop_map(Entry::Opaque),
    ]
}

fn layer(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(0);
        let mut add = |kind, path: &str, data: &[u8]| {
            header.set_entry_type(kind);
            header.set_size(data.len() as u64);
            tar.append_data(&mut header, path, data).unwrap();
        };
        match entry {
            Entry::File(path, byte) => add(EntryType::Regular, path, &[*byte]),
            Entry::Dir(path) => add(EntryType::Directory, path, b""),
            Entry::Whiteout(path) => {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                add(EntryType::Regular, format!("{above}/.wh.{name}").trim_start_matches('/'), b"");
            }
            Entry::Opaque(path) => add(EntryType::Regular, &format!("{path}/.wh..wh..opq"), b""),
            Entry::Link(path, to) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, to).unwrap();
            }
            Entry::Hard(path, to) => {
                header.set_entry_type(EntryType::Link);
                tar.append_link(&mut header, path, to).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// Every path of a tree with what it is.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let what = if metadata.is_dir() {
                open.push(path.clone());
                format!("directory {:o}", metadata.mode())
            } else if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                format!("file {:o} {:?}", metadata.mode(), fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), what);
        }
    }
    found
}

/// What the kernel shows of the directories, stacked, in a mount of nobody's namespace.
fn stacked(dirs: &[std::path::PathBuf]) -> BTreeMap<String, String> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    };
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let lower = dirs.iter().map(std::path::PathBuf::as_path).chain([nothing.path()]);
    for dir in lower {
        fsconfig_set_string(context.as_fd(), "lowerdir+", dir).unwrap();
    }
    fsconfig_create(context.as_fd()).unwrap();
    let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
    tree(Path::new(&format!("/proc/self/fd/{}/", mount.as_raw_fd())))
}

fn compare(layers: &[Vec<Entry>]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let state = StateDir::create_in(&dir.path().join("state"), Path::new(support::INSIDE)).unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let file = dir.path().join("image.tar");
    archive(&file, &layers.iter().map(|entries| layer(entries)).collect::<Vec<_>>());
    let flat = unpack(&state, "0", &file, None, ImageLimits::default());
    store.load(&file, None, &state, ImageLimits::default()).unwrap();
    let resolved = store.resolve("local/app:1", &Platform::host()).unwrap().unwrap();
    let image = store.unpack(&resolved, ImageLimits::default(), &mut |_| {});
    match (flat, image) {
        (Ok(flat), Ok(image)) => {
            prop_assert_eq!(tree(&flat.root), stacked(image.stack.as_ref().unwrap().dirs()));
        }
        (Err(_), Err(_)) => {}
        (flat, image) => {
            prop_assert!(false, "one over the other: {:?}\none by one: {:?}", flat.map(|_| ()), image.map(|_| ()));
        }
    }
    Ok(())
}

fn can_mount() -> bool {
    let can = rustix::process::geteuid().is_root()
        && fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\toverlay"));
    if !can {
        eprintln!("skipped: it takes root and overlays to see what the kernel makes of the layers");
    }
    can
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_stacked_by_the_kernel_are_what_they_are_one_over_the_other(
        layers in prop::collection::vec(prop::collection::vec(entry(), 0..6), 1..4)
    ) {
        if can_mount() {
            compare(&layers)?;
        }
    }
}

#[test]
fn a_directory_made_anew_shows_nothing_of_the_one_that_was_there() {
    if !can_mount() {
        return;
    }
    let (file, dir) = (|path: &str| Entry::File(path.to_owned(), 1), |path: &str| Entry::Dir(path.to_owned()));
    compare(&[
        vec![file("a/old"), file("a/b/old"), file("c")],
        vec![Entry::Whiteout("a".to_owned()), dir("a"), file("a/b/new"), Entry::Whiteout("c".to_owned()), dir("c")],
        vec![file("a/b/newer"), Entry::Opaque("a".to_owned())],
    ])
    .unwrap();
}

#[test]
fn what_is_removed_stays_removed_when_it_is_removed_again() {
    if !can_mount() {
        return;
    }
    let gone = |path: &str| Entry::Whiteout(path.to_owned());
    compare(&[vec![Entry::File("c/b/a".to_owned(), 0)], vec![gone("c"), gone("c/b")]]).unwrap();
}

#[test]
fn a_hard_link_to_a_file_of_another_layer_is_that_file() {
    if !can_mount() {
        return;
    }
    let link = Entry::Hard("c".to_owned(), "a/b".to_owned());
    compare(&[vec![Entry::File("a/b".to_owned(), 7)], vec![link.clone()], vec![Entry::File("b".to_owned(), 1)]])
        .unwrap();
    compare(&[vec![Entry::File("a/b".to_owned(), 7)], vec![Entry::Whiteout("a/b".to_owned()), link]]).unwrap();
}
