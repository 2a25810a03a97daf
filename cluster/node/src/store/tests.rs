//! The store as a whole: what it keeps, what it names, what it survives.

pub(crate) mod damage;
mod disk_full;
mod kill;

use super::{Batch, Found, KdfParams, Passphrase, Precondition, Store, StoreError, Table};
use quorate_keys::Secret;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Failures to order: the operating system's answer from the n-th operation on, for so many operations.
#[derive(Debug)]
pub(super) struct Faults {
    writes: Fault,
    syncs: Fault,
    lengths: Fault,
}

#[derive(Debug)]
struct Fault {
    /// Operations that still succeed.
    after: AtomicI64,
    /// Operations that then fail.
    count: AtomicI64,
    code: AtomicI64,
}

impl Default for Faults {
    fn default() -> Self {
        let never = || Fault { after: AtomicI64::new(0), count: AtomicI64::new(0), code: AtomicI64::new(0) };
        Self { writes: never(), syncs: never(), lengths: never() }
    }
}

const ENOSPC: i64 = 28;
const EIO: i64 = 5;

impl Fault {
    fn order(&self, after: i64, count: i64, code: i64) {
        self.code.store(code, Ordering::SeqCst);
        self.after.store(after, Ordering::SeqCst);
        self.count.store(count, Ordering::SeqCst);
    }

    fn strike(&self) -> io::Result<()> {
        if self.count.load(Ordering::SeqCst) <= 0 || self.after.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
        Err(io::Error::from_raw_os_error(self.code.load(Ordering::SeqCst) as i32))
    }
}

impl Faults {
    pub(super) fn before_write(&self) -> io::Result<()> {
        self.writes.strike()
    }

    pub(super) fn before_sync(&self) -> io::Result<()> {
        self.syncs.strike()
    }

    pub(super) fn before_set_len(&self) -> io::Result<()> {
        self.lengths.strike()
    }
}

impl Store {
    /// Has every write fail for want of space, or none.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.engine.health().faults.writes.order(0, if full { i64::MAX } else { 0 }, ENOSPC);
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec()).unwrap()
}

fn secret(bytes: impl AsRef<[u8]>) -> Secret<Vec<u8>> {
    Secret::new(bytes.as_ref().to_vec())
}

struct Home {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    Home { _folder: folder, path }
}

fn create(path: &Path) -> Store {
    Store::create(path, &passphrase("correct"), KdfParams::FLOOR).unwrap()
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &passphrase("correct"))
}

fn value_of(store: &Store, table: Table, key: &str) -> Option<Vec<u8>> {
    store.get(table, key).unwrap().map(|record| record.value.expose().clone())
}

fn put(key: &str, value: impl AsRef<[u8]>) -> Batch {
    Batch::new().put(Table::Wallets, key, 0, secret(value))
}

#[tokio::test]
async fn what_was_committed_is_read_back_after_reopening() {
    let home = home();
    let store = create(&home.path);
    let batch = Batch::new()
        .put(Table::Wallets, "w1", 0, secret("public"))
        .put(Table::Shares, "w1", 7, secret("share"))
        .put(Table::Shares, "w2", 1, secret(""));
    store.commit(batch).await.unwrap();
    store.commit(Batch::new().delete(Table::Shares, "w2")).await.unwrap();
    store.close().await;

    let store = open(&home.path).unwrap();
    let share = store.get(Table::Shares, "w1").unwrap().unwrap();
    assert_eq!((share.epoch, share.value.expose().as_slice()), (7, &b"share"[..]));
    assert_eq!(value_of(&store, Table::Wallets, "w1").unwrap(), b"public");
    assert!(store.get(Table::Shares, "w2").unwrap().is_none());
    assert!(store.contains(Table::Shares, "w1").unwrap());
    assert!(!store.contains(Table::Pending, "w1").unwrap());
    assert_eq!(store.count(Table::Shares).unwrap(), 1);
    assert_eq!(store.sequence(), 2);
    assert_eq!(store.damaged().unwrap(), []);
}

