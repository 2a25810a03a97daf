//! What is in a backup, inside its encryption.
//!
//! A line that names the format, a [`Head`], the rows, each behind its length, and at the end their number and the node's
//! signature of a hash of all that.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_age::{Decryptor, Encryptor, Recipient};
use quorate_keys::{Identity, Secret, SigningIdentity, Transcript};
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
    let mut encryptor = quorate_age::encrypt(recipients, BufWriter::new(file), &mut OsRng).map_err(age)?;
    let head = Head {
        cluster: source.cluster,
        node: source.node.clone(),
        identity: source.signer.identity(),
        created_ms,
        // What is committed meanwhile may be in it as well.
        sequence: source.store.sequence(),
        key_file: source.key_file.clone(),
    };
    let rows = |visit: &mut dyn FnMut(Row) -> io::Result<()>| source.store.rows(&WITHOUT, visit);
    let signed = write_content(&head, source.signer, rows, &mut encryptor)?.map_err(failed)?;
    finish(encryptor).map_err(failed)?;
    Ok((head, signed))
}

/// Writes what is inside a backup, before it is encrypted; a hash of it.
fn write_content<E>(
    head: &Head,
    signer: &SigningIdentity,
    rows: impl FnOnce(&mut dyn FnMut(Row) -> io::Result<()>) -> Result<io::Result<()>, E>,
    output: impl Write,
) -> Result<io::Result<[u8; 32]>, E> {
    let mut output = Hashing::new(output);
    let mut count = 0_u64;
    let mut written = output.put(FORMAT).and_then(|()| output.put_block(head));
    if written.is_ok() {
        written = rows(&mut |row| {
            count = count.saturating_add(1);
            output.put_block(&row)
        })?;
    }
    Ok(written.and_then(|()| {
        output.put(&[0; 4])?;
        let signed = output.signed();
        output.put_block(&End { rows: count, signature: signer.sign(&signed) })?;
        Ok(signed)
    }))
}

fn finish(encryptor: Encryptor<BufWriter<File>>) -> io::Result<()> {
    let file = encryptor.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// A backup that is being read.
pub(crate) struct Reader<R> {
    path: PathBuf,
    input: Hashing<R>,
    head: Head,
    rows: u64,
    /// The hash of what was signed, once all was read.
    signed: Option<[u8; 32]>,
}

impl Reader<Decryptor<BufReader<File>>> {
    pub(super) fn open(path: &Path, identities: &[quorate_age::Identity]) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|error| BackupError::io(path, error))?;
        let decryptor = quorate_age::decrypt(identities, BufReader::new(file));
        let decryptor = decryptor.map_err(|source| BackupError::Age { path: path.to_path_buf(), source })?;
        Self::of(path, decryptor)
    }
}

impl<R: Read> Reader<R> {
    /// Of what is inside a backup, which its errors name by its path.
    pub(crate) fn of(path: &Path, content: R) -> Result<Self, BackupError> {
        let mut input = Hashing::new(content);
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

    pub(crate) const fn rows(&self) -> u64 {
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
    pub(crate) fn next(&mut self) -> Result<Option<Row>, BackupError> {
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

/// Samples of what is inside a backup, before it is encrypted.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let signer = SigningIdentity::from_seed(&Secret::new([1; 32]));
    let head = Head {
        cluster: [1; 32],
        node: "node1".into(),
        identity: signer.identity(),
        created_ms: 1_764_000_000_000,
        sequence: 7,
        key_file: b"{}".to_vec(),
    };
    let row = |byte| Row { table: "shares".into(), key: vec![byte], value: vec![byte; 40] };
    let content = |count| {
        let mut output = Vec::new();
        let rows = |visit: &mut dyn FnMut(Row) -> io::Result<()>| {
            Ok::<_, Infallible>((0..count).try_for_each(|byte| visit(row(byte))))
        };
        let Ok(written) = write_content(&head, &signer, rows, &mut output);
        written.ok().map(|_| output)
    };
    [0, 3].into_iter().filter_map(content).collect()
}
