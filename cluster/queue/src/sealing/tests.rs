use std::time::{Duration, SystemTime};

use quorate_keys::{KeyType, Secret, SigningPrincipal};
use quorate_request::{ClusterId, Operation};

use super::*;
use crate::sealing_identity;

fn node(seed: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([seed; 32]))
}

fn asked(reply: &Opener, body: Vec<u8>) -> Asked {
    let initiator = SigningPrincipal::generate(KeyType::Ed25519, &mut OsRng);
    let (cluster, now) = (ClusterId::from_bytes([9; 32]), SystemTime::now());
    let later = now + Duration::from_secs(60);
    let id = "order-7".parse().unwrap();
    let request = SignedRequest::sign(&initiator, cluster, Operation::Sign, id, now, later, body).unwrap();
    Asked { request, client: "desk".parse().unwrap(), reply: reply.recipient() }
}

#[test]
fn each_node_opens_a_request_and_nobody_else() {
    let client = Opener::generate(&mut OsRng);
    let asked = asked(&client, b"a body that nobody is to read".to_vec());
    let nodes = [1, 2, 3].map(|seed| sealing_identity(&node(seed)));
    let recipients: Vec<_> = nodes.iter().map(Opener::recipient).collect();
    let sealed = asked.seal(&recipients).unwrap();
    for node in &nodes {
        assert_eq!(Asked::open(&sealed, node).unwrap(), asked);
    }
    assert!(matches!(Asked::open(&sealed, &sealing_identity(&node(4))), Err(OpenError::Age(_))));
    assert!(matches!(Asked::open(&sealed, &client), Err(OpenError::Age(_))));
    for secret in [&b"order-7"[..], b"a body", b"desk"] {
        assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    }
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        // What stands for another node may be altered: it is that one's to notice.
        if let Ok(opened) = Asked::open(&altered, &nodes[0]) {
            assert_eq!(opened, asked, "byte {at}");
        }
        assert!(Asked::open(&sealed[..at], &nodes[0]).is_err(), "cut at {at}");
    }
}

#[test]
fn the_largest_request_and_the_largest_result_go_over_the_broker() {
    let client = Opener::generate(&mut OsRng);
    let nodes: Vec<_> = (0..100).map(|seed| sealing_identity(&node(seed)).recipient()).collect();
    // Of a node's 100 peers none makes it longer than a server takes.
    let sealed = asked(&client, vec![7; MAX_BODY_BYTES]).seal(&nodes[..20]).unwrap();
    assert!(sealed.len() <= 1024 * 1024, "{}", sealed.len());
    let result = |length| Resulted {
        node: node(1).identity(),
        request: [5; 32],
        status: StatusCode::OK,
        body: vec![7; length].into(),
    };
    let sealed = result(MAX_RESULT).seal(&node(1), client.recipient()).unwrap();
    assert!(sealed.len() <= 1024 * 1024, "{}", sealed.len());
    assert_eq!(Resulted::open(&sealed, &client).unwrap(), result(MAX_RESULT));
    let longer = result(MAX_RESULT + 1024).seal(&node(1), client.recipient());
    assert!(matches!(longer, Err(SealError::TooLong(_))));
}

#[test]
fn a_result_is_of_the_node_that_signed_it() {
    let client = Opener::generate(&mut OsRng);
    let result = Resulted {
        node: node(1).identity(),
        request: [5; 32],
        status: StatusCode::OK,
        body: Bytes::from_static(b"{}"),
    };
    let sealed = result.seal(&node(1), client.recipient()).unwrap();
    assert_eq!(Resulted::open(&sealed, &client).unwrap(), result);
    // Another node says it in this one's name.
    let forged = result.seal(&node(2), client.recipient()).unwrap();
    assert!(matches!(Resulted::open(&forged, &client), Err(OpenError::Signature)));
    let other = Opener::generate(&mut OsRng);
    assert!(matches!(Resulted::open(&sealed, &other), Err(OpenError::Age(_))));
}

#[test]
fn another_version_is_named() {
    let client = Opener::generate(&mut OsRng);
    let asked = asked(&client, Vec::new());
    let form = AskedForm {
        version: 2,
        reply: asked.reply.to_string(),
        client: asked.client.to_string(),
        request: asked.request.encode(),
    };
    let opener = sealing_identity(&node(1));
    let sealed = seal(&form, &[opener.recipient()], MAX_REQUEST).unwrap();
    let error = Asked::open(&sealed, &opener).unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
}
