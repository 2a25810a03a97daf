use super::*;
use quorate_keys::{Secret, SigningIdentity};

fn node(number: u8) -> Identity {
    SigningIdentity::from_seed(&Secret::new([number; 32])).identity()
}

fn session(number: u8) -> SessionId {
    borsh::from_slice(&[number; 32]).unwrap()
}

fn id(number: u8) -> PresignatureId {
    PresignatureId([number; 32])
}

fn origin(owner: u8, wallet: u8, signers: &[u8]) -> Arc<Origin> {
    let signers = signers.iter().map(|number| node(*number)).collect();
    Arc::new(Origin { wallet: session(wallet), owner: node(owner), signers, auxiliary: session(100) })
}

fn public(number: u8) -> PublicPresignature {
    PublicPresignature { id: id(number), key: [0; 32], nonce: vec![2; 33], checks: Default::default() }
}

fn half(number: u8) -> Half {
    let public = borsh::to_vec(&public(number)).unwrap();
    // The party, k̃, χ̃ and a checksum, which nobody looks at before it signs.
    let rest = (1_u16, [[7_u8; 32]; 3]);
    Half::Signer(borsh::from_slice(&[public, borsh::to_vec(&rest).unwrap()].concat()).unwrap())
}

/// Node 1's pool: of its own for wallet 1, `a` with node 2 and `b` with node 3; of node 2's, `c`.
fn pool(a: &[u8], b: &[u8], c: &[u8]) -> Arc<PresignaturePool> {
    let pool = Arc::new(PresignaturePool::default());
    for (origin, numbers) in
        [(origin(1, 1, &[1, 2]), a), (origin(1, 1, &[1, 3]), b), (origin(2, 1, &[1, 2]), c)]
    {
        for number in numbers {
            pool.add(&origin, [half(*number)]);
        }
    }
    pool
}

fn claim(pool: &Arc<PresignaturePool>, count: usize) -> Option<Claim> {
    pool.claim(&node(1), &session(1), count, |_| Some(0))
}

fn claimed(claim: &Claim) -> Vec<PresignatureId> {
    claim.ids().collect()
}

fn reserve(
    pool: &Arc<PresignaturePool>,
    owner: u8,
    signers: &[u8],
    ids: &[u8],
) -> Result<Reservation, Unpromised> {
    let signers = signers.iter().map(|number| node(*number)).collect();
    let ids: Vec<_> = ids.iter().map(|number| id(*number)).collect();
    pool.reserve(&node(owner), &session(1), &signers, &ids)
}

#[test]
fn a_claim_takes_the_oldest_of_the_signers_that_cost_least() {
    let pool = pool(&[1, 2, 3], &[4, 5], &[6]);
    let with_3 = |signers: &BTreeSet<Identity>| Some(u32::from(!signers.contains(&node(3))));
    let first = pool.claim(&node(1), &session(1), 1, with_3).unwrap();
    assert_eq!((claimed(&first), first.origin().signers.contains(&node(3))), (vec![id(4)], true));
    let second = pool.claim(&node(1), &session(1), 2, with_3).unwrap();
    assert_eq!(claimed(&second), [id(1), id(2)], "one of node 3 is left, two are needed");
    assert!(claim(&pool, 2).is_none());
    assert!(pool.claim(&node(1), &session(1), 1, |_| None).is_none(), "no signers are fit");
    assert!(pool.claim(&node(1), &session(2), 1, |_| Some(0)).is_none(), "another wallet");
    drop(first);
    assert_eq!(claimed(&pool.claim(&node(1), &session(1), 2, with_3).unwrap()), [id(4), id(5)]);
}

#[test]
fn nobody_uses_what_was_begun_with() {
    let pool = pool(&[1, 2], &[], &[]);
    let first = claim(&pool, 1).unwrap();
    let promised = reserve(&pool, 1, &[1, 2], &[1]).unwrap();
    let Presignatures(taken) = promised.take().unwrap();
    assert_eq!(taken[0].public().id, id(1));
    first.burn();
    drop(first);
    assert_eq!(claimed(&claim(&pool, 1).unwrap()), [id(2)]);
    // A signer that has lost its half makes a promise of the owner to itself worthless.
    let promised = reserve(&pool, 1, &[1, 2], &[2]).unwrap();
    assert_eq!(pool.forget(&node(1), &node(2), &[id(2)]), 1);
    assert!(promised.take().is_none());
    assert_eq!(reserve(&pool, 1, &[1, 2], &[1]).unwrap_err(), Unpromised::Lacking(vec![id(1)]));
    assert_eq!(pool.counts.used.load(Ordering::Relaxed), 2);
}

