//! `cggmp24`, of the Lockness project, with GMP: state machines that exchange messages as they are, not encoded and not signed.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use cggmp24::backend::Integer;
use cggmp24::round_based::state_machine::{ProceedResult, StateMachine};
use cggmp24::round_based::{Incoming, MessageDestination, MessageType, Outgoing};
use cggmp24::security_level::SecurityLevel128;
use cggmp24::signing::PresignaturePublicData;
use cggmp24::supported_curves::Secp256k1;
use cggmp24::{DataToSign, ExecutionId, KeyShare, PartialSignature, PregeneratedPrimes, Presignature};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::Sha256;

use crate::clock::{Clocks, IN_A_ROW, time, time_each};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// For N, and for the modulus of the parameters.
fn primes(party: usize) -> Result<PregeneratedPrimes<SecurityLevel128>> {
    let [[p, q], [hat_p, hat_q]] = [2 * party, 2 * party + 1]
        .map(|number| super::primes::pair(number).map(|bytes| Integer::from_bytes_msf(&bytes)));
    [p, q, hat_p, hat_q].try_into().map_err(|_| anyhow!("the primes are too small"))
}

/// Runs all parties to their end.
fn run<S>(mut parties: Vec<S>, mut clocks: Clocks) -> Result<(Vec<S::Output>, Clocks)>
where
    S: StateMachine,
    S::Msg: Clone,
{
    let count = parties.len();
    let mut inboxes: Vec<VecDeque<(Incoming<S::Msg>, Duration)>> =
        (0..count).map(|_| VecDeque::new()).collect();
    let mut outputs: Vec<_> = (0..count).map(|_| None).collect();
    let mut id = 0;
    while outputs.iter().any(Option::is_none) {
        for party in 0..count {
            while outputs[party].is_none() {
                match clocks.run(party, || parties[party].proceed()) {
                    ProceedResult::SendMsg(Outgoing { recipient, msg }) => {
                        let (msg_type, to) = match recipient {
                            MessageDestination::AllParties => (MessageType::Broadcast, None),
                            MessageDestination::OneParty(to) => (MessageType::P2P, Some(usize::from(to))),
                        };
                        let sender = u16::try_from(party)?;
                        for to in
                            (0..count).filter(|other| to.is_none_or(|to| to == *other) && *other != party)
                        {
                            let message = Incoming { id, sender, msg_type, msg: msg.clone() };
                            inboxes[to].push_back((message, clocks.at(party)));
                            id += 1;
                        }
                    }
                    ProceedResult::NeedsOneMoreMessage => {
                        let Some((message, sent)) = inboxes[party].pop_front() else { break };
                        clocks.wait(party, sent);
                        let accepted = clocks.run(party, || parties[party].received_msg(message));
                        accepted.map_err(|_| anyhow!("party {party} takes no message"))?;
                    }
                    ProceedResult::Output(output) => outputs[party] = Some(output),
                    ProceedResult::Yielded => {}
                    ProceedResult::Error(error) => bail!("party {party}: {error}"),
                }
            }
        }
    }
    Ok((outputs.into_iter().flatten().collect(), clocks))
}

/// A key of all parties.
pub(crate) fn key_generation(threshold: u16, total: u16) -> Result<Clocks> {
    let mut rngs: Vec<_> = (0..total).map(|party| rng(party.into())).collect();
    let execution = ExecutionId::new(b"bench");
    let parties = rngs.iter_mut().zip(0..).map(|(rng, party)| {
        cggmp24::keygen::<Secp256k1>(execution, party, total).set_threshold(threshold).into_state_machine(rng)
    });
    let (outputs, clocks) = run(parties.collect(), Clocks::new(total.into()))?;
    outputs.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(clocks)
}

/// Auxiliary information of primes that are there, without the tables for faster exponentiation.
pub(crate) fn auxiliary(total: u16) -> Result<Clocks> {
    let mut rngs: Vec<_> = (0..total).map(|party| rng(party.into())).collect();
    let execution = ExecutionId::new(b"bench");
    let mut parties = Vec::new();
    for (party, rng) in rngs.iter_mut().enumerate() {
        let builder = cggmp24::aux_info_gen(execution, u16::try_from(party)?, total, primes(party)?);
        parties.push(builder.into_state_machine(rng));
    }
    let (outputs, clocks) = run(parties, Clocks::new(total.into()))?;
    outputs.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(clocks)
}

/// One prime.
pub(crate) fn prime(seed: u64) -> Duration {
    let mut rng = rng(seed);
    time(|| Integer::generate_safe_prime(&mut rng, 1536)).1
}

/// A wallet of a dealer, of which the first `threshold` sign. Tables for faster exponentiation and the factors are used, and were made before.
pub(crate) struct Wallet {
    shares: Vec<KeyShare<Secp256k1>>,
    signers: Vec<u16>,
}

type Made = (Presignature<Secp256k1>, PresignaturePublicData<Secp256k1>);

impl Wallet {
    pub(crate) fn new(threshold: u16, total: u16) -> Result<Self> {
        let primes = (0..total.into()).map(primes).collect::<Result<Vec<_>>>()?;
        let shares = cggmp24::trusted_dealer::builder::<Secp256k1, SecurityLevel128>(total)
            .set_threshold(Some(threshold))
            .set_pregenerated_primes(primes)
            .enable_multiexp(true)
            .generate_shares(&mut rng(1))?;
        Ok(Self { shares, signers: (0..threshold).collect() })
    }

    /// One presignature.
    pub(crate) fn presign(&self) -> Result<(Vec<Made>, Clocks)> {
        let mut rngs: Vec<_> = self.signers.iter().map(|party| rng((*party).into())).collect();
        let execution = ExecutionId::new(b"bench");
        let parties = rngs.iter_mut().zip(&self.signers).map(|(rng, party)| {
            cggmp24::signing(execution, *party, &self.signers, &self.shares[usize::from(*party)])
                .generate_presignature_sync(rng)
        });
        let (outputs, clocks) = run(parties.collect(), Clocks::new(self.signers.len()))?;
        Ok((outputs.into_iter().collect::<Result<_, _>>()?, clocks))
    }

    /// What signing with a presignature takes: a share, the signature of shares that are all checked, and its verification.
    pub(crate) fn online(&self, repetitions: usize) -> Result<Vec<[Duration; 3]>> {
        let (made, _) = self.presign()?;
        let message = DataToSign::<Secp256k1>::digest::<Sha256>(b"bench");
        let public = &made.first().context("a presignature")?.1;
        let key = self.shares.first().context("a share")?.core.shared_public_key;
        let sign = |_| {
            let mut partial = Duration::ZERO;
            let mut shares: Vec<PartialSignature<_>> = Vec::new();
            for (presignature, _) in &made {
                let presignatures = (0..IN_A_ROW).map(|_| presignature.clone()).collect();
                let (made, took) = time_each(presignatures, |one| one.issue_partial_signature(message));
                partial = took;
                shares.extend(made.into_iter().next());
            }
            let again = || vec![(); IN_A_ROW];
            let (signatures, combine) =
                time_each(again(), |()| PartialSignature::combine(&shares, public, message));
            let signature = signatures.into_iter().next().flatten().context("the shares are wrong")?;
            let (verdicts, verify) = time_each(again(), |()| signature.verify(&key, &message));
            anyhow::ensure!(verdicts.iter().all(Result::is_ok), "the signature is wrong");
            Ok([partial, combine, verify])
        };
        (0..repetitions).map(sign).collect()
    }
}
