//! Every refusal, and the laws of tampering and forwarding.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::fields::{CLUSTER, CONTENT_DIGEST, OPERATION, SIGNATURE, SIGNATURE_INPUT};
use super::*;
use crate::{BodyError, KeygenRequest, SignRequest};

const NOW: u64 = 1_800_000_000;
const SKEW: Duration = Duration::from_secs(30);
const COMPONENTS: &str = r#"("content-digest" "quorate-cluster" "quorate-operation")"#;
const BODY: &str = r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key() -> SigningIdentity {
    SigningIdentity::from_seed([7; 32])
}

fn cluster() -> ClusterId {
    ClusterId::from_bytes([0xc1; 32])
}

fn make(operation: Operation, id: &str, body: &[u8]) -> SignedRequest {
    let id = id.parse().unwrap();
    SignedRequest::sign(&key(), cluster(), operation, id, at(NOW), at(NOW + 60), body.to_vec()).unwrap()
}

fn keygen() -> SignedRequest {
    make(Operation::Keygen, "s1", BODY.as_bytes())
}

fn check(request: &SignedRequest) -> Result<Verified, RequestError> {
    check_at(request, NOW)
}

fn check_at(request: &SignedRequest, now: u64) -> Result<Verified, RequestError> {
    request.verify(&cluster(), |identity| *identity == key().identity(), at(now), SKEW)
}

fn check_http(headers: &HeaderMap, body: &[u8]) -> Result<Verified, RequestError> {
    check(&SignedRequest::from_http(headers, body.to_vec())?)
}

/// Signs fields as another implementation of RFC 9421 would, whatever they hold.
fn sign_fields(parameters: &str, digest: &str, cluster: &str, operation: &str) -> HeaderMap {
    let base = format!(
        "\"content-digest\": {digest}\n\"quorate-cluster\": {cluster}\n\"quorate-operation\": {operation}\n\
         \"@signature-params\": {parameters}"
    );
    let signature = STANDARD.encode(key().sign(base.as_bytes()));
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
fn sign_parameters(parameters: &str) -> HeaderMap {
    sign_fields(parameters, &digest_of(BODY.as_bytes()), &cluster().to_string(), "keygen")
}

fn usual_parameters() -> String {
    let keyid = key().identity();
    format!("{COMPONENTS};created={NOW};expires={};keyid=\"{keyid}\";nonce=\"s1\";alg=\"ed25519\"", NOW + 60)
}

fn malformed_field(result: Result<Verified, RequestError>) -> &'static str {
    match result {
        Err(RequestError::Malformed { field, .. }) => field,
        other => panic!("expected a malformed field, got {other:?}"),
    }
}

fn replace(headers: &mut HeaderMap, name: &'static str, value: impl Into<Vec<u8>>) {
    headers.insert(name, HeaderValue::try_from(value.into()).unwrap());
}

#[test]
fn a_request_is_verified_and_gives_its_typed_body() {
    let request = keygen();
    let verified = check_http(&request.to_http(), BODY.as_bytes()).unwrap();
    assert_eq!(verified.initiator(), &key().identity());
    assert_eq!(verified.request_id().as_str(), "s1");
    assert_eq!(verified.operation(), &Operation::Keygen);
    assert_eq!(verified.remember_until(), at(NOW + 60 + 30));
    assert_eq!(verified.request().created(), at(NOW));
    assert_eq!(verified.body::<KeygenRequest>().unwrap().threshold, 2);
    assert_eq!(verified.into_request(), request);
}

#[test]
fn the_fields_are_those_of_rfc_9421_to_the_letter() {
    assert_eq!(keygen().to_http(), sign_parameters(&usual_parameters()));
    assert_eq!(keygen().to_http().len(), 5);
}

