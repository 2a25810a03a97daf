//! The client against a node behind a proxy that terminates TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod support;
#[path = "support/tls_proxy.rs"]
mod tls_proxy;

use std::sync::Arc;

use quorate_client::{
    Authorities, AuthoritiesError, Client, ClientError, Curve, KeygenRequest, RetryPolicy, Uri,
};
use support::*;
use tls_proxy::Authority;

fn client_of(endpoint: &Uri, authorities: Authorities) -> Client {
    let policy = RetryPolicy { attempts: 1, ..quick() };
    let builder = Client::builder(vec![endpoint.clone()]).policy(policy).authorities(authorities);
    builder.signing(CLUSTER, initiator()).unwrap()
}

async fn why_not(client: &Client) -> String {
    match client.wallets().await.unwrap_err() {
        ClientError::Unreachable { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_node_behind_tls_is_asked_when_its_authority_is_trusted() {
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    let authority = Authority::new();
    let endpoint: Uri = authority.proxy("127.0.0.1", node.address).await.parse().unwrap();
    let trusted = client_of(&endpoint, Authorities::from_file(authority.file()).unwrap());
    let made = trusted.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await.unwrap();
    assert_eq!(trusted.wallet(&made.wallet_id).await.unwrap().wallet_id, made.wallet_id);
    assert!(trusted.ready().await.unwrap().ready);

    // A name instead of an address.
    let named = authority.proxy("localhost", node.address).await.replace("127.0.0.1", "localhost");
    let named = client_of(&named.parse().unwrap(), Authorities::from_file(authority.file()).unwrap());
    assert_eq!(named.wallets().await.unwrap().len(), 1);

    // Plain and TLS, side by side.
    let both = Client::builder(vec![dead_end().await, endpoint]);
    let both = both.policy(quick()).authorities(Authorities::from_file(authority.file()).unwrap());
    assert_eq!(both.signing(CLUSTER, initiator()).unwrap().wallets().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_else_is_believed_to_be_the_node() {
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    let authority = Authority::new();
    let right: Uri = authority.proxy("127.0.0.1", node.address).await.parse().unwrap();
    let other_name = authority.proxy("node1.example", node.address).await.parse().unwrap();
    let own = || Authorities::from_file(authority.file()).unwrap();
    let stranger = Authorities::from_file(Authority::new().file()).unwrap();

    let unknown = why_not(&client_of(&right, stranger)).await;
    assert!(unknown.ends_with("its certificate is of no authority that is trusted here"), "{unknown}");
    let misnamed = why_not(&client_of(&other_name, own())).await;
    assert!(misnamed.contains("certificate not valid for name \"127.0.0.1\""), "{misnamed}");
    let plain = format!("https://{}", node.address).parse().unwrap();
    let plain = why_not(&client_of(&plain, own())).await;
    assert!(plain.ends_with("it does not speak TLS: is it http://?"), "{plain}");
    for reason in [unknown, misnamed, plain] {
        assert!(reason.starts_with("client error (Connect): "), "nothing was sent: {reason}");
    }
    // TLS, asked for in plain.
    let address = right.to_string().replace("https", "http").parse().unwrap();
    assert!(client_of(&address, own()).wallets().await.is_err());
    assert_eq!(*node.asked.lock().unwrap(), 0);
}

#[test]
fn a_file_that_holds_no_authority_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    assert!(matches!(Authorities::from_file(&file), Err(AuthoritiesError::Io { .. })));
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let cut_off = std::fs::read_to_string(Authority::new().file()).unwrap().replace("-----END", "");
    for content in [String::new(), "no certificate".to_owned(), key, garbage, cut_off] {
        std::fs::write(&file, &content).unwrap();
        let error = Authorities::from_file(&file).unwrap_err();
        assert!(matches!(error, AuthoritiesError::Invalid { .. }), "{content:?}: {error}");
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
