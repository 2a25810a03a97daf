//! Libraries that we did not write, and what they say of a signature.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use quorate_keys::{PublicKey, Scheme, Signature};
pub(crate) use quorate_simulator::judges::agree;
use quorate_simulator::judges::verdicts;

/// The program `openssl`, and the files that it reads.
pub(crate) struct OpenSsl {
    folder: PathBuf,
}

impl OpenSsl {
    /// With a folder of this name, which nobody else may use at the same time.
    pub(crate) fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// Checks that it accepts a signature, and, if it is `asked_twice`, that it refuses the same of another digest.
    pub(crate) fn agrees(
        &self,
        key: &PublicKey,
        digest: &[u8; 32],
        signature: &Signature,
        asked_twice: bool,
    ) {
        assert!(self.accepts(key, digest, signature), "OpenSSL refuses a signature by {key:?}");
        if asked_twice {
            let mut other = *digest;
            other[31] ^= 1;
            assert!(!self.accepts(key, &other, signature), "OpenSSL accepts anything");
        }
    }

    fn accepts(&self, key: &PublicKey, digest: &[u8; 32], signature: &Signature) -> bool {
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let status = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey"])
            .arg(write("key", &public_key_info(key)))
            .arg("-in")
            .arg(write("digest", digest))
            .arg("-sigfile")
            .arg(write("signature", &der(signature)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status.expect("openssl is installed").code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("openssl ended with {other:?}"),
        }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// SubjectPublicKeyInfo.
fn public_key_info(key: &PublicKey) -> Vec<u8> {
    let algorithm = match key.scheme() {
        Scheme::EcdsaSecp256k1 => hex::decode("301006072a8648ce3d020106052b8104000a"),
        Scheme::EcdsaP256 => hex::decode("301306072a8648ce3d020106082a8648ce3d030107"),
        other => panic!("{other}"),
    };
    let point = key.as_bytes();
    let bits = [&[0x03, point.len() as u8 + 1, 0], point].concat();
    sequence(&[algorithm.unwrap(), bits].concat())
}

fn der(signature: &Signature) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = &bytes[zeros..];
        let sign: &[u8] = if digits.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
        [&[0x02, (sign.len() + digits.len()) as u8], sign, digits].concat()
    };
    let (r, s) = signature.as_bytes().split_at(32);
    sequence(&[integer(r), integer(s)].concat())
}

fn sequence(content: &[u8]) -> Vec<u8> {
    [&[0x30, u8::try_from(content.len()).unwrap()], content].concat()
}

/// A judge that accepts everything would be none.
#[test]
fn the_judges_refuse_what_was_not_signed() {
    let scene = crate::scene::Scene::<quorate_sharing::P256>::new(2, 2, 1);
    let made = scene.sign(&[1, 2], &[([7; 32], "m/4")], 1);
    refuse_others(&made[0]);
    let scene = crate::scene::Scene::<quorate_sharing::Secp256k1>::new(2, 2, 1);
    let made = scene.sign(&[1, 2], &[([7; 32], "m/4")], 1);
    refuse_others(&made[0]);
}

fn refuse_others(made: &quorate_session::Made) {
    agree(&made.public_key, &[7; 32], &made.signature);
    assert!(verdicts(&made.public_key, &[8; 32], &made.signature).iter().all(|(_, accepts)| !accepts));
    let mut wrong = *made.signature.as_bytes();
    wrong[63] ^= 1;
    let wrong = Signature::from_bytes(wrong);
    assert!(verdicts(&made.public_key, &[7; 32], &wrong).iter().all(|(_, accepts)| !accepts));
}
