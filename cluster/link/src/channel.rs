//! What comes of one handshake: sealed packets, both ways.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use snow::StatelessTransportState;

use crate::handshake::Established;
use crate::packet::{self, Content, Flags, LinkId, MAX_CONTENT, Misbehaviour, TAG};
use crate::receiving::Receiving;
use crate::replay::ReplayWindow;
use crate::sending::Sending;
use crate::settings::Settings;

/// A packet that was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// Forged, changed, or seen before.
    Refused,
    /// From the peer, and wrong.
    Wrong(Misbehaviour),
}

pub(crate) struct Channel {
    pub(crate) link: LinkId,
    pub(crate) boot: u64,
    transport: StatelessTransportState,
    next_number: u64,
    replay: ReplayWindow,
    sending: Sending,
    receiving: Receiving,
    window: usize,
    keepalive: Duration,
    last_sent: Duration,
    /// An acknowledgement is wanted with the last of what is sent, for this side is about to leave.
    hurried: bool,
    buffer: Vec<u8>,
}

impl Channel {
    pub(crate) fn new(link: LinkId, established: Established, settings: &Settings, now: Duration) -> Self {
        Self {
            link,
            boot: established.boot,
            transport: established.transport,
            next_number: 0,
            replay: ReplayWindow::default(),
            sending: Sending::default(),
            receiving: Receiving::new(settings.max_frame, settings.window),
            window: settings.window,
            keepalive: settings.keepalive,
            last_sent: now,
            hurried: false,
            buffer: vec![0; MAX_CONTENT],
        }
    }

    /// Opens a packet. Returns whether the peer says goodbye with it.
    pub(crate) fn open(&mut self, now: Duration, number: u64, message: &[u8]) -> Result<bool, Unopened> {
        if !self.replay.is_new(number) {
            return Err(Unopened::Refused);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let opened = self.transport.read_message(number, message, &mut buffer);
        let taken_in = match opened.ok().and_then(|length| buffer.get(..length)) {
            Some(content) => {
                self.replay.accept(number);
                self.take_in(now, content).map_err(Unopened::Wrong)
            }
            None => Err(Unopened::Refused),
        };
        self.buffer = buffer;
        taken_in
    }

    fn take_in(&mut self, now: Duration, content: &[u8]) -> Result<bool, Misbehaviour> {
        let Content { flags, received, taken, first, segments } = Content::read(content)?;
        self.sending.acknowledge(now, received, taken)?;
        self.receiving.put(now, first, segments, flags.answer)?;
        Ok(flags.goodbye)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.sending.charged() < self.window
    }

    pub(crate) fn push(&mut self, frame: Bytes) {
        self.sending.push(frame);
    }

    pub(crate) fn take(&mut self, now: Duration) -> Option<Bytes> {
        self.receiving.take(now)
    }

    /// The frames that have arrived and were not taken.
    pub(crate) fn into_ready(self) -> VecDeque<Bytes> {
        self.receiving.into_ready()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.sending.is_done()
    }

    pub(crate) fn hurry(&mut self) {
        self.hurried = true;
    }

    pub(crate) fn hasten(&mut self, now: Duration) {
        self.sending.hasten(now);
        // The other side may wait for a word of ours, too.
        self.last_sent = now.saturating_sub(self.keepalive);
    }

    pub(crate) fn tick(&mut self, now: Duration) {
        self.sending.tick(now);
    }

    /// The next packet that is due.
    pub(crate) fn next_packet(&mut self, now: Duration) -> Option<Bytes> {
        let due = self.sending.has_unsent()
            || self.receiving.must_acknowledge(now)
            || now.saturating_sub(self.last_sent) >= self.keepalive;
        if due { self.seal(now, false) } else { None }
    }

    /// A packet that says that none follows.
    pub(crate) fn goodbye(&mut self, now: Duration) -> Option<Bytes> {
        self.seal(now, true)
    }

    /// A packet to answer with at once.
    pub(crate) fn seal(&mut self, now: Duration, goodbye: bool) -> Option<Bytes> {
        let (first, segments) = self.sending.next(now);
        let (received, taken) = self.receiving.state();
        let answer = self.hurried && !segments.is_empty() && !self.sending.has_unsent();
        let flags = Flags { answer, goodbye };
        let content = Content { flags, received, taken, first, segments }.write();
        self.receiving.acknowledged();
        self.last_sent = now;
        self.seal_content(&content)
    }

    pub(crate) fn seal_content(&mut self, content: &[u8]) -> Option<Bytes> {
        let number = self.next_number;
        let mut message = vec![0; content.len().saturating_add(TAG)];
        // Fails when all numbers are used up: then nothing leaves, and the link ends by silence.
        let length = self.transport.write_message(number, content, &mut message).ok()?;
        self.next_number = number.checked_add(1)?;
        Some(packet::sealed(self.link, number, message.get(..length)?))
    }

    pub(crate) fn deadline(&self) -> Duration {
        let keepalive = self.last_sent.saturating_add(self.keepalive);
        [self.sending.deadline(), self.receiving.deadline()]
            .into_iter()
            .flatten()
            .fold(keepalive, Duration::min)
    }
}
