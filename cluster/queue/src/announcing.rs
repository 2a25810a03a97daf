//! What requests are encrypted to, said and signed by each node.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_age::{Identity as Opener, Recipient};
use quorate_keys::{Identity, Secret, SigningIdentity, Transcript};
use quorate_request::ClusterId;

const KEY: &[u8] = b"quorate/queue/key/v1";
const RECORD: &[u8] = b"quorate/queue/recipient/v1";

/// What a node opens requests by. It is derived from its identity: a node that comes back from a backup of that opens what was
/// encrypted to it before.
#[must_use]
pub fn sealing_identity(signer: &SigningIdentity) -> Opener {
    let seed = signer.seed();
    Opener::from_secret(Secret::new(Transcript::new(KEY).field("seed", seed.expose()).digest()))
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Record {
    recipient: String,
    signature: [u8; 64],
}

fn statement(cluster: &ClusterId, node: &Identity, recipient: &str) -> [u8; 64] {
    Transcript::new(RECORD)
        .field("cluster", cluster.as_bytes())
        .field("node", node.as_bytes())
        .field("recipient", recipient.as_bytes())
        .wide()
}

/// What a node says of itself.
pub(crate) fn record(cluster: &ClusterId, signer: &SigningIdentity) -> Vec<u8> {
    let recipient = sealing_identity(signer).recipient().to_string();
    let signature = signer.sign(&statement(cluster, &signer.identity(), &recipient));
    let mut record = Vec::new();
    // Writing to memory can't fail.
    Record { recipient, signature }.serialize(&mut record).ok();
    record
}

/// What is believed of it.
pub(crate) fn believe(cluster: &ClusterId, node: &Identity, record: &[u8]) -> Option<Recipient> {
    let record: Record = borsh::from_slice(record).ok()?;
    let said = node.verify(&statement(cluster, node, &record.recipient), &record.signature);
    if said { record.recipient.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_believed_of_itself_alone() {
        let [mine, other] = [1, 2].map(|seed| SigningIdentity::from_seed(&Secret::new([seed; 32])));
        let [cluster, elsewhere] = [[3; 32], [4; 32]].map(ClusterId::from_bytes);
        let said = record(&cluster, &mine);
        assert_eq!(believe(&cluster, &mine.identity(), &said), Some(sealing_identity(&mine).recipient()));
        assert_eq!(believe(&cluster, &other.identity(), &said), None);
        assert_eq!(believe(&elsewhere, &mine.identity(), &said), None);
        for at in 0..said.len() {
            let mut altered = said.clone();
            altered[at] ^= 1;
            assert_eq!(believe(&cluster, &mine.identity(), &altered), None, "byte {at}");
        }
        assert_eq!(believe(&cluster, &mine.identity(), &said[..20]), None);
    }
}
