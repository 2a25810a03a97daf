//! What a party that keeps to the rules acknowledges, promises and goes by.

use borsh::BorshDeserialize;
use quorate_reshare::{
    Certificate, Hindrance, Keeper, Link, NoSuccessor, Occasion, Pending, REMEMBERED_MS, Refusal, Renewed,
    Setup, Taken,
};
use quorate_session::{Envelope, SessionId, Wire};
use quorate_sharing::{Ed25519, KeyShare, PublicShares};
use quorate_simulator::Cast;

use crate::group::{Change, Shares, cast, copy, key, origin, party, public};
use crate::succession::{Ended, ended_at, ended_of};

type C = Ed25519;

const ALL: [u16; 5] = [1, 2, 3, 4, 5];
const REFRESH: Change<'_> = Change { dealers: &ALL, receivers: &ALL, signers: 3 };
const WITHOUT_FIVE: Change<'_> = Change { dealers: &[1, 2, 3, 4], receivers: &[1, 2, 3, 4], signers: 2 };

/// What party 1 has stored of a resharing, and what shows that all have.
struct Made {
    ended: Ended,
    share: Vec<u8>,
}

impl Made {
    fn new(cast: &Cast, old: &Shares, change: &Change<'_>, seed: u64) -> Self {
        Self::at(public(old).epoch + 1, cast, old, change, seed)
    }

    fn at(epoch: u64, cast: &Cast, old: &Shares, change: &Change<'_>, seed: u64) -> Self {
        Self::of(ended_at::<C>(epoch, cast, old, change, seed))
    }

    /// By the shares that are kept of an epoch.
    fn from_kept(epoch: u64, cast: &Cast, old: &Shares, change: &Change<'_>, seed: u64) -> Self {
        let setup = Setup { from_kept: true, ..change.setup(old) };
        Self::of(ended_of::<C>(epoch, cast, old, change, setup, seed))
    }

    fn of(mut ended: Ended) -> Self {
        let share = borsh::to_vec(&ended.renewed.remove(&party(1)).unwrap()).unwrap();
        Self { ended, share }
    }

    fn pending(&self) -> Pending {
        let own = self.ended.acknowledgements.iter().find(|envelope| envelope.header.sender == party(1));
        Pending {
            agreement: self.ended.agreement.clone(),
            setup: self.ended.setup.clone(),
            start: self.ended.start.clone(),
            acknowledgement: Envelope::clone(own.unwrap()),
            renewed: borsh::from_slice(&self.share).unwrap(),
            set_aside: None,
        }
    }

    fn link(&self) -> Link {
        let Ended { agreement, acknowledgements, setup, public, .. } = &self.ended;
        let certificate = Certificate::new(agreement.clone(), acknowledgements).unwrap();
        Link { setup: setup.clone(), public: public.clone(), certificate }
    }
}

fn keeper(old: &Shares) -> Keeper {
    Keeper::new(origin(), public(old).clone())
}

/// The share with which a party goes by a certified epoch from now on; none if it has none.
fn activated(taken: Result<Taken, NoSuccessor>) -> Option<KeyShare> {
    match taken {
        Ok(Taken::Activated(share)) => share,
        other => panic!("{other:?}"),
    }
}

fn is_known(taken: &Result<Taken, NoSuccessor>) -> bool {
    matches!(taken, Ok(Taken::Known))
}

fn again(keeper: &Keeper) -> Keeper {
    Keeper::from_wire(&keeper.to_wire().unwrap()).unwrap()
}

#[test]
fn of_two_resharings_of_one_epoch_one_is_acknowledged() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let (one, other) = (Made::new(&cast, &old, &REFRESH, 1), Made::new(&cast, &old, &WITHOUT_FIVE, 2));
    let mut keeper = keeper(&old);
    keeper.acknowledge(one.pending()).unwrap();
    // Also after a restart.
    let mut keeper = again(&keeper);
    let locked = Hindrance::Locked { session: one.ended.agreement.session(), epoch: 1 };
    assert_eq!(keeper.acknowledge(other.pending()), Err(locked));
    assert_eq!(keeper.acknowledge(one.pending()), Err(locked));
    assert_eq!(keeper.waiting().count(), 1);
    // A refusal by somebody else, of something else, or by a stranger frees nothing.
    let session = one.ended.agreement.session();
    let promise = |session, number| Refusal::promise(session, cast.identity(party(number)));
    assert!(!keeper.set_aside(&promise(other.ended.agreement.session(), 2)));
    assert!(!keeper.set_aside(&promise(session, 9)));
    assert!(keeper.set_aside(&promise(session, 2)));
    assert!(!keeper.set_aside(&promise(session, 3)));
    let mut keeper = again(&keeper);
    assert_eq!(keeper.acknowledge(one.pending()), Err(locked));
    keeper.acknowledge(other.pending()).unwrap();
    assert_eq!(keeper.waiting().count(), 1);
}

