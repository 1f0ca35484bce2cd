//! What a server says while it runs: a JSON object a line on standard error, or plain text.
//!
//! Nothing waits for the log. Lines go through a queue of bounded length to a thread of their own; when nobody reads
//! them, or the disk is full, they are dropped, and how many is said as soon as there is room again.

mod out;

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use out::Out;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that may wait.
const QUEUE: usize = 4096;
/// Longer values are cut: a log is no place for objects.
const LONGEST: usize = 2048;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

/// From which level on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum From {
    /// What failed.
    Error,
    /// What is not as it should be.
    Warn,
    /// Refusals, and what happens to the server.
    Info,
    /// Every request.
    Debug,
}

impl From {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}

/// Logs from now on, for the whole process.
pub(crate) fn start(format: Format, from: From) {
    let (lines, queue) = sync_channel(QUEUE);
    let dropped = Arc::<AtomicU64>::default();
    let lost = Arc::clone(&dropped);
    let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&queue, &lost));
    if writer.is_err() {
        return;
    }
    let log = Log { format, from: from.level(), lines, dropped };
    // It is started once; a second subscriber would only be refused.
    let _ = tracing::subscriber::set_global_default(log);
}

fn write(queue: &Receiver<String>, lost: &AtomicU64) {
    let mut err = Out::new(std::io::stderr());
    while let Ok(mut line) = queue.recv() {
        // What else is there goes out in one piece.
        while line.len() < 64 << 10
            && let Ok(more) = queue.try_recv()
        {
            line.push_str(&more);
        }
        // There is nowhere to say that nothing can be said, for now.
        lost.fetch_add(err.lines(&line), Relaxed);
    }
}

struct Log {
    format: Format,
    from: Level,
    lines: SyncSender<String>,
    /// Lines that are not there, and were not told of.
    dropped: Arc<AtomicU64>,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Others' crates are heard only when something is wrong; what the client meets with is told by who follows.
        let target = metadata.target();
        let from = if target.starts_with("ringfence") {
            self.from
        } else if target.starts_with("kube") && self.from < Level::DEBUG {
            return false;
        } else {
            self.from.min(Level::WARN)
        };
        metadata.is_event() && *metadata.level() <= from
    }

    fn event(&self, event: &Event<'_>) {
        let dropped = self.dropped.swap(0, Relaxed);
        let mut fields = Fields::default();
        event.record(&mut fields);
        if dropped > 0 {
            fields.0.insert("droppedBefore".to_owned(), dropped.into());
        }
        let message = fields.0.remove("message").unwrap_or_default();
        let (time, level) = (jiff::Timestamp::now(), event.metadata().level());
        let line = match self.format {
            Format::Json => {
                let mut line = Map::new();
                line.insert("time".to_owned(), format!("{time:.6}").into());
                line.insert("level".to_owned(), level.as_str().to_lowercase().into());
                line.insert("message".to_owned(), message);
                line.extend(fields.0);
                format!("{}\n", Value::Object(line))
            }
            Format::Text => {
                let mut line = format!("{time:.3} {level:5} {}", plain(&message));
                for (name, value) in &fields.0 {
                    // Writing to a string cannot fail.
                    let _ = write!(line, " {name}={}", plain(value));
                }
                line + "\n"
            }
        };
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// On one line, with terminal escapes defused.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            format!("{:?}", text.as_str())
        }
        Value::String(text) => crate::view::clean(text).into_owned(),
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, mut text: String) {
        if text.len() > LONGEST {
            let end = text.floor_char_boundary(LONGEST);
            text.truncate(end);
            text.push('…');
        }
        self.0.insert(field.name().to_owned(), text.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
