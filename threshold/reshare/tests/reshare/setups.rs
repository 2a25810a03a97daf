//! What makes no sense is refused before anything is sent.

use quorate_keys::SigningIdentity;
use quorate_reshare::{FARTHEST, Reshare, Setup, fewest_dealers};
use quorate_session::{Protocol as _, Session, Wire, setup_digest};
use quorate_sharing::{Committee, Ed25519, KeyShare, Member, Secp256k1};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::group::{Change, Shares, cast, committee, copy, key, occasion, origin, parties, party, public};

/// What party 1 says to a resharing.
fn refused(
    cast: &Cast,
    session: &Committee,
    epoch: u64,
    setup: &Setup,
    secret: Option<KeyShare>,
) -> Result<(), String> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let digest = setup_digest(&setup.to_wire().unwrap());
    let contexts = cast.agree(session, Reshare::<Ed25519>::ID, digest, epoch, &mut rng);
    let context = std::sync::Arc::clone(&contexts[&party(1)]);
    let keyring = cast.keyring(party(1));
    let session = Session::<Reshare<Ed25519>>::new(context, setup.clone(), secret, keyring, &mut rng);
    session.map(drop).map_err(|error| error.to_string())
}

const CHANGE: Change<'_> = Change { dealers: &[1, 2, 3], receivers: &[1, 2, 3, 6], signers: 3 };

fn old(cast: &Cast) -> Shares {
    key::<Ed25519>(cast, 3, &[1, 2, 3, 4, 5])
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let cast = cast();
    let old = old(&cast);
    let right = CHANGE.setup(&old);
    let session = CHANGE.committee(&cast);
    let mine = || Some(copy(&old[&party(1)]));
    assert_eq!(refused(&cast, &session, 1, &right, mine()), Ok(()));

    let receivers = |indices: &[u16]| Setup { receivers: parties(indices), ..right.clone() };
    let unsorted = receivers(&[1, 3, 2, 6]);
    let doubled = receivers(&[1, 2, 2, 6]);
    let strangers = receivers(&[1, 2, 3, 6, 7]);
    let idle = receivers(&[1, 2, 3]);
    let too_few = receivers(&[1, 6]);
    let none = receivers(&[]);
    let dealers = |indices: &[u16]| Setup { dealers: parties(indices), ..right.clone() };
    let few_dealers = Setup { dealers: parties(&[1, 2]), ..receivers(&[1, 2, 6]) };
    for (what, session, epoch, setup, why) in [
        ("the same epoch", &session, 0, &right, "does not follow"),
        ("an epoch too far off", &session, 1 + FARTHEST, &right, "does not follow"),
        ("receivers in another order", &session, 1, &unsorted, "ascending"),
        ("a receiver twice", &session, 1, &doubled, "ascending"),
        ("a receiver that takes no part", &session, 1, &strangers, "no party of the session"),
        ("a party that has nothing to do", &session, 1, &idle, "party 6 neither deals nor receives"),
        ("fewer receivers than must sign", &session, 1, &too_few, "cannot reach a threshold"),
        ("no receivers", &session, 1, &none, "neither deals nor receives"),
        ("dealers in another order", &session, 1, &dealers(&[1, 3, 2]), "the dealers are not in ascending"),
        ("a dealer twice", &session, 1, &dealers(&[1, 2, 3, 3]), "the dealers are not in ascending"),
        ("a dealer that takes no part", &session, 1, &dealers(&[1, 2, 3, 4]), "no party of the session"),
        ("a dealer without a share", &session, 1, &dealers(&[1, 2, 3, 6]), "party 6 has no share to deal"),
        (
            "fewer dealers than must sign",
            &committee(&cast, 3, &[1, 2, 6]),
            1,
            &few_dealers,
            "2 of 5 holders deal, and 3 must",
        ),
    ] {
        let error = refused(&cast, session, epoch, setup, mine()).expect_err(what);
        assert!(error.contains(why), "{what}: {error}");
    }

    // Who stays keeps its index.
    let moved: Vec<_> = session
        .members()
        .iter()
        .map(|member| match member.index.get() {
            2 => Member { index: party(8), ..*member },
            _ => *member,
        })
        .collect();
    let moved = Committee::new(session.threshold(), moved).unwrap();
    assert_eq!(moved.len(), 4);
    let identity = cast.identity(party(2)).identity();
    assert_eq!(moved.index_of(&identity), Some(party(8)));
    let (dealers, receivers) = (parties(&[1, 3, 8]), parties(&[1, 3, 6, 8]));
    let setup = Setup {
        origin: origin(),
        old: public(&old).clone(),
        from_kept: false,
        former: None,
        occasion: occasion(),
        dealers,
        receivers,
    };
    let error = plan_of(&moved, &setup);
    assert!(error.contains("party 2 does not keep its index, but is party 8"), "{error}");
}

