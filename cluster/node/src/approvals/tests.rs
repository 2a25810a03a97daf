//! Words in any order, and bounds.

use super::*;
use quorate_keys::{KeyType, SigningPrincipal};
use quorate_request::ClusterId;

use crate::clock::seconds;
use crate::store::{KdfParams, Passphrase};

fn key(number: u8) -> SigningPrincipal {
    SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new([number; 32])).unwrap()
}

fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 32])
}

fn approvals() -> (Approvals, Arc<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    let store = Arc::new(store);
    let authority = Authority::without_policy(cluster(), &[key(1).principal()]);
    (Approvals::load(Arc::clone(&store), &authority).unwrap(), store, folder)
}

/// A word of so many seconds ago.
fn word(by: u8, about: u8, decision: Decision, ago: u64, lasts: u64) -> Word {
    let now = SystemTime::now();
    let created = now - Duration::from_secs(ago);
    let until = created + Duration::from_secs(lasts);
    let said = ApprovalRequest {
        session_id: None,
        fingerprint: [about; 32].into(),
        decision,
        valid_until: seconds(until),
    };
    let body = serde_json::to_vec(&said).unwrap();
    let (id, expires) = ("a".parse().unwrap(), created + Duration::from_secs(60));
    let signed =
        SignedRequest::sign(&key(by), cluster(), Operation::Approve, id, created, expires, body).unwrap();
    Word::new(&signed, &said, format!("authorizer-{by}"), until).unwrap()
}

fn waiting(by: u8, id: &str, bytes: usize) -> Waiting {
    let now = SystemTime::now();
    let signed = SignedRequest::sign(
        &key(by),
        cluster(),
        Operation::Sign,
        id.parse().unwrap(),
        now,
        now + Duration::from_secs(60),
        vec![b' '; bytes],
    );
    let authority = Authority::without_policy(cluster(), &[key(by).principal()]);
    let verified = authority.verify(&signed.unwrap()).unwrap();
    let wanted = Wanted { rule: None, threshold: 1, of: vec!["authorizer-9".into()] };
    Waiting::new(&verified, "client".into(), None, wanted, None)
}

#[tokio::test]
async fn the_last_word_counts_in_whatever_order_words_come_also_on_disk() {
    use Decision::{Approve, Reject};
    // Of one second, the rejection.
    let said = [
        word(2, 7, Approve, 30, 600),
        word(2, 7, Reject, 20, 600),
        word(2, 7, Approve, 10, 600),
        word(2, 7, Reject, 5, 600),
        word(2, 7, Approve, 5, 600),
    ];
    let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 1, 2], [2, 4, 0, 3, 1]];
    for order in orders {
        let (approvals, store, _folder) = approvals();
        for place in order {
            approvals.hear(&said[place]).unwrap();
        }
        // As they may come to be written: all at once, the first at last.
        let kept = order.iter().rev().map(|place| approvals.keep(&said[*place]));
        let kept = futures_util::future::join_all(kept).await;
        assert_eq!(kept.into_iter().filter(|kept| *kept.as_ref().unwrap()).count(), 1);
        let rows = store.scan(Table::Approvals, "").unwrap().records;
        let [(_, row)] = rows.as_slice() else { panic!("{} rows", rows.len()) };
        let Row::Word(row) = Row::from_wire(row.value.expose()).unwrap() else { panic!("no word") };
        assert_eq!(row, said[3].encoded.to_vec(), "{order:?}");
        assert!(approvals.approved_by(&[7; 32], None).is_empty(), "{order:?}");
        assert_eq!(approvals.words(&[7; 32]), [said[3].encoded.to_vec()], "{order:?}");
        assert_eq!(approvals.hear(&said[3]).unwrap(), Heard::Known);
        let last = word(2, 7, Approve, 1, 600);
        assert_eq!(approvals.hear(&last).unwrap(), Heard::New);
        assert_eq!(approvals.approved_by(&[7; 32], None).len(), 1);
        assert!(approvals.approved_by(&[8; 32], None).is_empty());
    }
}

