//! A multiplication, by a second receiver.

use std::fs;

use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use num_bigint::BigUint;
use quorate_keys::Secret;
use quorate_oblivious::extension::{self, Extension};
use quorate_oblivious::pprf::{Choosing, Offering, WholeSeeds};
use quorate_oblivious::vole::{self, Multiplication, Multiplied};
use quorate_sharing::{P256, Secp256k1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::bits::{Bits, add, bits, bytes};
use crate::{MULTIPLICATION, Recorded, Replay, SEED, SETUP, file, id, naive_id, recorded, transcript};

fn record<C: Multiplied>() {
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let setup = id(SETUP);
    let (offering, offer) = Offering::new(&setup, &mut rng);
    let (choosing, choices) = Choosing::new(&setup, &mut rng);
    let (whole, corrections) = offering.grow(&choices).unwrap();
    let punctured = choosing.take(&offer).unwrap().correct(&corrections).unwrap();
    // A salt, and the choices.
    let mut choices = vec![0; 16 + 80];
    rng.fill_bytes(&mut choices);
    let (received, extension) = extension::receive(&whole, &id(MULTIPLICATION), &mut Replay(choices.clone()));
    let sent = extension::send(&punctured, &id(MULTIPLICATION), &extension).unwrap();
    let factors = Secret::new([C::random_scalar(&mut rng), C::random_scalar(&mut rng)]);
    let (_, multiplication) = vole::send::<C>(sent, &factors, &mut rng);
    let factor = C::scalar_to_bytes(&vole::factor::<C>(&received));
    let shares = vole::receive::<C>(received, &multiplication).unwrap();
    let recorded = Recorded {
        seeds: borsh::to_vec(&whole).unwrap(),
        choices,
        extension: borsh::to_vec(&extension).unwrap(),
        multiplication: borsh::to_vec(&multiplication).unwrap(),
        factor,
        shares: shares.expose().map(|share| C::scalar_to_bytes(&share)),
    };
    fs::write(file::<C>(), borsh::to_vec(&recorded).unwrap()).unwrap();
}

#[test]
#[ignore = "writes the recorded files anew"]
fn record_anew() {
    record::<Secp256k1>();
    record::<P256>();
}

fn ours_is_as_recorded<C: Multiplied>() {
    let recorded = recorded::<C>();
    let seeds: WholeSeeds = borsh::from_slice(&recorded.seeds).unwrap();
    let (received, extension) =
        extension::receive(&seeds, &id(MULTIPLICATION), &mut Replay(recorded.choices));
    assert_eq!(borsh::to_vec(&extension).unwrap(), recorded.extension);
    let _: Extension = borsh::from_slice(&recorded.extension).unwrap();
    let multiplication: Multiplication = borsh::from_slice(&recorded.multiplication).unwrap();
    assert_eq!(C::scalar_to_bytes(&vole::factor::<C>(&received)), recorded.factor);
    let shares = vole::receive::<C>(received, &multiplication).unwrap();
    assert_eq!(shares.expose().map(|share| C::scalar_to_bytes(&share)), recorded.shares);
}

fn another_agrees<C: Multiplied>(order: &str) {
    let recorded = recorded::<C>();
    let order = BigUint::parse_bytes(order.as_bytes(), 16).unwrap();
    let naive = Naive { id: naive_id(MULTIPLICATION), curve: C::NAME, order };
    let (extension, strings, bits) = naive.extend(&recorded.seeds, &recorded.choices);
    assert!(extension == recorded.extension, "another message");
    let run = transcript("quorate/oblivious/transfers/v1", &[("said", &extension)]);
    let (factor, shares) = naive.multiply(&run[..32], &strings, &bits, &recorded.multiplication).unwrap();
    assert_eq!(factor, recorded.factor);
    assert_eq!(shares, recorded.shares);
    // The salt, a correction, what is compared, the digest, and the name.
    let length = recorded.multiplication.len();
    for place in [0, 40_000, length - 72, length - 40, length - 1] {
        let mut changed = recorded.multiplication.clone();
        changed[place] ^= 1;
        assert_eq!(naive.multiply(&run[..32], &strings, &bits, &changed), None, "byte {place}");
    }
}

#[test]
fn what_was_recorded_is_computed_again() {
    ours_is_as_recorded::<Secp256k1>();
    ours_is_as_recorded::<P256>();
}

#[test]
fn a_second_receiver_agrees() {
    another_agrees::<Secp256k1>("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    another_agrees::<P256>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
}

// --- the second receiver --------------------------------------------------------------------------------------------

struct Naive {
    id: [u8; 32],
    curve: &'static str,
    order: BigUint,
}

fn aes(key: &[u8], block: [u8; 16]) -> [u8; 16] {
    let key = EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, key).unwrap()).unwrap();
    let mut block = block;
    key.encrypt(&mut block).unwrap();
    block
}

