//! A tar archive, entry by entry. What comes before an entry and is about it, long names of GNU tar and extended headers of
//! PAX, is read with bounds, so that a hostile layer cannot fill the memory with a name. The order in which it counts is
//! that of Go's `archive/tar`, which containerd and docker read layers with: an archive that two programs read differently
//! is two images.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use super::entry::{Entry, Header};
use super::pax::Records;

/// Everything in an archive begins at a multiple of this.
pub(super) const BLOCK: usize = 512;

/// Names, links and attributes before an entry are each not larger than this.
const MAX_METADATA: u64 = 1 << 20;

/// An archive that is read from front to back. Reading from it reads the entry that came last.
pub(super) struct Archive<R> {
    source: R,
    /// Bytes read or skipped.
    position: u64,
    /// What is left of the entry's data, and of what fills its last block.
    left: u64,
    padding: u64,
    skip: fn(&mut R, u64) -> io::Result<()>,
}

/// An error of the archive's form.
pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<R: Read> Archive<R> {
    pub(super) fn new(source: R) -> Self {
        let skip = |source: &mut R, count| match io::copy(&mut source.take(count), &mut io::sink())? {
            skipped if skipped < count => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        };
        Self { source, position: 0, left: 0, padding: 0, skip }
    }

    /// Where the entry's data begins or goes on.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What is left of the entry's data.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn source(&self) -> &R {
        &self.source
    }

    /// The next entry that is one of its own.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let (mut name, mut link, mut records) = (None, None, Records::default());
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            self.begin(header.size()?)?;
            match header.kind() {
                b'L' => name = Some(trimmed(self.metadata()?)),
                b'K' => link = Some(trimmed(self.metadata()?)),
                b'x' => records = Records::parse(&self.metadata()?)?,
                // It is about all entries, and nobody who makes layers uses it.
                b'g' => {}
                _ => {
                    self.begin(header.stored(&records)?)?;
                    let sparse = header.sparse(&records, self)?;
                    return Entry::new(&header, name, link, &records, sparse).map(Some);
                }
            }
        }
    }

    /// The next header; `None` at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let rest = self.left.checked_add(self.padding).ok_or(io::ErrorKind::InvalidData)?;
        (self.skip)(&mut self.source, rest)?;
        self.position += rest;
        (self.left, self.padding) = (0, 0);
        let Some(block) = self.block_or_end()? else { return Ok(None) };
        if block != [0; BLOCK] {
            return Header::new(&block).map(Some);
        }
        // Two blocks of zeros, or one and nothing else, are the end.
        match self.block_or_end()? {
            Some(block) if block != [0; BLOCK] => Err(malformed("an entry follows the end of the archive")),
            _ => Ok(None),
        }
    }

    /// From here on, so much data follows.
    fn begin(&mut self, size: u64) -> io::Result<()> {
        // So that no sum with it overflows.
        if i64::try_from(size).is_err() {
            return Err(malformed("an entry is larger than any file"));
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// A block between a header and its data.
    pub(super) fn block(&mut self) -> io::Result<[u8; BLOCK]> {
        self.block_or_end()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// A block of the entry's data.
    pub(super) fn block_of_data(&mut self) -> io::Result<[u8; BLOCK]> {
        self.left = self.left.checked_sub(BLOCK as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.block()
    }

    fn block_or_end(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut have = 0;
        while let Some(rest) = block.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => have += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    fn metadata(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MAX_METADATA {
            return Err(malformed(&format!("an entry has names or attributes of more than {MAX_METADATA} bytes")));
        }
        let (mut bytes, wanted) = (Vec::new(), self.left);
        self.read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl Archive<File> {
    /// An archive whose data is not read one after the other.
    pub(super) fn of_file(file: File) -> Self {
        let skip = |file: &mut File, count| {
            // Sizes fit into a signed number, two of them need not.
            let count = i64::try_from(count).map_err(io::Error::other)?;
            file.seek(SeekFrom::Current(count)).map(drop)
        };
        Self { skip, ..Self::new(file) }
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left = self.left.saturating_sub(read as u64);
        self.position += read as u64;
        Ok(read)
    }
}

/// Long names end with a NUL byte.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    name
}
