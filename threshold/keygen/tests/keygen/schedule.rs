//! Networks that reorder, repeat and lose, and parties that crash.

use quorate_keygen::{ACKNOWLEDGE, Certificate};
use quorate_session::Abort;
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Cast, Faults};

use crate::cast::{party, simulation};
use crate::drive::{End, Group};
use crate::on_every_curve;

on_every_curve!(messages_may_be_reordered_repeated_and_lost, a_crash_at_any_move_leaves_no_half_made_key,);

fn messages_may_be_reordered_repeated_and_lost<C: Curve>() {
    for (threshold, total, seeds) in [(2, 2, 12), (2, 3, 12), (3, 5, 6)] {
        let cast = Cast::new(threshold, total, 2);
        for seed in 0..seeds {
            let mut simulation = simulation::<C>(&cast, seed);
            simulation.faults(Faults { duplicate_per_mille: 300, drop_per_mille: 250 });
            let shares = simulation.run().results();
            assert_eq!(shares.len(), usize::from(total));
            assert!(shares.values().all(|share| share.public() == shares[&party(1)].public()));
        }
    }
}

fn a_crash_at_any_move_leaves_no_half_made_key<C: Curve>() {
    for (threshold, total) in [(2, 2), (2, 3), (3, 4)] {
        let cast = Cast::new(threshold, total, 3);
        // In each round a message to each other party, and in the last round a share stored before.
        let moves = 3 * (usize::from(total) - 1) + 1;
        for victim in 1..=total {
            for after in 0..=moves {
                let mut group = Group::<C>::new(&cast, 0, after as u64);
                group.crash(party(victim), after);
                group.run();
                group.assert_consistent();
                for (index, end) in &group.ends {
                    match end {
                        End::Crashed => assert_eq!(*index, party(victim)),
                        // Its last message may have reached some, who then wait for nobody.
                        End::Done(_) => assert!(after > 2 * (usize::from(total) - 1)),
                        End::Aborted(Abort::Attributed { .. }) => {}
                        End::Aborted(abort) => panic!("party {index}: {abort}"),
                    }
                }
                if after == moves {
                    let done = |(index, end): (&PartyIndex, &End)| {
                        *index == party(victim) || matches!(end, End::Done(_))
                    };
                    assert!(group.ends.iter().all(done));
                    let agreement = group.sessions[&party(1)].context().agreement().clone();
                    let survivor = if victim == 1 { 2 } else { 1 };
                    let acknowledgements = group.sessions[&party(survivor)].envelopes(ACKNOWLEDGE);
                    assert!(Certificate::new(agreement, &acknowledgements).is_ok());
                }
            }
        }
    }
}
