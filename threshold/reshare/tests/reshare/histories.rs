//! Random histories of one key: committees that change, two at a time, parties that crash, messages that are lost. In none of
//! them a key is lost, or goes two ways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_keys::SigningIdentity;
use quorate_reshare::{
    ACKNOWLEDGE, Certificate, Keeper, Link, Pending, Refusal, Renewed, Reshare, Setup, Taken,
    acknowledged_key, fewest_dealers,
};
use quorate_session::{
    Action, Agreement, Envelope, Protocol as _, Session, SessionId, Start, Wire, setup_digest,
};
use quorate_sharing::{Ed25519, KeyShare, Member, PartyIndex, PublicShares};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::group::{
    Shares, committee, copy, key, occasion, origin, parties, party, public, secret, threshold,
};

type C = Ed25519;

const PARTIES: u16 = 8;
const HISTORIES: u64 = 150;

/// A party: what is on its disk, and what is only in its memory.
struct Node {
    disk: (Vec<u8>, Option<KeyShare>),
    keeper: Keeper,
    share: Option<KeyShare>,
    running: BTreeMap<SessionId, Running>,
    gathered: BTreeMap<SessionId, BTreeMap<PartyIndex, Arc<Envelope>>>,
}

struct Running {
    session: Session<Reshare<C>>,
    setup: Setup,
    start: Start,
}

impl Node {
    fn reload(&mut self) {
        self.keeper = Keeper::from_wire(&self.disk.0).unwrap();
        self.share = self.disk.1.as_ref().map(copy);
        self.running.clear();
        self.gathered.clear();
    }

    fn share_of(&self, epoch: &PublicShares) -> Option<&KeyShare> {
        self.share.iter().chain(self.keeper.kept()).find(|share| share.public() == epoch)
    }
}

