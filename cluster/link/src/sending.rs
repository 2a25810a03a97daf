//! The sending side: what is on its way, and when it is sent again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::packet::{Content, MAX_CONTENT, MAX_SEGMENT, Misbehaviour, Segment};

/// The shortest wait for an acknowledgement: well above what its sender may delay it by.
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(3);
/// Before a round trip was measured (RFC 6298, 2.1).
const RTO_FIRST: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct OnItsWay {
    segment: Segment,
    sent: Option<Duration>,
    again: bool,
}

/// Segments from when their frame is given until the other side has them.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// The number of the first of `segments`.
    base: u64,
    segments: VecDeque<OnItsWay>,
    /// How many of `segments` need not be sent now.
    sent: usize,
    /// Charges of what was given and not taken.
    untaken: VecDeque<usize>,
    charged: usize,
    taken: u64,
    round_trip: RoundTrip,
    /// When all that is on its way is sent again.
    resend_at: Option<Duration>,
}

impl Sending {
    /// How much is on its way or not taken.
    pub(crate) fn charged(&self) -> usize {
        self.charged
    }

    pub(crate) fn push(&mut self, mut frame: Bytes) {
        loop {
            let bytes = frame.split_to(frame.len().min(MAX_SEGMENT));
            let segment = Segment { bytes, more: !frame.is_empty() };
            self.charged = self.charged.saturating_add(segment.charge());
            self.untaken.push_back(segment.charge());
            self.segments.push_back(OnItsWay { segment, sent: None, again: false });
            if frame.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.segments.len()
    }

    /// Whether all that was given has arrived.
    pub(crate) fn is_done(&self) -> bool {
        self.segments.is_empty()
    }

    /// The next segments to go into a packet, with the number of the first.
    pub(crate) fn next(&mut self, now: Duration) -> (u64, Vec<Segment>) {
        let first = self.base.saturating_add(self.sent as u64);
        let mut room = MAX_CONTENT.saturating_sub(Content::HEAD);
        let mut segments = Vec::new();
        for unsent in self.segments.iter_mut().skip(self.sent) {
            let Some(left) = room.checked_sub(unsent.segment.encoded()) else { break };
            room = left;
            unsent.again |= unsent.sent.is_some();
            unsent.sent = Some(now);
            segments.push(unsent.segment.clone());
        }
        self.sent = self.sent.saturating_add(segments.len());
        if !segments.is_empty() && self.resend_at.is_none() {
            self.resend_at = Some(now.saturating_add(self.round_trip.timeout()));
        }
        (first, segments)
    }

    /// What the other side says to have.
    pub(crate) fn acknowledge(
        &mut self,
        now: Duration,
        received: u64,
        taken: u64,
    ) -> Result<(), Misbehaviour> {
        let once_sent = self.segments.iter().take_while(|segment| segment.sent.is_some()).count();
        if received > self.base.saturating_add(once_sent as u64) || taken > received.max(self.base) {
            return Err(Misbehaviour::Acknowledgement);
        }
        let mut progress = false;
        while self.base < received {
            let Some(arrived) = self.segments.pop_front() else { break };
            self.base = self.base.saturating_add(1);
            self.sent = self.sent.saturating_sub(1);
            progress = true;
            // Which of two packets was answered can't be told (Karn's algorithm).
            if let (Some(sent), false) = (arrived.sent, arrived.again) {
                self.round_trip.measured(now.saturating_sub(sent));
            }
        }
        while self.taken < taken {
            let Some(charge) = self.untaken.pop_front() else { break };
            self.taken = self.taken.saturating_add(1);
            self.charged = self.charged.saturating_sub(charge);
        }
        if progress {
            self.round_trip.answered();
            let waiting = !self.segments.is_empty();
            self.resend_at = waiting.then(|| now.saturating_add(self.round_trip.timeout()));
        }
        Ok(())
    }

    /// Sends again what was not acknowledged in time.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.resend_at.is_some_and(|at| at <= now) {
            self.sent = 0;
            self.resend_at = None;
            self.round_trip.unanswered();
        }
    }

    /// What is on its way is sent again now.
    pub(crate) fn hasten(&mut self, now: Duration) {
        self.resend_at = self.resend_at.map(|_| now);
        self.round_trip.answered();
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.resend_at
    }
}

/// An estimate of the round trip (RFC 6298, section 2).
#[derive(Debug, Default)]
struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
    doublings: u32,
}

impl RoundTrip {
    fn measured(&mut self, sample: Duration) {
        match self.smoothed {
            None => {
                self.variation = sample / 2;
                self.smoothed = Some(sample);
            }
            Some(smoothed) => {
                self.variation = self.variation * 3 / 4 + smoothed.abs_diff(sample) / 4;
                self.smoothed = Some(smoothed * 7 / 8 + sample / 8);
            }
        }
    }

    fn answered(&mut self) {
        self.doublings = 0;
    }

    fn unanswered(&mut self) {
        self.doublings = self.doublings.saturating_add(1).min(8);
    }

    fn timeout(&self) -> Duration {
        let once = match self.smoothed {
            None => RTO_FIRST,
            Some(smoothed) => smoothed.saturating_add(self.variation.saturating_mul(4)).max(RTO_MIN),
        };
        once.saturating_mul(1 << self.doublings).min(RTO_MAX)
    }
}
