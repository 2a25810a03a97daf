//! What the API answers.
//!
//! Unlike requests, answers may grow: a client ignores fields that it does not know.

use quorate_keys::{Identity, Principal};
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::{Decision, InitiatorChange};
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
    /// Its public key: Ed25519 32 bytes, BIP-340 32 bytes x-only and untweaked, ECDSA 65 bytes uncompressed.
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

/// A message or transaction was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// The wallet that signed.
    pub wallet_id: WalletId,
    /// The signature, 64 bytes; of a transaction that needs several, the first. Of ECDSA it is `r‖s` with low s.
    pub signature: HexArray<64>,
    /// The recovery id of an ECDSA signature: 0 if y of its nonce point is even, 1 if it is odd. Never 2 or 3: a signature whose
    /// r is not x of that point itself is made again. Null where it means nothing.
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

/// An authorizer's word was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalResponse {
    /// The request id of the word.
    pub session_id: RequestId,
    /// The request that it is about.
    pub fingerprint: HexArray<32>,
    /// The authorizer, by its name in the policy.
    pub authorizer: String,
    /// What it has decided.
    pub decision: Decision,
    /// Unix time in seconds until which that holds.
    pub valid_until: u64,
    /// Whether the answering node knows a request of this fingerprint that waits.
    pub known: bool,
}

/// A request that waits for authorizers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// The request: what authorizers approve or reject.
    pub fingerprint: HexArray<32>,
    /// Its id.
    pub session_id: RequestId,
    /// What it asks for.
    pub operation: String,
    /// Who asks: the initiator's name in the policy.
    pub initiator: String,
    /// The wallet that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The request as its client has signed it, in the form in which nodes forward it
    /// ([`SignedRequest::decode`](crate::SignedRequest::decode)): for authorizers to see for themselves what they approve. Only where it
    /// was asked for by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Hex>,
    /// The rule that asks for approvals; absent where the policy does so for all requests of the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many must approve.
    pub threshold: u16,
    /// Names of those who can.
    pub of: Vec<String>,
    /// Names of those who have.
    pub approved_by: Vec<String>,
    /// Names of those who have rejected it.
    pub rejected_by: Vec<String>,
    /// When a client asked last, in milliseconds since 1970.
    pub asked_ms: u64,
}

/// A change of initiators was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitiatorsResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// What was done with the key.
    pub change: InitiatorChange,
    /// The key.
    pub key: Principal,
    /// Whose key it is or was, by the name in the policy; absent if it was nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Names of the authorizers on whose approval it was made.
    pub approved_by: Vec<String>,
    /// Names of the nodes that keep it for good.
    pub known_by: Vec<String>,
    /// Names of the others: they hear of it as soon as they can be reached. Repeat the request to see how many are left.
    pub not_yet_known_by: Vec<String>,
}

/// Whether a key may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InitiatorStatus {
    /// It may.
    Active,
    /// It may not any more, as the policy says.
    Retired,
    /// It may never again, by a change that authorizers have approved.
    Revoked,
}

/// A key that may ask, or might once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitiatorView {
    /// Whose key it is, by the name in the policy; the key itself where there is no policy.
    pub name: String,
    /// The public key.
    pub key: Principal,
    /// Whether it may ask.
    pub status: InitiatorStatus,
    /// Whether it was admitted by a change; the policy, or the configuration, names it otherwise.
    pub admitted: bool,
    /// When it was admitted or revoked by a change, as its request says, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<u64>,
    /// What it may ask for.
    pub operations: Vec<String>,
    /// The wallets that it may ask about, `*` for any characters; absent if it may ask about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallets: Option<Vec<String>>,
    /// The chains whose transactions it may have signed, by their CAIP-2 ids; absent if they are all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chains: Option<Vec<String>>,
}

/// One signature of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureView {
    /// The signature, 64 bytes; of ECDSA `r‖s` with low s.
    pub signature: HexArray<64>,
    /// The recovery id of an ECDSA signature, 0 or 1; null where it means nothing.
    pub recovery_id: Option<u8>,
    /// The key under which it verifies.
    pub public_key: Hex,
}

/// Presignatures were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresignResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// The wallet that they are for.
    pub wallet_id: WalletId,
    /// `completed`.
    pub status: RequestStatus,
    /// Names of the nodes whose halves they are, and which sign with them.
    pub signers: Vec<String>,
    /// How many were made.
    pub made: u16,
    /// How many presignatures of this wallet are ready that the answering node may use.
    pub available: u32,
}

/// Auxiliary information, or the pairs of a wallet, were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxiliaryResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// `completed`.
    pub status: RequestStatus,
    /// The wallet whose pairs were made; none when it was auxiliary information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// Names of the nodes that made theirs.
    pub parties: Vec<String>,
    /// How often it had been made for these nodes before; for pairs, when they were begun in milliseconds since 1970, and in any case more than
    /// for those before them.
    pub epoch: u64,
    /// What all of them hold now, as a digest, or for pairs the session that made them: the same at each of them.
    pub digest: HexArray<32>,
}

