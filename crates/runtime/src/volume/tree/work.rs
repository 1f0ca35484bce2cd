//! The threads of a walk, and how they share what is to be done.
//!
//! Each thread works on a stack of its own, depth first, and gives the older half of it away when another has nothing
//! to do. A directory that is longer than a buffer is itself something to go on with, so that the threads share a
//! single huge directory as well as a million small ones.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::{Entry, Found, Passed, Visitor, WalkError, WalkOptions, open};

/// Bytes of a directory that are read at once: some two thousand names.
const BUFFER: usize = 64 << 10;

/// A path from an open directory that is longer than this gets an open directory on its way. Paths that the kernel
/// takes are shorter than 4096 bytes, and a name than 256.
const LONGEST_FROM_BASE: usize = 2048;

/// The longest path. A longer one can be made, step by step, by whoever wants the walk to take forever.
const LONGEST: usize = 128 << 10;

/// Directories that are held open half read. Beyond it they are read to the end at once, and the names wait in memory.
const OPEN_LISTINGS: usize = 256;

/// An open directory from which others are opened.
struct Base {
    fd: OwnedFd,
    /// From the root.
    path: Vec<u8>,
}

/// A directory that is being read.
struct Listing {
    fd: OwnedFd,
    base: Arc<Base>,
    /// From the base.
    path: Vec<u8>,
}

enum Task {
    /// A directory to open, by its path from the base.
    Enter { base: Arc<Base>, path: Vec<u8> },
    /// A directory to go on reading.
    Continue(Arc<Listing>),
}

#[derive(Default)]
struct Shared {
    tasks: Vec<Task>,
    /// Threads that have something to do, and so may have something to give.
    active: usize,
    finished: bool,
    failure: Option<WalkError>,
}

struct Work<'a, V> {
    visitor: &'a V,
    root: &'a Path,
    options: WalkOptions<'a>,
    shared: Mutex<Shared>,
    changed: Condvar,
    /// Threads that wait for something to do, to look at without the lock.
    idle: AtomicUsize,
    stop: AtomicBool,
    listings: AtomicUsize,
}

pub(super) fn run<V: Visitor>(
    root: OwnedFd,
    path: &Path,
    visitor: &V,
    options: WalkOptions<'_>,
) -> Result<(Passed, Vec<V::Tally>), WalkError> {
    let base = Arc::new(Base { fd: root, path: Vec::new() });
    let tasks = vec![Task::Enter { base, path: Vec::new() }];
    let work = Work {
        visitor,
        root: path,
        options,
        shared: Mutex::new(Shared { tasks, ..Shared::default() }),
        changed: Condvar::new(),
        idle: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        listings: AtomicUsize::new(0),
    };
    let results = std::thread::scope(|scope| {
        // A thread that cannot be had leaves more for the others; this one always works.
        let others: Vec<_> = (1..options.threads.get())
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, || Worker::new(&work).run()).ok())
            .collect();
        let mut results = vec![Worker::new(&work).run()];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    let failure = work.shared.into_inner().unwrap_or_else(PoisonError::into_inner).failure;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let mut passed = Passed::default();
    let mut tallies = Vec::new();
    for (other, tally) in results {
        passed.mounts += other.mounts;
        passed.gone += other.gone;
        passed.first_mount = passed.first_mount.or(other.first_mount);
        tallies.push(tally);
    }
    Ok((passed, tallies))
}

impl<V> Work<'_, V> {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something to do from the others, for a thread that counts as active. `None` when there is nothing left anywhere.
    fn next(&self) -> Option<Task> {
        let mut shared = self.shared();
        loop {
            if shared.finished {
                return None;
            }
            if let Some(task) = shared.tasks.pop() {
                return Some(task);
            }
            shared.active -= 1;
            if shared.active == 0 {
                shared.finished = true;
                self.changed.notify_all();
                return None;
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
            self.idle.fetch_sub(1, Ordering::Relaxed);
            shared.active += 1;
        }
    }

    /// Ends the walk; the first failure is kept.
    fn fail(&self, failure: WalkError) {
        self.stop.store(true, Ordering::Relaxed);
        let mut shared = self.shared();
        shared.failure.get_or_insert(failure);
        shared.finished = true;
        self.changed.notify_all();
    }

    fn path(&self, base: &Base, path: &[u8], name: &[u8]) -> PathBuf {
        let mut all = self.root.to_path_buf();
        for part in [&base.path, path, name].into_iter().filter(|part| !part.is_empty()) {
            all.push(std::ffi::OsString::from_vec(part.to_vec()));
        }
        all
    }
}

/// A thread's own.
struct Worker<'w, 'a, V: Visitor> {
    work: &'w Work<'a, V>,
    tasks: Vec<Task>,
    passed: Passed,
    tally: V::Tally,
}

