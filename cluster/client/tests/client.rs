//! The client against nodes that really verify.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use quorate_client::gateway::{self, Access};
use quorate_client::verification::{InvalidWallet, Unverified};
use quorate_client::{
    Begun, Client, ClientError, ClusterId, Curve, ErrorCode, IdentityError, InvalidEndpoint, KeygenRequest,
    KeygenResponse, Passphrase, RequestStatus, RetryPolicy, SessionResult, SetupError, SignRequest,
    SigningIdentity,
};
use quorate_identity::envelope::KdfParams;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_identity::peers::{Peer, Peers};
use quorate_keys::Secret;
use rand_core::OsRng;
use support::*;
use tokio::net::TcpListener;

fn keygen(session_id: Option<&str>) -> KeygenRequest {
    let session_id = session_id.map(|id| id.parse().unwrap());
    KeygenRequest { session_id, ..KeygenRequest::new(2, 3, Curve::Ed25519) }
}

fn code(error: &ClientError) -> ErrorCode {
    error.api().unwrap_or_else(|| panic!("not a refusal: {error}")).code
}

#[tokio::test]
async fn a_request_can_be_begun_and_followed() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let begun = client.begin_keygen(keygen(Some("order-1"))).await.unwrap();
    let id = "order-1".parse().unwrap();
    assert_eq!(begun, Begun::Running(id));
    let Begun::Running(id) = begun else { panic!() };
    let mut events = client.watch(&id).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().status, RequestStatus::Running);
    // Given up while it waits, and asked again.
    assert!(tokio::time::timeout(Duration::from_millis(200), events.next()).await.is_err());
    shared.gate.notify_one();
    let last = events.next().await.unwrap().unwrap();
    assert!(matches!(last.result, Some(SessionResult::Keygen(_))));
    assert_eq!(events.next().await.unwrap(), None);
    let unknown = client.watch(&"order-2".parse().unwrap()).await.unwrap_err();
    assert_eq!(code(&unknown), ErrorCode::UnknownSession);
    // A node that goes away in between is an error, no end.
    let mut events = client.watch(&id).await.unwrap();
    assert!(events.next().await.unwrap().is_some());
}

#[tokio::test]
async fn every_call_of_the_api_works_and_is_signed() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);

    let made = client.keygen(keygen(None)).await.unwrap();
    assert_eq!((made.status, made.wallet_id.as_str()), (RequestStatus::Completed, "w1"));
    let request = SignRequest {
        public_key: Some(made.public_key.clone()),
        message_hash: Some([1; 32].into()),
        signers: Some(vec!["node1".into(), "node3".into()]),
        ..SignRequest::default()
    };
    let signed = client.sign(request).await.unwrap();
    assert_eq!(signed.committee, ["node1", "node3"]);
    assert_eq!(signed.public_key, made.public_key);
    assert_ne!(signed.session_id, made.session_id);

    let wallets = client.wallets().await.unwrap();
    assert_eq!(wallets, [client.wallet(&made.wallet_id).await.unwrap()]);
    let session = client.session(&made.session_id).await.unwrap();
    assert_eq!(session.result, Some(SessionResult::Keygen(made)));
    assert_eq!(client.nodes().await.unwrap()[0].name, "node1");
    assert_eq!(shared.seen.lock().unwrap().len(), 6, "each of these was signed");
    assert_eq!(client.health().await.unwrap().status, "ok");
    assert!(client.ready().await.unwrap().ready);
    assert_eq!(shared.seen.lock().unwrap().len(), 6, "health needs no signature");
}

#[tokio::test]
async fn a_session_of_any_name_can_be_looked_up() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let odd = r##"a/b?c=d#e%2F\"~"##;
    client.keygen(keygen(Some(odd))).await.unwrap();
    assert_eq!(client.session(&odd.parse().unwrap()).await.unwrap().session_id.as_str(), odd);
}

#[tokio::test]
async fn the_id_of_a_request_is_inside_its_signed_body() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let made = client(&[&node.uri]).keygen(keygen(None)).await.unwrap();
    let body: KeygenRequest = serde_json::from_slice(&shared.bodies.lock().unwrap()[0]).unwrap();
    assert_eq!(body.session_id, Some(made.session_id));
}

