//! What is accepted, and every refusal of what is well-formed.

mod kinds;
mod spelling;
mod tampering;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use quorate_keys::{KeyType, Secret};
use sha2::{Digest as _, Sha256};

use super::fields::{CLUSTER, CONTENT_DIGEST, OPERATION, SIGNATURE, SIGNATURE_INPUT};
use super::*;
use crate::{BodyError, KeygenRequest, SignRequest};

/// One test with keys of both types.
macro_rules! for_both_key_types {
    ($($name:ident),* $(,)?) => {
        mod with_ed25519 {
            $(#[test] fn $name() { super::$name(quorate_keys::KeyType::Ed25519); })*
        }

        mod with_p256 {
            $(#[test] fn $name() { super::$name(quorate_keys::KeyType::P256); })*
        }
    };
}
use for_both_key_types;

for_both_key_types!(
    a_request_is_verified_and_gives_its_typed_body,
    the_fields_are_those_of_rfc_9421_to_the_letter,
    a_library_that_is_not_ours_finds_the_signature_valid,
    a_request_without_signature_is_unsigned,
    a_body_that_is_not_the_signed_one_is_refused,
    a_signature_does_not_serve_for_another_operation,
    a_signature_by_another_key_is_refused,
    a_request_for_another_cluster_is_refused,
    a_request_is_valid_from_creation_to_expiry_give_or_take_the_skew,
    a_body_that_comes_when_the_time_is_over_is_refused,
    a_request_that_is_valid_for_more_than_an_hour_is_refused_even_if_signed,
    a_body_that_is_too_large_is_neither_signed_nor_read_nor_decoded,
    times_that_no_node_would_accept_are_not_signed,
    a_repetition_signed_anew_is_the_same_request_but_another_message,
    debug_output_shows_no_body,
);

const NOW: u64 = 1_800_000_000;
const SKEW: Duration = Duration::from_secs(30);
const COMPONENTS: &str = r#"("content-digest" "quorate-cluster" "quorate-operation")"#;
const BODY: &str = r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key_of(key_type: KeyType, seed: u8) -> SigningPrincipal {
    SigningPrincipal::from_secret(key_type, &Secret::new([seed; 32])).unwrap()
}

fn key(key_type: KeyType) -> SigningPrincipal {
    key_of(key_type, 7)
}

fn cluster() -> ClusterId {
    ClusterId::from_bytes([0xc1; 32])
}

fn make(key_type: KeyType, operation: Operation, id: &str, body: &[u8]) -> SignedRequest {
    let id = id.parse().unwrap();
    SignedRequest::sign(&key(key_type), cluster(), operation, id, at(NOW), at(NOW + 60), body.to_vec())
        .unwrap()
}

fn keygen(key_type: KeyType) -> SignedRequest {
    make(key_type, Operation::Keygen, "s1", BODY.as_bytes())
}

fn check(request: &SignedRequest) -> Result<Verified, RequestError> {
    check_at(request, NOW)
}

fn check_at(request: &SignedRequest, now: u64) -> Result<Verified, RequestError> {
    let known = KeyType::ALL.map(|key_type| key(key_type).principal());
    request.verify(&cluster(), |principal| known.contains(principal), at(now), SKEW)
}

fn check_http(headers: &HeaderMap, body: &[u8]) -> Result<Verified, RequestError> {
    check(&SignedRequest::from_http(headers, body.to_vec())?)
}

/// Signs fields as another implementation of RFC 9421 would, whatever they hold.
fn sign_fields(
    key_type: KeyType,
    parameters: &str,
    digest: &str,
    cluster: &str,
    operation: &str,
) -> HeaderMap {
    let base = format!(
        "\"content-digest\": {digest}\n\"quorate-cluster\": {cluster}\n\"quorate-operation\": {operation}\n\
         \"@signature-params\": {parameters}"
    );
    let signature = STANDARD.encode(key(key_type).sign(base.as_bytes()));
    let fields = [
        (CONTENT_DIGEST, digest.to_owned()),
        (CLUSTER, cluster.to_owned()),
        (OPERATION, operation.to_owned()),
        (SIGNATURE_INPUT, format!("initiator={parameters}")),
        (SIGNATURE, format!("initiator=:{signature}:")),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()))
        .collect()
}

fn digest_of(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Signs the usual request with other signature parameters.
fn sign_parameters(key_type: KeyType, parameters: &str) -> HeaderMap {
    sign_fields(key_type, parameters, &digest_of(BODY.as_bytes()), &cluster().to_string(), "keygen")
}

fn usual_parameters(key_type: KeyType) -> String {
    let (keyid, alg) = (key(key_type).principal(), key_type.algorithm());
    format!("{COMPONENTS};created={NOW};expires={};keyid=\"{keyid}\";nonce=\"s1\";alg=\"{alg}\"", NOW + 60)
}

fn replace(headers: &mut HeaderMap, name: &'static str, value: impl Into<Vec<u8>>) {
    headers.insert(name, HeaderValue::try_from(value.into()).unwrap());
}

fn a_request_is_verified_and_gives_its_typed_body(key_type: KeyType) {
    let request = keygen(key_type);
    let verified = check_http(&request.to_http(), BODY.as_bytes()).unwrap();
    assert_eq!(verified.initiator(), &key(key_type).principal());
    assert_eq!(verified.request_id().as_str(), "s1");
    assert_eq!(verified.operation(), &Operation::Keygen);
    assert_eq!(verified.remember_until(), at(NOW + 60 + 30));
    assert_eq!(verified.request().created(), at(NOW));
    assert_eq!(verified.body::<KeygenRequest>().unwrap().threshold, 2);
    assert_eq!(verified.into_request(), request);
}

fn the_fields_are_those_of_rfc_9421_to_the_letter(key_type: KeyType) {
    assert_eq!(keygen(key_type).to_http(), sign_parameters(key_type, &usual_parameters(key_type)));
    assert_eq!(keygen(key_type).to_http().len(), 5);
}

fn a_library_that_is_not_ours_finds_the_signature_valid(key_type: KeyType) {
    let request = keygen(key_type);
    let public: Vec<u8> = hex::decode(&key(key_type).principal().to_string()[2..]).unwrap();
    let base = format!(
        "\"content-digest\": {}\n\"quorate-cluster\": 0x{}\n\"quorate-operation\": keygen\n\
         \"@signature-params\": {}",
        digest_of(BODY.as_bytes()),
        "c1".repeat(32),
        usual_parameters(key_type)
    );
    let signature = request.to_http()[SIGNATURE].to_str().unwrap().to_owned();
    let signature = signature.strip_prefix("initiator=:").unwrap().strip_suffix(':').unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let algorithm: &dyn VerificationAlgorithm = match key_type {
        KeyType::P256 => &ECDSA_P256_SHA256_FIXED,
        _ => &ED25519,
    };
    UnparsedPublicKey::new(algorithm, public).verify(base.as_bytes(), &signature).unwrap();
}

fn a_request_without_signature_is_unsigned(key_type: KeyType) {
    let mut headers = keygen(key_type).to_http();
    headers.remove(SIGNATURE);
    headers.remove(SIGNATURE_INPUT);
    assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::Unsigned));
    assert_eq!(check_http(&HeaderMap::new(), b""), Err(RequestError::Unsigned));
}

