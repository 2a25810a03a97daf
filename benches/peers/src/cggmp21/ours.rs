//! Quorate's CGGMP21.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quorate_cggmp21::auxiliary::{Auxiliary, AuxiliaryProtocol, EncodedKeys, Primes, PublicAuxiliary, Setup};
use quorate_cggmp21::presign::{NonceStock, Presign, PresignSecret, PresignSetup};
use quorate_cggmp21::sign::{Message, Sign, SignSetup, SignTask};
use quorate_cggmp21::{Presignature, Presignatures};
use quorate_keys::{DerivationPath, Secret};
use quorate_paillier::{Natural, SafePrime, SecretKeys, Sizes};
use quorate_session::{
    Envelope, Failure, Header, Kind, Outgoing, Output, Part, Protocol, Received, SessionContext, Step, Wire,
    setup_digest,
};
use quorate_sharing::{Committee, KeyShare, PartyIndex, PublicShares, Secp256k1};
use quorate_simulator::Cast;

use crate::clock::{Clocks, IN_A_ROW, time, time_each};
use crate::sessions::{dealt, rng, run};

fn safe_primes(number: usize) -> [SafePrime; 2] {
    super::primes::pair(number).map(|mut bytes| {
        bytes.reverse();
        SafePrime::unchecked(Natural::from_le_bytes(&bytes))
    })
}

fn number(index: PartyIndex) -> usize {
    usize::from(index.get()) - 1
}

/// Auxiliary information of primes that are there.
pub(crate) fn auxiliary(total: u16) -> Result<Clocks> {
    let cast = Cast::new(total, total, 1);
    let setup = Setup { sizes: Sizes::STANDARD.id() };
    let primes = |index| {
        let [p, q] = safe_primes(number(index));
        Primes::new(&p, &q)
    };
    let keyring = |index| cast.keyring(index);
    let (_, clocks) = run::<AuxiliaryProtocol>(&cast, cast.committee(), &keyring, &setup, primes)?;
    Ok(clocks)
}

/// One prime.
pub(crate) fn prime(seed: u64) -> Duration {
    let mut rng = rng(seed);
    time(|| SafePrime::search(Sizes::STANDARD.prime(), &mut rng, &|| false)).1
}

/// A wallet of a dealer, of which the first `threshold` sign.
pub(crate) struct Wallet {
    cast: Cast,
    signers: Committee,
    key: PublicShares,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    /// Made ready once: all sessions of a committee have it so.
    auxiliaries: BTreeMap<PartyIndex, Arc<Auxiliary>>,
    auxiliary: PublicAuxiliary,
}

impl Wallet {
    pub(crate) fn new(threshold: u16, total: u16) -> Result<Self> {
        let mut rng = rng(1);
        let cast = Cast::new(threshold, total, 1);
        let signers = cast.subset(&(1..=threshold).collect::<Vec<_>>());
        let (key, secrets) = dealt(&cast)?;
        let mut keys = BTreeMap::new();
        for index in signers.indices() {
            let [p, q] = safe_primes(number(index));
            keys.insert(index, SecretKeys::generate(Sizes::STANDARD, p, q, &mut rng)?);
        }
        let encoded = keys
            .iter()
            .map(|(index, keys)| (cast.identity(*index).identity(), EncodedKeys::of(keys.public())));
        let auxiliary = PublicAuxiliary { sizes: Sizes::STANDARD.id(), epoch: 0, keys: encoded.collect() };
        let own = |(index, keys): (&PartyIndex, &SecretKeys)| {
            let auxiliary = Auxiliary::new(auxiliary.clone(), cast.identity(*index).identity(), keys);
            (*index, Arc::new(auxiliary))
        };
        let auxiliaries = keys.iter().map(own).collect();
        Ok(Self { cast, signers, key, secrets, auxiliaries, auxiliary })
    }