#[test]
fn a_library_that_is_not_ours_finds_the_signature_valid() {
    let request = keygen();
    let public: Vec<u8> = hex::decode(&key().identity().to_string()[2..]).unwrap();
    let base = format!(
        "\"content-digest\": {}\n\"quorate-cluster\": 0x{}\n\"quorate-operation\": keygen\n\
         \"@signature-params\": {}",
        digest_of(BODY.as_bytes()),
        "c1".repeat(32),
        usual_parameters()
    );
    let signature = request.to_http()[SIGNATURE].to_str().unwrap().to_owned();
    let signature = signature.strip_prefix("initiator=:").unwrap().strip_suffix(':').unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(base.as_bytes(), &signature).unwrap();
}

#[test]
fn parameters_may_come_in_any_order_since_the_signature_covers_it() {
    let keyid = key().identity();
    let parameters = format!(
        "{COMPONENTS};alg=\"ed25519\";keyid=\"{keyid}\";expires={};nonce=\"s1\";created={NOW}",
        NOW + 60
    );
    let headers = sign_parameters(&parameters);
    let verified = check_http(&headers, BODY.as_bytes()).unwrap();
    assert_eq!(verified.request().to_http(), headers);
    let forwarded = SignedRequest::decode(&verified.request().encode()).unwrap();
    assert_eq!(check(&forwarded), Ok(verified.clone()));
    assert_eq!(verified.request().fingerprint(), keygen().fingerprint());
    assert_ne!(verified.request().digest(), keygen().digest());
}

#[test]
fn a_request_without_signature_is_unsigned() {
    let mut headers = keygen().to_http();
    headers.remove(SIGNATURE);
    headers.remove(SIGNATURE_INPUT);
    assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::Unsigned));
    assert_eq!(check_http(&HeaderMap::new(), b""), Err(RequestError::Unsigned));
}

#[test]
fn every_field_is_needed_and_may_not_be_repeated() {
    for name in [CONTENT_DIGEST, CLUSTER, OPERATION, SIGNATURE_INPUT, SIGNATURE] {
        let whole = keygen().to_http();
        let mut without = whole.clone();
        without.remove(name);
        assert_eq!(malformed_field(check_http(&without, BODY.as_bytes())), name);
        let mut twice = whole.clone();
        twice.append(name, whole[name].clone());
        assert_eq!(malformed_field(check_http(&twice, BODY.as_bytes())), name);
        let mut doubled = whole.clone();
        let value = whole[name].to_str().unwrap();
        replace(&mut doubled, name, format!("{value}, {value}"));
        assert_eq!(malformed_field(check_http(&doubled, BODY.as_bytes())), name);
        let mut not_ascii = whole.clone();
        replace(&mut not_ascii, name, [value.as_bytes(), b"\xff"].concat());
        assert_eq!(malformed_field(check_http(&not_ascii, BODY.as_bytes())), name);
        let mut empty = whole;
        replace(&mut empty, name, "");
        assert_eq!(malformed_field(check_http(&empty, BODY.as_bytes())), name);
    }
}

#[test]
fn fields_that_the_signature_does_not_cover_change_nothing() {
    let mut headers = keygen().to_http();
    replace(&mut headers, "x-forwarded-for", "10.0.0.1");
    assert!(check_http(&headers, BODY.as_bytes()).is_ok());
}

#[test]
fn components_other_than_ours_in_our_order_are_refused_even_if_signed() {
    let usual = usual_parameters();
    for components in [
        r#"("quorate-cluster" "content-digest" "quorate-operation")"#,
        r#"("content-digest" "quorate-cluster")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation" "@authority")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation" "quorate-operation")"#,
        r#"("content-digest" "quorate-cluster" "quorate-operation";bs)"#,
        r#"("content-digest" "quorate-cluster" quorate-operation)"#,
        r#"("content-digest" "quorate-cluster" "Quorate-Operation")"#,
        "()",
        r#""content-digest""#,
    ] {
        let headers = sign_parameters(&usual.replace(COMPONENTS, components));
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{components}");
    }
}

