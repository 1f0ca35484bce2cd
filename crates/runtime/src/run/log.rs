//! What a container prints, kept as the kubelet's runtimes keep it (CRI log format): a line each with its time, its
//! stream, and whether it is whole. A container holds pipes, never the file: it could truncate it, or give it away.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::Stdio;

/// When a file has as many bytes, it becomes an older one (the kubelet's `containerLogMaxSize`).
const MAX_FILE: u64 = 10 << 20;

/// So many older files there are beside it; the oldest is removed (the kubelet's `containerLogMaxFiles`, less one).
const OLDER: usize = 4;

/// Longer lines are cut into partial ones, as containerd does.
const MAX_LINE: usize = 16 << 10;

/// A container's log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    /// Lines that a full disk did not take, and where their number is kept.
    lost: u64,
    counter: File,
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    name: &'static str,
    from: Option<OwnedFd>,
    line: Vec<u8>,
}

impl Log {
    /// Opens the log, and gives the streams for a container.
    pub fn open(path: &Path) -> io::Result<(Self, Stdio)> {
        let (out, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        // An end of file at once, and no descriptor of the host's.
        let (stdin, _) = pipe_with(PipeFlags::CLOEXEC)?;
        for fd in [&out, &err] {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        let stream = |name, from| Stream { name, from: Some(from), line: Vec::new() };
        let streams = [stream("stdout", out), stream("stderr", err)];
        Ok((Self::to_file(path, streams)?, Stdio::Fds { stdin, stdout, stderr }))
    }

    /// The log of a container with a terminal, of which this is the controlling end.
    pub fn of_terminal(path: &Path, controller: OwnedFd) -> io::Result<Self> {
        let stream = |name, from| Stream { name, from, line: Vec::new() };
        Self::to_file(path, [stream("stdout", Some(controller)), stream("stderr", None)])
    }

    fn to_file(path: &Path, streams: [Stream; 2]) -> io::Result<Self> {
        let file = appended(path)?;
        let written = file.metadata()?.len();
        // It has its block on the disk from now on: a full one takes the number, too.
        let counter =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(counter(path))?;
        let lost = count(&counter)?;
        counter.write_all_at(&counted(lost), 0)?;
        Ok(Self { path: path.to_path_buf(), file, written, lost, counter, streams })
    }

    /// The pipes that are still open.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams.iter().filter_map(|stream| Some(stream.from.as_ref()?.as_fd()))
    }

    /// Writes what has come, but not more than a fair share; `true` when there may be more at once.
    pub fn take(&mut self) -> io::Result<bool> {
        let mut more = false;
        let mut buffer = [0; 16 << 10];
        let mut lines = Vec::new();
        for stream in &mut self.streams {
            let Some(from) = &stream.from else { continue };
            match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut buffer)) {
                // A terminal without a process at its other end fails.
                Ok(0) | Err(Errno::IO) => {
                    stream.from = None;
                    if !stream.line.is_empty() {
                        format(stream.name, 'P', &stream.line, &mut lines);
                        stream.line.clear();
                    }
                }
                Ok(read) => {
                    more |= read == buffer.len();
                    for byte in buffer.get(..read).unwrap_or_default() {
                        if *byte == b'\n' {
                            format(stream.name, 'F', &stream.line, &mut lines);
                            stream.line.clear();
                        } else {
                            stream.line.push(*byte);
                            if stream.line.len() >= MAX_LINE {
                                format(stream.name, 'P', &stream.line, &mut lines);
                                stream.line.clear();
                            }
                        }
                    }
                }
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if !lines.is_empty() {
            self.write(&lines)?;
        }
        Ok(more)
    }

    /// What a full disk cannot take is lost and counted, and the container goes on.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self.rotate() {
            Err(error) if !is_full(&error) => return Err(error),
            // The file grows beyond its size until there is room for another.
            _ => {}
        }
        match self.file.write_all(lines) {
            Ok(()) => {
                self.written += lines.len() as u64;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.lost += lines.split_inclusive(|byte| *byte == b'\n').count() as u64;
                match self.counter.write_all_at(&counted(self.lost), 0) {
                    Err(error) if !is_full(&error) => return Err(error),
                    // A file system that writes nothing in place: with the next loss it is tried again.
                    _ => {}
                }
                // Not half of a line, which the next would be glued to.
                if self.file.metadata()?.len() > self.written {
                    self.file.set_len(self.written)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes all that is in the pipes already.
    pub fn drain(&mut self) -> io::Result<()> {
        while self.take()? {}
        // A pipe may have less than a buffer and then its end.
        self.take().map(drop)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.written < MAX_FILE {
            return Ok(());
        }
        // The new file first: without it, nothing has changed.
        let new = self.path.with_extension("log.new");
        let file = appended(&new)?;
        let mut to: Option<PathBuf> = None;
        for from in older(&self.path).chain([self.path.clone()]) {
            match to.map(|to| fs::rename(&from, to)) {
                Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => to = Some(from),
            }
        }
        fs::rename(new, &self.path)?;
        self.file = file;
        self.written = 0;
        Ok(())
    }
}

fn appended(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The files that a log was before it grew too large, the oldest first. Not all need be there. Whoever reads while it is
/// written opens the newest first: a file only ever becomes older.
pub fn older(path: &Path) -> impl DoubleEndedIterator<Item = PathBuf> {
    (1..=OLDER).rev().map(|number| path.with_extension(format!("log.{number}")))
}

fn counter(path: &Path) -> PathBuf {
    path.with_extension("log.lost")
}

fn counted(lost: u64) -> [u8; 8] {
    lost.to_le_bytes()
}

fn count(counter: &File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    match counter.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(u64::from_le_bytes(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(error),
    }
}

/// How many lines a full disk did not take.
pub fn lost(path: &Path) -> io::Result<u64> {
    match File::open(counter(path)) {
        Ok(counter) => count(&counter),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn format(stream: &str, whole: char, line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(timestamp(SystemTime::now()).as_bytes());
    out.extend_from_slice(format!(" {stream} {whole} ").as_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `2016-10-06T00:17:09.669794202Z`.
    pub time: &'a str,
    /// Whether it was printed to standard error.
    pub is_error: bool,
    /// Whether it ended with a line feed.
    pub is_whole: bool,
    /// Without the line feed.
    pub text: &'a [u8],
}

/// Takes a line of a log apart; `None` for what this program did not write.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let is_error = match parts.next()? {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let is_whole = parts.next()? == b"F";
    Some(Line { time, is_error, is_whole, text: parts.next()? })
}

/// RFC 3339 in UTC with nanoseconds.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a date in the Gregorian calendar, in eras of 400 years that begin in March.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:09}Z", second % 60, since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_as_people_write_them() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::new(seconds, 5));
        assert_eq!(at(0), "1970-01-01T00:00:00.000000005Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.000000005Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000000005Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.000000005Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000000005Z");
    }

    #[test]
    fn what_is_printed_comes_back_with_its_stream() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        let (mut log, Stdio::Fds { stdout, stderr, .. }) = Log::open(&path).unwrap() else { unreachable!() };
        rustix::io::write(&stdout, b"one\ntw").unwrap();
        log.take().unwrap();
        rustix::io::write(&stdout, b"o\nthree").unwrap();
        rustix::io::write(&stderr, b" error \n").unwrap();
        drop((stdout, stderr));
        log.drain().unwrap();
        log.drain().unwrap();
        let text = fs::read(&path).unwrap();
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(parse).collect();
        let texts: Vec<_> = lines.iter().map(|line| (line.text, line.is_error, line.is_whole)).collect();
        assert_eq!(
            texts,
            [
                (&b"one"[..], false, true),
                (&b"two"[..], false, true),
                (&b" error "[..], true, true),
                (&b"three"[..], false, false)
            ]
        );
        assert_eq!(log.fds().count(), 0);
    }

    #[test]
    fn a_log_that_grows_too_large_keeps_what_came_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        let (mut log, Stdio::Fds { stdout, .. }) = Log::open(&path).unwrap() else { unreachable!() };
        let mut texts = |number: u32| {
            log.written = MAX_FILE;
            rustix::io::write(&stdout, format!("{number}\n").as_bytes()).unwrap();
            log.take().unwrap();
            let all = older(&path).chain([path.clone()]).filter_map(|path| fs::read(path).ok());
            let line = |text: &[u8]| {
                parse(text.strip_suffix(b"\n")?).map(|line| String::from_utf8_lossy(line.text).into_owned())
            };
            all.filter_map(|text| line(&text)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(1), "1");
        assert_eq!(texts(2), "1 2");
        (3..8).for_each(|number| drop(texts(number)));
        assert_eq!(texts(8), "4 5 6 7 8");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.log");
        let (mut log, Stdio::Fds { stdout, .. }) = Log::open(&path).unwrap() else { unreachable!() };
        let good = std::mem::replace(&mut log.file, File::options().append(true).open("/dev/full").unwrap());
        rustix::io::write(&stdout, b"one\ntwo\n").unwrap();
        log.take().unwrap();
        log.file = good;
        assert_eq!(lost(&path).unwrap(), 2);
        rustix::io::write(&stdout, b"three\n").unwrap();
        log.take().unwrap();
        let text = fs::read(&path).unwrap();
        assert_eq!(parse(text.strip_suffix(b"\n").unwrap()).unwrap().text, b"three");
        drop(log);
        // And it is not forgotten when the container starts again.
        drop(Log::open(&path).unwrap());
        assert_eq!(lost(&path).unwrap(), 2);
    }
}
