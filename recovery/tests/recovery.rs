//! Secrets that are split and brought back, and what of it does not work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use quorate_age::{Identity, Recipient};
use quorate_keys::Secret;
use quorate_recovery::{MOST_SECRET, RecoveryError, RecoveryShare, combine, split};
use quorate_sharing::Threshold;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const SECRET: &[u8] = b"open sesame";

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn holders(count: usize) -> (Vec<Identity>, Vec<Recipient>) {
    let identities: Vec<_> = (0..count).map(|place| Identity::generate(&mut rng(place as u64))).collect();
    let recipients = identities.iter().map(Identity::recipient).collect();
    (identities, recipients)
}

fn threshold(number: u16) -> Threshold {
    Threshold::new(number).unwrap()
}

/// The files of so many holders, and their keys.
fn files(need: u16, count: usize, seed: u64) -> (Vec<Identity>, Vec<Vec<u8>>) {
    let (identities, recipients) = holders(count);
    let secret = Secret::new(SECRET.to_vec());
    let files = split(&secret, "node node1", threshold(need), &recipients, &mut rng(seed)).unwrap();
    assert_eq!(files.len(), count);
    (identities, files)
}

fn read(file: &[u8], identity: &Identity) -> Result<RecoveryShare, RecoveryError> {
    RecoveryShare::read(file, std::slice::from_ref(identity))
}

fn shares(need: u16, count: usize, seed: u64) -> Vec<RecoveryShare> {
    let (identities, files) = files(need, count, seed);
    files.iter().zip(&identities).map(|(file, identity)| read(file, identity).unwrap()).collect()
}

fn content(file: &[u8], identity: &Identity) -> Vec<u8> {
    let mut content = Vec::new();
    quorate_age::decrypt(std::slice::from_ref(identity), file).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn back(shares: &[RecoveryShare]) -> Vec<u8> {
    combine(shares).unwrap().expose().clone()
}

#[test]
fn any_of_them_that_are_enough_bring_it_back() {
    for (need, count) in [(2, 2), (2, 3), (3, 5), (64, 64)] {
        let all = shares(need, count, 1);
        let need = usize::from(need);
        for start in 0..=count - need {
            assert_eq!(back(&all[start..start + need]), SECRET);
        }
        assert_eq!(back(&all), SECRET);
        let few = combine(&all[1..need]).unwrap_err();
        assert!(
            matches!(few, RecoveryError::TooFew { have, need: of } if have == need - 1 && of == need),
            "{few}"
        );
    }
    let one = &shares(2, 3, 1)[2];
    let about = (one.of(), one.index().get(), one.threshold().get(), one.holders());
    assert_eq!(about, ("node node1", 3, 2, 3));
    assert!(matches!(combine(&[]), Err(RecoveryError::TooFew { have: 0, .. })));
}

#[test]
fn one_share_twice_is_one_share() {
    let (identities, files) = files(2, 3, 1);
    let twice = [read(&files[0], &identities[0]).unwrap(), read(&files[0], &identities[0]).unwrap()];
    let few = combine(&twice).unwrap_err();
    assert_eq!(few.to_string(), "1 of 2 shares that it takes: 1 more is missing");
}

#[test]
fn a_file_is_its_holders_and_what_is_in_it_can_be_handed_on() {
    let (identities, files) = files(2, 3, 1);
    assert!(matches!(read(&files[0], &identities[1]), Err(RecoveryError::Age(_))));
    let content = content(&files[0], &identities[0]);
    let operator = Identity::generate(&mut rng(77));
    let mut handed = quorate_age::encrypt(&[operator.recipient()], Vec::new(), &mut rng(5)).unwrap();
    handed.write_all(&content).unwrap();
    let handed = read(&handed.finish().unwrap(), &operator).unwrap();
    // Or as it is.
    let plain = RecoveryShare::read(content.as_slice(), &[]).unwrap();
    assert_eq!((plain.index(), handed.index().get()), (handed.index(), 1));
    assert_eq!(back(&[handed, read(&files[2], &identities[2]).unwrap()]), SECRET);
}

#[test]
fn a_share_that_was_altered_is_named_or_brings_nothing_back() {
    let (identities, files) = files(2, 3, 1);
    let genuine = content(&files[0], &identities[0]);
    let other = || read(&files[1], &identities[1]).unwrap();
    for place in 0..genuine.len() {
        let mut altered = genuine.clone();
        altered[place] ^= 1;
        let brought =
            RecoveryShare::read(altered.as_slice(), &[]).and_then(|share| combine(&[share, other()]));
        assert!(brought.is_err(), "byte {place}");
        assert!(RecoveryShare::read(&genuine[..place], &[]).is_err(), "cut at {place}");
    }
    // The share is at the end.
    let mut altered = genuine.clone();
    altered[genuine.len() - 32] ^= 1;
    let wrong = RecoveryShare::read(altered.as_slice(), &[]).unwrap_err();
    assert!(matches!(wrong, RecoveryError::Wrong(index) if index.get() == 1), "{wrong}");
    let longer = [&genuine[..], &[0]].concat();
    assert!(RecoveryShare::read(longer.as_slice(), &[]).is_err());
    let endless = std::io::Read::chain(genuine.as_slice(), std::io::repeat(0));
    assert!(matches!(RecoveryShare::read(endless, &[]), Err(RecoveryError::Malformed("it is too long"))));
}

#[test]
fn shares_that_were_not_made_together_are_told_apart() {
    let (one, other) = (shares(2, 3, 1), shares(2, 3, 2));
    let mixed: Vec<_> = one.into_iter().take(1).chain(other.into_iter().skip(1)).collect();
    assert!(matches!(combine(&mixed), Err(RecoveryError::OtherSet(..))));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_, recipients) = holders(3);
    let try_with = |secret: &[u8], of: &str, need: u16, recipients: &[Recipient]| {
        split(&Secret::new(secret.to_vec()), of, threshold(need), recipients, &mut rng(1)).map(|_| ())
    };
    assert!(try_with(SECRET, "node", 3, &recipients).is_ok());
    assert!(try_with(&[7; MOST_SECRET], "node", 3, &recipients).is_ok());
    for length in [0, MOST_SECRET + 1] {
        let refused = try_with(&vec![7; length], "node", 2, &recipients);
        assert!(matches!(refused, Err(RecoveryError::Length(of)) if of == length));
    }
    for of in ["", "two\nlines", &"n".repeat(257)] {
        assert!(matches!(try_with(SECRET, of, 2, &recipients), Err(RecoveryError::Name)));
    }
    let too_few = try_with(SECRET, "node", 4, &recipients).unwrap_err();
    assert_eq!(too_few.to_string(), "3 holders, of whom 4 have to come together: there have to be 4 to 64");
    assert!(matches!(
        try_with(SECRET, "node", 2, &holders(65).1),
        Err(RecoveryError::Holders { holders: 65, .. })
    ));
    let twice = [&recipients[..], &recipients[1..2]].concat();
    assert!(
        matches!(try_with(SECRET, "node", 2, &twice), Err(RecoveryError::Twice(holder)) if holder == recipients[1])
    );
}

proptest! {
    #[test]
    fn garbage_is_no_share(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let garbage = [b"quorate recovery share 1\n\0".as_slice(), &bytes].concat();
        prop_assert!(RecoveryShare::read(garbage.as_slice(), &[]).is_err());
    }
}