#[test]
fn what_was_acknowledged_or_is_over_is_not_refused() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let (one, other) = (Made::new(&cast, &old, &REFRESH, 1), Made::new(&cast, &old, &WITHOUT_FIVE, 2));
    let mut keeper = keeper(&old);
    assert!(keeper.may_refuse(&other.ended.agreement));
    keeper.acknowledge(other.pending()).unwrap();
    assert!(!again(&keeper).may_refuse(&other.ended.agreement));
    assert!(keeper.may_refuse(&one.ended.agreement));
    // Of an epoch that is over it has forgotten what it acknowledged.
    assert_eq!(activated(keeper.certified(other.link())).unwrap().public(), &other.ended.public);
    let counts = one.link().session() < other.link().session();
    assert_eq!(keeper.may_refuse(&one.ended.agreement), counts);
    assert!(!keeper.may_refuse(&other.ended.agreement));
    let hindered = Hindrance::OtherEpoch { ours: 1, theirs: 0 };
    assert_eq!(keeper.acknowledge(one.pending()), Err(hindered));
    // What it is not there for yet it can refuse.
    let new = shares(&other);
    let next = Made::new(&cast, &new, &WITHOUT_FIVE, 3);
    let mut behind = self::keeper(&old);
    let hindered = Hindrance::OtherEpoch { ours: 0, theirs: 1 };
    assert_eq!(behind.acknowledge(next.pending()), Err(hindered));
    assert!(behind.may_refuse(&next.ended.agreement));
    // The same epoch, shared otherwise.
    let strange = key::<C>(&cast, 2, &ALL);
    let strange = Made::new(&cast, &strange, &REFRESH, 4);
    assert_eq!(behind.acknowledge(strange.pending()), Err(Hindrance::OtherShares));
}

/// The shares of all, as a resharing has left them.
fn shares(made: &Made) -> Shares {
    let own: Renewed = borsh::from_slice(&made.share).unwrap();
    let others = made.ended.renewed.iter();
    let others =
        others.map(|(index, renewed)| (*index, borsh::from_slice(&borsh::to_vec(renewed).unwrap()).unwrap()));
    let held = |(index, renewed)| match renewed {
        Renewed::Share(share) => Some((index, share)),
        Renewed::Parted(_) => None,
    };
    others.chain([(party(1), own)]).filter_map(held).collect()
}

#[test]
fn what_is_certified_is_gone_by_in_its_order_and_nothing_else() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let first = Made::new(&cast, &old, &REFRESH, 1);
    let second = Made::new(&cast, &shares(&first), &WITHOUT_FIVE, 2);
    let mut holder = keeper(&old);
    holder.acknowledge(first.pending()).unwrap();
    let mut forged = first.link();
    forged.public = PublicShares { epoch: 5, ..forged.public };
    assert!(matches!(holder.certified(forged), Err(NoSuccessor::Certificate(_))));
    let mut of_another = first.link();
    of_another.setup.origin = SessionId::try_from_slice(&[4; 32]).unwrap();
    assert_eq!(holder.certified(of_another).unwrap_err(), NoSuccessor::OtherKey);
    assert_eq!(holder.public(), public(&old));
    assert_eq!(activated(holder.certified(first.link())).unwrap().public(), &first.ended.public);
    assert!(is_known(&holder.certified(first.link())));
    let holder = again(&holder);
    assert_eq!(
        (holder.public(), holder.link().map(Link::session)),
        (&first.ended.public, Some(first.link().session()))
    );
    assert!(holder.pending_of(&first.link().session()).is_none());

    // Who took no part goes by it, too, and its share is of no use any more.
    let mut away = keeper(&old);
    assert!(activated(away.certified(first.link())).is_none());
    assert!(activated(away.certified(second.link())).is_none());
    assert!(is_known(&away.certified(first.link())));
    assert_eq!(away.public().epoch, 2);

    let strange = key::<C>(&cast, 2, &ALL);
    let strange = Made::new(&cast, &strange, &REFRESH, 4);
    let mut keeper = keeper(&old);
    let setup = Setup { origin: SessionId::try_from_slice(&[5; 32]).unwrap(), ..strange.ended.setup.clone() };
    assert_eq!(keeper.may_acknowledge(&strange.ended.agreement, &setup), Err(Hindrance::OtherShares));
    assert_eq!(keeper.certified(Link { setup, ..strange.link() }).unwrap_err(), NoSuccessor::OtherKey);
}

