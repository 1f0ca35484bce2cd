//! `ringfence logs`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use ringfence_runtime::run::log;
use ringfence_runtime::state::{ContainerState, FoundPod};

use crate::exit::Exit;
use crate::running;

/// Print what a container of a pod that was started with `run -d` has printed
///
/// Standard output and standard error come out as they went in.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pod, by its name or ID as `ps` shows them.
    pod: String,

    /// The container; the first main one otherwise.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,

    /// Go on until the container has ended.
    #[arg(short, long)]
    follow: bool,

    /// Only the last lines.
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// Each line with its time.
    #[arg(long)]
    timestamps: bool,
}

/// How often a file is looked at that is followed.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn main(args: &Args) -> Exit {
    let found = running::find(&args.pod)
        .and_then(|pod| running::container(&pod, args.container.as_deref()).map(|name| (pod, name)));
    let (pod, name) = match found {
        Ok(found) => found,
        Err(message) => {
            super::complain(&message);
            return Exit::Failure;
        }
    };
    if !pod.record.detached {
        super::complain("the pod runs in the foreground, and prints where it was started");
        return Exit::Failure;
    }
    match print(args, &pod, &name) {
        Ok(()) => Exit::Clean,
        Err(error) => super::output_failed(&error),
    }
}

fn print(args: &Args, pod: &FoundPod, name: &str) -> io::Result<()> {
    let path = pod.log_path(name);
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let limit = args.tail.unwrap_or(usize::MAX);
    let mut keep = |line: Vec<u8>| {
        lines.push_back(line);
        if lines.len() > limit {
            lines.pop_front();
        }
    };
    // Where there is a limit the older file can only be needed if the newer is short, and then it is small work.
    let current = open(&path)?;
    if let Some(older) = open(&log::older(&path))? {
        for line in BufReader::new(older).split(b'\n') {
            keep(line?);
        }
    }
    let mut reader = current.map(BufReader::new);
    let mut rest = Vec::new();
    if let Some(reader) = &mut reader {
        while let Some(line) = next(reader, &mut rest)? {
            keep(line);
        }
    }
    let mut out = Output { timestamps: args.timestamps };
    for line in &lines {
        out.line(line)?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        let has_ended = has_ended(pod, name);
        match &mut reader {
            Some(reader) => {
                while let Some(line) = next(reader, &mut rest)? {
                    out.line(&line)?;
                }
            }
            None => reader = open(&path)?.map(BufReader::new),
        }
        // Another file has its name: the rest of this one was read above, or will be now.
        if let Some(old) = &mut reader
            && let Some(new) = open(&path)?
            && new.metadata()?.ino() != old.get_ref().metadata()?.ino()
        {
            while let Some(line) = next(old, &mut rest)? {
                out.line(&line)?;
            }
            rest.clear();
            reader = Some(BufReader::new(new));
            continue;
        }
        if has_ended {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next whole line; what there is of one that is being written stays in `rest`.
fn next(reader: &mut BufReader<File>, rest: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    // No line is longer than this, whoever wrote it.
    const LONGEST: u64 = 1 << 20;
    reader.by_ref().take(LONGEST).read_until(b'\n', rest)?;
    if rest.last() != Some(&b'\n') {
        return Ok(None);
    }
    rest.pop();
    Ok(Some(std::mem::take(rest)))
}

/// Whether nothing more will come.
fn has_ended(pod: &FoundPod, name: &str) -> bool {
    let Some(record) = pod.refresh() else { return true };
    let state = record.containers.into_iter().find(|container| container.name == name).map(|container| container.state);
    matches!(state, None | Some(ContainerState::Terminated { .. }))
}

struct Output {
    timestamps: bool,
}

impl Output {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(line) = log::parse(line) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(line.text.len() + 40);
        if self.timestamps {
            bytes.extend_from_slice(line.time.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(line.text);
        if line.is_whole || self.timestamps {
            bytes.push(b'\n');
        }
        if line.is_error { io::stderr().lock().write_all(&bytes) } else { io::stdout().lock().write_all(&bytes) }
    }
}
