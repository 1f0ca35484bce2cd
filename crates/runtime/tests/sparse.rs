//! Files with holes and large sizes in layers must unpack to what GNU tar makes of the same archive, and take as little
//! room.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringfence_runtime::rootfs::image::{Image, ImageError, ImageLimits, unpack};
use ringfence_runtime::state::StateDir;
use support::archive::archive;

/// GNU tar's ways to store them.
const FORMS: [&[&str]; 5] = [
    &["--format=gnu"],
    &["--format=oldgnu"],
    &["--format=posix", "--sparse-version=0.0"],
    &["--format=posix", "--sparse-version=0.1"],
    &["--format=posix", "--sparse-version=1.0"],
];

const HUGE: u64 = 10 << 30;

/// Its name, where it has how many bytes, and its size.
type FileWithHoles<'f> = (&'f str, &'f [(u64, usize)], u64);

fn has_gnu_tar() -> bool {
    let version = Command::new("tar").arg("--version").output();
    let has = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("GNU tar"));
    if !has {
        eprintln!("skipped: GNU tar is not here");
    }
    has
}

fn tar(args: &[&str], dir: &Path) {
    let output = Command::new("tar").args(args).arg("-C").arg(dir).arg(".").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
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
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn unpack(&self, key: &str, layer: Vec<u8>, limits: ImageLimits) -> Result<Image, ImageError> {
        let image = self.path(&format!("{key}.image"));
        archive(&image, &[layer]);
        unpack(&self.state, key, &image, None, limits)
    }
}

/// Where the file has other bytes than zeros, and which.
fn written(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let mut file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let (mut found, mut at): (Vec<(u64, Vec<u8>)>, u64) = (Vec::new(), 0);
    let mut block = [0; 4096];
    while at < size {
        let Ok(data) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) else { break };
        // Blocks from a multiple of their size on, so that two files' are the same.
        at = data / 4096 * 4096;
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(data)).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        while at < end {
            let wanted = block.len().min(usize::try_from(size - at).unwrap());
            file.read_exact(&mut block[..wanted]).unwrap();
            if block[..wanted].iter().any(|byte| *byte != 0) {
                found.push((at, block[..wanted].to_vec()));
            }
            at += 4096;
        }
    }
    found
}

fn make(path: &Path, fragments: &[(u64, usize)], size: u64) {
    let mut file = File::create(path).unwrap();
    for (offset, length) in fragments {
        file.seek(SeekFrom::Start(*offset)).unwrap();
        file.write_all(&vec![b'0' + (offset % 10) as u8; *length]).unwrap();
    }
    file.set_len(size).unwrap();
}

#[test]
fn files_with_holes_unpack_to_what_gnu_tar_makes_of_them() {
    if !has_gnu_tar() {
        return;
    }
    let bed = bed();
    let files = bed.path("files");
    fs::create_dir(&files).unwrap();
    let many: Vec<_> = (0..120).map(|i| (i * 65536, 100)).collect();
    let long = "n".repeat(120);
    let all: [FileWithHoles<'_>; 9] = [
        ("plain", &[(0, 5000)], 5000),
        ("empty", &[], 0),
        ("hole", &[], 1 << 20),
        ("start", &[(0, 10)], 1 << 20),
        ("middle", &[(65536, 4096)], 1 << 20),
        ("end", &[((1 << 20) - 7, 7)], 1 << 20),
        ("many", &many, 8 << 20),
        (&long, &[(8192, 5), (131_072, 5)], 262_144),
        ("huge", &[(HUGE / 2, 9)], HUGE),
    ];
    for (name, fragments, size) in all {
        make(&files.join(name), fragments, size);
    }
    fs::hard_link(files.join("middle"), files.join("second")).unwrap();
    for (number, form) in FORMS.iter().enumerate() {
        let layer = bed.path("layer.tar");
        let layer = layer.to_str().unwrap();
        tar(&[&["--sparse", "--create", "--file", layer], *form].concat(), &files);
        let by_tar = bed.path(&format!("tar-{number}"));
        fs::create_dir(&by_tar).unwrap();
        tar(&["--extract", "--sparse", "--file", layer], &by_tar);
        // Of the holes nothing is counted.
        let limits = ImageLimits { bytes: 16 << 20, ..ImageLimits::default() };
        let image = bed.unpack(&format!("{number}"), fs::read(layer).unwrap(), limits).unwrap();
        let names = |dir: &Path| {
            let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names(&image.root), names(&by_tar), "{form:?}");
        for name in names(&by_tar) {
            let (ours, tars) = (image.root.join(&name), by_tar.join(&name));
            let (found, wanted) = (fs::metadata(&ours).unwrap(), fs::metadata(&tars).unwrap());
            let facts = |of: &fs::Metadata| (of.len(), of.mode(), of.mtime(), of.uid(), of.nlink());
            assert_eq!(facts(&found), facts(&wanted), "{form:?} {name:?}");
            assert_eq!(written(&ours), written(&tars), "{form:?} {name:?}");
            // A file system may give room in pieces.
            assert!(found.blocks() * 512 <= wanted.blocks() * 512 + (1 << 20), "{form:?} {name:?}");
        }
    }
}

