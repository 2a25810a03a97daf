//! Somebody who answers what a gateway would, always the same.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// RFC 8032, test 1.
const ED25519: &str = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// The generator of secp256k1.
const SECP256K1: &str = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn wallets() -> Vec<Value> {
    let chain_code = format!("0x{}", "11".repeat(32));
    // Addresses that are not the wallet's: nobody is to see them.
    let wrong = json!([{ "chain": "x", "name": "wrong", "address": "thief" }]);
    let parties = ["node1", "node2", "node3"];
    vec![
        json!({ "wallet_id": "taproot", "curve": "secp256k1", "scheme": "bip340", "protocol": "frost",
            "public_key": format!("0x{}", &SECP256K1[4..]), "group_key": SECP256K1, "chain_code": chain_code,
            "addresses": wrong, "threshold": 2, "total": 3, "parties": parties, "epoch": 0, "status": "active" }),
        json!({ "wallet_id": "treasury", "curve": "ed25519", "scheme": "ed25519", "protocol": "frost",
            "public_key": ED25519, "group_key": ED25519, "chain_code": chain_code,
            "addresses": wrong, "threshold": 2, "total": 3, "parties": parties, "epoch": 0, "status": "active" }),
        // A public key that is not the group key's.
        json!({ "wallet_id": "twisted", "curve": "ed25519", "scheme": "ed25519", "protocol": "frost",
            "public_key": format!("0x{}", "22".repeat(32)), "group_key": ED25519, "chain_code": chain_code,
            "addresses": wrong, "threshold": 2, "total": 3, "parties": parties, "epoch": 0, "status": "active" }),
    ]
}

fn answer(path: &str) -> (u16, Value) {
    // RFC 8032, tests 2 and 3.
    let second = "0x3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let third = "0xfc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
    match path {
        "/health" => (200, json!({ "status": "ok", "node": "node1", "version": "0.1.0" })),
        "/ready" => {
            let reasons = ["node3 can't be reached"];
            (
                503,
                json!({ "ready": false, "reachable": 2, "total": 3, "store_writable": true, "reasons": reasons }),
            )
        }
        "/api/v1/nodes" => {
            let node = |name: &str, identity: &str, this: bool, connected: bool| {
                json!({ "name": name, "identity": identity, "this_node": this, "connected": connected,
                    "last_heard_ms": (!this).then_some(if connected { 12 } else { 60_000 }), "queued_frames": 3 })
            };
            let nodes = [
                node("node1", ED25519, true, true),
                node("node2", second, false, true),
                node("node3", third, false, false),
            ];
            (200, json!(nodes))
        }
        "/api/v1/wallets" => (200, json!(wallets()[..2])),
        _ => {
            let wallet = wallets()
                .into_iter()
                .find(|wallet| path.strip_prefix("/api/v1/wallets/") == wallet["wallet_id"].as_str());
            let unknown = json!({ "code": "unknown_wallet", "message": "this node knows no such wallet" });
            wallet.map_or((404, unknown), |wallet| (200, wallet))
        }
    }
}

/// Serves as long as the test runs; gives the address.
pub(crate) fn serve() -> String {
    serve_after(Duration::ZERO)
}

/// Answers so much later.
pub(crate) fn serve_after(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || converse(stream, pause));
        }
    });
    address
}

fn converse(mut stream: TcpStream, pause: Duration) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = answer(path);
    std::thread::sleep(pause);
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).ok();
}
