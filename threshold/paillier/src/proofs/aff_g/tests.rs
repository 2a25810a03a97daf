use quorate_sharing::Secp256k1 as C;

use super::*;
use crate::party::{PublicKeys, SecretKeys};
use crate::proofs::testing::*;

struct Case {
    receiver: SecretKeys,
    prover: SecretKeys,
    verifier: SecretKeys,
    x: Natural,
    y: Natural,
    nonces: [Nonce; 2],
    factor: Ciphertext,
    product: Ciphertext,
    summand: Ciphertext,
    point: <C as Curve>::Point,
}

impl Case {
    fn new() -> Self {
        let mut rng = rng(1);
        Self::of(&Natural::random(256, &mut rng), &Natural::random(SIZES.mask(), &mut rng), 1)
    }

    /// To the receiver, who is number 1, or to another one.
    fn of(x: &Natural, y: &Natural, verifier: usize) -> Self {
        let mut rng = rng(2);
        let (prover, receiver) = (keys(0), keys(1));
        let (factor, _) = encrypt(&receiver, &Natural::random(256, &mut rng), &mut rng);
        let (mask, nonce) = encrypt(&receiver, y, &mut rng);
        let (summand, summand_nonce) = encrypt(&prover, y, &mut rng);
        let product = receiver.encryption().add(&receiver.mul(&factor, x), &mask);
        Self {
            receiver,
            prover,
            verifier: keys(verifier),
            x: x.clone(),
            y: y.clone(),
            nonces: [nonce, summand_nonce],
            factor,
            product,
            summand,
            point: C::mul_base(&to_scalar::<C>(x)),
        }
    }

    fn statement(&self) -> Statement<'_, C> {
        let Self { factor, product, summand, point, .. } = self;
        Statement { factor, product, summand, point: *point }
    }

    /// As all know them.
    fn roles(&self) -> Roles<'_> {
        Roles {
            receiver: self.receiver.public(),
            prover: self.prover.public(),
            verifier: self.verifier.public(),
        }
    }

    fn ready(&self) -> [ReadyNonce; 2] {
        let mut rng = rng(4);
        [ReadyNonce::new(self.receiver.public(), &mut rng), ReadyNonce::new(&self.prover, &mut rng)]
    }

    fn prove_with(&self, verifier: &dyn Keys, ready: [ReadyNonce; 2]) -> Vec<u8> {
        let [nonce, summand_nonce] = &self.nonces;
        let witness = Witness { factor: &self.x, summand: &self.y, nonce, summand_nonce };
        let roles = Roles { prover: &self.prover, verifier, ..self.roles() };
        prove(&context(), &roles, &self.statement(), &witness, ready, &mut rng(3))
    }

    fn prove(&self) -> Vec<u8> {
        self.prove_with(self.verifier.public(), self.ready())
    }

    /// Which of the two claims hold.
    fn claims(&self, proof: &[u8]) -> Result<[bool; 2], InvalidProof> {
        let roles = Roles { receiver: &self.receiver, ..self.roles() };
        let [product, summand] = verify(&context(), &roles, &self.verifier, &self.statement(), proof)?;
        Ok([product.holds(&self.receiver), summand.holds(self.prover.public())])
    }

    fn verify(&self, proof: &[u8]) -> Result<bool, InvalidProof> {
        self.claims(proof).map(|claims| claims == [true; 2])
    }

    /// Proves it as far as that can be done, and has it verified.
    fn outcome(&self) -> Result<bool, InvalidProof> {
        self.verify(&self.prove())
    }
}

#[test]
fn an_honest_proof_convinces_the_receiver_others_and_every_judge() {
    let zero = Natural::from_u64(0);
    let longest = [of_bits(SIZES.secret()), of_bits(SIZES.mask())];
    for case in [Case::new(), Case::of(&zero, &zero, 1), Case::of(&longest[0], &longest[1], 2)] {
        let proof = case.prove();
        assert_eq!(case.verify(&proof), Ok(true));
        let judge = case.verifier.public();
        let [product, summand] = verify(&context(), &case.roles(), judge, &case.statement(), &proof).unwrap();
        assert!(product.holds(case.receiver.public()) && summand.holds(case.prover.public()));
        assert!(product.holds(&case.receiver) && summand.holds(&case.prover));
    }
}

#[test]
fn a_prover_who_cheats_at_one_point_is_found_at_that_point() {
    let case = Case { point: Case::new().point + generator(), ..Case::new() };
    fails_at(case.outcome(), "z1·G = B_x + e·X");
    let case = Case::new();
    for (wrong, check) in [
        (0, "s^z1·t^z3 = E·S^e"),
        (1, "s^z1·t^z3 = E·S^e"),
        (2, "s^z2·t^z4 = F·T^e"),
        (3, "s^z2·t^z4 = F·T^e"),
    ] {
        let proof = case.prove_with(&FalseCommit::new(case.verifier.public(), wrong), case.ready());
        fails_at(case.verify(&proof), check);
    }
}

