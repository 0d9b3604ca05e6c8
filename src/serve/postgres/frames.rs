//! How long a message may be: little from somebody unknown, and never more than a statement with its parameters.
//!
//! The protocol says the length of a message before its body. The decoder waits for all of it and keeps what has come, so
//! a length is looked at here, on the way, before anything is kept for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest message before the client is known: its name and its token.
const UNKNOWN: usize = 64 << 10;

/// The largest message of a known client.
const KNOWN: usize = 16 << 20;

/// Follows the boundaries of messages through the bytes of a connection.
#[derive(Debug)]
struct Frames {
    /// What is there of the next header: a type, which the first message has not, and four bytes of length.
    header: Vec<u8>,
    is_first: bool,
    /// Bytes until the next header.
    left: usize,
    largest: usize,
}

impl Frames {
    fn new() -> Self {
        Self { header: Vec::with_capacity(5), is_first: true, left: 0, largest: UNKNOWN }
    }

    /// Looks at what has come; an error when a message is longer than it may be, or shorter than its own length.
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((first, rest)) = bytes.split_first() else { break };
            self.header.push(*first);
            bytes = rest;
            self.left = self.body()?;
        }
        Ok(())
    }

    /// The length of the body, once the header is whole.
    fn body(&mut self) -> io::Result<usize> {
        let from = usize::from(!self.is_first);
        let Some(length) = self.header.get(from..from + 4) else { return Ok(0) };
        let length = length.try_into().map_or(-1, i32::from_be_bytes);
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        match body {
            Some(body) if body <= self.largest => {
                self.header.clear();
                self.is_first = false;
                Ok(body)
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a message has a length of {length}, and may have {}", self.largest),
            )),
        }
    }
}

/// Whether every message in `bytes`, which come in parts of `size`, has a length that one of somebody unknown may have.
pub(crate) fn lengths_fit(bytes: &[u8], size: usize) -> bool {
    let mut frames = Frames::new();
    bytes.chunks(size.max(1)).all(|part| frames.see(part).is_ok())
}

/// A connection whose messages have a length that they may have.
pub(super) struct Measured {
    inner: MaybeTls,
    frames: Frames,
}

impl Measured {
    /// `inner`, from which `read` has been read already.
    pub fn new(inner: MaybeTls, read: &[u8]) -> io::Result<Self> {
        let mut frames = Frames::new();
        frames.see(read)?;
        Ok(Self { inner, frames })
    }

    /// The client is known.
    pub fn trust(&mut self) {
        self.frames.largest = KNOWN;
    }
}

impl AsyncRead for Measured {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &outcome {
            this.frames.see(buffer.filled().get(before..).unwrap_or_default())?;
        }
        outcome
    }
}

impl AsyncWrite for Measured {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Option<u8>, body: usize) -> Vec<u8> {
        let length = i32::try_from(body + 4).unwrap().to_be_bytes();
        kind.into_iter().chain(length).chain(std::iter::repeat_n(b'x', body)).collect()
    }

    #[test]
    fn lengths_are_found_however_the_bytes_come() {
        let whole = [message(None, 10), message(Some(b'p'), 0), message(Some(b'Q'), 70)].concat();
        for size in 1..=whole.len() {
            let mut frames = Frames::new();
            whole.chunks(size).for_each(|part| frames.see(part).unwrap());
            assert_eq!((frames.left, frames.header.len()), (0, 0), "in parts of {size}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_refused_before_its_body_comes() {
        let of = |first: &[u8], second: &[u8]| {
            let mut frames = Frames::new();
            frames.see(first).and_then(|()| frames.see(second))
        };
        let first = message(None, 4);
        for length in [-1, 0, 3, i32::MIN, i32::MAX, 64 * 1024 + 5] {
            let typed = [&[b'Q'][..], &length.to_be_bytes()].concat();
            assert!(of(&first, &typed).is_err(), "{length}");
            assert!(of(&length.to_be_bytes(), &[]).is_err(), "{length}");
        }
        assert!(of(&first, &message(Some(b'Q'), 64 * 1024)).is_ok());
    }

    #[test]
    fn who_is_known_may_say_more() {
        let mut frames = Frames::new();
        frames.see(&message(None, 4)).unwrap();
        frames.largest = KNOWN;
        frames.see(&message(Some(b'Q'), KNOWN)).unwrap();
        assert!(frames.see(&[&[b'Q'][..], &i32::MAX.to_be_bytes()].concat()).is_err());
    }
}
