//! Accepting connections, and ending without losing a request.

use super::answer::Answer;
use super::connection::{Activity, Fate, Watched};
use super::respond::Reply;
use crate::metrics::Metrics;
use crate::settings::{Limits, Settings};
use crate::tls::Identity;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often a connection is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long to wait when the system has no more descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Answers requests.
pub(crate) trait Site: Send + Sync + 'static {
    /// Answers a request, whatever it is.
    fn answer(&self, limits: &Limits, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;

    /// Where to count what goes wrong.
    fn metrics(&self) -> &Metrics;

    /// How many connections to it are open.
    fn open(&self) -> &AtomicU64;

    /// Whether everybody is to turn elsewhere.
    fn is_draining(&self) -> bool;
}

/// Serves until `end` says so, then lets everything that is under way finish. Without an identity there is no TLS.
pub(crate) async fn serve<S: Site>(
    site: Arc<S>,
    settings: Settings,
    listener: TcpListener,
    identity: Option<Arc<Identity>>,
    mut end: watch::Receiver<bool>,
) {
    let settings = Arc::new(settings);
    let (drain, _) = watch::channel(false);
    // Every connection holds one; when the last is gone, so are they.
    let (alive, mut gone) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = end.wait_for(|end| *end) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                site.metrics().failures.add(["accept".into()]);
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let open = site.open().load(Relaxed);
        if open >= settings.limits.connections as u64 {
            site.metrics().connections_refused.fetch_add(1, Relaxed);
            continue;
        }
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        site.open().fetch_add(1, Relaxed);
        let (site, settings, identity) = (Arc::clone(&site), Arc::clone(&settings), identity.clone());
        let (drain, alive) = (drain.subscribe(), alive.clone());
        tokio::spawn(async move {
            let counted = Counted(Arc::clone(&site));
            connect(site, &settings, stream, identity, drain).await;
            drop((counted, alive));
        });
    }
    drop(listener);
    drain.send_replace(true);
    drop(alive);
    let all_gone = gone.recv();
    if tokio::time::timeout(settings.drain_timeout, all_gone).await.is_err() {
        tracing::warn!(connections = site.open().load(Relaxed), "requests under way took too long");
    }
}

/// An open connection, however its task ends.
struct Counted<S: Site>(Arc<S>);

impl<S: Site> Drop for Counted<S> {
    fn drop(&mut self) {
        self.0.open().fetch_sub(1, Relaxed);
    }
}

async fn connect<S: Site>(
    site: Arc<S>,
    settings: &Settings,
    stream: TcpStream,
    identity: Option<Arc<Identity>>,
    drain: watch::Receiver<bool>,
) {
    let Some(identity) = identity else {
        return converse(site, settings, stream, drain).await;
    };
    match tokio::time::timeout(settings.limits.header, identity.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => match identity.check_peer(stream.get_ref().1) {
            Ok(()) => converse(site, settings, stream, drain).await,
            Err(reason) => {
                site.metrics().failures.add(["client_certificate".into()]);
                tracing::warn!(%reason, "refused a client");
            }
        },
        Ok(Err(error)) => {
            site.metrics().failures.add(["tls_handshake".into()]);
            tracing::debug!(%error, "no TLS connection");
        }
        Err(_) => site.metrics().failures.add(["tls_handshake".into()]),
    }
}

async fn converse(
    site: Arc<impl Site>,
    settings: &Settings,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut drain: watch::Receiver<bool>,
) {
    let activity = Arc::new(Activity::new());
    let limits = settings.limits;
    let service = {
        let (site, activity) = (Arc::clone(&site), Arc::clone(&activity));
        service_fn(move |request| {
            let is_http2 = request.version() == hyper::Version::HTTP_2;
            let (site, activity) = (Arc::clone(&site), Arc::clone(&activity));
            let under_way = activity.begin(is_http2);
            async move {
                let mut reply = site.answer(&limits, request).await;
                // HTTP/2 has a goodbye of its own. Without one, a connection could be closed on who is about to ask.
                if !is_http2 && site.is_draining() {
                    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                let untaken = is_http2.then(|| activity.answered());
                drop(under_way);
                Ok::<_, std::convert::Infallible>(reply.map(|body| Answer::new(body, untaken)))
            }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A header is read into this buffer, which so is also its limit.
    builder.http1().timer(TokioTimer::new()).max_buf_size(64 << 10).max_headers(64).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(16 << 10)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut leaving = false;
    let mut goodbye: Option<Instant> = None;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            _ = drain.wait_for(|drain| *drain), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => {
                let pressure = site.open().load(Relaxed) * 4 >= limits.connections as u64 * 3;
                match activity.fate(&limits, pressure) {
                    Fate::Stay => {}
                    // Over HTTP/2 a client may keep answers waiting by taking none, and with them the connection.
                    Fate::Close if goodbye.is_some_and(|since| since.elapsed() > limits.header) => {
                        site.metrics().failures.add(["slow_client".into()]);
                        return;
                    }
                    Fate::Close => {
                        goodbye.get_or_insert_with(Instant::now);
                        if !leaving {
                            leaving = true;
                            connection.as_mut().graceful_shutdown();
                        }
                    }
                    Fate::Drop => {
                        site.metrics().failures.add(["slow_client".into()]);
                        return;
                    }
                }
            }
        }
    }
}
