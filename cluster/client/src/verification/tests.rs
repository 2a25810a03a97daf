//! Answers that are right, and in how many ways they can be wrong.

mod ecdsa;

use quorate_keys::{ChainCode, Curve, GroupKey, derive, taproot};
use quorate_request::{RequestStatus, Tweak, WalletStatus, WalletView};
use secp256k1::{Keypair, Message, Parity, Scalar, Secp256k1, SecretKey};

use super::*;

const CHAIN_CODE: [u8; 32] = [3; 32];

/// A BIP-340 wallet whose private key these tests have.
struct Wallet {
    secret: SecretKey,
    group_key: GroupKey,
}

impl Wallet {
    fn new(seed: u8) -> Self {
        let secret = SecretKey::from_slice(&[seed; 32]).unwrap();
        let public = secret.public_key(&Secp256k1::new()).serialize();
        Self { secret, group_key: GroupKey::from_bytes(Curve::Secp256k1, &public).unwrap() }
    }

    fn public_key(&self) -> PublicKey {
        self.group_key.public_key(Scheme::Bip340).unwrap()
    }

    fn view(&self) -> WalletView {
        WalletView {
            wallet_id: "vault".parse().unwrap(),
            curve: "secp256k1".into(),
            scheme: "bip340".into(),
            protocol: "frost".into(),
            public_key: self.public_key().as_bytes().into(),
            group_key: self.group_key.as_bytes().into(),
            chain_code: CHAIN_CODE.into(),
            addresses: vec![],
            threshold: 2,
            total: 3,
            parties: vec![],
            epoch: 0,
            status: WalletStatus::Active,
            presignatures: None,
        }
    }

    fn pinned(&self) -> PinnedWallet {
        PinnedWallet::of_view(&self.view()).unwrap()
    }

