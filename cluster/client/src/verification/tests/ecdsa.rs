//! ECDSA: what is signed is a digest, and the recovery id that is answered is the signature's.

use quorate_keys::{ChainCode, Curve, GroupKey, derive};
use quorate_request::{BodyError, RequestStatus};
use secp256k1::{Message, Scalar, Secp256k1, SecretKey};

use super::*;

const CHAIN_CODE: [u8; 32] = [3; 32];

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_slice(&[seed; 32]).unwrap()
}

fn group_key(seed: u8) -> GroupKey {
    let public = secret(seed).public_key(&Secp256k1::new()).serialize();
    GroupKey::from_bytes(Curve::Secp256k1, &public).unwrap()
}

fn pinned(seed: u8) -> PinnedWallet {
    let key = group_key(seed);
    let public_key = key.public_key(Scheme::EcdsaSecp256k1).unwrap();
    let chain_code = hex(&CHAIN_CODE);
    let json = format!(
        r#"{{"scheme":"ecdsa-secp256k1","public_key":"{public_key}","group_key":"{key}","chain_code":"{chain_code}"}}"#
    );
    serde_json::from_str(&json).unwrap()
}

fn hex(bytes: &[u8]) -> Hex {
    bytes.into()
}

/// The answer of a wallet of this seed: libsecp256k1's signature and recovery id.
fn answer(seed: u8, request: &SignRequest) -> SignResponse {
    let Ok(Subject::Message(digest)) = request.subject() else { panic!("not a message") };
    let path: DerivationPath = request.derivation_path.as_deref().unwrap_or("m").parse().unwrap();
    let derived = derive(&group_key(seed), &ChainCode::new(CHAIN_CODE), &path).unwrap();
    let secret = secret(seed).add_tweak(&Scalar::from_be_bytes(derived.tweak).unwrap()).unwrap();
    let digest = Message::from_digest_slice(digest).unwrap();
    let (id, signature) = Secp256k1::new().sign_ecdsa_recoverable(&digest, &secret).serialize_compact();
    SignResponse {
        session_id: "order-1".parse().unwrap(),
        wallet_id: "till".parse().unwrap(),
        signature: signature.into(),
        recovery_id: Some(u8::try_from(id.to_i32()).unwrap()),
        public_key: hex(&secret.public_key(&Secp256k1::new()).serialize_uncompressed()),
        status: RequestStatus::Completed,
        committee: vec![],
        attempt: 1,
        absent: vec![],
        culprits: vec![],
        signatures: vec![],
        signed_transaction: None,
        tx_id: None,
    }
}

