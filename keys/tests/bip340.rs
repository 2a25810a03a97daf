//! The official vectors of BIP-340, through the public API.

use quorate_keys::{PublicKey, Scheme, Signature};

#[test]
fn every_vector_of_bip340_is_judged_as_it_says() {
    let mut judged = 0;
    for line in include_str!("data/bip340.csv").lines().skip(1) {
        let columns: Vec<_> = line.splitn(8, ',').collect();
        let [index, _, key, _, message, signature, expected, comment] = columns[..] else {
            panic!("eight columns: {line}")
        };
        let message = hex::decode(message).unwrap();
        let signature: [u8; 64] = hex::decode(signature).unwrap().try_into().unwrap();
        let valid = PublicKey::from_bytes(Scheme::Bip340, &hex::decode(key).unwrap())
            .is_ok_and(|key| key.verify(&message, &Signature::from_bytes(signature)).is_ok());
        assert_eq!(valid, expected == "TRUE", "vector {index}: {comment}");
        judged += 1;
    }
    assert_eq!(judged, 19);
}
