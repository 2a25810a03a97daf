//! The official vectors of SLIP-0010 for P-256, as far as no private key is needed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use proptest::prelude::*;
use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, derive};

/// Chain code and key, an index, chain code and key of that child: the steps without a mark of test vectors 1 and 2 for
/// nist256p1, and of its derivation retry.
const VECTORS: [([&str; 2], u32, [&str; 2]); 7] = [
    (
        // 1: m/0'
        [
            "3460cea53e6a6bb5fb391eeef3237ffd8724bf0a40e94943c98b83825342ee11",
            "0384610f5ecffe8fda089363a41f56a5c7ffc1d81b59a612d0d649b2d22355590c",
        ],
        1,
        [
            "4187afff1aafa8445010097fb99d23aee9f599450c7bd140b6826ac22ba21d0c",
            "03526c63f8d0b4bbbf9c80df553fe66742df4676b241dabefdef67733e070f6844",
        ],
    ),
    (
        // 1: m/0'/1/2'
        [
            "98c7514f562e64e74170cc3cf304ee1ce54d6b6da4f880f313e8204c2a185318",
            "0359cf160040778a4b14c5f4d7b76e327ccc8c4a6086dd9451b7482b5a4972dda0",
        ],
        2,
        [
            "ba96f776a5c3907d7fd48bde5620ee374d4acfd540378476019eab70790c63a0",
            "029f871f4cb9e1c97f9f4de9ccd0d4a2f2a171110c61178f84430062230833ff20",
        ],
    ),
    (
        // 1: m/0'/1/2'/2
        [
            "ba96f776a5c3907d7fd48bde5620ee374d4acfd540378476019eab70790c63a0",
            "029f871f4cb9e1c97f9f4de9ccd0d4a2f2a171110c61178f84430062230833ff20",
        ],
        1_000_000_000,
        [
            "b9b7b82d326bb9cb5b5b121066feea4eb93d5241103c9e7a18aad40f1dde8059",
            "02216cd26d31147f72427a453c443ed2cde8a1e53c9cc44e5ddf739725413fe3f4",
        ],
    ),
    (
        // 2: m
        [
            "96cd4465a9644e31528eda3592aa35eb39a9527769ce1855beafc1b81055e75d",
            "02c9e16154474b3ed5b38218bb0463e008f89ee03e62d22fdcc8014beab25b48fa",
        ],
        0,
        [
            "84e9c258bb8557a40e0d041115b376dd55eda99c0042ce29e81ebe4efed9b86a",
            "039b6df4bece7b6c81e2adfeea4bcf5c8c8a6e40ea7ffa3cf6e8494c61a1fc82cc",
        ],
    ),
    (
        // 2: m/0/2147483647'
        [
            "f235b2bc5c04606ca9c30027a84f353acf4e4683edbd11f635d0dcc1cd106ea6",
            "02f89c5deb1cae4fedc9905f98ae6cbf6cbab120d8cb85d5bd9a91a72f4c068c76",
        ],
        1,
        [
            "7c0b833106235e452eba79d2bdd58d4086e663bc8cc55e9773d2b5eeda313f3b",
            "03abe0ad54c97c1d654c1852dfdc32d6d3e487e75fa16f0fd6304b9ceae4220c64",
        ],
    ),
    (
        // 2: m/0/2147483647'/1/2147483646'
        [
            "5794e616eadaf33413aa309318a26ee0fd5163b70466de7a4512fd4b1a5c9e6a",
            "03cb8cb067d248691808cd6b5a5a06b48e34ebac4d965cba33e6dc46fe13d9b933",
        ],
        2,
        [
            "3bfb29ee8ac4484f09db09c2079b520ea5616df7820f071a20320366fbe226a7",
            "020ee02e18967237cf62672983b253ee62fa4dd431f8243bfeccdf39dbe181387f",
        ],
    ),
    (
        // Derivation retry: m/28578', where the first hash is not below the order.
        [
            "e94c8ebe30c2250a14713212f6449b20f3329105ea15b652ca5bdfc68f6c65c2",
            "02519b5554a4872e8c9c1c847115363051ec43e93400e030ba3c36b52a3e70a5b7",
        ],
        33_941,
        [
            "9e87fe95031f14736774cd82f25fd885065cb7c358c1edf813c72af535e83071",
            "0235bfee614c0d5b2cae260000bb1d0d84b270099ad790022c1ae0b2e782efe120",
        ],
    ),
];

fn parse([chain_code, key]: [&str; 2]) -> (ChainCode, GroupKey) {
    let key = GroupKey::from_hex(Curve::P256, &format!("0x{key}")).unwrap();
    (format!("0x{chain_code}").parse().unwrap(), key)
}

#[test]
fn every_public_step_of_slip10_is_found() {
    for (from, index, to) in VECTORS {
        let (chain_code, key) = parse(from);
        let derived = derive(&key, &chain_code, &DerivationPath::new(vec![index]).unwrap()).unwrap();
        assert_eq!((derived.chain_code, derived.key), parse(to), "{index} from {from:?}");
    }
}

fn compressed(secret: &p256::SecretKey) -> Vec<u8> {
    secret.public_key().to_encoded_point(true).as_bytes().to_vec()
}

proptest! {
    #[test]
    fn the_tweak_leads_from_the_private_key_to_that_of_the_child(
        secret in prop::array::uniform32(1_u8..255),
        chain_code: [u8; 32],
        indices in prop::collection::vec(0_u32..1 << 31, 0..6),
    ) {
        let private = p256::SecretKey::from_slice(&secret).unwrap();
        let key = GroupKey::from_bytes(Curve::P256, &compressed(&private)).unwrap();
        let path = DerivationPath::new(indices).unwrap();
        let derived = derive(&key, &ChainCode::new(chain_code), &path).unwrap();
        // What the signers do with their shares, done with the whole key.
        let tweak = p256::Scalar::from_repr(derived.tweak.into()).unwrap();
        let child = p256::NonZeroScalar::new(*private.to_nonzero_scalar() + tweak).unwrap();
        prop_assert_eq!(derived.key.as_bytes(), compressed(&child.into()));
    }
}