#[test]
fn who_was_away_for_long_goes_by_the_latest_epoch_and_needs_none_before() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let first = Made::new(&cast, &old, &REFRESH, 1);
    let second = Made::new(&cast, &shares(&first), &WITHOUT_FIVE, 2);
    let mut holder = keeper(&old);
    // It had stored what it was dealt, and never heard that all had.
    holder.acknowledge(first.pending()).unwrap();
    assert!(activated(holder.certified(second.link())).is_none());
    assert_eq!((holder.public().epoch, holder.pending().len()), (2, 0));
    assert!(is_known(&holder.certified(first.link())));
    assert_eq!(holder.public(), &second.ended.public);
}

/// One of the parties of both has signed a refusal of the one, and acknowledged it all the same.
#[test]
fn of_two_that_are_certified_the_same_one_counts_everywhere() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let (one, other) = (Made::new(&cast, &old, &REFRESH, 1), Made::new(&cast, &old, &WITHOUT_FIVE, 2));
    let (smaller, larger) = match one.link().session() < other.link().session() {
        true => (&one, &other),
        false => (&other, &one),
    };
    for (first, second) in [(smaller, larger), (larger, smaller)] {
        let mut keeper = keeper(&old);
        keeper.acknowledge(first.pending()).unwrap();
        let lie = Refusal::promise(first.link().session(), cast.identity(party(2)));
        assert!(keeper.set_aside(&lie));
        keeper.acknowledge(second.pending()).unwrap();
        let mut share = activated(keeper.certified(first.link()));
        let mut keeper = again(&keeper);
        match keeper.certified(second.link()).unwrap() {
            Taken::Activated(other) => share = other,
            Taken::Known => assert_eq!(first.ended.public, smaller.ended.public),
        }
        assert_eq!(keeper.public(), &smaller.ended.public);
        assert_eq!(share.unwrap().public(), &smaller.ended.public);
        // And nobody goes back.
        assert!(is_known(&keeper.certified(first.link())));
        assert!(is_known(&keeper.certified(second.link())));
        assert_eq!(keeper.public(), &smaller.ended.public);
    }
}

/// A party has vanished, or withholds its word: nobody knows whether the first will ever be certified.
#[test]
fn what_nobody_knows_the_end_of_is_overtaken_and_counts_if_it_is_certified_before() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let stuck = Made::new(&cast, &old, &REFRESH, 1);
    let overtaking = Made::at(2, &cast, &old, &WITHOUT_FIVE, 2);
    let waits_for_both = || {
        let mut keeper = keeper(&old);
        keeper.acknowledge(stuck.pending()).unwrap();
        keeper.acknowledge(overtaking.pending()).unwrap();
        assert_eq!(keeper.waiting().count(), 2);
        again(&keeper)
    };
    // Nothing that leads no further can be acknowledged beside them.
    for (epoch, seed) in [(1, 3), (2, 4)] {
        let late = Made::at(epoch, &cast, &old, &WITHOUT_FIVE, seed);
        let locked = waits_for_both().acknowledge(late.pending()).unwrap_err();
        assert!(matches!(locked, Hindrance::Locked { epoch: 1 | 2, .. }));
    }
    // The one that leads further counts for more, whichever is certified first.
    let mut keeper = waits_for_both();
    assert_eq!(activated(keeper.certified(overtaking.link())).unwrap().public(), &overtaking.ended.public);
    assert!(is_known(&keeper.certified(stuck.link())));
    assert_eq!((keeper.public(), keeper.waiting().count()), (&overtaking.ended.public, 0));
    let mut keeper = waits_for_both();
    assert_eq!(activated(keeper.certified(stuck.link())).unwrap().public(), &stuck.ended.public);
    let mut keeper = again(&keeper);
    // It is not forgotten, and nothing is promised of it.
    assert_eq!(keeper.waiting().count(), 1);
    assert!(!keeper.may_refuse(&overtaking.ended.agreement));
    assert_eq!(activated(keeper.certified(overtaking.link())).unwrap().public(), &overtaking.ended.public);
    assert_eq!(keeper.waiting().count(), 0);
}

