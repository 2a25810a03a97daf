//! Engines joined in memory, among them a hand that sends whatever a test likes.

mod ahead;
mod api;
mod approving;
mod changing;
mod epochs;
mod invitations;
mod keygens;
mod late;
mod lies;
mod members;
mod names;
mod overtaking;
mod pairs;
mod places;
mod play;
mod policies;
mod reading;
mod refreshing;
mod refusals;
mod renewing;
mod restored;
mod rivals;
mod samples;
mod stores;
mod told;
mod transactions;
mod windows;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use quorate_cggmp21::PublicPresignature;
use quorate_keys::{Identity, KeyType, Principal, SigningIdentity, SigningPrincipal};
use quorate_request::{
    ClusterId, ErrorBody, KeygenResponse, Operation, SessionResult, SignResponse, SignedRequest, WalletRef,
};
use quorate_session::{
    Accepted, IdentityVerifier, Proposal, Proposing, SignedProposal, Start, Wire, setup_digest,
};
use quorate_transport::memory::Hub;
use quorate_transport::{Incoming, Limits, Transport};
use rand_core::OsRng;
use tokio::task::JoinHandle;

use super::proposer::rank;
use super::{Engine, Parts};
use crate::approvals::Approvals;
use crate::audit::Audit;
use crate::authority::Authority;
use crate::auxiliary::Auxiliaries;
use crate::barrier::{Barrier, Step};
use crate::cause::{Cause, Order};
use crate::clock::millis;
use crate::config::{Config, Overrides};
use crate::frame::{Decline, Frame, Invite, Reason};
use crate::initiators::Changes;
use crate::job::Job;
use crate::pairings::Pairings;
use crate::protocols;
use crate::spendings::Spendings;
use crate::standing::Standings;
use crate::store::{KdfParams, Passphrase, Store};
use crate::wallets::Wallets;
use crate::work::Workers;
use quorate_identity::peers::{Peer, Peers};

/// What a test does at a step.
type AtStep = Arc<dyn Fn(&str, Step) + Send + Sync>;

/// A barrier whose deed can be set while the node runs.
#[derive(Default)]
struct Deed(Mutex<Option<AtStep>>);

impl Barrier for Deed {
    fn reached(&self, operation: &str, step: Step) {
        // A deed may be to panic.
        let deed = self.0.lock().unwrap().clone();
        if let Some(deed) = deed {
            deed(operation, step);
        }
    }
}

struct Member {
    identity: Arc<SigningIdentity>,
    engine: Arc<Engine>,
    deed: Arc<Deed>,
    tasks: Vec<JoinHandle<()>>,
    data_dir: PathBuf,
}

struct Cluster {
    hub: Hub,
    peers: Peers,
    initiator: Arc<SigningPrincipal>,
    members: Vec<Member>,
    _folder: tempfile::TempDir,
}

/// How a cluster's nodes are configured.
#[derive(Clone, Copy)]
struct Settings {
    round: Duration,
    request: Duration,
    keygens: usize,
    waiting: usize,
    /// The rules of a policy, in YAML, if there is one: an initiator `client` may ask for everything.
    rules: Option<&'static str>,
    /// Whether thresholds may be half of the holders and less.
    minority: bool,
    /// How often nodes tell each other where they stand.
    standing: Duration,
    /// How old shares become.
    refresh: &'static str,
    /// Whether they are kept for one more epoch.
    keeps: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            round: Duration::from_secs(2),
            request: Duration::from_secs(20),
            keygens: 4,
            waiting: 256,
            rules: None,
            minority: false,
            standing: Duration::from_secs(60),
            refresh: "never",
            keeps: false,
        }
    }
}

impl Settings {
    /// Nobody's silence is noticed before the test is over.
    fn patient() -> Self {
        Self { round: Duration::from_secs(120), request: Duration::from_secs(240), ..Self::default() }
    }
}

impl Cluster {
    async fn new(nodes: usize, settings: Settings) -> Self {
        Self::asked_by(KeyType::Ed25519, nodes, settings).await
    }

