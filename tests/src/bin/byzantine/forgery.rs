//! Evidence against somebody who did nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use borsh::BorshDeserialize;
use quorate_session::{
    Claim, Envelope, EnvelopeSigner, Evidence, NotProven, Part, Protocol, SessionContext, Verdict,
};

/// Each forgery of a process is of another kind.
static FORGED: AtomicUsize = AtomicUsize::new(0);

/// Forges evidence against the author of a genuine envelope.
pub(crate) fn evidence<P: Protocol>(
    context: &SessionContext,
    setup: &[u8],
    genuine: &Envelope,
    signer: &dyn EnvelopeSigner,
) -> Evidence {
    let accused = genuine.header.sender;
    // What the victim never said, under the signature of this node.
    let put_in_its_mouth = Envelope::seal(
        genuine.header.clone(),
        Part::Whole(b"something else".to_vec()),
        genuine.direct.clone(),
        signer,
    );
    let twice =
        |second: Envelope| Claim::Equivocation { first: Box::new(genuine.clone()), second: Box::new(second) };
    let (claim, envelopes) = match FORGED.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => (twice(put_in_its_mouth), Vec::new()),
        1 => (twice(genuine.clone()), Vec::new()),
        2 => (Claim::Undecodable { round: genuine.header.round }, vec![genuine.clone()]),
        _ => (Claim::Undecodable { round: genuine.header.round }, vec![put_in_its_mouth]),
    };
    // Its constructor takes only what a session recorded; its encoding is open to everybody.
    let fields = borsh::to_vec(&(P::ID, context.agreement(), setup.to_vec(), accused, claim, envelopes));
    Evidence::try_from_slice(&fields.expect("encodable")).expect("the encoding of evidence")
}

/// A judge who convicts whoever is accused, so that this node spreads the accusation.
pub(crate) fn judge(evidence: &Evidence) -> Result<Verdict, NotProven> {
    let member = evidence.agreement.committee().member(evidence.accused);
    let member = member.ok_or_else(|| NotProven::because("nobody is accused"))?;
    Ok(Verdict {
        culprit: member.identity,
        party: evidence.accused,
        session: evidence.agreement.session(),
        finding: "forged".into(),
    })
}
