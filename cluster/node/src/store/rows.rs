//! All rows as they are in the file, sealed: for a copy of a store that nobody has to open on the way.

use super::engine::{Engine, Fault};
use super::writer::{self, HEADER_TABLE};
use super::{Store, StoreError, Table, header};
use borsh::{BorshDeserialize, BorshSerialize};
use quorate_identity::files;
use redb::{ReadableTable as _, TableHandle as _};
use std::io;
use std::path::Path;

/// A row of a table, or of the header.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Row {
    pub(crate) table: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Store {
    /// Shows every row of one moment, but for those of some tables, while the store is written on; nobody waits for `visit`. The header comes first.
    ///
    /// # Errors
    /// The environment's; what `visit` answers is inside.
    pub(crate) fn rows<E>(
        &self,
        without: &[Table],
        mut visit: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        self.engine.read_moment(|moment| {
            let tables = Table::ALL.into_iter().filter(|table| !without.contains(table));
            for definition in std::iter::once(HEADER_TABLE).chain(tables.map(writer::definition)) {
                for row in moment.open_table(definition)?.iter()? {
                    let (key, value) = row?;
                    let (key, value) = (key.value().to_vec(), value.value().to_vec());
                    if let Err(error) = visit(Row { table: definition.name().to_owned(), key, value }) {
                        return Ok(Err(error));
                    }
                }
            }
            Ok(Ok(()))
        })
    }

    /// Makes a store of such rows. The file appears whole or not at all.
    ///
    /// # Errors
    /// The environment's; rows of a table that this release does not know; what `rows` answers is inside.
    pub(crate) fn of_rows<E>(
        path: &Path,
        mut rows: impl FnMut() -> Result<Option<Row>, E>,
    ) -> Result<Result<(), E>, StoreError> {
        let folder = files::folder_of(path);
        if !folder.is_dir() {
            return Err(StoreError::MissingDirectory { path: folder.to_path_buf() });
        }
        let draft = files::draft_of(path);
        // Of an attempt that was cut short.
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io(&draft, "removing", error));
            }
            _ => {}
        }
        let file = files::create(&draft, files::Access::Private)
            .map_err(|error| StoreError::io(&draft, "creating", error))?;
        let made = Engine::create(&draft, file).and_then(|engine| {
            let filled = fill(&engine, &mut rows);
            // The format is one of ours, and all tables are there.
            let filled = match filled {
                Ok(Ok(())) => header::read(&engine).and_then(|_| header::complete(&engine)).map(Ok),
                filled => filled,
            };
            engine.close();
            filled
        });
        let made = match made {
            Ok(Ok(())) => files::publish(&draft, path).map(Ok).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => StoreError::AlreadyExists { path: path.to_path_buf() },
                _ => StoreError::io(path, "creating", error),
            }),
            made => made,
        };
        if !matches!(made, Ok(Ok(()))) {
            let _ = std::fs::remove_file(&draft);
        }
        made
    }
}

fn fill<E>(
    engine: &Engine,
    rows: &mut impl FnMut() -> Result<Option<Row>, E>,
) -> Result<Result<(), E>, StoreError> {
    let path = engine.path();
    let filled = engine.run(|database| {
        let transaction = database.begin_write()?;
        loop {
            let row = match rows() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            };
            let table = Table::ALL.into_iter().map(writer::definition).chain([HEADER_TABLE]);
            let table = table.into_iter().find(|table| table.name() == row.table).ok_or_else(|| {
                let detail = format!("it has rows of a table {:?}: a newer release made it", row.table);
                Fault::Answer(StoreError::damaged(path, detail))
            })?;
            transaction.open_table(table)?.insert(row.key.as_slice(), row.value.as_slice())?;
        }
        transaction.commit()?;
        Ok(Ok(()))
    });
    filled.map_err(|(_, fault)| engine.explain("writing", fault))
}