#[test]
fn parameters_are_exactly_ours_even_if_signed() {
    let usual = usual_parameters();
    let keyid = format!("keyid=\"{}\"", key().identity());
    let expires = format!("expires={}", NOW + 60);
    let created = format!("created={NOW}");
    let upper = keyid.to_uppercase().replace("KEYID", "keyid").replace("\"0X", "\"0x");
    let bad = [
        // Missing.
        usual.replace(";alg=\"ed25519\"", ""),
        usual.replace(";nonce=\"s1\"", ""),
        usual.replace(&format!(";{keyid}"), ""),
        usual.replace(&format!(";{created}"), ""),
        usual.replace(&format!(";{expires}"), ""),
        // Of another type or value.
        usual.replace("alg=\"ed25519\"", "alg=ed25519"),
        usual.replace("alg=\"ed25519\"", "alg=\"hmac-sha256\""),
        usual.replace("nonce=\"s1\"", "nonce=s1"),
        usual.replace("nonce=\"s1\"", "nonce=\"\""),
        usual.replace("nonce=\"s1\"", "nonce=\"a b\""),
        usual.replace("nonce=\"s1\"", &format!("nonce=\"{}\"", "x".repeat(129))),
        usual.replace(&keyid, "keyid=\"0x00\""),
        usual.replace(&keyid, &keyid.replace("\"0x", "\"")),
        usual.replace(&keyid, &upper),
        usual.replace(&created, "created=-1"),
        usual.replace(&created, &format!("created={NOW}.0")),
        usual.replace(&created, &format!("created=\"{NOW}\"")),
        usual.replace(&expires, "expires"),
        // Out of order in time.
        usual.replace(&expires, &format!("expires={NOW}")),
        usual.replace(&expires, "expires=0"),
        // More than ours.
        format!("{usual};tag=\"app\""),
        format!("{usual};x"),
    ];
    for parameters in &bad {
        assert_ne!(parameters, &usual, "a case that changes nothing");
        let headers = sign_parameters(parameters);
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{parameters}");
    }
}

#[test]
fn spellings_that_mean_the_same_are_refused() {
    let usual = usual_parameters();
    for parameters in [
        usual.replace(";created", "; created"),
        usual.replace("\" \"", "\"  \""),
        usual.replace(";created=", ";created=1;created="),
        usual.replace(";created=", ";created=0"),
        format!("{usual} "),
        usual.replace("(\"", "( \""),
    ] {
        let mut headers = sign_parameters(&usual);
        replace(&mut headers, SIGNATURE_INPUT, format!("initiator={parameters}"));
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), SIGNATURE_INPUT, "{parameters}");
    }
    let mut headers = keygen().to_http();
    let upper = cluster().to_string().to_uppercase().replace("0X", "0x");
    replace(&mut headers, CLUSTER, upper);
    assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), CLUSTER);
}

#[test]
fn there_is_exactly_one_signature_under_our_label() {
    let whole = keygen().to_http();
    let input = whole[SIGNATURE_INPUT].to_str().unwrap();
    let signature = whole[SIGNATURE].to_str().unwrap();
    let other_input = input.replace("initiator=", "other=");
    let other_signature = signature.replace("initiator=", "other=");
    let cases = [
        (SIGNATURE_INPUT, format!("{input}, {other_input}")),
        (SIGNATURE_INPUT, format!("{other_input}, {input}")),
        (SIGNATURE_INPUT, other_input),
        (SIGNATURE, format!("{signature}, {other_signature}")),
        (SIGNATURE, format!("{other_signature}, {signature}")),
        (SIGNATURE, other_signature),
        (SIGNATURE, format!("{signature};x")),
        (SIGNATURE, "initiator=:AAAA:".to_owned()),
        (SIGNATURE, "initiator=\"AAAA\"".to_owned()),
        (SIGNATURE, "initiator=()".to_owned()),
        (SIGNATURE, "initiator".to_owned()),
    ];
    for (name, value) in cases {
        let mut headers = whole.clone();
        replace(&mut headers, name, value.clone());
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), name, "{value}");
    }
}

