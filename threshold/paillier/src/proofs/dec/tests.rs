use quorate_sharing::Secp256k1 as C;

use super::*;
use crate::proofs::testing::*;
use crate::sizes::Sizes;

struct Case {
    prover: SecretKeys,
    verifier: SecretKeys,
    /// x and y, and the nonce of K^x·D.
    x: Natural,
    y: Natural,
    nonce: Nonce,
    factor: Ciphertext,
    summand: Ciphertext,
    bits: usize,
    point: <C as Curve>::Point,
    image: <C as Curve>::Point,
    generator: <C as Curve>::Point,
}

impl Case {
    fn new() -> Self {
        Self::of(&of_bits(SIZES.secret()), &of_bits(1000), 1000)
    }

    fn of(x: &Natural, y: &Natural, bits: usize) -> Self {
        let mut rng = rng(1);
        let (prover, verifier) = (keys(0), keys(1));
        let generator = <C as Curve>::Point::random(&mut rng);
        let (factor, _) = encrypt(&prover, &of_bits(200), &mut rng);
        // D holds y - x·k.
        let (sum, _) = encrypt(&prover, y, &mut rng);
        let key = prover.encryption();
        let summand = key.add(&sum, &key.negate(&prover.mul(&factor, x)));
        let point = C::mul_base(&to_scalar::<C>(x));
        let image = generator * to_scalar::<C>(y);
        let nonce = prover.decryption().recover_nonce(&sum);
        let (x, y) = (x.clone(), y.clone());
        Self { prover, verifier, x, y, nonce, factor, summand, bits, point, image, generator }
    }

    fn statement(&self) -> Statement<'_, C> {
        let Self { factor, summand, bits, point, image, generator, .. } = self;
        let (summand, bits) = (summand.clone(), *bits);
        Statement { factor, summand, bits, point: *point, image: *image, generator: *generator }
    }

    fn prove_with(&self, verifier: &dyn Keys, ready: ReadyNonce) -> Vec<u8> {
        let witness = Witness { factor: &self.x, value: &self.y, nonce: &self.nonce };
        prove_opened(&context(), &self.prover, verifier, &self.statement(), &witness, ready, &mut rng(3))
    }

    fn prove_to(&self, verifier: &dyn Keys) -> Vec<u8> {
        self.prove_with(verifier, ReadyNonce::new(&self.prover, &mut rng(4)))
    }

    fn verify(&self, proof: &[u8]) -> Result<bool, InvalidProof> {
        let Self { prover, verifier, .. } = self;
        let statement = self.statement();
        let claim = verify(&context(), prover.public(), verifier.public(), verifier, &statement, proof)?;
        Ok(claim.holds(prover.public()))
    }

    fn outcome(&self) -> Result<bool, InvalidProof> {
        self.verify(&self.prove_to(self.verifier.public()))
    }
}

#[test]
fn an_honest_proof_convinces_the_verifier_and_every_judge() {
    let zero = Natural::from_u64(0);
    for case in [Case::new(), Case::of(&zero, &zero, 1000), Case::of(&zero, &of_bits(1053), 1053)] {
        assert_eq!(case.outcome(), Ok(true));
        let (prover, judge) = (case.prover.public(), case.verifier.public());
        let ready = ReadyNonce::new(&case.prover, &mut rng(4));
        let statement = case.statement();
        let proof = prove(&context(), &case.prover, judge, &statement, &case.x, ready, &mut rng(3));
        let claim = verify(&context(), prover, judge, judge, &statement, &proof).unwrap();
        assert!(claim.holds(prover) && claim.holds(&case.prover));
    }
}

#[test]
fn a_sum_that_others_made_as_long_and_as_negative_as_their_proofs_allow_is_proven_when_shifted() {
    let (prover, verifier) = (keys(0), keys(1));
    let key = prover.encryption();
    let x = of_bits(SIZES.secret());
    for others in [1, 2, 3, 7, 64] {
        let (factor, _) = encrypt(&prover, &of_bits(SIZES.secret()), &mut rng(1));
        // As much as Π^aff-g lets each of them put there, on either side of zero.
        let most = Natural::from_le_bytes(&[&vec![0; 131][..], &[4]].concat());
        assert_eq!(most.bits_vartime() - 1, SIZES.mask() + SIZES.slack() + 2, "ℓ' + ε + 2");
        let most = most.wrapping_sub(&Natural::from_u64(1)).mul(&Natural::from_u64(others));
        let (positive, _) = encrypt(&prover, &most, &mut rng(2));
        // And what the prover subtracts.
        let own = key.negate(&key.plain(&of_bits(SIZES.mask())));
        for sum in [positive.clone(), key.add(&key.negate(&positive), &own)] {
            let opened = key.add(&prover.mul(&factor, &x), &sum);
            let (size, negative) = prover.decryption().decrypt_centred(&opened);
            let y = to_scalar::<C>(&size);
            let y = if bool::from(negative) { -y } else { y };
            let points = [C::mul_base(&to_scalar::<C>(&x)), C::mul_base(&y), generator()];
            let statement = Statement::<C>::shifted(&prover, &factor, &sum, others as usize, points);
            let ready = ReadyNonce::new(&prover, &mut rng(3));
            let (prover_keys, judge) = (prover.public(), verifier.public());
            let proof = prove(&context(), &prover, judge, &statement, &x, ready, &mut rng(4));
            let claim = verify(&context(), prover_keys, judge, &verifier, &statement, &proof).unwrap();
            assert!(claim.holds(&prover), "{others}");
        }
    }
}

