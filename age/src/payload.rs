//! The payload: chunks under one key, each with its number, of which the last is marked (STREAM: Hoang, Reyhanitabar, Rogaway,
//! Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015).

use std::io::{self, Read, Write};

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce, Tag};
use quorate_keys::Secret;
use zeroize::Zeroizing;

pub(crate) const NONCE: usize = 16;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// Numbers chunks.
struct Chunks {
    cipher: ChaCha20Poly1305,
    number: u64,
}

impl Chunks {
    fn new(key: &Secret<[u8; 32]>) -> Self {
        Self { cipher: ChaCha20Poly1305::new(Key::from_slice(key.expose())), number: 0 }
    }

    /// The next nonce: eleven bytes of the number, and one that marks the last.
    fn nonce(&mut self, last: bool) -> io::Result<Nonce> {
        let mut nonce = Nonce::default();
        let (_, number) = nonce.as_mut_slice().split_at_mut(3);
        let (number, mark) = number.split_at_mut(8);
        number.copy_from_slice(&self.number.to_be_bytes());
        mark.fill(u8::from(last));
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::other("too many chunks"))?;
        Ok(nonce)
    }
}

/// Encrypts what is written to it. Without [`finish`](Self::finish) the file is one that was cut short.
pub struct Encryptor<W> {
    output: W,
    chunks: Chunks,
    waiting: Zeroizing<Vec<u8>>,
}

impl<W> std::fmt::Debug for Encryptor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryptor").finish_non_exhaustive()
    }
}

impl<W: Write> Encryptor<W> {
    pub(crate) fn new(output: W, key: &Secret<[u8; 32]>) -> Self {
        Self { output, chunks: Chunks::new(key), waiting: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)) }
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.chunks.nonce(last)?;
        let tag = self
            .chunks
            .cipher
            .encrypt_in_place_detached(&nonce, &[], &mut self.waiting)
            .map_err(|_| io::Error::other("a chunk is too long"))?;
        self.output.write_all(&self.waiting)?;
        self.output.write_all(&tag)?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the last chunk, and gives the output back. What it buffers is not flushed.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.output)
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let room = CHUNK.saturating_sub(self.waiting.len());
        let (now, _) = bytes.split_at(room.min(bytes.len()));
        self.waiting.extend_from_slice(now);
        Ok(now.len())
    }

    /// Chunks are written when they are full.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Decrypts what is read from it. Only what was read to its end without an error is the whole.
pub struct Decryptor<R> {
    input: R,
    chunks: Chunks,
    /// What has been read and not opened.
    sealed: Vec<u8>,
    opened: Zeroizing<Vec<u8>>,
    given: usize,
    ended: bool,
    /// After an error nothing more is given.
    failed: bool,
}

impl<R> std::fmt::Debug for Decryptor<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decryptor").finish_non_exhaustive()
    }
}

impl<R: Read> Decryptor<R> {
    pub(crate) fn new(input: R, key: &Secret<[u8; 32]>) -> Self {
        Self {
            input,
            chunks: Chunks::new(key),
            sealed: Vec::new(),
            opened: Zeroizing::new(Vec::new()),
            given: 0,
            ended: false,
            failed: false,
        }
    }

    /// Opens the next chunk. One byte more than a chunk is read, which tells whether it is the last.
    fn open(&mut self) -> io::Result<()> {
        let wanted = CHUNK + TAG + 1;
        let missing = u64::try_from(wanted.saturating_sub(self.sealed.len())).unwrap_or_default();
        (&mut self.input).take(missing).read_to_end(&mut self.sealed)?;
        let last = self.sealed.len() < wanted;
        let next = if last { Vec::new() } else { self.sealed.split_off(CHUNK + TAG) };
        let cut_short = || io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut short");
        let length = self.sealed.len().checked_sub(TAG).ok_or_else(cut_short)?;
        let first = self.chunks.number == 0;
        if length == 0 && !first {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file has an empty chunk"));
        }
        let tag = Tag::clone_from_slice(&self.sealed.split_off(length));
        let mut opened = Zeroizing::new(std::mem::replace(&mut self.sealed, next));
        let number = self.chunks.number;
        let nonce = self.chunks.nonce(last)?;
        if self.chunks.cipher.decrypt_in_place_detached(&nonce, &[], &mut opened, &tag).is_err() {
            // Of one that was cut off at the end of a chunk the chunk is not the last.
            let message = match last {
                true => format!("chunk {number}, at the end, was altered, or the file cut short"),
                false => format!("chunk {number} was altered"),
            };
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        (self.opened, self.given, self.ended) = (opened, 0, last);
        Ok(())
    }
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.opened.len() && !self.ended && !buffer.is_empty() {
            if self.failed {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "what comes behind an error is not read",
                ));
            }
            self.failed = true;
            self.open()?;
            self.failed = false;
        }
        let left = self.opened.get(self.given..).unwrap_or_default();
        let length = left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(left) {
            *to = *from;
        }
        self.given = self.given.saturating_add(length);
        Ok(length)
    }
}