struct World {
    cast: Cast,
    nodes: BTreeMap<PartyIndex, Node>,
    network: Vec<(SessionId, PartyIndex, PartyIndex, Arc<[u8]>)>,
    rng: ChaCha20Rng,
    /// Whether parties keep their shares of the epoch before.
    keeps: bool,
    /// In a thousand: how often a message is lost, and a party crashes where it writes.
    faults: (u32, u32),
    reshared: usize,
    overtaking: usize,
    back: usize,
    crashed: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let cast = Cast::new(2, PARTIES, 1);
        let old = key::<C>(&cast, 3, &[1, 2, 3, 4, 5]);
        let node = |index: PartyIndex| {
            let keeper = Keeper::new(origin(), public(&old).clone());
            let share = old.get(&index);
            let disk = (keeper.to_wire().unwrap(), share.map(copy));
            let (running, gathered) = (BTreeMap::new(), BTreeMap::new());
            Node { disk, keeper, share: share.map(copy), running, gathered }
        };
        let nodes = (1..=PARTIES).map(|index| (party(index), node(party(index)))).collect();
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self {
            cast,
            nodes,
            network: Vec::new(),
            rng,
            keeps: seed.is_multiple_of(2),
            faults: (20, 25),
            reshared: 0,
            overtaking: 0,
            back: 0,
            crashed: 0,
        }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.next_u32() % 1000 < per_mille
    }

    fn any(&mut self) -> PartyIndex {
        party(1 + (self.rng.next_u32() % u32::from(PARTIES)) as u16)
    }

    fn each_session_of_one(&mut self, does: fn(&mut Session<Reshare<C>>)) {
        let index = self.any();
        let ids: Vec<_> = self.nodes[&index].running.keys().copied().collect();
        for id in ids {
            if let Some(running) = self.nodes.get_mut(&index).unwrap().running.get_mut(&id) {
                does(&mut running.session);
                self.act(index, id);
            }
        }
    }

    fn draw(&mut self, from: &[u16], least: usize) -> Vec<u16> {
        let mut drawn = from.to_vec();
        while drawn.len() > least && !self.rng.next_u32().is_multiple_of(3) {
            drawn.remove(self.rng.next_u32() as usize % drawn.len());
        }
        drawn
    }

    fn identity(&self, index: PartyIndex) -> &Arc<SigningIdentity> {
        self.cast.identity(index)
    }

    /// Makes what a party keeps durable, unless it crashes right before, or right after. Whether it goes on.
    fn write(&mut self, index: PartyIndex) -> bool {
        let (before, after) = (self.chance(self.faults.1), self.chance(self.faults.1));
        let node = self.nodes.get_mut(&index).unwrap();
        if !before {
            node.disk = (node.keeper.to_wire().unwrap(), node.share.as_ref().map(copy));
        }
        if before || after {
            node.reload();
            self.crashed += 1;
        }
        self.check();
        !before && !after
    }

    /// Of those who go by what one resharing has made, all go by the same.
    fn check(&self) {
        let mut made = BTreeMap::new();
        for node in self.nodes.values() {
            let (session, public) = (node.keeper.link().map(Link::session), node.keeper.public());
            assert_eq!(*made.entry(session).or_insert(public), public);
        }
    }

    /// Some party proposes a resharing to those whom it knows to hold shares, and some others.
    fn propose(&mut self) {
        let proposer = self.any();
        let view = self.nodes[&proposer].keeper.public().clone();
        let before = self.nodes[&proposer].keeper.link().map(|link| link.setup.old.clone());
        let before = before.filter(|_| self.keeps && self.rng.next_u32().is_multiple_of(2));
        let from_kept = before.is_some();
        let old = before.unwrap_or_else(|| view.clone());
        let holders: Vec<u16> = old.committee.indices().map(PartyIndex::get).collect();
        let dealers = self.draw(&holders, fewest_dealers(&old.committee));
        let all: Vec<u16> =
            (1..=PARTIES).filter(|index| dealers.contains(index) || !holders.contains(index)).collect();
        let receivers = self.draw(&all, 2);
        let signers = 2 + (self.rng.next_u32() as usize % (receivers.len() - 1)) as u16;
        let mut session = [dealers.clone(), receivers.clone()].concat();
        session.sort_unstable();
        session.dedup();
        let setup = Setup {
            origin: origin(),
            old,
            from_kept,
            former: None,
            occasion: occasion(),
            dealers: parties(&dealers),
            receivers: parties(&receivers),
        };
        // One that overtakes what the proposer, or a little more than what it, waits for.
        let ahead = if self.chance(500) { u64::from(self.rng.next_u32() % 3) } else { 0 };
        let waits_for = |node: &Node| node.keeper.waiting().map(|pending| pending.agreement.epoch()).max();
        let epoch = waits_for(&self.nodes[&proposer]).filter(|_| ahead > 0).unwrap_or(view.epoch);
        let epoch = epoch + ahead.max(1);
        self.overtaking += usize::from(epoch > view.epoch + 1);
        // Who has another view of the key does not accept.
        let accepts = |index: &u16| {
            let node = &self.nodes[&party(*index)];
            let deals = setup.old.committee.contains(party(*index));
            let can = !deals || node.share_of(&setup.old).is_some();
            *node.keeper.public() == view && waits_for(node) < Some(epoch) && can
        };
        if !session.iter().all(accepts) {
            return;
        }
        self.back += usize::from(from_kept);
        let committee = committee(&self.cast, signers, &session);
        let digest = setup_digest(&setup.to_wire().unwrap());
        let (start, contexts) = self.cast.begin(&committee, Reshare::<C>::ID, digest, epoch, &mut self.rng);
        for (index, context) in contexts {
            let id = context.session();
            let share = self.nodes[&index].share_of(&setup.old).map(copy);
            let keyring = self.cast.keyring(index);
            let session = Session::new(context, setup.clone(), share, keyring, &mut self.rng).unwrap();
            let running = Running { session, setup: setup.clone(), start: start.clone() };
            self.nodes.get_mut(&index).unwrap().running.insert(id, running);
            self.act(index, id);
        }
    }

    /// Lets a party's session do what it has to.
    fn act(&mut self, index: PartyIndex, id: SessionId) {
        loop {
            let Some(running) = self.nodes.get_mut(&index).unwrap().running.get_mut(&id) else { return };
            match running.session.next_action() {
                None => return,
                Some(Action::Send { to, bytes }) => self.network.push((id, index, to, bytes)),
                Some(Action::Persist(renewed)) => {
                    let pending = pending(running, renewed);
                    let node = self.nodes.get_mut(&index).unwrap();
                    if node.keeper.acknowledge(pending).is_err() {
                        node.running.remove(&id);
                        return;
                    }
                    if !self.write(index) {
                        return;
                    }
                    let running = self.nodes.get_mut(&index).unwrap().running.get_mut(&id).unwrap();
                    running.session.persisted(&mut self.rng);
                }
                Some(Action::Done(_)) => {
                    let agreement = running.session.context().agreement().clone();
                    let certificate =
                        Certificate::new(agreement, &running.session.envelopes(ACKNOWLEDGE)).unwrap();
                    self.nodes.get_mut(&index).unwrap().running.remove(&id);
                    self.certify(index, certificate);
                    return;
                }
                Some(Action::Abort(_)) => {
                    self.nodes.get_mut(&index).unwrap().running.remove(&id);
                    return;
                }
            }
        }
    }

    /// A party has gathered a certificate of what it acknowledged itself.
    fn certify(&mut self, index: PartyIndex, certificate: Certificate) {
        let node = &self.nodes[&index];
        let Some(pending) = node.keeper.pending_of(&certificate.session()) else { return };
        let (setup, public) = (pending.setup.clone(), pending.renewed.public().clone());
        self.told(index, Link { setup, public, certificate });
    }

    fn told(&mut self, index: PartyIndex, link: Link) {
        let keeps = self.keeps;
        let node = self.nodes.get_mut(&index).unwrap();
        let taken = match keeps {
            true => node.keeper.certified_keeping(link, || node.share.take()),
            false => node.keeper.certified(link),
        };
        if let Taken::Activated(share) = taken.unwrap() {
            node.share = share;
            self.reshared += 1;
            self.write(index);
        }
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let place = self.rng.next_u32() as usize % self.network.len();
        let (id, from, to, bytes) = self.network.swap_remove(place);
        if self.chance(self.faults.0) {
            return;
        }
        if let Some(running) = self.nodes.get_mut(&to).unwrap().running.get_mut(&id) {
            running.session.receive(from, &bytes, &mut self.rng);
            self.act(to, id);
        }
    }

    /// One asks another what it knows: epochs, and what has become of what it waits for.
    fn ask(&mut self, asking: PartyIndex, asked: PartyIndex) {
        if let Some(latest) = self.nodes[&asked].keeper.link().cloned() {
            self.told(asking, latest);
        }
        let waiting: Vec<Agreement> =
            self.nodes[&asking].keeper.waiting().map(|pending| pending.agreement.clone()).collect();
        for agreement in waiting {
            self.inquire(asking, asked, &agreement);
        }
    }

    fn inquire(&mut self, asking: PartyIndex, asked: PartyIndex, agreement: &Agreement) {
        let id = agreement.session();
        if !agreement.committee().contains(asked) || self.nodes[&asked].running.contains_key(&id) {
            return;
        }
        let answer = self.nodes[&asked].keeper.pending_of(&id);
        let refusal = answer.and_then(|pending| pending.set_aside.clone());
        if let Some(refusal) = refusal {
            return self.refused(asking, &refusal);
        }
        match answer.map(|pending| Arc::new(pending.acknowledgement.clone())) {
            Some(acknowledgement) => self.acknowledged(asking, agreement, acknowledgement),
            None => {
                if self.nodes[&asked].keeper.may_refuse(agreement) {
                    let refusal = Refusal::promise(id, self.identity(asked));
                    self.refused(asking, &refusal);
                }
            }
        }
    }

    fn refused(&mut self, index: PartyIndex, refusal: &Refusal) {
        if self.nodes.get_mut(&index).unwrap().keeper.set_aside(refusal) {
            self.write(index);
        }
    }

    fn acknowledged(&mut self, index: PartyIndex, agreement: &Agreement, envelope: Arc<Envelope>) {
        assert!(acknowledged_key(agreement, &envelope).is_some());
        let id = agreement.session();
        let node = self.nodes.get_mut(&index).unwrap();
        let Some(own) = node.keeper.pending_of(&id).map(|pending| Arc::new(pending.acknowledgement.clone()))
        else {
            return;
        };
        let gathered = node.gathered.entry(id).or_default();
        for envelope in [own, envelope] {
            gathered.insert(envelope.header.sender, envelope);
        }
        if gathered.len() == agreement.committee().len() {
            let all: Vec<_> = gathered.values().cloned().collect();
            self.certify(index, Certificate::new(agreement.clone(), &all).unwrap());
        }
    }

    /// Nothing is lost any more, and all ask all until there is nothing to ask.
    fn settle(&mut self) {
        self.faults = (0, 0);
        self.network.clear();
        self.nodes.values_mut().for_each(|node| node.running.clear());
        for _ in 0..100 {
            let all: Vec<_> = self.nodes.keys().copied().collect();
            for asking in &all {
                all.iter().filter(|asked| *asked != asking).for_each(|asked| self.ask(*asking, *asked));
            }
            let made: BTreeSet<_> =
                self.nodes.values().map(|node| node.keeper.link().map(Link::session)).collect();
            if made.len() == 1 && self.nodes.values().all(|node| node.keeper.waiting().next().is_none()) {
                return;
            }
        }
        panic!("they never settle");
    }

    /// The shares of all who hold one of the epoch that all go by.
    fn shares(&self) -> Shares {
        let public = self.nodes[&party(1)].keeper.public();
        let share = |Member { index, .. }: &Member| {
            let share =
                self.nodes[index].share.as_ref().unwrap_or_else(|| panic!("party {index} has no share"));
            assert_eq!(share.public(), public);
            (*index, copy(share))
        };
        let shares: Shares = public.committee.members().iter().map(share).collect();
        for (index, node) in &self.nodes {
            assert!(public.committee.contains(*index) || node.share.is_none(), "{index} has an old share");
        }
        shares
    }
}

