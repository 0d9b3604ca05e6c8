//! Server-sent events, as much of them as the gateway sends.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::error::{Error, Result};
use crate::send::reason;

/// More than any event needs.
const EVENT_LIMIT: usize = 1 << 20;

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    pub data: String,
}

/// Bytes in, events out.
pub(crate) struct Events {
    body: Body,
    unread: Vec<u8>,
}

impl Events {
    pub fn new(body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static) -> Self {
        Self { body: Box::pin(body), unread: Vec::new() }
    }

    /// The next event; none when the gateway ends the answer.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        let mut event = Event::default();
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" if event.data.is_empty() => value.clone_into(&mut event.data),
                "data" => {
                    event.data.push('\n');
                    event.data.push_str(value);
                }
                // The empty line ends an event. A comment that keeps the connection alive is followed by one too.
                "" if line.is_empty() && !event.name.is_empty() => return Ok(Some(event)),
                _ => {}
            }
        }
    }

    async fn line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.drain(..=end).collect::<Vec<_>>();
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
            if self.unread.len() > EVENT_LIMIT {
                return Err(Error::Protocol("it tells of an endless event".to_owned()));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(Error::Unreachable(reason(&error))),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_whole_however_they_are_cut() {
        let text = ": hello\n\nevent: progress\r\ndata: {\"a\":1,\r\ndata: \"b\":2}\r\n\r\nid: 7\nevent:end\n\n: x\n";
        for piece in [1, 3, 1000] {
            let pieces: Vec<_> =
                text.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let mut events = Events::new(futures::stream::iter(pieces));
            let next = |events: &mut Events| futures::executor::block_on(events.next()).unwrap();
            let event = |name: &str, data: &str| Event { name: name.to_owned(), data: data.to_owned() };
            assert_eq!(next(&mut events), Some(event("progress", "{\"a\":1,\n\"b\":2}")));
            assert_eq!(next(&mut events), Some(event("end", "")));
            assert_eq!(next(&mut events), None);
        }
    }
}
