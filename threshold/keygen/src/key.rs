//! The key that comes out, as all parties and judges compute it from the same openings.

use quorate_keys::{ChainCode, GroupKey, InvalidPublicKey, Transcript};
use quorate_session::{Agreement, SessionId};
use quorate_sharing::{Commitment, Curve, PublicShares};

/// The key of the sum of the parties' commitments and of their parts of the chain code, in the order of the committee.
pub(crate) fn public_shares<C: Curve>(
    agreement: &Agreement,
    sum: &Commitment<C>,
    chain_codes: impl Iterator<Item = [u8; 32]>,
) -> Result<PublicShares, InvalidPublicKey> {
    let transcript =
        Transcript::new(b"quorate/keygen/chain-code/v1").field("session", agreement.session().as_bytes());
    let chain_code = chain_codes.fold(transcript, |transcript, part| transcript.field("part", &part));
    Ok(PublicShares {
        group_key: GroupKey::from_bytes(C::ID, &C::encode(&sum.constant()))?,
        chain_code: ChainCode::new(chain_code.digest()),
        epoch: agreement.epoch(),
        committee: agreement.committee().clone(),
        verifying_shares: sum.verifying_shares(agreement.committee().indices()),
    })
}

/// What a party acknowledges: the key that it stored a share of, in one session, which names the committee.
pub(crate) fn key_digest(session: &SessionId, public: &PublicShares) -> [u8; 32] {
    let mut transcript = Transcript::new(b"quorate/keygen/key/v1")
        .field("session", session.as_bytes())
        .field("group key", public.group_key.as_bytes())
        .field("chain code", public.chain_code.as_bytes())
        .field("epoch", &public.epoch.to_le_bytes());
    for (party, share) in &public.verifying_shares {
        transcript = transcript.field("party", &party.get().to_le_bytes()).field("share", share);
    }
    transcript.digest()
}
