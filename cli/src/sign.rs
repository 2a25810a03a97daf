//! `sign`.

use std::str::FromStr;

use quorate_keys::{DerivationPath, PublicKey, Scheme, Signature};
use quorate_request::{Hex, HexArray, RequestId, SignRequest, SignResponse, Tweak, WalletId};

use crate::cluster::Target;
use crate::failure::Failure;
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
    message_hash: Option<HexArray<32>>,
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
    path: Option<DerivationPath>,
    /// Sign with the Taproot output key (BIP-341): for a Merkle root, or `none` for no script.
    #[arg(long, value_name = "ROOT|none")]
    taproot: Option<Taproot>,
    /// Request id: repeating a request under its id gives its first result.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
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
    let text = arguments.message.map(|text| Hex::from(text.into_bytes()));
    let request = SignRequest {
        session_id: arguments.session_id,
        public_key: arguments.public_key,
        wallet_id: arguments.wallet,
        message_hash: arguments.message_hash.map(|hash| Hex::from(hash.into_bytes())),
        message: arguments.message_hex.or(text),
        signers: arguments.signers,
        derivation_path: arguments.path.map(|path| path.to_string()),
        tweak: arguments.taproot.map(|Taproot(root)| Tweak::Taproot(root)),
    };
    // What is printed was verified, whoever answered.
    let signed = arguments.target.ask(async |client| client.sign(request.clone()).await).await?;
    check(&request, &signed)?;
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

/// Verifies an answer: the signature under the key that it names, and that key where the request names it.
fn check(request: &SignRequest, signed: &SignResponse) -> anyhow::Result<()> {
    let message = request.message().map_err(|error| Failure::Usage(error.to_string()))?;
    let signature = Signature::from_bytes(*signed.signature.as_bytes());
    // The answer does not name the scheme; a signature of one is none of another.
    let verifies = |scheme: &Scheme| {
        PublicKey::from_bytes(*scheme, signed.public_key.as_bytes())
            .is_ok_and(|key| key.verify(message, &signature).is_ok())
    };
    if !Scheme::ALL.iter().any(verifies) {
        let text =
            format!("the cluster answered with a signature that does not verify under {}", signed.public_key);
        return Err(Failure::NotVerified(text).into());
    }
    let as_it_is = request.derivation_path.is_none() && request.tweak.is_none();
    match &request.public_key {
        Some(asked) if as_it_is && *asked != signed.public_key => {
            let text =
                format!("the cluster answered with a signature of {} instead of {asked}", signed.public_key);
            Err(Failure::NotVerified(text).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use quorate_keys::SigningIdentity;
    use quorate_request::RequestStatus;
    use rand_core::OsRng;

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
        };
        let mut request = SignRequest { message: Some(b"pay".to_vec().into()), ..SignRequest::default() };
        check(&request, &answer(b"pay")).unwrap();
        let refused = check(&request, &answer(b"pay more")).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Failure::NotVerified(_))), "{refused}");

        request.public_key = Some(public_key.clone());
        check(&request, &answer(b"pay")).unwrap();
        // A good signature, of another key than the one that was asked for.
        request.public_key = Some(Hex::from(vec![7; 32]));
        let refused = check(&request, &answer(b"pay")).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Failure::NotVerified(_))), "{refused}");
        request.derivation_path = Some("m/0".into());
        check(&request, &answer(b"pay")).unwrap();
    }
}