    /// With an initiator that has such a key.
    async fn asked_by(key_type: KeyType, nodes: usize, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identities: Vec<_> =
            (0..nodes).map(|_| Arc::new(SigningIdentity::generate(&mut OsRng))).collect();
        let peers = identities.iter().enumerate().map(|(place, identity)| Peer {
            name: format!("node{place}").parse().unwrap(),
            identity: identity.identity(),
            address: format!("127.0.0.1:{}", 7000 + place).parse().unwrap(),
        });
        let peers = Peers::new(ClusterId::generate(&mut OsRng), peers.collect()).unwrap();
        let hub = Hub::new(peers.identity_set(), Limits::default(), 1).unwrap();
        let initiator = Arc::new(SigningPrincipal::generate(key_type, &mut OsRng));
        let mut cluster = Self { hub, peers, initiator, members: Vec::new(), _folder: folder };
        for (place, identity) in identities.into_iter().enumerate() {
            let data_dir = cluster._folder.path().join(place.to_string());
            std::fs::create_dir(&data_dir).unwrap();
            let trusted = cluster.initiator.principal();
            let member = cluster.member(place, identity, data_dir, settings, trusted);
            cluster.members.push(member);
        }
        let everybody = || cluster.members.iter().all(|member| member.engine.reachable().len() == nodes);
        eventually("all are connected", everybody).await;
        cluster
    }

    fn member(
        &self,
        place: usize,
        identity: Arc<SigningIdentity>,
        data_dir: PathBuf,
        settings: Settings,
        initiator: Principal,
    ) -> Member {
        let overrides = Overrides::new()
            .set("node_id", format!("node{place}"))
            .set("data_dir", data_dir.display())
            .set("round_timeout", format!("{}ms", settings.round.as_millis()))
            .set("request_timeout", format!("{}ms", settings.request.as_millis()))
            .set("max_concurrent_keygen", settings.keygens)
            .set("max_waiting", settings.waiting)
            .set("allow_minority_threshold", settings.minority)
            .set("reshare_without_authorizers", true)
            .set("keep_epochs", u8::from(settings.keeps))
            .set("refresh_schedule", settings.refresh)
            .set("standing_period", format!("{}ms", settings.standing.as_millis()));
        let overrides = match settings.rules {
            None => overrides.set("initiators", initiator),
            Some(rules) => {
                let file = data_dir.join("policy.yaml");
                let operations = "[keygen, sign, refresh, reshare, presign, auxiliary, read]";
                let yaml = format!(
                    "version: 1\ninitiators:\n  client: {{key: \"{initiator}\", operations: {operations}}}\n{rules}"
                );
                std::fs::write(&file, yaml).unwrap();
                overrides.set("policy_path", file.display())
            }
        };
        let config = Config::load(None, Vec::new(), &overrides).unwrap();
        let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
        let path = data_dir.join("node.db");
        let store = if path.exists() {
            Store::open(&path, &passphrase)
        } else {
            Store::create(&path, &passphrase, KdfParams::FLOOR)
        };
        let store = Arc::new(store.unwrap());
        let (transport, incoming) = self.hub.join(identity.identity()).unwrap();
        let deed = Arc::new(Deed::default());
        let authority = Authority::load(&config, &self.peers).unwrap();
        let changes = Changes::load(Arc::clone(&store)).unwrap();
        authority.change_initiators(|| changes.all());
        let audit = Audit::open(&data_dir, Arc::clone(&identity), self.peers.cluster()).unwrap();
        let parts = Parts {
            identity: Arc::clone(&identity),
            config,
            peers: self.peers.clone(),
            registry: protocols::registry(),
            barrier: Arc::clone(&deed) as _,
            transport,
            wallets: Wallets::load(Arc::clone(&store)).unwrap().keeping(settings.keeps),
            auxiliaries: Auxiliaries::load(Arc::clone(&store)).unwrap(),
            pairings: Pairings::load(Arc::clone(&store)).unwrap(),
            spendings: Spendings::load(Arc::clone(&store), authority.horizon()).unwrap(),
            standings: Standings::load(Arc::clone(&store), audit.signed_head(), false, &mut OsRng).unwrap(),
            approvals: Arc::new(Approvals::load(Arc::clone(&store), &authority).unwrap()),
            changes,
            audit: Arc::new(audit),
            authority,
            foreground: Workers::foreground(1).unwrap(),
            background: Workers::background(1).unwrap(),
            searchers: Workers::background(1).unwrap(),
            store,
        };
        let engine = Engine::new(parts).unwrap();
        let tasks = vec![
            tokio::spawn(Arc::clone(&engine).listen(incoming)),
            tokio::spawn(Arc::clone(&engine).recover()),
            tokio::spawn(Arc::clone(&engine).compare()),
            tokio::spawn(Arc::clone(&engine).keep_pairs()),
            tokio::spawn(Arc::clone(&engine).keep_fresh()),
            tokio::spawn(Arc::clone(&engine).settle_pairs()),
            tokio::spawn(Arc::clone(&engine).tell_approvals()),
            tokio::spawn(Arc::clone(&engine).tell_spendings()),
            tokio::spawn(Arc::clone(&engine).tell_standing()),
            tokio::spawn(Arc::clone(&engine).learn_spendings()),
        ];
        Member { identity, engine, deed, tasks, data_dir }
    }

