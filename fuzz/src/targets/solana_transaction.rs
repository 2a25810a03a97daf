//! Solana transactions, as whoever wants one signed hands them over.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use quorate_chains::{Context, find};
use quorate_keys::{PublicKey, Scheme, Signature};
use serde_json::Value;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "solana_transaction", seeds, words: &[], run };

/// What the chain's own library built, for the key of this seed.
const BUILT: &str = include_str!("../../../chains/tests/data/solana.json");
const SEED: [u8; 32] = [8; 32];

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(BUILT).unwrap_or_default();
    let cases = file.get("cases").and_then(Value::as_array).into_iter().flatten();
    cases
        .flat_map(|case| ["unsigned", "signed"].map(|form| case.get(form).and_then(Value::as_str)))
        .filter_map(|text| STANDARD.decode(text?).ok())
        .collect()
}

/// The wallet's key.
pub(super) fn key() -> Option<PublicKey> {
    let key = SigningKey::from_bytes(&SEED).verifying_key();
    PublicKey::from_bytes(Scheme::Ed25519, key.as_bytes()).ok()
}

fn run(input: &[u8]) -> Outcome {
    let (Ok(chain), Some(public)) = (find("solana"), key()) else { return Outcome::refused(&"no chain") };
    let key = SigningKey::from_bytes(&SEED);
    let context = Context::new(public);
    let prepared = match chain.prepare(input, &context) {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::refused(&error),
    };
    super::explained(prepared.explain());
    let sign = |payload: &[u8]| Signature::from_bytes(key.sign(payload).to_bytes());
    let signatures: Vec<Signature> =
        prepared.requests().iter().map(|request| sign(request.payload.as_bytes())).collect();
    let signed = chain.assemble(&prepared, &signatures);
    assert!(signed.is_ok(), "signed by all who were asked, but {signed:?}");
    if let Ok(signed) = signed {
        let again = chain.prepare(signed.transaction(), &context);
        assert_eq!(
            again.as_ref().map(|again| again.requests()),
            Ok(prepared.requests()),
            "signing changes nothing of what is signed"
        );
    }
    Outcome::accepted()
}