/// Some have gone on from what was overtaken, as they had not heard of that.
#[test]
fn of_two_ways_that_lead_to_one_number_the_same_one_counts_everywhere() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let overtaken = Made::new(&cast, &old, &REFRESH, 1);
    let gone_on = Made::new(&cast, &shares(&overtaken), &REFRESH, 2);
    let overtaking = Made::at(2, &cast, &old, &WITHOUT_FIVE, 3);
    assert_eq!(gone_on.ended.public.epoch, overtaking.ended.public.epoch);
    let (smaller, larger) = match gone_on.link().session() < overtaking.link().session() {
        true => (&gone_on, &overtaking),
        false => (&overtaking, &gone_on),
    };
    for (first, second) in [(smaller, larger), (larger, smaller)] {
        let mut keeper = keeper(&old);
        let _ = keeper.certified(first.link()).unwrap();
        let _ = keeper.certified(second.link()).unwrap();
        assert_eq!(keeper.public(), &smaller.ended.public);
    }
    // A party of both that has stored its share of the one goes by the other only as long as that counts for more.
    let mut holder = keeper(&old);
    holder.acknowledge(overtaken.pending()).unwrap();
    holder.acknowledge(overtaking.pending()).unwrap();
    assert!(activated(holder.certified(gone_on.link())).is_none());
    let counts = overtaking.link().session() < gone_on.link().session();
    assert_eq!(holder.waiting().count(), usize::from(counts));
    match holder.certified(overtaking.link()).unwrap() {
        Taken::Activated(share) => assert!(counts && share.is_some()),
        Taken::Known => assert!(!counts),
    }
}

#[test]
fn the_share_before_is_kept_until_the_next_resharing_and_no_longer() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let (first, own) = (Made::new(&cast, &old, &REFRESH, 1), || Some(copy(&old[&party(1)])));
    let second = Made::new(&cast, &shares(&first), &WITHOUT_FIVE, 2);
    let (before, between) = (public(&old), &first.ended.public);
    let kept = |keeper: &Keeper| again(keeper).kept().map(|share| share.public().clone());

    // Who does not want to keep it does not.
    let mut keeper = keeper(&old);
    keeper.acknowledge(first.pending()).unwrap();
    let share = activated(keeper.certified_keeping(first.link(), own)).unwrap();
    assert_eq!(kept(&keeper).as_ref(), Some(before));
    assert!(is_known(&keeper.certified_keeping(first.link(), || panic!("nothing changes"))));
    assert_eq!(kept(&keeper).as_ref(), Some(before));
    let mut careless = again(&keeper);
    keeper.acknowledge(second.pending()).unwrap();
    assert!(activated(keeper.certified_keeping(second.link(), || Some(share))).is_some());
    assert_eq!(kept(&keeper).as_ref(), Some(between));
    careless.acknowledge(second.pending()).unwrap();
    assert!(activated(careless.certified(second.link())).is_some());
    assert_eq!(kept(&careless), None);
    assert_eq!(keeper.take_kept().unwrap().public(), between);
    assert_eq!(kept(&keeper), None);

    // Who hears of the second only has stored, and not known, what it was made from; or has nothing of it.
    let mut late = self::keeper(&old);
    late.acknowledge(first.pending()).unwrap();
    assert!(activated(late.certified_keeping(second.link(), own)).is_none());
    assert_eq!(kept(&late).as_ref(), Some(between));
    let mut absent = self::keeper(&old);
    assert!(activated(absent.certified_keeping(second.link(), own)).is_none());
    assert_eq!(kept(&absent), None);
}

