//! The bodies of requests for presignatures and for auxiliary information.

use quorate_request::{AuxiliaryRequest, Body, PresignRequest, RequestId};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "presign_body",
    seeds,
    words: &[
        "session_id",
        "public_key",
        "wallet_id",
        "count",
        "signers",
        "parties",
        "null",
        "-1",
        "1025",
        "65536",
        "0x",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"session_id": "order-20", "wallet_id": "till", "count": 100, "signers": ["node1", "node3"]}"#,
        r#"{"session_id": "order-20", "parties": ["node1", "node3"]}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}

fn run(input: &[u8]) -> Outcome {
    let Ok(id) = "order-20".parse::<RequestId>() else { return Outcome::refused(&"no id") };
    match PresignRequest::from_json(input, &id) {
        Ok(body) => {
            same(&body, &id);
            // What is made of it must not panic either.
            let count = body.count();
            assert_eq!(count.is_ok(), (1..=PresignRequest::MAX_COUNT).contains(&body.count));
            let _ = body.wallet().is_ok();
            Outcome::accepted()
        }
        Err(error) => match AuxiliaryRequest::from_json(input, &id) {
            Ok(body) => {
                same(&body, &id);
                Outcome::accepted()
            }
            Err(_) => Outcome::refused(&error),
        },
    }
}

fn same<B: Body + PartialEq + std::fmt::Debug>(body: &B, id: &RequestId) {
    let written = serde_json::to_vec(body).unwrap_or_default();
    assert_eq!(B::from_json(&written, id).as_ref(), Ok(body), "what is written is read as the same");
}
