//! The key that comes out, as all parties and judges compute it from the same openings.

use quorate_keys::{ChainCode, GroupKey, InvalidPublicKey, Transcript};
use quorate_session::{Agreement, SessionId};
use quorate_sharing::{Commitment, Curve, PublicShares};

use crate::plan::{Plan, Purpose, transcript};

/// The key of the sum of the dealers' commitments. A new one has a chain code of their parts of it, in their order.
pub(crate) fn public_shares<C: Curve, P: Purpose<C>>(
    agreement: &Agreement,
    plan: &Plan,
    sum: &Commitment<C>,
    chain_codes: impl Iterator<Item = [u8; 32]>,
) -> Result<PublicShares, InvalidPublicKey> {
    let (group_key, chain_code) = match plan.kept() {
        Some(kept) => (kept.group_key, kept.chain_code),
        None => {
            let start = transcript::<C, P>("chain-code").field("session", agreement.session().as_bytes());
            let chain_code = chain_codes.fold(start, |transcript, part| transcript.field("part", &part));
            let group_key = GroupKey::from_bytes(C::ID, &C::encode(&sum.constant()))?;
            (group_key, ChainCode::new(chain_code.digest()))
        }
    };
    Ok(PublicShares {
        group_key,
        chain_code,
        epoch: agreement.epoch(),
        committee: plan.receivers().clone(),
        verifying_shares: sum.verifying_shares(plan.receivers().indices()),
    })
}

/// What a party acknowledges: the key that it stored a share of, or saw dealt anew, in one session, which names the committee.
pub(crate) fn key_digest(name: &str, session: &SessionId, public: &PublicShares) -> [u8; 32] {
    let mut transcript = Transcript::new(format!("quorate/{name}/key/v1").as_bytes())
        .field("session", session.as_bytes())
        .field("group key", public.group_key.as_bytes())
        .field("chain code", public.chain_code.as_bytes())
        .field("epoch", &public.epoch.to_le_bytes());
    for (party, share) in &public.verifying_shares {
        transcript = transcript.field("party", &party.get().to_le_bytes()).field("share", share);
    }
    transcript.digest()
}
