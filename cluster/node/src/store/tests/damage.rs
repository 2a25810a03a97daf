//! Files that somebody or something has altered.

use super::super::writer::{self, HEADER_TABLE};
use super::*;
use crate::store::engine::Engine;
use rand_core::{RngCore, SeedableRng};
use redb::{ReadableDatabase, ReadableTable};

/// The bytes of a row as they are in the file.
pub(super) fn raw_row(store: &Store, table: Table, key: impl AsRef<[u8]>) -> Vec<u8> {
    let row = store.engine.read(|database| {
        let rows = database.begin_read()?.open_table(writer::definition(table))?;
        Ok(rows.get(key.as_ref())?.unwrap().value().to_vec())
    });
    row.unwrap()
}

/// Alters the file behind the store's back, through redb, as somebody with write access would.
fn tamper(path: &Path, change: impl Fn(&redb::WriteTransaction)) {
    let engine = Engine::open(path).unwrap();
    let done = engine.run(|database| {
        let transaction = database.begin_write()?;
        change(&transaction);
        transaction.commit()?;
        Ok(())
    });
    assert!(done.is_ok());
    engine.close();
}

/// Alters one bit of a record of a store that is closed.
pub(crate) fn flip(path: &Path, table: Table, key: &[u8]) {
    tamper(path, |transaction| {
        let mut row = take(transaction, table, key);
        *row.last_mut().unwrap() ^= 1;
        give(transaction, table, key, &row);
    });
}

async fn filled(path: &Path) {
    let store = create(path);
    let batch = Batch::new()
        .put(Table::Shares, "w1", 1, secret("share one"))
        .put(Table::Shares, "w2", 1, secret("share two"))
        .put(Table::Wallets, "w1", 1, secret("wallet one"))
        .put(Table::Evidence, [0u8, 255], 0, secret("proof"));
    store.commit(batch).await.unwrap();
    store.close().await;
}

fn take(transaction: &redb::WriteTransaction, table: Table, key: &[u8]) -> Vec<u8> {
    transaction.open_table(writer::definition(table)).unwrap().get(key).unwrap().unwrap().value().to_vec()
}

fn give(transaction: &redb::WriteTransaction, table: Table, key: &[u8], row: &[u8]) {
    transaction.open_table(writer::definition(table)).unwrap().insert(key, row).unwrap();
}

fn names(store: &Store) -> Vec<String> {
    store.damaged().unwrap().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn swapped_rows_are_detected_and_the_others_stay_readable() {
    let home = home();
    filled(&home.path).await;
    tamper(&home.path, |transaction| {
        let (one, two) = (take(transaction, Table::Shares, b"w1"), take(transaction, Table::Shares, b"w2"));
        give(transaction, Table::Shares, b"w1", &two);
        give(transaction, Table::Shares, b"w2", &one);
        // Into another table under its own key.
        let wallet = take(transaction, Table::Wallets, b"w1");
        give(transaction, Table::Pending, b"w1", &wallet);
    });
    let store = open(&home.path).unwrap();
    assert_eq!(names(&store), ["shares/w1", "shares/w2", "pending/w1"]);
    let error = store.get(Table::Shares, "w1").unwrap_err();
    assert!(matches!(error, StoreError::DamagedRecord { .. }));
    assert!(error.to_string().contains("shares/w1") && error.to_string().contains("store.redb"), "{error}");
    assert_eq!(value_of(&store, Table::Wallets, "w1").unwrap(), b"wallet one");

    // A condition on a damaged record is not met, and says why; a new value heals it.
    let batch = put("w9", "x").require(Table::Shares, "w1", Precondition::Epoch(1));
    assert!(matches!(store.commit(batch).await, Err(StoreError::DamagedRecord { .. })));
    store.commit(Batch::new().put(Table::Shares, "w1", 1, secret("restored"))).await.unwrap();
    assert_eq!(names(&store), ["shares/w2", "pending/w1"]);
}

#[tokio::test]
async fn an_altered_epoch_is_detected() {
    let home = home();
    filled(&home.path).await;
    tamper(&home.path, |transaction| {
        let mut row = take(transaction, Table::Shares, b"w1");
        row[1] ^= 1;
        give(transaction, Table::Shares, b"w1", &row);
    });
    assert_eq!(names(&open(&home.path).unwrap()), ["shares/w1"]);
}

#[tokio::test]
async fn a_flipped_byte_on_disk_is_named_and_costs_that_record_only() {
    let home = home();
    filled(&home.path).await;
    let store = open(&home.path).unwrap();
    let row = raw_row(&store, Table::Evidence, [0, 255]);
    store.close().await;
    let mut bytes = std::fs::read(&home.path).unwrap();
    // Pages that are no longer in use may hold it too.
    let places: Vec<_> = (0..bytes.len() - row.len()).filter(|&at| bytes[at..].starts_with(&row)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + row.len() - 1] ^= 0x10;
    }
    std::fs::write(&home.path, &bytes).unwrap();

    let store = open(&home.path).unwrap();
    assert_eq!(names(&store), ["evidence/0x00ff"]);
    let scan = store.scan(Table::Evidence, "").unwrap();
    assert_eq!((scan.records.len(), scan.damaged.len()), (0, 1));
    assert_eq!(value_of(&store, Table::Shares, "w1").unwrap(), b"share one");
    store.commit(put("new", "value")).await.unwrap();
}