fn a_body_that_is_not_the_signed_one_is_refused(key_type: KeyType) {
    let headers = keygen(key_type).to_http();
    let larger = BODY.replace("\"threshold\": 2", "\"threshold\": 3");
    assert_eq!(check_http(&headers, larger.as_bytes()), Err(RequestError::DigestMismatch));
    assert_eq!(check_http(&headers, b""), Err(RequestError::DigestMismatch));
    // Replacing the digest along with the body breaks the signature.
    let mut headers = headers;
    replace(&mut headers, CONTENT_DIGEST, digest_of(larger.as_bytes()));
    assert_eq!(check_http(&headers, larger.as_bytes()), Err(RequestError::BadSignature));
}

fn a_signature_does_not_serve_for_another_operation(key_type: KeyType) {
    let mut headers = keygen(key_type).to_http();
    replace(&mut headers, OPERATION, "sign");
    assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::BadSignature));
    let verified = check(&keygen(key_type)).unwrap();
    assert_eq!(verified.body::<SignRequest>(), Err(BodyError::OtherOperation(Operation::Keygen)));
    assert_eq!(verified.require(&Operation::Keygen), Ok(()));
    let error = verified.require(&Operation::Sign).unwrap_err();
    assert_eq!(error, RequestError::OtherOperation { signed: Operation::Keygen, wanted: Operation::Sign });
    let read = make(key_type, Operation::read("/api/v1/wallets").unwrap(), "r1", b"");
    let verified = check(&read).unwrap();
    assert!(verified.require(&Operation::read("/api/v1/wallets").unwrap()).is_ok());
    assert!(verified.require(&Operation::read("/api/v1/wallets/w1").unwrap()).is_err());
}

