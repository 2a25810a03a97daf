//! Requests as nodes forward them to each other.

use std::{fmt::Display, time::Duration};

use quorate_keys::KeyType;
use quorate_request::{Operation, SignedRequest};

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "forwarded_request",
    seeds,
    words: &[
        "keygen",
        "sign",
        "read:/api/v1/wallets",
        ";created=",
        ";nonce=\"",
        "\"",
        "alg",
        "ecdsa-p256-sha256",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let requests = [
        examples::request(KeyType::Ed25519, Operation::Keygen, examples::KEYGEN_BODY),
        examples::request(KeyType::P256, Operation::Sign, examples::SIGN_BODY),
        Operation::read("/api/v1/wallets")
            .ok()
            .and_then(|read| examples::request(KeyType::Ed25519, read, "")),
    ];
    requests.iter().flatten().map(SignedRequest::encode).collect()
}

fn run(input: &[u8]) -> Outcome {
    match SignedRequest::decode(input) {
        Ok(request) => {
            assert_eq!(request.encode(), input, "a second form of one request was accepted");
            check(&request)
        }
        Err(error) => refused(&error),
    }
}

/// The reason without the name of a parameter that nobody knows, of which there are any number.
pub(super) fn refused(error: &dyn Display) -> Outcome {
    let text = error.to_string();
    Outcome::refused(&text.split_inclusive("unknown parameter").next().unwrap_or_default())
}

/// What a well-formed request meets next.
pub(super) fn check(request: &SignedRequest) -> Outcome {
    match request.verify(&examples::cluster(), |_| true, examples::now(), Duration::from_secs(5)) {
        Ok(verified) => {
            let initiators = KeyType::ALL.map(|key_type| Some(examples::initiator(key_type)?.principal()));
            assert!(initiators.contains(&Some(*verified.initiator())), "nobody else has signed");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
