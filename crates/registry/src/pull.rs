//! Fetching an image: its manifest, chosen by platform, its configuration and its layers, several at a time.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_RANGE, HeaderName, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;
use ringfence_runtime::store::{
    ACCEPTED, Claim, Descriptor, Document, Ingest, MAX_DOCUMENT, Platform, Store, StoreError, choose,
};
use serde::Deserialize;

use super::credentials::{self, Secret};
use super::hosts::Endpoint;
use super::http_client::{Call, Http, next, whole};
use super::reference::Reference;
use super::url::shown;
use super::{RegistryError, auth, challenge, retry};

/// Blobs that come at the same time.
const AT_ONCE: usize = 4;

/// An index may name an index, but not forever.
const MAX_DEPTH: usize = 4;

/// A connection that brings less than this before it breaks is no progress.
const PROGRESS: u64 = 1 << 20;

/// Somebody who watches bytes come.
pub trait Watch {
    /// So many bytes are to come.
    fn expect(&self, bytes: u64);
    /// So many came.
    fn came(&self, bytes: u64);
    /// So many have to come again.
    fn lost(&self, bytes: u64);
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The name in full.
    pub name: String,
    /// What it stands for.
    pub digest: String,
    /// Bytes that came, rather than being here already.
    pub fetched: u64,
}

/// What to fetch, from whom, and where to put it.
pub(crate) struct Asked<'a> {
    pub(crate) http: &'a Http,
    pub(crate) auth_files: &'a [PathBuf],
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) reference: &'a Reference,
    pub(crate) platform: &'a Platform,
    pub(crate) store: &'a Store,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) max_bytes: u64,
    pub(crate) tries: u32,
}

/// One endpoint, with what it was told of who asks.
struct Session<'a> {
    asked: &'a Asked<'a>,
    base: String,
    authorization: RefCell<Option<Secret>>,
    fetched: std::cell::Cell<u64>,
}

pub(crate) async fn pull(asked: &Asked<'_>) -> Result<Pulled, RegistryError> {
    let reference = asked.reference;
    let (session, top) = begin(asked).await?;
    let top_digest = top.descriptor.digest.clone();
    let mut document = top;
    let mut path = vec![document.bytes.clone()];
    let (config, layers) = loop {
        let failed = |source| RegistryError::Document { url: document.url.clone(), source };
        match Document::parse(&document.bytes).map_err(failed)? {
            Document::Image { config, layers } => break (config, layers),
            Document::Index(all) => {
                let Some(best) = choose(&all, asked.platform).first().copied().cloned() else {
                    return Err(no_platform(asked, &all));
                };
                if path.len() >= MAX_DEPTH {
                    let why = "indexes are nested too deeply".to_owned();
                    return Err(RegistryError::Answer { url: document.url, why });
                }
                document = session.manifest(&best.digest).await?;
                path.push(document.bytes.clone());
            }
        }
    };
    if config.size > MAX_DOCUMENT {
        let why = format!("its configuration is larger than {MAX_DOCUMENT} bytes");
        return Err(RegistryError::Answer { url: document.url, why });
    }
    let size = layers.iter().fold(config.size, |sum, layer| sum.saturating_add(layer.size));
    if size > asked.max_bytes {
        return Err(RegistryError::TooLarge { size, limit: asked.max_bytes });
    }
    asked.watch.expect(size);
    // A layer may occur twice.
    let mut blobs: Vec<&Descriptor> = std::iter::once(&config).chain(&layers).collect();
    blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
    blobs.dedup_by(|a, b| a.digest == b.digest);
    let mut coming =
        futures_util::stream::iter(blobs.into_iter().map(|blob| session.blob(blob))).buffer_unordered(AT_ONCE);
    while let Some(done) = coming.next().await {
        done?;
    }
    drop(coming);
    // Last, so that whoever finds a manifest finds all that it names.
    for bytes in path.iter().rev() {
        asked.store.add_document(bytes)?;
    }
    let document = path.first().map(Vec::as_slice).unwrap_or_default();
    let descriptor = Descriptor {
        media_type: media_type(document),
        digest: top_digest.clone(),
        size: document.len() as u64,
        ..Descriptor::default()
    };
    asked.store.tag(&reference.name, descriptor)?;
    Ok(Pulled { name: reference.name.clone(), digest: top_digest, fetched: session.fetched.get() })
}