#[test]
fn the_digest_is_sha_256_and_nothing_else_even_if_signed() {
    let digest = digest_of(BODY.as_bytes());
    for bad in [
        digest.replace("sha-256", "sha-512"),
        format!("{digest}, sha-512=:AAAA:"),
        format!("{digest};q=1"),
        "sha-256=:AAAA:".to_owned(),
        digest.replace(':', ""),
    ] {
        let headers = sign_fields(&usual_parameters(), &bad, &cluster().to_string(), "keygen");
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), CONTENT_DIGEST, "{bad}");
    }
}

#[test]
fn an_operation_that_is_not_known_is_refused_even_if_signed() {
    let digest = digest_of(BODY.as_bytes());
    for bad in ["Keygen", "reshare", "read:", "keygen, sign"] {
        let headers = sign_fields(&usual_parameters(), &digest, &cluster().to_string(), bad);
        assert_eq!(malformed_field(check_http(&headers, BODY.as_bytes())), OPERATION, "{bad}");
    }
}

#[test]
fn a_body_that_is_not_the_signed_one_is_refused() {
    let headers = keygen().to_http();
    let larger = BODY.replace("\"threshold\": 2", "\"threshold\": 3");
    assert_eq!(check_http(&headers, larger.as_bytes()), Err(RequestError::DigestMismatch));
    assert_eq!(check_http(&headers, b""), Err(RequestError::DigestMismatch));
    // Replacing the digest along with the body breaks the signature.
    let mut headers = headers;
    replace(&mut headers, CONTENT_DIGEST, digest_of(larger.as_bytes()));
    assert_eq!(check_http(&headers, larger.as_bytes()), Err(RequestError::BadSignature));
}

#[test]
fn a_signature_does_not_serve_for_another_operation() {
    let mut headers = keygen().to_http();
    replace(&mut headers, OPERATION, "sign");
    assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::BadSignature));
    let verified = check(&keygen()).unwrap();
    assert_eq!(verified.body::<SignRequest>(), Err(BodyError::OtherOperation(Operation::Keygen)));
    assert_eq!(verified.require(&Operation::Keygen), Ok(()));
    let error = verified.require(&Operation::Sign).unwrap_err();
    assert_eq!(error, RequestError::OtherOperation { signed: Operation::Keygen, wanted: Operation::Sign });
    let read = make(Operation::read("/api/v1/wallets").unwrap(), "r1", b"");
    let verified = check(&read).unwrap();
    assert!(verified.require(&Operation::read("/api/v1/wallets").unwrap()).is_ok());
    assert!(verified.require(&Operation::read("/api/v1/wallets/w1").unwrap()).is_err());
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let other = SigningIdentity::from_seed([8; 32]);
    let id: RequestId = "s1".parse().unwrap();
    let body = BODY.as_bytes();
    let request =
        SignedRequest::sign(&other, cluster(), Operation::Keygen, id, at(NOW), at(NOW + 60), body.to_vec())
            .unwrap();
    assert_eq!(check(&request), Err(RequestError::UnknownInitiator(other.identity())));
    // Another key's signature under the initiator's name.
    let mut headers = keygen().to_http();
    let theirs = request.to_http()[SIGNATURE].clone();
    headers.insert(SIGNATURE, theirs);
    assert_eq!(check_http(&headers, body), Err(RequestError::BadSignature));
}

#[test]
fn a_request_for_another_cluster_is_refused() {
    let other = ClusterId::from_bytes([0xc2; 32]);
    let request = keygen();
    let error = request.verify(&other, |_| true, at(NOW), SKEW).unwrap_err();
    assert_eq!(error, RequestError::WrongCluster { asked: cluster(), this: other });
    let mut headers = request.to_http();
    replace(&mut headers, CLUSTER, other.to_string());
    let readdressed = SignedRequest::from_http(&headers, BODY).unwrap();
    assert_eq!(readdressed.verify(&other, |_| true, at(NOW), SKEW), Err(RequestError::BadSignature));
}

