//! Requests as clients send them: header fields, an empty line, the body.

use http::{HeaderMap, HeaderName, HeaderValue};
use quorate_keys::KeyType;
use quorate_request::{Operation, SignedRequest};

use super::{examples, forwarded_request};
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "http_request",
    seeds,
    words: &[
        "content-digest",
        "quorate-cluster",
        "quorate-operation",
        "signature-input",
        "signature",
        "initiator=",
        "sha-256=:",
        ";created=1800000000",
        ";nonce=\"",
        ";alg=\"ed25519\"",
        ";alg=\"ecdsa-p256-sha256\"",
        "\n",
        ", ",
        ":",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let requests = [
        examples::request(KeyType::Ed25519, Operation::Keygen, examples::KEYGEN_BODY),
        examples::request(KeyType::P256, Operation::Sign, examples::SIGN_BODY),
    ];
    requests.iter().flatten().map(text).collect()
}

fn text(request: &SignedRequest) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in &request.to_http() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    text.push(b'\n');
    text.extend_from_slice(request.body());
    text
}

fn run(input: &[u8]) -> Outcome {
    let (headers, body) = read(input);
    match SignedRequest::from_http(&headers, body) {
        Ok(request) => {
            let again = SignedRequest::from_http(&request.to_http(), request.body().clone());
            assert!(again.as_ref() == Ok(&request), "what is written is read as the same");
            assert!(SignedRequest::decode(&request.encode()).as_ref() == Ok(&request));
            forwarded_request::check(&request)
        }
        Err(error) => forwarded_request::refused(&error),
    }
}

/// What an HTTP server would have made of it; fields that it would refuse are left out.
fn read(input: &[u8]) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    let mut rest = input;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            return (headers, rest.to_vec());
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            // The map panics beyond 32768 fields; servers take a hundred.
            if headers.len() < 100 {
                headers.append(name, value);
            }
        }
    }
    (headers, rest.to_vec())
}