/// Asks for the manifest, and finds out on the way how to ask this endpoint at all.
async fn begin<'a>(asked: &'a Asked<'a>) -> Result<(Session<'a>, Manifest), RegistryError> {
    let session = |scheme: &str| Session {
        asked,
        base: format!("{scheme}://{}/v2/{}", asked.endpoint.host, asked.endpoint.repository),
        authorization: RefCell::new(None),
        fetched: std::cell::Cell::new(0),
    };
    let secure = session("https");
    if asked.endpoint.plain {
        // Whoever speaks no TLS shows it at once. What was said by one who does is the answer.
        match secure.try_manifest(&asked.reference.version, 1).await {
            Err(RegistryError::Connect { .. }) => {}
            answer => return Ok((secure, answer?)),
        }
        let plain = session("http");
        let answer = plain.manifest(&asked.reference.version).await?;
        return Ok((plain, answer));
    }
    let answer = secure.manifest(&asked.reference.version).await?;
    Ok((secure, answer))
}

struct Manifest {
    url: String,
    bytes: Vec<u8>,
    descriptor: Descriptor,
}

fn no_platform(asked: &Asked<'_>, all: &[Descriptor]) -> RegistryError {
    let known = all.iter().filter_map(|descriptor| descriptor.platform.as_ref());
    RegistryError::Platform {
        name: asked.reference.name.clone(),
        wanted: asked.platform.to_string(),
        offered: known.filter(|platform| platform.os != "unknown").map(ToString::to_string).collect(),
    }
}

fn media_type(document: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        #[serde(default)]
        media_type: String,
    }
    serde_json::from_slice::<Typed>(document).map(|typed| typed.media_type).unwrap_or_default()
}