#[test]
fn an_epoch_is_given_up_for_the_kept_shares_of_the_one_before() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let first = Made::new(&cast, &old, &WITHOUT_FIVE, 1);
    let going_by_it = || {
        let mut keeper = keeper(&old);
        keeper.acknowledge(first.pending()).unwrap();
        let own = || Some(copy(&old[&party(1)]));
        assert!(activated(keeper.certified_keeping(first.link(), own)).is_some());
        keeper
    };
    // It does not pass for a resharing of the present epoch, nor is it one of an epoch that is not the one before.
    let back = Made::from_kept(2, &cast, &old, &REFRESH, 2);
    let undeclared = Made::at(2, &cast, &old, &REFRESH, 3);
    let mut keeper = going_by_it();
    let other = Hindrance::OtherEpoch { ours: 1, theirs: 0 };
    assert_eq!(keeper.acknowledge(undeclared.pending()), Err(other));
    assert_eq!(self::keeper(&old).acknowledge(back.pending()), Err(Hindrance::OtherShares));
    let present = Made::from_kept(2, &cast, &shares(&first), &WITHOUT_FIVE, 4);
    let other = Hindrance::OtherEpoch { ours: 0, theirs: 1 };
    assert_eq!(keeper.acknowledge(present.pending()), Err(other));
    let strange = Made::from_kept(2, &cast, &key::<C>(&cast, 2, &ALL), &REFRESH, 5);
    assert_eq!(keeper.acknowledge(strange.pending()), Err(Hindrance::OtherShares));
    // It must lead beyond what it gives up, and beyond all that is in doubt.
    let no_further = Made::from_kept(1, &cast, &old, &REFRESH, 6);
    let hindered = Hindrance::NoFurther { ours: 1, theirs: 1 };
    assert_eq!(keeper.acknowledge(no_further.pending()), Err(hindered));
    let forward = Made::new(&cast, &shares(&first), &WITHOUT_FIVE, 7);
    keeper.acknowledge(forward.pending()).unwrap();
    let locked = Hindrance::Locked { session: forward.ended.agreement.session(), epoch: 2 };
    assert_eq!(keeper.acknowledge(back.pending()), Err(locked));

    let mut keeper = going_by_it();
    keeper.acknowledge(back.pending()).unwrap();
    let mut keeper = again(&keeper);
    let unused = || panic!("the kept one is the one before");
    let share = activated(keeper.certified_keeping(back.link(), || None)).unwrap();
    assert_eq!(share.public(), &back.ended.public);
    assert_eq!(keeper.public(), &back.ended.public);
    // What shows the epoch that was given up shows nothing any more.
    assert!(is_known(&keeper.certified_keeping(first.link(), unused)));
    // And once more, of the same shares.
    let again_back = Made::from_kept(3, &cast, &old, &WITHOUT_FIVE, 8);
    keeper.acknowledge(again_back.pending()).unwrap();
    assert!(activated(keeper.certified_keeping(again_back.link(), || Some(share))).is_some());
    assert_eq!(keeper.kept().map(KeyShare::public), Some(public(&old)));
    assert_eq!(keeper.public().group_key, public(&old).group_key);
}

#[test]
fn who_has_forgotten_what_it_acknowledged_refuses_nothing() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let (one, other) = (Made::new(&cast, &old, &REFRESH, 1), Made::new(&cast, &old, &WITHOUT_FIVE, 2));
    let mut keeper = Keeper::anew(origin(), public(&old).clone());
    assert!(!keeper.may_refuse(&one.ended.agreement));
    keeper.acknowledge(one.pending()).unwrap();
    assert!(activated(keeper.certified(one.link())).is_some());
    assert!(!again(&keeper).may_refuse(&other.ended.agreement));
}

#[test]
fn who_held_the_shares_before_is_known_through_refreshes_and_what_led_to_others_too() {
    let cast = cast();
    let old = key::<C>(&cast, 3, &ALL);
    let of = |old: &Shares, former: Option<&Link>, change: &Change<'_>, id: u8, asked_ms: u64| {
        let former = former.and_then(Link::former).cloned();
        let occasion = Occasion { id: [id; 32], asked_ms };
        let setup = Setup { former, occasion, ..change.setup(old) };
        let epoch = public(old).epoch + 1;
        Made::of(ended_of::<C>(epoch, &cast, old, change, setup, id.into()))
    };
    let refreshed = of(&old, None, &REFRESH, 1, 1000);
    let left = of(&shares(&refreshed), Some(&refreshed.link()), &WITHOUT_FIVE, 2, 2000);
    let same = Change { receivers: &[1, 2, 3, 4], ..WITHOUT_FIVE };
    let again = of(&shares(&left), Some(&left.link()), &same, 3, 3000);
    assert!(!refreshed.link().changes() && left.link().changes() && !again.link().changes());
    assert_eq!(refreshed.link().former(), None);
    assert_eq!(left.link().former(), Some(&public(&old).committee));
    assert_eq!(again.link().former(), Some(&public(&old).committee));
    // As many holders, and another number of signers.
    let signers = of(&shares(&again), Some(&again.link()), &Change { signers: 3, ..same }, 4, 3000);
    assert_eq!(signers.link().former(), Some(&left.ended.public.committee));

    let mut keeper = keeper(&old);
    for made in [&refreshed, &left, &again, &signers] {
        let _ = keeper.certified(made.link()).unwrap();
        keeper = self::again(&keeper);
    }
    let known: Vec<_> = (0..6).filter(|id| keeper.has_led_to_others(&[*id; 32])).collect();
    assert_eq!(known, [2, 4]);
    // Long after nobody's word for it is good any more.
    let back = Change { receivers: &ALL, ..same };
    let much_later = of(&shares(&signers), None, &back, 5, 2001 + REMEMBERED_MS);
    let _ = keeper.certified(much_later.link()).unwrap();
    let known: Vec<_> = (0..6).filter(|id| keeper.has_led_to_others(&[*id; 32])).collect();
    assert_eq!(known, [4, 5]);
}
