//! A request's body, within what one may weigh, how long it may take, and what all may weigh together.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Room for bodies is counted in kibibytes.
const UNIT: usize = 1024;

/// A whole body. The room that it takes is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Body<'s> {
    pub(crate) bytes: Bytes,
    _room: Option<SemaphorePermit<'s>>,
}

/// Room for the bodies of all requests.
pub(crate) fn room(bytes: usize) -> Semaphore {
    Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    Empty,
    Unreadable,
    TooLarge,
    TooSlow,
    NoRoom,
}

impl BodyError {
    /// The status, and the words of the reference where it has any.
    pub(crate) fn reply(self, limit: usize) -> (StatusCode, String) {
        match self {
            Self::Empty => (StatusCode::BAD_REQUEST, "request body is empty".to_owned()),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "unable to read the body from the incoming request".to_owned())
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("request entity is too large; limit is {limit} bytes"))
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".to_owned()),
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "too many large requests at one time".to_owned()),
        }
    }
}

/// Reads the body. One of `limit` bytes is already too large.
pub(crate) async fn read(
    body: Incoming,
    limit: usize,
    time: Duration,
    room: &Semaphore,
) -> Result<Body<'_>, BodyError> {
    if body.is_end_stream() {
        return Err(BodyError::Empty);
    }
    if body.size_hint().lower() >= limit as u64 {
        return Err(BodyError::TooLarge);
    }
    tokio::time::timeout(time, collect(body, limit, room)).await.map_err(|_| BodyError::TooSlow)?
}

async fn collect(mut body: Incoming, limit: usize, room: &Semaphore) -> Result<Body<'_>, BodyError> {
    let mut taken: Option<SemaphorePermit<'_>> = None;
    let mut weight = 0;
    let mut take = |length: usize| {
        let needed = u32::try_from(length.div_ceil(UNIT)).map_err(|_| BodyError::TooLarge)?;
        if needed > weight {
            // Waiting for room would keep what is here already.
            let more = room.try_acquire_many(needed - weight).map_err(|_| BodyError::NoRoom)?;
            weight = needed;
            match &mut taken {
                Some(taken) => taken.merge(more),
                none => *none = Some(more),
            }
        }
        Ok(())
    };
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Unreadable)?.into_data() else { continue };
        length += data.len();
        if length >= limit {
            return Err(BodyError::TooLarge);
        }
        take(length)?;
        // Most bodies come in one piece, which needs no copy.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    let bytes = if all.is_empty() { first } else { all.freeze() };
    if bytes.is_empty() { Err(BodyError::Empty) } else { Ok(Body { bytes, _room: taken }) }
}