#[tokio::test]
async fn a_refusal_is_given_to_the_caller_and_not_repeated() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let error = client.keygen(KeygenRequest { threshold: 1, ..keygen(Some("s1")) }).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::InvalidThreshold);
    assert_eq!(error.api().unwrap().session_id, Some("s1".parse().unwrap()));
    assert!(matches!(&error, ClientError::Api { status, .. } if status.as_u16() == 400));
    assert!(error.to_string().contains("at least 2 (invalid_threshold)"), "{error}");
    let error = client.wallet(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::UnknownWallet);
    assert_eq!(*node.asked.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_repeated_request_gives_the_first_result_and_a_changed_one_a_conflict() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let first = client.keygen(keygen(Some("s1"))).await.unwrap();
    // Signed anew, a second later: other times, the same request.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(client.keygen(keygen(Some("s1"))).await.unwrap(), first);
    assert_eq!(*shared.executed.lock().unwrap(), 1);
    let error = client.keygen(KeygenRequest { threshold: 3, ..keygen(Some("s1")) }).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::RequestConflict);
}

#[tokio::test]
async fn another_key_and_another_cluster_are_refused() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let stranger = SigningIdentity::from_seed(&Secret::new([8; 32]));
    let stranger = Client::new(vec![node.uri.clone()], CLUSTER, stranger).unwrap();
    assert_eq!(code(&stranger.wallets().await.unwrap_err()), ErrorCode::UnknownInitiator);
    let elsewhere = ClusterId::from_bytes([0; 32]);
    let elsewhere = Client::new(vec![node.uri.clone()], elsewhere, initiator()).unwrap();
    assert_eq!(code(&elsewhere.wallets().await.unwrap_err()), ErrorCode::WrongCluster);
}

#[tokio::test]
async fn a_client_of_files_signs_with_the_key_in_them() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name);
    let passphrase = |text: &str| Passphrase::new(text.into()).unwrap();
    for (file, kind) in [("initiator", IdentityKind::Initiator), ("node", IdentityKind::Node)] {
        let right = passphrase("right");
        key_file::save_new(&in_folder(file), kind, &initiator().into(), &right, KdfParams::FLOOR, &mut OsRng)
            .unwrap();
    }
    let (name, address) = ("node1".parse().unwrap(), "10.0.0.1:7000".parse().unwrap());
    let peers = vec![Peer { name, identity: initiator().identity(), address }];
    Peers::new(CLUSTER, peers).unwrap().save_new(&in_folder("peers")).unwrap();

    let open = |initiator: &str, peers: &str, secret: &str| {
        let endpoints = vec![node.uri.clone()];
        Client::from_files(endpoints, in_folder(initiator), in_folder(peers), &passphrase(secret))
    };
    let client = open("initiator", "peers", "right").unwrap();
    assert_eq!(client.initiator(), Some(initiator().identity().into()));
    assert_eq!(client.wallets().await.unwrap().len(), 1);
    let wrong = open("initiator", "peers", "wrong").unwrap_err();
    assert!(matches!(wrong, SetupError::Initiator(IdentityError::WrongPassphrase { .. })), "{wrong}");
    let wrong = open("node", "peers", "right").unwrap_err();
    assert!(wrong.to_string().ends_with("node holds a node's identity, not an initiator's key"), "{wrong}");
    let wrong = open("initiator", "nowhere", "right").unwrap_err();
    assert!(matches!(&wrong, SetupError::Peers(error) if error.to_string().contains("nowhere")), "{wrong}");
    let nobody = Client::from_files(vec![], in_folder("initiator"), in_folder("peers"), &passphrase("right"));
    assert!(matches!(nobody, Err(SetupError::Endpoint(InvalidEndpoint::None))));
}

