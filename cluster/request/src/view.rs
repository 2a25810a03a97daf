//! What the API answers.
//!
//! Unlike requests, answers may grow: a client ignores fields that it does not know.

use quorate_keys::Identity;
use serde::{Deserialize, Serialize};

use crate::error_body::ErrorBody;
use crate::hex_bytes::{Hex, HexArray};
use crate::id::{RequestId, WalletId};

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestStatus {
    /// It is being worked on.
    Running,
    /// It has a result.
    Completed,
    /// It ended without a result.
    Failed,
}

/// How far a wallet has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WalletStatus {
    /// It can sign: all its holders have acknowledged their shares. Before that it is no wallet, and not shown.
    Active,
}

/// A request was taken, and nobody waits for its result: read the session to learn it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The request.
    pub session_id: RequestId,
    /// `running`.
    pub status: RequestStatus,
}

/// A wallet was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeygenResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// The new wallet.
    pub wallet_id: WalletId,
    /// Its public key: Ed25519 32 bytes, BIP-340 32 bytes x-only and untweaked.
    pub public_key: Hex,
    /// Its address on the first main network whose signatures it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `completed`.
    pub status: RequestStatus,
    /// The minimum number of signers.
    pub threshold: u16,
    /// Names of the nodes that hold a share.
    pub parties: Vec<String>,
}

/// A message was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// The wallet that signed.
    pub wallet_id: WalletId,
    /// The signature, 64 bytes; of a transaction that needs several, the first.
    pub signature: HexArray<64>,
    /// The recovery id of an ECDSA signature; null where it means nothing.
    pub recovery_id: Option<u8>,
    /// The key under which the signature verifies: the wallet's, derived and tweaked as asked.
    pub public_key: Hex,
    /// `completed`.
    pub status: RequestStatus,
    /// Names of the nodes that signed.
    pub committee: Vec<String>,
    /// Which attempt succeeded, counted from 1.
    pub attempt: u32,
    /// Names of nodes that were asked in an earlier attempt and stayed silent. That proves nothing.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Names of nodes that are proven to have cheated and were left out.
    #[serde(default)]
    pub culprits: Vec<String>,
    /// All signatures of a transaction, in the order of its inputs or signers; empty for a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureView>,
    /// The transaction with the signatures in it: as the network takes it, or, when somebody else must sign as well, in
    /// the form in which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_transaction: Option<Hex>,
    /// The name under which the network will know the transaction; absent while an input or signer has nothing. What others
    /// have put in is verified only where the adapter can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_id: Option<String>,
}

/// One signature of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureView {
    /// The signature, 64 bytes.
    pub signature: HexArray<64>,
    /// The recovery id of an ECDSA signature; null where it means nothing.
    pub recovery_id: Option<u8>,
    /// The key under which it verifies.
    pub public_key: Hex,
}

/// A wallet, as every node may show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletView {
    /// Its name.
    pub wallet_id: WalletId,
    /// `ed25519` or `secp256k1`.
    pub curve: String,
    /// The signature scheme, e.g. `ed25519` or `bip340`.
    pub scheme: String,
    /// The signing protocol, e.g. `frost`.
    pub protocol: String,
    /// The public key as signatures verify under it.
    pub public_key: Hex,
    /// The whole public point (compressed), which derivation starts from.
    pub group_key: Hex,
    /// The chain code of derivation. Public: with it, anyone can derive public keys of the wallet.
    pub chain_code: HexArray<32>,
    /// Its addresses on the main networks whose signatures it makes.
    #[serde(default)]
    pub addresses: Vec<AddressView>,
    /// The minimum number of signers.
    pub threshold: u16,
    /// The number of nodes that hold a share.
    pub total: u16,
    /// The names of those nodes.
    pub parties: Vec<String>,
    /// The generation of its shares.
    pub epoch: u64,
    /// Can it sign?
    pub status: WalletStatus,
}

/// An address on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// CAIP-2 id of the chain.
    pub chain: String,
    /// The chain's name.
    pub name: String,
    /// The address.
    pub address: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The request.
    pub session_id: RequestId,
    /// `keygen` or `sign`.
    pub operation: String,
    /// How far it has come.
    pub status: RequestStatus,
    /// The wallet, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The current or last attempt, counted from 1; 0 before the first.
    pub attempt: u32,
    /// Names of the nodes of that attempt.
    #[serde(default)]
    pub committee: Vec<String>,
    /// Names of nodes that stayed silent in some attempt.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Names of nodes that are proven to have cheated.
    #[serde(default)]
    pub culprits: Vec<String>,
    /// The result, when `completed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<SessionResult>,
    /// The reason, when `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

impl SessionView {
    /// A request of which no more is known than how far it has come.
    pub fn new(session_id: RequestId, operation: String, status: RequestStatus) -> Self {
        Self {
            session_id,
            operation,
            status,
            wallet_id: None,
            attempt: 0,
            committee: Vec::new(),
            absent: Vec::new(),
            culprits: Vec::new(),
            result: None,
            error: None,
        }
    }
}

/// The result of a request: the very answer that its initiator got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionResult {
    /// A wallet.
    Keygen(KeygenResponse),
    /// A signature.
    Sign(SignResponse),
}

/// A node of the cluster, as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its public identity.
    pub identity: Identity,
    /// Is this the node that answers?
    pub this_node: bool,
    /// Is there a connection? Always true for the node that answers.
    pub connected: bool,
    /// Milliseconds since it was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<u64>,
    /// Frames that wait to be sent to it.
    #[serde(default)]
    pub queued_frames: u64,
    /// Connections in its name that were refused.
    #[serde(default)]
    pub refused_connections: u64,
    /// Is it proven to have cheated, and left out of committees?
    #[serde(default)]
    pub excluded: bool,
}

/// The process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The name of the answering node.
    pub node: String,
    /// The version of its software.
    pub version: String,
}

/// Can the node serve requests? Answered with 200 if so, else with 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Everything below is as it must be.
    pub ready: bool,
    /// Nodes that can be reached, this one included.
    pub reachable: u16,
    /// Nodes of the cluster.
    pub total: u16,
    /// The store takes writes.
    pub store_writable: bool,
    /// What is missing, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_answer_says_null_where_there_is_no_recovery_id() {
        let answer = SignResponse {
            session_id: "s1".parse().unwrap(),
            wallet_id: "w1".parse().unwrap(),
            signature: [1; 64].into(),
            recovery_id: None,
            public_key: [2; 32].into(),
            status: RequestStatus::Completed,
            committee: vec!["node1".into(), "node2".into()],
            attempt: 1,
            absent: vec![],
            culprits: vec![],
            signatures: vec![],
            signed_transaction: None,
            tx_id: None,
        };
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["recovery_id"], serde_json::Value::Null);
        assert_eq!(json["status"], "completed");
        assert_eq!(json["absent"], serde_json::json!([]));
        assert_eq!(json["signature"], format!("0x{}", "01".repeat(64)));
        let session = serde_json::json!({
            "session_id": "s1", "operation": "sign", "status": "completed", "attempt": 1,
            "result": {"sign": json}, "unknown_to_this_version": true,
        });
        let session: SessionView = serde_json::from_value(session).unwrap();
        assert_eq!(session.result, Some(SessionResult::Sign(answer)));
    }
}
