//! Somebody who answers what a gateway would, always the same.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// RFC 8032, test 1.
const ED25519: &str = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// The key of EIP-155's example, compressed and not.
const ECDSA: &str = "0x024bc2a31265153f07e70e0bab08724e6b85e217f8cd628ceb62974247bb493382";
const ECDSA_KEY: &str = "0x044bc2a31265153f07e70e0bab08724e6b85e217f8cd628ceb62974247bb493382\
                         ce28cab79ad7119ee1ad3ebcdb98a16805211530ecc6cfefa1b88e6dff99232a";
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
        json!({ "wallet_id": "till", "curve": "secp256k1", "scheme": "ecdsa-secp256k1", "protocol": "cggmp21",
            "public_key": ECDSA_KEY, "group_key": ECDSA, "chain_code": chain_code, "presignatures": 140,
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

fn running(id: &str, attempt: u32, committee: &[&str], absent: &[&str]) -> Value {
    json!({ "session_id": id, "operation": "sign", "status": "running", "wallet_id": "treasury",
        "attempt": attempt, "committee": committee, "absent": absent })
}

fn signed(id: &str) -> Value {
    let mut view = running(id, 2, &["node1", "node3"], &["node2"]);
    view["status"] = "completed".into();
    view["result"] = json!({ "sign": { "session_id": id, "wallet_id": "treasury",
        "signature": format!("0x{}", "5a".repeat(64)), "recovery_id": null, "public_key": ED25519,
        "status": "completed", "committee": ["node1", "node3"], "attempt": 2, "absent": ["node2"] } });
    view
}

fn made() -> Value {
    json!({ "session_id": "made", "operation": "keygen", "status": "completed", "wallet_id": "treasury",
        "attempt": 1, "committee": ["node1", "node2", "node3"], "result": { "keygen": { "session_id": "made",
        "wallet_id": "treasury", "public_key": ED25519, "status": "completed", "threshold": 2,
        "parties": ["node1", "node2", "node3"] } } })
}

fn failed(id: &str, code: &str, message: &str) -> Value {
    let mut view = running(id, 1, &["node1", "node2"], &[]);
    view["status"] = "failed".into();
    view["error"] = json!({ "code": code, "message": message, "session_id": id });
    view
}

/// What a session's stream brings before it ends: the first one of `cut` too little, and all of `silent`.
fn events(path: &str, before: usize) -> Option<Vec<Value>> {
    let begun = |id| vec![running(id, 0, &[], &[]), running(id, 1, &["node1", "node2"], &[])];
    Some(match (path.strip_prefix("/api/v1/sessions/")?, before) {
        ("cut", 0) => begun("cut"),
        ("cut", _) => {
            let again = running("cut", 1, &["node1", "node2"], &[]);
            vec![again, running("cut", 2, &["node1", "node3"], &["node2"]), signed("cut")]
        }
        ("forgotten", 0) => begun("forgotten"),
        ("made", _) => vec![made()],
        // While somebody waits for the answer.
        ("slow", _) => vec![searching(), presigning(32)],
        ("presigning", _) => {
            let mut ended = presigning(0);
            ended["status"] = "completed".into();
            ended.as_object_mut()?.remove("progress");
            let asked = json!({ "session_id": "presigning", "wallet_id": "till", "count": 100 });
            ended["result"] = json!({ "presign": presigned(&asked).1 });
            vec![searching(), presigning(0), presigning(32), ended]
        }
        ("rotated", _) => {
            let mut ended = searching();
            ended["session_id"] = "rotated".into();
            ended["status"] = "completed".into();
            ended.as_object_mut()?.remove("progress");
            ended["result"] = json!({ "auxiliary": rotated(&json!("rotated"), &json!(["node1", "node2"])) });
            vec![ended]
        }
        ("refused", _) => [begun("refused"), vec![answer(path, &Value::Null).1]].concat(),
        ("late", _) => vec![answer(path, &Value::Null).1],
        _ => return None,
    })
}

/// Auxiliary information is made.
fn searching() -> Value {
    json!({ "session_id": "presigning", "operation": "presign", "status": "running", "attempt": 0, "committee": [],
        "progress": { "phase": "auxiliary", "done": 1, "total": 3 } })
}

/// So many of a hundred presignatures are there.
fn presigning(done: u32) -> Value {
    json!({ "session_id": "presigning", "operation": "presign", "status": "running", "wallet_id": "till",
        "attempt": 1, "committee": ["node1", "node2"],
        "progress": { "phase": "presigning", "done": done, "total": 100 } })
}

fn presigned(asked: &Value) -> (u16, Value) {
    let message = "wallet treasury signs without presignatures";
    match asked["wallet_id"].as_str() {
        Some("till") => {
            let signers = asked.get("signers").cloned().unwrap_or(json!(["node1", "node2"]));
            (
                200,
                json!({ "session_id": asked["session_id"], "wallet_id": "till", "status": "completed",
                "signers": signers, "made": asked["count"], "available": asked["count"].as_u64().unwrap() + 40 }),
            )
        }
        Some("treasury") => (400, json!({ "code": "unsupported_protocol", "message": message })),
        _ => (404, json!({ "code": "unknown_wallet", "message": "this node knows no such wallet" })),
    }
}

fn rotated(session_id: &Value, parties: &Value) -> Value {
    json!({ "session_id": session_id, "status": "completed", "parties": parties, "epoch": 2,
        "digest": format!("0x{}", "5f".repeat(32)) })
}

/// The signature of EIP-155's example, for its hash alone.
fn ecdsa(asked: &Value) -> (u16, Value) {
    let hash = "0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53";
    let signature = "0x28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
                     67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
    let message = "a wallet of ecdsa-secp256k1 signs digests: give the 32 bytes of one as message_hash, instead of message";
    if asked["message_hash"] != hash {
        return (400, json!({ "code": "invalid_message", "message": message }));
    }
    (
        200,
        json!({ "session_id": asked["session_id"], "wallet_id": "till", "signature": signature, "recovery_id": 0,
        "public_key": ECDSA_KEY, "status": "completed", "committee": ["node1", "node2"], "attempt": 1, "absent": [] }),
    )
}

fn answer(path: &str, asked: &Value) -> (u16, Value) {
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
        "/api/v1/keygen?wait=false"
        | "/api/v1/sign?wait=false"
        | "/api/v1/presign?wait=false"
        | "/api/v1/auxiliary?wait=false" => (202, json!({ "session_id": "s1", "status": "running" })),
        "/api/v1/sessions/presigning" => (200, presigning(32)),
        "/api/v1/sessions/running" => (200, running("running", 1, &["node1", "node2"], &[])),
        "/api/v1/sessions/signed" => (200, signed("signed")),
        "/api/v1/sessions/made" => (200, made()),
        "/api/v1/sessions/late" => (200, failed("late", "timed_out", "no result in time")),
        "/api/v1/sessions/refused" => {
            (200, failed("refused", "unknown_wallet", "this node knows no such wallet"))
        }
        path if path.starts_with("/api/v1/sessions/") => {
            (404, json!({ "code": "unknown_session", "message": "this node knows no such session" }))
        }
        "/api/v1/wallets" => (200, json!(wallets()[..3])),
        "/api/v1/sign" if asked["wallet_id"] == "till" => ecdsa(asked),
        "/api/v1/presign" => presigned(asked),
        "/api/v1/auxiliary" => {
            let parties = asked.get("parties").cloned().unwrap_or(json!(["node1", "node2", "node3"]));
            (200, rotated(&asked["session_id"], &parties))
        }
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
    let streams = Arc::new(Mutex::new(HashMap::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let streams = Arc::clone(&streams);
            std::thread::spawn(move || converse(stream, pause, &streams));
        }
    });
    address
}

/// How many streams of each path there were.
type Streams = Mutex<HashMap<String, usize>>;

fn converse(mut stream: TcpStream, pause: Duration, streams: &Streams) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut asked = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut asked).ok();
    let asked = serde_json::from_slice(&asked).unwrap_or_default();
    if head.to_lowercase().contains("accept: text/event-stream") {
        let before = {
            let mut streams = streams.lock().unwrap();
            let count = streams.entry(path.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        if let Some(events) = events(path, before) {
            let mut text =
                "HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_owned();
            text.extend(events.iter().map(|event| format!("event: session\ndata: {event}\n\n")));
            stream.write_all(text.as_bytes()).ok();
            return;
        }
    }
    let (status, body) = answer(path, &asked);
    std::thread::sleep(pause);
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).ok();
}
