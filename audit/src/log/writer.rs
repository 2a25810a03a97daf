//! The one writer: takes all that waits, writes it with one sync, then answers each caller.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::queue::{Job, Queue};
use super::segment::Segment;
use super::{Options, Position, Shared};
use crate::error::AuditError;
use crate::event::{Event, LOST};
use crate::line::encode;

/// The end of a log that is open for writing.
pub(super) struct Tail {
    pub(super) segment: Segment,
    /// Held as long as the log is open.
    pub(super) lock: File,
}

pub(super) struct Writer {
    folder: PathBuf,
    tail: Tail,
    options: Options,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    /// Events that nobody waited for and that are not counted in the log yet.
    lost: u64,
    buffer: Vec<u8>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.abandon();
        let _ = self.tail.lock.unlock();
    }
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        tail: Tail,
        options: Options,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
    ) -> Self {
        let folder = folder.to_path_buf();
        let writer = Self { folder, tail, options, queue, shared, lost: 0, buffer: Vec::new() };
        #[cfg(test)]
        let writer = writer.with_faults();
        writer
    }

    #[cfg(test)]
    fn with_faults(mut self) -> Self {
        self.tail.segment.faults = Arc::clone(&self.shared.faults);
        self
    }

    /// Until the queue is closed and empty.
    pub(super) fn run(mut self) {
        while let Some(group) = self.queue.next_group() {
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Job>) {
        let before = self.shared.head();
        let mut head = before;
        self.buffer.clear();
        self.lost = self.lost.saturating_add(self.queue.take_refused());
        if self.lost > 0 {
            let event = Event::of_the_log(LOST).integer("entries", self.lost);
            head = self.encode(head, &event, (self.options.clock)().into());
        }
        let positions: Vec<Position> = group
            .iter()
            .map(|job| {
                head = self.encode(head, &job.event, job.time);
                head
            })
            .collect();
        match self.write(before.seq.saturating_add(1)) {
            Ok(()) => {
                self.lost = 0;
                self.shared.landed(head, head.seq.saturating_sub(before.seq));
                for (job, position) in group.into_iter().zip(positions) {
                    drop(job.room);
                    if let Some(answer) = job.answer {
                        // A caller that no longer waits has no use for the answer; the entry stands all the same.
                        let _ = answer.send(Ok(position));
                    }
                }
            }
            Err(error) => self.fail(group, &error),
        }
    }

    fn fail(&mut self, group: Vec<Job>, error: &AuditError) {
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        let unheard = group.iter().filter(|job| job.answer.is_none()).count() as u64;
        tracing::error!(%error, entries = group.len(), unheard, "audit entries not written");
        if unheard > 0 {
            self.lost = self.lost.saturating_add(unheard);
            self.queue.lose(unheard, error);
        }
        for job in group {
            drop(job.room);
            if let Some(answer) = job.answer {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }

    fn encode(&mut self, before: Position, event: &Event, time: crate::time::Timestamp) -> Position {
        let seq = before.seq.saturating_add(1);
        Position { seq, hash: encode(&mut self.buffer, seq, time, event, &before.hash), time }
    }

    /// Writes the buffer, whose first entry has this number.
    fn write(&mut self, first: u64) -> Result<(), AuditError> {
        let segment = &mut self.tail.segment;
        let len = segment.len();
        if len > 0 && len.saturating_add(self.buffer.len() as u64) > self.options.segment_bytes {
            // What a failed write left in the old one is cut off first, for it will not be written again.
            segment.finish()?;
            *segment = Segment::create(&self.folder, first)?;
            #[cfg(test)]
            {
                segment.faults = Arc::clone(&self.shared.faults);
            }
        }
        segment.append(&self.buffer)
    }
}
