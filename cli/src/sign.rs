//! `sign`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use clap::ArgGroup;
use quorate_client::verification::{self, PinnedWallet};
use quorate_client::{Begun, Client, ClientError};
use quorate_keys::{DerivationPath, PublicKey};
use quorate_request::{
    Allowance, ErrorCode, Hex, HexArray, RequestId, SignRequest, SignResponse, Tweak, WalletId, WalletView,
};
use rand_core::OsRng;

use crate::cluster::{self, Target};
use crate::failure::{Failure, Tip};
use crate::transaction::{self, Destination, Transaction};
use crate::{address, output, session};

/// How many bytes a public key of ECDSA has, and no other.
const ECDSA_KEY: usize = 65;

/// The generated line is too long to be read.
const USAGE: &str = "\
quorate sign <--wallet NAME|--public-key HEX> <--message …|--message-hex …|--digest …>
       quorate sign <--wallet NAME|--public-key HEX> --chain CHAIN --tx FILE";

/// What to do about a message that an ECDSA wallet does not sign.
const DIGESTS: &str = "ECDSA wallets sign digests: hash the message as whoever verifies it does, such as by SHA-256 or Keccak-256, and \
                       give the 32 bytes with --digest";

const EXAMPLES: &str = "\
Examples:
  quorate sign --wallet treasury --message 'pay Alice'
  quorate sign --wallet till --digest 0x…    # an ECDSA wallet signs digests of 32 bytes
  quorate sign --wallet treasury --chain solana --tx transfer.b64 --out signed.bin";

