//! One connection: what it is allowed to take, and when it has been quiet for too long.

use crate::settings::Limits;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection is doing. Times are milliseconds since it began.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    under_way: AtomicU32,
    any_request: AtomicBool,
    /// When the last request began or was answered.
    last_request: AtomicU64,
    /// When the first byte since then came, or 0.
    first_byte: AtomicU64,
    /// Since when the peer takes nothing, or 0.
    blocked: AtomicU64,
    /// HTTP/2 has bytes of its own between requests.
    is_http2: AtomicBool,
    /// Since when each answer waits that the client has not taken, where the connection does not show it: over HTTP/2 a
    /// client takes bytes and no answers if it likes. No longer than there are streams.
    untaken: Mutex<Vec<u64>>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stay,
    /// It has nothing to do: say goodbye.
    Close,
    /// It keeps us waiting: hang up.
    Drop,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            under_way: AtomicU32::new(0),
            any_request: AtomicBool::new(false),
            last_request: AtomicU64::new(0),
            first_byte: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            untaken: Mutex::default(),
        }
    }

    fn now(&self) -> u64 {
        // Never 0, which means never.
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Notes a request; it is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, is_http2: bool) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        self.any_request.store(true, Relaxed);
        self.is_http2.store(is_http2, Relaxed);
        self.mark();
        UnderWay(Arc::clone(self))
    }

    /// Notes an answer; it is untaken until the guard is dropped.
    pub(super) fn answered(self: &Arc<Self>) -> Untaken {
        let since = self.now();
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner).push(since);
        Untaken { activity: Arc::clone(self), since }
    }

    fn mark(&self) {
        self.last_request.store(self.now(), Relaxed);
        self.first_byte.store(0, Relaxed);
    }

    /// Judges the connection. Under pressure, idle ones make room for others.
    pub(super) fn fate(&self, limits: &Limits, pressure: bool) -> Fate {
        let now = self.now();
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && since(blocked) > limits.header {
            return Fate::Drop;
        }
        let oldest = self.untaken.lock().unwrap_or_else(PoisonError::into_inner).iter().min().copied();
        if oldest.is_some_and(|oldest| since(oldest) > limits.header) {
            return Fate::Drop;
        }
        if self.under_way.load(Relaxed) > 0 {
            // A body has its own time.
            return Fate::Stay;
        }
        let first_byte = self.first_byte.load(Relaxed);
        let slow = !self.is_http2.load(Relaxed) && first_byte != 0 && since(first_byte) > limits.header;
        if slow || (!self.any_request.load(Relaxed) && since(0) > limits.header) {
            return Fate::Drop;
        }
        let idle = if pressure { Duration::from_secs(1) } else { limits.idle };
        if since(self.last_request.load(Relaxed)) > idle { Fate::Close } else { Fate::Stay }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.mark();
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// An answer that waits for its client.
#[derive(Debug)]
pub(super) struct Untaken {
    activity: Arc<Activity>,
    since: u64,
}

impl Drop for Untaken {
    fn drop(&mut self) {
        let mut all = self.activity.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers of one moment are alike.
        if let Some(at) = all.iter().position(|since| *since == self.since) {
            all.swap_remove(at);
        }
    }
}

/// A stream that notes when bytes come, and when they cannot go.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() && self.activity.first_byte.load(Relaxed) == 0 {
            self.activity.first_byte.store(self.activity.now(), Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        let blocked = &self.activity.blocked;
        if polled.is_ready() {
            blocked.store(0, Relaxed);
        } else if blocked.load(Relaxed) == 0 {
            blocked.store(self.activity.now(), Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(header: u64, idle: u64) -> Limits {
        let (header, idle) = (Duration::from_millis(header), Duration::from_millis(idle));
        Limits { header, idle, ..Limits::default() }
    }

    #[test]
    fn who_never_asks_anything_is_dropped() {
        let activity = Activity::new();
        assert_eq!(activity.fate(&limits(10_000, 10_000), false), Fate::Stay);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(activity.fate(&limits(5, 10_000), false), Fate::Drop);
    }

    #[test]
    fn a_request_that_trickles_in_is_dropped_and_an_idle_connection_closed() {
        let activity = Arc::new(Activity::new());
        drop(activity.begin(false));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(activity.fate(&limits(5, 10_000), false), Fate::Stay);
        assert_eq!(activity.fate(&limits(5, 5), false), Fate::Close);
        activity.first_byte.store(activity.now(), Relaxed);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(activity.fate(&limits(5, 10_000), false), Fate::Drop);
    }

    #[test]
    fn a_request_under_way_is_let_be_unless_nobody_takes_the_answer() {
        let activity = Arc::new(Activity::new());
        let _under_way = activity.begin(false);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(activity.fate(&limits(5, 5), true), Fate::Stay);
        activity.blocked.store(1, Relaxed);
        assert_eq!(activity.fate(&limits(5, 5), true), Fate::Drop);
    }

    #[test]
    fn who_takes_one_answer_and_leaves_another_is_dropped() {
        let activity = Arc::new(Activity::new());
        let left = activity.answered();
        std::thread::sleep(Duration::from_millis(20));
        drop(activity.answered());
        assert_eq!(activity.fate(&limits(10_000, 10_000), false), Fate::Stay);
        assert_eq!(activity.fate(&limits(5, 10_000), false), Fate::Drop);
        drop(left);
        drop(activity.begin(true));
        assert_eq!(activity.fate(&limits(5, 10_000), false), Fate::Stay);
    }
}
