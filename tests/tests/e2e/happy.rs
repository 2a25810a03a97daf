//! Wallets and signatures, when nothing goes wrong.

use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, PublicKey, Scheme, derive, taproot};
use quorate_request::{SignRequest, Tweak};
use quorate_tests::cluster::sign;
use quorate_tests::{judge, report};

use crate::{cluster, observed, slow};

const SECTION: &str = "Nothing goes wrong";
const COLUMNS: &[&str] = &["nodes", "wallet", "observed"];

#[tokio::test]
async fn five_nodes_make_wallets_and_sign_with_them() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).setting("allow_minority_threshold", "true").start().await;
    let rounds = if slow() { 10 } else { 1 };
    for (curve, scheme) in [("ed25519", Scheme::Ed25519), ("secp256k1", Scheme::Bip340)] {
        for (threshold, total) in [(3, 5), (5, 5), (2, 5)] {
            for round in 0..rounds {
                let name = format!("{curve}-{threshold}-{total}-{round}");
                let wallet = cluster.wallet(&name, threshold, total, curve).await;
                assert_eq!(wallet.parties.len(), usize::from(total));
                let all = cluster.client(&[5, 4, 3, 2, 1]);
                cluster.known_everywhere(&wallet.wallet_id).await;
                let view = all.wallet(&wallet.wallet_id).await.unwrap();
                assert_eq!((view.threshold, view.total, view.epoch), (threshold, total, 0));

                for message in [b"".as_slice(), b"hello", &[7; 5000]] {
                    let signed = all.sign(sign(&wallet.wallet_id, message)).await.unwrap();
                    judge::check(curve, message, &signed);
                    assert_eq!(signed.public_key, wallet.public_key);
                    assert_eq!((signed.committee.len(), signed.attempt), (usize::from(threshold), 1));
                    assert!(signed.committee.iter().all(|node| wallet.parties.contains(node)));
                }

                let by_key = SignRequest {
                    public_key: Some(wallet.public_key.clone()),
                    message_hash: Some(vec![0x11; 32].into()),
                    signers: Some(wallet.parties[..usize::from(threshold)].to_vec()),
                    derivation_path: Some("m/1/2/3".into()),
                    ..SignRequest::default()
                };
                let signed = all.sign(by_key.clone()).await.unwrap();
                judge::check(curve, &[0x11; 32], &signed);
                assert_eq!(signed.committee, wallet.parties[..usize::from(threshold)]);
                let group = GroupKey::from_bytes(scheme.curve(), view.group_key.as_bytes()).unwrap();
                let path: DerivationPath = "m/1/2/3".parse().unwrap();
                let child = derive(&group, &ChainCode::new(*view.chain_code.as_bytes()), &path).unwrap();
                let child = child.key.public_key(scheme).unwrap();
                assert_eq!(
                    signed.public_key.as_bytes(),
                    child.as_bytes(),
                    "the child key anybody can derive"
                );

                if scheme.curve() == Curve::Secp256k1 {
                    for root in [None, Some([9; 32])] {
                        let tweak = Some(Tweak::Taproot(root.map(Into::into)));
                        let tweaked = SignRequest { tweak, ..sign(&wallet.wallet_id, &[0x22; 32]) };
                        let signed = all.sign(tweaked).await.unwrap();
                        judge::check(curve, &[0x22; 32], &signed);
                        let internal = PublicKey::from_bytes(scheme, wallet.public_key.as_bytes()).unwrap();
                        let (_, output) = taproot::tweak(&internal, root.as_ref()).unwrap();
                        assert_eq!(signed.public_key.as_bytes(), output.as_bytes(), "BIP-341's output key");
                    }
                }
            }
            let judge = if curve == "ed25519" { "AWS-LC" } else { "libsecp256k1, k256" };
            let seen = format!(
                "plain, derived{} signatures accepted by {judge}",
                if curve == "ed25519" { "" } else { ", tweaked" }
            );
            observed(SECTION, &["5", &format!("{scheme} {threshold} of {total}"), &seen]);
        }
    }
    for node in 2..=5 {
        assert_eq!(
            cluster.wallets_of(node).await,
            cluster.wallets_of(1).await,
            "node{node} sees other wallets"
        );
    }
    observed(SECTION, &["5", "t below the majority, allowed by name", "made, and signs"]);
}