#[derive(Debug, clap::Args)]
#[command(
    override_usage = USAGE,
    after_help = EXAMPLES,
    group(ArgGroup::new("whose").required(true).args(["wallet", "public_key"])),
    group(ArgGroup::new("what").required(true).args(["message", "message_hex", "message_hash", "tx"]))
)]
pub(crate) struct Arguments {
    /// Name of the wallet.
    #[arg(long)]
    wallet: Option<WalletId>,
    /// Public key of the wallet, 0x and hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    public_key: Option<Hex>,
    /// What to sign, 32 bytes in hexadecimal: a digest, the only thing besides transactions that ECDSA wallets sign. Others
    /// sign it as a message of 32 bytes.
    #[arg(long, value_name = "HEX", visible_alias = "digest")]
    message_hash: Option<HexArray<32>>,
    /// What to sign, as text. It is not hashed, so not for ECDSA wallets.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// What to sign, of any length, in hexadecimal. Likewise not for ECDSA wallets.
    #[arg(long, value_name = "HEX")]
    message_hex: Option<Hex>,
    /// A transaction to sign: a file with its bytes, hexadecimal or Base64 text, or for Ethereum JSON; - reads standard input.
    /// It is shown before it is signed.
    #[arg(long, value_name = "FILE", requires = "chain", conflicts_with = "taproot")]
    tx: Option<PathBuf>,
    /// The chain of the transaction, such as solana, bitcoin or a CAIP-2 id (`quorate chains list`).
    #[arg(long, value_name = "CHAIN", requires = "tx")]
    chain: Option<String>,
    /// Accept inputs of others in the transaction, and leave them to others.
    #[arg(long, requires = "tx")]
    allow_foreign_inputs: bool,
    /// Accept kinds of Bitcoin signature that leave parts of the transaction open to change by others.
    #[arg(long, requires = "tx")]
    allow_weak_sighashes: bool,
    /// Accept parts of the transaction that can't be explained, such as instructions of unknown programs.
    #[arg(long, requires = "tx")]
    allow_opaque: bool,
    /// Sign the transaction without asking.
    #[arg(short, long, requires = "tx")]
    yes: bool,
    /// Write the bytes of the signed transaction to this new file.
    #[arg(long, value_name = "FILE", requires = "tx")]
    out: Option<PathBuf>,
    /// The nodes that shall sign; chosen if left out.
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    signers: Option<Vec<String>>,
    /// Sign with the key derived along this path, such as m/0/1.
    #[arg(long, value_name = "PATH")]
    path: Option<DerivationPath>,
    /// Sign with the Taproot output key (BIP-341): for a Merkle root, or `none` for no script.
    #[arg(long, value_name = "ROOT|none")]
    taproot: Option<Taproot>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Don't wait for the signature: print the request id, under which `quorate session` tells what becomes of it. The same
    /// command with --session-id and that id instead gives the result, verified.
    #[arg(long, conflicts_with = "out")]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// The script tree that a Taproot output key commits to, if any.
#[derive(Debug, Clone)]
struct Taproot(Option<HexArray<32>>);

impl FromStr for Taproot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            root => root
                .parse()
                .map(|root| Self(Some(root)))
                .map_err(|error| format!("neither none nor a root: {error}")),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // The parser lets them pass beside a message, which excludes what they require.
    let for_transactions = arguments.chain.is_some()
        || arguments.out.is_some()
        || arguments.yes
        || arguments.allow_foreign_inputs
        || arguments.allow_weak_sighashes
        || arguments.allow_opaque;
    if arguments.tx.is_none() && for_transactions {
        let text = "--chain, --allow-…, --yes and --out are for transactions: give one with --tx";
        return Err(Failure::Usage(text.into()).into());
    }
    let (json, target) = (arguments.json, &arguments.target);
    let text = arguments.message.map(|text| Hex::from(text.into_bytes()));
    let mut allow = Vec::new();
    if arguments.allow_foreign_inputs {
        allow.push(Allowance::ForeignInputs);
    }
    if arguments.allow_weak_sighashes {
        allow.push(Allowance::WeakSighashes);
    }
    if arguments.allow_opaque {
        allow.push(Allowance::Opaque);
    }
    // Known beforehand, so that a request whose answer is lost can be repeated.
    let id = arguments.session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let mut request = SignRequest {
        session_id: Some(id.clone()),
        public_key: arguments.public_key,
        wallet_id: arguments.wallet,
        message_hash: arguments.message_hash.map(|hash| Hex::from(hash.into_bytes())),
        message: arguments.message_hex.or(text),
        signers: arguments.signers,
        derivation_path: arguments.path.as_ref().map(ToString::to_string),
        tweak: arguments.taproot.map(|Taproot(root)| Tweak::Taproot(root)),
        chain: arguments.chain,
        transaction: None,
        allow,
    };
    // Of a wallet that is only named, the cluster says the same.
    let is_message = request.message.is_some();
    if is_message && request.public_key.as_ref().is_some_and(|key| key.as_bytes().len() == ECDSA_KEY) {
        return Err(anyhow::Error::from(Failure::Usage(
            "--public-key is of an ECDSA wallet, which signs no messages".into(),
        ))
        .context(Tip(DIGESTS.into())));
    }
    let mut written = Ok(());
    let signed = match &arguments.tx {
        None => {
            // Where the key of a child leads back to the wallet.
            let derived = request.public_key.is_some() && request.derivation_path.is_some();
            let wallet = if derived { Some(pinned(target, json, &request).await?) } else { None };
            let submitted = submit(target, json, arguments.no_wait, &request, &id).await;
            let signed = match submitted.map_err(|error| for_digests(error, is_message))? {
                Begun::Running(id) => return session::taken(json, id, "it, verified"),
                Begun::Completed(signed) => signed,
            };
            check(&request, wallet.as_ref(), &signed)?;
            signed
        }
        Some(file) => {
            let chain = transaction::chain(request.chain.as_deref().unwrap_or_default())?;
            let bytes = transaction::read(file, chain.net().takes_json())?;
            // The name that is never ambiguous: what is signed is what was shown.
            request.chain = Some(chain.net().id.into());
            request.transaction = Some(bytes.into());
            let wallet = pinned(target, json, &request).await?;
            request.public_key = Some(wallet.public_key().as_bytes().into());
            request.wallet_id = None;
            let transaction =
                Transaction::new(&wallet, &request).with_context(|| transaction::shown(file))?;
            transaction.confirm(arguments.yes, json)?;
            // Before anything is signed: a file that can't be written must not cost the signature.
            let out = arguments.out.as_deref().map(Destination::new).transpose()?;
            let signed = match submit(target, json, arguments.no_wait, &request, &id).await? {
                Begun::Running(id) => return session::taken(json, id, "it, verified"),
                Begun::Completed(signed) => signed,
            };
            transaction.check(&signed)?;
            if let (Some(out), Some(bytes)) = (out, &signed.signed_transaction) {
                written = out.write(bytes.as_bytes());
            }
            signed
        }
    };
    // What is printed was verified, under the key of the wallet if that is known. It is printed even if it could not be written.
    output::print(json, &signed, || people(&signed))?;
    written
}

/// Asks for the signature, and waits for it unless nobody wants to.
async fn submit(
    target: &Target,
    quiet: bool,
    no_wait: bool,
    request: &SignRequest,
    id: &RequestId,
) -> anyhow::Result<Begun<SignResponse>> {
    let (request, wallet) = (request.clone(), request.wallet_id.clone());
    let sign = async |client: &Client| match no_wait {
        true => client.begin_sign(request).await,
        false => client.sign(request).await.map(Begun::Completed),
    };
    target.work(quiet, "signing", id, wallet.as_ref(), sign).await
}

/// Says what to do about a message that was refused for not being a digest.
fn for_digests(error: anyhow::Error, is_message: bool) -> anyhow::Error {
    let said = error.to_string();
    let refused = is_message && said.contains("digest");
    if refused { cluster::advised(error, ErrorCode::InvalidMessage, DIGESTS) } else { error }
}

