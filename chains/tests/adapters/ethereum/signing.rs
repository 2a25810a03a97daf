//! What is signed, by which key, and what is made of it.

use quorate_chains::{
    AddressKind, AssembleError, Blame, Context, Payload, PrepareError, Signed, WalletKey, WalletRoot,
};
use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, PublicKey, Scheme, Signature};
use secp256k1::{Scalar, Secp256k1};
use sha3::{Digest, Keccak256};

use super::*;
use crate::library::{assert_accepted, ethereum_element};

#[test]
fn the_example_of_eip_155_is_signed_as_it_stands_there() {
    // ethereum/EIPs, EIPS/eip-155.md, "Example".
    let unsigned =
        unhex("ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080");
    let prepared = prepare(&unsigned).unwrap();
    let digest = unhex("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    assert_eq!(prepared.requests()[0].payload, Payload::Digest(digest.try_into().unwrap()));
    let (transaction, id) = complete(wallet().through(chain("eip155:1"), &unsigned, &wallet().context()));
    let signed = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
    assert_eq!(hex::encode(&transaction), signed);
    assert_eq!(id, format!("0x{}", hex::encode(Keccak256::digest(&transaction))));
}

#[test]
fn transactions_of_the_reference_library_are_signed_as_it_signs_them() {
    let mut chains = std::collections::BTreeSet::new();
    for case in cases("built").into_iter().chain(cases("fee-market")) {
        let Ok(chain) = quorate_chains::find(&case.network()) else { continue };
        let (wallet, context) = (case.wallet(), case.wallet().context());
        // Some of the library's tests have less gas than a transaction takes.
        if chain.prepare(&case.unsigned(), &context).is_err() {
            assert!(case.name.starts_with("eip1559-random"), "{}", case.name);
            continue;
        }
        chains.insert(case.network());
        let json = serde_json::to_vec(&case.tx).unwrap();
        for form in [case.unsigned(), json] {
            let (transaction, id) = complete(wallet.through(chain, &form, &context));
            assert_eq!(transaction, case.signed(), "{}", case.name);
            assert_eq!(id, format!("0x{}", hex::encode(Keccak256::digest(&transaction))));
        }
    }
    assert!(chains.len() > 6, "{chains:?}");
    let of_the_library = |name: &str| chains.contains(name);
    assert!(["eip155:1", "eip155:10", "eip155:56", "eip155:137"].into_iter().all(of_the_library));
}

#[test]
fn addresses_are_those_of_the_reference_library() {
    for case in cases("legacy").into_iter().chain(cases("fee-market")).chain(cases("built")) {
        for network in ["ethereum", "sepolia", "lux-c", "base"] {
            let address = chain(network).address(&case.wallet().key(), AddressKind::Default).unwrap();
            assert_eq!(address.to_lowercase(), case.address.to_lowercase());
            assert_eq!(chain(network).check_address(&address), Ok(()));
        }
    }
    let address = chain("ethereum").address(&wallet().key(), AddressKind::Default).unwrap();
    assert_eq!(address, "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
    let tree = AddressKind::Taproot { merkle_root: [0; 32] };
    assert_eq!(chain("ethereum").address(&wallet().key(), tree).unwrap_err().code(), "wrong_address_kind");
}

#[test]
fn addresses_with_a_wrong_checksum_are_none() {
    let ethereum = chain("ethereum");
    let address = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
    let upper = format!("0x{}", address[2..].to_uppercase());
    for good in [address, &address.to_lowercase(), &upper, "0x0000000000000000000000000000000000000000"] {
        assert_eq!(ethereum.check_address(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "0x",
        &address[2..],
        &address.replace("8A", "8a"),
        &address.replace("0x", "0X"),
        &address[..41],
        &format!("{address}0"),
        "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4g",
        "vitalik.eth",
        "bc1p2wsldez5mud2yam29q22wgfh9439spgduvct83k3pm50fcxa5dps59h4z5",
        &"0".repeat(100_000),
    ] {
        assert_eq!(ethereum.check_address(bad).unwrap_err().code(), "invalid_address", "{bad:.50}");
    }
}

#[test]
fn the_number_of_all_main_networks_names_none_of_them() {
    for number in ["60", "slip44:60"] {
        let error = quorate_chains::find(number).unwrap_err();
        assert_eq!(error.code(), "ambiguous_chain");
        let text = error.to_string();
        for name in ["eip155:1 (Ethereum)", "eip155:96369 (Lux C)", "eip155:8453 (Base)"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(!text.contains("Sepolia"), "{text}");
    }
}

#[test]
fn keys_of_another_scheme_are_the_callers_fault() {
    let tx = case("transfer").unsigned();
    for key in [Wallet::bitcoin([7; 32]), Wallet::solana(7)] {
        let error = chain("ethereum").prepare(&tx, &key.context()).unwrap_err();
        assert_eq!((error.code(), error.blame()), ("wrong_scheme", Blame::Caller));
        let error = chain("ethereum").address(&key.key(), AddressKind::Default).unwrap_err();
        assert_eq!(error.code(), "wrong_scheme");
    }
    for (other, tx) in [("bitcoin", &tx), ("solana", &tx)] {
        assert_eq!(chain(other).prepare(tx, &wallet().context()).unwrap_err().code(), "wrong_scheme");
    }
}

/// Keys at two paths, the second with the key of the examples.
fn two_keys() -> Context {
    let keys = [Wallet::ethereum([9; 32]), wallet()];
    let key = |(index, wallet): (usize, &Wallet)| WalletKey {
        path: format!("m/0/{index}").parse().unwrap(),
        key: wallet.key(),
    };
    Context::with_keys(keys.iter().enumerate().map(key).collect())
}

#[test]
fn the_sender_is_the_one_key_or_the_one_that_from_names() {
    let ethereum = chain("ethereum");
    let tx = case("transfer").unsigned();
    let error = ethereum.prepare(&tx, &two_keys()).unwrap_err();
    assert_eq!((error.code(), error.blame()), ("ambiguous_signer", Blame::Caller));
    assert_eq!(ethereum.prepare(&tx, &Context::with_keys(vec![])), Err(PrepareError::NotOurs));

    let from = |address: &str, context: &Context| {
        let mut object = object();
        object["from"] = address.into();
        ethereum.prepare(&serde_json::to_vec(&object).unwrap(), context)
    };
    let own = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
    let prepared = from(own, &two_keys()).unwrap();
    let [request] = prepared.requests() else { panic!("not one request") };
    assert_eq!((request.path.to_string().as_str(), request.key), ("m/0/1", wallet().key()));
    assert_eq!(prepared.explain().transfers[0].from[0].address, own);
    assert!(from(&own.to_lowercase(), &two_keys()).is_ok());
    let signature = wallet().sign(request);
    let (signed, _) = complete(ethereum.assemble(&prepared, &[signature]).unwrap());
    assert_eq!(signed, case("transfer").signed());

    let stranger = "0x3535353535353535353535353535353535353535";
    assert_eq!(from(stranger, &two_keys()), Err(PrepareError::NotOurs));
    assert_eq!(from(stranger, &wallet().context()), Err(PrepareError::NotOurs));
    assert!(from(own, &wallet().context()).is_ok());
    assert_eq!(code(from(&own.replace("8A", "8a"), &two_keys())), "malformed_transaction");

    // One key at two paths is one sender.
    let mut twice = two_keys();
    twice.keys[0].key = twice.keys[1].key;
    assert_eq!(ethereum.prepare(&tx, &twice).unwrap().requests()[0].path.to_string(), "m/0/0");
}

#[test]
fn a_child_of_the_wallet_signs_from_its_own_address() {
    let secret = secp256k1::SecretKey::from_slice(&[0x46; 32]).unwrap();
    let key = GroupKey::from_bytes(Curve::Secp256k1, &secret.public_key(&Secp256k1::new()).serialize());
    let root = WalletRoot { key: key.unwrap(), chain_code: ChainCode::new([3; 32]) };
    let path: DerivationPath = "m/1/2".parse().unwrap();
    let tweak = quorate_keys::derive(&root.key, &root.chain_code, &path).unwrap().tweak;
    let child = secret.add_tweak(&Scalar::from_be_bytes(tweak).unwrap()).unwrap();
    let child = Wallet::ethereum(child.secret_bytes());
    let context = Context::of_wallet(root, Scheme::EcdsaSecp256k1, &path).unwrap();
    let ethereum = chain("ethereum");
    let tx = case("transfer").unsigned();
    let prepared = ethereum.prepare(&tx, &context).unwrap();
    assert_eq!((&prepared.requests()[0].path, prepared.requests()[0].key), (&path, child.key()));
    let address = ethereum.address(&child.key(), AddressKind::Default).unwrap();
    assert_eq!(prepared.explain().transfers[0].from[0].address, address);
    let (signed, _) = complete(child.through(ethereum, &tx, &context));
    let element = ethereum_element(&signed, &address, None);
    assert_accepted(&["of a child".to_owned()], &[element]);
    // Not by the wallet's own key, which is another sender.
    let own = wallet().sign(&ethereum.prepare(&tx, &wallet().context()).unwrap().requests()[0]);
    assert_eq!(ethereum.assemble(&prepared, &[own]), Err(AssembleError::Signature { index: 0 }));
}

#[test]
fn assembling_takes_exactly_the_valid_signature() {
    for name in ["legacy transfer", "transfer"] {
        let prepared = prepare(&case(name).unsigned()).unwrap();
        let good = wallet().sign(&prepared.requests()[0]);
        let assemble = |signatures: &[Signature]| chain("ethereum").assemble(&prepared, signatures);
        assert_eq!(assemble(&[]), Err(AssembleError::Count { needed: 1, got: 0 }));
        assert_eq!(assemble(&[good, good]), Err(AssembleError::Count { needed: 1, got: 2 }));
        for (bit, bad) in flips(good.as_bytes()) {
            let error = assemble(&[Signature::from_bytes(bad.try_into().unwrap())]).unwrap_err();
            assert_eq!(error, AssembleError::Signature { index: 0 }, "bit {bit}");
        }
        for bad in [[0; 64], [0xFF; 64]] {
            let error = assemble(&[Signature::from_bytes(bad)]);
            assert_eq!(error, Err(AssembleError::Signature { index: 0 }));
        }
        let elsewhere = chain("sepolia").assemble(&prepared, &[good]).unwrap_err();
        assert_eq!(elsewhere.code(), "wrong_network");
        assert!(assemble(&[good]).is_ok());
    }
}

#[test]
fn a_signature_with_high_s_is_refused() {
    // The order of the group.
    let order = unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let prepared = prepare(&case("transfer").unsigned()).unwrap();
    let good = wallet().sign(&prepared.requests()[0]);
    let mut twin = *good.as_bytes();
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(good.as_bytes()[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        twin[32 + at] = digit.rem_euclid(256) as u8;
    }
    let twin = Signature::from_bytes(twin);
    // It is the other signature of the same key and digest.
    assert_eq!(quorate_keys::ecdsa::low_s(Scheme::EcdsaSecp256k1, &twin), Some(good));
    let refused = chain("ethereum").assemble(&prepared, &[twin]);
    assert_eq!(refused, Err(AssembleError::Signature { index: 0 }));
}

#[test]
fn a_valid_signature_from_which_no_key_is_recovered_is_refused() {
    // A point whose x is the order and a little more, so that r is that little: any s fits, for the right key.
    let secp = Secp256k1::new();
    let (r, point) = (1..100_u8)
        .find_map(|r| {
            let mut x = unhex("02fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
            x[32] += r;
            Some((r, secp256k1::PublicKey::from_slice(&x).ok()?))
        })
        .unwrap();
    let tx = case("transfer").unsigned();
    let digest: [u8; 32] = Keccak256::digest(&tx).into();
    let scalar = |bytes: [u8; 32]| Scalar::from_be_bytes(bytes).unwrap();
    let small = |number: u8| {
        let mut bytes = [0; 32];
        bytes[31] = number;
        bytes
    };
    // key = (s·R − z·G) / r, with s = r·5 for an easy division: 5·R − (z / r)·G.
    let z = secp256k1::SecretKey::from_slice(&digest).unwrap();
    let inverse = inverse_of(r);
    let z_by_r = z.mul_tweak(&scalar(inverse)).unwrap().public_key(&secp);
    let key = point.mul_tweak(&secp, &scalar(small(5))).unwrap();
    let key = key.combine(&z_by_r.negate(&secp)).unwrap();
    let key = PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &key.serialize_uncompressed()).unwrap();
    let mut signature = [0; 64];
    signature[31] = r;
    signature[62..].copy_from_slice(&(u16::from(r) * 5).to_be_bytes());
    let signature = Signature::from_bytes(signature);

    let prepared = chain("ethereum").prepare(&tx, &Context::new(key)).unwrap();
    assert_eq!(prepared.requests()[0].verify(&signature), Ok(()));
    let error = chain("ethereum").assemble(&prepared, &[signature]).unwrap_err();
    assert_eq!((error.code(), error.blame()), ("signature_not_recoverable", Blame::Signer));
}

/// 1 / number modulo the group order, by Fermat: libsecp256k1 multiplies.
fn inverse_of(number: u8) -> [u8; 32] {
    let mut exponent = unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    exponent[31] -= 2;
    let mut base = [0; 32];
    base[31] = number;
    let base = Scalar::from_be_bytes(base).unwrap();
    let mut one = [0; 32];
    one[31] = 1;
    let mut power = secp256k1::SecretKey::from_slice(&one).unwrap();
    for bit in 0..256 {
        power = power.mul_tweak(&Scalar::from(power)).unwrap();
        if exponent[bit / 8] & (0x80 >> (bit % 8)) != 0 {
            power = power.mul_tweak(&base).unwrap();
        }
    }
    power.secret_bytes()
}

#[test]
fn json_stays_what_it_was_until_it_is_assembled() {
    let context = wallet().context();
    let tx = serde_json::to_vec(&object()).unwrap();
    let Signed::Complete { transaction, .. } = wallet().through(chain("ethereum"), &tx, &context) else {
        panic!("not complete")
    };
    assert_eq!(transaction, case("transfer").signed());
}
