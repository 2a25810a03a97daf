//! Simulations in which one party follows a script.

use quorate_keygen::Keygen;
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Cast, Outcomes, Simulation};

use crate::dealer::{Dealer, Script};

pub(crate) fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// Three of five, seated honestly.
pub(crate) fn simulation<C: Curve>(cast: &Cast, seed: u64) -> Simulation<'_, Keygen<C>> {
    Simulation::new(cast, cast.committee(), seed, &(), |_| ())
}

/// The parties of most tests: three of five.
pub(crate) fn five() -> Cast {
    Cast::new(3, 5, 1)
}

/// Runs three of five in which some parties follow a script.
pub(crate) fn run<C: Curve>(
    seed: u64,
    cheaters: impl IntoIterator<Item = (u16, Script<C>)>,
) -> Outcomes<Keygen<C>> {
    let cast = five();
    let mut simulation = simulation::<C>(&cast, seed);
    for (cheater, script) in cheaters {
        simulation.replace::<Dealer<C>>(party(cheater), (), script);
    }
    simulation.run()
}

/// Runs three of five with one cheater under several schedules: all others convict it, with this finding.
pub(crate) fn all_convict<C: Curve>(cheater: u16, finding: &str, script: impl Fn() -> Script<C>) {
    for seed in 0..3 {
        let outcomes = run::<C>(seed, [(cheater, script())]);
        assert_eq!(outcomes.all_convict(party(cheater)), finding);
    }
}