#[tokio::test]
async fn a_rejection_outlives_every_approval_that_it_took_back() {
    let (approvals, store, _folder) = approvals();
    let hear = |word: Word| {
        let approvals = &approvals;
        async move {
            let heard = approvals.hear(&word);
            approvals.keep(&word).await.unwrap();
            heard
        }
    };
    let week = ApprovalRequest::LONGEST.as_secs();
    let approved = word(2, 7, Decision::Approve, 20, week);
    hear(approved.clone()).await.unwrap();
    hear(word(2, 7, Decision::Reject, 10, 600)).await.unwrap();
    // A shorter approval in place of a longer one ends when it says.
    let long = word(3, 7, Decision::Approve, 20, week);
    hear(long.clone()).await.unwrap();
    hear(word(3, 7, Decision::Approve, 10, 5)).await.unwrap();
    assert!(approvals.approved_by(&[7; 32], None).is_empty());
    assert_eq!(store.count(Table::Approvals).unwrap(), 2);
    let of_last = |seconds| approvals.words_since(SystemTime::now() - Duration::from_secs(seconds)).len();
    assert_eq!((of_last(60), of_last(3)), (2, 0));
    approvals.forget(SystemTime::now() + Duration::from_secs(700)).await.unwrap();
    for again in [&approved, &long] {
        assert_eq!(hear(again.clone()).await.unwrap(), Heard::Known);
    }
    assert!(approvals.approved_by(&[7; 32], None).is_empty());
    // Until none of them can hold.
    approvals.forget(SystemTime::now() + REMEMBERED + 2 * CLOCK_SKEW).await.unwrap();
    assert!(approvals.words_since(SystemTime::UNIX_EPOCH).is_empty());
    assert_eq!(store.count(Table::Approvals).unwrap(), 0);
    let old = hear(word(2, 7, Decision::Approve, week + 100, week)).await.unwrap_err();
    assert_eq!(old.code, ErrorCode::Expired);
}

#[tokio::test]
async fn a_word_that_could_not_be_stored_is_no_old_news() {
    let (approvals, store, _folder) = approvals();
    let said = word(2, 7, Decision::Reject, 10, 600);
    assert_eq!(approvals.hear(&said).unwrap(), Heard::New);
    store.close().await;
    assert_eq!(approvals.keep(&said).await.unwrap_err().code, ErrorCode::NotReady);
    // It counts, and whoever says it again is not told that all is well.
    assert_eq!(approvals.hear(&said).unwrap(), Heard::New);
    assert_eq!(approvals.keep(&said).await.unwrap_err().code, ErrorCode::NotReady);
}

#[tokio::test]
async fn an_authorizer_that_has_said_much_may_still_take_it_back() {
    let (approvals, ..) = approvals();
    let about = |number: usize, decision| {
        let mut word = word(2, 0, decision, if decision == Decision::Reject { 1 } else { 10 }, 600);
        word.key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        word
    };
    for number in 0..WORDS {
        assert_eq!(approvals.hear(&about(number, Decision::Approve)).unwrap(), Heard::New);
    }
    let more = approvals.hear(&about(WORDS, Decision::Approve)).unwrap_err();
    assert_eq!(more.code, ErrorCode::TooManySessions);
    assert_eq!(approvals.hear(&about(5, Decision::Reject)).unwrap(), Heard::New);
    // Others are not kept from saying theirs.
    assert_eq!(approvals.hear(&word(3, 7, Decision::Approve, 10, 600)).unwrap(), Heard::New);
}

#[tokio::test]
async fn one_initiator_takes_the_places_of_its_own_requests_alone() {
    let (approvals, store, _folder) = approvals();
    let others = waiting(1, "others", 10);
    assert!(approvals.wait(others.clone()).await.unwrap());
    for number in 0..WAITING + 10 {
        assert!(approvals.wait(waiting(2, &format!("r-{number}"), 10)).await.unwrap());
    }
    assert_eq!(approvals.waiting().len(), WAITING + 1);
    assert!(approvals.is_waiting(&others.key));
    assert_eq!(store.count(Table::Approvals).unwrap(), WAITING as u64 + 1);
    // Large ones by their bytes.
    for number in 0..40 {
        approvals.wait(waiting(2, &format!("large-{number}"), 900 * 1024)).await.unwrap();
    }
    let bytes: usize = approvals.waiting().iter().map(|waiting| waiting.request.len()).sum();
    assert!(bytes <= WAITING_BYTES + 1024, "{bytes}");
    assert!(approvals.is_waiting(&others.key));
    // It is no news within a minute, and gone after a week.
    assert!(!approvals.wait(others.clone()).await.unwrap());
    approvals.forget(SystemTime::now() + WAITS + Duration::from_secs(2)).await.unwrap();
    assert!(approvals.waiting().is_empty());
    assert_eq!(store.count(Table::Approvals).unwrap(), 0);
}

#[tokio::test]
async fn a_peer_takes_back_what_it_has_announced_alone() {
    let (approvals, ..) = approvals();
    let peer = |number| key(number).principal().identity().unwrap();
    let announced = Waiting { told_by: Some(peer(5)), ..waiting(1, "s", 10) };
    approvals.wait(announced.clone()).await.unwrap();
    assert!(!approvals.over(&announced.key, Some(&peer(6))).await.unwrap());
    assert!(approvals.is_waiting(&announced.key));
    assert!(approvals.over(&announced.key, Some(&peer(5))).await.unwrap());
    assert!(!approvals.is_waiting(&announced.key));
}