    /// The honest answer to a request for a message of 32 bytes.
    fn answer(&self, request: &SignRequest) -> SignResponse {
        let Ok(Subject::Message(message)) = request.subject() else { panic!("not a message") };
        let path: DerivationPath = request.derivation_path.as_deref().unwrap_or("m").parse().unwrap();
        let derived = derive(&self.group_key, &ChainCode::new(CHAIN_CODE), &path).unwrap();
        let scalar = |bytes| Scalar::from_be_bytes(bytes).unwrap();
        let mut secret = self.secret.add_tweak(&scalar(derived.tweak)).unwrap();
        if let Some(Tweak::Taproot(root)) = &request.tweak {
            let internal = derived.key.public_key(Scheme::Bip340).unwrap();
            let (tweak, _) = taproot::tweak(&internal, root.as_ref().map(|root| root.as_bytes())).unwrap();
            if secret.x_only_public_key(&Secp256k1::new()).1 == Parity::Odd {
                secret = secret.negate();
            }
            secret = secret.add_tweak(&scalar(tweak)).unwrap();
        }
        let pair = Keypair::from_secret_key(&Secp256k1::new(), &secret);
        let digest = Message::from_digest_slice(message).unwrap();
        let signature = Secp256k1::new().sign_schnorr_no_aux_rand(&digest, &pair);
        SignResponse {
            session_id: "order-1".parse().unwrap(),
            wallet_id: "vault".parse().unwrap(),
            signature: signature.serialize().into(),
            recovery_id: None,
            public_key: pair.x_only_public_key().0.serialize().into(),
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
}

/// Requests of each kind: the wallet's own key, a child, an output key, and an output key of a child with scripts.
fn requests(wallet: &PinnedWallet) -> [SignRequest; 4] {
    let request = SignRequest { session_id: Some("order-1".parse().unwrap()), ..wallet.message([7; 32]) };
    let path = Some("m/0/1".to_owned());
    [
        request.clone(),
        SignRequest { derivation_path: path.clone(), ..request.clone() },
        SignRequest { tweak: Some(Tweak::Taproot(None)), ..request.clone() },
        SignRequest { derivation_path: path, tweak: Some(Tweak::Taproot(Some([5; 32].into()))), ..request },
    ]
}

#[test]
fn a_right_answer_to_every_kind_of_request_is_believed() {
    let wallet = Wallet::new(1);
    let pinned = wallet.pinned();
    for request in requests(&pinned) {
        let answer = wallet.answer(&request);
        pinned.expect(&request).unwrap().check(&answer).unwrap();
        assert_eq!(under_stated_key(&request, &answer).unwrap().as_bytes(), answer.public_key.as_bytes());
    }
    let by_name = SignRequest::message("vault".parse().unwrap(), [7; 32]);
    pinned.expect(&by_name).unwrap().check(&wallet.answer(&by_name)).unwrap();
}

#[test]
fn every_wrong_answer_is_refused() {
    let wallet = Wallet::new(1);
    let pinned = wallet.pinned();
    for (number, request) in requests(&pinned).into_iter().enumerate() {
        let expected = pinned.expect(&request).unwrap();
        let right = wallet.answer(&request);
        // A good signature, by another wallet's key.
        let stranger = expected.check(&Wallet::new(2).answer(&request)).unwrap_err();
        assert!(matches!(stranger, Unverified::OtherKey { .. }), "{number}: {stranger}");
        // A good signature, by other keys of this wallet.
        for (other, asked) in requests(&pinned).into_iter().enumerate().filter(|(other, _)| *other != number)
        {
            let error = expected.check(&wallet.answer(&asked)).unwrap_err();
            assert!(matches!(error, Unverified::OtherKey { .. }), "{number}, {other}: {error}");
        }
        // Another message, and a flipped bit.
        let other = SignRequest { message: Some([8; 32].into()), ..request.clone() };
        let mut flipped = *right.signature.as_bytes();
        flipped[40] ^= 1;
        let flipped = SignResponse { signature: flipped.into(), ..right.clone() };
        for wrong in [wallet.answer(&other), flipped] {
            let error = expected.check(&wrong).unwrap_err();
            assert!(matches!(error, Unverified::Signature { .. }), "{number}: {error}");
            let error = under_stated_key(&request, &wrong).unwrap_err();
            assert!(matches!(error, Unverified::Signature { .. }), "{number}: {error}");
        }
        // A signature by the right key that is passed off as that of another one.
        let renamed = SignResponse { public_key: [7; 32].into(), ..right.clone() };
        assert!(matches!(expected.check(&renamed), Err(Unverified::OtherKey { .. })));
        let another = SignResponse { session_id: "order-2".parse().unwrap(), ..right.clone() };
        assert!(matches!(expected.check(&another), Err(Unverified::OtherRequest { .. })));
        let decorated = SignResponse { tx_id: Some("x".into()), ..right };
        assert!(matches!(expected.check(&decorated), Err(Unverified::NotAMessage)));
    }
    let by_name = SignRequest::message("till".parse().unwrap(), [7; 32]);
    let error = pinned.expect(&by_name).unwrap().check(&wallet.answer(&by_name)).unwrap_err();
    assert!(matches!(error, Unverified::OtherWallet { .. }), "{error}");
}

#[test]
fn what_can_t_be_asked_of_a_wallet_is_not_expected() {
    let wallet = Wallet::new(1);
    let pinned = wallet.pinned();
    let refused = |request: SignRequest| pinned.expect(&request).unwrap_err();
    let request = pinned.message([7; 32]);
    let other = SignRequest { public_key: Some([7; 32].into()), ..request.clone() };
    assert!(matches!(refused(other), Unexpectable::OtherWallet { .. }));
    let hardened = SignRequest { derivation_path: Some("m/0'".into()), ..request.clone() };
    assert!(matches!(refused(hardened), Unexpectable::Path(_)));
    assert!(matches!(refused(SignRequest::default()), Unexpectable::Body(_)));

    let bare = PinnedWallet::of_key(wallet.public_key());
    bare.expect(&request).unwrap().check(&wallet.answer(&request)).unwrap();
    let [_, child, output, _] = requests(&pinned);
    bare.expect(&output).unwrap().check(&wallet.answer(&output)).unwrap();
    assert_eq!(bare.expect(&child).unwrap_err(), Unexpectable::NoRoot);
    let ed25519 = PublicKey::from_bytes(Scheme::Ed25519, &ED25519).unwrap();
    let tweaked = SignRequest { public_key: None, ..output };
    assert!(matches!(PinnedWallet::of_key(ed25519).expect(&tweaked), Err(Unexpectable::Key(_))));
}

/// The public key of RFC 8032, test 1.
const ED25519: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
    0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

#[test]
fn a_pinned_wallet_is_kept_as_json_and_never_contradicts_itself() {
    let wallet = Wallet::new(1);
    let pinned = wallet.pinned();
    let json = serde_json::to_string(&pinned).unwrap();
    let key = wallet.public_key();
    let group_key = wallet.group_key;
    let chain_code = "03".repeat(32);
    assert_eq!(
        json,
        format!(
            r#"{{"scheme":"bip340","public_key":"{key}","group_key":"{group_key}","chain_code":"0x{chain_code}"}}"#
        )
    );
    assert_eq!(serde_json::from_str::<PinnedWallet>(&json).unwrap(), pinned);
    let bare = PinnedWallet::of_key(key);
    let short = serde_json::to_string(&bare).unwrap();
    assert_eq!(short, format!(r#"{{"scheme":"bip340","public_key":"{key}"}}"#));
    assert_eq!(serde_json::from_str::<PinnedWallet>(&short).unwrap(), bare);

    let stranger = Wallet::new(2);
    for (from, to) in [
        (key.to_string(), stranger.public_key().to_string()),
        (group_key.to_string(), stranger.group_key.to_string()),
        (key.to_string(), "0x12".to_owned()),
        ("bip340".to_owned(), "ed25519".to_owned()),
        ("bip340".to_owned(), "rsa".to_owned()),
        (r#","chain_code""#.to_owned(), r#","chain""#.to_owned()),
        (format!(r#","chain_code":"0x{chain_code}""#), String::new()),
    ] {
        let changed = json.replace(&from, &to);
        assert_ne!(changed, json, "{from}");
        assert!(serde_json::from_str::<PinnedWallet>(&changed).is_err(), "{changed}");
    }
    let view = WalletView { group_key: stranger.group_key.as_bytes().into(), ..wallet.view() };
    assert_eq!(PinnedWallet::of_view(&view), Err(InvalidWallet::GroupKey));
    let view = WalletView { curve: "ed25519".into(), ..wallet.view() };
    assert!(PinnedWallet::of_view(&view).is_err());
}

#[cfg(feature = "transactions")]
mod transactions {
    use quorate_chains::{Context, Signed, WalletRoot};
    use quorate_keys::{Secret, SigningIdentity};
    use quorate_request::SignatureView;

    use super::*;

    fn key(seed: u8) -> SigningIdentity {
        SigningIdentity::from_seed(&Secret::new([seed; 32]))
    }

    fn root(seed: u8) -> WalletRoot {
        let key = GroupKey::from_bytes(Curve::Ed25519, key(seed).identity().as_bytes()).unwrap();
        WalletRoot { key, chain_code: ChainCode::new(CHAIN_CODE) }
    }

    fn pinned(seed: u8) -> PinnedWallet {
        let view = WalletView {
            curve: "ed25519".into(),
            scheme: "ed25519".into(),
            public_key: key(seed).identity().as_bytes().as_slice().into(),
            group_key: root(seed).key.as_bytes().into(),
            ..Wallet::new(1).view()
        };
        PinnedWallet::of_view(&view).unwrap()
    }

    /// A transfer on Solana from the wallet of this seed, not signed.
    fn transfer(seed: u8, lamports: u64) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend([0; 64]);
        bytes.extend([1, 0, 1, 3]);
        bytes.extend(key(seed).identity().as_bytes());
        bytes.extend(key(9).identity().as_bytes());
        bytes.extend([0; 32]);
        bytes.extend([4; 32]);
        bytes.extend([1, 2, 2, 0, 1, 12, 2, 0, 0, 0]);
        bytes.extend(lamports.to_le_bytes());
        bytes
    }

    /// The honest answer.
    fn answer(seed: u8, transaction: &[u8]) -> SignResponse {
        let chain = quorate_chains::find("solana").unwrap();
        let context = Context::of_wallet(root(seed), Scheme::Ed25519, &DerivationPath::default()).unwrap();
        let prepared = chain.prepare(transaction, &context).unwrap();
        let signature = key(seed).sign(prepared.requests()[0].payload.as_bytes());
        let signed = chain.assemble(&prepared, &[Signature::from_bytes(signature)]).unwrap();
        let Signed::Complete { transaction, id } = signed else { panic!("incomplete") };
        let public_key = Hex::from(key(seed).identity().as_bytes().as_slice());
        let signature = SignatureView { signature: signature.into(), recovery_id: None, public_key };
        SignResponse {
            signature: signature.signature,
            public_key: signature.public_key.clone(),
            signatures: vec![signature],
            signed_transaction: Some(transaction.into()),
            tx_id: Some(id),
            ..Wallet::new(1).answer(&SignRequest::message("vault".parse().unwrap(), [7; 32]))
        }
    }

    #[test]
    fn a_transaction_is_explained_before_it_is_signed_and_every_wrong_answer_refused() {
        let wallet = pinned(1);
        let expected = wallet.expect(&wallet.transaction("solana", transfer(1, 500))).unwrap();
        assert!(expected.explain().unwrap().to_string().contains("0.0000005 SOL"));
        let right = answer(1, &transfer(1, 500));
        expected.check(&right).unwrap();

        let refused = |wrong: SignResponse| expected.check(&wrong).unwrap_err();
        // Signed by this wallet, and pays another sum.
        assert!(matches!(refused(answer(1, &transfer(1, 501))), Unverified::Signatures(_)));
        // Signed by somebody else.
        assert!(matches!(refused(answer(2, &transfer(2, 500))), Unverified::Signatures(_)));
        let missing = SignResponse { signatures: vec![], ..right.clone() };
        assert!(matches!(refused(missing), Unverified::Signatures(_)));
        let twice = [right.signatures.clone(), right.signatures.clone()].concat();
        let too_many = SignResponse { signatures: twice, ..right.clone() };
        assert!(matches!(refused(too_many), Unverified::Signatures(_)));
        let mut flipped = right.clone();
        let mut bytes = *flipped.signature.as_bytes();
        bytes[0] ^= 1;
        flipped.signatures[0].signature = bytes.into();
        assert!(matches!(refused(flipped), Unverified::Signatures(_)));
        // The right signatures around another transaction, or none.
        let other = answer(1, &transfer(1, 501)).signed_transaction;
        for signed_transaction in [other, None] {
            let wrong = SignResponse { signed_transaction, ..right.clone() };
            assert_eq!(refused(wrong), Unverified::OtherTransaction);
        }
        let renamed = SignResponse { public_key: [7; 32].into(), ..right.clone() };
        assert_eq!(refused(renamed), Unverified::OtherKeys);
        let mut renamed = right.clone();
        renamed.signatures[0].public_key = [7; 32].into();
        assert_eq!(refused(renamed), Unverified::OtherKeys);
        for tx_id in [None, Some("another".to_owned())] {
            let wrong = SignResponse { tx_id, ..right.clone() };
            assert_eq!(refused(wrong), Unverified::OtherTransactionId);
        }
    }

    #[test]
    fn a_transaction_that_no_node_would_sign_is_not_expected() {
        let wallet = pinned(1);
        let refused =
            |chain: &str, bytes: Vec<u8>| wallet.expect(&wallet.transaction(chain, bytes)).unwrap_err();
        assert!(matches!(refused("solana", transfer(2, 500)), Unexpectable::Transaction(_)));
        assert!(matches!(refused("solana", vec![1, 2, 3]), Unexpectable::Transaction(_)));
        assert!(matches!(refused("dogecoin", transfer(1, 500)), Unexpectable::Chain(_)));
        let bare = PinnedWallet::of_key(*wallet.public_key());
        let request = wallet.transaction("solana", transfer(1, 500));
        assert_eq!(bare.expect(&request).unwrap_err(), Unexpectable::NoRoot);
    }
}

#[cfg(not(feature = "transactions"))]
#[test]
fn a_transaction_is_not_expected_without_the_chains() {
    let pinned = Wallet::new(1).pinned();
    let request = pinned.transaction("solana", vec![1]);
    assert_eq!(pinned.expect(&request).unwrap_err(), Unexpectable::Subject);
}