#[test]
fn a_shift_is_a_multiple_of_the_order_between_two_powers_of_two() {
    for bits in [300, 301, 1056, 1797] {
        let shift = shift::<C>(bits);
        assert_eq!(shift.bits_vartime(), bits + 1);
        assert_eq!(to_scalar::<C>(&shift), to_scalar::<C>(&Natural::from_u64(0)));
    }
    // At full size nothing comes near N.
    let most = mask_bits(Sizes::STANDARD, Sizes::STANDARD.mask()) + 5 + 16;
    assert!(mask_bits(Sizes::STANDARD, most) + 2 < Sizes::STANDARD.modulus() - 1);
}

#[test]
fn a_prover_who_cheats_at_one_point_is_found_at_that_point() {
    let case = Case { point: Case::new().point + generator(), ..Case::new() };
    fails_at(case.outcome(), "z·G = C + e·X");
    let case = Case { image: Case::new().image + generator(), ..Case::new() };
    fails_at(case.outcome(), "w·H = B + e·S");
    let case = Case::new();
    for (wrong, check) in [(0, "x is short"), (1, "x is short"), (2, "y is short"), (3, "y is short")] {
        let proof = case.prove_to(&FalseCommit::new(case.verifier.public(), wrong));
        fails_at(case.verify(&proof), check);
    }
    let case = Case { summand: one_more(&Case::new().prover, &Case::new().summand), ..Case::new() };
    claim_fails(case.outcome());
    let case = Case { factor: one_more(&Case::new().prover, &Case::new().factor), ..Case::new() };
    claim_fails(case.outcome());
    let case = Case { nonce: Case::new().prover.encryption().nonce(&mut rng(5)), ..Case::new() };
    claim_fails(case.outcome());
    let case = Case::new();
    let ready = false_ready(&case.prover, &mut rng(5));
    claim_fails(case.verify(&case.prove_with(case.verifier.public(), ready)));
}

#[test]
fn numbers_that_are_too_long_are_refused() {
    let (x, y) = (of_bits(SIZES.secret()), of_bits(1000));
    is_malformed(Case::of(&barely_too_long(SIZES.secret()), &y, 1000).outcome());
    is_malformed(Case::of(&x, &barely_too_long(1000), 1000).outcome());
    assert!(Case::of(&of_bits(SIZES.secret() + 300), &y, 1000).outcome().is_err());
    assert!(Case::of(&x, &of_bits(1000), 500).outcome().is_err());
}

#[test]
fn a_proof_is_of_one_statement_in_one_context_between_two_keys() {
    let case = Case::new();
    let proof = case.prove_to(case.verifier.public());
    let factor = one_more(&case.prover, &case.factor);
    let (statement, one) = (|| case.statement(), generator());
    let digest = |statement: &Statement<'_, C>, prover: &PublicKeys, verifier: &PublicKeys| {
        statement.transcript(&context(), prover, verifier).digest()
    };
    for other in [
        Statement { factor: &factor, ..statement() },
        Statement { summand: one_more(&case.prover, &case.summand), ..statement() },
        // As many bytes.
        Statement { bits: case.bits - 1, ..statement() },
        Statement { point: case.point + one, ..statement() },
        Statement { image: case.image + one, ..statement() },
        Statement { generator: case.generator + one, ..statement() },
    ] {
        let (p, v) = (case.prover.public(), case.verifier.public());
        assert!(verify(&context(), p, v, v, &other, &proof).is_err());
        assert_ne!(digest(&other, p, v), digest(&statement(), p, v), "the challenge depends on it");
    }
    let refused = |context: &Transcript, prover: &PublicKeys, verifier: &PublicKeys| {
        verify(context, prover, verifier, verifier, &statement(), &proof).is_err()
    };
    let (p, v, third) = (case.prover.public(), case.verifier.public(), keys(2));
    assert!(!refused(&context(), p, v));
    for (prover, verifier) in [(third.public(), v), (p, third.public()), (p, &with_other_base(v))] {
        assert_ne!(digest(&statement(), prover, verifier), digest(&statement(), p, v));
    }
    assert!(refused(&other_context(), p, v));
    assert!(refused(&context(), third.public(), v) && refused(&context(), p, third.public()));
    assert!(refused(&context(), p, &with_other_base(v)));
    assert!(refused(&context(), &resized(p), &resized(v)));
}

#[test]
fn what_is_spoiled_is_refused() {
    let case = Case::new();
    let mut fields = vec![Field::ciphertext(&case.prover), Field::point(), Field::point()];
    fields.extend((0..4).map(|_| Field::commitment(&case.verifier)));
    fields.extend(Field::responses(SIZES.secret()));
    fields.extend(Field::responses(case.bits));
    fields.push(Field::unit(&case.prover));
    let proof = case.prove_to(case.verifier.public());
    all_that_is_spoiled_is_refused(&proof, &fields, &|proof| case.verify(proof));
}