    fn engine(&self, place: usize) -> &Arc<Engine> {
        &self.members[place].engine
    }

    fn identity(&self, place: usize) -> Identity {
        self.members[place].identity.identity()
    }

    fn deed(&self, place: usize, deed: impl Fn(&str, Step) + Send + Sync + 'static) {
        *self.members[place].deed.0.lock().unwrap() = Some(Arc::new(deed));
    }

    /// Stops a node for good and takes its place and identity.
    async fn hand(&self, place: usize) -> Hand {
        let member = &self.members[place];
        member.tasks.iter().for_each(JoinHandle::abort);
        member.engine.transport.close().await;
        let (transport, incoming) = self.hub.join(member.identity.identity()).unwrap();
        Hand { identity: Arc::clone(&member.identity), transport, incoming }
    }

    /// Starts a stopped node again on what it had stored, trusting another initiator if one is given.
    async fn restart(&mut self, place: usize, settings: Settings, initiator: Option<Principal>) {
        self.restart_on(place, settings, initiator, |_| ()).await;
    }

    /// The same, after something has happened to its store.
    async fn restart_on(
        &mut self,
        place: usize,
        settings: Settings,
        initiator: Option<Principal>,
        happens: impl FnOnce(&Path),
    ) {
        let member = self.members.remove(place);
        member.tasks.iter().for_each(JoinHandle::abort);
        member.engine.transport.close().await;
        member.engine.store.close().await;
        member.engine.audit.close().await;
        let Member { identity, data_dir, .. } = member;
        happens(&data_dir.join("node.db"));
        let trusted = initiator.unwrap_or_else(|| self.initiator.principal());
        let member = self.member(place, identity, data_dir, settings, trusted);
        self.members.insert(place, member);
    }

    /// What a node has written into its audit log of one kind.
    fn entries(&self, place: usize, event: &str) -> Vec<String> {
        let filter =
            quorate_audit::Filter { events: vec![event.to_owned()], ..quorate_audit::Filter::default() };
        let entries = quorate_audit::read(&self.members[place].data_dir.join("audit"), filter).unwrap();
        entries.map(|entry| entry.unwrap().as_str().to_owned()).collect()
    }

    fn request(&self, operation: Operation, id: &str, body: &str) -> SignedRequest {
        self.request_of(SystemTime::now(), operation, id, body)
    }

    /// One that was signed at that time.
    fn request_of(&self, created: SystemTime, operation: Operation, id: &str, body: &str) -> SignedRequest {
        let expires = created + Duration::from_secs(300);
        let (id, body) = (id.parse().unwrap(), body.to_owned());
        SignedRequest::sign(&self.initiator, *self.peers.cluster(), operation, id, created, expires, body)
            .unwrap()
    }

