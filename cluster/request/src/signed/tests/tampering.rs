//! The laws of forwarding and of tampering.

use proptest::prelude::*;

use super::*;

for_both_key_types!(
    every_single_flipped_bit_of_a_request_is_refused,
    forwarded_bytes_that_are_no_request_are_refused,
);

fn any_request() -> impl Strategy<Value = SignedRequest> {
    let operation = prop_oneof![
        Just(Operation::Keygen),
        Just(Operation::Sign),
        "/[!-~]{0,511}".prop_map(|path| Operation::read(&path).unwrap()),
    ];
    let key_type = prop::sample::select(&KeyType::ALL);
    (key_type, operation, "[!-~]{1,128}", prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(key_type, operation, id, body)| make(key_type, operation, &id, &body))
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
fn every_single_flipped_bit_of_a_request_is_refused(key_type: KeyType) {
    let request = make(key_type, Operation::Sign, "a\"b\\c", b"{\"message\": \"0x01\"}");
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

fn forwarded_bytes_that_are_no_request_are_refused(key_type: KeyType) {
    let bytes = keygen(key_type).encode();
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