#[tokio::test]
async fn a_failed_precondition_answers_its_own_caller_and_writes_nothing_of_its_batch() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("w1", "one")).await.unwrap();

    let refusal = |error: StoreError| match error {
        StoreError::Precondition { record, found } => (record.to_string(), found),
        other => panic!("{other}"),
    };
    let insert =
        Batch::new().put(Table::Meta, "x", 0, secret("x")).insert(Table::Wallets, "w1", 0, secret("two"));
    let other = put("w2", "other");
    let (insert, other) = tokio::join!(store.commit(insert), store.commit(other));
    assert_eq!(refusal(insert.unwrap_err()), ("wallets/w1".into(), Found::Present));
    other.unwrap();
    assert!(store.get(Table::Meta, "x").unwrap().is_none());
    assert_eq!(value_of(&store, Table::Wallets, "w2").unwrap(), b"other");

    for (key, condition, found) in [
        ("w3", Precondition::Present, Found::Absent),
        ("w3", Precondition::Equals(secret("")), Found::Absent),
        ("w3", Precondition::Epoch(0), Found::Absent),
        ("w1", Precondition::Equals(secret("two")), Found::OtherValue),
        ("w1", Precondition::Epoch(4), Found::OtherEpoch(0)),
    ] {
        let batch = put("w1", "changed").require(Table::Wallets, key, condition);
        assert_eq!(refusal(store.commit(batch).await.unwrap_err()).1, found);
    }
    assert_eq!(value_of(&store, Table::Wallets, "w1").unwrap(), b"one");
    for condition in [Precondition::Present, Precondition::Equals(secret("one")), Precondition::Epoch(0)] {
        store.commit(put("w1", "one").require(Table::Wallets, "w1", condition)).await.unwrap();
    }
}

#[tokio::test]
async fn of_many_who_insert_the_same_key_at_once_exactly_one_succeeds() {
    let home = home();
    let store = Arc::new(create(&home.path));
    let tasks: Vec<_> = (0..50)
        .map(|caller: u32| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let batch = Batch::new().insert(Table::Requests, "r", 0, secret(caller.to_string()));
                store.commit(batch).await.is_ok().then_some(caller)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(value_of(&store, Table::Requests, "r").unwrap(), winners[0].to_string().into_bytes());
}

#[tokio::test]
async fn batches_that_wait_together_share_a_commit_and_a_sync() {
    let home = home();
    let store = create(&home.path);
    let before = store.metrics();
    let batches: Vec<_> = (0..400).map(|n| store.commit(put(&format!("w{n}"), "v"))).collect();
    for outcome in futures_util::future::join_all(batches).await {
        outcome.unwrap();
    }
    let after = store.metrics();
    assert_eq!(after.batches - before.batches, 400);
    assert!(after.commits < 200, "{after:?}");
    assert!(after.largest_group > 1, "{after:?}");
    // One sync each.
    assert_eq!(after.syncs - before.syncs, after.commits - before.commits);
    assert_eq!(store.count(Table::Wallets).unwrap(), 400);
}

#[tokio::test]
async fn what_nobody_waits_for_goes_with_the_next_commit_or_by_itself_soon_or_at_the_end() {
    let home = home();
    let store = Arc::new(create(&home.path));
    let soon = |key: &'static str| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit_soon(put(key, "v")).await })
    };
    let before = store.metrics();
    let with_another = soon("with-another");
    while store.patient.is_empty() {
        tokio::task::yield_now().await;
    }
    store.commit(put("another", "v")).await.unwrap();
    with_another.await.unwrap().unwrap();
    let after = store.metrics();
    assert_eq!((after.commits - before.commits, after.batches - before.batches), (1, 2));

    soon("by-itself").await.unwrap().unwrap();
    assert_eq!(store.metrics().commits - after.commits, 1);

    let at_the_end = soon("at-the-end");
    while store.patient.is_empty() {
        tokio::task::yield_now().await;
    }
    store.close().await;
    at_the_end.await.unwrap().unwrap();
    assert!(matches!(soon("too-late").await.unwrap(), Err(StoreError::Closed { .. })));
    drop(store);
    let store = open(&home.path).unwrap();
    for key in ["with-another", "another", "by-itself", "at-the-end"] {
        assert_eq!(value_of(&store, Table::Wallets, key).unwrap(), b"v", "{key}");
    }
    assert_eq!(value_of(&store, Table::Wallets, "too-late"), None);
}

#[tokio::test]
async fn a_scan_keeps_to_its_prefix_and_pages_through_it() {
    let home = home();
    let store = create(&home.path);
    let mut batch = Batch::new();
    for key in ["a", "b/1", "b/2", "b/3", "b\u{7f}", "c"] {
        batch = batch.put(Table::Evidence, key, 0, secret(key));
    }
    store.commit(batch).await.unwrap();

    let keys = |scan: &super::Scan| -> Vec<String> {
        scan.records.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect()
    };
    let all = store.scan(Table::Evidence, "b/").unwrap();
    assert_eq!((keys(&all), all.next), (vec!["b/1".into(), "b/2".into(), "b/3".into()], None));
    assert_eq!(store.keys(Table::Evidence, "").unwrap().len(), 6);

    let first = store.scan_after(Table::Evidence, "b/", None, 2).unwrap();
    assert_eq!(keys(&first), ["b/1", "b/2"]);
    let rest = store.scan_after(Table::Evidence, "b/", first.next.as_deref(), 2).unwrap();
    assert_eq!((keys(&rest), rest.next), (vec!["b/3".to_string()], None));
    // A start before the prefix does not widen it.
    assert_eq!(keys(&store.scan_after(Table::Evidence, "b/", Some(b"a"), 9).unwrap()).len(), 3);
    assert!(store.scan(Table::Wallets, "").unwrap().records.is_empty());
}

