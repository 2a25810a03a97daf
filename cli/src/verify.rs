//! `verify`.

use quorate_keys::{PublicKey, Scheme, Signature};
use quorate_request::Hex;
use serde::Serialize;

use crate::failure::Failure;
use crate::{arguments, output};

const EXAMPLES: &str = "\
Examples:
  quorate verify --scheme ed25519 --public-key 0x… --message 'pay Alice' --signature 0x…
  quorate verify --scheme ecdsa-secp256k1 --public-key 0x04… --digest 0x… --signature 0x…";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Signature scheme.
    #[arg(long, value_parser = arguments::schemes())]
    scheme: Scheme,
    /// Public key in hexadecimal.
    #[arg(long, value_name = "HEX")]
    public_key: Hex,
    /// What was signed, as text.
    #[arg(long, value_name = "TEXT", required_unless_present = "message_hex")]
    message: Option<String>,
    /// What was signed, in hexadecimal; for ECDSA the digest of 32 bytes.
    #[arg(long, value_name = "HEX", visible_aliases = ["message-hash", "digest"], conflicts_with = "message")]
    message_hex: Option<Hex>,
    /// The signature, 64 bytes in hexadecimal.
    #[arg(long, value_name = "HEX")]
    signature: Signature,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let key = PublicKey::from_bytes(arguments.scheme, arguments.public_key.as_bytes())
        .map_err(|error| Failure::Usage(format!("--public-key for {}: {error}", arguments.scheme)))?;
    let message = match (&arguments.message, &arguments.message_hex) {
        (Some(text), None) => text.as_bytes(),
        (None, Some(hex)) => hex.as_bytes(),
        _ => return Err(Failure::Usage("give exactly one of --message and --message-hex".into()).into()),
    };
    if arguments.scheme.signs_digests() && message.len() != 32 {
        let (scheme, length) = (arguments.scheme, message.len());
        let told =
            format!("{scheme} signs digests of 32 bytes, got {length} bytes: give the digest with --digest");
        return Err(Failure::Usage(told).into());
    }
    let valid = key.verify(message, &arguments.signature).is_ok();
    if arguments.json {
        output::print(true, &Verdict { valid }, String::new)?;
    }
    if !valid {
        return Err(Failure::NotVerified("the signature does not verify".into()).into());
    }
    if arguments.json { Ok(()) } else { output::print(false, &(), || "the signature verifies".into()) }
}