    fn keygen_request(&self, id: &str, wallet: &str, threshold: u16, parties: &[usize]) -> SignedRequest {
        let names: Vec<_> = parties.iter().map(|place| format!("\"node{place}\"")).collect();
        let body = format!(
            r#"{{"threshold":{threshold},"total":{},"curve":"ed25519","wallet_id":"{wallet}","parties":[{}]}}"#,
            parties.len(),
            names.join(",")
        );
        self.request(Operation::Keygen, id, &body)
    }

    async fn keygen(
        &self,
        at: usize,
        id: &str,
        wallet: &str,
        parties: &[usize],
    ) -> Result<KeygenResponse, ErrorBody> {
        let threshold = u16::try_from(parties.len() / 2 + 1).unwrap().max(2);
        keygen_of(self.engine(at).submit(&self.keygen_request(id, wallet, threshold, parties)).await)
    }

    fn sign_request(&self, id: &str, wallet: &str, extra: &str) -> SignedRequest {
        let hash = "0x".to_owned() + &"ab".repeat(32);
        let body = format!(r#"{{"wallet_id":"{wallet}","message_hash":"{hash}"{extra}}}"#);
        self.request(Operation::Sign, id, &body)
    }

    async fn sign(&self, at: usize, id: &str, wallet: &str) -> Result<SignResponse, ErrorBody> {
        sign_of(self.engine(at).submit(&self.sign_request(id, wallet, "")).await)
    }

    /// A request to sign whose first committee has all of these members, for a wallet that the first `holders` hold.
    fn sign_request_led_by(&self, wallet: &str, holders: usize, first: &[usize]) -> SignedRequest {
        (0..)
            .map(|n| self.sign_request(&format!("r{n}"), wallet, ""))
            .find(|request| {
                let fingerprint = request.fingerprint();
                let mut order: Vec<_> = (0..holders).collect();
                order.sort_by_key(|place| rank(&fingerprint, &self.identity(*place)));
                let chosen: BTreeSet<_> = order.into_iter().take(first.len()).collect();
                chosen == first.iter().copied().collect()
            })
            .unwrap()
    }

    fn knows(&self, place: usize, wallet: &str) -> usize {
        self.engine(place).wallets.named(&wallet.parse().unwrap()).len()
    }
}

fn keygen_of(ending: Result<SessionResult, ErrorBody>) -> Result<KeygenResponse, ErrorBody> {
    ending.map(|result| match result {
        SessionResult::Keygen(response) => response,
        other => panic!("not a key generation: {other:?}"),
    })
}

fn sign_of(ending: Result<SessionResult, ErrorBody>) -> Result<SignResponse, ErrorBody> {
    ending.map(|result| match result {
        SessionResult::Sign(response) => response,
        other => panic!("not a signature: {other:?}"),
    })
}

/// A node that is a test.
struct Hand {
    identity: Arc<SigningIdentity>,
    transport: Arc<dyn Transport>,
    incoming: Incoming,
}

impl Hand {
    fn identity(&self) -> Identity {
        self.identity.identity()
    }

    /// A refusal as an honest member signs it.
    fn decline(&self, invite: &Invite, reason: Reason) -> Decline {
        let proposal = *Proposing::new(&invite.proposal.proposal).unwrap().digest();
        let fingerprint = match &invite.order {
            Order::Request(request) => SignedRequest::decode(request).unwrap().fingerprint(),
            Order::Upkeep(..) => panic!("a request"),
        };
        let cluster = ClusterId::from_bytes(invite.proposal.proposal.cluster);
        Decline::new(proposal, reason, Some((&cluster, &fingerprint)), &self.identity)
    }

    fn send(&self, to: &Identity, frame: &Frame) {
        self.transport.send(to, frame.to_wire().unwrap().into()).unwrap();
    }

