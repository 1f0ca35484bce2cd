//! An entry of a layer, with what the entries before it say about it: long names of GNU tar and the records of PAX.
//!
//! They are read here rather than by the tar library, so that a hostile layer cannot fill the memory with a name.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use tar::{Entry, EntryType};

/// Names, links and attributes before an entry are together not larger than this.
const MAX_METADATA: u64 = 1 << 20;

/// What comes before an entry and is about it.
#[derive(Default)]
pub(super) struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<(String, Vec<u8>)>,
}

/// An entry as it is to be made.
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    pub(super) link: Option<PathBuf>,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    pub(super) device: (u32, u32),
    /// Extended attributes by name.
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
}

impl Pending {
    /// Takes in what `entry` says about the next one. `None` when it is an entry of its own.
    pub(super) fn take_in<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<Option<()>> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.name = Some(trimmed(metadata(entry)?)),
            EntryType::GNULongLink => self.link = Some(trimmed(metadata(entry)?)),
            EntryType::XHeader => {
                let bytes = metadata(entry)?;
                for record in tar::PaxExtensions::new(&bytes) {
                    let record = record?;
                    let key = record.key().map_err(io::Error::other)?.to_owned();
                    if key.starts_with("GNU.sparse.") {
                        return Err(unsupported("a sparse file"));
                    }
                    self.pax.push((key, record.value_bytes().to_vec()));
                }
            }
            EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => return Err(unsupported("a sparse file")),
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    /// The entry with all that was said about it.
    pub(super) fn resolve<R: Read>(self, entry: &Entry<'_, R>) -> io::Result<Wanted> {
        let header = entry.header();
        let number = |key: &str| self.pax(key).map(|value| value.parse::<i64>().map_err(io::Error::other)).transpose();
        if let Some(size) = number("size")?
            && u64::try_from(size).ok() != header.size().ok()
        {
            return Err(unsupported("a file whose size is in an extended header"));
        }
        let path = match (self.bytes("path"), &self.name) {
            (Some(path), _) | (None, Some(path)) => PathBuf::from(OsString::from_vec(path.clone())),
            (None, None) => PathBuf::from(OsString::from_vec(header.path_bytes().into_owned())),
        };
        let link = match (self.bytes("linkpath"), &self.link) {
            (Some(link), _) | (None, Some(link)) => Some(link.clone()),
            (None, None) => header.link_name_bytes().map(std::borrow::Cow::into_owned),
        };
        let id = |key: &str, plain: io::Result<u64>| -> io::Result<u32> {
            let id = match number(key)? {
                Some(id) => u64::try_from(id).map_err(io::Error::other)?,
                None => plain?,
            };
            u32::try_from(id).map_err(io::Error::other)
        };
        // Fractions of seconds are of no use here.
        let mtime = match self.pax("mtime").map(|time| time.split('.').next().unwrap_or_default().parse::<i64>()) {
            Some(seconds) => seconds.map_err(io::Error::other)?,
            None => i64::try_from(header.mtime()?).map_err(io::Error::other)?,
        };
        let device = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
        Ok(Wanted {
            path,
            link: link.map(|link| PathBuf::from(OsString::from_vec(link))),
            kind: header.entry_type(),
            mode: header.mode()? & 0o7777,
            uid: id("uid", header.uid())?,
            gid: id("gid", header.gid())?,
            mtime,
            device: (device(header.device_major()), device(header.device_minor())),
            xattrs: self
                .pax
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix("SCHILY.xattr.")?.to_owned(), value.clone())))
                .collect(),
        })
    }

    fn bytes(&self, key: &str) -> Option<&Vec<u8>> {
        self.pax.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn pax(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(key)?).ok()
    }
}

fn metadata(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_METADATA + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_METADATA {
        return Err(io::Error::other(format!("names and attributes of more than {MAX_METADATA} bytes")));
    }
    Ok(bytes)
}

/// Long names end with a NUL byte.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} is not supported"))
}
