//! What is found again, in memory and on disk.

use std::time::Duration;

use super::*;
use crate::authority::Authority;
use crate::store::{KdfParams, Passphrase};
use quorate_keys::{KeyType, SigningPrincipal};
use quorate_request::{ClusterId, Operation, SignResponse, SignedRequest};

struct Scene {
    ledger: Ledger,
    initiator: SigningPrincipal,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
        let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
        let initiator = SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new([1; 32])).unwrap();
        let authority = Authority::without_policy(ClusterId::from_bytes([1; 32]), &[initiator.principal()]);
        let store = Arc::new(store);
        let approvals = Approvals::load(Arc::clone(&store), &authority).unwrap();
        Self { ledger: Ledger::new(store, Arc::new(approvals)), initiator, _folder: folder }
    }

    fn request(&self, id: &str) -> Verified {
        let cluster = ClusterId::from_bytes([1; 32]);
        let (now, id) = (SystemTime::now(), id.parse().unwrap());
        let expires = now + Duration::from_secs(60);
        let signed =
            SignedRequest::sign(&self.initiator, cluster, Operation::Sign, id, now, expires, "{}").unwrap();
        Authority::without_policy(cluster, &[self.initiator.principal()]).verify(&signed).unwrap()
    }
}

fn result(id: &RequestId, transaction: usize) -> SessionResult {
    SessionResult::Sign(SignResponse {
        session_id: id.clone(),
        wallet_id: "w".parse().unwrap(),
        signature: [1; 64].into(),
        recovery_id: None,
        public_key: [2; 32].into(),
        status: RequestStatus::Completed,
        committee: Vec::new(),
        attempt: 1,
        absent: Vec::new(),
        culprits: Vec::new(),
        signatures: Vec::new(),
        signed_transaction: Some(vec![3; transaction].into()),
        tx_id: None,
    })
}

#[tokio::test]
async fn large_results_fill_the_disk_and_not_the_memory() {
    let scene = Scene::new();
    // The largest that a chain's adapter takes, and what signatures add.
    let size = 520 * 1024;
    let requests: Vec<_> = (0..40).map(|number| scene.request(&format!("r{number}"))).collect();
    for request in &requests {
        assert!(matches!(scene.ledger.admit(request), Ok(Admission::New)));
        let mut waiting = scene.ledger.watch(request.request_id()).unwrap();
        let result = result(request.request_id(), size);
        scene.ledger.settle(request, &result).await.unwrap();
        scene.ledger.end(request.request_id(), Ok(result.clone()));
        assert!(waiting.borrow_and_update().as_ref().is_some_and(|ending| *ending == Ok(result)));
    }
    let in_memory: Vec<_> =
        requests.iter().filter(|request| scene.ledger.has_result(request.request_id())).collect();
    assert!((1..20).contains(&in_memory.len()), "{} results are in memory", in_memory.len());
    assert!(scene.ledger.has_result(requests[39].request_id()));
    for request in &requests {
        let wanted = result(request.request_id(), size);
        let Ok(Admission::Done(found)) = scene.ledger.admit(request) else { panic!("not found") };
        assert_eq!(*found, wanted);
        let view = scene.ledger.view(request.request_id()).unwrap().unwrap();
        assert_eq!((view.status, view.result), (RequestStatus::Completed, Some(wanted)));
    }
}

#[tokio::test]
async fn a_request_without_a_result_is_not_called_failed() {
    let scene = Scene::new();
    let request = scene.request("r");
    let id = request.request_id();
    // As a signer that is not the node that was asked, before the result; and as that one after a restart.
    let remembered = scene.ledger.remember(Batch::new(), &request).unwrap();
    scene.ledger.store.commit(remembered).await.unwrap();
    assert_eq!(scene.ledger.view(id).unwrap(), None);
    scene.ledger.settle_soon(&request, &result(id, 1)).await.unwrap();
    assert_eq!(scene.ledger.view(id).unwrap().unwrap().status, RequestStatus::Completed);
}

#[tokio::test]
async fn all_that_has_expired_is_forgotten_page_by_page() {
    let scene = Scene::new();
    let count = 2 * FORGOTTEN_AT_ONCE + 10;
    for number in 0..count {
        let request = scene.request(&format!("request-{number}"));
        let remembered = scene.ledger.remember(Batch::new(), &request).unwrap();
        scene.ledger.store.commit(remembered).await.unwrap();
    }
    let later = SystemTime::now() + 2 * MAX_LIFETIME;
    let (page, next) = scene.ledger.expired(later, None).unwrap();
    assert_eq!((page.len(), next.is_some()), (FORGOTTEN_AT_ONCE, true));
    assert_eq!(scene.ledger.forget_expired(SystemTime::now()).await.unwrap(), 0);
    assert_eq!(scene.ledger.forget_expired(later).await.unwrap(), count);
    assert!(scene.ledger.store.keys(Table::Requests, "").unwrap().is_empty());
}

#[tokio::test]
async fn what_is_remembered_anew_is_not_forgotten() {
    let scene = Scene::new();
    let [old, repeated] = ["old", "repeated"].map(|id| scene.request(id));
    for request in [&old, &repeated] {
        scene.ledger.settle(request, &result(request.request_id(), 1)).await.unwrap();
    }
    assert_eq!(scene.ledger.forget_expired(SystemTime::now()).await.unwrap(), 0);
    let later = SystemTime::now() + 2 * MAX_LIFETIME;
    let expired = scene.ledger.expired(later, None).unwrap().0;
    assert_eq!(expired.len(), 2);
    // Its client repeats one of them just now. Rows count whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    scene.ledger.settle(&repeated, &result(repeated.request_id(), 1)).await.unwrap();
    assert_eq!(scene.ledger.forget(expired).await.unwrap(), 1);
    let known = |request: &Verified| {
        scene.ledger.known(request.request_id(), &request.request().fingerprint()).unwrap().is_some()
    };
    assert_eq!((known(&old), known(&repeated)), (false, true));
    assert_eq!(scene.ledger.forget_expired(later).await.unwrap(), 1);
    assert!(!known(&repeated));
}