/// A header of POSIX's form and what follows it.
fn entry(kind: u8, name: &str, size: &[u8], data: &[u8]) -> Vec<u8> {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    for (at, field) in [(100, &b"0000644\0"[..]), (108, b"0000000\0"), (116, b"0000000\0"), (136, b"00000000001\0")] {
        block[at..at + field.len()].copy_from_slice(field);
    }
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = block.to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let body = format!(" {key}={value}\n");
        let mut length = body.len();
        while length != body.len() + length.to_string().len() {
            length = body.len() + length.to_string().len();
        }
        data += &format!("{length}{body}");
    }
    entry(b'x', "records", format!("{:011o}\0", data.len()).as_bytes(), data.as_bytes())
}

fn end(mut layer: Vec<u8>) -> Vec<u8> {
    layer.resize(layer.len() + 1024, 0);
    layer
}

#[test]
fn a_size_in_an_extended_header_or_in_binary_counts() {
    let bed = bed();
    let plain = |size: usize| format!("{size:011o}\0").into_bytes();
    let binary = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let layer = [
        records(&[("size", "5")]),
        entry(b'0', "extended", &plain(0), b"12345"),
        entry(b'0', "binary", &binary, b"67890"),
        // What has no data has none, whatever its size is.
        records(&[("size", "5")]),
        entry(b'2', "link", &plain(7), b""),
        entry(0, "old/", &plain(0), b""),
        entry(b'0', "last", &plain(1), b"x"),
    ];
    let image = bed.unpack("0", end(layer.concat()), ImageLimits::default());
    // A link to nothing is an error of its own.
    assert!(matches!(image, Err(ImageError::Hostile { .. })), "{image:?}");
    let image = bed.unpack("1", end([&layer[..3], &layer[5..]].concat().concat()), ImageLimits::default()).unwrap();
    for (name, wanted) in [("extended", "12345"), ("binary", "67890"), ("last", "x")] {
        assert_eq!(fs::read_to_string(image.root.join(name)).unwrap(), wanted);
    }
    assert!(image.root.join("old").is_dir());
}

#[test]
fn an_attribute_with_line_feeds_is_whole() {
    let bed = bed();
    let value = "a\n12 path=evil\nb";
    let layer = [
        records(&[("SCHILY.xattr.user.note", value), ("path", "two\nlines")]),
        entry(b'0', "x", b"00000000000\0", b""),
    ];
    let image = bed.unpack("0", end(layer.concat()), ImageLimits::default()).unwrap();
    let file = image.root.join("two\nlines");
    assert!(file.is_file());
    let mut found = [0; 64];
    // Not every file system has attributes of users.
    if let Ok(length) = rustix::fs::getxattr(&file, "user.note", &mut found[..]) {
        assert_eq!(&found[..length], value.as_bytes());
    }
}