#[tokio::test]
async fn a_newer_record_or_store_format_is_refused_by_its_version() {
    let home = home();
    filled(&home.path).await;
    tamper(&home.path, |transaction| {
        let mut row = take(transaction, Table::Shares, b"w1");
        row[0] = 9;
        give(transaction, Table::Shares, b"w1", &row);
    });
    let store = open(&home.path).unwrap();
    let error = store.get(Table::Shares, "w1").unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 9, supported: 1, .. }), "{error}");
    store.close().await;

    let set_format = |version: u32| {
        tamper(&home.path, |transaction| {
            let mut header = transaction.open_table(HEADER_TABLE).unwrap();
            header.insert(writer::FORMAT_ROW, version.to_le_bytes().as_slice()).unwrap();
        });
    };
    set_format(2);
    let error = open(&home.path).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    // A version that was lowered does not pass for the one the key was made with.
    set_format(0);
    assert!(matches!(open(&home.path), Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_damaged_header_is_damage_and_not_a_wrong_passphrase() {
    for row in [writer::KEY_ROW, writer::FORMAT_ROW, writer::SEQUENCE_ROW] {
        for flip in [true, false] {
            let home = home();
            filled(&home.path).await;
            tamper(&home.path, |transaction| {
                let mut header = transaction.open_table(HEADER_TABLE).unwrap();
                let mut bytes = header.get(row).unwrap().unwrap().value().to_vec();
                if flip {
                    *bytes.last_mut().unwrap() ^= 0x80;
                    header.insert(row, bytes.as_slice()).unwrap();
                } else {
                    header.remove(row).unwrap();
                }
            });
            let error = open(&home.path).unwrap_err();
            let newer = flip && row == writer::FORMAT_ROW;
            assert_eq!(matches!(error, StoreError::Damaged { .. }), !newer, "{error}");
            assert!(error.to_string().contains("store.redb"), "{error}");
        }
    }
}

#[test]
fn a_database_of_somebody_else_is_refused_by_name() {
    let home = home();
    drop(redb::Database::create(&home.path).unwrap());
    let error = open(&home.path).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { path, .. } if *path == home.path), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let home = home();
    let page = |head: &[u8]| [head, &vec![7; 8192 - head.len()]].concat();
    for (content, hint) in [
        (Vec::new(), "empty"),
        (b"garbage".to_vec(), "truncated"),
        (page(b"garbage"), "not a database"),
        (page(b"redb\x1A\x0A\xA9\x0D\x0A"), ""),
        (page(b"redb\x1A\x0A\xA9\x0D\x0A")[..5000].to_vec(), "truncated"),
    ] {
        std::fs::write(&home.path, &content).unwrap();
        let error = open(&home.path).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { path, .. } if *path == home.path), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
        // Left as it was found, for whoever has to look into it.
        assert_eq!(std::fs::read(&home.path).unwrap(), content);
    }
    std::fs::remove_file(&home.path).unwrap();
    std::fs::create_dir(&home.path).unwrap();
    assert!(open(&home.path).is_err());
}

/// Opens, walks and writes; whatever happens, it is an answer.
async fn exercise(path: &Path) -> Result<(), StoreError> {
    let store = open(path)?;
    store.damaged()?;
    for table in Table::ALL {
        store.scan(table, "")?;
    }
    store.commit(put("new", "value")).await
}

#[tokio::test]
async fn a_truncated_file_is_an_error_at_every_length_and_never_a_panic() {
    let home = home();
    filled(&home.path).await;
    let whole = std::fs::read(&home.path).unwrap();
    for length in (0..whole.len()).step_by(4096).chain((0..whole.len()).step_by(70_001)) {
        std::fs::write(&home.path, &whole[..length]).unwrap();
        let error = exercise(&home.path).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}");
        assert!(error.to_string().contains("store.redb"), "{error}");
    }
}

#[tokio::test]
async fn random_damage_anywhere_is_answered_and_never_takes_the_process_down() {
    let home = home();
    filled(&home.path).await;
    let clean = std::fs::read(&home.path).unwrap();
    // The same file as a killed process leaves it: to be repaired when opened.
    let mut unclean = clean.clone();
    unclean[9] |= 2;
    let used: Vec<usize> =
        clean.chunks(4096).enumerate().filter(|(_, p)| p.iter().any(|b| *b != 0)).map(|(n, _)| n).collect();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
    let mut outcomes = (0, 0);
    for round in 0..240 {
        let mut bytes = if round % 2 == 0 { clean.clone() } else { unclean.clone() };
        for _ in 0..1 + round % 3 {
            let page = used[rng.next_u32() as usize % used.len()];
            // The beginning of a page decides how it is read.
            let within = if round % 4 < 2 { 64 } else { 4096 };
            let at = page * 4096 + rng.next_u32() as usize % within;
            bytes[at] = rng.next_u32() as u8;
        }
        std::fs::write(&home.path, &bytes).unwrap();
        match exercise(&home.path).await {
            Ok(()) => outcomes.0 += 1,
            Err(_) => outcomes.1 += 1,
        }
    }
    assert!(outcomes.0 > 0 && outcomes.1 > 0, "{outcomes:?}");
}