#[tokio::test]
async fn the_file_holds_no_plain_values_and_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = home();
    let store = create(&home.path);
    let planted = "a secret that would be seen";
    store.commit(Batch::new().put(Table::Shares, "row-key", 0, secret(planted))).await.unwrap();
    store.close().await;
    let found = |needle: &[u8]| std::fs::read(&home.path).unwrap().windows(needle.len()).any(|w| w == needle);
    assert!(!found(planted.as_bytes()));
    // The control: row keys are plain, and would be found.
    assert!(found(b"row-key"));

    let mode = || std::fs::metadata(&home.path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&home.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&home.path).unwrap();
    assert_eq!(mode(), 0o600);
}

#[tokio::test]
async fn a_passphrase_change_rewraps_the_key_and_rewrites_no_record() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("w1", "one")).await.unwrap();
    let row = damage::raw_row(&store, Table::Wallets, "w1");
    let (old, new) = (passphrase("correct"), passphrase("new"));
    let wrong = store.change_passphrase(&new, &old, KdfParams::FLOOR).await.unwrap_err();
    assert!(matches!(wrong, StoreError::WrongPassphrase { .. }), "{wrong}");
    let weak = KdfParams { memory_kib: 8, ..KdfParams::FLOOR };
    let weak = store.change_passphrase(&old, &new, weak).await.unwrap_err();
    assert!(matches!(weak, StoreError::Parameters { .. }), "{weak}");

    store.change_passphrase(&old, &new, KdfParams::FLOOR).await.unwrap();
    assert_eq!(damage::raw_row(&store, Table::Wallets, "w1"), row);
    // Still in use while open, and afterwards opened by the new one only.
    store.commit(put("w2", "two")).await.unwrap();
    store.close().await;
    assert!(matches!(open(&home.path), Err(StoreError::WrongPassphrase { .. })));
    let store = Store::open(&home.path, &new).unwrap();
    assert_eq!(value_of(&store, Table::Wallets, "w1").unwrap(), b"one");
    assert_eq!(value_of(&store, Table::Wallets, "w2").unwrap(), b"two");
}

#[tokio::test]
async fn of_two_passphrase_changes_at_once_the_later_is_refused() {
    let home = home();
    let store = create(&home.path);
    // Both begin with the same header; between reading and writing it the other one is faster.
    let (_, expected) = super::header::read(&store.engine).unwrap();
    store.change_passphrase(&passphrase("correct"), &passphrase("first"), KdfParams::FLOOR).await.unwrap();
    let late = store.submit(super::Work::Rewrap { wrapped: expected.clone(), expected }).await;
    assert!(matches!(late, Err(StoreError::WrongPassphrase { .. })), "{late:?}");
    store.close().await;
    Store::open(&home.path, &passphrase("first")).unwrap();
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let home = home();
    let store = create(&home.path);
    let error = open(&home.path).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path } if *path == home.path), "{error}");
    store.close().await;
    let error = store.commit(put("w1", "late")).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed { .. }), "{error}");
    assert!(matches!(store.get(Table::Wallets, "w1"), Err(StoreError::Closed { .. })));
    drop(open(&home.path).unwrap());
    open(&home.path).unwrap();
}

#[test]
fn missing_folders_and_files_and_existing_ones_are_told_apart() {
    let home = home();
    let below = home.path.with_file_name("missing").join("store.redb");
    for error in
        [open(&below).unwrap_err(), Store::create(&below, &passphrase("p"), KdfParams::FLOOR).unwrap_err()]
    {
        assert!(
            matches!(&error, StoreError::MissingDirectory { path } if path.ends_with("missing")),
            "{error}"
        );
    }
    assert!(matches!(open(&home.path), Err(StoreError::NotFound { .. })));
    create(&home.path);
    let before = std::fs::read(&home.path).unwrap();
    let error = Store::create(&home.path, &passphrase("p"), KdfParams::FLOOR).unwrap_err();
    assert!(matches!(&error, StoreError::AlreadyExists { path } if *path == home.path), "{error}");
    assert_eq!(std::fs::read(&home.path).unwrap(), before);
    let error = Store::open(&home.path, &passphrase("wrong")).unwrap_err();
    assert!(matches!(&error, StoreError::WrongPassphrase { path } if *path == home.path), "{error}");
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_by_name() {
    let home = home();
    let store = create(&home.path);
    let error = store.commit(put("big", vec![0; super::MAX_VALUE + 1])).await.unwrap_err();
    assert!(error.to_string().contains("wallets/big"), "{error}");
    let error = store.commit(put(&"k".repeat(super::MAX_KEY + 1), "v")).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}
