//! An entry of a layer, with all that its header and those before it say about it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::archive::{Archive, BLOCK, malformed};
use super::numbers::{signed, unsigned};
use super::pax::Records;
use super::sparse::Sparse;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    Character,
    Block,
    /// Something that has no place in a layer.
    Other(u8),
}

/// An entry as it is to be made.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) link: Option<PathBuf>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    pub(super) device: (u32, u32),
    /// Extended attributes by name.
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
    /// Where its data belongs, when it has holes.
    pub(super) sparse: Option<Sparse>,
}

/// A header whose checksum is right.
pub(super) struct Header {
    block: [u8; BLOCK],
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Before 1988: without devices and prefixes.
    Old,
    /// POSIX: with a prefix of the name.
    Posix,
    /// GNU tar's own.
    Gnu,
}

impl Header {
    pub(super) fn new(block: &[u8; BLOCK]) -> io::Result<Self> {
        let sum = |value: fn(u8) -> i64| -> i64 {
            // The checksum counts as spaces.
            let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { value(b' ') } else { value(*byte) };
            block.iter().enumerate().map(byte).sum()
        };
        let field = |at: usize, length: usize| block.get(at..at + length).unwrap_or_default();
        let said = signed(field(148, 8))?;
        // Some old programs add the bytes as signed numbers.
        if said != sum(i64::from) && said != sum(|byte| i64::from(byte.cast_signed())) {
            return Err(malformed("a header's checksum is wrong"));
        }
        let form = match field(257, 8) {
            [b'u', b's', b't', b'a', b'r', 0, ..] => Form::Posix,
            b"ustar  \0" => Form::Gnu,
            _ => Form::Old,
        };
        Ok(Self { block: *block, form })
    }

    fn field(&self, at: usize, length: usize) -> &[u8] {
        self.block.get(at..at + length).unwrap_or_default()
    }

    /// Up to the first NUL byte.
    fn text(&self, at: usize, length: usize) -> &[u8] {
        self.field(at, length).split(|byte| *byte == 0).next().unwrap_or_default()
    }

    pub(super) fn kind(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    /// What follows has no data, whatever the header says of its size.
    fn is_header_only(&self) -> bool {
        matches!(self.kind(), b'1'..=b'6')
    }

    /// The length of the data, by this header alone.
    pub(super) fn size(&self) -> io::Result<u64> {
        let size = unsigned(self.field(124, 12))?;
        Ok(if self.is_header_only() { 0 } else { size })
    }

    /// The length of the data, as it is stored.
    pub(super) fn stored(&self, records: &Records) -> io::Result<u64> {
        match records.unsigned("size")? {
            Some(size) if !self.is_header_only() => Ok(size),
            _ => self.size(),
        }
    }

    /// Where the data belongs in a file with holes. What of the archive is no data of the file is read.
    pub(super) fn sparse<R: Read>(&self, records: &Records, archive: &mut Archive<R>) -> io::Result<Option<Sparse>> {
        let sparse = if self.kind() == b'S' {
            if self.form != Form::Gnu {
                return Err(malformed("a sparse file is not of GNU tar's form"));
            }
            Some(Sparse::old(&self.block, || archive.block())?)
        } else {
            Sparse::pax(records, archive.left(), || archive.block_of_data())?
        };
        if let Some(sparse) = &sparse {
            if self.is_header_only() {
                return Err(malformed("what is no file has holes"));
            }
            if sparse.stored() != archive.left() {
                return Err(malformed("the map of a sparse file is not about the bytes that follow"));
            }
        }
        Ok(sparse)
    }

    fn name(&self) -> Vec<u8> {
        let prefix = match self.form {
            Form::Posix => self.text(345, 155),
            // Go before 1.8 wrote a prefix where GNU tar has times.
            Form::Gnu if [345, 357].iter().any(|at| signed(self.field(*at, 12)).is_err()) => {
                Some(self.text(345, 155)).filter(|prefix| prefix.is_ascii()).unwrap_or_default()
            }
            Form::Gnu | Form::Old => b"",
        };
        let name = self.text(0, 100);
        if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
    }
}

impl Entry {
    pub(super) fn new(
        header: &Header,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        records: &Records,
        sparse: Option<Sparse>,
    ) -> io::Result<Self> {
        let given = |bytes: Option<Vec<u8>>, key: &str| {
            bytes.filter(|bytes| !bytes.is_empty()).or_else(|| records.bytes(key).map(<[u8]>::to_vec))
        };
        // The name of a sparse file in other places is one for programs that do not know such files.
        let sparse_name = sparse.as_ref().and_then(|_| records.bytes("GNU.sparse.name")).map(<[u8]>::to_vec);
        let path = sparse_name.or_else(|| given(long_name, "path")).unwrap_or_else(|| header.name());
        let link = given(long_link, "linkpath").unwrap_or_else(|| header.text(157, 100).to_vec());
        let kind = match header.kind() {
            0 if path.last() == Some(&b'/') => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => Kind::Other(other),
        };
        let id = |key: &str, at: usize| -> io::Result<u32> {
            let id = match records.unsigned(key)? {
                Some(id) => id,
                None => unsigned(header.field(at, 8))?,
            };
            // Of (uid_t)-1, chown(2) takes no notice.
            u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or_else(|| malformed(&format!("no {key} is {id}")))
        };
        let mtime = match records.text("mtime")? {
            // Fractions of seconds are of no use here.
            Some(time) => time
                .split('.')
                .next()
                .and_then(|seconds| seconds.parse::<i64>().ok())
                .ok_or_else(|| malformed(&format!("no time is {time:?}")))?,
            None => signed(header.field(136, 12))?,
        };
        let device = |at: usize| match header.form {
            Form::Old => Ok(0),
            Form::Posix | Form::Gnu => u32::try_from(unsigned(header.field(at, 8))?).map_err(io::Error::other),
        };
        Ok(Self {
            path: PathBuf::from(OsString::from_vec(path)),
            link: (!link.is_empty()).then(|| PathBuf::from(OsString::from_vec(link))),
            kind,
            mode: (signed(header.field(100, 8))? & 0o7777) as u32,
            uid: id("uid", 108)?,
            gid: id("gid", 116)?,
            mtime,
            device: (device(329)?, device(337)?),
            xattrs: records.beginning("SCHILY.xattr.").map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            sparse,
        })
    }
}
