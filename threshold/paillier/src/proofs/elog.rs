//! Π^elog: an exponent is the one inside an ElGamal commitment (ePrint 2021/060, figure 23).
//!
//! Statement: L, M, Y and bases X, H. Proven: the prover knows λ and y with L = λ·G, M = y·G + λ·X, Y = y·H.

use group::Group;
use quorate_keys::Transcript;
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use super::{Challenge, InvalidProof};
use crate::codec::{Reader, Writer};

const NAME: &str = "elog";

/// What is proven, in points.
#[derive(Debug, Clone, Copy)]
pub struct Statement<C: Curve> {
    /// L = λ·G.
    pub left: C::Point,
    /// M = y·G + λ·X.
    pub right: C::Point,
    /// X, the base of the commitment.
    pub base: C::Point,
    /// Y = y·H.
    pub power: C::Point,
    /// H.
    pub generator: C::Point,
}

impl<C: Curve> Statement<C> {
    fn transcript(&self, context: &Transcript) -> Transcript {
        context
            .clone()
            .field("proof", NAME.as_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("L", &C::encode(&self.left))
            .field("M", &C::encode(&self.right))
            .field("X", &C::encode(&self.base))
            .field("Y", &C::encode(&self.power))
            .field("H", &C::encode(&self.generator))
    }
}

/// Bytes of a proof.
#[must_use]
pub const fn bytes<C: Curve>() -> usize {
    3 * C::POINT_BYTES + 2 * 32
}

/// Proves it, from λ and y. Constant time in both.
pub fn prove<C: Curve>(
    context: &Transcript,
    statement: &Statement<C>,
    lambda: &C::Scalar,
    exponent: &C::Scalar,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let mut masks = [C::random_scalar(rng), C::random_scalar(rng)];
    let [alpha, m] = &masks;
    let mut writer = Writer::default();
    // Step 1: A, N, B.
    writer.point::<C>(&C::mul_base(alpha));
    writer.point::<C>(&(C::mul_base(m) + statement.base * alpha));
    writer.point::<C>(&(statement.generator * m));
    let transcript = statement.transcript(context).field("commitments", writer.so_far());
    // Steps 2 and 3: z = α + eλ, u = m + ey.
    let challenge = Challenge::<C>::of(transcript).scalar;
    writer.scalar::<C>(&(*alpha + challenge * lambda));
    writer.scalar::<C>(&(*m + challenge * exponent));
    masks.zeroize();
    writer.finish()
}

/// Verifies it.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify<C: Curve>(
    context: &Transcript,
    statement: &Statement<C>,
    proof: &[u8],
) -> Result<(), InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let mut reader = Reader::new(proof);
    let mut point = || reader.point::<C>().map_err(&malformed);
    let [a, n, b] = [point()?, point()?, point()?];
    let transcript = statement.transcript(context).field("commitments", reader.so_far());
    let mut scalar = || reader.scalar::<C>().map_err(&malformed);
    let [z, u] = [scalar()?, scalar()?];
    reader.finish().map_err(&malformed)?;
    let e = Challenge::<C>::of(transcript).scalar;
    let generator = C::Point::generator();
    let is_zero = |terms: &[(C::Scalar, C::Point)], sum: C::Point| {
        C::is_identity(&(C::multi_exponentiate_vartime(terms) - sum))
    };
    let Statement { left, right, base, power, generator: h } = *statement;
    let equations = [
        ("z·G = A + e·L", is_zero(&[(z, generator), (-e, left)], a)),
        ("u·G + z·X = N + e·M", is_zero(&[(u, generator), (z, base), (-e, right)], n)),
        ("u·H = B + e·Y", is_zero(&[(u, h), (-e, power)], b)),
    ];
    match equations.into_iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(InvalidProof::new(NAME, check)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use quorate_sharing::{Ed25519, Secp256k1};

    use super::*;
    use crate::proofs::testing::*;

    fn case<C: Curve>() -> (Statement<C>, [C::Scalar; 2]) {
        let mut rng = rng(1);
        let [lambda, y] = [C::random_scalar(&mut rng), C::random_scalar(&mut rng)];
        let [base, generator] = [C::random_scalar(&mut rng), C::random_scalar(&mut rng)];
        let (base, generator) = (C::mul_base(&base), C::mul_base(&generator));
        let right = C::mul_base(&y) + base * lambda;
        let power = generator * y;
        (Statement { left: C::mul_base(&lambda), right, base, power, generator }, [lambda, y])
    }

    fn outcome(statement: &Statement<Secp256k1>) -> Result<bool, InvalidProof> {
        let (_, [lambda, y]) = case::<Secp256k1>();
        let proof = prove(&context(), statement, &lambda, &y, &mut rng(2));
        verify(&context(), statement, &proof).map(|()| true)
    }

    fn an_honest_proof_convinces<C: Curve>() {
        let (statement, [lambda, y]) = case::<C>();
        let proof = prove(&context(), &statement, &lambda, &y, &mut rng(2));
        assert_eq!(verify(&context(), &statement, &proof), Ok(()));
    }

    #[test]
    fn an_honest_proof_convinces_on_every_curve() {
        an_honest_proof_convinces::<Secp256k1>();
        an_honest_proof_convinces::<Ed25519>();
    }

    #[test]
    fn a_prover_who_cheats_at_one_point_is_found_at_that_point() {
        let (statement, _) = case::<Secp256k1>();
        let one = generator();
        fails_at(outcome(&Statement { left: statement.left + one, ..statement }), "z·G = A + e·L");
        fails_at(outcome(&Statement { right: statement.right + one, ..statement }), "u·G + z·X = N + e·M");
        fails_at(outcome(&Statement { power: statement.power + one, ..statement }), "u·H = B + e·Y");
    }

    #[test]
    fn a_proof_is_of_one_statement_in_one_context() {
        let (statement, [lambda, y]) = case::<Secp256k1>();
        let proof = prove(&context(), &statement, &lambda, &y, &mut rng(2));
        let one = generator();
        for other in [
            Statement { left: statement.left + one, ..statement },
            Statement { right: statement.right + one, ..statement },
            Statement { base: statement.base + one, ..statement },
            Statement { power: statement.power + one, ..statement },
            Statement { generator: statement.generator + one, ..statement },
        ] {
            assert!(verify(&context(), &other, &proof).is_err());
            let [ours, theirs] = [&statement, &other].map(|one| one.transcript(&context()).digest());
            assert_ne!(ours, theirs, "the challenge depends on it");
        }
        assert!(verify(&other_context(), &statement, &proof).is_err());
    }

    #[test]
    fn what_is_spoiled_is_refused() {
        let (statement, [lambda, y]) = case::<Secp256k1>();
        let proof = prove(&context(), &statement, &lambda, &y, &mut rng(2));
        let fields = [Field::point(), Field::point(), Field::point(), Field::scalar(), Field::scalar()];
        all_that_is_spoiled_is_refused(&proof, &fields, &|proof| {
            verify(&context(), &statement, proof).map(|()| true)
        });
    }
}