#[tokio::test]
async fn an_answer_is_held_against_the_wallet_that_was_pinned() {
    let shared = Arc::new(Shared::default());
    let (node, dead) = (Node::start("node1", &shared, &[]).await, dead_end().await);
    let other = Node::start("node2", &shared, &[]).await;
    let liar = Node::start(LIAR, &Arc::new(Shared::default()), &[]).await;
    // One that can't be asked says nothing about the wallet.
    let client = client(&[&dead, &node.uri, &other.uri]);
    let made = client.keygen(keygen(None)).await.unwrap();
    let wallet = client.pin(&made).await.unwrap();
    assert_eq!(wallet.public_key().as_bytes(), made.public_key.as_bytes());

    let signed = client.sign_with(&wallet, wallet.message(b"pay")).await.unwrap();
    assert_eq!(signed.signature, wallet_key().sign(b"pay").into());
    let by_name = SignRequest::message(made.wallet_id.clone(), b"pay");
    client.sign_with(&wallet, by_name.clone()).await.unwrap();
    let unnamed = SignRequest { wallet_id: None, ..by_name.clone() };
    client.sign_with(&wallet, unnamed).await.unwrap();

    // A good signature, by a key of its own.
    let lied = support::client(&[&liar.uri]);
    let error = lied.sign_with(&wallet, by_name.clone()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unverified(Unverified::OtherKey { .. })), "{error}");
    assert!(lied.sign(by_name).await.is_ok(), "not verified");
    // What can't be verified is not asked for.
    let asked = *node.asked.lock().unwrap();
    let stranger = SignRequest { public_key: Some([7; 32].into()), ..wallet.message(b"pay") };
    let error = client.sign_with(&wallet, stranger).await.unwrap_err();
    assert!(matches!(error, ClientError::InvalidRequest(_)), "{error}");
    assert_eq!(*node.asked.lock().unwrap(), asked);
}

#[tokio::test]
async fn a_wallet_that_nodes_disagree_about_is_not_pinned() {
    let shared = Arc::new(Shared::default());
    let (node, liar) = (Node::start("node1", &shared, &[]).await, Node::start(LIAR, &shared, &[]).await);
    for endpoints in [[&node.uri, &liar.uri], [&liar.uri, &node.uri]] {
        let client = client(&endpoints);
        let made = client.keygen(keygen(None)).await.unwrap();
        let error = client.pin(&made).await.unwrap_err();
        assert!(
            matches!(error, ClientError::InvalidWallet { reason: InvalidWallet::Disputed, .. }),
            "{error}"
        );
        for (other, field) in [
            (KeygenResponse { threshold: 3, ..made.clone() }, "threshold"),
            (KeygenResponse { parties: vec!["node9".into()], ..made.clone() }, "parties"),
        ] {
            let error = client.pin(&other).await.unwrap_err();
            let ClientError::InvalidWallet { reason: InvalidWallet::Field { field: wrong, .. }, .. } = error
            else {
                panic!("{error}")
            };
            assert_eq!(wrong, field);
        }
        let other = KeygenResponse { public_key: [7; 32].into(), ..made };
        let error = client.pin(&other).await.unwrap_err();
        let ClientError::InvalidWallet { reason: InvalidWallet::OtherWallet { expected, .. }, .. } = error
        else {
            panic!("{error}")
        };
        assert_eq!(expected, other.public_key);
    }
}

#[tokio::test]
async fn a_wallet_that_one_node_invents_is_not_pinned() {
    let shared = Arc::new(Shared::default());
    let inventor = Node::start(INVENTOR, &shared, &[]).await;
    let (node, ignorant) =
        (Node::start("node1", &shared, &[]).await, Node::start(IGNORANT, &shared, &[]).await);
    let dead = dead_end().await;
    // Others know no such wallet, or another one of its name, or can't be asked: alone it is not believed.
    for other in [&node.uri, &ignorant.uri, &dead] {
        let client = client(&[&inventor.uri, other]);
        let made = client.keygen(keygen(None)).await.unwrap();
        let error = client.pin(&made).await.unwrap_err();
        let ClientError::InvalidWallet { reason, .. } = error else { panic!("{error}") };
        match reason {
            InvalidWallet::OtherWallet { .. } => assert_eq!(other, &node.uri),
            InvalidWallet::Unconfirmed { by: 1, of: 2 } => assert_ne!(other, &node.uri),
            reason => panic!("{reason}"),
        }
    }
    // Whoever asks one alone has nobody else's word, and who asks nobody has no wallet.
    let made = client(&[&inventor.uri]).keygen(keygen(None)).await.unwrap();
    client(&[&inventor.uri]).pin(&made).await.unwrap();
    assert!(matches!(client(&[&dead]).pin(&made).await, Err(ClientError::Unreachable { .. })));
}