impl<'w, 'a, V: Visitor> Worker<'w, 'a, V> {
    fn new(work: &'w Work<'a, V>) -> Self {
        Self { work, tasks: Vec::new(), passed: Passed::default(), tally: V::Tally::default() }
    }

    fn run(mut self) -> (Passed, V::Tally) {
        self.work.shared().active += 1;
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        while let Some(task) = self.tasks.pop().or_else(|| self.work.next()) {
            if self.work.stop.load(Ordering::Relaxed) {
                break;
            }
            let outcome = match task {
                Task::Enter { base, path } => self.enter(base, path, &mut buffer),
                Task::Continue(listing) => self.read(&listing, &mut buffer),
            };
            if let Err(failure) = outcome {
                self.work.fail(failure);
                break;
            }
            let half = self.tasks.len() / 2;
            self.offer(half);
        }
        (self.passed, self.tally)
    }

    /// Gives `count` of the tasks that are on the stack longest, and are likely to be the largest, to an idle thread.
    fn offer(&mut self, count: usize) {
        if count == 0 || self.work.idle.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.work.shared().tasks.extend(self.tasks.drain(..count));
        self.work.changed.notify_all();
    }

    fn enter(&mut self, base: Arc<Base>, path: Vec<u8>, buffer: &mut [MaybeUninit<u8>]) -> Result<(), WalkError> {
        let here = || self.work.path(&base, &path, &[]);
        let at_root = path.is_empty();
        let opened = open::directory(base.fd.as_fd(), if at_root { b"." } else { &path });
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::XDEV) => {
                self.passed.mounts += 1;
                self.passed.first_mount.get_or_insert_with(here);
                return Ok(());
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::AGAIN) => {
                return Err(WalkError::Moved { path: here() });
            }
            Err(errno) => return Err(WalkError::Io { action: "open", path: here(), source: errno.into() }),
        };
        if !at_root {
            self.work.visitor.directory(&fd, &here, &mut self.tally);
        }
        let (base, path) = if path.len() > LONGEST_FROM_BASE {
            let mut all = base.path.clone();
            if !all.is_empty() {
                all.push(b'/');
            }
            all.extend_from_slice(&path);
            if all.len() > LONGEST {
                let mut beginning = self.work.root.to_path_buf();
                beginning.push(std::ffi::OsString::from_vec(all.into_iter().take(64).collect()));
                return Err(WalkError::TooDeep { beginning, longest: LONGEST });
            }
            let held = fd.try_clone().map_err(|source| WalkError::Io {
                action: "hold",
                path: self.work.path(&base, &path, &[]),
                source,
            })?;
            (Arc::new(Base { fd: held, path: all }), Vec::new())
        } else {
            (base, path)
        };
        self.work.listings.fetch_add(1, Ordering::Relaxed);
        self.read(&Arc::new(Listing { fd, base, path }), buffer)
    }

    /// Visits a buffer of entries. The rest of the directory is put on the stack first, for an idle thread to take.
    fn read(&mut self, listing: &Arc<Listing>, buffer: &mut [MaybeUninit<u8>]) -> Result<(), WalkError> {
        let Listing { fd, base, path } = &**listing;
        let work = self.work;
        let mut raw = RawDir::new(fd, buffer);
        let mut visited = 0;
        let mut continued = false;
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory itself is gone.
                Err(Errno::NOENT) => return Err(WalkError::Moved { path: work.path(base, path, &[]) }),
                Err(errno) => {
                    let path = work.path(base, path, &[]);
                    return Err(WalkError::Io { action: "list", path, source: errno.into() });
                }
            };
            let name = entry.file_name();
            let kind = entry.file_type();
            if visited == 0 && work.listings.load(Ordering::Relaxed) <= OPEN_LISTINGS {
                continued = true;
                self.tasks.push(Task::Continue(Arc::clone(listing)));
                let all = self.tasks.len();
                self.offer(all);
            }
            visited += 1;
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                let full = || work.path(base, path, name.to_bytes());
                let found = if kind == FileType::Directory {
                    Found::Directory
                } else {
                    work.visitor.entry(&Entry { dir: fd, name, path: &full }, &mut self.tally)
                };
                match found {
                    Found::Done => {}
                    Found::Directory => {
                        let mut below = path.clone();
                        if !below.is_empty() {
                            below.push(b'/');
                        }
                        below.extend_from_slice(name.to_bytes());
                        self.tasks.push(Task::Enter { base: Arc::clone(base), path: below });
                    }
                    Found::Mount => {
                        self.passed.mounts += 1;
                        self.passed.first_mount.get_or_insert_with(full);
                    }
                    Found::Gone => self.passed.gone += 1,
                }
            }
            if continued && raw.is_buffer_empty() {
                break;
            }
            if visited % 1024 == 0 && work.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        if let Some(progress) = work.options.progress {
            progress.fetch_add(visited, Ordering::Relaxed);
        }
        if !continued {
            // This was the last of it.
            work.listings.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