#[test]
fn a_prover_who_cheats_inside_a_ciphertext_makes_a_false_claim() {
    let only = |case: &Case, proof: &[u8], claims| assert_eq!(case.claims(proof), Ok(claims));
    let other = one_more(&Case::new().receiver, &Case::new().product);
    let case = Case { product: other, ..Case::new() };
    only(&case, &case.prove(), [false, true]);
    let other = one_more(&Case::new().receiver, &Case::new().factor);
    let case = Case { factor: other, ..Case::new() };
    only(&case, &case.prove(), [false, true]);
    let other = one_more(&Case::new().prover, &Case::new().summand);
    let case = Case { summand: other, ..Case::new() };
    only(&case, &case.prove(), [true, false]);

    let mut case = Case::new();
    case.nonces[0] = case.receiver.encryption().nonce(&mut rng(5));
    only(&case, &case.prove(), [false, true]);
    let mut case = Case::new();
    case.nonces[1] = case.prover.encryption().nonce(&mut rng(5));
    only(&case, &case.prove(), [true, false]);

    let case = Case::new();
    let [_, right] = case.ready();
    let ready = [false_ready(&case.receiver, &mut rng(5)), right];
    only(&case, &case.prove_with(case.verifier.public(), ready), [false, true]);
    let [right, _] = case.ready();
    let ready = [right, false_ready(&case.prover, &mut rng(5))];
    only(&case, &case.prove_with(case.verifier.public(), ready), [true, false]);
}

#[test]
fn numbers_that_are_too_long_are_refused() {
    let (x, y) = (of_bits(SIZES.secret()), of_bits(SIZES.mask()));
    is_malformed(Case::of(&barely_too_long(SIZES.secret()), &y, 1).outcome());
    is_malformed(Case::of(&x, &barely_too_long(SIZES.mask()), 1).outcome());
    assert!(Case::of(&of_bits(SIZES.secret() + 300), &y, 1).outcome().is_err());
    assert!(Case::of(&x, &of_bits(SIZES.mask() + 300), 1).outcome().is_err());
}

#[test]
fn a_proof_is_of_one_statement_in_one_context_between_its_parties() {
    let case = Case::of(&of_bits(SIZES.secret()), &of_bits(SIZES.mask()), 2);
    let proof = case.prove();
    let statement = case.statement();
    let (factor, product) = (one_more(&case.receiver, &case.factor), one_more(&case.receiver, &case.product));
    let summand = one_more(&case.prover, &case.summand);
    let judge = case.verifier.public();
    let digest =
        |statement: &Statement<'_, C>, roles: &Roles<'_>| statement.transcript(&context(), roles).digest();
    for other in [
        Statement { factor: &factor, ..statement },
        Statement { product: &product, ..statement },
        Statement { summand: &summand, ..statement },
        Statement { point: statement.point + generator(), ..statement },
    ] {
        assert!(verify(&context(), &case.roles(), judge, &other, &proof).is_err());
        let [ours, theirs] = [&statement, &other].map(|one| digest(one, &case.roles()));
        assert_ne!(ours, theirs, "the challenge depends on it");
    }
    let refused = |context: &Transcript, roles: Roles<'_>, verifier: &PublicKeys| {
        verify(context, &Roles { verifier, ..roles }, verifier, &statement, &proof).is_err()
    };
    let third = keys(3);
    assert!(!refused(&context(), case.roles(), judge));
    for roles in [
        Roles { receiver: third.public(), ..case.roles() },
        Roles { prover: third.public(), ..case.roles() },
        Roles { verifier: third.public(), ..case.roles() },
        Roles { verifier: &with_other_base(judge), ..case.roles() },
    ] {
        assert_ne!(digest(&statement, &roles), digest(&statement, &case.roles()));
    }
    assert!(refused(&other_context(), case.roles(), judge));
    assert!(refused(&context(), Roles { receiver: third.public(), ..case.roles() }, judge));
    assert!(refused(&context(), Roles { prover: third.public(), ..case.roles() }, judge));
    assert!(refused(&context(), case.roles(), third.public()));
    assert!(refused(&context(), case.roles(), case.receiver.public()));
    assert!(refused(&context(), case.roles(), &with_other_base(judge)));
    assert!(refused(&context(), case.roles(), &resized(judge)));
}

#[test]
fn what_is_spoiled_is_refused() {
    let case = Case::new();
    let mut fields = vec![Field::ciphertext(&case.receiver), Field::point(), Field::ciphertext(&case.prover)];
    fields.extend((0..4).map(|_| Field::commitment(&case.verifier)));
    fields.extend(Field::responses(SIZES.secret()));
    fields.extend(Field::responses(SIZES.mask()));
    fields.extend([Field::unit(&case.receiver), Field::unit(&case.prover)]);
    all_that_is_spoiled_is_refused(&case.prove(), &fields, &|proof| case.verify(proof));
}

#[test]
fn parameters_of_small_order_don_t_make_an_honest_proof_a_false_one() {
    let case = Case::new();
    let verifier = of_small_order(&case.verifier);
    for _ in 0..4 {
        let proof = case.prove_with(&verifier, case.ready());
        let roles = Roles { verifier: &verifier, ..case.roles() };
        let claims = verify(&context(), &roles, &verifier, &case.statement(), &proof).unwrap();
        assert!(claims[0].holds(&case.receiver) && claims[1].holds(&case.prover));
    }
}