/// The product of two polynomials modulo x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1.
fn product(left: &[bool], right: &[bool]) -> Bits {
    let mut product = vec![false; 256];
    for (at, _) in left.iter().enumerate().filter(|(_, bit)| **bit) {
        add(&mut product[at..at + 128], right);
    }
    for at in (128..256).rev() {
        if product[at] {
            for exponent in [128, 127, 126, 121, 0] {
                product[at - 128 + exponent] ^= true;
            }
        }
    }
    product.truncate(128);
    product
}

/// POLYVAL of RFC 8452.
fn polyval(key: &[bool], blocks: &[bool]) -> Bits {
    let mut inverse = vec![false; 128];
    [127, 124, 121, 114, 0].iter().for_each(|exponent| inverse[*exponent] = true);
    let factor = product(key, &inverse);
    blocks.chunks(128).fold(vec![false; 128], |mut sum, block| {
        add(&mut sum, block);
        product(&sum, &factor)
    })
}

impl Naive {
    /// The message, the string of each transfer, and the choices.
    fn extend(&self, seeds: &[u8], choices: &[u8]) -> (Vec<u8>, Vec<Bits>, Bits) {
        let (fingerprint, seeds) = seeds.split_at(32);
        let (salt, choices) = choices.split_at(16);
        let choices = bits(choices);
        let start = &transcript("quorate/oblivious/stretch/v1", &[("id", &self.id), ("salt", salt)])[..16];
        let stretch = |tree: u8, leaf: &[u8]| -> Bits {
            let block = |counter: u8| {
                let mut block: [u8; 16] = start.try_into().unwrap();
                block[0] ^= counter;
                block[1] ^= tree;
                aes(leaf, block)
            };
            (0..5).flat_map(|counter| bits(&block(counter))).collect()
        };
        let mut corrections: Vec<Bits> = Vec::new();
        let mut rows: Vec<Bits> = Vec::new();
        for (tree, leaves) in (0..).zip(seeds.chunks(16 * 16)) {
            let stretched: Vec<Bits> = leaves.chunks(16).map(|leaf| stretch(tree, leaf)).collect();
            let mut correction = choices.clone();
            stretched.iter().for_each(|row| add(&mut correction, row));
            corrections.push(correction);
            for bit in 0..4 {
                let mut row = vec![false; 640];
                for (place, summand) in stretched.iter().enumerate() {
                    if place >> bit & 1 == 1 {
                        add(&mut row, summand);
                    }
                }
                rows.push(row);
            }
        }
        let sent: Vec<u8> = corrections.iter().flat_map(|row| bytes(row)).collect();
        let fields: [(&str, &[u8]); 3] = [("id", &self.id), ("salt", salt), ("corrections", &sent)];
        let key = transcript("quorate/oblivious/check/v1", &fields);
        let key = bits(&key[..16]);
        let hash = |row: &Bits| {
            let mut hash = polyval(&key, &row[..512]);
            add(&mut hash, &row[512..]);
            bytes(&hash)
        };
        let mut hashes = b"quorate/oblivious/rows/v1".to_vec();
        hashes.extend(self.id);
        hashes.extend(rows.iter().flat_map(hash));
        let run = transcript("quorate/oblivious/run/v1", &[("id", &self.id), ("seeds", fingerprint)]);
        let mut message = [&run[..32], salt, &32_u32.to_le_bytes()].concat();
        message.extend(&sent);
        message.extend(hash(&choices));
        message.extend(digest(&SHA256, &hashes).as_ref());
        let strings = (0..512).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
        (message, strings, choices[..512].to_vec())
    }