fn a_signature_by_another_key_is_refused(key_type: KeyType) {
    let other = key_of(key_type, 8);
    let id: RequestId = "s1".parse().unwrap();
    let body = BODY.as_bytes();
    let request =
        SignedRequest::sign(&other, cluster(), Operation::Keygen, id, at(NOW), at(NOW + 60), body.to_vec())
            .unwrap();
    assert_eq!(check(&request), Err(RequestError::UnknownInitiator(other.principal())));
    // Another key's signature under the initiator's name.
    let mut headers = keygen(key_type).to_http();
    let theirs = request.to_http()[SIGNATURE].clone();
    headers.insert(SIGNATURE, theirs);
    assert_eq!(check_http(&headers, body), Err(RequestError::BadSignature));
}

fn a_request_for_another_cluster_is_refused(key_type: KeyType) {
    let other = ClusterId::from_bytes([0xc2; 32]);
    let request = keygen(key_type);
    let error = request.verify(&other, |_| true, at(NOW), SKEW).unwrap_err();
    assert_eq!(error, RequestError::WrongCluster { asked: cluster(), this: other });
    let mut headers = request.to_http();
    replace(&mut headers, CLUSTER, other.to_string());
    let readdressed = SignedRequest::from_http(&headers, BODY).unwrap();
    assert_eq!(readdressed.verify(&other, |_| true, at(NOW), SKEW), Err(RequestError::BadSignature));
}

fn a_request_is_valid_from_creation_to_expiry_give_or_take_the_skew(key_type: KeyType) {
    let request = keygen(key_type);
    assert!(check_at(&request, NOW - 30).is_ok());
    assert_eq!(check_at(&request, NOW - 31), Err(RequestError::NotYetValid { ahead: 31 }));
    assert!(check_at(&request, NOW + 60 + 29).is_ok());
    assert_eq!(check_at(&request, NOW + 60 + 30), Err(RequestError::Expired { ago: 30 }));
    assert_eq!(check_at(&request, 0), Err(RequestError::NotYetValid { ahead: NOW }));
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    let error = request.verify(&cluster(), |_| true, before_1970, SKEW).unwrap_err();
    assert_eq!(error, RequestError::NotYetValid { ahead: NOW });
    let later = check(&request).unwrap().remember_until();
    assert!(request.verify(&cluster(), |_| true, later, SKEW).is_err(), "forgotten while still valid");
}

fn a_body_that_comes_when_the_time_is_over_is_refused(key_type: KeyType) {
    let headers = keygen(key_type).to_http();
    let head = SignedRequest::from_http(&headers, "").unwrap();
    let head = head.verify_head(&cluster(), |_| true, at(NOW + 60 + 29), SKEW).unwrap();
    let body = Bytes::from_static(BODY.as_bytes());
    assert_eq!(head.clone().with_body(body.clone(), at(NOW + 60 + 29)), check(&keygen(key_type)));
    let late = head.with_body(body, at(NOW + 60 + 30));
    assert_eq!(late, Err(RequestError::Expired { ago: 30 }));
}

