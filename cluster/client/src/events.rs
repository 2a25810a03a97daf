//! A session's views, as a node sends them while it is worked on.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use quorate_request::{RequestStatus, SessionView};
use tokio::time::timeout;

use crate::error::ClientError;
use crate::exchange::{MAX_ANSWER_BYTES, with_causes};

/// How long a node may say nothing. It says every 15 seconds that it is there.
pub(crate) const SILENCE: Duration = Duration::from_secs(45);

/// A session's views: that of now, and each time it changes, until it has ended. A reader that is slow misses views in
/// between, never the last.
#[derive(Debug)]
pub struct SessionEvents {
    body: Incoming,
    lines: Lines,
    ended: bool,
}

impl SessionEvents {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, lines: Lines::default(), ended: false }
    }

    /// The next view; none after that in which the session has ended. May be dropped before it is done, and called
    /// again.
    ///
    /// # Errors
    /// The connection was lost, or the node is shutting down, before the session ended: watch it again.
    pub async fn next(&mut self) -> Result<Option<SessionView>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        loop {
            while let Some(line) = self.lines.next() {
                // Views are the only events, and each is one line of data. Others may come.
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let view: SessionView =
                    serde_json::from_slice(data).map_err(|error| broken(error.to_string()))?;
                self.ended = view.status != RequestStatus::Running;
                return Ok(Some(view));
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| broken("the node says nothing any more".to_owned()))?;
            let frame = frame.ok_or_else(|| broken("the events ended before the session".to_owned()))?;
            let frame = frame.map_err(|error| broken(with_causes(&error)))?;
            if let Ok(data) = frame.into_data() {
                self.lines.add(&data)?;
            }
        }
    }
}

fn broken(reason: String) -> ClientError {
    ClientError::UnexpectedAnswer { status: StatusCode::OK, reason }
}

/// What has come and was not read.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, data: &Bytes) -> Result<(), ClientError> {
        if self.0.len().saturating_add(data.len()) > MAX_ANSWER_BYTES {
            return Err(broken("an event that is too large".to_owned()));
        }
        self.0.extend_from_slice(data);
        Ok(())
    }

    /// The next line that is complete, without its end.
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let rest = self.0.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.0, rest);
        line.pop();
        line.pop_if(|byte| *byte == b'\r');
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_however_they_are_cut() {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for piece in ["event: ses", "sion\ndata: {}\r", "\n\n:", "\nda"] {
            lines.add(&Bytes::from(piece)).unwrap();
            read.extend(std::iter::from_fn(|| lines.next()).map(|line| String::from_utf8(line).unwrap()));
        }
        assert_eq!(read, ["event: session", "data: {}", "", ":"]);
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut lines = Lines::default();
        lines.add(&Bytes::from(vec![b'x'; MAX_ANSWER_BYTES])).unwrap();
        assert!(lines.add(&Bytes::from_static(b"x")).is_err());
    }
}
