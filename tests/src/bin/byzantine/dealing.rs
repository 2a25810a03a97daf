//! An opening of key generation that is not of the polynomial whose shares are sent.
//!
//! It is committed to in round 1 and opened in round 2, so that nothing but what is meant to be wrong is wrong. Labels of
//! transcripts are written down here once more: if they change, the cheater is convicted of something else, and a test
//! says so.

use quorate_keygen::{Message, Open};
use quorate_keys::Transcript;
use quorate_session::SessionContext;
use quorate_sharing::{Commitment, Curve, KnowledgeProof, Polynomial, Threshold};
use quorate_simulator::Rewrite;
use rand_core::CryptoRngCore;

pub(crate) struct ForgedOpening {
    open: Open,
    digest: [u8; 32],
}

impl ForgedOpening {
    /// Valid in itself.
    pub(crate) fn of_another_polynomial<C: Curve>(
        context: &SessionContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        Self::new::<C>(context, context.agreement().threshold(), "quorate/keygen/proof/v1", rng)
    }

    /// The proof is bound to something else.
    pub(crate) fn with_a_wrong_proof<C: Curve>(
        context: &SessionContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        Self::new::<C>(context, context.agreement().threshold(), "quorate/keygen/another/v1", rng)
    }

    /// One coefficient more than the threshold.
    pub(crate) fn too_long<C: Curve>(context: &SessionContext, rng: &mut dyn CryptoRngCore) -> Self {
        let longer = context.agreement().threshold().get().saturating_add(1);
        let longer = Threshold::new(longer).expect("a threshold below 100");
        Self::new::<C>(context, longer, "quorate/keygen/proof/v1", rng)
    }

    fn new<C: Curve>(
        context: &SessionContext,
        coefficients: Threshold,
        domain: &str,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let (session, me) = (context.session(), context.me().get().to_le_bytes());
        let polynomial = Polynomial::<C>::random(coefficients, rng);
        let commitment = Commitment::of(&polynomial);
        let binding = Transcript::new(domain.as_bytes())
            .field("session", session.as_bytes())
            .field("dealer", &me)
            .digest();
        let proof = KnowledgeProof::prove(&binding, &polynomial, &commitment, rng);
        let open = Open { coefficients: commitment.to_bytes(), chain_code: [5; 32], proof: proof.to_bytes() };
        let digest = Transcript::new(b"quorate/keygen/opening/v1")
            .field("session", session.as_bytes())
            .field("dealer", &me)
            .field("coefficients", &open.coefficients)
            .field("chain code", &open.chain_code)
            .field("proof", &open.proof)
            .digest();
        Self { open, digest }
    }

    pub(crate) fn rewrite(self) -> Rewrite<Message> {
        Box::new(move |round, send| match (round, &mut send.broadcast) {
            (1, Some(Message::Commit(commit))) => commit.opening = self.digest,
            (2, Some(Message::Open(open))) => *open = self.open.clone(),
            _ => {}
        })
    }
}