#[tokio::test]
async fn what_a_lost_node_may_have_done_is_not_called_undone() {
    let shared = Arc::new(Shared::default());
    let dead = dead_end().await;
    let error = client(&[&dead]).keygen(keygen(None)).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { was_asked: false, .. }), "{error}");
    // One dies over its work; the others can't be asked, or have no time.
    let tries = usize::try_from(quick().attempts).unwrap();
    let unavailable = Node::start("node2", &shared, &vec![Fault::Unavailable; 2 * tries]).await;
    for other in [&dead, &unavailable.uri] {
        let lost = Node::start("node1", &shared, &vec![Fault::DiesAfterwards; 2 * tries]).await;
        let error = client(&[&lost.uri, other]).keygen(keygen(None)).await.unwrap_err();
        let ClientError::Unreachable { was_asked, endpoint, .. } = &error else { panic!("{error}") };
        assert!(was_asked, "{error}");
        assert_eq!(*endpoint, lost.uri);
    }
    // What was only read was not done.
    let lost = Node::start("node1", &shared, &vec![Fault::DiesAfterwards; 2 * tries]).await;
    let error = client(&[&lost.uri, &unavailable.uri]).wallets().await.unwrap_err();
    assert!(error.api().is_some(), "{error}");
}

#[tokio::test]
async fn a_wallet_that_was_not_asked_for_is_no_answer() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let asked = keygen(None);
    for (other, field) in [
        (KeygenRequest { total: 4, ..asked.clone() }, "total"),
        (
            KeygenRequest { parties: Some(vec!["node7".into(), "node8".into(), "node9".into()]), ..asked },
            "parties",
        ),
    ] {
        let error = client.keygen(other).await.unwrap_err();
        let ClientError::UnexpectedAnswer { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains(field), "{reason}");
    }
}

#[tokio::test]
async fn who_asks_a_gateway_needs_no_key() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let serving = gateway::serve(listener, client(&[&node.uri]), Access::default(), std::future::pending());
    let serving = tokio::spawn(serving);

    let client = Client::gateway(gateway).unwrap();
    assert_eq!(client.initiator(), None);
    let made = client.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await.unwrap();
    let signed = client.sign(SignRequest::message(made.wallet_id, b"pay")).await.unwrap();
    assert_ne!(signed.session_id, made.session_id);
    // The id is in the body, so the answer of a request that was sent again is the first one.
    let again = client.keygen(keygen(Some(made.session_id.as_str()))).await.unwrap();
    assert_eq!(again.session_id, made.session_id);
    assert_eq!(client.wallets().await.unwrap().len(), 1);
    // A node signs for nobody.
    let refused = Client::gateway(node.uri.clone()).unwrap().wallets().await.unwrap_err();
    assert_eq!(code(&refused), ErrorCode::Unsigned);
    serving.abort();
}

#[tokio::test]
async fn a_dead_node_is_passed_over_and_not_asked_first_again() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node2", &shared, &[]).await;
    let dead = dead_end().await;
    let client = client(&[&dead, &node.uri]);
    assert!(client.keygen(keygen(None)).await.is_ok());
    assert!(client.wallets().await.is_ok());
    assert_eq!(*node.asked.lock().unwrap(), 2);
}

#[tokio::test]
async fn when_a_node_dies_after_the_work_the_next_one_gives_the_first_result() {
    let shared = Arc::new(Shared::default());
    let first = Node::start("node1", &shared, &[Fault::DiesAfterwards]).await;
    let second = Node::start("node2", &shared, &[]).await;
    let client = client(&[&first.uri, &second.uri]);
    client.keygen(keygen(None)).await.unwrap();
    assert_eq!(*shared.executed.lock().unwrap(), 1, "never two wallets for one request");
    let seen = shared.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1], "the identical request was repeated");
}

