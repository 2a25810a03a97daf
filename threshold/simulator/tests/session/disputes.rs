//! What a dispute may show, and what it costs to look at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_keys::Identity;
use quorate_session::{
    Envelope, EnvelopeVerifier, Header, IdentityVerifier, Keyring, Kind, MAX_STRIKES, Part, Session, Wire,
};

use crate::table::{SETUP, Table, p, value};

/// Counts what it verifies.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    /// How often since the last time.
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl EnvelopeVerifier for Counting {
    fn verify(&self, identity: &Identity, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        IdentityVerifier.verify(identity, digest, signature)
    }
}

/// Four parties in round 2, of which party 1 counts what it verifies.
fn counting() -> (Table, Counting) {
    let counting = Counting::default();
    let mut table = Table::new(4);
    let keyring = Keyring { verifier: Arc::new(counting.clone()), ..table.cast.keyring(p(1)) };
    let context = Arc::clone(&table.contexts[&p(1)]);
    let session = Session::new(context, SETUP, value(p(1)), keyring, &mut table.rng).unwrap();
    table.lose(|mail| mail.from == p(1));
    table.seats.insert(p(1), session);
    table.collect();
    table.reach(2);
    counting.take();
    (table, counting)
}

/// A dispute of party 2 about round 1.
fn dispute(table: &Table, broadcasts: &[Envelope], statements: &[Envelope]) -> Envelope {
    let mut body = ().to_wire().unwrap();
    body.extend(borsh::to_vec(&(broadcasts, statements)).unwrap());
    table.seal(2, table.header(2, Kind::Dispute, 1), Part::Whole(body), Part::Absent)
}

/// An envelope that contradicts what its author said, and was signed by somebody else.
fn forged(table: &Table, author: u16, kind: Kind, round: u8) -> Envelope {
    let header = Header { echo: Some([9; 32]), ..table.header(author, kind, round) };
    let broadcast = if kind == Kind::Round { Part::Digest([9; 32]) } else { Part::Absent };
    table.seal(if author == 2 { 3 } else { 2 }, header, broadcast, Part::Absent)
}

/// As many forgeries as there are places for, the second list without those of party 2.
fn forgeries(table: &Table) -> (Vec<Envelope>, Vec<Envelope>) {
    let broadcasts = (1..=4).map(|author| forged(table, author, Kind::Round, 1));
    let of = |author| [(Kind::Confirmation, 1), (Kind::Round, 2)].map(|(kind, round)| (author, kind, round));
    let statements = [1, 3, 4].into_iter().flat_map(of);
    let statements = statements.map(|(author, kind, round)| forged(table, author, kind, round));
    (broadcasts.collect(), statements.collect())
}

/// Whether a dispute counts against party 2, which has sent as much garbage as it may.
fn counts(show: impl Fn(&Table) -> (Vec<Envelope>, Vec<Envelope>)) -> bool {
    let mut table = Table::new(4);
    table.reach(2);
    for _ in 0..MAX_STRIKES {
        table.hand(2, 1, &[0]);
    }
    assert!(table.aborts.is_empty());
    let (broadcasts, statements) = show(&table);
    let dispute = dispute(&table, &broadcasts, &statements);
    table.give(2, 1, &dispute);
    let counts = table.aborts.contains_key(&p(1));
    if counts {
        table.assert_attributes(1, &[2], "unusable messages");
    }
    counts
}

#[test]
fn a_dispute_with_a_surplus_counts_against_its_author() {
    type Surplus = fn(&Table, &mut Vec<Envelope>, &mut Vec<Envelope>);
    let surplus: [(&str, Surplus); 9] = [
        ("a broadcast twice", |_, broadcasts, _| broadcasts.push(broadcasts[0].clone())),
        ("two broadcasts of one", |table, broadcasts, _| {
            broadcasts.push(table.seats[&p(2)].envelopes(1)[0].without_parts());
        }),
        ("a statement twice", |_, _, statements| statements.push(statements[0].clone())),
        ("a broadcast as a statement", |_, broadcasts, statements| statements.push(broadcasts.remove(0))),
        ("a statement as a broadcast", |_, broadcasts, statements| broadcasts.push(statements.remove(0))),
        ("another round", |table, broadcasts, _| {
            broadcasts[0] = forged(table, 1, Kind::Round, 3);
        }),
        ("a statement about another round", |table, _, statements| {
            statements[0] = forged(table, 1, Kind::Confirmation, 2);
        }),
        ("its own statement", |table, _, statements| {
            statements[0] = forged(table, 2, Kind::Confirmation, 1);
        }),
        ("a stranger", |_, broadcasts, _| broadcasts[0].header.sender = p(5)),
    ];
    assert!(!counts(forgeries), "so much an honest party may have");
    for (what, change) in surplus {
        let show = |table: &Table| {
            let (mut broadcasts, mut statements) = forgeries(table);
            change(table, &mut broadcasts, &mut statements);
            (broadcasts, statements)
        };
        assert!(counts(show), "{what}");
    }
}

#[test]
fn what_honest_parties_show_counts_against_nobody() {
    let mut table = Table::new(4);
    table.reach(2);
    table.deliver(|mail| mail.to == p(2));
    let provoke = table.seal(3, table.header(3, Kind::Dispute, 1), Part::Whole(vec![0]), Part::Absent);
    table.give(3, 2, &provoke);
    let shown = table.find(2, 1, Kind::Dispute, 1);
    for _ in 0..MAX_STRIKES {
        table.hand(2, 1, &[0]);
    }
    table.hand(2, 1, &shown.bytes);
    assert!(table.aborts.is_empty(), "{:?}", table.aborts);
    table.deliver_all();
    table.assert_done();
}

#[test]
fn a_surplus_of_forgeries_is_not_even_verified() {
    let (mut table, counting) = counting();
    let many: Vec<_> = (0..600).map(|_| forged(&table, 3, Kind::Round, 1)).collect();
    let dispute = dispute(&table, &many, &[]);
    assert!(dispute.broadcast.whole().unwrap().len() < 128 * 1024);
    table.give(2, 1, &dispute);
    assert_eq!(counting.take(), 1, "the dispute itself");
    table.deliver_all();
    table.assert_done();
}

#[test]
fn each_forgery_is_verified_once() {
    let (mut table, counting) = counting();
    let (broadcasts, statements) = forgeries(&table);
    let dispute = dispute(&table, &broadcasts, &statements);
    table.give(2, 1, &dispute);
    // The broadcasts of round 1, and what party 1 itself said of them.
    assert_eq!(counting.take(), 1 + 4 + 1);
    // What others say of them is compared when it comes.
    for from in [3, 4] {
        table.deliver(|mail| mail.from == p(from) && mail.to == p(1) && mail.is(Kind::Round, 2));
        assert_eq!(counting.take(), 1 + 1, "party {from}");
    }
    table.deliver(|mail| mail.from == p(2) && mail.to == p(1) && mail.is(Kind::Round, 2));
    assert_eq!(counting.take(), 1);
    table.deliver_all();
    table.assert_done();
}