fn pending(Running { session, setup, start }: &Running, renewed: Renewed) -> Pending {
    let me = session.context().me();
    let own =
        session.envelopes(ACKNOWLEDGE).into_iter().find(|envelope| envelope.header.sender == me).unwrap();
    let agreement = session.context().agreement().clone();
    let (setup, start) = (setup.clone(), start.clone());
    Pending { agreement, setup, start, acknowledgement: Envelope::clone(&own), renewed, set_aside: None }
}

#[test]
fn no_history_loses_or_forks_a_key() {
    let slow = std::env::var_os("QUORATE_SLOW").is_some();
    let expected = secret::<C>(&key::<C>(&Cast::new(2, PARTIES, 1), 3, &[1, 2, 3, 4, 5]));
    let (mut epochs, mut crashes, mut lost, mut overtaking, mut back) = (0, 0, 0, 0, 0);
    for seed in 0..if slow { 10_000 } else { HISTORIES } {
        let mut world = World::new(seed);
        for _ in 0..3000 {
            match world.rng.next_u32() % 1000 {
                0..4 => world.propose(),
                // Somebody says all again, and somebody else loses patience.
                4..24 => world.each_session_of_one(Session::retransmit),
                24..26 => world.each_session_of_one(Session::expire),
                26..50 => {
                    let (asking, asked) = (world.any(), world.any());
                    if asking != asked {
                        world.ask(asking, asked);
                    }
                }
                _ => world.deliver(),
            }
        }
        world.settle();
        let shares: Shares = world.shares();
        assert_eq!(secret::<C>(&shares), expected, "history {seed}");
        let held: Vec<&KeyShare> = shares.values().collect();
        assert!(held.len() >= threshold(2).count());
        epochs += world.reshared as u64;
        overtaking += world.overtaking;
        back += world.back;
        crashes += world.crashed;
        lost += usize::from(public(&shares).epoch == 0);
    }
    println!(
        "{epochs} steps to another epoch, {overtaking} resharings that overtake others, {back} of kept shares, {crashes} crashes, {lost} histories without a new epoch"
    );
    // The histories are worth their name.
    assert!(epochs > HISTORIES && crashes as u64 > HISTORIES);
    assert!(overtaking as u64 > HISTORIES && back as u64 > HISTORIES / 4);
}