/// The wallet that a request names, as the cluster describes it: if by its public key, it is held against that.
async fn pinned(target: &Target, json: bool, request: &SignRequest) -> anyhow::Result<PinnedWallet> {
    let named = request.wallet_id.as_ref();
    let read = async |client: &Client| wallet(client, request).await;
    let view = target.ask_of(json, "reading the wallet", named, read).await?;
    if request.public_key.as_ref().is_some_and(|asked| *asked != view.public_key) {
        let text = "the cluster answered with another wallet than the one of this public key";
        return Err(Failure::NotVerified(text.into()).into());
    }
    Ok(address::pinned(&view)?)
}

/// The wallet that a request names.
async fn wallet(client: &Client, request: &SignRequest) -> Result<WalletView, ClientError> {
    match (&request.wallet_id, &request.public_key) {
        (Some(id), _) => client.wallet(id).await,
        (None, Some(key)) => client.wallet_of_key(key.as_bytes()).await,
        (None, None) => Err(ClientError::InvalidRequest("the request names no wallet".into())),
    }
}

/// A signature, or a signed transaction, and who made it.
pub(crate) fn people(signed: &SignResponse) -> String {
    let mut lines = Vec::new();
    match &signed.signed_transaction {
        None => {
            lines.push(format!("signature   {}", signed.signature));
            lines.extend(signed.recovery_id.map(|id| format!("recovery id {id}")));
            lines.push(format!("public key  {}", signed.public_key));
        }
        Some(transaction) => {
            match &signed.tx_id {
                Some(id) => lines.push(format!("id          {id}")),
                None => lines.push("incomplete  others must sign as well".into()),
            }
            lines.push(format!("signed      {transaction}"));
        }
    }
    lines.push(format!("signed by   {} (attempt {})", signed.committee.join(", "), signed.attempt));
    if !signed.absent.is_empty() {
        lines.push(format!("absent      {}", signed.absent.join(", ")));
    }
    if !signed.culprits.is_empty() {
        lines.push(format!("culprits    {}", signed.culprits.join(", ")));
    }
    lines.join("\n")
}

/// Verifies an answer: under the key that the request names, or else, under the one that the answer names.
fn check(request: &SignRequest, wallet: Option<&PinnedWallet>, signed: &SignResponse) -> anyhow::Result<()> {
    let stated = verification::under_stated_key(request, signed).map_err(ClientError::from)?;
    let named = |asked: &Hex| PublicKey::from_bytes(stated.scheme(), asked.as_bytes());
    let wallet = match (wallet, &request.public_key) {
        (Some(wallet), _) => wallet.clone(),
        (None, Some(asked)) => PinnedWallet::of_key(named(asked).map_err(|_| {
            let text = format!("the cluster answered with a signature of {stated} instead of {asked}");
            Failure::NotVerified(text)
        })?),
        (None, None) => return Ok(()),
    };
    let expected = wallet.expect(request).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(expected.check(signed).map_err(ClientError::from)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use quorate_keys::SigningIdentity;
    use quorate_request::RequestStatus;

    #[test]
    fn only_a_signature_that_verifies_is_printed() {
        let key = SigningIdentity::generate(&mut OsRng);
        let public_key = Hex::from(key.identity().as_bytes().to_vec());
        let answer = |message: &[u8]| SignResponse {
            session_id: "s1".parse().unwrap(),
            wallet_id: "w1".parse().unwrap(),
            signature: key.sign(message).into(),
            recovery_id: None,
            public_key: public_key.clone(),
            status: RequestStatus::Completed,
            committee: vec![],
            attempt: 1,
            absent: vec![],
            culprits: vec![],
            signatures: vec![],
            signed_transaction: None,
            tx_id: None,
        };
        let mut request = SignRequest { message: Some(b"pay".to_vec().into()), ..SignRequest::default() };
        check(&request, None, &answer(b"pay")).unwrap();
        let refused = check(&request, None, &answer(b"pay more")).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(ClientError::Unverified(_))), "{refused}");

        request.public_key = Some(public_key.clone());
        check(&request, None, &answer(b"pay")).unwrap();
        // A good signature, of another key than the one that was asked for.
        let other = SigningIdentity::generate(&mut OsRng).identity();
        request.public_key = Some(Hex::from(other.as_bytes().to_vec()));
        let refused = check(&request, None, &answer(b"pay")).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(ClientError::Unverified(_))), "{refused}");
        request.public_key = Some(Hex::from(vec![7; 32]));
        let refused = check(&request, None, &answer(b"pay")).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Failure::NotVerified(_))), "{refused}");
    }
}
