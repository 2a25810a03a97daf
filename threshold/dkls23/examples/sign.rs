//! Threshold ECDSA with this crate and those below it, without a node: two of three parties sign, and one that cheats is banned.
//!
//! ```text
//! cargo run --release -p quorate-dkls23 --example sign
//! ```
//!
//! All parties are in this one program. Elsewhere each is on a server of its own, with a network in place of the queue in [`Cluster::run`] and an
//! encrypted disk in place of [`Disk`].
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::mem::take;
use std::sync::Arc;

use quorate_dkls23::pairs::{self, Pairs, PairsProtocol, SharedPairs};
use quorate_dkls23::presign::{Presign, PresignSecret, PresignSetup};
use quorate_dkls23::sign::{Online, OnlineSetup, OnlineTask, Sign, SignSetup, SignTask};
use quorate_dkls23::{Presignatures, PublicPresignature};
use quorate_keygen::Keygen;
use quorate_keys::SigningIdentity;
use quorate_session::{
    Abort, Accepted, Action, Envelope, IdentityVerifier, Keyring, Made, Output, Part, Proposal, Proposing,
    Protocol, ProtocolId, Session, SessionContext, SignedProposal, Wire, WireError, setup_digest,
};
use quorate_sharing::{Committee, KeyShare, Member, PartyIndex, Secp256k1, Threshold};
use rand_core::OsRng;

/// P-256 signs just so.
type Curve = Secp256k1;

type Attempt<T> = Result<T, Box<dyn Error>>;

/// How each party has ended.
type Results<T> = BTreeMap<PartyIndex, Result<T, Abort>>;

/// What a party keeps, whatever happens to it. All but the bans is secret.
#[derive(Default)]
struct Disk {
    share: Vec<u8>,
    pairs: Vec<u8>,
    presignatures: Vec<u8>,
    /// With whom this party does nothing any more with these pairs: a ban ends when all holders make new ones.
    banned: BTreeSet<PartyIndex>,
}

struct Party {
    identity: Arc<SigningIdentity>,
    disk: Disk,
    /// One object for all sessions of the process.
    pairs: Option<Arc<SharedPairs>>,
}

impl Party {
    /// When its process starts.
    fn start(&mut self) -> Result<(), WireError> {
        let pairs = Pairs::from_wire(&self.disk.pairs)?;
        self.pairs = Some(Arc::new(SharedPairs::new(pairs, self.disk.banned.iter().copied())));
        Ok(())
    }

    /// What it brings to a session that multiplies.
    fn secret(&mut self) -> Attempt<PresignSecret> {
        let pairs = self.pairs.clone().ok_or("it has not started")?;
        Ok(PresignSecret { share: KeyShare::from_wire(&self.disk.share)?, pairs })
    }
}

struct Cluster {
    committee: Committee,
    parties: BTreeMap<PartyIndex, Party>,
    /// Who changes what it sends in its first round.
    cheater: Option<PartyIndex>,
}

