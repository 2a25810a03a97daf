//! The verifiers of ePrint 2021/060, October 2024, as their figures have them.

use num_bigint::BigUint;
use quorate_keys::Transcript;
use quorate_sharing::{Curve, Secp256k1};

use crate::integers::{Cursor, Point, bytes, gcd, jacobi, number, order, small, times};
use crate::record::Record;

/// ℓ.
const SECRET: usize = 256;

/// The lengths of one record.
struct Lengths {
    prime: usize,
    epsilon: usize,
    /// ℓ'.
    mask: usize,
    repetitions: usize,
}

/// Somebody's N, s and t.
struct Keys {
    n: BigUint,
    s: BigUint,
    t: BigUint,
}

struct Verifier<'a> {
    record: &'a Record,
    lengths: Lengths,
    cursor: Cursor<'a>,
}

/// Whether a proof is valid.
pub(crate) fn verify(record: &Record, proof: &[u8]) -> bool {
    let lengths = match record.is_full_size {
        true => Lengths { prime: 1536, epsilon: 512, mask: 1280, repetitions: 128 },
        false => Lengths { prime: 704, epsilon: 264, mask: 784, repetitions: 16 },
    };
    let mut verifier = Verifier { record, lengths, cursor: Cursor::new(proof) };
    let verdict = match record.kind.as_str() {
        "enc-elg" => verifier.enc_elg(),
        "aff-g" => verifier.aff_g(),
        "dec" => verifier.dec(),
        "elog" => verifier.elog(),
        "fac" => verifier.fac(),
        "prm" => verifier.prm(),
        "mod" => verifier.modulus(),
        other => panic!("what is {other}"),
    };
    verdict.is_some()
}

fn ensure(holds: bool) -> Option<()> {
    holds.then_some(())
}

impl<'a> Verifier<'a> {
    /// Of N and of what is computed modulo N.
    fn length(&self) -> usize {
        self.lengths.prime / 4
    }

    fn context(&self) -> Transcript {
        Transcript::new(b"quorate/test/v1").field("prover", &[1]).field("verifier", &[2])
    }

    fn begin(&self) -> Transcript {
        let Lengths { prime, epsilon, mask, repetitions } = self.lengths;
        let sizes = [prime, SECRET, epsilon, mask, repetitions].map(|size| (size as u64).to_le_bytes());
        self.context().field("proof", self.record.kind.as_bytes()).field("sizes", &sizes.concat())
    }