#[test]
fn a_request_is_valid_from_creation_to_expiry_give_or_take_the_skew() {
    let request = keygen();
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

#[test]
fn a_request_that_is_valid_for_more_than_an_hour_is_refused_even_if_signed() {
    let lasting = |seconds: u64| {
        let expires = format!("expires={}", NOW + seconds);
        sign_parameters(&usual_parameters().replace(&format!("expires={}", NOW + 60), &expires))
    };
    assert!(check_http(&lasting(3600), BODY.as_bytes()).is_ok());
    let error = check_http(&lasting(3601), BODY.as_bytes()).unwrap_err();
    assert_eq!(error, RequestError::LifetimeTooLong { seconds: 3601, limit: 3600 });
    let forever =
        usual_parameters().replace(&format!("expires={}", NOW + 60), &format!("expires={}", "9".repeat(15)));
    let error = check_http(&sign_parameters(&forever), BODY.as_bytes()).unwrap_err();
    assert!(matches!(error, RequestError::LifetimeTooLong { .. }));
}

#[test]
fn a_body_that_is_too_large_is_neither_signed_nor_read_nor_decoded() {
    let request_with = |body: Vec<u8>| {
        let id = "s1".parse().unwrap();
        SignedRequest::sign(&key(), cluster(), Operation::Sign, id, at(NOW), at(NOW + 60), body)
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

#[test]
fn times_that_no_node_would_accept_are_not_signed() {
    let with = |created: SystemTime, expires: SystemTime| {
        let id = "s1".parse().unwrap();
        SignedRequest::sign(&key(), cluster(), Operation::Sign, id, created, expires, "")
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

#[test]
fn a_repetition_signed_anew_is_the_same_request_but_another_message() {
    let first = keygen();
    let id = || "s1".parse().unwrap();
    let again =
        SignedRequest::sign(&key(), cluster(), Operation::Keygen, id(), at(NOW + 1), at(NOW + 61), BODY)
            .unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint());
    assert_ne!(first.digest(), again.digest());
    let other_key = SigningIdentity::from_seed([8; 32]);
    let by_other =
        SignedRequest::sign(&other_key, cluster(), Operation::Keygen, id(), at(NOW), at(NOW + 60), BODY)
            .unwrap();
    for other in [
        make(Operation::Sign, "s1", BODY.as_bytes()),
        make(Operation::Keygen, "s2", BODY.as_bytes()),
        make(Operation::Keygen, "s1", b"{}"),
        by_other,
    ] {
        assert_ne!(first.fingerprint(), other.fingerprint());
        assert_ne!(first.digest(), other.digest());
    }
}

#[test]
fn forwarded_bytes_that_are_no_request_are_refused() {
    let bytes = keygen().encode();
    assert_eq!(SignedRequest::decode(&[]), Err(DecodeError::Truncated));
    for cut in 1..bytes.len() {
        assert_eq!(SignedRequest::decode(&bytes[..cut]), Err(DecodeError::Truncated), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(SignedRequest::decode(&longer), Err(DecodeError::TrailingBytes(1)));
    let mut other_version = bytes.clone();
    other_version[0] = 2;
    assert_eq!(SignedRequest::decode(&other_version), Err(DecodeError::Version(2)));
    // The length of the operation, then of the body.
    let mut long_operation = bytes.clone();
    long_operation[129] = 0xff;
    assert_eq!(SignedRequest::decode(&long_operation), Err(DecodeError::TooLarge));
    let mut long_body = bytes.clone();
    let at = bytes.len() - BODY.len() - 4;
    long_body[at] = 0xff;
    assert_eq!(SignedRequest::decode(&long_body), Err(DecodeError::TooLarge));
    let mut unknown_operation = bytes;
    unknown_operation[131] = b'K';
    let error = SignedRequest::decode(&unknown_operation).unwrap_err();
    assert!(matches!(error, DecodeError::Field(RequestError::Malformed { field: OPERATION, .. })));
}

#[test]
fn debug_output_shows_no_body() {
    let text = format!("{:?}", make(Operation::Sign, "s1", b"{\"message\": \"0x736563726574\"}"));
    assert!(text.contains("s1") && !text.contains("message"), "{text}");
}

fn any_request() -> impl Strategy<Value = SignedRequest> {
    let operation = prop_oneof![
        Just(Operation::Keygen),
        Just(Operation::Sign),
        "/[!-~]{0,511}".prop_map(|path| Operation::read(&path).unwrap()),
    ];
    (operation, "[!-~]{1,128}", prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(operation, id, body)| make(operation, &id, &body))
}

proptest! {
    #[test]
    fn every_request_survives_http_and_forwarding(request in any_request()) {
        let headers = request.to_http();
        prop_assert_eq!(headers.len(), 5);
        let read = SignedRequest::from_http(&headers, request.body().clone()).unwrap();
        prop_assert_eq!(&read, &request);
        let decoded = SignedRequest::decode(&read.encode()).unwrap();
        prop_assert_eq!(&decoded, &request);
        prop_assert!(check(&decoded).is_ok());
        prop_assert_eq!(decoded.digest(), request.digest());
    }

    #[test]
    fn any_flipped_bit_of_the_body_is_refused(request in any_request(), at: prop::sample::Index, bit in 0..8_u8) {
        let mut body = request.body().to_vec();
        prop_assume!(!body.is_empty());
        let at = at.index(body.len());
        body[at] ^= 1_u8 << bit;
        prop_assert_eq!(check_http(&request.to_http(), &body), Err(RequestError::DigestMismatch));
    }

    #[test]
    fn any_flipped_bit_of_a_field_is_refused(
        request in any_request(), field in 0..5_usize, at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let mut headers = request.to_http();
        let name = [CONTENT_DIGEST, CLUSTER, OPERATION, SIGNATURE_INPUT, SIGNATURE][field];
        let mut value = headers[name].as_bytes().to_vec();
        let at = at.index(value.len());
        value[at] ^= 1_u8 << bit;
        // Some bytes can't even be sent.
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.insert(name, value);
            prop_assert!(check_http(&headers, request.body()).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_of_the_forwarded_form_is_refused(
        request in any_request(), at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let mut bytes = request.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(!SignedRequest::decode(&bytes).is_ok_and(|request| check(&request).is_ok()));
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), fields: [String; 5]) {
        let _ = SignedRequest::decode(&bytes);
        let mut versioned = bytes;
        versioned.insert(0, 1);
        let _ = SignedRequest::decode(&versioned);
        let mut headers = HeaderMap::new();
        let names = [CONTENT_DIGEST, CLUSTER, OPERATION, SIGNATURE_INPUT, SIGNATURE];
        for (name, value) in names.into_iter().zip(fields) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        prop_assert!(SignedRequest::from_http(&headers, versioned).is_err());
    }
}

/// Flipping at random places may miss a few; here is every bit of one request.
#[test]
fn every_single_flipped_bit_of_a_request_is_refused() {
    let request = make(Operation::Sign, "a\"b\\c", b"{\"message\": \"0x01\"}");
    let bytes = request.encode();
    for position in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[position / 8] ^= 1 << (position % 8);
        let accepted = SignedRequest::decode(&flipped).is_ok_and(|request| check(&request).is_ok());
        assert!(!accepted, "bit {position}");
    }
    for name in [CONTENT_DIGEST, CLUSTER, OPERATION, SIGNATURE_INPUT, SIGNATURE] {
        let headers = request.to_http();
        let value = headers[name].as_bytes();
        for position in 0..value.len() * 8 {
            let mut flipped = value.to_vec();
            flipped[position / 8] ^= 1 << (position % 8);
            let Ok(flipped) = HeaderValue::from_bytes(&flipped) else { continue };
            let mut headers = headers.clone();
            headers.insert(name, flipped);
            assert!(check_http(&headers, request.body()).is_err(), "{name}, bit {position}");
        }
    }
}