    /// One presignature. The powers of nonces are `ahead`, made before and not counted, or made in the session.
    pub(crate) fn presign(&self, ahead: bool) -> Result<(BTreeMap<PartyIndex, Presignatures>, Clocks)> {
        let mut stocks = BTreeMap::new();
        for index in self.signers.indices().filter(|_| ahead) {
            let peers = self.signers.members().iter().filter(|member| member.index != index);
            let peers = peers.map(|member| &member.identity);
            let mut rng = rng(u64::from(index.get()) + 1_000);
            stocks.insert(index, NonceStock::prepare(&self.auxiliaries[&index], peers, 1, &mut rng)?);
        }
        let setup = PresignSetup { key: self.key.clone(), auxiliary: self.auxiliary.clone(), count: 1 };
        let keyring = |index| self.cast.keyring(index);
        run::<Presign<Secp256k1>>(&self.cast, &self.signers, &keyring, &setup, |index| PresignSecret {
            share: KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index])),
            auxiliary: Arc::clone(&self.auxiliaries[&index]),
            stock: stocks.remove(&index).unwrap_or_default(),
        })
    }

    /// What signing with a presignature takes.
    pub(crate) fn online(&self, repetitions: usize) -> Result<Vec<Online>> {
        let (made, _) = self.presign(false)?;
        let mut stored = BTreeMap::new();
        for (index, made) in &made {
            stored.insert(*index, made.0.first().context("a presignature")?.to_wire()?);
        }
        (0..repetitions).map(|_| self.sign(&stored)).collect()
    }

    /// Signs with presignatures that are read from where they were stored, over and over again: which nobody but a benchmark may.
    fn sign(&self, stored: &BTreeMap<PartyIndex, Vec<u8>>) -> Result<Online> {
        let load = |index: PartyIndex| Presignature::from_wire(&stored[&index]);
        let aggregator = self.signers.indices().next().context("a signer")?;
        let presignature = load(aggregator)?.public().clone();
        let task = SignTask { digest: [7; 32], path: DerivationPath::default(), presignature };
        let setup = SignSetup { key: self.key.clone(), aggregator, tasks: vec![task] };
        let digest = setup_digest(&setup.to_wire()?);
        let contexts = self.cast.agree(&self.signers, Sign::<Secp256k1>::ID, digest, 0, &mut rng(1));
        let mut partial = Duration::ZERO;
        let mut received = Vec::new();
        for index in self.signers.indices().filter(|index| *index != aggregator) {
            let start = |_| {
                let secret = Presignatures(vec![load(index)?]);
                Ok((Arc::clone(&contexts[&index]), setup.clone(), secret))
            };
            let starts = (0..IN_A_ROW).map(start).collect::<Result<_>>()?;
            let (steps, took) = time_each(starts, |(context, setup, secret)| {
                Sign::<Secp256k1>::start(context, setup, secret, &mut rng(1))
            });
            partial = took;
            let step = steps.into_iter().next().context("a share")??;
            let Step::Done { send: Outgoing { mut direct, .. }, .. } = step else { bail!("more to do") };
            let shares = direct.remove(&aggregator).context("shares")?;
            received.push((index, self.envelope(&contexts[&index], aggregator, &shares)?, shares));
        }
        let waiting = |spoil: bool| -> Result<_> {
            let (context, setup) = (Arc::clone(&contexts[&aggregator]), setup.clone());
            let secret = Presignatures(vec![load(aggregator)?]);
            let Step::Next { state, .. } = Sign::<Secp256k1>::start(context, setup, secret, &mut rng(1))?
            else {
                bail!("nobody to wait for")
            };
            let mut inbox = Vec::new();
            for (index, envelope, Message::Shares(shares)) in &received {
                let mut shares = shares.clone();
                // One is enough for all to be checked; two might cancel out.
                if spoil && inbox.is_empty() {
                    shares.iter_mut().for_each(|share| share[31] ^= 1);
                }
                let direct = Some(Message::Shares(shares));
                inbox.push((*index, Received { broadcast: None, direct, envelope: Arc::clone(envelope) }));
            }
            Ok((state, inbox))
        };
        let combine = |spoil: bool| -> Result<_> {
            let inputs = (0..IN_A_ROW).map(|_| waiting(spoil)).collect::<Result<_>>()?;
            let (mut steps, took) = time_each(inputs, |(state, inbox)| {
                let accept = |(index, received)| Some((index, state.accept(index, received).ok()?));
                let inbox = inbox.into_iter().filter_map(accept).collect();
                state.advance(inbox, &mut rng(1))
            });
            Ok((steps.pop().context("a step")?, took))
        };
        let (step, combined) = combine(false)?;
        let Ok(Step::Done { output: Output::Signatures(made), .. }) = step else { bail!("no signature") };
        let (blamed, checked) = combine(true)?;
        let Err(Failure::Blame(culprits)) = blamed else { bail!("nobody is blamed") };
        anyhow::ensure!(culprits.len() == 1, "one share was wrong");
        let made = made.first().context("a signature")?;
        let again = vec![(); IN_A_ROW];
        let (verdicts, verify) = time_each(again, |()| made.public_key.verify(&[7; 32], &made.signature));
        anyhow::ensure!(verdicts.iter().all(Result::is_ok), "the signature is wrong");
        Ok(Online { partial, combined, checked, verify })
    }

    fn envelope(
        &self,
        context: &SessionContext,
        recipient: PartyIndex,
        message: &Message,
    ) -> Result<Arc<Envelope>> {
        let header = Header {
            session: context.session(),
            epoch: 0,
            attempt: 0,
            sender: context.me(),
            recipient: Some(recipient),
            kind: Kind::Round,
            round: 1,
            echo: None,
        };
        let signer = self.cast.keyring(context.me()).signer;
        let direct = Part::Whole(message.to_wire()?);
        Ok(Arc::new(Envelope::seal(header, Part::Absent, direct, &*signer)))
    }
}

/// The parts of an online signature.
pub(crate) struct Online {
    /// A share: with the tests of the setup and of the stored presignature, and with the nonce randomised.
    pub(crate) partial: Duration,
    /// The signature of all shares, verified.
    pub(crate) combined: Duration,
    /// The same when it is wrong, and every share is checked.
    pub(crate) checked: Duration,
    /// The verification of a signature.
    pub(crate) verify: Duration,
}
