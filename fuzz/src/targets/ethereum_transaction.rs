//! Ethereum transactions, as bytes and as JSON, as whoever wants one signed hands them over.

use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use quorate_chains::{Context, SigningRequest, find};
use quorate_keys::{PublicKey, Scheme, Signature};
use serde_json::Value;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "ethereum_transaction",
    seeds,
    words: &[
        "chainId",
        "gas",
        "gasPrice",
        "input",
        "from",
        "accessList",
        "storageKeys",
        "0x",
        "null",
        "18446744073709551615",
        "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F",
    ],
    run,
};

/// What the chain's own library built, for this key.
const BUILT: &str = include_str!("../../../chains/tests/data/ethereum.json");
const SECRET: [u8; 32] = [0x46; 32];

/// Those of the main network, in both forms.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(BUILT).unwrap_or_default();
    let cases = file.get("built").and_then(Value::as_array).into_iter().flatten();
    let main = cases.filter_map(|case| {
        let fields = case.get("tx").filter(|fields| fields.get("chainId") == Some(&"1".into()))?;
        let bytes = hex::decode(case.get("unsigned")?.as_str()?.strip_prefix("0x")?).ok()?;
        Some([bytes, serde_json::to_vec(fields).ok()?])
    });
    main.flatten().collect()
}

/// The wallet's key.
pub(super) fn key() -> Option<PublicKey> {
    let secret = SecretKey::from_slice(&SECRET).ok()?;
    let point = secret.public_key(&Secp256k1::new()).serialize_uncompressed();
    PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &point).ok()
}

fn sign(request: &SigningRequest) -> Option<Signature> {
    let message = Message::from_digest_slice(request.payload.as_bytes()).ok()?;
    let secret = SecretKey::from_slice(&SECRET).ok()?;
    Some(Signature::from_bytes(Secp256k1::new().sign_ecdsa(&message, &secret).serialize_compact()))
}

fn run(input: &[u8]) -> Outcome {
    let (Ok(chain), Some(key)) = (find("ethereum"), key()) else { return Outcome::refused(&"no chain") };
    let context = Context::new(key);
    let prepared = match chain.prepare(input, &context) {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::refused(&error),
    };
    super::explained(prepared.explain());
    let signatures: Option<Vec<Signature>> = prepared.requests().iter().map(sign).collect();
    let signed = signatures.map(|signatures| chain.assemble(&prepared, &signatures));
    assert!(matches!(signed, Some(Ok(_))), "signed as it was asked, but {signed:?}");
    if let Some(Ok(signed)) = signed {
        let again = chain.prepare(signed.transaction(), &context);
        assert_eq!(
            again.err().map(|error| error.code()),
            Some("unsupported_transaction"),
            "what is signed is not signed again"
        );
    }
    Outcome::accepted()
}
