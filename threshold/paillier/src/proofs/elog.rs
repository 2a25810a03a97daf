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
