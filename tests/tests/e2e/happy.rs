//! Wallets and signatures, when nothing goes wrong.

use quorate_tests::cluster::sign;
use quorate_tests::judge;

use crate::cluster;

#[tokio::test]
async fn three_nodes_make_a_wallet_and_sign_with_it() {
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("first", 2, 3, "ed25519").await;
    let signed = cluster.client(&[1, 2, 3]).sign(sign(&wallet.wallet_id, b"hello")).await.unwrap();
    judge::check("ed25519", b"hello", &signed);
    assert_eq!(signed.public_key, wallet.public_key);
}
