//! What depends on the key's type: its name, its algorithm, its signature.

use super::*;

/// The order of P-256.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn reason(result: Result<Verified, RequestError>) -> String {
    match result {
        Err(error @ RequestError::Malformed { .. }) => error.to_string(),
        other => panic!("expected a malformed field, got {other:?}"),
    }
}

fn with_keyid(key_type: KeyType, keyid: &str) -> HeaderMap {
    let own = key(key_type).principal().to_string();
    sign_parameters(key_type, &usual_parameters(key_type).replace(&own, keyid))
}

/// The usual request of the P-256 key with these bytes as its signature.
fn with_signature(bytes: &[u8]) -> HeaderMap {
    let mut headers = keygen(KeyType::P256).to_http();
    replace(&mut headers, SIGNATURE, format!("initiator=:{}:", STANDARD.encode(bytes)));
    headers
}

fn signature() -> [u8; 64] {
    key(KeyType::P256).sign(keygen(KeyType::P256).signature_base().as_bytes())
}

/// order − s, by hand.
fn negated(s: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let order = hex::decode(ORDER).unwrap();
    let digits = order.iter().zip(s).rev().map(|(order, digit)| {
        let difference = i32::from(*order) - i32::from(*digit) - borrow;
        borrow = i32::from(difference < 0);
        u8::try_from(difference.rem_euclid(256)).unwrap()
    });
    let mut digits: Vec<u8> = digits.collect();
    digits.reverse();
    digits
}

#[test]
fn an_algorithm_that_is_not_the_keys_is_refused_even_if_signed() {
    for key_type in KeyType::ALL {
        for other in KeyType::ALL.into_iter().filter(|other| *other != key_type) {
            let (own, other) = (key_type.algorithm(), other.algorithm());
            let parameters = usual_parameters(key_type).replace(own, other);
            let told = reason(check_http(&sign_parameters(key_type, &parameters), BODY.as_bytes()));
            assert!(told.contains(&format!("not that of keyid, \"{own}\"")), "{told}");
        }
        let unknown = usual_parameters(key_type).replace(key_type.algorithm(), "ecdsa-p384-sha384");
        let told = reason(check_http(&sign_parameters(key_type, &unknown), BODY.as_bytes()));
        assert!(told.contains("\"ed25519\" or \"ecdsa-p256-sha256\""), "{told}");
    }
}

#[test]
fn a_key_has_one_name() {
    let compressed = key(KeyType::P256).principal().to_string();
    // The x of the key, with what could be its y.
    let uncompressed = format!("0x04{}{}", &compressed[4..], "11".repeat(32));
    let told = reason(check_http(&with_keyid(KeyType::P256, &uncompressed), BODY.as_bytes()));
    assert!(told.contains("uncompressed") && told.contains("66 hex digits"), "{told}");
    for keyid in [
        compressed.to_uppercase().replace("0X", "0x"),
        compressed.replace("0x", ""),
        compressed[..66].to_owned(),
        format!("{compressed}00"),
        format!("0x05{}", &compressed[4..]),
        format!("0x00{}", &compressed[4..]),
        format!("0x02{}", "ff".repeat(32)),
    ] {
        reason(check_http(&with_keyid(KeyType::P256, &keyid), BODY.as_bytes()));
    }
    // The point with the other y is another key.
    let other = if compressed.starts_with("0x02") { "0x03" } else { "0x02" };
    let negative = with_keyid(KeyType::P256, &format!("{other}{}", &compressed[4..]));
    let error = check_http(&negative, BODY.as_bytes()).unwrap_err();
    assert!(matches!(error, RequestError::UnknownInitiator(_)), "{error}");
}

#[test]
fn a_high_s_is_accepted_and_changes_nothing_of_the_request() {
    let low = signature();
    let high = [&low[..32], &negated(&low[32..])].concat();
    assert_ne!(low[..], high);
    let request = check_http(&with_signature(&high), BODY.as_bytes()).unwrap().into_request();
    assert_eq!(request.digest(), keygen(KeyType::P256).digest());
    assert_eq!(request.fingerprint(), keygen(KeyType::P256).fingerprint());
    assert_eq!(SignedRequest::decode(&request.encode()), Ok(request));
}

#[test]
fn r_and_s_that_are_no_scalars_are_refused() {
    let good = signature();
    for outside in [vec![0; 32], hex::decode(ORDER).unwrap(), vec![0xff; 32]] {
        for bytes in [[&outside, &good[32..]].concat(), [&good[..32], &outside].concat()] {
            let result = check_http(&with_signature(&bytes), BODY.as_bytes());
            assert_eq!(result, Err(RequestError::BadSignature));
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused_and_der_is_told_what_is_expected() {
    let good = signature();
    // 30 46, 02 21 00 r, 02 21 00 s: as if both began with a bit that is set.
    let der = [&[0x30, 0x46, 0x02, 0x21, 0x00], &good[..32], &[0x02, 0x21, 0x00], &good[32..]].concat();
    for bytes in [&der[..], &good[..63], &[&good[..], &[0]].concat(), &[]] {
        let told = reason(check_http(&with_signature(bytes), BODY.as_bytes()));
        assert!(told.contains("64 bytes") && told.contains("not DER"), "{told}");
    }
}

#[test]
fn a_key_of_one_type_does_not_sign_for_one_of_the_other() {
    for (key_type, other) in [(KeyType::Ed25519, KeyType::P256), (KeyType::P256, KeyType::Ed25519)] {
        let mut headers = keygen(key_type).to_http();
        headers.insert(SIGNATURE, keygen(other).to_http()[SIGNATURE].clone());
        assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::BadSignature));
        let mut headers = keygen(key_type).to_http();
        headers.insert(SIGNATURE_INPUT, keygen(other).to_http()[SIGNATURE_INPUT].clone());
        assert_eq!(check_http(&headers, BODY.as_bytes()), Err(RequestError::BadSignature));
    }
    assert_ne!(keygen(KeyType::Ed25519).fingerprint(), keygen(KeyType::P256).fingerprint());
}

#[test]
fn what_is_signed_elsewhere_is_the_same_request() {
    for key_type in KeyType::ALL {
        let (id, created, expires) = ("s1".parse().unwrap(), at(NOW), at(NOW + 60));
        let principal = key(key_type).principal();
        let unsigned =
            UnsignedRequest::new(principal, cluster(), Operation::Keygen, id, created, expires, BODY)
                .unwrap();
        assert_eq!(unsigned.initiator(), &principal);
        assert!(!format!("{unsigned:?}").contains("threshold"));
        let signature = key(key_type).sign(unsigned.signature_base());
        assert_eq!(unsigned.with_signature(signature), keygen(key_type));
    }
}

/// Nodes find what they have stored by the fingerprint, and take what others forward.
#[test]
fn a_request_from_before_there_was_p256_is_read_as_it_was() {
    let forwarded = hex::decode(include_str!("forwarded-ed25519.hex").trim_end()).unwrap();
    let request = SignedRequest::decode(&forwarded).unwrap();
    assert_eq!(request, keygen(KeyType::Ed25519));
    assert_eq!(request.encode(), forwarded);
    assert!(check(&request).is_ok());
    let fingerprint = "f9939ef988b9158e319256ed79a8f48bc38a7e400aa10103773587325004ad2a";
    assert_eq!(hex::encode(request.fingerprint()), fingerprint);
}
