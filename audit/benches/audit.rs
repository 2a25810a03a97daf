//! What the audit log costs: verification of entries of some 350 bytes in one thread, and durable appends of one caller
//! and of many at once. The disk is that of the folder for temporary files (`TMPDIR`).
//!
//! `cargo bench -p quorate-audit`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorate_audit::{Event, Expect, Filter, Line, Log, Options, Scope, Verifier, read, verify_folder};
use quorate_keys::{Secret, SigningIdentity};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const ENTRIES: u64 = 200_000;

fn event(n: u64) -> Event {
    Event::new("session")
        .text("request", format!("payment-{n}"))
        .text("wallet", "treasury")
        .text("session", "0x5e2f1c7a90b34d6688aa11ff00c2d4e65e2f1c7a90b34d6688aa11ff00c2d4e6")
        .text("result", "signed")
        .list("signers", ["node1", "node2", "node3"])
        .integer("milliseconds", n % 100)
        .flag("proposer", true)
}

fn open(folder: &Path) -> Log {
    let owner = Arc::new(SigningIdentity::from_seed(&Secret::new([1; 32])));
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    Log::open(folder, owner, Scope([1; 32]), Options::default(), rng).unwrap()
}

/// `count` appends, by so many callers at once.
async fn append(log: &Arc<Log>, callers: u64, count: u64) {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for n in 0..count / callers {
                    log.append(event(n)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let log = Arc::new(open(folder.path()));
        append(&log, 1000, ENTRIES).await;
        log.append_checkpoint(&log.signed_head(), &[]).await.unwrap();
        log.close().await;
    });
    let file = folder.path().join("00000000000000000001.jsonl");
    let bytes = std::fs::read(&file).unwrap();
    let line = bytes.split(|byte| *byte == b'\n').nth(1000).unwrap();

    let mut group = criterion.benchmark_group(format!("entries of {} bytes", line.len()));
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES + 2));
    group.bench_function("verify a folder", |bench| {
        bench.iter(|| assert!(verify_folder(folder.path(), &Expect::default()).unwrap().is_sound()));
    });
    group.bench_function("verify from memory", |bench| {
        let expect = Expect::default();
        bench.iter(|| {
            let mut verifier = Verifier::new(&expect);
            verifier.file(&file, bytes.as_slice()).unwrap();
            assert!(verifier.finish().is_sound());
        });
    });
    group.bench_function("read with a filter on a field", |bench| {
        let filter =
            Filter { fields: vec![("request".to_owned(), "payment-7".to_owned())], ..Filter::default() };
        bench.iter(|| black_box(read(folder.path(), filter.clone()).unwrap().count()));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse a line", |bench| bench.iter(|| Line::parse(black_box(line)).unwrap().seq()));
    group.finish();
}

fn appending(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("durable appends");
    group.sample_size(10);
    for (callers, count) in [(1, 200), (16, 3200), (256, 25_600)] {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(open(folder.path()));
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{callers} callers"), |bench| {
            let run = |()| runtime.block_on(append(&log, callers, count));
            bench.iter_batched(|| (), run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, reading, appending);
criterion_main!(benches);
