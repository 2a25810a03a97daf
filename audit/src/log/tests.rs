//! Failing disks, and what is written at once.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quorate_keys::{Secret, SigningIdentity};
use rand_core::SeedableRng;

use super::*;
use crate::verify::{Expect, verify_folder};

/// Failures to order: the operating system's answer to so many operations from now on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) writes: Fault,
    pub(super) syncs: Fault,
    pub(super) cuts: Fault,
}

#[derive(Debug, Default)]
pub(super) struct Fault {
    count: AtomicI64,
    code: AtomicI64,
}

impl Fault {
    fn order(&self, count: i64, code: i64) {
        self.code.store(code, Ordering::SeqCst);
        self.count.store(count, Ordering::SeqCst);
    }

    pub(super) fn strike(&self) -> io::Result<()> {
        if self.count.load(Ordering::SeqCst) <= 0 {
            return Ok(());
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
        Err(io::Error::from_raw_os_error(self.code.load(Ordering::SeqCst) as i32))
    }
}

const ENOSPC: i64 = 28;
const EIO: i64 = 5;
const EDQUOT: i64 = 122;

struct Home {
    _folder: tempfile::TempDir,
    path: PathBuf,
    owner: Arc<SigningIdentity>,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let owner = Arc::new(SigningIdentity::from_seed(&Secret::new([1; 32])));
    Home { _folder: folder, path, owner }
}

impl Home {
    fn open(&self, options: Options) -> (Log, Arc<Faults>) {
        let rng = &mut rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let log = Log::open(&self.path, Arc::clone(&self.owner), Scope([2; 32]), options, rng).unwrap();
        let faults = Arc::clone(&log.shared.faults);
        (log, faults)
    }

    fn entries(&self) -> u64 {
        let report = verify_folder(&self.path, &Expect::default()).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        report.entries
    }
}

fn event(n: u64) -> Event {
    Event::new("test").integer("n", n)
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_and_the_next_one_goes_on() {
    let home = home();
    let (log, faults) = home.open(Options::default());
    log.append(event(1)).await.unwrap();
    for code in [ENOSPC, EDQUOT, EIO] {
        for fault in [&faults.writes, &faults.syncs] {
            fault.order(1, code);
            let before = home.entries();
            let error = log.append(event(2)).await.unwrap_err();
            match code {
                EIO => assert!(matches!(error, AuditError::Io { .. }), "{error}"),
                _ => assert!(matches!(error, AuditError::DiskFull { .. }), "{error}"),
            }
            assert!(error.to_string().contains("00000000000000000001.jsonl"), "{error}");
            assert_eq!(home.entries(), before);
            let position = log.append(event(3)).await.unwrap();
            assert_eq!(position.seq, before + 1);
        }
    }
    assert_eq!(log.metrics().failures, 6);
    assert_eq!(log.head().seq, 8);
    assert_eq!(home.entries(), 8);
}

#[tokio::test]
async fn while_a_failed_write_can_not_be_undone_nothing_is_written() {
    let home = home();
    let (log, faults) = home.open(Options::default());
    log.append(event(1)).await.unwrap();
    faults.writes.order(1, ENOSPC);
    faults.cuts.order(3, EIO);
    assert!(matches!(log.append(event(2)).await.unwrap_err(), AuditError::DiskFull { .. }));
    for _ in 0..2 {
        let error = log.append(event(2)).await.unwrap_err();
        assert!(error.to_string().contains("cutting a failed write off"), "{error}");
    }
    assert_eq!(log.append(event(2)).await.unwrap().seq, 3);
    assert_eq!(home.entries(), 3);

    // When the process stops before it is undone, opening again undoes it.
    faults.writes.order(1, ENOSPC);
    faults.cuts.order(1, EIO);
    log.append(event(3)).await.unwrap_err();
    log.close().await;
    let (log, _) = home.open(Options::default());
    assert_eq!(log.head().seq, 4);
    let report = verify_folder(&home.path, &Expect::default()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[tokio::test]
async fn a_failure_that_nobody_waited_for_is_told_by_the_next_append_and_then_by_the_log() {
    let home = home();
    let (log, faults) = home.open(Options::default());
    faults.writes.order(1, ENOSPC);
    log.append_soon(event(1)).unwrap();
    log.append_soon(event(2)).unwrap();
    while log.metrics().failures == 0 {
        tokio::task::yield_now().await;
    }
    // The metrics are counted before the loss is noted.
    let error = loop {
        if let Err(error) = log.append(event(3)).await {
            break error;
        }
    };
    let AuditError::Lost { entries: 2, cause } = &error else { panic!("{error}") };
    assert!(matches!(**cause, AuditError::DiskFull { .. }), "{error}");
    log.append(event(4)).await.unwrap();
    let events = crate::read(&home.path, crate::Filter::default()).unwrap();
    let lost: Vec<_> = events.map(Result::unwrap).filter(|entry| entry.line().event() == "lost").collect();
    assert_eq!(lost.len(), 1);
    assert!(lost[0].line().field("entries").unwrap().is("2"));
    home.entries();
}

#[tokio::test]
async fn what_finds_no_room_is_counted_in_the_log() {
    let home = home();
    let (log, _) = home.open(Options::default());
    let mut refused = 0_u64;
    while refused == 0 {
        for _ in 0..20_000 {
            match log.append_soon(event(1)) {
                Ok(()) => {}
                Err(AuditError::Busy) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    log.append(event(2)).await.unwrap();
    let events = crate::read(&home.path, crate::Filter::default()).unwrap().map(Result::unwrap);
    let counted = events.filter(|entry| entry.line().event() == "lost").map(|entry| {
        let entries = entry.as_str().split_once("\"entries\":").unwrap().1;
        entries.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(counted.sum::<u64>(), refused);
    log.close().await;
    home.entries();
}

#[tokio::test]
async fn a_failure_while_a_segment_is_begun_loses_nothing() {
    let home = home();
    let (log, faults) = home.open(Options::default().segment_bytes(400));
    let mut written = 1;
    for n in 0..40 {
        let fault = if n % 2 == 0 { &faults.writes } else { &faults.syncs };
        fault.order(i64::from(n % 4 < 2), EIO);
        match log.append(event(n)).await {
            Ok(position) => {
                written += 1;
                assert_eq!(position.seq, written);
            }
            Err(error) => assert!(matches!(error, AuditError::Io { .. }), "{error}"),
        }
        assert_eq!(home.entries(), written);
    }
    assert_eq!(written, 21);
    log.close().await;
    let (log, _) = home.open(Options::default().segment_bytes(400));
    assert_eq!(log.head().seq, written);
}

#[tokio::test]
async fn entries_that_come_together_are_synced_together() {
    let home = home();
    let (log, _) = home.open(Options::default());
    let log = Arc::new(log);
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(event(n)).await.unwrap().seq })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.push(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (2..=1001).collect::<Vec<_>>());
    let metrics = log.metrics();
    assert_eq!(metrics.entries, 1000);
    assert!(metrics.syncs < 500 && metrics.largest_group > 10, "{metrics:?}");
    assert_eq!(home.entries(), 1001);
}