fn main() -> Attempt<()> {
    let (one, two, three) = (PartyIndex::new(1)?, PartyIndex::new(2)?, PartyIndex::new(3)?);
    let mut cluster = Cluster::new(2, &[one, two, three])?;
    let all = cluster.committee.clone();

    // Once for a wallet: the key, and pairs of all that hold it. A party stores its part before it acknowledges it.
    let made = cluster.run::<Keygen<Curve>>(
        &all,
        &(),
        |_| Ok(()),
        |disk, share| {
            disk.share = share.to_wire()?;
            Ok(())
        },
    )?;
    let key = result(made, one)?.public().clone();
    println!("key generation: {} of {}", all.threshold().get(), all.len());

    let setup = pairs::Setup { key: key.clone() };
    let made = cluster.run::<PairsProtocol>(
        &all,
        &setup,
        |_| Ok(()),
        |disk, pairs| {
            disk.pairs = pairs.to_wire()?;
            Ok(())
        },
    )?;
    let pairs = result(made, one)?.public().clone();
    cluster.parties.values_mut().try_for_each(Party::start)?;
    println!("pairs: stored by all");

    // Whenever something is to be signed: any two, in one session.
    let task = SignTask { digest: [7; 32], path: "m/0".parse()? };
    let sign = |aggregator| SignSetup {
        key: key.clone(),
        pairs: pairs.clone(),
        aggregator,
        tasks: vec![task.clone()],
    };
    let made = cluster.sign(&[one, two], &sign(one))?;
    verify("parties 1 and 2 sign in one session", &task, result(made, one)?)?;

    // Or in two: everything but the last message before it is known what to sign.
    let setup = PresignSetup { key: key.clone(), pairs: pairs.clone(), count: 1 };
    let presigned = cluster.presign(&[one, two], &setup)?;
    let presignature = presigned.first().ok_or("nothing was made")?.clone();
    let tasks = vec![OnlineTask { task: task.clone(), presignature }];
    let setup = OnlineSetup { key: key.clone(), aggregator: one, tasks };
    let signers = all.subset(&[one, two])?;
    // A presignature is gone from the disk for good before a share made with it leaves.
    let spend = |party: &mut Party| Ok(Presignatures::from_wire(&take(&mut party.disk.presignatures))?);
    let made = cluster.run::<Online<Curve>>(&signers, &setup, spend, |_, ()| Ok(()))?;
    verify("parties 1 and 2 sign with a presignature", &task, result(made, one)?)?;

    // Party 3 changes a bit of its transfers. Were the bit better chosen, it would guess at secrets of party 1: no failed check is forgiven.
    cluster.cheater = Some(three);
    match cluster.sign(&[one, three], &sign(one))?.remove(&one) {
        Some(Err(abort @ Abort::Witnessed { .. })) => println!("parties 1 and 3 sign: {abort}"),
        _ => return Err("party 1 does not notice".into()),
    }
    cluster.cheater = None;

    // So it is banned, and stays so when party 1 starts again. With others all goes on.
    let party = cluster.party(one)?;
    party.start()?;
    let banned: Vec<_> = party.disk.banned.iter().map(|peer| peer.get()).collect();
    println!("party 1 starts again; it has banned {banned:?}");
    match cluster.sign(&[one, three], &sign(one)) {
        Err(refused) => println!("parties 1 and 3 sign: refused: {refused}"),
        Ok(_) => return Err("party 1 signs with who cheated".into()),
    }
    let made = cluster.sign(&[one, two], &sign(two))?;
    verify("parties 1 and 2 sign", &task, result(made, two)?)
}

impl Cluster {
    fn new(threshold: u16, indices: &[PartyIndex]) -> Attempt<Self> {
        let parties = indices.iter().map(|index| {
            let identity = Arc::new(SigningIdentity::generate(&mut OsRng));
            (*index, Party { identity, disk: Disk::default(), pairs: None })
        });
        let parties: BTreeMap<_, _> = parties.collect();
        let members = parties
            .iter()
            .map(|(index, party)| Member { index: *index, identity: party.identity.identity() });
        let committee = Committee::new(Threshold::new(threshold)?, members.collect())?;
        Ok(Self { committee, parties, cheater: None })
    }

    fn party(&mut self, index: PartyIndex) -> Attempt<&mut Party> {
        self.parties.get_mut(&index).ok_or_else(|| format!("there is no party {index}").into())
    }

    fn sign(&mut self, signers: &[PartyIndex], setup: &SignSetup) -> Attempt<Results<Output>> {
        let signers = self.committee.subset(signers)?;
        // Elsewhere, what is asked for is durable before a share leaves.
        self.run::<Sign<Curve>>(&signers, setup, Party::secret, |_, ()| Ok(()))
    }

    /// Lets signers make and store presignatures; what all know of them.
    fn presign(&mut self, signers: &[PartyIndex], setup: &PresignSetup) -> Attempt<Vec<PublicPresignature>> {
        let signers = self.committee.subset(signers)?;
        let mut public = Vec::new();
        for (index, made) in self.run::<Presign<Curve>>(&signers, setup, Party::secret, |_, ()| Ok(()))? {
            let made = made.map_err(|abort| abort.to_string())?;
            public = made.0.iter().map(|presignature| presignature.public().clone()).collect();
            self.party(index)?.disk.presignatures = made.to_wire()?;
        }
        Ok(public)
    }

