//! The official vectors of BIP-32, as far as no private key is needed, and libsecp256k1 as a second judge.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, derive};
use secp256k1::{Scalar, Secp256k1};
use sha2::{Digest, Sha256};

/// Test vectors 1 and 2: an extended public key, the path of non-hardened steps, the extended public key there.
const VECTORS: [(&str, &str, &str); 5] = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        "m/1",
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        "m/2",
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        "m/2/1000000000",
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        "m/0",
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
    (
        "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
        "m/1",
        "xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCWh89LojfZ537wTfunKau47EL2dhHKon",
    ),
];

/// Chain code and key of an extended public key: base58 with a checksum, 78 bytes.
fn parse(xpub: &str) -> (ChainCode, GroupKey) {
    const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0_u8; 82];
    for letter in xpub.chars() {
        let mut carry = ALPHABET.find(letter).unwrap();
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
    }
    let (payload, checksum) = bytes.split_at(78);
    assert_eq!(Sha256::digest(Sha256::digest(payload))[..4], *checksum, "checksum of {xpub}");
    let chain_code = ChainCode::new(payload[13..45].try_into().unwrap());
    (chain_code, GroupKey::from_bytes(Curve::Secp256k1, &payload[45..]).unwrap())
}

#[test]
fn every_public_step_of_bip32_is_found() {
    for (from, path, to) in VECTORS {
        let (chain_code, key) = parse(from);
        let derived = derive(&key, &chain_code, &path.parse().unwrap()).unwrap();
        assert_eq!((derived.chain_code, derived.key), parse(to), "{path} from {from}");
    }
}

proptest! {
    #[test]
    fn libsecp256k1_adds_the_tweak_to_the_same_child(
        secret in prop::array::uniform32(1_u8..),
        chain_code: [u8; 32],
        indices in prop::collection::vec(0_u32..1 << 31, 0..6),
    ) {
        let secp = Secp256k1::new();
        let private = secp256k1::SecretKey::from_slice(&secret).unwrap();
        let key = GroupKey::from_bytes(Curve::Secp256k1, &private.public_key(&secp).serialize()).unwrap();
        let path = DerivationPath::new(indices).unwrap();
        let derived = derive(&key, &ChainCode::new(chain_code), &path).unwrap();
        // What the signers do with their shares, done with the whole key.
        let child = private.add_tweak(&Scalar::from_be_bytes(derived.tweak).unwrap()).unwrap();
        prop_assert_eq!(derived.key.as_bytes(), child.public_key(&secp).serialize());
    }
}