#[test]
fn what_was_only_promised_is_free_again() {
    let pool = pool(&[], &[], &[6, 7]);
    let promised = reserve(&pool, 2, &[1, 2], &[6, 7]).unwrap();
    assert_eq!(reserve(&pool, 2, &[1, 2], &[7]).unwrap_err(), Unpromised::Reserved);
    drop(promised);
    assert!(reserve(&pool, 2, &[1, 2], &[7]).is_ok());
}

#[test]
fn only_the_owner_uses_them_and_only_for_what_they_were_made() {
    let pool = pool(&[1], &[], &[6]);
    let foreign =
        |refused: Result<Reservation, Unpromised>| assert_eq!(refused.unwrap_err(), Unpromised::Foreign);
    foreign(reserve(&pool, 3, &[1, 2], &[6]));
    foreign(reserve(&pool, 1, &[1, 2], &[6]));
    foreign(reserve(&pool, 2, &[1, 3], &[6]));
    foreign(reserve(&pool, 2, &[1, 2, 3], &[6]));
    foreign(reserve(&pool, 2, &[1, 2], &[6, 6]));
    let signers = BTreeSet::from([node(1), node(2)]);
    foreign(pool.reserve(&node(2), &session(2), &signers, &[id(6)]));
    pool.add(&origin(2, 1, &[1, 2]), [Half::Owner(public(9))]);
    foreign(reserve(&pool, 2, &[1, 2], &[9]));
    // Nothing of it was kept.
    assert!(reserve(&pool, 2, &[1, 2], &[6]).is_ok());
    // An owner claims nobody else's.
    assert_eq!(claimed(&claim(&pool, 1).unwrap()), [id(1)]);
}

#[test]
fn what_is_promised_stays_until_it_is_used_and_all_else_goes_with_its_origin() {
    let pool = pool(&[1], &[4], &[6]);
    let promised = reserve(&pool, 2, &[1, 2], &[6]).unwrap();
    assert_eq!(pool.retain(|origin| !origin.signers.contains(&node(2))), 1);
    assert_eq!(pool.depth(&node(1)), (1, 2));
    assert!(promised.take().is_some());
    assert_eq!(pool.depth(&node(1)), (1, 1));
    assert_eq!(pool.forget(&node(2), &node(3), &[id(4)]), 0, "not that owner's");
    assert_eq!(pool.forget(&node(1), &node(2), &[id(4)]), 0, "not that signer's");
    assert_eq!(pool.forget(&node(1), &node(3), &[id(4)]), 1);
}

#[test]
fn an_owner_and_its_signers_come_to_have_the_same() {
    let pool = pool(&[1, 2], &[4], &[6, 7]);
    assert_eq!(pool.shared_with(&node(1), &node(3)), [id(4)]);
    // What has just come may be on its way to the other.
    assert_eq!(pool.compare(&node(2), &[id(6), id(8)]), [id(8)]);
    assert_eq!(pool.lacking(&node(1), &node(2), &[id(1)]), 0);
    assert_eq!(pool.depth(&node(1)), (3, 5));
    for entry in pool.lock().values_mut() {
        entry.since = entry.since.checked_sub(SETTLING).unwrap();
    }
    assert_eq!(pool.compare(&node(2), &[id(6), id(8)]), [id(8)]);
    assert_eq!(pool.lacking(&node(1), &node(3), &[id(1)]), 0, "node 3 has no part in it");
    assert_eq!(pool.lacking(&node(1), &node(2), &[id(1), id(6)]), 1);
    let mut left: Vec<_> = pool.lock().keys().copied().collect();
    left.sort();
    assert_eq!(left, [id(2), id(4), id(6)]);
}

#[test]
fn the_pool_is_counted() {
    let pool = pool(&[1, 2], &[4], &[6]);
    assert_eq!(pool.kept_for(&node(1), &session(1)), 3);
    assert_eq!(pool.kept_for(&node(2), &session(1)), 1);
    assert_eq!(pool.ready(&node(1), &session(1), |signers| signers.contains(&node(2))), 2);
    let _claim = claim(&pool, 1).unwrap();
    assert_eq!(pool.depth(&node(1)), (2, 4));
    assert_eq!(pool.counts.added.load(Ordering::Relaxed), 4);
}
