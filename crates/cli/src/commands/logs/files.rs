//! The files that a log consists of, read in order while they are written, cut and removed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ringfence_runtime::run::log;

/// No line is longer than this, whoever wrote it.
const LONGEST: u64 = 1 << 20;

/// A reader of all files of a log, the oldest first.
pub(super) struct Files {
    path: PathBuf,
    /// The one that is read.
    current: Option<BufReader<File>>,
    /// Those that come after it. They are held open: they may go before they are read.
    next: VecDeque<File>,
    /// What there is of a line that is being written.
    rest: Vec<u8>,
    /// Whether files went before they were opened.
    pub(super) has_gap: bool,
}

impl Files {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut next = all(path)?;
        let current = next.pop_front().map(BufReader::new);
        Ok(Self { path: path.to_path_buf(), current, next, rest: Vec::new(), has_gap: false })
    }

    /// The next whole line; `None` when all is read that there is now.
    pub(super) fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.of_current()? {
                return Ok(Some(line));
            }
            if self.next.is_empty() {
                self.look()?;
                if self.next.is_empty() {
                    return Ok(None);
                }
                // A file that is not the newest is written no more: what came to this one last is there now.
                if let Some(line) = self.of_current()? {
                    return Ok(Some(line));
                }
            }
            self.rest.clear();
            self.current = self.next.pop_front().map(BufReader::new);
        }
    }

    fn of_current(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(reader) = &mut self.current else { return Ok(None) };
        reader.by_ref().take(LONGEST).read_until(b'\n', &mut self.rest)?;
        if self.rest.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.rest.pop();
        Ok(Some(std::mem::take(&mut self.rest)))
    }

    /// Looks for files that are newer than the current one.
    fn look(&mut self) -> io::Result<()> {
        let Some(current) = &self.current else {
            self.next = all(&self.path)?;
            return Ok(());
        };
        let current = current.get_ref().metadata()?.ino();
        match self.path.metadata() {
            Ok(newest) if newest.ino() == current => return Ok(()),
            Ok(_) => {}
            // It is being cut.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut files = all(&self.path)?;
        for (index, file) in files.iter().enumerate() {
            if file.metadata()?.ino() == current {
                self.next = files.split_off(index + 1);
                return Ok(());
            }
        }
        self.has_gap |= !files.is_empty();
        self.next = files;
        Ok(())
    }
}

/// The files that are there, the oldest first. They are opened the newest first, since any of them may become older
/// meanwhile, and is then met again.
fn all(path: &Path) -> io::Result<VecDeque<File>> {
    let mut files = VecDeque::new();
    let mut known = Vec::new();
    for path in log::older(path).chain([path.to_path_buf()]).rev() {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // What is held open keeps its number.
        let number = file.metadata()?.ino();
        if !known.contains(&number) {
            known.push(number);
            files.push_front(file);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn cut(path: &Path) {
        let mut paths: Vec<_> = log::older(path).chain([path.to_path_buf()]).collect();
        paths.reverse();
        for pair in paths.windows(2).rev() {
            let [newer, older] = pair else { unreachable!() };
            if newer.exists() {
                fs::rename(newer, older).unwrap();
            }
        }
    }

    fn append(path: &Path, text: &str) {
        use std::io::Write as _;
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn read(files: &mut Files) -> String {
        let mut out = Vec::new();
        while let Some(line) = files.line().unwrap() {
            out.push(String::from_utf8(line).unwrap());
        }
        out.join(" ")
    }

    #[test]
    fn all_files_are_read_in_order_and_those_that_come_later_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        append(&path, "1\n");
        cut(&path);
        append(&path, "2\n3");
        let mut files = Files::open(&path).unwrap();
        assert_eq!(read(&mut files), "1 2");
        append(&path, "\n4\n");
        cut(&path);
        // Between two files there is none.
        assert_eq!(read(&mut files), "3 4");
        append(&path, "5\n");
        cut(&path);
        append(&path, "6\n");
        cut(&path);
        append(&path, "7\n");
        assert_eq!(read(&mut files), "5 6 7");
        assert_eq!(read(&mut Files::open(&path).unwrap()), "1 2 3 4 5 6 7");
        assert!(!files.has_gap);
    }

    #[test]
    fn files_that_went_unread_are_a_gap_and_those_that_are_open_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        append(&path, "1\n");
        let mut files = Files::open(&path).unwrap();
        let write = |from: u32, to: u32| {
            for number in from..=to {
                cut(&path);
                append(&path, &format!("{number}\n"));
            }
        };
        write(2, 5);
        assert_eq!(files.line().unwrap().unwrap(), b"1");
        assert_eq!(files.line().unwrap().unwrap(), b"2");
        write(6, 9);
        assert_eq!(read(&mut files), "3 4 5 6 7 8 9");
        assert!(!files.has_gap);
        write(10, 15);
        assert_eq!(read(&mut files), "11 12 13 14 15");
        assert!(files.has_gap);
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_read_when_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        let mut files = Files::open(&path).unwrap();
        assert_eq!(read(&mut files), "");
        append(&path, "1\n");
        assert_eq!(read(&mut files), "1");
    }
}
