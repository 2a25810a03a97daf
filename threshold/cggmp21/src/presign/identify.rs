//! Round 4: a sum is wrong, and everybody shows that it is not by its own fault (ePrint 2021/060, figure 9).
//!
//! Who said a δᵢ or Sᵢ that its ciphertexts do not hold cannot prove Π^dec; who made ciphertexts for another party that its γᵢ or xᵢ is not
//! in cannot prove Π^aff-g to third parties. Each honest signer finds one who can't: if all that it was shown holds, so does the sum.

use std::collections::BTreeMap;

use quorate_ecdsa::Suite;
use quorate_paillier::proofs::{ReadyNonce, aff_g, dec};
use quorate_paillier::{Keys, to_natural};
use quorate_session::Blame;
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use super::first::Own;
use super::message::{Fault, Identification, MULTIPLY, Product, Sum};
use super::parties::{Board, Parties, Signer, Unreadable};
use super::second::{Between, Exhibit, OwnProducts};
use super::stock::Drawn;
use crate::parallel;

/// In the transcripts of proofs of this round.
pub(crate) const PURPOSE: &[u8] = b"identify";

/// What this party shows of the sum that is wrong, to each other signer. Nothing if something is missing, which would be a mistake of this
/// crate.
pub(crate) fn prove<C: Suite>(
    signer: &Signer<'_, C>,
    sum: Sum,
    own: &Own<C>,
    made: &OwnProducts,
    board: &Board<'_, C>,
    rng: &mut dyn CryptoRngCore,
) -> Result<Option<BTreeMap<PartyIndex, Identification>>, Unreadable> {
    let Signer { parties, me, keys, share } = *signer;
    let Sum { item, product } = sum;
    let item = usize::from(item);
    let Some(statement) = board.sum_statement(parties, keys, me, product)? else {
        return Ok(None);
    };
    let factor = to_natural::<C>(match product {
        Product::Nonce => &own.secrets.gamma,
        Product::Key => share,
    });
    let others: Vec<_> = parties.others(me).collect();
    let shown = parallel::map(&others, rng, |to, rng| {
        let verifier = parties.keys(*to)?;
        let context = parties.context(item, me, Some(*to), PURPOSE);
        let sum = dec::prove(&context, keys, verifier, &statement, &factor, ReadyNonce::new(keys, rng), rng);
        let mut products = BTreeMap::new();
        for receiver in others.iter().filter(|receiver| *receiver != to) {
            let (first, receiver_keys) = (board.first.get(receiver)?, parties.keys(*receiver)?);
            let roles = aff_g::Roles { receiver: receiver_keys, prover: keys, verifier };
            let made = made.get(&(item, *receiver, product))?;
            let witness = (&factor, statement.point);
            products.insert(
                *receiver,
                made.prove(&context, &roles, first, witness, [Drawn::none(), Drawn::none()], rng),
            );
        }
        Some((*to, Identification { sum, products }))
    });
    Ok(shown.into_iter().collect())
}

/// Whether what one signer showed to another is all in order; if not, what is wrong.
pub(crate) fn check<C: Suite>(
    parties: &Parties<C>,
    (prover, verifier): (PartyIndex, PartyIndex),
    keys: &dyn Keys,
    sum: Sum,
    board: &Board<'_, C>,
    shown: &Identification,
) -> Result<(), Blame<Fault>> {
    let Sum { item, product } = sum;
    let item = usize::from(item);
    let blame = |fault| Blame::new(prover, fault);
    let wrong_sum = || blame(Fault::WrongSum { sum, verifier });
    let unreadable = |Unreadable(party)| Blame::new(party, Fault::Malformed { round: MULTIPLY });
    let (public, verifier_keys) = parties.keys(prover).zip(parties.keys(verifier)).ok_or_else(wrong_sum)?;
    let statement = board.sum_statement(parties, public, prover, product).map_err(unreadable)?;
    let statement = statement.ok_or_else(wrong_sum)?;
    let context = parties.context(item, prover, Some(verifier), PURPOSE);
    let claim = dec::verify(&context, public, verifier_keys, keys, &statement, &shown.sum);
    if !claim.is_ok_and(|claim| claim.holds(public)) {
        return Err(wrong_sum());
    }
    for receiver in parties.others(prover).filter(|receiver| *receiver != verifier) {
        let holds = || -> Option<bool> {
            let (first, second) = (board.first.get(&receiver)?, board.second.get(&prover)?);
            let multiplied = parties.multiplied(second, prover, receiver, product)?;
            let proof = shown.products.get(&receiver)?;
            let exhibit = Exhibit { item, product, first, second, multiplied: &multiplied, proof };
            let [received, sent] = exhibit.verify(parties, Between { prover, receiver, verifier }, keys)?;
            Some(received.holds(parties.keys(receiver)?) && sent.holds(public))
        };
        if holds() != Some(true) {
            return Err(blame(Fault::WrongProduct { sum, receiver, verifier }));
        }
    }
    Ok(())
}

#[cfg(all(test, debug_assertions))]
mod tests;