#[test]
fn a_right_signature_of_a_digest_is_believed_with_its_own_recovery_id_only() {
    let wallet = pinned(1);
    let mut seen = [0, 0];
    for number in 0..16 {
        let request = wallet.digest([number; 32]);
        for request in
            [request.clone(), SignRequest { derivation_path: Some("m/0/1".into()), ..request.clone() }]
        {
            let expected = wallet.expect(&request).unwrap();
            let right = answer(1, &request);
            expected.check(&right).unwrap();
            under_stated_key(&request, &right).unwrap();
            let id = right.recovery_id.unwrap();
            seen[usize::from(id)] += 1;
            for other in [None, Some(1 - id), Some(2), Some(3), Some(27 + id)] {
                let wrong = SignResponse { recovery_id: other, ..right.clone() };
                let refused = Unverified::RecoveryId { expected: Some(id), answered: other };
                assert_eq!(expected.check(&wrong).unwrap_err(), refused);
                assert_eq!(under_stated_key(&request, &wrong).unwrap_err(), refused);
            }
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[test]
fn wrong_signatures_are_refused() {
    let wallet = pinned(1);
    let request = wallet.digest([7; 32]);
    let expected = wallet.expect(&request).unwrap();
    let right = answer(1, &request);
    let stranger = expected.check(&answer(2, &request)).unwrap_err();
    assert!(matches!(stranger, Unverified::OtherKey { .. }), "{stranger}");
    let other = answer(1, &wallet.digest([8; 32]));
    // n − s: valid to many verifiers, but another signature than the one that was made.
    let mut high = secp256k1::ecdsa::Signature::from_compact(right.signature.as_bytes()).unwrap();
    let mut bytes = high.serialize_compact();
    let s = SecretKey::from_slice(&bytes[32..]).unwrap().negate();
    bytes[32..].copy_from_slice(&s.secret_bytes());
    high = secp256k1::ecdsa::Signature::from_compact(&bytes).unwrap();
    let twin = SignResponse {
        signature: high.serialize_compact().into(),
        recovery_id: right.recovery_id.map(|id| 1 - id),
        ..right
    };
    for wrong in [other, twin] {
        assert!(matches!(expected.check(&wrong), Err(Unverified::Signature { .. })), "{wrong:?}");
        assert!(matches!(under_stated_key(&request, &wrong), Err(Unverified::Signature { .. })));
    }
}

#[test]
fn nothing_but_a_digest_is_expected_of_an_ecdsa_wallet() {
    let wallet = pinned(1);
    // Nobody would say whether 32 bytes are a digest or a message.
    for message in [b"pay Alice".as_slice(), &[7; 32]] {
        let refused = wallet.expect(&wallet.message(message)).unwrap_err();
        assert_eq!(refused, Unexpectable::Body(BodyError::NoDigest(Scheme::EcdsaSecp256k1)));
    }
    // Nor is a signature over a message's bytes one of that message.
    let right = answer(1, &wallet.digest([7; 32]));
    let message = wallet.message([7; 32]);
    assert!(matches!(under_stated_key(&message, &right), Err(Unverified::Signature { .. })));
}

#[test]
fn a_recovery_id_where_there_is_none_is_refused() {
    let bip340 = Wallet::new(1);
    let request = bip340.pinned().message([7; 32]);
    let wrong = SignResponse { recovery_id: Some(0), ..bip340.answer(&request) };
    let refused = Unverified::RecoveryId { expected: None, answered: Some(0) };
    assert_eq!(bip340.pinned().expect(&request).unwrap().check(&wrong).unwrap_err(), refused);
    assert_eq!(refused.to_string(), "it has 0 as recovery id, and the signature's is none");
}

#[test]
fn presignatures_are_asked_for_by_the_wallets_key() {
    let request = pinned(1).presign(20);
    assert_eq!(
        (request.count, request.public_key.as_ref()),
        (20, Some(&hex(pinned(1).public_key().as_bytes())))
    );
    assert!(request.wallet().is_ok());
}

#[cfg(feature = "transactions")]
#[test]
fn the_recovery_id_of_a_transactions_signature_is_checked_too() {
    use quorate_chains::{Context, Signed, WalletRoot};
    use quorate_request::SignatureView;

    let wallet = pinned(1);
    let json = br#"{"type": 2, "chainId": 1, "nonce": 0, "maxPriorityFeePerGas": "1000000000", "maxFeePerGas":
        "30000000000", "gasLimit": 21000, "to": "0x0909090909090909090909090909090909090909", "value": "1", "data": "0x"}"#;
    let request = wallet.transaction("ethereum", json.to_vec());
    let expected = wallet.expect(&request).unwrap();

    let chain = quorate_chains::find("ethereum").unwrap();
    let root = WalletRoot { key: group_key(1), chain_code: ChainCode::new(CHAIN_CODE) };
    let context = Context::of_wallet(root, Scheme::EcdsaSecp256k1, &DerivationPath::default()).unwrap();
    let prepared = chain.prepare(json, &context).unwrap();
    let digest = prepared.requests()[0].payload.as_bytes().try_into().unwrap();
    let made = answer(1, &wallet.digest(digest));
    let signature = Signature::from_bytes(*made.signature.as_bytes());
    let Signed::Complete { transaction, id } = chain.assemble(&prepared, &[signature]).unwrap() else {
        panic!("incomplete")
    };
    let view = SignatureView {
        signature: made.signature,
        recovery_id: made.recovery_id,
        public_key: made.public_key.clone(),
    };
    let right = SignResponse {
        signatures: vec![view.clone()],
        signed_transaction: Some(transaction.into()),
        tx_id: Some(id),
        ..made
    };
    expected.check(&right).unwrap();
    let other = right.recovery_id.map(|id| 1 - id);
    let wrong = SignResponse {
        signatures: vec![SignatureView { recovery_id: other, ..view }],
        recovery_id: other,
        ..right.clone()
    };
    let refused = Unverified::RecoveryId { expected: right.recovery_id, answered: other };
    assert_eq!(expected.check(&wrong).unwrap_err(), refused);
    let wrong = SignResponse { recovery_id: None, ..right };
    assert!(matches!(expected.check(&wrong), Err(Unverified::RecoveryId { .. })));
}
