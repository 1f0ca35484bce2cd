//! A server, from its settings to its end.

use crate::app::App;
use crate::events::Events;
use crate::otel::Exporter;
use crate::page::{Page, PageSite};
use crate::settings::Settings;
use crate::source::Source;
use crate::tls::{Identity, TlsError, TlsFiles};
use ringfence_admission::pod_security::PodSecurity;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate, its key or the clients' authority is of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Traces cannot be sent.
    #[error("cannot set up TLS for traces")]
    Traces(#[source] rustls::Error),
    /// The system does not let signals be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Takes an address. This comes before a sandbox, which may take the right to a low port away.
pub fn listen(address: SocketAddr) -> Result<std::net::TcpListener, ServeError> {
    let taken = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    taken.map_err(|source| ServeError::Listen { address, source })
}

/// A server that listens already and answers nobody yet.
pub struct Server {
    app: Arc<App>,
    settings: Settings,
    /// For the webhooks, if there are any.
    listener: Option<TcpListener>,
    identity: Option<Arc<Identity>>,
    page: Option<(Arc<PageSite>, TcpListener)>,
    exporter: Option<Exporter>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads the certificate, and serves on a socket that [`listen`] gave; without one, there are no webhooks. Without
    /// TLS files everything goes in the clear. Must be called within a tokio runtime.
    pub fn new(
        settings: Settings,
        listener: Option<std::net::TcpListener>,
        tls: Option<TlsFiles>,
        pod_security: PodSecurity,
        source: Arc<dyn Source>,
    ) -> Result<Self, ServeError> {
        let kept = tls.as_ref().and_then(|tls| tls.kept.clone());
        let identity = tls.map(Identity::load).transpose()?.map(Arc::new);
        let address = settings.listen;
        let listener = listener.map(|listener| of_tokio(listener, address)).transpose()?;
        let exporter = settings.traces.clone().map(Exporter::new).transpose().map_err(ServeError::Traces)?;
        let app = Arc::new(App::new(pod_security, source, &settings, kept, exporter.as_ref()));
        Ok(Self { app, settings, listener, identity, page: None, exporter })
    }

    /// Serves a page to look at the cluster with, too.
    pub fn with_page(mut self, page: Page) -> Result<Self, ServeError> {
        let Page { listener, address, hosts, about } = page;
        let listener = of_tokio(listener, address)?;
        self.page = Some((Arc::new(PageSite::new(Arc::clone(&self.app), hosts, about)), listener));
        Ok(self)
    }

    /// Tells of refused pods in events, too.
    #[must_use]
    pub fn with_events(self, events: Arc<Events>) -> Self {
        // Whoever was to tell of them before goes on with it.
        let _ = self.app.events.set(events);
        self
    }

    /// Where it listens for reviews, if it does: the port, if the settings left it to the system.
    pub fn address(&self) -> Option<SocketAddr> {
        let listener = self.listener.as_ref()?;
        // A socket that listens has an address.
        Some(listener.local_addr().unwrap_or(self.settings.listen))
    }

    /// Where the page is, if there is one.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().and_then(|(_, listener)| listener.local_addr().ok())
    }

    /// Serves until SIGTERM or SIGINT, and then until what is under way is answered. A second signal ends it at once.
    pub async fn run(self) -> Result<(), ServeError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let exporting = self.exporter.map(Exporter::start);
        let (end, ended) = watch::channel(false);
        let (app, delay) = (Arc::clone(&self.app), self.settings.drain_delay);
        let reloading =
            self.identity.as_ref().map(|identity| tokio::spawn(Arc::clone(identity).keep_fresh(Arc::clone(&app))));
        let sparing = tokio::spawn(crate::spare::when_ready(Arc::clone(&app)));
        let jumps = tokio::spawn(ringfence_live::jumps(|jump| {
            tracing::warn!(seconds = jump.as_secs_f64(), "the system's clock jumped");
        }));
        let page_settings = Settings { limits: crate::page::LIMITS, ..self.settings.clone() };
        let page_ended = ended.clone();
        let webhooks = async {
            if let Some(listener) = self.listener {
                crate::http::serve(Arc::clone(&app), self.settings, listener, self.identity, ended).await;
            }
        };
        let page = async {
            if let Some((site, listener)) = self.page {
                let warming = tokio::spawn(Arc::clone(&site).warm());
                crate::http::serve(site, page_settings, listener, None, page_ended).await;
                warming.abort();
            }
        };
        let serving = async {
            tokio::join!(webhooks, page);
        };
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = serving.as_mut() => return Ok(()),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.drain();
        sparing.abort();
        tracing::info!(delay_seconds = delay.as_secs_f64(), "told to end: not ready any more, still answering");
        let ending = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            end.send_replace(true);
        });
        tokio::select! {
            () = serving.as_mut() => {}
            _ = terminate.recv() => tracing::warn!("told again to end: at once"),
            _ = interrupt.recv() => tracing::warn!("told again to end: at once"),
        }
        ending.abort();
        if let Some(exporting) = exporting {
            exporting.flush().await;
        }
        jumps.abort();
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        tracing::info!("ended");
        Ok(())
    }
}

fn of_tokio(listener: std::net::TcpListener, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::from_std(listener).map_err(|source| ServeError::Listen { address, source })
}
