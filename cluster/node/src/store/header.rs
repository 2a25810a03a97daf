//! The header of a store: format version, wrapped data key, sequence.

use super::engine::{Engine, Fault};
use super::record::{Place, RecordCipher};
use super::writer::{self, FORMAT_ROW, HEADER_TABLE, KEY_ROW, SEQUENCE_ROW};
use super::{StoreError, Table};
use quorate_identity::envelope::{KdfParams, Passphrase, open as open_envelope, seal as seal_envelope};
use rand_core::OsRng;
use redb::{ReadableDatabase, TableHandle as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The format version of the store as a whole.
pub(super) const FORMAT: u32 = 1;
pub(super) const DATA_KEY: usize = 32;
const KEY_KIND: &str = "store data key";

/// The format version, not newer than ours, and the wrapped data key.
pub(super) fn read(engine: &Engine) -> Result<(u32, Vec<u8>), StoreError> {
    let path = engine.path();
    let (format, wrapped) = engine.read(|database| {
        let table = database.begin_read()?.open_table(HEADER_TABLE)?;
        let row = |key: &[u8]| -> Result<Option<Vec<u8>>, Fault> {
            Ok(table.get(key)?.map(|row| row.value().to_vec()))
        };
        Ok((row(FORMAT_ROW)?, row(KEY_ROW)?))
    })?;
    let missing = |what: &str| StoreError::damaged(path, format!("its header has no {what}"));
    let format: [u8; 4] =
        format.as_deref().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| missing("format version"))?;
    let format = u32::from_le_bytes(format);
    if format > FORMAT {
        return Err(StoreError::NewerFormat { path: path.to_path_buf(), found: format, supported: FORMAT });
    }
    Ok((format, wrapped.ok_or_else(|| missing("data key"))?))
}

/// Makes the tables and the header of a new store.
pub(super) fn initialize(engine: &Engine, cipher: &RecordCipher, wrapped: &[u8]) -> Result<(), StoreError> {
    let path = engine.path();
    let sequence = cipher
        .seal(Place::Header, SEQUENCE_ROW, 0, &0u64.to_le_bytes(), &mut OsRng)
        .ok_or_else(|| writer::no_randomness(path))?;
    engine
        .run(|database| {
            let transaction = database.begin_write()?;
            {
                let mut header = transaction.open_table(HEADER_TABLE)?;
                header.insert(FORMAT_ROW, FORMAT.to_le_bytes().as_slice())?;
                header.insert(KEY_ROW, wrapped)?;
                header.insert(SEQUENCE_ROW, sequence.as_slice())?;
            }
            for table in Table::ALL {
                transaction.open_table(writer::definition(table))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .map_err(|(_, fault)| engine.explain("creating", fault))
}

/// Makes the tables that a store of an earlier release does not have.
pub(super) fn complete(engine: &Engine) -> Result<(), StoreError> {
    let missing = engine.read(|database| {
        let transaction = database.begin_read()?;
        let known: Vec<_> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
        Ok(Table::ALL.into_iter().any(|table| !known.iter().any(|name| name == table.name())))
    })?;
    if !missing {
        return Ok(());
    }
    let make = |database: &redb::Database| {
        let transaction = database.begin_write()?;
        for table in Table::ALL {
            transaction.open_table(writer::definition(table))?;
        }
        transaction.commit()?;
        Ok(())
    };
    engine.run(make).map_err(|(_, fault)| engine.explain("completing", fault))
}

/// The format version travels with the key, so that the plain one beside it cannot be altered unnoticed.
pub(super) fn wrap(
    path: &Path,
    passphrase: &Passphrase,
    kdf: KdfParams,
    key: &[u8; DATA_KEY],
) -> Result<Vec<u8>, StoreError> {
    let mut content = Zeroizing::new(Vec::with_capacity(4 + DATA_KEY));
    content.extend_from_slice(&FORMAT.to_le_bytes());
    content.extend_from_slice(key);
    seal_envelope(KEY_KIND, passphrase, kdf, &content, &mut OsRng)
        .map_err(|error| StoreError::envelope(path, error))
}

pub(super) fn unwrap(
    path: &Path,
    passphrase: &Passphrase,
    wrapped: &[u8],
    format: u32,
) -> Result<Zeroizing<[u8; DATA_KEY]>, StoreError> {
    let content =
        open_envelope(KEY_KIND, passphrase, wrapped).map_err(|error| StoreError::envelope(path, error))?;
    content
        .expose()
        .strip_prefix(&format.to_le_bytes())
        .and_then(|key| <[u8; DATA_KEY]>::try_from(key).ok())
        .map(Zeroizing::new)
        .ok_or_else(|| StoreError::damaged(path, "its format version is not the one it was made with"))
}