impl Session<'_> {
    /// A manifest or index by tag or digest, verified when it is a digest.
    async fn manifest(&self, version: &str) -> Result<Manifest, RegistryError> {
        self.try_manifest(version, self.asked.tries).await
    }

    async fn try_manifest(&self, version: &str, tries: u32) -> Result<Manifest, RegistryError> {
        let mut number = 0;
        loop {
            match self.manifest_once(version).await {
                Err(error) => match retry::wait(&error, number, tries) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
                answer => return answer,
            }
            number += 1;
        }
    }

    async fn manifest_once(&self, version: &str) -> Result<Manifest, RegistryError> {
        let wanted = version.contains(':').then_some(version);
        if wanted.is_some_and(|digest| !ringfence_runtime::store::is_digest(digest)) {
            let why = format!("{version} is not a sha256 digest, and no other can be verified");
            return Err(RegistryError::Answer { url: self.base.clone(), why });
        }
        let uri = self.uri(&format!("manifests/{version}"))?;
        let answer = self.get(&uri, &[(ACCEPT, ACCEPTED.join(", "))]).await?;
        let said = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let said = said.filter(|digest| ringfence_runtime::store::is_digest(digest)).map(str::to_owned);
        let url = shown(&uri);
        let bytes = whole(answer.into_body(), &uri, MAX_DOCUMENT).await?;
        // A document in this form has no digest that could be pinned; say what it is rather than that it does not match.
        if let Err(source @ ringfence_runtime::store::DocumentError::Schema1) = Document::parse(&bytes) {
            return Err(RegistryError::Document { url, source });
        }
        let found = digest_of(&bytes);
        if let Some(wanted) = wanted.map(str::to_owned).or(said).filter(|wanted| *wanted != found) {
            return Err(RegistryError::Digest { url, wanted, found });
        }
        let descriptor = Descriptor { digest: found, size: bytes.len() as u64, ..Descriptor::default() };
        Ok(Manifest { url, bytes, descriptor })
    }

    /// Fetches a blob, or waits for whoever does.
    async fn blob(&self, blob: &Descriptor) -> Result<(), RegistryError> {
        let watch = self.asked.watch;
        let mut damaged = false;
        loop {
            let mut ingest = match self.asked.store.claim(&blob.digest, blob.size)? {
                Claim::Present => {
                    watch.came(blob.size);
                    return Ok(());
                }
                Claim::Busy => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Claim::Yours(ingest) => ingest,
            };
            watch.came(ingest.have());
            self.fill(&mut ingest).await?;
            let size = ingest.size();
            match ingest.commit() {
                Ok(()) => return Ok(()),
                // What an earlier try has left may have been wrong; all of it comes again, once.
                Err(StoreError::Digest { .. }) if !damaged => {
                    damaged = true;
                    watch.lost(size);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fetches until all is here, taking up where a connection broke.
    async fn fill(&self, ingest: &mut Ingest) -> Result<(), RegistryError> {
        let uri = self.uri(&format!("blobs/{}", ingest.digest()))?;
        let mut number = 0;
        while ingest.have() < ingest.size() {
            let before = ingest.have();
            let Err(error) = self.part(&uri, ingest).await else { continue };
            if ingest.have() >= before + PROGRESS {
                number = 0;
            }
            match retry::wait(&error, number, self.asked.tries) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
            number += 1;
        }
        Ok(())
    }

    /// One connection's worth of a blob.
    async fn part(&self, uri: &Uri, ingest: &mut Ingest) -> Result<(), RegistryError> {
        let have = ingest.have();
        let headers: &[(HeaderName, String)] = if have > 0 { &[(RANGE, format!("bytes={have}-"))] } else { &[] };
        let answer = match self.get(uri, headers).await {
            // It does not have that much, or will not give a part.
            Err(RegistryError::Status { status: 416, .. }) if have > 0 => {
                self.asked.watch.lost(have);
                ingest.restart()?;
                self.get(uri, &[]).await?
            }
            answer => answer?,
        };
        let continues = answer.status() == StatusCode::PARTIAL_CONTENT && starts_at(&answer, ingest.have());
        if ingest.have() > 0 && !continues {
            self.asked.watch.lost(ingest.have());
            ingest.restart()?;
            if answer.status() == StatusCode::PARTIAL_CONTENT {
                let why = "it answered with another part than was asked for".to_owned();
                return Err(RegistryError::Answer { url: shown(uri), why });
            }
        }
        let mut body = answer.into_body();
        while let Some(data) = next(&mut body, uri).await? {
            ingest.write(&data)?;
            self.asked.watch.came(data.len() as u64);
            self.fetched.set(self.fetched.get() + data.len() as u64);
        }
        if ingest.have() < ingest.size() {
            let why = format!("the answer ended after {} of {} bytes", ingest.have(), ingest.size());
            return Err(RegistryError::Connect { url: shown(uri), why });
        }
        Ok(())
    }

    fn uri(&self, rest: &str) -> Result<Uri, RegistryError> {
        let text = format!("{}/{rest}", self.base);
        text.parse().map_err(|_| RegistryError::Setup(format!("{text} is no address")))
    }

    /// A successful answer; credentials are given when they are asked for.
    async fn get(&self, uri: &Uri, headers: &[(HeaderName, String)]) -> Result<Response<Incoming>, RegistryError> {
        let mut told = false;
        loop {
            let authorization = self.authorization.borrow().clone();
            let call = Call { uri, authorization: authorization.as_ref(), headers, form: None };
            let answer = self.asked.http.call(call).await?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                if answer.status().is_success() {
                    return Ok(answer);
                }
                return Err(status_error(answer, uri).await);
            }
            if told {
                let why = "it refuses the credentials".to_owned();
                return Err(RegistryError::Unauthorized { registry: shown(uri), why });
            }
            told = true;
            let offered = answer.headers().get_all(WWW_AUTHENTICATE);
            let challenges: Vec<_> =
                offered.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
            drop(answer);
            let Asked { endpoint, auth_files, http, .. } = self.asked;
            let credentials = credentials::find(auth_files, &endpoint.host, &endpoint.repository)?;
            let secret = auth::answer(http, uri, &endpoint.repository, &challenges, credentials.as_ref()).await?;
            *self.authorization.borrow_mut() = Some(secret);
        }
    }
}

/// Whether a part begins where it shall (RFC 9110, section 14.4).
fn starts_at(answer: &Response<Incoming>, have: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse::<u64>().ok());
    start == Some(have)
}

/// What a registry says when it does not give what was asked for (distribution-spec, "Error Codes").
pub(crate) async fn status_error(answer: Response<Incoming>, uri: &Uri) -> RegistryError {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Said>,
    }
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        message: String,
    }
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let bytes = whole(answer.into_body(), uri, 64 << 10).await.unwrap_or_default();
    let said = serde_json::from_slice::<Errors>(&bytes).ok().and_then(|errors| errors.errors.into_iter().next());
    let said: String = said.map(|said| said.message).unwrap_or_default().chars().take(200).collect();
    let said = said.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    RegistryError::Status { url: shown(uri), status, said, retry_after }
}

fn digest_of(bytes: &[u8]) -> String {
    ringfence_runtime::store::digest(bytes)
}
