//! The link between a node and one peer, from its start to its end, over all handshakes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_keys::Identity;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, RngCore, SeedableRng};

use crate::channel::{Channel, Unopened};
use crate::handshake::{Handshake, Local, NotOurs, Seed};
use crate::packet::{self, LINK_BYTES, LinkId, Misbehaviour, Packet, Step};
use crate::settings::Settings;

/// Handshakes that others have begun and that are not done. Who is in between can begin them without end; a peer needs one.
const MAX_BEGUN: usize = 4;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How soon a message of a handshake is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a packet may cost a signature, or its verification, in the long run, and how often at once.
const COSTLY: Duration = Duration::from_millis(50);
const COSTLY_AT_ONCE: u32 = 4;

/// What became of a packet, or of time passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Nothing that the caller has to know of.
    Quiet,
    /// The packet is none of the peer's, or was seen before.
    Refused,
    /// The link is up. If it was up already: it is with a later start of the peer, or anew; what was on the way is lost.
    Up,
    /// The link is down; what was on the way is lost.
    Down(Down),
}

/// Why a link is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Down {
    /// Nothing was heard of the peer.
    #[error("nothing was heard of the peer for {} s", .0.as_secs())]
    Silent(Duration),
    /// The peer has left.
    #[error("the peer has left")]
    Left,
    /// The peer, though authenticated, broke the rules.
    #[error("the peer broke the protocol: {0}")]
    Misbehaved(Misbehaviour),
}

/// A link between this node and one peer.
///
/// Times are handed in as durations since any moment, the same in all calls, and never go back.
pub struct Link {
    local: Arc<Local>,
    peer: Identity,
    settings: Settings,
    rng: ChaCha20Rng,
    channel: Option<Channel>,
    /// When an authentic packet last came.
    heard: Duration,
    opening: Opening,
    packets: VecDeque<Bytes>,
    /// Frames of a channel that has ended, which its sender knows to have arrived.
    leftover: VecDeque<Bytes>,
    left: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, .. } = self;
        f.debug_struct("Link").field("peer", peer).field("up", &self.is_up()).finish_non_exhaustive()
    }
}

/// What each side does for a link to come up.
enum Opening {
    /// We begin.
    Begins { begun: Option<Begun>, backoff: Backoff, budget: Budget },
    /// The peer begins.
    Answers { answered: VecDeque<Answered>, backoff: Backoff, budget: Budget },
}

/// A handshake that we have begun.
struct Begun {
    link: LinkId,
    since: Duration,
    stage: Stage,
    /// Our last message, and when it is sent again.
    packet: Bytes,
    again_at: Duration,
}

enum Stage {
    AwaitsSecond(Box<Handshake>),
    /// Both sides are certified; the peer is not known to have our last message.
    AwaitsWord(Box<Channel>),
}

/// A handshake that the peer has begun, or somebody.
struct Answered {
    link: LinkId,
    since: Duration,
    seed: Seed,
    first: Vec<u8>,
    handshake: Handshake,
    packet: Bytes,
}

/// The handshake that answers `first`, and its message: always the same of the same seed.
fn second(
    local: &Arc<Local>,
    peer: Identity,
    seed: &Seed,
    first: &[u8],
) -> Result<(Handshake, Vec<u8>), NotOurs> {
    let mut handshake = Handshake::responder(local, peer, seed)?;
    handshake.read_first(first)?;
    let message = handshake.write(true)?;
    Ok((handshake, message))
}

fn fresh_seed(rng: &mut ChaCha20Rng) -> Seed {
    let mut seed = Seed::new([0; 32]);
    rng.fill_bytes(seed.expose_mut());
    seed
}

/// When it is tried again.
struct Backoff {
    at: Duration,
    pause: Duration,
}

impl Link {
    /// A link with `peer`, which is down.
    pub fn new(
        local: Arc<Local>,
        peer: Identity,
        settings: Settings,
        now: Duration,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let backoff = Backoff { at: now, pause: settings.backoff_min };
        let budget = Budget { left: COSTLY_AT_ONCE, since: now };
        let opening = if local.identity() < peer {
            Opening::Begins { begun: None, backoff, budget }
        } else {
            Opening::Answers { answered: VecDeque::new(), backoff, budget }
        };
        let rng = ChaCha20Rng::from_seed(seed);
        let (packets, leftover) = (VecDeque::new(), VecDeque::new());
        Self {
            local,
            peer,
            settings,
            rng,
            channel: None,
            heard: now,
            opening,
            packets,
            leftover,
            left: false,
        }
    }