#[tokio::test]
async fn a_silent_node_is_passed_over() {
    let shared = Arc::new(Shared::default());
    let first = Node::start("node1", &shared, &[Fault::Silent]).await;
    let second = Node::start("node2", &shared, &[]).await;
    let policy = RetryPolicy { work_timeout: Duration::from_millis(200), ..quick() };
    let client = client_with(&[&first.uri, &second.uri], policy);
    client.keygen(keygen(None)).await.unwrap();
    assert_eq!(*shared.executed.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_unavailable_node_is_passed_over_and_the_last_503_is_final() {
    let shared = Arc::new(Shared::default());
    let first = Node::start("node1", &shared, &[Fault::Unavailable; 2]).await;
    let second = Node::start("node2", &shared, &[]).await;
    let client = client(&[&first.uri, &second.uri]);
    assert!(client.keygen(keygen(None)).await.is_ok());

    // Both unavailable: each is asked once, and the caller learns why.
    second.faults.lock().unwrap().push_back(Fault::Unavailable);
    let asked = |node: &Node| *node.asked.lock().unwrap();
    let before = (asked(&first), asked(&second));
    let error = client.keygen(keygen(None)).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::NotEnoughSigners);
    assert_eq!((asked(&first), asked(&second)), (before.0 + 1, before.1 + 1));
}

#[tokio::test]
async fn when_nobody_answers_the_error_says_whom_and_why() {
    let dead = dead_end().await;
    let policy = RetryPolicy { attempts: 3, ..quick() };
    let error = client_with(&[&dead], policy).wallets().await.unwrap_err();
    let ClientError::Unreachable { attempts, endpoint, reason, .. } = &error else { panic!("{error}") };
    assert_eq!((*attempts, endpoint), (3, &dead));
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn the_deadline_ends_all_attempts() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[Fault::Silent; 50]).await;
    let policy = RetryPolicy {
        deadline: Duration::from_millis(600),
        work_timeout: Duration::from_millis(100),
        attempts: 1000,
        ..quick()
    };
    let started = std::time::Instant::now();
    let error = client_with(&[&node.uri], policy).keygen(keygen(None)).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(*shared.executed.lock().unwrap(), 1);
}

#[tokio::test]
async fn something_that_is_no_node_is_reported_as_such() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[Fault::Nonsense]).await;
    let error = client(&[&node.uri]).wallets().await.unwrap_err();
    assert!(matches!(error, ClientError::UnexpectedAnswer { status, .. } if status.as_u16() == 200));
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_what_is_missing() {
    let shared = Arc::new(Shared::default());
    let node = Node::start_with("node1", &shared, &[], false).await;
    let readiness = client(&[&node.uri]).ready().await.unwrap();
    assert!(!readiness.ready);
    assert_eq!(readiness.reasons, ["2 of 3 nodes are unreachable"]);
    // One that is ready is preferred.
    let other = Node::start("node2", &shared, &[]).await;
    assert!(client(&[&node.uri, &other.uri]).ready().await.unwrap().ready);
}

#[tokio::test]
async fn what_can_not_be_asked_is_not_sent() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let client = client(&[&node.uri]);
    let message = vec![0; quorate_request::MAX_BODY_BYTES];
    let request = SignRequest { message: Some(message.into()), ..SignRequest::default() };
    assert!(matches!(client.sign(request).await, Err(ClientError::InvalidRequest(_))));
    assert!(matches!(client.read("no path").await, Err(ClientError::InvalidRequest(_))));
    assert_eq!(*node.asked.lock().unwrap(), 0);
}

#[test]
fn debug_output_shows_no_key() {
    let uri = "http://127.0.0.1:1".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { format!("{:?}", client(&[&uri])) });
    assert!(text.contains(&initiator().identity().to_string()), "{text}");
    assert!(!text.contains("0707070707"), "{text}");
}
