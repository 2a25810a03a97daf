//! The body of a request for signing.

use quorate_request::{Body, RequestId, SignRequest};

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "sign_body",
    seeds,
    words: &[
        "session_id",
        "public_key",
        "wallet_id",
        "message_hash",
        "message",
        "signers",
        "derivation_path",
        "tweak",
        "taproot",
        "chain",
        "transaction",
        "allow",
        "foreign_inputs",
        "null",
        "0x",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    vec![examples::SIGN_BODY.as_bytes().to_vec()]
}

fn run(input: &[u8]) -> Outcome {
    let Ok(id) = "payment-17".parse::<RequestId>() else { return Outcome::refused(&"no id") };
    match SignRequest::from_json(input, &id) {
        Ok(body) => {
            let written = serde_json::to_vec(&body).unwrap_or_default();
            assert_eq!(
                SignRequest::from_json(&written, &id).as_ref(),
                Ok(&body),
                "what is written is read as the same"
            );
            // What is made of it must not panic either.
            let _ = (body.wallet().is_ok(), body.subject().is_ok());
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
