//! A program that signs.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use quorate_keys::{KeyType, Principal, ecdsa};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::{RequestSigner, SignatureFuture, SignerError};

/// Time enough to touch a security key.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Programs that run at the same time; more wait.
const RUNNING: usize = 8;
/// No signature is longer, however it is written.
const MAX_OUTPUT: u64 = 4096;

/// Some tools leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A program that signs with a key that the client does not hold: in a key-management service, on a security key.
///
/// It is run for every signature. What is to be signed goes to its standard input. On standard output it gives the
/// signature: 64 bytes (R‖S of Ed25519, r‖s of ECDSA), or DER of ECDSA, as they are or in hex or base64. Its standard error
/// is that of the client. An exit status other than 0 means that there is no signature.
///
/// It has 60 seconds for that, unless told otherwise, in which it may ask its user for something on the terminal. At most
/// eight of them run at the same time.
#[derive(Debug)]
pub struct SignerCommand {
    principal: Principal,
    program: OsString,
    arguments: Vec<OsString>,
    /// What errors call it.
    shown: String,
    timeout: Duration,
    running: Semaphore,
}

impl SignerCommand {
    /// A program with arguments, found on the path, and run without a shell; `principal` is the public key with which it signs.
    pub fn new(
        principal: Principal,
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let program = program.into();
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let words = std::iter::once(&program).chain(&arguments);
        let shown = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let running = Semaphore::new(RUNNING);
        Self { principal, program, arguments, shown, timeout: TIMEOUT, running }
    }

    /// A command line for the shell: run as `sh -c`, with all that a shell makes of it.
    #[must_use]
    pub fn shell(principal: Principal, line: &str) -> Self {
        Self { shown: line.to_owned(), ..Self::new(principal, "sh", ["-c", line]) }
    }

    /// How long it may take, waiting for others included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let command = || self.shown.clone();
        let unusable = |source| SignerError::Run { command: command(), source };
        let (status, output) = tokio::time::timeout(self.timeout, self.output(message))
            .await
            .map_err(|_| SignerError::TimedOut { command: command(), limit: self.timeout })?
            .map_err(unusable)?;
        if !status.success() {
            return Err(SignerError::Failed { command: command(), status });
        }
        let candidates = read(self.principal.key_type(), &output);
        if candidates.is_empty() {
            let got = match output.len() {
                0 => "nothing".to_owned(),
                many if many as u64 > MAX_OUTPUT => format!("more than {MAX_OUTPUT} bytes"),
                some => format!("{some} bytes"),
            };
            return Err(SignerError::NoSignature { command: command(), got });
        }
        // Bytes can be read as one thing and the other; the signature is what is valid.
        let valid = candidates.into_iter().find(|signature| self.principal.verify(message, signature));
        valid.ok_or(SignerError::OtherKey { principal: self.principal })
    }

    /// Runs the program. Dropped before it has ended, it is killed.
    async fn output(&self, message: &[u8]) -> io::Result<(ExitStatus, Vec<u8>)> {
        let _turn = self.running.acquire().await.map_err(io::Error::other)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let write = async {
            let Some(mut stdin) = stdin else { return };
            // One that reads nothing fails by what it gives, if at all.
            stdin.write_all(message).await.ok();
        };
        let mut output = Vec::new();
        let read = async {
            match stdout {
                Some(stdout) => stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await,
                None => Ok(0),
            }
        };
        let ((), read) = tokio::join!(write, read);
        read?;
        Ok((child.wait().await?, output))
    }
}

impl RequestSigner for SignerCommand {
    fn principal(&self) -> Principal {
        self.principal
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> SignatureFuture<'a> {
        Box::pin(self.run(message))
    }

    fn is_verified(&self) -> bool {
        // Here already.
        false
    }
}

