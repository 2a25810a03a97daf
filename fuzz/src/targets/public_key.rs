//! Public keys of every scheme, each with a signature: as clients name them, and as they are stored.

use borsh::BorshDeserialize;
use quorate_keys::{PublicKey, Signature, ecdsa};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "public_key", seeds, words: &[], run };

/// Scheme, key, digest of "123400" and a signature, which is valid in ECDSA.
fn seeds() -> Vec<Vec<u8>> {
    let digest = "bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023";
    [
        ["00", "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "", digest, digest],
        ["01", "5866666666666666666666666666666666666666666666666666666666666666", "", digest, digest],
        [
            "02",
            "04782c8ed17e3b2a783b5464f33b09652a71c678e05ec51e84e2bcfc663a3de963",
            "af9acb4280b8c7f7c42f4ef9aba6245ec1ec1712fd38a0fa96418d8cd6aa6152",
            "d035ee1f17fdb0b2681b163e33c359932659990af77dca632012b30b27a057b3",
            "1939d9f3b2858bc13e3474cb50e6a82be44faa71940f876c1cba4c3e989202b6",
        ],
        [
            "03",
            "042927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838",
            "c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e",
            "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18",
            "4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76",
        ],
    ]
    .into_iter()
    .filter_map(|[scheme, x, y, r, s]| hex::decode([scheme, x, y, digest, r, s].concat()).ok())
    .collect()
}

fn run(input: &[u8]) -> Outcome {
    let mut rest = input;
    let key = match PublicKey::deserialize(&mut rest) {
        Ok(key) => key,
        Err(error) => return Outcome::refused(&error),
    };
    let written = borsh::to_vec(&key).unwrap_or_default();
    assert_eq!(input.strip_prefix(written.as_slice()), Some(rest), "one key, one encoding");
    assert_eq!(PublicKey::from_hex(key.scheme(), &key.to_string()), Ok(key));
    assert_eq!(key.compressed().is_some(), key.scheme().signs_digests());
    let Ok((digest, signature)) = <([u8; 32], Signature)>::try_from_slice(rest) else {
        return Outcome::refused(&"no digest and signature");
    };
    let valid = key.verify(&digest, &signature).is_ok();
    if key.scheme().signs_digests() {
        let low = ecdsa::low_s(key.scheme(), &signature);
        assert!(!valid || low == Some(signature), "only a low s is valid");
        assert_eq!(low.and_then(|low| ecdsa::low_s(key.scheme(), &low)), low);
        let overflow = Err(ecdsa::NoRecoveryId::Overflow);
        let id = ecdsa::recovery_id(&key, &digest, &signature);
        assert_eq!(id.is_ok() || id == overflow, valid, "the recovery id is that of a valid signature");
    } else {
        assert_eq!(
            ecdsa::recovery_id(&key, &digest, &signature),
            Err(ecdsa::NoRecoveryId::Scheme(key.scheme()))
        );
    }
    Outcome::accepted()
}