    /// The random scalar, and the shares of the products; nothing if it was made with other transfers, or the check fails.
    fn multiply(
        &self,
        run: &[u8],
        strings: &[Bits],
        bits: &[bool],
        message: &[u8],
    ) -> Option<([u8; 32], [[u8; 32]; 2])> {
        let (salt, rest) = message.split_at(16);
        let (corrections, rest) = rest[4..].split_at(512 * 96);
        let (checked, rest) = rest.split_at(32);
        let (expected, named) = rest.split_at(32);
        let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes) % &self.order;
        let hashed = digest(&SHA256, corrections);
        let weight = |place: u8| {
            let fields: [(&str, &[u8]); 5] = [
                ("id", &self.id),
                ("curve", self.curve.as_bytes()),
                ("salt", salt),
                ("corrections", hashed.as_ref()),
                ("place", &[place]),
            ];
            number(&transcript("quorate/oblivious/vole/challenge/v1", &fields))
        };
        let weights = [weight(1), weight(2)];
        let mut check = b"quorate/oblivious/vole/check/v1".to_vec();
        check.extend(self.id);
        let zero = BigUint::ZERO;
        let (mut factor, mut shares) = (zero.clone(), [zero.clone(), zero]);
        for (place, string) in strings.iter().enumerate() {
            let mut hashed = b"quorate/oblivious/vole/pad/v1///".to_vec();
            hashed.extend(self.id);
            hashed.extend(salt);
            hashed.extend(u32::try_from(place).unwrap().to_le_bytes());
            hashed.extend(bytes(string));
            let hashed = digest(&SHA256, &hashed);
            let (key, start) = hashed.as_ref().split_at(16);
            let block = |counter: u8| {
                let mut block: [u8; 16] = start.try_into().unwrap();
                block[0] ^= counter;
                aes(key, block)
            };
            let stream: Vec<u8> = (0..9).flat_map(block).collect();
            // Of the curve whose order is close to a power of two, the last 256 bits of 384 are taken.
            let skipped = if self.curve == "secp256k1" { 16 } else { 0 };
            let mut values: Vec<BigUint> = stream.chunks(48).map(|pad| number(&pad[skipped..])).collect();
            if bits[place] {
                for (value, correction) in values.iter_mut().zip(corrections[place * 96..].chunks(32)) {
                    *value += BigUint::from_bytes_be(correction);
                }
            }
            let mut compared = &values[0] * &weights[0] + &values[1] * &weights[1] + &values[2];
            if bits[place] {
                compared += &self.order - number(checked);
            }
            check.extend(self.bytes(&compared));
            let fields: [(&str, &[u8]); 2] =
                [("curve", self.curve.as_bytes()), ("place", &u64::try_from(place).unwrap().to_le_bytes())];
            let gadget = number(&transcript("quorate/oblivious/vole/gadget/v1", &fields));
            shares.iter_mut().zip(&values).for_each(|(share, value)| *share += &gadget * value);
            if bits[place] {
                factor += gadget;
            }
        }
        let holds = named == run && digest(&SHA256, &check).as_ref() == expected;
        holds.then(|| (self.bytes(&factor), shares.map(|share| self.bytes(&share))))
    }

    fn bytes(&self, number: &BigUint) -> [u8; 32] {
        let bytes = (number % &self.order).to_bytes_be();
        let mut padded = [0; 32];
        padded[32 - bytes.len()..].copy_from_slice(&bytes);
        padded
    }
}
