//! `sign`.

use anyhow::bail;
use quorate_request::{Hex, HexArray, RequestId, SignRequest, Tweak, WalletId};

use crate::cluster::Target;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the wallet.
    #[arg(long, required_unless_present = "public_key", conflicts_with = "public_key")]
    wallet: Option<WalletId>,
    /// Public key of the wallet, 0x and hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    public_key: Option<Hex>,
    /// What to sign, 32 bytes in hexadecimal.
    #[arg(long, value_name = "HEX", required_unless_present_any = ["message", "message_hex"])]
    message_hash: Option<Hex>,
    /// What to sign, as text.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["message_hash", "message_hex"])]
    message: Option<String>,
    /// What to sign, of any length, in hexadecimal.
    #[arg(long, value_name = "HEX", conflicts_with = "message_hash")]
    message_hex: Option<Hex>,
    /// The nodes that shall sign; chosen if left out.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    signers: Option<Vec<String>>,
    /// Sign with the key derived along this path, such as m/0/1.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Sign with the Taproot output key (BIP-341): for a Merkle root, or `none` for no script.
    #[arg(long, value_name = "ROOT|none")]
    taproot: Option<String>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let tweak = match arguments.taproot.as_deref() {
        None => None,
        Some("none") => Some(Tweak::Taproot(None)),
        Some(root) => match root.parse::<HexArray<32>>() {
            Ok(root) => Some(Tweak::Taproot(Some(root))),
            Err(error) => bail!("--taproot: {error}"),
        },
    };
    let text = arguments.message.map(|text| Hex::from(text.into_bytes()));
    let request = SignRequest {
        session_id: arguments.session_id,
        public_key: arguments.public_key,
        wallet_id: arguments.wallet,
        message_hash: arguments.message_hash,
        message: arguments.message_hex.or(text),
        signers: arguments.signers,
        derivation_path: arguments.path,
        tweak,
    };
    let signed = arguments.target.client()?.sign(request).await?;
    output::print(arguments.json, &signed, || {
        let mut text = format!(
            "signature   {}\npublic key  {}\nsigned by   {} (attempt {})",
            signed.signature,
            signed.public_key,
            signed.committee.join(", "),
            signed.attempt
        );
        if !signed.absent.is_empty() {
            text.push_str(&format!("\nabsent      {}", signed.absent.join(", ")));
        }
        if !signed.culprits.is_empty() {
            text.push_str(&format!("\nculprits    {}", signed.culprits.join(", ")));
        }
        text
    })
}
