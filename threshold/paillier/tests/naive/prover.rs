//! Proofs from fixed seeds: honest ones, and ones whose statement is false at one point.

use quorate_paillier::proofs::{ReadyNonce, aff_g, dec, elog, enc_elg, fac, modulus, prm};
use quorate_paillier::{Ciphertext, Keys, Natural, Nonce, SecretKeys, Sizes, test_keys, to_scalar};
use quorate_sharing::{Curve, Secp256k1 as C};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::integers::Point;
use crate::ours::context;
use crate::record::Record;

/// Which proof, how it is made, and in which ways. What is not honest is made at small size only.
type Kind = (fn(&mut Setting, &str) -> Record, &'static [&'static str]);

const KINDS: [Kind; 7] = [
    (Setting::enc_elg, &["honest", "false-ciphertext", "false-nonce", "false-left", "false-right", "long"]),
    (
        Setting::aff_g,
        &[
            "honest",
            "honest-to-another",
            "false-product",
            "false-summand",
            "false-nonce",
            "false-summand-nonce",
            "false-point",
            "long",
        ],
    ),
    (Setting::dec, &["honest", "false-point", "false-image", "long"]),
    (Setting::elog, &["honest", "false-left", "false-right", "false-power"]),
    (Setting::fac, &["honest"]),
    (Setting::prm, &["honest"]),
    (Setting::modulus, &["honest"]),
];

/// All that is recorded.
pub(crate) fn all() -> Vec<Record> {
    let mut records = Vec::new();
    let mut small = Setting::new(Sizes::TEST);
    let mut full = Setting::new(Sizes::STANDARD);
    for (make, variants) in KINDS {
        records.extend(variants.iter().map(|variant| make(&mut small, variant)));
        records.push(make(&mut full, "honest"));
    }
    records
}

struct Setting {
    sizes: Sizes,
    /// The prover, the verifier and a third one.
    keys: [SecretKeys; 3],
    rng: ChaCha20Rng,
}

