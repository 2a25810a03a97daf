//! Anything at all into a session: it never panics and never convicts an honest party.

use quorate_session::{Abort, Envelope, Header, Kind, Part, Wire};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::table::{Table, p};

struct Chance(ChaCha20Rng);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit.max(1)
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.below(limit)];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                _ if bytes.is_empty() => {}
                2 => bytes[at] = self.below(256) as u8,
                3 => bytes[at] ^= 1 << self.below(8),
                _ => {
                    let run = bytes[at..].iter().copied().take(16).collect::<Vec<_>>();
                    bytes.extend(run);
                }
            }
        }
    }

    fn part(&mut self, like: &Part) -> Part {
        match self.below(6) {
            0 => Part::Absent,
            1 => Part::Digest([self.below(256) as u8; 32]),
            2 => Part::Whole(self.bytes(300)),
            3 => {
                let mut body = like.whole().map(<[u8]>::to_vec).unwrap_or_default();
                self.mutate(&mut body);
                Part::Whole(body)
            }
            _ => like.clone(),
        }
    }

    fn header(&mut self, mut header: Header) -> Header {
        match self.below(8) {
            0 => header.round = self.below(6) as u8,
            1 => header.round = self.below(256) as u8,
            2 => {
                header.kind = [Kind::Round, Kind::Confirmation, Kind::Dispute, Kind::Evidence][self.below(4)];
            }
            3 => header.echo = [None, Some([7; 32])][self.below(2)],
            4 => header.recipient = [None, Some(p(1)), Some(p(2)), Some(p(77))][self.below(4)],
            5 => header.epoch = self.0.next_u64(),
            6 => header.attempt = self.0.next_u32(),
            _ => {}
        }
        header
    }
}

/// How often the honest parties ended in which way.
#[derive(Debug, Default)]
struct Ends {
    done: u32,
    convicted: u32,
    attributed: u32,
}

/// Party 3 sends what it likes, now and then or in masses; parties 1 and 2 are honest. `make` gets a genuine message of
/// party 3.
fn torment(seeds: u64, make: impl Fn(&mut Chance, &Table, Envelope) -> Vec<u8>) -> Ends {
    let mut ends = Ends::default();
    for seed in 0..seeds {
        let mut chance = Chance(ChaCha20Rng::seed_from_u64(seed));
        let mut table = Table::seeded(3, 1 + seed % 3);
        let mut seen: Vec<Envelope> = Vec::new();
        for _ in 0..400 {
            let Some(mail) = (!table.mail.is_empty()).then(|| {
                let at = chance.below(table.mail.len());
                table.mail.remove(at).unwrap()
            }) else {
                break;
            };
            if mail.from == p(3) && mail.to != p(3) {
                seen.push(mail.envelope());
            }
            let times = match seed % 5 {
                0 => chance.below(6),
                _ => usize::from(chance.below(10) == 0),
            };
            for _ in 0..if seen.is_empty() || mail.from != p(3) { 0 } else { times } {
                let like = seen[chance.below(seen.len())].clone();
                let bytes = make(&mut chance, &table, like);
                table.hand(3, mail.to.get(), &bytes);
            }
            table.hand(mail.from.get(), mail.to.get(), &mail.bytes);
        }
        table.expire_all();
        for party in [1, 2] {
            match table.aborts.get(&p(party)) {
                None => ends.done += 1,
                Some(Abort::Proven { evidence }) => {
                    assert!(evidence.iter().all(|evidence| evidence.accused == p(3)), "seed {seed}");
                    ends.convicted += 1;
                }
                // An honest party may look silent to another that stopped earlier; nothing is proven of it.
                Some(Abort::Attributed { .. }) => ends.attributed += 1,
                Some(abort) => panic!("seed {seed}: {abort}"),
            }
        }
    }
    ends
}

#[test]
fn random_bytes() {
    let ends = torment(150, |chance, _, _| chance.bytes(2000));
    assert!(ends.done > 0 && ends.attributed > 0, "{ends:?}");
    assert_eq!(ends.convicted, 0, "nothing was signed");
}

#[test]
fn mutated_encodings_of_valid_envelopes() {
    let ends = torment(300, |chance, _, envelope| {
        let mut bytes = envelope.to_wire().unwrap();
        chance.mutate(&mut bytes);
        bytes
    });
    assert!(ends.done > 0 && ends.attributed > 0, "{ends:?}");
    assert_eq!(ends.convicted, 0, "no mutation is signed");
}

#[test]
fn arbitrary_envelopes_rightly_signed() {
    let ends = torment(400, |chance, table, envelope| {
        let header = chance.header(envelope.header.clone());
        let [broadcast, direct] = [&envelope.broadcast, &envelope.direct].map(|part| chance.part(part));
        table.seal(3, header, broadcast, direct).to_wire().unwrap()
    });
    assert!(ends.done > 0 && ends.convicted > 0 && ends.attributed > 0, "{ends:?}");
}

#[test]
fn the_envelopes_of_others_in_disputes_and_evidence_rightly_signed() {
    let ends = torment(300, |chance, table, _| {
        let shown: Vec<Envelope> = (1..=3)
            .flat_map(|round| table.seats[&p(3)].envelopes(round))
            .filter_map(|envelope| {
                let mut shown = envelope.without_parts();
                // Of itself it may show what it never sent.
                if shown.header.sender == p(3) && chance.below(8) == 0 {
                    shown = table.seal(3, shown.header, Part::Digest([9; 32]), shown.direct);
                }
                let mut bytes = shown.to_wire().unwrap();
                if chance.below(4) == 0 {
                    chance.mutate(&mut bytes);
                }
                Envelope::from_wire(&bytes).ok()
            })
            .collect();
        let some: Vec<_> = shown.iter().filter(|_| chance.below(4) > 0).collect();
        let round = 1 + chance.below(3) as u8;
        let of = |round| move |envelope: &&Envelope| envelope.header.round == round;
        // Mostly what belongs there, else all of it twice.
        let (broadcasts, statements): (Vec<_>, Vec<_>) = match chance.below(4) {
            0 => (some.clone(), some),
            _ => (
                some.iter().copied().filter(of(round)).collect(),
                some.iter().copied().filter(of(round + 1)).filter(|it| it.header.sender != p(3)).collect(),
            ),
        };
        let mut body = ().to_wire().unwrap();
        body.extend(borsh::to_vec(&(broadcasts, statements)).unwrap());
        let kind = [Kind::Dispute, Kind::Evidence][chance.below(2)];
        let header = table.header(3, kind, round);
        table.seal(3, header, Part::Whole(body), Part::Absent).to_wire().unwrap()
    });
    assert!(ends.done > 0 && ends.convicted > 0 && ends.attributed > 0, "{ends:?}");
}
