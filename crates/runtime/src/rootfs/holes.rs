//! Copying a file with the holes that it has: what was never written takes no room in the copy either.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom as From};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Copies what is in `source` into the empty file `target`. Returns the number of bytes that were written.
pub(super) fn copy(source: &File, target: &File) -> io::Result<u64> {
    let size = source.metadata()?.len();
    if size == 0 {
        // Also of what the kernel makes up when it is read.
        let (mut source, mut target) = (source, target);
        return io::copy(&mut source, &mut target);
    }
    let mut at = 0;
    let mut written = 0;
    while at < size {
        let start = match rustix::fs::seek(source, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            // The file system does not tell; then all is data.
            Err(Errno::INVAL) => at,
            Err(errno) => return Err(errno.into()),
        };
        let end = match rustix::fs::seek(source, SeekFrom::Hole(start)) {
            Ok(end) => end,
            Err(Errno::INVAL) => size,
            // It became shorter.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let (mut source, mut target) = (source, target);
        source.seek(From::Start(start))?;
        target.seek(From::Start(start))?;
        let copied = io::copy(&mut source.take(end - start), &mut target)?;
        written += copied;
        if copied < end - start {
            break;
        }
        at = end;
    }
    target.set_len(size)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_has_the_same_bytes_and_takes_no_more_room() {
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(b"start").unwrap();
        source.seek(From::Start(8 << 20)).unwrap();
        source.write_all(b"middle").unwrap();
        source.set_len(1 << 30).unwrap();
        let mut target = tempfile::tempfile().unwrap();
        let written = copy(&source, &target).unwrap();
        assert_eq!(target.metadata().unwrap().len(), 1 << 30);
        assert!(written <= 1 << 20, "{written}");
        assert!(target.metadata().unwrap().blocks() * 512 <= 1 << 20);
        for (at, text) in [(0, "start"), (8 << 20, "middle")] {
            target.seek(From::Start(at)).unwrap();
            let mut found = vec![0; text.len()];
            target.read_exact(&mut found).unwrap();
            assert_eq!(found, text.as_bytes());
        }
    }

    #[test]
    fn an_empty_file_and_one_hole_are_copied() {
        for size in [0, 1, 1 << 20] {
            let source = tempfile::tempfile().unwrap();
            source.set_len(size).unwrap();
            let target = tempfile::tempfile().unwrap();
            copy(&source, &target).unwrap();
            assert_eq!(target.metadata().unwrap().len(), size);
        }
    }
}
