//! The body of an answer, for as long as its client has not taken it.

use super::connection::Untaken;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What HTTP/2 is given at once. It takes as much as that as soon as the client's window has room for a byte, and keeps
/// what finds none; and so for every stream.
const PIECE: usize = 4 << 10;

/// A body that is there as a whole, and is noted as untaken until the last of it is.
pub(super) struct Answer {
    whole: Full<Bytes>,
    /// What is left of it.
    rest: Bytes,
    /// HTTP/1 is given all at once: its connection notes for itself when it cannot go on.
    untaken: Option<Untaken>,
}

impl Answer {
    pub(super) fn new(whole: Full<Bytes>, untaken: Option<Untaken>) -> Self {
        Self { whole, rest: Bytes::new(), untaken }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.untaken.is_none() {
            return Pin::new(&mut self.whole).poll_frame(cx);
        }
        if self.rest.is_empty() {
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.whole).poll_frame(cx) else {
                return Poll::Ready(None);
            };
            self.rest = frame.into_data().unwrap_or_default();
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.whole.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let whole = self.whole.size_hint().exact().unwrap_or_default();
        SizeHint::with_exact(whole.saturating_add(self.rest.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::Activity;
    use super::*;
    use std::sync::Arc;

    fn pieces(answer: &mut Answer) -> Vec<Bytes> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut pieces = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *answer).poll_frame(&mut cx) {
            pieces.push(frame.into_data().unwrap());
        }
        pieces
    }

    #[test]
    fn an_answer_goes_in_pieces_over_http2_and_whole_over_http1() {
        let activity = Arc::new(Activity::new());
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let text: Bytes = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut whole = Answer::new(Full::new(text.clone()), None);
            assert_eq!(whole.size_hint().exact(), Some(length as u64));
            assert!(pieces(&mut whole).len() <= 1 && whole.is_end_stream());
            let mut answer = Answer::new(Full::new(text.clone()), Some(activity.answered()));
            assert_eq!((answer.size_hint().exact(), answer.is_end_stream()), (Some(length as u64), length == 0));
            let pieces = pieces(&mut answer);
            assert!(pieces.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
            assert_eq!(pieces.concat(), text);
            assert_eq!((answer.size_hint().exact(), answer.is_end_stream()), (Some(0), true));
        }
    }
}