/// A wallet's shares were dealt anew. Its key and its addresses are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReshareResponse {
    /// The request that this answers.
    pub session_id: RequestId,
    /// The wallet.
    pub wallet_id: WalletId,
    /// The public key as signatures verify under it.
    pub public_key: Hex,
    /// `completed`.
    pub status: RequestStatus,
    /// The generation of the shares now.
    pub epoch: u64,
    /// The minimum number of signers now.
    pub threshold: u16,
    /// Names of the nodes that hold a share now.
    pub parties: Vec<String>,
}

/// A wallet, as every node may show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletView {
    /// Its name.
    pub wallet_id: WalletId,
    /// `ed25519`, `secp256k1` or `p256`.
    pub curve: String,
    /// The signature scheme: `ed25519`, `bip340`, `ecdsa-secp256k1` or `ecdsa-p256`.
    pub scheme: String,
    /// The signing protocol: `frost`, `cggmp21` or `dkls23`.
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
    /// How many presignatures are ready that the answering node may use; absent for a wallet that needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presignatures: Option<u32>,
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
    /// `keygen`, `sign`, `presign` or `auxiliary`.
    pub operation: String,
    /// How far it has come.
    pub status: RequestStatus,
    /// What is being done, where that takes long, while `running`. A phase that this version does not know is not read.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    pub progress: Option<Progress>,
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
            progress: None,
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

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of it is done.
    pub done: u32,
    /// How much there is to do.
    pub total: u32,
}

/// What is being done for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Auxiliary information of nodes is being made: once, and each time that it is asked for.
    Auxiliary,
    /// Presignatures are being made.
    Presigning,
    /// Nodes sign.
    Signing,
}

/// A phase of a newer node is no reason to understand nothing of the session.
fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Progress>, D::Error> {
    let progress = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(progress.and_then(|progress| serde_json::from_value(progress).ok()))
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
    /// Presignatures.
    Presign(PresignResponse),
    /// Auxiliary information.
    Auxiliary(AuxiliaryResponse),
    /// A wallet at its next epoch.
    Reshare(ReshareResponse),
}

impl SessionResult {
    /// The wallet that it is about, if it is about one.
    pub const fn wallet_id(&self) -> Option<&WalletId> {
        match self {
            Self::Keygen(made) => Some(&made.wallet_id),
            Self::Sign(made) => Some(&made.wallet_id),
            Self::Presign(made) => Some(&made.wallet_id),
            Self::Auxiliary(made) => made.wallet_id.as_ref(),
            Self::Reshare(made) => Some(&made.wallet_id),
        }
    }
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
    /// The wallets in whose signing it cheated the node that answers, which can't show that to others, and does not sign with it there
    /// any more. Only for wallets that sign by DKLS23.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caught: Vec<CaughtView>,
}

/// A wallet in whose signing a node cheated another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtView {
    /// The wallet.
    pub wallet_id: WalletId,
    /// When that was noticed, in milliseconds since 1970 by the clock of the node that answers.
    pub since_ms: u64,
    /// What was wrong. The number is that of the node among the wallet's holders.
    pub reason: String,
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

    #[test]
    fn progress_is_told_where_there_is_some_and_a_newer_phase_is_not_read() {
        let told = |progress: serde_json::Value| {
            let session = serde_json::json!({
                "session_id": "s1", "operation": "presign", "status": "running", "attempt": 1, "progress": progress,
            });
            serde_json::from_value::<SessionView>(session).unwrap().progress
        };
        let progress = Progress { phase: Phase::Presigning, done: 8, total: 100 };
        let json = serde_json::json!({"phase": "presigning", "done": 8, "total": 100});
        assert_eq!(serde_json::to_value(progress).unwrap(), json);
        assert_eq!(told(json), Some(progress));
        assert_eq!(told(serde_json::json!({"phase": "resting", "done": 0, "total": 1})), None);
        assert_eq!(told(serde_json::Value::Null), None);
        let silent = SessionView::new("s1".parse().unwrap(), "sign".into(), RequestStatus::Running);
        assert!(!serde_json::to_string(&silent).unwrap().contains("progress"));
    }

    #[test]
    fn results_of_presigning_and_auxiliary_information_are_told_by_their_names() {
        let (session_id, status): (RequestId, _) = ("s1".parse().unwrap(), RequestStatus::Completed);
        let parties = vec!["node1".to_owned(), "node2".to_owned()];
        let results = [
            SessionResult::Presign(PresignResponse {
                session_id: session_id.clone(),
                wallet_id: "w1".parse().unwrap(),
                status,
                signers: parties.clone(),
                made: 100,
                available: 140,
            }),
            SessionResult::Auxiliary(AuxiliaryResponse {
                wallet_id: None,
                session_id,
                status,
                parties,
                epoch: 2,
                digest: [7; 32].into(),
            }),
        ];
        for (result, name) in results.into_iter().zip(["presign", "auxiliary"]) {
            let json = serde_json::to_value(&result).unwrap();
            assert_eq!(json[name]["session_id"], "s1", "{json}");
            assert_eq!(serde_json::from_value::<SessionResult>(json).unwrap(), result);
        }
    }
}
