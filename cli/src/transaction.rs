//! A transaction on its way to the cluster: read, explained and confirmed here, and its signatures checked when they come
//! back. What is shown is what this machine has read, whoever serves the API.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use quorate_chains::Chain;
use quorate_client::ClientError;
use quorate_client::verification::{Expectation, PinnedWallet, Unexpectable};
use quorate_request::{SignRequest, SignResponse, TransactionBytes};

use crate::failure::Failure;
use crate::{chains, output};

/// The largest file that is read: more than any chain's transaction has.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A chain by one of its names.
pub(crate) fn chain(name: &str) -> anyhow::Result<Chain> {
    chains::find(name)
}

/// A transaction from a file, or from standard input: as bytes, as hexadecimal or Base64 text, or, where the chain has that,
/// as a JSON object.
pub(crate) fn read(file: &Path, takes_json: bool) -> anyhow::Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| Failure::Setting(format!("{}: {error}", shown(file)));
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock().take(MAX_FILE + 1))
    } else {
        Box::new(std::fs::File::open(file).map_err(unreadable)?.take(MAX_FILE + 1))
    };
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        let text = format!("{} is larger than any transaction ({MAX_FILE} bytes)", shown(file));
        return Err(Failure::Setting(text).into());
    }
    if bytes.trim_ascii().is_empty() {
        return Err(
            Failure::Setting(format!("{} is empty: there is no transaction in it", shown(file))).into()
        );
    }
    match text(&bytes) {
        Some(bytes) => Ok(bytes),
        None if takes_json && bytes.trim_ascii_start().starts_with(b"{") => Ok(bytes),
        // No transaction is written in letters alone.
        None if std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains(is_binary)) => {
            let forms = if takes_json {
                "not hexadecimal, Base64 or a JSON object"
            } else {
                "but neither hexadecimal nor Base64"
            };
            let text = format!("{} is no transaction: it is text, {forms}", shown(file));
            Err(Failure::Setting(text).into())
        }
        None => Ok(bytes),
    }
}

fn is_binary(letter: char) -> bool {
    letter.is_control() && !letter.is_ascii_whitespace()
}

/// What a file is called.
pub(crate) fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}

/// What a text stands for; nothing if the bytes are no text in either encoding.
fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if let Ok(bytes) = hex::decode(digits) {
        return Some(bytes);
    }
    text.parse::<TransactionBytes>().ok().map(|transaction| transaction.as_bytes().to_vec())
}

/// A transaction that was read, for a wallet.
pub(crate) struct Transaction(Expectation);

impl Transaction {
    /// Reads a transaction as the nodes will.
    pub(crate) fn new(wallet: &PinnedWallet, request: &SignRequest) -> anyhow::Result<Self> {
        wallet.expect(request).map(Self).map_err(|error| {
            let failure = match &error {
                Unexpectable::Transaction(refused) => {
                    Failure::Refused { code: refused.code(), text: refused.to_string() }
                }
                _ => Failure::Usage(error.to_string()),
            };
            failure.into()
        })
    }

    /// What the transaction does, in lines.
    pub(crate) fn explained(&self) -> String {
        self.0.explain().map(ToString::to_string).unwrap_or_default()
    }

    /// Shows what the transaction does, and asks whether it shall be signed.
    pub(crate) fn confirm(&self, yes: bool, quiet: bool) -> anyhow::Result<()> {
        let none = "signing needs a yes, and there is no terminal to ask on: look at the transaction, then give --yes";
        output::confirm(&self.explained(), "Sign this?", none, yes, quiet)
    }

    /// Verifies the cluster's answer: every signature, and that the signed transaction is this one with just them.
    pub(crate) fn check(&self, signed: &SignResponse) -> anyhow::Result<()> {
        Ok(self.0.check(signed).map_err(ClientError::from)?)
    }
}

/// Where a signed transaction goes: a file that appears whole, or not at all, and replaces nothing.
pub(crate) struct Destination<'a>(&'a Path);

impl<'a> Destination<'a> {
    /// Looks whether the file can be made, before anything is signed for it.
    pub(crate) fn new(file: &'a Path) -> anyhow::Result<Self> {
        let refused = |error: std::io::Error| Failure::Setting(format!("{}: {error}", file.display()));
        if file.try_exists().map_err(refused)? {
            let text = format!("{} is there already: choose another file for --out", file.display());
            return Err(Failure::Setting(text).into());
        }
        let destination = Self(file);
        drop(destination.draft().map_err(refused)?);
        Ok(destination)
    }

    /// Writes the file.
    pub(crate) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        let write = || {
            let mut draft = self.draft()?;
            draft.write_all(bytes)?;
            draft.as_file().sync_all()?;
            draft.persist_noclobber(self.0).map_err(|failed| failed.error)
        };
        write().map(drop).with_context(|| format!("the signed transaction is not in {}", self.0.display()))
    }

    /// A file beside it, of the mode that any new file has.
    fn draft(&self) -> std::io::Result<tempfile::NamedTempFile> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mode = std::fs::Permissions::from_mode(0o666);
        tempfile::Builder::new().permissions(mode).tempfile_in(folder.unwrap_or(Path::new(".")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_bytes_hexadecimal_base64_or_json() {
        for content in [&b"psbt\xff"[..], b"0x70736274ff\n", b"70736274FF", b" cHNidP8=\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            for takes_json in [false, true] {
                assert_eq!(read(file.path(), takes_json).unwrap(), b"psbt\xff", "{content:?}");
            }
        }
        assert_eq!(text(b"not a transaction"), None);
        let file = tempfile::NamedTempFile::new().unwrap();
        let json = b"\n{ \"nonce\": 9 }\n";
        std::fs::write(file.path(), json).unwrap();
        assert_eq!(read(file.path(), true).unwrap(), json);
        assert!(read(file.path(), false).unwrap_err().to_string().contains("neither hexadecimal"));
        let file = tempfile::NamedTempFile::new().unwrap();
        for (takes_json, content, told) in [
            (false, &b" \n"[..], "is empty"),
            (false, b"not a transaction\n", "neither hexadecimal"),
            (true, b"not a transaction\n", "or a JSON object"),
            (true, b"[1]\n", "or a JSON object"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            assert!(read(file.path(), takes_json).unwrap_err().to_string().contains(told), "{content:?}");
        }
        let missing = read(Path::new("/nowhere/tx"), false).unwrap_err();
        assert!(
            matches!(missing.downcast_ref(), Some(Failure::Setting(text)) if text.contains("/nowhere/tx"))
        );
    }

    #[test]
    fn a_file_that_is_no_transaction_for_its_size_is_not_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert!(read(file.path(), true).unwrap_err().to_string().contains("larger than any transaction"));
    }

    #[test]
    fn a_signed_transaction_is_written_whole_or_not_at_all_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signed");
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        // A request that is refused leaves nothing that would stand in its repeat's way.
        assert!(Destination::new(&file).is_ok());
        assert_eq!(files(), 0);
        Destination::new(&file).unwrap().write(b"transaction").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"transaction");
        let taken = Destination::new(&file).err().unwrap();
        assert!(taken.to_string().contains("is there already"), "{taken}");
        // Somebody was faster.
        let other = folder.path().join("other");
        let destination = Destination::new(&other).unwrap();
        std::fs::write(&other, b"theirs").unwrap();
        assert!(destination.write(b"ours").unwrap_err().to_string().contains("other"));
        assert_eq!(std::fs::read(&other).unwrap(), b"theirs");
        assert_eq!(files(), 2);
        assert!(Destination::new(Path::new("/nowhere/signed")).is_err());
    }
}
