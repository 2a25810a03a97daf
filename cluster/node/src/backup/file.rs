//! What is in a backup, inside its encryption.
//!
//! A line that names the format, a [`Head`], the rows, each behind its length, and at the end their number and the node's
//! signature of a hash of all that.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_age::{Decryptor, Encryptor, Recipient};
use quorate_keys::{Identity, SigningIdentity, Transcript};
use rand_core::OsRng;
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::store::{MAX_KEY, MAX_VALUE, Row, Store, Table};

const FORMAT: &[u8; 18] = b"quorate backup 1\n\0";
/// A head: the file of an identity has a few hundred bytes.
const MOST_HEAD: usize = 64 * 1024;
/// A row: what a record has beside its value is a few bytes.
const MOST_ROW: usize = MAX_VALUE + MAX_KEY + 1024;
const MOST_END: usize = 256;
/// What may not come back once it was used.
const WITHOUT: [Table; 1] = [Table::Pairs];

/// Of what, and of when, a backup is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Head {
    /// The cluster.
    pub cluster: [u8; 32],
    /// The node's name.
    pub node: String,
    /// Who signed it.
    pub identity: Identity,
    /// When it was made, in unix milliseconds.
    pub created_ms: u64,
    /// The store's sequence: how many commits it had seen.
    pub sequence: u64,
    key_file: Vec<u8>,
}

impl Head {
    /// The file of the node's identity, under its passphrase.
    pub(super) fn key_file(&self) -> &[u8] {
        &self.key_file
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct End {
    rows: u64,
    signature: [u8; 64],
}

/// What is backed up.
pub(crate) struct Source<'a> {
    pub(crate) store: &'a Store,
    pub(crate) signer: &'a SigningIdentity,
    /// The file of that identity.
    pub(crate) key_file: Vec<u8>,
    pub(crate) cluster: [u8; 32],
    pub(crate) node: String,
}

/// Hashes what passes.
struct Hashing<T> {
    through: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    fn new(through: T) -> Self {
        Self { through, hash: Sha256::new() }
    }

    fn signed(&self) -> [u8; 32] {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        Transcript::new(b"quorate/backup/v1").field("content", &hash).digest()
    }
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.through.write_all(bytes)
    }

    fn put_block(&mut self, content: &impl BorshSerialize) -> io::Result<()> {
        let bytes = borsh::to_vec(content)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(&bytes)
    }
}

impl<R: Read> Hashing<R> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.through.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    /// The next block; nothing where there are no more of its kind.
    fn take_block(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        self.take(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(None);
        }
        if length > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a part of it is too long"));
        }
        let mut bytes = vec![0; length];
        self.take(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// Writes a backup, durably; what it is of, and a hash of what is in it.
pub(super) fn write(
    source: &Source<'_>,
    created_ms: u64,
    recipients: &[Recipient],
    file: File,
    path: &Path,
) -> Result<(Head, [u8; 32]), BackupError> {
    let age = |source| BackupError::Age { path: path.to_path_buf(), source };
    let failed = |error| BackupError::io(path, error);
    let encryptor = quorate_age::encrypt(recipients, BufWriter::new(file), &mut OsRng).map_err(age)?;
    let mut output = Hashing::new(encryptor);
    let head = Head {
        cluster: source.cluster,
        node: source.node.clone(),
        identity: source.signer.identity(),
        created_ms,
        // What is committed meanwhile may be in it as well.
        sequence: source.store.sequence(),
        key_file: source.key_file.clone(),
    };
    output.put(FORMAT).and_then(|()| output.put_block(&head)).map_err(failed)?;
    let mut rows = 0_u64;
    source
        .store
        .rows(&WITHOUT, |row| {
            rows = rows.saturating_add(1);
            output.put_block(&row)
        })?
        .map_err(failed)?;
    output.put(&[0; 4]).map_err(failed)?;
    let signed = output.signed();
    output.put_block(&End { rows, signature: source.signer.sign(&signed) }).map_err(failed)?;
    finish(output.through).map_err(failed)?;
    Ok((head, signed))
}

fn finish(encryptor: Encryptor<BufWriter<File>>) -> io::Result<()> {
    let file = encryptor.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// A backup that is being read.
pub(super) struct Reader {
    path: PathBuf,
    input: Hashing<Decryptor<BufReader<File>>>,
    head: Head,
    rows: u64,
    /// The hash of what was signed, once all was read.
    signed: Option<[u8; 32]>,
}

impl Reader {
    pub(super) fn open(path: &Path, identities: &[quorate_age::Identity]) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|error| BackupError::io(path, error))?;
        let decryptor = quorate_age::decrypt(identities, BufReader::new(file));
        let decryptor = decryptor.map_err(|source| BackupError::Age { path: path.to_path_buf(), source })?;
        let mut input = Hashing::new(decryptor);
        let failed = |error| BackupError::io(path, error);
        let mut format = [0; FORMAT.len()];
        input.take(&mut format).map_err(failed)?;
        if format != *FORMAT {
            return Err(BackupError::malformed(path, "no backup of a node, or one of a newer release"));
        }
        let head = input.take_block(MOST_HEAD).map_err(failed)?.unwrap_or_default();
        let head = Head::try_from_slice(&head)
            .map_err(|error| BackupError::malformed(path, format!("its head can't be read: {error}")))?;
        Ok(Self { path: path.to_path_buf(), input, head, rows: 0, signed: None })
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// The hash of what was signed, once all was read.
    pub(super) const fn signed(&self) -> Option<[u8; 32]> {
        self.signed
    }

    pub(super) fn into_head(self) -> Head {
        self.head
    }

    /// The next row; nothing at the end, when that was signed by the node.
    pub(super) fn next(&mut self) -> Result<Option<Row>, BackupError> {
        if self.signed.is_some() {
            return Ok(None);
        }
        let failed = |error| BackupError::io(&self.path, error);
        if let Some(row) = self.input.take_block(MOST_ROW).map_err(failed)? {
            self.rows = self.rows.saturating_add(1);
            let row = Row::try_from_slice(&row);
            let unreadable =
                |error| BackupError::malformed(&self.path, format!("a row can't be read: {error}"));
            return row.map(Some).map_err(unreadable);
        }
        let signed = self.input.signed();
        let end = self.input.take_block(MOST_END).map_err(failed)?.unwrap_or_default();
        let end = End::try_from_slice(&end)
            .map_err(|error| BackupError::malformed(&self.path, format!("its end can't be read: {error}")))?;
        let behind = self.input.through.read(&mut [0]).map_err(failed)?;
        if behind != 0 || end.rows != self.rows {
            return Err(BackupError::malformed(&self.path, "it has more or less than its end says"));
        }
        if !self.head.identity.verify(&signed, &end.signature) {
            return Err(BackupError::malformed(
                &self.path,
                "the node that it says it is of has not signed it",
            ));
        }
        self.signed = Some(signed);
        Ok(None)
    }
}
