//! RFC 9591 and the Zcash Foundation's Taproot vectors, through real sessions with replayed randomness.

use std::collections::{BTreeMap, VecDeque};

use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, Made, Message, NonceCommitments, Output, Suite};
use quorate_keys::Signature;
use quorate_session::{Action, Envelope, Protocol, Session, Wire, setup_digest};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::Cast;
use rand_core::{CryptoRng, RngCore};
use serde_json::Value;

use crate::wallet::Wallet;
use crate::{outside, party, rng};

/// Gives out what the vector says was drawn, and nothing more.
struct Replay(VecDeque<[u8; 32]>);

impl RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        unreachable!("only whole strings are drawn")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("only whole strings are drawn")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.pop_front().expect("no more randomness in the vector"));
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Replay {}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

fn index(value: &Value) -> PartyIndex {
    party(value["identifier"].as_u64().unwrap().try_into().unwrap())
}

fn number(value: &Value) -> u16 {
    value.as_str().unwrap().parse().unwrap()
}

fn standard<S: Suite>(transport: &[u8]) -> Vec<u8> {
    S::Curve::encode(&S::Curve::clear_cofactor(&S::Curve::decode_uncleared(transport).unwrap()))
}

fn replay<S: Suite>(vector: &str) {
    let vector: Value = serde_json::from_str(vector).unwrap();
    let (config, inputs) = (&vector["config"], &vector["inputs"]);
    let cast = Cast::new(number(&config["MIN_PARTICIPANTS"]), number(&config["MAX_PARTICIPANTS"]), 1);
    let shares = inputs["participant_shares"].as_array().unwrap().iter();
    let secrets = shares.map(|share| (index(share), array(&share["participant_share"]))).collect();
    let key = bytes(&inputs["verifying_key_key"]);
    let wallet = Wallet::from_secrets::<S>(cast.committee(), &key, secrets, &mut rng(1));
    let signers: Vec<u16> =
        inputs["participant_list"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u16).collect();
    assert_eq!(signers.len(), usize::from(number(&config["NUM_PARTICIPANTS"])));
    let message = bytes(&inputs["message"]);
    let first: BTreeMap<_, _> =
        vector["round_one_outputs"]["outputs"].as_array().unwrap().iter().map(|v| (index(v), v)).collect();
    let second: BTreeMap<_, _> =
        vector["round_two_outputs"]["outputs"].as_array().unwrap().iter().map(|v| (index(v), v)).collect();

    // Every signer is the aggregator once: it alone keeps its share to itself.
    let mut compared = 0;
    for aggregator in &signers {
        let setup = wallet.setup(party(*aggregator), &message);
        let digest = setup_digest(&setup.to_wire().unwrap());
        let contexts = cast.agree(&cast.subset(&signers), Frost::<S>::ID, digest, 0, &mut rng(2));
        let mut sessions = BTreeMap::new();
        for (index, context) in contexts {
            let drawn = ["hiding_nonce_randomness", "binding_nonce_randomness"];
            let mut rng = Replay(drawn.iter().map(|name| array(&first[&index][name])).collect());
            let (share, keyring) = (wallet.share(index), cast.keyring(index));
            let session = Session::<Frost<S>>::new(context, setup.clone(), share, keyring, &mut rng).unwrap();
            assert!(rng.0.is_empty());
            sessions.insert(index, session);
        }
        let nothing = &mut Replay(VecDeque::new());
        let mut queue = VecDeque::new();
        let mut result = None;
        loop {
            for (from, session) in &mut sessions {
                while let Some(action) = session.next_action() {
                    match action {
                        Action::Send { to, bytes } => queue.push_back((*from, to, bytes)),
                        Action::Persist(()) => session.persisted(nothing),
                        Action::Done(Output::Signatures(made)) => {
                            result = made.first().copied();
                        }
                        Action::Done(Output::Contributed) => {}
                        Action::Abort(abort) => panic!("{abort}"),
                    }
                }
            }
            let Some((from, to, sent)) = queue.pop_front() else { break };
            let envelope = Envelope::from_wire(&sent).unwrap();
            let part = envelope.broadcast.whole().or(envelope.direct.whole()).unwrap();
            match Message::from_wire(part).unwrap() {
                Message::Commitments(sent) => {
                    let [NonceCommitments { hiding, binding }] = &sent[..] else { panic!("{sent:?}") };
                    assert_eq!(standard::<S>(hiding), bytes(&first[&from]["hiding_nonce_commitment"]));
                    assert_eq!(standard::<S>(binding), bytes(&first[&from]["binding_nonce_commitment"]));
                }
                Message::Shares(shares) => {
                    assert_eq!(shares, [bytes(&second[&from]["sig_share"])]);
                    compared += 1;
                }
            }
            sessions.get_mut(&to).unwrap().receive(from, &sent, nothing);
        }
        let Made { signature, public_key } = result.unwrap();
        assert_eq!(
            signature,
            Signature::from_bytes(bytes(&vector["final_output"]["sig"]).try_into().unwrap())
        );
        outside::verify(&public_key, &message, &signature);
    }
    assert_eq!(compared, signers.len() * (signers.len() - 1));
}

#[test]
fn the_vectors_of_rfc_9591_for_ed25519_pass() {
    replay::<Ed25519Suite>(include_str!("../data/ed25519-vectors.json"));
}

#[test]
fn the_vectors_of_the_zcash_foundation_for_taproot_pass() {
    replay::<Bip340Suite>(include_str!("../data/secp256k1-tr-vectors.json"));
}
