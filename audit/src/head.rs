//! Heads: what a log's owner signs, what its peers countersign, and the checkpoints in which both are kept.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, SigningIdentity, Transcript};
use serde::{Deserialize, Serialize};

use crate::event::{CHECKPOINT, Event, OPENED};
use crate::line::{Line, Value};
use crate::text::{EntryHash, HeadSignature, Scope};
use crate::time::Timestamp;

const HEAD: &[u8] = b"quorate/audit/head/v1";
const COUNTERSIGNATURE: &[u8] = b"quorate/audit/countersignature/v1";

/// Where a log stands: the number and hash of its last entry, and so all of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What the log is about.
    pub scope: Scope,
    /// Whose log it is.
    pub owner: Identity,
    /// The number of its last entry.
    pub seq: u64,
    /// The hash of its last entry.
    pub hash: EntryHash,
    /// When the owner says that this was so.
    pub time: Timestamp,
}

impl Head {
    fn transcript(&self, domain: &[u8]) -> Transcript {
        Transcript::new(domain)
            .field("scope", &self.scope.0)
            .field("owner", self.owner.as_bytes())
            .field("seq", &self.seq.to_le_bytes())
            .field("hash", &self.hash.0)
            .field("time", &self.time.millis().to_le_bytes())
    }
}

/// A head with its owner's signature, which may be wrong until [`SignedHead::verify`] has been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// What is signed.
    pub head: Head,
    /// The owner's signature.
    pub signature: HeadSignature,
}

impl SignedHead {
    /// Size of its encoding in bytes.
    pub const BYTES: usize = 32 + 32 + 8 + 32 + 8 + 64;

    /// Signs a head; nothing when it is another's.
    #[must_use]
    pub fn sign(head: Head, owner: &SigningIdentity) -> Option<Self> {
        (owner.identity() == head.owner).then(|| Self::of(head, owner))
    }

    /// Signs a head that is the owner's.
    pub(crate) fn of(head: Head, owner: &SigningIdentity) -> Self {
        Self { head, signature: HeadSignature(owner.sign(&head.transcript(HEAD).digest())) }
    }

    /// Whether the owner that it names has signed it.
    #[must_use]
    pub fn verify(&self) -> bool {
        self.head.owner.verify(&self.head.transcript(HEAD).digest(), &self.signature.0)
    }
}

/// A peer's word that it has seen a head, and none that contradicts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersignature {
    /// Who has seen it.
    pub peer: Identity,
    /// The peer's signature.
    pub signature: HeadSignature,
}

impl Countersignature {
    /// Size of its encoding in bytes.
    pub const BYTES: usize = 32 + 64;

    /// Countersigns a head. The caller has let a [`crate::Witness`] observe it, which found it new or the same.
    #[must_use]
    pub fn sign(head: &Head, peer: &SigningIdentity) -> Self {
        let peer_identity = peer.identity();
        let signature = peer.sign(&Self::digest(head, &peer_identity));
        Self { peer: peer_identity, signature: HeadSignature(signature) }
    }

    /// Whether the peer that it names has countersigned this head.
    #[must_use]
    pub fn verify(&self, head: &Head) -> bool {
        self.peer.verify(&Self::digest(head, &self.peer), &self.signature.0)
    }

    fn digest(head: &Head, peer: &Identity) -> [u8; 32] {
        head.transcript(COUNTERSIGNATURE).field("peer", peer.as_bytes()).digest()
    }
}

/// The first event of a log.
pub(crate) fn opening(owner: &Identity, scope: Scope, log_id: EntryHash) -> Event {
    Event::of_the_log(OPENED).text("owner", owner).text("scope", scope).text("log", log_id)
}

/// Owner and scope of the log that begins with this line.
pub(crate) fn read_opening(line: &Line<'_>) -> Option<(Identity, Scope)> {
    let text = |name: &str| match line.field(name)?.value() {
        Value::Text(text) => Some(text),
        _ => None,
    };
    if line.seq() != 1 || line.event() != OPENED || line.fields().count() != 3 {
        return None;
    }
    text("log")?.parse::<EntryHash>().ok()?;
    Some((text("owner")?.parse().ok()?, text("scope")?.parse().ok()?))
}

/// The event that keeps a signed head, and who countersigned it, in the log itself.
pub(crate) fn checkpoint(signed: &SignedHead, countersignatures: &[Countersignature]) -> Event {
    Event::of_the_log(CHECKPOINT)
        .integer("head_seq", signed.head.seq)
        .text("head_hash", signed.head.hash)
        .text("head_time", signed.head.time)
        .text("signature", signed.signature)
        .list("countersignatures", countersignatures.iter().map(|by| format!("{}:{}", by.peer, by.signature)))
}

