//! Presignatures and auxiliary information, asked for at nodes that really verify, and through a gateway.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod support;

use std::sync::Arc;

use quorate_client::gateway::{self, Access};
use quorate_client::{
    AuxiliaryRequest, Begun, ClientError, Phase, PresignRequest, Progress, RequestStatus, SessionResult,
};
use support::*;
use tokio::net::TcpListener;

fn presign(count: u16) -> PresignRequest {
    PresignRequest::new("w1".parse().unwrap(), count)
}

#[tokio::test]
async fn presignatures_and_auxiliary_information_are_asked_for_and_signed_for() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let made = client.presign(presign(100)).await.unwrap();
    assert_eq!((made.made, made.available, made.status), (100, 140, RequestStatus::Completed));
    let body: PresignRequest = serde_json::from_slice(&shared.bodies.lock().unwrap()[0]).unwrap();
    assert_eq!(body.session_id, Some(made.session_id), "the id is inside the signed body");
    let signers = Some(vec!["node3".to_owned(), "node1".to_owned()]);
    let made = client.presign(PresignRequest { signers: signers.clone(), ..presign(1) }).await.unwrap();
    assert_eq!(Some(made.signers), signers);

    let rotated = client.rotate_auxiliary(AuxiliaryRequest::of_all()).await.unwrap();
    assert_eq!((rotated.parties.len(), rotated.epoch), (3, 2));
    let rotated = client.rotate_auxiliary(AuxiliaryRequest::of(["node3", "node1"])).await.unwrap();
    assert_eq!(rotated.parties, ["node3", "node1"]);
    let of_wallet = AuxiliaryRequest::of_wallet("w".parse().unwrap());
    let rotated = client.rotate_auxiliary(of_wallet).await.unwrap();
    assert_eq!(rotated.wallet_id, Some("w".parse().unwrap()));
    assert_eq!(shared.seen.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_made_twice() {
    let shared = Arc::new(Shared::default());
    let first = Node::start("node1", &shared, &[Fault::DiesAfterwards]).await;
    let second = Node::start("node2", &shared, &[Fault::Unavailable]).await;
    let client = client(&[&first.uri, &second.uri]);
    client.presign(presign(8)).await.unwrap();
    assert_eq!(*shared.executed.lock().unwrap(), 1);
    first.faults.lock().unwrap().push_back(Fault::DiesAfterwards);
    client.rotate_auxiliary(AuxiliaryRequest::of_all()).await.unwrap();
    assert_eq!(*shared.executed.lock().unwrap(), 2);
    let asked = shared.seen.lock().unwrap().clone();
    assert_eq!(asked.len(), 5);
    assert!(asked[0] == asked[2] && asked[3] == asked[4], "the identical request");
}

#[tokio::test]
async fn long_work_can_be_begun_and_followed() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let request = PresignRequest { session_id: Some("order-1".parse().unwrap()), ..presign(64) };
    let Begun::Running(id) = client.begin_presign(request).await.unwrap() else { panic!() };
    let mut events = client.watch(&id).await.unwrap();
    let running = events.next().await.unwrap().unwrap();
    assert_eq!(running.progress, Some(Progress { phase: Phase::Presigning, done: 0, total: 64 }));
    shared.gate.notify_one();
    let ended = events.next().await.unwrap().unwrap();
    assert_eq!(ended.progress, None);
    assert!(matches!(ended.result, Some(SessionResult::Presign(made)) if made.made == 64));
    let begun = client.begin_rotate_auxiliary(AuxiliaryRequest::of_all()).await.unwrap();
    assert!(matches!(begun, Begun::Running(_)));
}

#[tokio::test]
async fn an_answer_to_something_else_is_refused() {
    let shared = Arc::new(Shared::default());
    let node = Node::start(INVENTOR, &shared, &[]).await;
    let client = client(&[&node.uri]);
    let told = |error: ClientError| match error {
        ClientError::UnexpectedAnswer { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let error = client.presign(presign(8)).await.unwrap_err();
    assert_eq!(told(error), "presignatures with other count than was asked for");
    let other = PresignRequest::new("w2".parse().unwrap(), 8);
    assert_eq!(
        told(client.presign(other).await.unwrap_err()),
        "presignatures with other wallet_id than was asked for"
    );
    let error = client.rotate_auxiliary(AuxiliaryRequest::of(["node1", "node2"])).await.unwrap_err();
    assert_eq!(told(error), "auxiliary information with other parties than was asked for");
    let of_wallet = AuxiliaryRequest::of_wallet("w".parse().unwrap());
    let error = client.rotate_auxiliary(of_wallet).await.unwrap_err();
    assert_eq!(told(error), "auxiliary information with other wallet_id than was asked for");
}

#[tokio::test]
async fn what_no_node_would_make_is_not_asked_for() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    for request in [presign(0), presign(1025), PresignRequest { wallet_id: None, ..presign(1) }] {
        assert!(matches!(client.presign(request.clone()).await, Err(ClientError::InvalidRequest(_))));
        assert!(matches!(client.begin_presign(request).await, Err(ClientError::InvalidRequest(_))));
    }
    assert_eq!(*node.asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_gateway_signs_for_both() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = gateway::serve(listener, client(&[&node.uri]), Access::default(), std::future::pending());
    let serving = tokio::spawn(serving);
    let body = r#"{"wallet_id": "w1", "count": 3, "signers": ["node1", "node2"]}"#;
    let (status, made) = curl_post(address, "/api/v1/presign", body).await;
    assert_eq!((status, &made["made"], &made["available"]), (200, &3.into(), &43.into()), "{made}");
    assert_eq!(shared.bodies.lock().unwrap()[0], body, "the body is signed as it came");
    let (status, made) = curl_post(address, "/api/v1/auxiliary", r#"{"session_id": "rotation-3"}"#).await;
    assert_eq!((status, made["session_id"].as_str()), (200, Some("rotation-3")), "{made}");
    let (status, taken) = curl_post(address, "/api/v1/auxiliary?wait=false", "{}").await;
    assert_eq!((status, taken["status"].as_str()), (202, Some("running")), "{taken}");
    for (body, code) in [
        (r#"{"wallet_id": "w1", "count": 0}"#, "malformed_request"),
        (r#"{"wallet_id": "w1"}"#, "malformed_request"),
    ] {
        let (status, refused) = curl_post(address, "/api/v1/presign", body).await;
        assert_eq!((status, refused["code"].as_str()), (400, Some(code)), "{refused}");
    }
    serving.abort();
}