    /// The next frame that is wanted; others are dropped.
    async fn next<T>(&mut self, wanted: impl Fn(Identity, Frame) -> Option<T>) -> T {
        let found = async {
            loop {
                let (from, bytes) = self.incoming.next().await.expect("the hub is there");
                if let Some(found) = wanted(from, Frame::from_wire(&bytes).unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the frame comes")
    }

    async fn invited(&mut self) -> (Identity, Invite) {
        self.next(|from, frame| match frame {
            Frame::Invite(invite) => Some((from, *invite)),
            _ => None,
        })
        .await
    }

    /// Promises to take part; gives the proposal's digest.
    fn accept(&self, to: &Identity, invite: &Invite) -> [u8; 32] {
        let (_, acceptance) = Accepted::accept(
            invite.proposal.clone(),
            &self.identity(),
            &*self.identity,
            &IdentityVerifier,
            &mut OsRng,
        )
        .unwrap();
        self.send(to, &Frame::Accept(acceptance.clone()));
        acceptance.proposal
    }

    /// An invitation of its own to what a client has asked for.
    fn invitation(
        &self,
        asked: &Engine,
        request: &SignedRequest,
        chosen: &[Identity],
        attempt: u32,
    ) -> Invite {
        self.invitation_with(asked, request, chosen, attempt, &[])
    }

    /// The same, using presignatures up.
    fn invitation_with(
        &self,
        asked: &Engine,
        request: &SignedRequest,
        chosen: &[Identity],
        attempt: u32,
        presignatures: &[PublicPresignature],
    ) -> Invite {
        let verified = asked.authority.verify(request).unwrap();
        let job = Job::new(&verified, &asked.wallets, &asked.peers, &asked.config).unwrap();
        self.invitation_to(asked, request, &job, chosen, attempt, presignatures)
    }

    /// The same, to a job as it stands.
    fn invitation_to(
        &self,
        asked: &Engine,
        request: &SignedRequest,
        job: &Job,
        chosen: &[Identity],
        attempt: u32,
        presignatures: &[PublicPresignature],
    ) -> Invite {
        let verified = asked.authority.verify(request).unwrap();
        let committee = job.committee(&chosen.iter().copied().collect()).unwrap();
        let setup = job.setup(&committee, &self.identity(), presignatures).unwrap();
        let proposal = Proposal {
            cluster: *asked.authority.cluster().as_bytes(),
            request: Cause::request(&verified, asked.authority.policy_digest()).digest(),
            operation: job.operation().into(),
            protocol: job.protocol().clone(),
            setup: setup_digest(&setup),
            epoch: job.epoch(),
            committee,
            proposer: self.identity(),
            attempt,
            expires: millis(SystemTime::now() + Duration::from_secs(10)),
        };
        let proposal = SignedProposal::sign(proposal, &*self.identity).unwrap();
        let presignatures = presignatures.iter().map(|public| public.id).collect();
        Invite {
            proposal,
            order: Order::Request(request.encode()),
            policy: asked.authority.policy_digest().copied(),
            presignatures,
            resharing: job.resharing(),
            pairs: job.pairs(),
            approvals: Vec::new(),
        }
    }

    /// Invites the others, accepts itself if it is a member, and puts the start together without sending it.
    async fn gather(&mut self, invite: &Invite) -> Start {
        self.agree(invite).await.0
    }

    /// The same, with what it needs to take part itself.
    async fn agree(&mut self, invite: &Invite) -> (Start, Option<Accepted>) {
        let proposal = &invite.proposal.proposal;
        let mut proposing = Proposing::new(proposal).unwrap();
        let (mut start, mut accepted) = (None, None);
        if proposal.committee.index_of(&self.identity()).is_some() {
            let (kept, own) = Accepted::accept(
                invite.proposal.clone(),
                &self.identity(),
                &*self.identity,
                &IdentityVerifier,
                &mut OsRng,
            )
            .unwrap();
            start = proposing.accept(own, &IdentityVerifier).unwrap();
            accepted = Some(kept);
        }
        for member in proposal.committee.members().iter().filter(|member| member.identity != self.identity())
        {
            self.send(&member.identity, &Frame::Invite(Box::new(invite.clone())));
        }
        while start.is_none() {
            let acceptance = self
                .next(|_, frame| match frame {
                    Frame::Accept(acceptance) => Some(acceptance),
                    Frame::Decline(decline) => panic!("declined: {decline:?}"),
                    _ => None,
                })
                .await;
            start = proposing.accept(acceptance, &IdentityVerifier).unwrap();
        }
        (start.unwrap(), accepted)
    }
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
