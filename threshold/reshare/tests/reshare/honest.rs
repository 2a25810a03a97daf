//! The key stays, whoever comes and goes.

use quorate_sharing::Curve;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::group::{Change, cast, copy, key, parties, party, public, secret};
use crate::on_every_curve;

on_every_curve!(
    every_change_keeps_the_key,
    a_long_history_keeps_the_key,
    old_and_new_shares_do_not_fit_together,
);

fn every_change_keeps_the_key<C: Curve>() {
    let cast = cast();
    let all = [1, 2, 3, 4, 5];
    let old = key::<C>(&cast, 3, &all);
    let changes = [
        // Fresh shares for the same committee.
        Change { dealers: &all, receivers: &all, signers: 3 },
        // More, fewer, and another threshold.
        Change { dealers: &all, receivers: &[1, 2, 3, 4, 5, 6, 7], signers: 3 },
        Change { dealers: &all, receivers: &[1, 2, 3, 4, 5, 6, 7], signers: 4 },
        Change { dealers: &all, receivers: &[1, 2, 3], signers: 3 },
        // Two have lost their shares.
        Change { dealers: &[1, 3, 4], receivers: &all, signers: 3 },
        Change { dealers: &all, receivers: &all, signers: 5 },
        Change { dealers: &[1, 3, 5], receivers: &[1, 3, 5], signers: 2 },
        Change { dealers: &[1, 2, 3, 4], receivers: &[1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12], signers: 7 },
        // One in place of another, that is not there.
        Change { dealers: &[1, 2, 4, 5], receivers: &[1, 2, 4, 5, 9], signers: 3 },
        // Nobody stays, and one does.
        Change { dealers: &[1, 2, 3], receivers: &[6, 7, 8, 9], signers: 2 },
        Change { dealers: &[2, 3, 5], receivers: &[3, 8, 9], signers: 3 },
    ];
    for change in changes {
        let new = change.run::<C>(&cast, &old, 1);
        assert_eq!(secret::<C>(&new), secret::<C>(&old), "{change:?}");
        for (party, share) in &new {
            let before = old.get(party).map(|share| *share.secret_share::<C>().unwrap().expose());
            assert_ne!(Some(*share.secret_share::<C>().unwrap().expose()), before, "{change:?}");
        }
    }
}

fn a_long_history_keeps_the_key<C: Curve>() {
    let cast = cast();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut held = key::<C>(&cast, 3, &[1, 2, 3, 4, 5]);
    let expected = secret::<C>(&held);
    for number in 0..12 {
        let before: Vec<u16> = held.keys().map(|party| party.get()).collect();
        let mut draw = |from: &[u16], least: usize| {
            let mut drawn = from.to_vec();
            while drawn.len() > least && rng.next_u32() % 2 == 0 {
                drawn.remove(rng.next_u32() as usize % drawn.len());
            }
            drawn
        };
        let dealers = draw(&before, quorate_reshare::fewest_dealers(&public(&held).committee));
        // Who does not deal does not stay.
        let all: Vec<u16> =
            (1..=14).filter(|index| dealers.contains(index) || !before.contains(index)).collect();
        let receivers = draw(&all, 3);
        let signers = 2 + u16::try_from(number % (receivers.len() - 1)).unwrap();
        let change = Change { dealers: &dealers, receivers: &receivers, signers };
        held = change.run::<C>(&cast, &held, number as u64);
        assert_eq!(secret::<C>(&held), expected, "{change:?}");
    }
    assert_eq!(public(&held).epoch, 12);
}

fn old_and_new_shares_do_not_fit_together<C: Curve>() {
    let cast = cast();
    let all = [1, 2, 3, 4, 5];
    let old = key::<C>(&cast, 3, &all);
    let new = Change { dealers: &all, receivers: &all, signers: 3 }.run::<C>(&cast, &old, 1);
    for number in 1..3 {
        let mixed = parties(&[1, 2, 3]).into_iter().map(|index| {
            let from = if index <= party(number) { &old } else { &new };
            (index, copy(&from[&index]))
        });
        assert_ne!(secret::<C>(&mixed.collect()), secret::<C>(&old));
    }
}