/// Why nobody may begin this, asked of the judge: no cast has such a committee.
fn plan_of(session: &Committee, setup: &Setup) -> String {
    use quorate_dealing::Purpose;
    use quorate_reshare::NewShares;
    use quorate_session::{Accepted, IdentityVerifier, Proposal, Proposing, SignedProposal};

    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let cast = cast();
    let proposer = cast.identity(party(1));
    let proposal = Proposal {
        cluster: [7; 32],
        request: [9; 32],
        operation: "reshare".into(),
        protocol: Reshare::<Ed25519>::ID,
        setup: setup_digest(&setup.to_wire().unwrap()),
        epoch: setup.old.epoch + 1,
        committee: session.clone(),
        proposer: proposer.identity(),
        attempt: 0,
        expires: u64::MAX,
    };
    let signed = SignedProposal::sign(proposal.clone(), &**proposer).unwrap();
    let mut proposing = Proposing::new(&proposal).unwrap();
    let (mut start, mut promise) = (None, None);
    for number in 1..=14 {
        let key: &SigningIdentity = cast.identity(party(number));
        if session.index_of(&key.identity()).is_none() {
            continue;
        }
        let accepted = Accepted::accept(signed.clone(), &key.identity(), key, &IdentityVerifier, &mut rng);
        let (accepted, acceptance) = accepted.unwrap();
        promise = promise.or(Some(accepted));
        start = proposing.accept(acceptance, &IdentityVerifier).unwrap();
    }
    let context = promise.unwrap().start(&start.unwrap(), &IdentityVerifier).unwrap();
    let plan = <NewShares as Purpose<Ed25519>>::plan(context.agreement(), setup);
    plan.expect_err("no plan").to_string()
}

#[test]
fn a_share_of_another_key_epoch_or_party_is_not_dealt() {
    let cast = cast();
    let old = old(&cast);
    let (session, setup) = (CHANGE.committee(&cast), CHANGE.setup(&old));
    let renewed = Change { dealers: &[1, 2, 3, 4, 5], receivers: &[1, 2, 3, 4, 5], signers: 3 }
        .run::<Ed25519>(&cast, &old, 1);
    let other_key = key::<Ed25519>(&cast, 2, &[1, 2, 3, 4, 5]);
    for (what, secret) in [
        ("of another party", Some(copy(&old[&party(2)]))),
        ("of a later epoch", Some(copy(&renewed[&party(1)]))),
        ("of another key", Some(copy(&other_key[&party(1)]))),
        ("none", None),
    ] {
        let error = refused(&cast, &session, 1, &setup, secret).expect_err(what);
        let known = ["another one than is to be dealt", "does not fit the plan"];
        assert!(known.iter().any(|known| error.contains(known)), "{what}: {error}");
    }
    // One that does not fit its own public side.
    let damaged = KeyShare::new(public(&old).clone(), party(1), quorate_keys::Secret::new([1; 32]));
    assert!(refused(&cast, &session, 1, &setup, Some(damaged)).is_err());
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let cast = cast();
    let old = key::<Secp256k1>(&cast, 3, &[1, 2, 3, 4, 5]);
    let mine = Some(copy(&old[&party(1)]));
    let error = refused(&cast, &CHANGE.committee(&cast), 1, &CHANGE.setup(&old), mine).unwrap_err();
    assert!(error.contains("on another curve"), "{error}");
}

#[test]
fn two_sets_of_dealers_always_have_one_in_common() {
    let cast = cast();
    for total in 2..=14_u16 {
        let all: Vec<u16> = (1..=total).collect();
        for signers in 2..=total {
            let committee = committee(&cast, signers, &all);
            let fewest = fewest_dealers(&committee);
            assert!(2 * fewest > committee.len() && fewest >= committee.threshold().count());
            assert!(fewest <= committee.len());
        }
    }
}