/// All signatures that this can be read as.
fn read(key_type: KeyType, output: &[u8]) -> Vec<[u8; 64]> {
    let text: Option<String> = std::str::from_utf8(output)
        .ok()
        .map(|text| text.chars().filter(|character| !character.is_ascii_whitespace()).collect());
    let hex = text.as_deref().and_then(|text| hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok());
    // In the alphabet of URLs, too.
    let base64 = text.as_deref().and_then(|text| {
        let text = text.replace('-', "+").replace('_', "/");
        BASE64.decode(text).ok()
    });
    let mut found = Vec::new();
    for bytes in [Some(output), hex.as_deref(), base64.as_deref()].into_iter().flatten() {
        found.extend(<[u8; 64]>::try_from(bytes));
        if key_type == KeyType::P256 {
            found.extend(ecdsa::p256_from_der(bytes).map(|signature| *signature.as_bytes()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_keys::{Secret, SigningPrincipal};

    const MESSAGE: &[u8] = b"a message";

    fn key(key_type: KeyType) -> SigningPrincipal {
        SigningPrincipal::from_secret(key_type, &Secret::new([7; 32])).unwrap()
    }

    fn der(signature: &[u8; 64]) -> Vec<u8> {
        let mut inner = Vec::new();
        for half in signature.chunks_exact(32) {
            let zeros = half.iter().take_while(|byte| **byte == 0).count();
            let sign = if half[zeros] < 0x80 { &[][..] } else { &[0] };
            let number = [sign, &half[zeros..]].concat();
            inner.extend([&[2, number.len() as u8], &number[..]].concat());
        }
        [&[0x30, inner.len() as u8], &inner[..]].concat()
    }

    #[test]
    fn a_signature_is_read_in_every_form_in_which_tools_give_it() {
        for key_type in KeyType::ALL {
            let signature = key(key_type).sign(MESSAGE);
            let forms = match key_type {
                KeyType::P256 => vec![signature.to_vec(), der(&signature)],
                _ => vec![signature.to_vec()],
            };
            for bytes in forms {
                let hex = hex::encode(&bytes);
                let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
                let url = base64.replace('+', "-").replace('/', "_").replace('=', "");
                let (first, second) = base64.split_at(64);
                for written in [
                    bytes.clone(),
                    hex.clone().into_bytes(),
                    format!("0x{}\n", hex.to_uppercase()).into_bytes(),
                    format!("{base64}\r\n").into_bytes(),
                    format!("{first}\n{second}\n").into_bytes(),
                    url.into_bytes(),
                ] {
                    let found = read(key_type, &written);
                    assert!(found.contains(&signature), "{}", String::from_utf8_lossy(&written));
                }
            }
        }
    }

    #[test]
    fn what_is_no_signature_is_not_read_as_one() {
        let signature = key(KeyType::P256).sign(MESSAGE);
        let der = der(&signature);
        for written in [
            &b""[..],
            b"\n",
            b"0x",
            b"ok",
            b"error: no such key",
            &signature[..63],
            &[&signature[..], b"\n"].concat(),
            &der[..der.len() - 1],
            &[&der[..], &[0]].concat(),
        ] {
            assert_eq!(read(KeyType::P256, written), Vec::<[u8; 64]>::new(), "{written:?}");
        }
        assert!(read(KeyType::Ed25519, &der).is_empty(), "there is no DER of Ed25519");
    }

    async fn run(line: &str) -> Result<[u8; 64], SignerError> {
        let principal = key(KeyType::Ed25519).principal();
        SignerCommand::shell(principal, line).timeout(Duration::from_secs(5)).sign(MESSAGE).await
    }

    #[tokio::test]
    async fn a_program_signs_what_it_reads() {
        let signature = key(KeyType::Ed25519).sign(MESSAGE);
        let line = format!("test \"$(cat)\" = 'a message' && echo {}", hex::encode(signature));
        assert_eq!(run(&line).await.unwrap(), signature);
        // Without a shell, and without reading anything.
        let principal = key(KeyType::Ed25519).principal();
        let signer = SignerCommand::new(principal, "echo", [hex::encode(signature)]);
        assert_eq!(signer.sign(MESSAGE).await.unwrap(), signature);
        assert!(matches!(signer.sign(b"another").await, Err(SignerError::OtherKey { .. })));
    }

    #[tokio::test]
    async fn every_failure_of_a_program_is_told_apart() {
        let text = |result: Result<_, SignerError>| result.map(drop).unwrap_err().to_string();
        let failed = text(run("exit 3").await);
        assert!(failed.contains("`exit 3` failed") && failed.contains('3'), "{failed}");
        // A signature of one that says that it failed is none.
        let signature = hex::encode(key(KeyType::Ed25519).sign(MESSAGE));
        assert!(matches!(run(&format!("echo {signature}; false")).await, Err(SignerError::Failed { .. })));
        assert!(text(run("true").await).ends_with("it wrote nothing"));
        assert!(text(run("echo garbage").await).ends_with("it wrote 8 bytes"));
        let endless = text(run("head -c 100000 /dev/zero").await);
        assert!(endless.contains("no signature") || endless.contains("failed"), "{endless}");
        let other = hex::encode(key(KeyType::Ed25519).sign(b"another message"));
        assert!(text(run(&format!("echo {other}")).await).contains("public key of the key that signs?"));
        let principal = key(KeyType::Ed25519).principal();
        let missing = SignerCommand::new(principal, "/no/such/program", ["--sign"]);
        let missing = text(missing.sign(MESSAGE).await);
        assert!(missing.contains("`/no/such/program --sign` can't be run"), "{missing}");
        let slow = SignerCommand::shell(principal, "exec sleep 60").timeout(Duration::from_millis(50));
        assert!(matches!(slow.sign(MESSAGE).await, Err(SignerError::TimedOut { .. })));
    }
}
