//! The crate `dkls23`: phases that hand each other their messages as they are, not encoded and not signed.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, ensure};
use dkls23::protocols::dkg_session::DkgSession;
use dkls23::protocols::re_key::re_key;
use dkls23::protocols::sign_session::SignSession;
use dkls23::protocols::signing::SignData;
use dkls23::protocols::{Abort, Parameters, Party, PartyIndex};
use dkls23_k256::Secp256k1;
use dkls23_k256::elliptic_curve::Generate;

use crate::clock::Clocks;

fn index(place: usize) -> Result<PartyIndex> {
    PartyIndex::new(u8::try_from(place + 1)?).map_err(|_| anyhow!("an index"))
}

fn failed(abort: Abort) -> anyhow::Error {
    anyhow!(abort.description())
}

fn parameters(threshold: u16, total: u16) -> Result<Parameters> {
    Parameters::new(u8::try_from(threshold)?, u8::try_from(total)?).map_err(|_| anyhow!("parameters"))
}

/// A key of all parties, with what each pair of them needs.
pub(crate) fn key_generation(threshold: u16, total: u16) -> Result<Clocks> {
    let (parameters, count) = (parameters(threshold, total)?, usize::from(total));
    let mut clocks = Clocks::new(count);
    let mut sessions = Vec::new();
    for place in 0..count {
        sessions.push(DkgSession::<Secp256k1>::new(parameters.clone(), index(place)?, vec![1; 32]));
    }
    let mut fragments = vec![Vec::new(); count];
    for (place, session) in sessions.iter().enumerate() {
        for (to, fragment) in clocks.run(place, || session.phase1()).into_iter().enumerate() {
            fragments[to].push(fragment);
        }
    }
    let (mut proofs, mut zero_2, mut bip_2) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (place, session) in sessions.iter_mut().enumerate() {
        let (proof, zero, bip) = clocks.run(place, || session.phase2(&fragments[place])).map_err(failed)?;
        proofs.push(proof);
        zero_2.extend(zero);
        bip_2.insert(index(place)?, bip);
    }
    let (mut zero_3, mut mul_3, mut bip_3) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (place, session) in sessions.iter_mut().enumerate() {
        let (zero, mul, bip) = clocks.run(place, || session.phase3()).map_err(failed)?;
        zero_3.extend(zero);
        mul_3.extend(mul);
        bip_3.insert(index(place)?, bip);
    }
    for (place, session) in sessions.into_iter().enumerate() {
        let me = index(place)?;
        let zero_2: Vec<_> = zero_2.iter().filter(|sent| sent.parties.receiver == me).cloned().collect();
        let zero_3: Vec<_> = zero_3.iter().filter(|sent| sent.parties.receiver == me).cloned().collect();
        let mul_3: Vec<_> = mul_3.iter().filter(|sent| sent.parties.receiver == me).cloned().collect();
        let ended = clocks.run(place, || {
            session.phase4(&proofs, &zero_2, &zero_3, &mul_3, &bip_2, &bip_3, |_| String::new())
        });
        ended.map_err(failed)?;
    }
    Ok(clocks)
}

/// A wallet of a dealer, of which the first `threshold` sign.
pub(crate) struct Wallet {
    parties: Vec<Party<Secp256k1>>,
    signers: usize,
}

impl Wallet {
    pub(crate) fn new(threshold: u16, total: u16) -> Result<Self> {
        let secret = dkls23_k256::Scalar::generate();
        let (parties, _) =
            re_key::<Secp256k1>(&parameters(threshold, total)?, &[1; 32], &secret, None, |_| String::new());
        Ok(Self { parties, signers: usize::from(threshold) })
    }

    /// One signature, which the first of them puts together.
    pub(crate) fn sign(&self) -> Result<Clocks> {
        let mut clocks = Clocks::new(self.signers);
        let (mut sessions, mut first) = (Vec::new(), Vec::new());
        for place in 0..self.signers {
            let others = (0..self.signers).filter(|other| *other != place);
            let counterparties = others.map(index).collect::<Result<_>>()?;
            let data = SignData { sign_id: vec![2; 32], counterparties, message_hash: [7; 32] };
            let started = clocks.run(place, || SignSession::new(&self.parties[place], data));
            let (session, sent) = started.map_err(failed)?;
            sessions.push(session);
            first.extend(sent);
        }
        let mut second = Vec::new();
        for (place, session) in sessions.iter_mut().enumerate() {
            let me = index(place)?;
            let received: Vec<_> = first.iter().filter(|sent| sent.parties.receiver == me).cloned().collect();
            second.extend(clocks.run(place, || session.phase2(&received)).map_err(failed)?);
        }
        let mut third = Vec::new();
        for (place, session) in sessions.iter_mut().enumerate() {
            let me = index(place)?;
            let received: Vec<_> =
                second.iter().filter(|sent| sent.parties.receiver == me).cloned().collect();
            third.push(clocks.run(place, || session.phase3(&received)).map_err(failed)?);
        }
        let first = sessions.into_iter().next().ok_or_else(|| anyhow!("a signer"))?;
        let signature = clocks.run(0, || first.phase4(&third, true)).map_err(failed)?;
        ensure!(signature.s != [0; 32], "no signature");
        Ok(clocks)
    }
}
