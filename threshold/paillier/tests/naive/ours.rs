//! The crate's verifiers, on a record.

use quorate_keys::Transcript;
use quorate_paillier::proofs::{aff_g, dec, elog, enc_elg, fac, modulus, prm};
use quorate_paillier::{Keys, PublicKeys, Sizes};
use quorate_sharing::{Curve, Secp256k1 as C};

use crate::integers::Point;
use crate::record::Record;

/// Whether a proof is valid.
pub(crate) fn verify(record: &Record, proof: &[u8]) -> bool {
    let verdict = match record.kind.as_str() {
        "enc-elg" => enc_elg(record, proof),
        "aff-g" => aff_g(record, proof),
        "dec" => dec(record, proof),
        "elog" => elog(record, proof),
        "fac" => fac(record, proof),
        "prm" => keys(record, "prover").and_then(|keys| prm::verify(&context(), &keys, proof).ok()),
        "mod" => keys(record, "prover").and_then(|keys| modulus::verify(&context(), &keys, proof).ok()),
        other => panic!("what is {other}"),
    };
    verdict.is_some()
}

pub(crate) fn context() -> Transcript {
    Transcript::new(b"quorate/test/v1").field("prover", &[1]).field("verifier", &[2])
}

fn keys(record: &Record, whose: &str) -> Option<PublicKeys> {
    let sizes = if record.is_full_size { Sizes::STANDARD } else { Sizes::TEST };
    // Where only N counts, the bases are none of the record's.
    let base = |name: &str, other: u8| {
        record.fields.get(&format!("{whose}.{name}")).cloned().unwrap_or_else(|| vec![other])
    };
    PublicKeys::new(sizes, record.field(&format!("{whose}.N")), &base("s", 4), &base("t", 16)).ok()
}

fn point(record: &Record, name: &str) -> Option<Point> {
    C::decode(record.field(name))
}

fn enc_elg(record: &Record, proof: &[u8]) -> Option<()> {
    let (prover, verifier) = (keys(record, "prover")?, keys(record, "verifier")?);
    let statement = enc_elg::Statement::<C> {
        ciphertext: &prover.encryption().ciphertext(record.field("C")).ok()?,
        base: point(record, "A")?,
        left: point(record, "B")?,
        right: point(record, "X")?,
    };
    let claim = enc_elg::verify(&context(), &prover, &verifier, &verifier, &statement, proof).ok()?;
    claim.holds(&prover).then_some(())
}

fn aff_g(record: &Record, proof: &[u8]) -> Option<()> {
    let [receiver, prover, verifier] = ["receiver", "prover", "verifier"].map(|whose| keys(record, whose));
    let (receiver, prover, verifier) = (receiver?, prover?, verifier?);
    let statement = aff_g::Statement::<C> {
        factor: &receiver.encryption().ciphertext(record.field("C")).ok()?,
        product: &receiver.encryption().ciphertext(record.field("D")).ok()?,
        summand: &prover.encryption().ciphertext(record.field("Y")).ok()?,
        point: point(record, "X")?,
    };
    let roles = aff_g::Roles { receiver: &receiver, prover: &prover, verifier: &verifier };
    let [product, summand] = aff_g::verify(&context(), &roles, &verifier, &statement, proof).ok()?;
    (product.holds(&receiver) && summand.holds(&prover)).then_some(())
}

fn dec(record: &Record, proof: &[u8]) -> Option<()> {
    let (prover, verifier) = (keys(record, "prover")?, keys(record, "verifier")?);
    let bits = u64::from_le_bytes(record.field("bits").try_into().ok()?) as usize;
    if bits >= prover.sizes().modulus() {
        return None;
    }
    let statement = dec::Statement::<C> {
        factor: &prover.encryption().ciphertext(record.field("K")).ok()?,
        summand: prover.encryption().ciphertext(record.field("D")).ok()?,
        bits,
        point: point(record, "X")?,
        image: point(record, "S")?,
        generator: point(record, "H")?,
    };
    let claim = dec::verify(&context(), &prover, &verifier, &verifier, &statement, proof).ok()?;
    claim.holds(&prover).then_some(())
}

fn elog(record: &Record, proof: &[u8]) -> Option<()> {
    let statement = elog::Statement::<C> {
        left: point(record, "L")?,
        right: point(record, "M")?,
        base: point(record, "X")?,
        power: point(record, "Y")?,
        generator: point(record, "H")?,
    };
    elog::verify(&context(), &statement, proof).ok()
}

fn fac(record: &Record, proof: &[u8]) -> Option<()> {
    let (prover, verifier) = (keys(record, "prover")?, keys(record, "verifier")?);
    fac::verify::<C>(&context(), &prover, &verifier, &verifier, proof).ok()
}
