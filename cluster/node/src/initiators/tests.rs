//! Which keys may ask follows from the set of changes, in whatever order they have come.

use quorate_keys::{KeyType, SigningPrincipal};
use quorate_policy::Policy;

use super::*;
use crate::store::{KdfParams, Passphrase};

fn key(number: u8) -> Principal {
    SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new([number; 32])).unwrap().principal()
}

fn named() -> Vec<Initiator> {
    let policy = format!(
        "version: 1\ninitiators:\n  desk: {{key: '{}', operations: [sign], wallets: [hot-*]}}\n  \
         old: {{key: '{}', operations: [sign], retired: true}}\nrules: []\n",
        key(1),
        key(2)
    );
    Policy::read(policy.as_bytes()).unwrap().initiators().to_vec()
}

fn change(number: u8, signed: u64, key: Principal, admitted_as: Option<&str>) -> Change {
    Change {
        fingerprint: [number; 32],
        id: "c".parse().unwrap(),
        key,
        admitted_as: admitted_as.map(ToOwned::to_owned),
        approved_by: BTreeSet::new(),
        signed,
        proof: Proof { request: vec![], words: vec![] },
    }
}

/// Every order of some things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = things.split_first() else { return vec![vec![]] };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..=order.len() {
            let mut order = order.clone();
            order.insert(place, first.clone());
            all.push(order);
        }
    }
    all
}

#[test]
fn in_every_order_of_the_changes_the_same_keys_may_ask() {
    let changes = [
        change(1, 30, key(3), Some("desk")),
        change(2, 10, key(3), None),
        // Of two admissions of one key the one of the smaller fingerprint counts, whenever they were signed.
        change(4, 10, key(4), Some("desk")),
        change(3, 20, key(4), Some("old")),
        change(6, 5, key(5), Some("desk")),
        change(5, 5, key(5), Some("old")),
        // Of nobody, of an authorizer, and of a name that the policy does not have.
        change(7, 5, key(9), Some("desk")),
        change(8, 5, key(6), Some("nobody")),
    ];
    let mut seen = HashSet::new();
    for order in orders(&changes) {
        let initiators = Initiators::after(&named(), |key| *key == self::key(9), &order);
        let views = initiators.views();
        seen.insert(serde_json::to_string(&views).unwrap());
        let of = |number| {
            let known = initiators.get(&key(number));
            known.map(|known| (known.initiator.name().to_owned(), known.status))
        };
        assert_eq!(of(1), Some(("desk".to_owned(), InitiatorStatus::Active)));
        assert_eq!(of(2), Some(("old".to_owned(), InitiatorStatus::Retired)));
        assert_eq!(of(3), Some(("desk".to_owned(), InitiatorStatus::Revoked)));
        assert_eq!(of(4), Some(("old".to_owned(), InitiatorStatus::Retired)));
        assert_eq!(of(5), Some(("old".to_owned(), InitiatorStatus::Retired)));
        assert_eq!((of(6), of(9)), (None, None));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_key_that_was_revoked_stays_so_whatever_a_later_policy_says() {
    let initiators = Initiators::after(&named(), |_| false, &[change(1, 7, key(1), None)]);
    let known = initiators.get(&key(1)).unwrap();
    assert!(!known.is_active());
    let view = known.view();
    assert_eq!((view.status, view.changed, view.admitted), (InitiatorStatus::Revoked, Some(7), false));
    assert_eq!(
        (view.operations, view.wallets, view.chains),
        (vec!["sign".to_owned()], Some(vec!["hot-*".to_owned()]), None)
    );
    // Revoked before any policy had it.
    let before = Initiators::after(&[], |_| false, &[change(1, 7, key(1), None)]);
    assert!(before.views().is_empty() && before.is_revoked(&key(1)) && !before.is_revoked(&key(2)));
}

#[tokio::test]
async fn there_is_always_room_for_a_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    let changes = Changes::load(Arc::new(store)).unwrap();
    let numbered = |number: u16, admitted_as| {
        let [high, low] = number.to_be_bytes();
        let mut change = change(high, 5, key(1), admitted_as);
        change.fingerprint[31] = low;
        change.fingerprint[1] = u8::from(admitted_as.is_none());
        change
    };
    let most = u16::try_from(MAX_CHANGES).unwrap();
    for number in 0..most {
        // In memory alone: what is tested is not the disk.
        let change = Arc::new(numbered(number, Some("desk")));
        changes.lock().changes.insert(change.fingerprint, change);
    }
    let error = changes.keep(numbered(most, Some("desk"))).await.unwrap_err();
    assert!(error.message.contains("4096 times"), "{error:?}");
    assert!(changes.keep(numbered(most, None)).await.unwrap());
}

#[tokio::test]
async fn a_peer_is_told_all_that_it_lacks_whatever_of_it_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    let changes = Changes::load(Arc::new(store)).unwrap();
    let peer = quorate_keys::SigningIdentity::generate(&mut rand_core::OsRng).identity();
    for number in 0..50 {
        let proof = Proof { request: vec![number], words: vec![] };
        let change = Change { proof, ..change(number, 5, key(number.max(1)), None) };
        assert!(changes.keep(change).await.unwrap());
    }
    // It has every fifth, and refuses the others but one.
    let mut told: Vec<u8> = Vec::new();
    let mut batch = changes.told(&peer, (0..50).step_by(5).map(|number| [number; 32]).collect());
    while !batch.is_empty() {
        assert!(batch.len() <= TOLD);
        let mut next = Vec::new();
        for proof in &batch {
            let number = proof.request[0];
            told.push(number);
            next.extend(changes.heard(&peer, &[number; 32], number == 7));
        }
        batch = next;
    }
    assert_eq!(told, (0..50).filter(|number| number % 5 != 0).collect::<Vec<_>>());
    let known = |number| changes.is_known_by(&peer, &[number; 32]);
    assert!(known(5) && known(7) && !known(8));
    // What nobody told is no answer; nor is what this node does not keep remembered.
    assert!(changes.heard(&peer, &[8; 32], true).is_empty());
    assert!(changes.heard(&peer, &[99; 32], true).is_empty());
    assert!(known(8) && !known(99));
}