fn a_request_that_is_valid_for_more_than_an_hour_is_refused_even_if_signed(key_type: KeyType) {
    let lasting = |seconds: u64| {
        let expires = format!("expires={}", NOW + seconds);
        sign_parameters(
            key_type,
            &usual_parameters(key_type).replace(&format!("expires={}", NOW + 60), &expires),
        )
    };
    assert!(check_http(&lasting(3600), BODY.as_bytes()).is_ok());
    let error = check_http(&lasting(3601), BODY.as_bytes()).unwrap_err();
    assert_eq!(error, RequestError::LifetimeTooLong { seconds: 3601, limit: 3600 });
    let forever = usual_parameters(key_type)
        .replace(&format!("expires={}", NOW + 60), &format!("expires={}", "9".repeat(15)));
    let error = check_http(&sign_parameters(key_type, &forever), BODY.as_bytes()).unwrap_err();
    assert!(matches!(error, RequestError::LifetimeTooLong { .. }));
}

fn a_body_that_is_too_large_is_neither_signed_nor_read_nor_decoded(key_type: KeyType) {
    let request_with = |body: Vec<u8>| {
        let id = "s1".parse().unwrap();
        SignedRequest::sign(&key(key_type), cluster(), Operation::Sign, id, at(NOW), at(NOW + 60), body)
    };
    let largest = request_with(vec![b' '; MAX_BODY_BYTES]).unwrap();
    assert_eq!(SignedRequest::decode(&largest.encode()).as_ref(), Ok(&largest));
    assert!(largest.encode().len() < 1024 * 1024 - 32 * 1024, "room for an envelope in a frame of 1 MiB");
    let (got, limit) = (MAX_BODY_BYTES + 1, MAX_BODY_BYTES);
    assert_eq!(request_with(vec![b' '; got]), Err(SignError::BodyTooLarge { got, limit }));
    let error = SignedRequest::from_http(&largest.to_http(), vec![b' '; got]).unwrap_err();
    assert_eq!(error, RequestError::BodyTooLarge { got, limit });
    assert_eq!(SignedRequest::decode(&vec![1; 2 * MAX_BODY_BYTES]), Err(DecodeError::TooLarge));
}

fn times_that_no_node_would_accept_are_not_signed(key_type: KeyType) {
    let with = |created: SystemTime, expires: SystemTime| {
        let id = "s1".parse().unwrap();
        SignedRequest::sign(&key(key_type), cluster(), Operation::Sign, id, created, expires, "")
    };
    let before_1970 = UNIX_EPOCH - Duration::from_secs(10);
    assert!(with(at(NOW), at(NOW + 3600)).is_ok());
    for (created, expires) in [
        (at(NOW), at(NOW)),
        (at(NOW), at(NOW - 1)),
        (at(NOW), at(NOW + 3601)),
        (before_1970, at(10)),
        (at(NOW), before_1970),
    ] {
        assert_eq!(with(created, expires), Err(SignError::Times { limit: 3600 }));
    }
}

fn a_repetition_signed_anew_is_the_same_request_but_another_message(key_type: KeyType) {
    let first = keygen(key_type);
    let id = || "s1".parse().unwrap();
    let again = SignedRequest::sign(
        &key(key_type),
        cluster(),
        Operation::Keygen,
        id(),
        at(NOW + 1),
        at(NOW + 61),
        BODY,
    )
    .unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint());
    assert_ne!(first.digest(), again.digest());
    let other_key = key_of(key_type, 8);
    let by_other =
        SignedRequest::sign(&other_key, cluster(), Operation::Keygen, id(), at(NOW), at(NOW + 60), BODY)
            .unwrap();
    for other in [
        make(key_type, Operation::Sign, "s1", BODY.as_bytes()),
        make(key_type, Operation::Keygen, "s2", BODY.as_bytes()),
        make(key_type, Operation::Keygen, "s1", b"{}"),
        by_other,
    ] {
        assert_ne!(first.fingerprint(), other.fingerprint());
        assert_ne!(first.digest(), other.digest());
    }
}

fn debug_output_shows_no_body(key_type: KeyType) {
    let text = format!("{:?}", make(key_type, Operation::Sign, "s1", b"{\"message\": \"0x736563726574\"}"));
    assert!(text.contains("s1") && !text.contains("message"), "{text}");
}
