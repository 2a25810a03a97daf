//! Hashes far back, and memory.

use super::*;
use crate::event::Event;
use crate::line::encode;
use crate::time::Timestamp;

#[test]
fn recent_hashes_are_found_in_any_order_of_coming() {
    let mut recent = Recent::default();
    let hash = |n| EntryHash([n; 32]);
    for seq in [1, 2, 4, 9, 3, 5] {
        recent.push(seq, hash(seq as u8));
    }
    recent.push(9, hash(90));
    for seq in 1..=5 {
        assert_eq!(recent.get(seq), Some(hash(seq as u8)));
    }
    assert_eq!((recent.get(6), recent.get(9)), (None, Some(hash(90))));
    assert!(!recent.has_forgotten(1));
    let mut recent = Recent::default();
    recent.push(1, hash(1));
    recent.push(900, hash(2));
    recent.renumber(2, hash(2));
    recent.push(3, hash(3));
    assert_eq!((recent.get(900), recent.get(2), recent.get(3)), (None, Some(hash(2)), Some(hash(3))));
}

#[test]
fn a_number_at_the_end_of_all_numbers_is_no_trouble() {
    for seq in [u64::MAX - 1, u64::MAX] {
        let mut bytes = Vec::new();
        for _ in 0..3 {
            encode(&mut bytes, seq, Timestamp::MAX, &Event::new("test"), &BEFORE_THE_FIRST);
        }
        let expect = Expect::default();
        let mut verifier = Verifier::new(&expect);
        verifier.file(Path::new("00000000000000000001.jsonl"), bytes.as_slice()).unwrap();
        let report = verifier.finish();
        assert_eq!(report.problems[0].kind, ProblemKind::Missing { from: 1, to: seq - 1 });
    }
}