type Fields = Vec<(&'static str, Vec<u8>)>;

impl Setting {
    fn new(sizes: Sizes) -> Self {
        let is_full_size = sizes == Sizes::STANDARD;
        let make = if is_full_size { test_keys::standard } else { test_keys::small };
        Self { sizes, keys: [0, 1, 2].map(make), rng: ChaCha20Rng::from_seed([11; 32]) }
    }

    fn record(&self, kind: &str, variant: &str, fields: Fields, proof: Vec<u8>) -> Record {
        let is_full_size = self.sizes == Sizes::STANDARD;
        let name = format!("{kind}-{variant}{}", if is_full_size { "-full-size" } else { "" });
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let holds = variant.starts_with("honest");
        Record { name, kind: kind.to_owned(), is_full_size, fields, proof, holds }
    }

    fn bound(&self, whose: usize, [n, s, t]: [&'static str; 3]) -> Fields {
        let values = self.keys[whose].public().to_bytes();
        [n, s, t].into_iter().zip(values).collect()
    }

    fn verifier(&self, whose: usize) -> Fields {
        self.bound(whose, ["verifier.N", "verifier.s", "verifier.t"])
    }

    fn prover(&self) -> Fields {
        self.bound(0, ["prover.N", "prover.s", "prover.t"])
    }

    fn number(&self, whose: usize) -> Vec<u8> {
        let [number, ..] = self.keys[whose].public().to_bytes();
        number
    }

    fn random(&mut self, bits: usize) -> Natural {
        Natural::random(bits, &mut self.rng)
    }

    fn random_point(&mut self) -> Point {
        C::mul_base(&C::random_scalar(&mut self.rng))
    }

    fn encrypt(&mut self, whose: usize, number: &Natural) -> (Ciphertext, Nonce) {
        let (nonce, power) = self.ready(whose).into_parts();
        (self.keys[whose].encryption().encrypt_with(number, power).unwrap(), nonce)
    }

    fn ready(&mut self, whose: usize) -> ReadyNonce {
        ReadyNonce::new(&self.keys[whose], &mut self.rng)
    }

    /// The ciphertext of one more.
    fn one_more(&self, whose: usize, ciphertext: &Ciphertext) -> Ciphertext {
        let key = self.keys[whose].encryption();
        key.add(ciphertext, &key.plain(&Natural::from_u64(1)))
    }

    fn enc_elg(&mut self, variant: &str) -> Record {
        let value = self.random(if variant == "long" { 272 } else { 256 });
        let exponent = C::random_scalar(&mut self.rng);
        let base = self.random_point();
        let (mut ciphertext, mut nonce) = self.encrypt(0, &value);
        let mut left = C::mul_base(&exponent);
        let mut right = base * exponent + C::mul_base(&to_scalar::<C>(&value));
        match variant {
            "false-ciphertext" => ciphertext = self.one_more(0, &ciphertext),
            "false-nonce" => nonce = self.keys[0].encryption().nonce(&mut self.rng),
            "false-left" => left += generator(),
            "false-right" => right += generator(),
            _ => {}
        }
        let statement = enc_elg::Statement::<C> { ciphertext: &ciphertext, base, left, right };
        let witness = enc_elg::Witness { value: &value, nonce: &nonce, exponent: &exponent };
        let ready = self.ready(0);
        let Self { keys: [prover, verifier, _], rng, .. } = self;
        let proof = enc_elg::prove(&context(), prover, verifier.public(), &statement, &witness, ready, rng);
        let mut fields = self.verifier(1);
        fields.extend([
            ("prover.N", self.number(0)),
            ("C", self.keys[0].encryption().bytes(&ciphertext)),
            ("A", C::encode(&base)),
            ("B", C::encode(&left)),
            ("X", C::encode(&right)),
        ]);
        self.record("enc-elg", variant, fields, proof)
    }

    fn aff_g(&mut self, variant: &str) -> Record {
        // The receiver is number 1, and mostly the verifier as well.
        let whose = if variant == "honest-to-another" { 2 } else { 1 };
        let (x, k) = (self.random(256), self.random(256));
        let y = self.random(self.sizes.mask());
        let x = if variant == "long" { self.random(272) } else { x };
        let (factor, _) = self.encrypt(1, &k);
        let (mask, mut nonce) = self.encrypt(1, &y);
        let (mut summand, mut summand_nonce) = self.encrypt(0, &y);
        let key = self.keys[1].encryption();
        let mut product = key.add(&key.mul(&factor, &x), &mask);
        let mut point = C::mul_base(&to_scalar::<C>(&x));
        match variant {
            "false-product" => product = self.one_more(1, &product),
            "false-summand" => summand = self.one_more(0, &summand),
            "false-nonce" => nonce = self.keys[1].encryption().nonce(&mut self.rng),
            "false-summand-nonce" => summand_nonce = self.keys[0].encryption().nonce(&mut self.rng),
            "false-point" => point += generator(),
            _ => {}
        }
        let statement =
            aff_g::Statement::<C> { factor: &factor, product: &product, summand: &summand, point };
        let witness =
            aff_g::Witness { factor: &x, summand: &y, nonce: &nonce, summand_nonce: &summand_nonce };
        let ready = [self.ready(1), self.ready(0)];
        let Self { keys, rng, .. } = self;
        let roles =
            aff_g::Roles { receiver: keys[1].public(), prover: &keys[0], verifier: keys[whose].public() };
        let proof = aff_g::prove(&context(), &roles, &statement, &witness, ready, rng);
        let mut fields = self.verifier(whose);
        fields.extend([
            ("receiver.N", self.number(1)),
            ("prover.N", self.number(0)),
            ("C", self.keys[1].encryption().bytes(&factor)),
            ("D", self.keys[1].encryption().bytes(&product)),
            ("Y", self.keys[0].encryption().bytes(&summand)),
            ("X", C::encode(&point)),
        ]);
        self.record("aff-g", variant, fields, proof)
    }

    fn dec(&mut self, variant: &str) -> Record {
        let (x, k) = (self.random(256), self.random(256));
        let x = if variant == "long" { self.random(272) } else { x };
        let sum = self.random(self.sizes.mask());
        let (factor, _) = self.encrypt(0, &k);
        let (encrypted, _) = self.encrypt(0, &sum);
        // The sum of what others sent is less than nothing.
        let negated = self.keys[0].encryption().negate(&encrypted);
        let generator = self.random_point();
        let mut point = C::mul_base(&to_scalar::<C>(&x));
        let value = to_scalar::<C>(&x) * to_scalar::<C>(&k) - to_scalar::<C>(&sum);
        let mut image = generator * value;
        match variant {
            "false-point" => point += generator,
            "false-image" => image += generator,
            _ => {}
        }
        let points = [point, image, generator];
        let statement = dec::Statement::<C>::shifted(&self.keys[0], &factor, &negated, 2, points);
        let ready = self.ready(0);
        let Self { keys: [prover, verifier, _], rng, .. } = self;
        let proof = dec::prove(&context(), prover, verifier.public(), &statement, &x, ready, rng);
        let mut fields = self.verifier(1);
        fields.extend([
            ("prover.N", self.number(0)),
            ("K", self.keys[0].encryption().bytes(&factor)),
            ("D", self.keys[0].encryption().bytes(&statement.summand)),
            ("bits", (statement.bits as u64).to_le_bytes().to_vec()),
            ("X", C::encode(&point)),
            ("S", C::encode(&image)),
            ("H", C::encode(&generator)),
        ]);
        self.record("dec", variant, fields, proof)
    }

    fn elog(&mut self, variant: &str) -> Record {
        let [lambda, y] = [(); 2].map(|()| C::random_scalar(&mut self.rng));
        let (base, h) = (self.random_point(), self.random_point());
        let (mut left, mut right, mut power) = (C::mul_base(&lambda), C::mul_base(&y) + base * lambda, h * y);
        match variant {
            "false-left" => left += generator(),
            "false-right" => right += generator(),
            "false-power" => power += generator(),
            _ => {}
        }
        let statement = elog::Statement::<C> { left, right, base, power, generator: h };
        let proof = elog::prove(&context(), &statement, &lambda, &y, &mut self.rng);
        let points = [("L", left), ("M", right), ("X", base), ("Y", power), ("H", h)];
        let fields = points.map(|(name, point)| (name, C::encode(&point))).to_vec();
        self.record("elog", variant, fields, proof)
    }

    fn fac(&mut self, variant: &str) -> Record {
        let Self { keys: [prover, verifier, _], rng, .. } = self;
        let proof = fac::prove::<C>(&context(), prover, verifier.public(), rng);
        let mut fields = self.verifier(1);
        fields.extend(self.prover());
        self.record("fac", variant, fields, proof)
    }

    fn prm(&mut self, variant: &str) -> Record {
        let proof = prm::prove(&context(), &self.keys[0], &mut self.rng);
        self.record("prm", variant, self.prover(), proof)
    }

    fn modulus(&mut self, variant: &str) -> Record {
        let proof = modulus::prove(&context(), &self.keys[0], &mut self.rng);
        self.record("mod", variant, vec![("prover.N", self.number(0))], proof)
    }
}

fn generator() -> Point {
    C::mul_base(&to_scalar::<C>(&Natural::from_u64(1)))
}