/// The signed head and the countersignatures in a checkpoint of this owner's log about this scope. No signature is
/// verified here.
pub(crate) fn read_checkpoint(
    line: &Line<'_>,
    owner: Identity,
    scope: Scope,
) -> Option<(SignedHead, Vec<Countersignature>)> {
    let mut fields = line.fields();
    let mut next = |name: &str| fields.next().filter(|field| field.name == name).map(|field| field.value());
    let Value::Integer(seq) = next("head_seq")? else { return None };
    let Value::Text(hash) = next("head_hash")? else { return None };
    let Value::Text(time) = next("head_time")? else { return None };
    let Value::Text(signature) = next("signature")? else { return None };
    let Value::List(list) = next("countersignatures")? else { return None };
    let seq = u64::try_from(seq).ok()?;
    let head = Head { scope, owner, seq, hash: hash.parse().ok()?, time: time.parse().ok()? };
    let countersignatures = list.iter().map(|text| {
        let (peer, signature) = text.split_once(':')?;
        Some(Countersignature { peer: peer.parse().ok()?, signature: signature.parse().ok()? })
    });
    let countersignatures = countersignatures.collect::<Option<Vec<_>>>()?;
    fields.next().is_none().then_some(())?;
    Some((SignedHead { head, signature: signature.parse().ok()? }, countersignatures))
}

#[cfg(test)]
mod tests {
    use quorate_keys::Secret;

    use super::*;

    fn identity(seed: u8) -> SigningIdentity {
        SigningIdentity::from_seed(&Secret::new([seed; 32]))
    }

    fn head() -> Head {
        Head {
            scope: Scope([3; 32]),
            owner: identity(1).identity(),
            seq: 5,
            hash: EntryHash([4; 32]),
            time: Timestamp::from_millis(1_800_000_000_000).unwrap(),
        }
    }

    #[test]
    fn a_signature_is_over_every_part_of_a_head_and_by_its_owner() {
        assert_eq!(SignedHead::sign(head(), &identity(2)), None);
        let signed = SignedHead::sign(head(), &identity(1)).unwrap();
        assert!(signed.verify());
        let others = [
            Head { scope: Scope([0; 32]), ..head() },
            Head { owner: identity(2).identity(), ..head() },
            Head { seq: 6, ..head() },
            Head { hash: EntryHash([0; 32]), ..head() },
            Head { time: Timestamp::MAX, ..head() },
        ];
        let by_peer = Countersignature::sign(&head(), &identity(2));
        assert!(by_peer.verify(&head()));
        for other in others {
            assert!(!SignedHead { head: other, ..signed }.verify(), "{other:?}");
            assert!(!by_peer.verify(&other), "{other:?}");
        }
        // A signature is no countersignature.
        let own = Countersignature { peer: identity(1).identity(), signature: signed.signature };
        assert!(!own.verify(&head()));
        assert!(!Countersignature { peer: identity(3).identity(), ..by_peer }.verify(&head()));
    }

    #[test]
    fn heads_have_one_encoding_of_a_fixed_size() {
        let signed = SignedHead::sign(head(), &identity(1)).unwrap();
        let bytes = borsh::to_vec(&signed).unwrap();
        assert_eq!(bytes.len(), SignedHead::BYTES);
        assert_eq!(borsh::from_slice::<SignedHead>(&bytes).unwrap(), signed);
        let by_peer = Countersignature::sign(&head(), &identity(2));
        assert_eq!(borsh::to_vec(&by_peer).unwrap().len(), Countersignature::BYTES);
        let json = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<SignedHead>(&json).unwrap(), signed, "{json}");
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let signed = SignedHead::sign(head(), &identity(1)).unwrap();
        let by = [2, 3].map(|seed| Countersignature::sign(&head(), &identity(seed)));
        let mut bytes = Vec::new();
        let event = checkpoint(&signed, &by);
        assert_eq!(event.check(), Ok(()));
        crate::line::encode(&mut bytes, 9, Timestamp::MAX, &event, &EntryHash([0; 32]));
        let line = Line::parse(bytes.strip_suffix(b"\n").unwrap()).unwrap();
        let read = read_checkpoint(&line, head().owner, head().scope).unwrap();
        assert_eq!(read, (signed, by.to_vec()));
    }
}
