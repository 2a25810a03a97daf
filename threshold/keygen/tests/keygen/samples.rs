//! What releases have stored and sent keeps its meaning.
//!
//! A folder of `tests/data/` holds what one release wrote: a key share, and the certificate, a refusal and evidence of key
//! generations, on each curve.

use std::fs;
use std::path::{Path, PathBuf};

use quorate_keygen::{ACKNOWLEDGE, Certificate, Keygen, Refusal};
use quorate_session::{Evidence, Wire};
use quorate_sharing::{Curve, Ed25519, KeyShare, P256, Secp256k1};

use crate::cast::{five, party, run};
use crate::dealer::Script;
use crate::drive::Group;
use crate::on_every_curve;

on_every_curve!(what_every_release_wrote_is_read_and_written_alike);

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Reads a sample, and checks that it is written as it was.
fn read<C: Curve, T: Wire>(release: &Path, what: &str) -> T {
    let file = release.join(format!("{what}-{}.bin", C::NAME));
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let value = T::from_wire(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(value.to_wire().unwrap(), bytes, "{}", file.display());
    value
}

fn what_every_release_wrote_is_read_and_written_alike<C: Curve>() {
    let releases: Vec<_> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(releases.iter().any(|release| release.ends_with("0.1.0")));
    for release in releases {
        let share = read::<C, KeyShare>(&release, "key_share");
        assert_eq!(share.index(), party(2));
        share.secret_share::<C>().unwrap();
        let certificate = read::<C, Certificate>(&release, "certificate");
        quorate_keygen::certifies(&certificate, share.public()).unwrap();
        let refusal = read::<C, Refusal>(&release, "refusal");
        let member = share.public().committee.member(party(3)).unwrap();
        assert_eq!(refusal.author(certificate.agreement()), Some(member.identity));
        let evidence = read::<C, Evidence>(&release, "evidence");
        let verdict = evidence.judge::<Keygen<C>>().unwrap();
        assert_eq!((verdict.party, &*verdict.finding), (party(4), "sent party 1 a wrong share"));
    }
}

fn write<C: Curve>(release: &Path) {
    let write = |what: &str, bytes: Vec<u8>| {
        fs::write(release.join(format!("{what}-{}.bin", C::NAME)), bytes).unwrap();
    };
    let mut group = Group::<C>::new(&five(), 0, 1);
    group.run();
    let session = &group.sessions[&party(1)];
    let agreement = session.context().agreement().clone();
    let certificate = Certificate::new(agreement, &session.envelopes(ACKNOWLEDGE)).unwrap();
    let refusal = Refusal::promise(certificate.session(), five().identity(party(3)));
    let (_, shares) = group.results();
    let evidence = run::<C>(1, [(4, Script::wrong_for(&[1]))]).evidence(party(1)).clone();
    write("key_share", shares[1].to_wire().unwrap());
    write("certificate", certificate.to_wire().unwrap());
    write("refusal", refusal.to_wire().unwrap());
    write("evidence", evidence.to_wire().unwrap());
}

/// Makes the samples of this release, always the same:
/// `cargo test -p quorate-keygen --test keygen -- --ignored samples`. Those of earlier releases stay as they are.
#[test]
#[ignore = "writes into tests/data"]
fn the_samples_of_this_release_are_written() {
    let release = data().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&release).unwrap();
    write::<Ed25519>(&release);
    write::<Secp256k1>(&release);
    write::<P256>(&release);
}
