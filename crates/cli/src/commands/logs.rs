//! `ringfence logs`.

mod files;
mod since;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use files::Files;
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

    /// Only the last lines; -1 is all.
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1..))]
    tail: i64,

    /// Only lines that are not older, such as 5s, 2m or 3h.
    #[arg(long, value_name = "DURATION", value_parser = since::duration, conflicts_with = "since_time")]
    since: Option<Duration>,

    /// Only lines from this time on (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = since::time)]
    since_time: Option<String>,

    /// At most as many bytes; 0 is all.
    #[arg(long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
    limit_bytes: u64,

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
    let since = match args.since {
        // As with kubectl, no time at all is all of it.
        Some(Duration::ZERO) => None,
        Some(duration) => Some(since::ago(duration)),
        None => args.since_time.clone(),
    };
    let left = if args.limit_bytes == 0 { u64::MAX } else { args.limit_bytes };
    let mut out = Output { timestamps: args.timestamps, since, left, is_new_line: true };
    let mut files = Files::open(&path)?;
    // -1, and only that, is no number of lines.
    if let Ok(limit) = usize::try_from(args.tail) {
        let mut last: VecDeque<Vec<u8>> = VecDeque::new();
        while let Some(line) = files.line()? {
            last.push_back(line);
            if last.len() > limit {
                last.pop_front();
            }
        }
        for line in &last {
            out.line(line)?;
        }
    }
    let mut told = Told::default();
    loop {
        let has_ended = !args.follow || has_ended(pod, name);
        while out.left > 0
            && let Some(line) = files.line()?
        {
            // What was never read is told of where it is missing.
            told.gap(files.has_gap);
            out.line(&line)?;
        }
        told.lost(log::lost(&path)?);
        if has_ended || out.left == 0 {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

/// What has been said of lines that are missing: each thing once.
#[derive(Default)]
struct Told {
    gap: bool,
    lost: bool,
}

impl Told {
    fn gap(&mut self, is_there: bool) {
        if is_there && !std::mem::replace(&mut self.gap, is_there) {
            super::complain("lines are missing: the oldest files of the log went before they were read");
        }
    }

    fn lost(&mut self, lines: u64) {
        if lines > 0 && !std::mem::replace(&mut self.lost, true) {
            super::complain(&format!(
                "lines are missing: the disk was full when the container printed {lines} of them"
            ));
        }
    }
}

/// Whether nothing more will come.
fn has_ended(pod: &FoundPod, name: &str) -> bool {
    let Some(record) = pod.refresh() else { return true };
    let state = record.containers.into_iter().find(|container| container.name == name).map(|container| container.state);
    matches!(state, None | Some(ContainerState::Terminated { .. }))
}

struct Output {
    timestamps: bool,
    /// Lines of before are not shown.
    since: Option<String>,
    /// So many bytes more.
    left: u64,
    /// Whether the last line was whole: the next begins one.
    is_new_line: bool,
}

impl Output {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(line) = log::parse(line) else { return Ok(()) };
        if self.since.as_deref().is_some_and(|since| line.time < since) {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(line.text.len() + 40);
        if self.timestamps && self.is_new_line {
            bytes.extend_from_slice(line.time.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(line.text);
        if line.is_whole {
            bytes.push(b'\n');
        }
        self.is_new_line = line.is_whole;
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        if line.is_error { io::stderr().lock().write_all(&bytes) } else { io::stdout().lock().write_all(&bytes) }
    }
}