    /// With whom.
    pub fn peer(&self) -> Identity {
        self.peer
    }

    /// Whether frames can be given.
    pub fn is_up(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether another frame can be given now: the link is up, and the peer has taken what it was sent, up to the window.
    pub fn has_room(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::has_room)
    }

    /// Gives a frame. One that is too large, or given while the link is down, is dropped.
    pub fn push(&mut self, frame: Bytes) {
        if let Some(channel) = self.channel.as_mut().filter(|_| frame.len() <= self.settings.max_frame) {
            channel.push(frame);
        }
    }

    /// The next frame of the peer. It has room for more once this was called.
    pub fn take(&mut self, now: Duration) -> Option<Bytes> {
        self.leftover.pop_front().or_else(|| self.channel.as_mut()?.take(now))
    }

    /// Whether all frames that were given have arrived, or never will.
    pub fn is_flushed(&self) -> bool {
        self.channel.as_ref().is_none_or(Channel::is_done)
    }

    /// Has the last frames acknowledged at once.
    pub fn hurry(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.hurry();
        }
    }

    /// The network was away and is back: what may be lost is sent again now, and what was put off done.
    pub fn hasten(&mut self, now: Duration) {
        if let Some(channel) = &mut self.channel {
            channel.hasten(now);
        }
        match &mut self.opening {
            Opening::Begins { begun: Some(begun), .. } => begun.again_at = now,
            Opening::Begins { backoff, .. } | Opening::Answers { backoff, .. } => {
                *backoff = Backoff { at: now, pause: self.settings.backoff_min };
            }
        }
    }

    /// Ends the link: the peer is told with the last packet.
    pub fn leave(&mut self, now: Duration) {
        self.left = true;
        if let Some(mut channel) = self.channel.take() {
            self.packets.extend(channel.goodbye(now));
            self.retire(channel);
        }
    }

    /// Of a channel that has ended, what has arrived can still be taken. What a channel before it has left is not added to: a
    /// peer can end channels as fast as it likes.
    fn retire(&mut self, channel: Channel) {
        if self.leftover.is_empty() {
            self.leftover = channel.into_ready();
        }
    }

    /// Takes a packet that came from the peer, as it seems.
    pub fn receive(&mut self, now: Duration, packet: &[u8]) -> Event {
        let Some(packet) = Packet::read(packet).filter(|_| !self.left) else { return Event::Refused };
        match packet {
            Packet::Hello { boot, signature } => self.hear_hello(now, boot, signature),
            Packet::Handshake { step: Step::First, link, message } => self.answer(now, link, message),
            Packet::Handshake { step: Step::Second, link, message } => self.certify(now, link, message),
            Packet::Handshake { step: Step::Third, link, message } => self.finish(now, link, message),
            Packet::Sealed { link, number, message } => self.open(now, link, number, message),
        }
    }

    /// Lets time pass: to be called at [`deadline`](Self::deadline), and as often as one likes.
    pub fn tick(&mut self, now: Duration) -> Event {
        if self.left {
            return Event::Quiet;
        }
        let mut event = Event::Quiet;
        let silence = self.settings.silence;
        if self.channel.is_some() && now.saturating_sub(self.heard) >= silence {
            event = self.down(now, Down::Silent(silence));
        }
        if let Some(channel) = &mut self.channel {
            channel.tick(now);
        }
        let up = self.channel.is_some();
        match &mut self.opening {
            Opening::Begins { begun, backoff, .. } => match begun {
                Some(Begun { since, .. }) if now.saturating_sub(*since) >= HANDSHAKE => {
                    *begun = None;
                    backoff.fail(now, &self.settings);
                }
                Some(Begun { again_at, packet, .. }) if *again_at <= now => {
                    *again_at = now.saturating_add(AGAIN);
                    self.packets.push_back(packet.clone());
                }
                None if !up && backoff.at <= now => self.begin(now),
                _ => {}
            },
            Opening::Answers { answered, backoff, .. } => {
                answered.retain(|answered| now.saturating_sub(answered.since) < HANDSHAKE);
                if !up && backoff.at <= now {
                    backoff.fail(now, &self.settings);
                    self.packets.push_back(self.local.hello(&self.peer));
                }
            }
        }
        event
    }

    /// When [`tick`](Self::tick) has something to do, if nothing comes before.
    pub fn deadline(&self) -> Duration {
        let opening = match &self.opening {
            Opening::Begins { begun: Some(begun), .. } => {
                Some(begun.again_at.min(begun.since.saturating_add(HANDSHAKE)))
            }
            Opening::Begins { backoff, .. } | Opening::Answers { backoff, .. } => {
                self.channel.is_none().then_some(backoff.at)
            }
        };
        let channel = self.channel.as_ref();
        let channel =
            channel.map(|channel| channel.deadline().min(self.heard.saturating_add(self.settings.silence)));
        opening.into_iter().chain(channel).fold(Duration::MAX, Duration::min)
    }

    /// The next packet to be sent, if one is due.
    pub fn next_packet(&mut self, now: Duration) -> Option<Bytes> {
        let queued = self.packets.pop_front();
        queued.or_else(|| self.channel.as_mut()?.next_packet(now))
    }

    /// A packet of this end with any content, authentic.
    #[cfg(test)]
    pub(crate) fn forge(&mut self, content: &[u8]) -> Bytes {
        self.channel.as_mut().and_then(|channel| channel.seal_content(content)).unwrap()
    }

    fn down(&mut self, now: Duration, why: Down) -> Event {
        if let Some(channel) = self.channel.take() {
            self.retire(channel);
        }
        let (Opening::Begins { backoff, .. } | Opening::Answers { backoff, .. }) = &mut self.opening;
        // Who has left comes back no sooner than it can start.
        *backoff =
            Backoff { at: now.saturating_add(self.settings.backoff_min), pause: self.settings.backoff_min };
        Event::Down(why)
    }

    /// Begins a handshake: we are the one whose identity is smaller.
    fn begin(&mut self, now: Duration) {
        let Opening::Begins { begun, backoff, .. } = &mut self.opening else { return };
        let mut link = [0; LINK_BYTES];
        self.rng.fill_bytes(&mut link);
        // It fails for want of a primitive only, which is built in.
        let first = Handshake::initiator(&self.local, self.peer, &fresh_seed(&mut self.rng))
            .and_then(|mut handshake| handshake.write(false).map(|message| (handshake, message)));
        let Ok((handshake, message)) = first else { return backoff.fail(now, &self.settings) };
        let packet = packet::handshake(Step::First, link, &message);
        self.packets.push_back(packet.clone());
        let stage = Stage::AwaitsSecond(Box::new(handshake));
        *begun = Some(Begun { link, since: now, stage, packet, again_at: now.saturating_add(AGAIN) });
    }

    /// The peer asks us to begin.
    fn hear_hello(&mut self, now: Duration, boot: u64, signature: &[u8; 64]) -> Event {
        let known = self.channel.as_ref().map(|channel| channel.boot);
        let Opening::Begins { begun, budget, .. } = &mut self.opening else { return Event::Refused };
        let is_news = known.is_none_or(|known| known < boot);
        if begun.is_some() || !is_news || !budget.spend(now) {
            return Event::Refused;
        }
        if !self.local.is_hello_of(&self.peer, boot, signature) {
            return Event::Refused;
        }
        self.begin(now);
        Event::Quiet
    }

    /// The peer begins, or somebody.
    fn answer(&mut self, now: Duration, link: LinkId, message: &[u8]) -> Event {
        let Opening::Answers { answered, budget, .. } = &mut self.opening else { return Event::Refused };
        // The very message: whoever is in between can use its name for another.
        if let Some(known) = answered.iter().find(|known| known.link == link && known.first == message) {
            self.packets.push_back(known.packet.clone());
            return Event::Quiet;
        }
        if self.channel.as_ref().is_some_and(|channel| channel.link == link) || !budget.spend(now) {
            return Event::Refused;
        }
        let seed = fresh_seed(&mut self.rng);
        let Ok((handshake, second)) = second(&self.local, self.peer, &seed, message) else {
            return Event::Refused;
        };
        let packet = packet::handshake(Step::Second, link, &second);
        self.packets.push_back(packet.clone());
        if answered.len() >= MAX_BEGUN {
            answered.pop_front();
        }
        answered.push_back(Answered { link, since: now, seed, first: message.to_vec(), handshake, packet });
        Event::Quiet
    }

    /// The peer has answered the handshake that we have begun.
    fn certify(&mut self, now: Duration, link: LinkId, message: &[u8]) -> Event {
        let Opening::Begins { begun, .. } = &mut self.opening else { return Event::Refused };
        let Some(ours) = begun.take_if(|begun| begun.link == link) else { return Event::Refused };
        let mut handshake = match ours.stage {
            Stage::AwaitsSecond(handshake) => handshake,
            stage @ Stage::AwaitsWord(_) => {
                *begun = Some(Begun { stage, ..ours });
                return Event::Quiet;
            }
        };
        if handshake.read_certified(message).is_err() {
            // A message of somebody else's has changed nothing. One of the peer's with a wrong certificate has, and the handshake
            // comes to its end by time.
            *begun = Some(Begun { stage: Stage::AwaitsSecond(handshake), ..ours });
            return Event::Refused;
        }
        let third = handshake.write(true).and_then(|message| Ok((message, handshake.finish()?)));
        let Ok((message, established)) = third else { return Event::Refused };
        let packet = packet::handshake(Step::Third, link, &message);
        self.packets.push_back(packet.clone());
        let channel = Channel::new(link, established, &self.settings, now);
        let stage = Stage::AwaitsWord(Box::new(channel));
        *begun = Some(Begun { stage, packet, again_at: now.saturating_add(AGAIN), ..ours });
        Event::Quiet
    }

    /// The peer has certified itself in a handshake that we have answered: from here on it is the link.
    fn finish(&mut self, now: Duration, link: LinkId, message: &[u8]) -> Event {
        if let Some(channel) = self.channel.as_mut().filter(|channel| channel.link == link) {
            // Our first word was lost.
            self.packets.extend(channel.seal(now, false));
            return Event::Quiet;
        }
        let Opening::Answers { answered, .. } = &mut self.opening else { return Event::Refused };
        let certified =
            |known: &mut Answered| known.link == link && known.handshake.read_certified(message).is_ok();
        let Some(at) = answered.iter_mut().position(certified) else {
            for known in answered.iter_mut().filter(|known| known.link == link) {
                if let Ok((handshake, _)) = second(&self.local, self.peer, &known.seed, &known.first) {
                    known.handshake = handshake;
                }
            }
            return Event::Refused;
        };
        let Some(known) = answered.remove(at) else { return Event::Refused };
        let Ok(established) = known.handshake.finish() else { return Event::Refused };
        answered.clear();
        let mut channel = Channel::new(link, established, &self.settings, now);
        self.packets.extend(channel.seal(now, false));
        self.up(now, channel)
    }

    fn open(&mut self, now: Duration, link: LinkId, number: u64, message: &[u8]) -> Event {
        if let Some(channel) = self.channel.as_mut().filter(|channel| channel.link == link) {
            return match channel.open(now, number, message) {
                Ok(goodbye) => {
                    self.heard = now;
                    if goodbye { self.down(now, Down::Left) } else { Event::Quiet }
                }
                Err(Unopened::Refused) => Event::Refused,
                Err(Unopened::Wrong(what)) => self.down(now, Down::Misbehaved(what)),
            };
        }
        // The peer's first word.
        let Opening::Begins { begun, .. } = &mut self.opening else { return Event::Refused };
        let Some(ours) = begun.take_if(|begun| begun.link == link) else { return Event::Refused };
        let mut channel = match ours.stage {
            Stage::AwaitsWord(channel) => channel,
            stage @ Stage::AwaitsSecond(_) => {
                *begun = Some(Begun { stage, ..ours });
                return Event::Refused;
            }
        };
        match channel.open(now, number, message) {
            Ok(false) => self.up(now, *channel),
            Ok(true) => self.down(now, Down::Left),
            Err(Unopened::Refused) => {
                *begun = Some(Begun { stage: Stage::AwaitsWord(channel), ..ours });
                Event::Refused
            }
            Err(Unopened::Wrong(what)) => self.down(now, Down::Misbehaved(what)),
        }
    }

    fn up(&mut self, now: Duration, channel: Channel) -> Event {
        if let Some(before) = self.channel.replace(channel) {
            self.retire(before);
        }
        self.heard = now;
        let (Opening::Begins { backoff, .. } | Opening::Answers { backoff, .. }) = &mut self.opening;
        *backoff = Backoff { at: now, pause: self.settings.backoff_min };
        Event::Up
    }
}

/// What may be spent on packets that anybody can send.
struct Budget {
    left: u32,
    since: Duration,
}

impl Budget {
    fn spend(&mut self, now: Duration) -> bool {
        while self.left < COSTLY_AT_ONCE && self.since.saturating_add(COSTLY) <= now {
            self.left = self.left.saturating_add(1);
            self.since = self.since.saturating_add(COSTLY);
        }
        if self.left == COSTLY_AT_ONCE {
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

impl Backoff {
    fn fail(&mut self, now: Duration, settings: &Settings) {
        self.at = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(settings.backoff_max);
    }
}
