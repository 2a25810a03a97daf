//! Quorate's DKLS23.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use quorate_dkls23::pairs::{self, PairsProtocol, PublicPairs, SharedPairs};
use quorate_dkls23::presign::PresignSecret;
use quorate_dkls23::sign::{Sign, SignSetup, SignTask};
use quorate_keys::{DerivationPath, Secret};
use quorate_sharing::{Committee, KeyShare, PartyIndex, PublicShares, Secp256k1};
use quorate_simulator::Cast;

use crate::clock::Clocks;
use crate::sessions::{dealt, key_generation, run, unsigned};

/// A key of all parties, and seeds for each pair of them.
pub(crate) fn key_and_pairs(threshold: u16, total: u16, signed: bool) -> Result<[Clocks; 2]> {
    let cast = Cast::new(threshold, total, 1);
    let (shares, key_clocks) = key_generation(&cast, signed)?;
    let key = shares.values().next().map(|share| share.public().clone());
    let key = key.ok_or_else(|| anyhow::anyhow!("a share"))?;
    Ok([key_clocks, make_pairs(&cast, &key, signed)?.1])
}

type Made = BTreeMap<PartyIndex, pairs::Pairs>;

fn make_pairs(cast: &Cast, key: &PublicShares, signed: bool) -> Result<(Made, Clocks)> {
    let setup = pairs::Setup { key: key.clone() };
    let keyring = |index| if signed { cast.keyring(index) } else { unsigned() };
    run::<PairsProtocol>(cast, cast.committee(), &keyring, &setup, |_| ())
}

/// A wallet of a dealer, of which the first `threshold` sign.
pub(crate) struct Wallet {
    cast: Cast,
    signers: Committee,
    key: PublicShares,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    public: PublicPairs,
    pairs: BTreeMap<PartyIndex, Arc<SharedPairs>>,
}

impl Wallet {
    pub(crate) fn new(threshold: u16, total: u16) -> Result<Self> {
        let cast = Cast::new(threshold, total, 1);
        let signers = cast.subset(&(1..=threshold).collect::<Vec<_>>());
        let (key, secrets) = dealt(&cast)?;
        let (made, _) = make_pairs(&cast, &key, false)?;
        let public = made.values().next().map(|pairs| pairs.public().clone());
        let public = public.ok_or_else(|| anyhow::anyhow!("pairs"))?;
        let share = |(index, pairs)| (index, Arc::new(SharedPairs::new(pairs, [])));
        Ok(Self { pairs: made.into_iter().map(share).collect(), cast, signers, key, secrets, public })
    }

    /// One signature, in one session, with or without signatures on what they send each other.
    pub(crate) fn sign(&self, signed: bool) -> Result<Clocks> {
        let aggregator = self.signers.indices().next().ok_or_else(|| anyhow::anyhow!("a signer"))?;
        let task = SignTask { digest: [7; 32], path: DerivationPath::default() };
        let setup =
            SignSetup { key: self.key.clone(), pairs: self.public.clone(), aggregator, tasks: vec![task] };
        let keyring = |index| if signed { self.cast.keyring(index) } else { unsigned() };
        let secret = |index| PresignSecret {
            share: KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index])),
            pairs: Arc::clone(&self.pairs[&index]),
        };
        Ok(run::<Sign<Secp256k1>>(&self.cast, &self.signers, &keyring, &setup, secret)?.1)
    }
}
