//! The body of a request for key generation.

use quorate_request::{Body, KeygenRequest, RequestId};

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "keygen_body",
    seeds,
    words: &[
        "session_id",
        "threshold",
        "total",
        "curve",
        "protocol",
        "wallet_id",
        "parties",
        "null",
        "-1",
        "1e99",
        "65536",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    vec![examples::KEYGEN_BODY.as_bytes().to_vec()]
}

fn run(input: &[u8]) -> Outcome {
    let Ok(id) = "payment-17".parse::<RequestId>() else { return Outcome::refused(&"no id") };
    match KeygenRequest::from_json(input, &id) {
        Ok(body) => {
            let written = serde_json::to_vec(&body).unwrap_or_default();
            assert_eq!(
                KeygenRequest::from_json(&written, &id).as_ref(),
                Ok(&body),
                "what is written is read as the same"
            );
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