    fn bytes(&self, name: &str) -> &'a [u8] {
        self.record.field(name)
    }

    fn point(&self, name: &str) -> Option<Point> {
        Secp256k1::decode(self.bytes(name))
    }

    /// The challenge, after all that was read so far.
    fn challenge(&self, transcript: Transcript) -> BigUint {
        let wide = transcript.field("commitments", self.cursor.so_far()).wide();
        BigUint::from_bytes_be(&wide) % order()
    }

    fn n(&self, whose: &str) -> Option<BigUint> {
        let n = number(self.bytes(&format!("{whose}.N")));
        ensure(n.bits() == 2 * self.lengths.prime as u64 && n.bit(0))?;
        Some(n)
    }

    fn keys(&self, whose: &str) -> Option<Keys> {
        let n = self.n(whose)?;
        let [s, t] = ["s", "t"].map(|name| number(self.bytes(&format!("{whose}.{name}"))));
        for base in [&s, &t] {
            ensure(*base < n && gcd(base, &n) == small(1) && *base != small(1) && *base != &n - 1_u8)?;
        }
        ensure(s != t)?;
        Some(Keys { n, s, t })
    }

    fn bind(&self, transcript: Transcript, keys: &Keys) -> Transcript {
        let [n, s, t] = [&keys.n, &keys.s, &keys.t].map(|value| bytes(value, self.length()));
        transcript.field("N", &n).field("s", &s).field("t", &t)
    }

    /// A ciphertext of the statement.
    fn ciphertext(&self, name: &str, n: &BigUint) -> Option<BigUint> {
        Cursor::new(self.bytes(name)).unit(2 * self.length(), &(n * n), n)
    }

    fn read_ciphertext(&mut self, n: &BigUint) -> Option<BigUint> {
        let length = self.length();
        self.cursor.unit(2 * length, &(n * n), n)
    }

    fn read_nonce(&mut self, n: &BigUint) -> Option<BigUint> {
        let length = self.length();
        self.cursor.unit(length, n, n)
    }

    fn read_commitment(&mut self, keys: &Keys) -> Option<BigUint> {
        let read = self.read_nonce(&keys.n)?;
        ensure(read != small(1) && read != &keys.n - 1_u8)?;
        Some(read)
    }

    fn read_response(&mut self, bits: usize) -> Option<[BigUint; 2]> {
        let Lengths { prime, epsilon, .. } = self.lengths;
        let value = self.cursor.natural(bits + epsilon + 1)?;
        Some([value, self.cursor.natural(2 * prime + SECRET + epsilon + 1)?])
    }

    /// Π^enc-elg, figure 24.
    fn enc_elg(&mut self) -> Option<()> {
        let (n0, hat) = (self.n("prover")?, self.keys("verifier")?);
        let c = self.ciphertext("C", &n0)?;
        let [a, b, x] = [self.point("A")?, self.point("B")?, self.point("X")?];
        let [s, t] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let d = self.read_ciphertext(&n0)?;
        let [y, z] = [self.cursor.point()?, self.cursor.point()?];
        let transcript = self
            .begin()
            .field("prover", self.bytes("prover.N"))
            .field("C", self.bytes("C"))
            .field("curve", b"secp256k1")
            .field("A", self.bytes("A"))
            .field("B", self.bytes("B"))
            .field("X", self.bytes("X"));
        let e = self.challenge(self.bind(transcript, &hat));
        let [z1, z3] = self.read_response(SECRET)?;
        let w = self.cursor.scalar()?;
        let z2 = self.read_nonce(&n0)?;
        self.cursor.is_at_end()?;
        // (1 + N0)^z1 · z2^N0 = D · C^e modulo N0².
        ensure(encrypt(&n0, &z1, &z2) == d * power(&c, &e, &n0) % (&n0 * &n0))?;
        // w·A + z1·G = Y + e·X, w·G = Z + e·B.
        ensure(times(&w, a) + times(&z1, generator()) == y + times(&e, x))?;
        ensure(times(&w, generator()) == z + times(&e, b))?;
        // s^z1 · t^z3 = T · S^e modulo N̂.
        ensure(commit(&hat, &z1, &z3) == t * s.modpow(&e, &hat.n) % &hat.n)
    }

    /// Π^aff-g, figure 25.
    fn aff_g(&mut self) -> Option<()> {
        let (n0, n1, hat) = (self.n("receiver")?, self.n("prover")?, self.keys("verifier")?);
        let [c, d, y] = [self.ciphertext("C", &n0)?, self.ciphertext("D", &n0)?, self.ciphertext("Y", &n1)?];
        let x = self.point("X")?;
        let a = self.read_ciphertext(&n0)?;
        let b_x = self.cursor.point()?;
        let b_y = self.read_ciphertext(&n1)?;
        let [s, e_hat] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let [t, f] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let transcript = self
            .begin()
            .field("receiver", self.bytes("receiver.N"))
            .field("prover", self.bytes("prover.N"))
            .field("C", self.bytes("C"))
            .field("D", self.bytes("D"))
            .field("Y", self.bytes("Y"))
            .field("curve", b"secp256k1")
            .field("X", self.bytes("X"));
        let e = self.challenge(self.bind(transcript, &hat));
        let [z1, z3] = self.read_response(SECRET)?;
        let [z2, z4] = self.read_response(self.lengths.mask)?;
        let [w, w_y] = [self.read_nonce(&n0)?, self.read_nonce(&n1)?];
        self.cursor.is_at_end()?;
        // C^z1 · (1 + N0)^z2 · w^N0 = A · D^e modulo N0².
        let left = power(&c, &z1, &n0) * encrypt(&n0, &z2, &w) % (&n0 * &n0);
        ensure(left == a * power(&d, &e, &n0) % (&n0 * &n0))?;
        // z1·G = B_x + e·X.
        ensure(times(&z1, generator()) == b_x + times(&e, x))?;
        // (1 + N1)^z2 · w_y^N1 = B_y · Y^e modulo N1².
        ensure(encrypt(&n1, &z2, &w_y) == b_y * power(&y, &e, &n1) % (&n1 * &n1))?;
        // s^z1 · t^z3 = E · S^e, s^z2 · t^z4 = F · T^e modulo N̂.
        ensure(commit(&hat, &z1, &z3) == e_hat * s.modpow(&e, &hat.n) % &hat.n)?;
        ensure(commit(&hat, &z2, &z4) == f * t.modpow(&e, &hat.n) % &hat.n)
    }

    /// Π^dec, figure 28, with the commitments of a proof to one verifier.
    fn dec(&mut self) -> Option<()> {
        let (n0, hat) = (self.n("prover")?, self.keys("verifier")?);
        let [k, d] = [self.ciphertext("K", &n0)?, self.ciphertext("D", &n0)?];
        let [x, s, h] = [self.point("X")?, self.point("S")?, self.point("H")?];
        let bits = u64::from_le_bytes(self.bytes("bits").try_into().ok()?) as usize;
        ensure(bits < 2 * self.lengths.prime)?;
        let a = self.read_ciphertext(&n0)?;
        let [b, c] = [self.cursor.point()?, self.cursor.point()?];
        let [x_hat, alpha_hat] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let [y_hat, beta_hat] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let transcript = self
            .begin()
            .field("prover", self.bytes("prover.N"))
            .field("K", self.bytes("K"))
            .field("D", self.bytes("D"))
            .field("bits", self.bytes("bits"))
            .field("curve", b"secp256k1")
            .field("X", self.bytes("X"))
            .field("S", self.bytes("S"))
            .field("H", self.bytes("H"));
        let e = self.challenge(self.bind(transcript, &hat));
        let [z, z_hat] = self.read_response(SECRET)?;
        let [w, w_hat] = self.read_response(bits)?;
        let nu = self.read_nonce(&n0)?;
        self.cursor.is_at_end()?;
        // (1 + N0)^w · ν^N0 = A · D^e · K^z modulo N0².
        let square = &n0 * &n0;
        ensure(encrypt(&n0, &w, &nu) == a * power(&d, &e, &n0) % &square * power(&k, &z, &n0) % &square)?;
        // z·G = C + e·X, w·H = B + e·S.
        ensure(times(&z, generator()) == c + times(&e, x))?;
        ensure(times(&w, h) == b + times(&e, s))?;
        ensure(commit(&hat, &z, &z_hat) == alpha_hat * x_hat.modpow(&e, &hat.n) % &hat.n)?;
        ensure(commit(&hat, &w, &w_hat) == beta_hat * y_hat.modpow(&e, &hat.n) % &hat.n)
    }

    /// Π^elog, figure 23.
    fn elog(&mut self) -> Option<()> {
        let [l, m, x, y, h] = ["L", "M", "X", "Y", "H"].map(|name| self.point(name));
        let [l, m, x, y, h] = [l?, m?, x?, y?, h?];
        let [a, n, b] = [self.cursor.point()?, self.cursor.point()?, self.cursor.point()?];
        let mut transcript = self.context().field("proof", b"elog").field("curve", b"secp256k1");
        for name in ["L", "M", "X", "Y", "H"] {
            transcript = transcript.field(name, self.bytes(name));
        }
        let e = self.challenge(transcript);
        let [z, u] = [self.cursor.scalar()?, self.cursor.scalar()?];
        self.cursor.is_at_end()?;
        ensure(times(&z, generator()) == a + times(&e, l))?;
        ensure(times(&u, generator()) + times(&z, x) == n + times(&e, m))?;
        ensure(times(&u, h) == b + times(&e, y))
    }

    /// Π^fac, figure 26, with s^N in the place of R.
    fn fac(&mut self) -> Option<()> {
        let (keys, hat) = (self.keys("prover")?, self.keys("verifier")?);
        let Lengths { prime, epsilon, .. } = self.lengths;
        let [p, a] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let [q, b] = [self.read_commitment(&hat)?, self.read_commitment(&hat)?];
        let t = self.read_commitment(&hat)?;
        let transcript = self.begin().field("curve", b"secp256k1").field("role", b"prover");
        let transcript = self.bind(transcript, &keys).field("role", b"verifier");
        let e = self.challenge(self.bind(transcript, &hat));
        let [z1, w1] = self.read_response(prime)?;
        let [z2, w2] = self.read_response(prime)?;
        let v = self.cursor.natural(2 * prime + SECRET + prime + epsilon + 1)?;
        self.cursor.is_at_end()?;
        let n = &hat.n;
        ensure(commit(&hat, &z1, &w1) == a * p.modpow(&e, n) % n)?;
        ensure(commit(&hat, &z2, &w2) == b * q.modpow(&e, n) % n)?;
        let r = hat.s.modpow(&keys.n, n);
        ensure(q.modpow(&z1, n) == t * r.modpow(&e, n) % n * hat.t.modpow(&v, n) % n)
    }

    /// Π^prm, figure 17.
    fn prm(&mut self) -> Option<()> {
        let keys = self.keys("prover")?;
        let repetitions = self.lengths.repetitions;
        let mut commitments = Vec::new();
        for _ in 0..repetitions {
            commitments.push(self.read_commitment(&keys)?);
        }
        let transcript = self.bind(self.begin(), &keys).field("commitments", self.cursor.so_far());
        let bits = number(&transcript.wide());
        for (index, a) in commitments.iter().enumerate() {
            let z = self.cursor.natural(2 * self.lengths.prime)?;
            let s = if bits.bit(index as u64) { keys.s.clone() } else { small(1) };
            ensure(keys.t.modpow(&z, &keys.n) == a * s % &keys.n)?;
        }
        self.cursor.is_at_end()
    }

    /// Π^mod, figure 16, with eight N-th roots.
    fn modulus(&mut self) -> Option<()> {
        let n = self.n("prover")?;
        let length = self.length();
        let w = number(self.cursor.take(length)?);
        ensure(w < n && jacobi(&w, &n) == -1)?;
        ensure((2..1 << 16).all(|divisor: u32| &n % divisor != small(0)))?;
        ensure(small(2).modpow(&(&n - 1_u8), &n) != small(1))?;
        let transcript = self.begin().field("N", self.bytes("prover.N")).field("w", &bytes(&w, length));
        let draw = |kind, index: u64| {
            let mut wide = Vec::new();
            for block in 0..(length + 16).div_ceil(64) as u64 {
                let transcript = transcript.clone().field(kind, &index.to_le_bytes());
                wide.extend(transcript.field("block", &block.to_le_bytes()).wide());
            }
            number(&wide[..length + 16]) % &n
        };
        for index in 0..self.lengths.repetitions as u64 {
            let x = self.read_nonce(&n)?;
            let flags = self.cursor.take(1)?[0];
            ensure(flags < 4)?;
            let y = draw("fourth", index);
            let y = if flags % 2 == 1 { &n - y } else { y };
            let y = if flags >= 2 { y * &w % &n } else { y };
            ensure(x.modpow(&small(4), &n) == y)?;
        }
        for index in 0..8 {
            let z = self.read_nonce(&n)?;
            ensure(z.modpow(&n, &n) == draw("root", index))?;
        }
        self.cursor.is_at_end()
    }
}

fn generator() -> Point {
    let mut one = [0; 32];
    one[31] = 1;
    Secp256k1::mul_base(&Secp256k1::scalar_from_bytes(&one).unwrap())
}

/// (1 + N)^message · nonce^N modulo N².
fn encrypt(n: &BigUint, message: &BigUint, nonce: &BigUint) -> BigUint {
    let square = n * n;
    (n + 1_u8).modpow(message, &square) * nonce.modpow(n, &square) % square
}

/// ciphertext^exponent modulo N².
fn power(ciphertext: &BigUint, exponent: &BigUint, n: &BigUint) -> BigUint {
    ciphertext.modpow(exponent, &(n * n))
}

/// s^value · t^randomness modulo N̂.
fn commit(keys: &Keys, value: &BigUint, randomness: &BigUint) -> BigUint {
    keys.s.modpow(value, &keys.n) * keys.t.modpow(randomness, &keys.n) % &keys.n
}