#[test]
fn an_archive_that_lies_about_sizes_and_holes_is_refused() {
    let bed = bed();
    let plain = |size: usize| format!("{size:011o}\0").into_bytes();
    let sparse = |map: &str, blocks: &str, size: &str, data: &[u8]| {
        let given = [
            ("GNU.sparse.major", "0"),
            ("GNU.sparse.minor", "1"),
            ("GNU.sparse.map", map),
            ("GNU.sparse.numblocks", blocks),
            ("GNU.sparse.size", size),
        ];
        [records(&given), entry(b'0', "f", &plain(data.len()), data)].concat()
    };
    let good = bed.unpack("good", end(sparse("2,3,10,2", "2", "20", b"abcde")), ImageLimits::default()).unwrap();
    assert_eq!(fs::read(good.root.join("f")).unwrap(), b"\0\0abc\0\0\0\0\0de\0\0\0\0\0\0\0\0");
    let tries: Vec<(&str, Vec<u8>)> = vec![
        ("more bytes than the map has", sparse("2,3", "1", "20", b"abcde")),
        ("fewer bytes than the map has", sparse("2,3,10,2", "2", "20", b"abc")),
        ("fragments that overlap", sparse("2,3,3,2", "2", "20", b"abcde")),
        ("a fragment beyond the end", sparse("2,3,19,2", "2", "20", b"abcde")),
        ("a number that overflows", sparse("2,3,18446744073709551615,2", "2", "20", b"abcde")),
        ("another count", sparse("2,3,10,2", "3", "20", b"abcde")),
        ("half a fragment", sparse("2,3,10", "1", "20", b"abcde")),
        ("more holes than any file system", sparse("2,5", "1", "9223372036854775807", b"abcde")),
        ("a directory with holes", {
            let given = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "5")];
            [records(&given), entry(b'5', "d", &plain(512), &[b'0'; 512])].concat()
        }),
        (
            "a size beyond all sizes",
            [records(&[("size", "9223372036854775807")]), entry(b'0', "f", &plain(0), b"")].concat(),
        ),
        ("a negative size", [records(&[("size", "-1")]), entry(b'0', "f", &plain(0), b"")].concat()),
        ("a negative binary size", entry(b'0', "f", &[0xff; 12], b"")),
        ("a file that ends early", entry(b'0', "f", &plain(100_000), b"abc")),
        ("an entry after the end", [vec![0; 512], entry(b'0', "f", &plain(0), b"")].concat()),
        ("a wrong checksum", {
            let mut bytes = entry(b'0', "f", &plain(0), b"");
            bytes[0] = b'g';
            bytes
        }),
    ];
    for (number, (name, layer)) in tries.into_iter().enumerate() {
        let outcome = bed.unpack(&format!("{number}"), end(layer), ImageLimits::default());
        assert!(outcome.is_err(), "{name}: {outcome:?}");
    }
}

#[test]
fn a_file_that_cannot_fit_is_refused_before_it_is_written() {
    let bed = bed();
    // More than there is on any disk that this runs on.
    let layer = [records(&[("size", "1000000000000000000")]), entry(b'0', "big", b"00000000000\0", b"")].concat();
    let limits = ImageLimits { bytes: u64::MAX, ..ImageLimits::default() };
    let refused = bed.unpack("0", end(layer.clone()), limits).unwrap_err();
    assert!(matches!(refused, ImageError::NoRoom { wanted: 1_000_000_000_000_000_000, .. }), "{refused:?}");
    let refused = bed.unpack("1", end(layer), ImageLimits::default()).unwrap_err();
    assert!(matches!(refused, ImageError::TooLarge { what: "bytes", .. }), "{refused:?}");
}

#[test]
fn python_s_own_large_files_and_long_names_unpack_too() {
    let bed = bed();
    let layer = bed.path("layer.tar");
    let script = "
import io, sys, tarfile
for form, name in [(tarfile.GNU_FORMAT, 'gnu'), (tarfile.PAX_FORMAT, 'pax')]:
    with tarfile.open(sys.argv[1] + '.' + name, 'w', format=form) as tar:
        info = tarfile.TarInfo('d/' * 90 + 'file')
        info.size, info.uid, info.mtime = 5, 3000000, 1
        tar.addfile(info, io.BytesIO(b'large'))
        link = tarfile.TarInfo('link')
        link.type, link.linkname = tarfile.SYMTYPE, 'd/' * 90 + 'file'
        tar.addfile(link)
";
    let made = Command::new("python3").args(["-c", script]).arg(&layer).output();
    let Some(made) = made.ok().filter(|made| made.status.success()) else {
        eprintln!("skipped: python3 is not here");
        return;
    };
    assert!(made.stderr.is_empty());
    for form in ["gnu", "pax"] {
        let bytes = fs::read(format!("{}.{form}", layer.display())).unwrap();
        let image = bed.unpack(form, bytes, ImageLimits::default()).unwrap();
        assert_eq!(fs::read_to_string(image.root.join("link")).unwrap(), "large", "{form}");
        let owner = fs::metadata(image.root.join("link")).unwrap().uid();
        assert!(owner == 3_000_000 || image.left_out.owners > 0, "{form}: {owner}");
    }
}