    /// Runs one protocol among some of the parties: each brings its secret, and stores what it must before it goes on.
    fn run<P: Protocol>(
        &mut self,
        committee: &Committee,
        setup: &P::Setup,
        secret: impl Fn(&mut Party) -> Attempt<P::Secret>,
        store: impl Fn(&mut Disk, P::Checkpoint) -> Result<(), WireError>,
    ) -> Attempt<Results<P::Output>>
    where
        P::Setup: Clone,
    {
        let mut sessions = BTreeMap::new();
        for (index, context) in self.agree(committee, P::ID, &setup.to_wire()?)? {
            let party = self.party(index)?;
            let signer = Arc::clone(&party.identity);
            let keyring = Keyring { signer, verifier: Arc::new(IdentityVerifier) };
            let session = Session::<P>::new(context, setup.clone(), secret(party)?, keyring, &mut OsRng)?;
            sessions.insert(index, session);
        }
        let mut results = BTreeMap::new();
        let mut mail = VecDeque::new();
        loop {
            for (index, session) in &mut sessions {
                while let Some(action) = session.next_action() {
                    match action {
                        Action::Send { to, bytes } => mail.push_back((*index, to, bytes.to_vec())),
                        Action::Persist(checkpoint) => {
                            store(&mut self.party(*index)?.disk, checkpoint)?;
                            session.persisted(&mut OsRng);
                        }
                        Action::Done(output) => {
                            results.insert(*index, Ok(output));
                        }
                        Action::Abort(abort) => {
                            // Durable before the next action, with which the others hear of it.
                            if let Abort::Witnessed { lasting, .. } = &abort {
                                self.party(*index)?.disk.banned.extend(lasting);
                            }
                            results.insert(*index, Err(abort));
                        }
                    }
                }
            }
            let Some((from, to, mut bytes)) = mail.pop_front() else { return Ok(results) };
            if self.cheater == Some(from) {
                bytes = with_wrong_transfers(&bytes, &self.party(from)?.identity)?;
            }
            if let Some(session) = sessions.get_mut(&to) {
                session.receive(from, &bytes, &mut OsRng);
            }
        }
    }

    /// Agrees on a session: the first of the parties proposes it, and each contributes fresh bytes to its name.
    fn agree(
        &mut self,
        committee: &Committee,
        protocol: ProtocolId,
        setup: &[u8],
    ) -> Attempt<Vec<(PartyIndex, Arc<SessionContext>)>> {
        let proposer = committee.indices().next().ok_or("nobody takes part")?;
        let proposer = Arc::clone(&self.party(proposer)?.identity);
        let proposal = Proposal {
            cluster: [1; 32],
            request: [2; 32],
            operation: "example".into(),
            protocol,
            setup: setup_digest(setup),
            epoch: 0,
            committee: committee.clone(),
            proposer: proposer.identity(),
            attempt: 0,
            expires: u64::MAX,
        };
        let mut proposing = Proposing::new(&proposal)?;
        let signed = SignedProposal::sign(proposal, &*proposer)?;
        let (mut promises, mut start) = (Vec::new(), None);
        for index in committee.indices() {
            // Elsewhere a party first decides whether it wants that.
            let own = &self.party(index)?.identity;
            let (promise, acceptance) =
                Accepted::accept(signed.clone(), &own.identity(), &**own, &IdentityVerifier, &mut OsRng)?;
            promises.push((index, promise));
            start = proposing.accept(acceptance, &IdentityVerifier)?;
        }
        let start = start.ok_or("not all have accepted")?;
        let begin = |(index, promise): (_, Accepted)| {
            let context = promise.start(&start, &IdentityVerifier).map_err(|(_, error)| error)?;
            Ok((index, context))
        };
        promises.into_iter().map(begin).collect()
    }
}

/// What the cheater sends instead of its first message: the last byte of its transfers is another one, and the signature is right.
fn with_wrong_transfers(bytes: &[u8], signer: &SigningIdentity) -> Result<Vec<u8>, WireError> {
    let Envelope { header, broadcast, direct, .. } = Envelope::from_wire(bytes)?;
    match direct {
        Part::Whole(mut transfers) if header.round == 1 => {
            if let Some(last) = transfers.last_mut() {
                *last ^= 1;
            }
            Envelope::seal(header, broadcast, Part::Whole(transfers), signer).to_wire()
        }
        _ => Ok(bytes.to_vec()),
    }
}

/// What one party has of a session that was to succeed.
fn result<T>(mut results: Results<T>, party: PartyIndex) -> Attempt<T> {
    let result = results.remove(&party).ok_or("it has not ended")?;
    result.map_err(|abort| abort.to_string().into())
}

/// Verifies what the aggregator has; it has done so itself.
fn verify(what: &str, task: &SignTask, output: Output) -> Attempt<()> {
    let Output::Signatures(made) = output else { return Err("it is not the aggregator".into()) };
    for Made { signature, public_key } in made {
        public_key.verify(&task.digest, &signature)?;
        println!("{what}: verified");
    }
    Ok(())
}

#[test]
fn all_of_it_is_so() -> Attempt<()> {
    main()
}
