//! What may happen to an input: small damage, numbers at their limits, pieces moved, words inserted.

use rand_core::RngCore;

/// No input grows beyond this.
const LONGEST: usize = 64 * 1024;
/// At most this many changes are stacked on one input.
const CHANGES: usize = 8;

/// Numbers at which lengths, counts and signs go wrong.
const LIMITS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Takes one of `inputs` and changes it.
pub(crate) fn mutate(inputs: &[Vec<u8>], words: &[&str], rng: &mut impl RngCore) -> Vec<u8> {
    let mut input = pick(inputs, rng).cloned().unwrap_or_default();
    // Mostly one or two changes: an input that is almost right goes furthest.
    let changes = 1 + below(rng, CHANGES).min(below(rng, CHANGES));
    for _ in 0..changes {
        change(&mut input, inputs, words, rng);
    }
    input.truncate(LONGEST);
    input
}

/// A number below `limit`; 0 when there is none.
pub(crate) fn below(rng: &mut impl RngCore, limit: usize) -> usize {
    // The bias of a remainder doesn't matter here.
    usize::try_from(rng.next_u64() >> 1).unwrap_or(usize::MAX).checked_rem(limit).unwrap_or(0)
}

fn pick<'a, T>(items: &'a [T], rng: &mut impl RngCore) -> Option<&'a T> {
    items.get(below(rng, items.len()))
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&str], rng: &mut impl RngCore) {
    let place = below(rng, input.len());
    match below(rng, 13) {
        0 => on_byte(input, place, |byte| byte ^ (1 << below(rng, 8))),
        1 => on_byte(input, place, |_| random_byte(rng)),
        2 => on_byte(input, place, |byte| byte.wrapping_add(1)),
        3 => on_byte(input, place, |byte| byte.wrapping_sub(1)),
        4 => write_limit(input, place, rng),
        5 => drop(input.drain(range(input.len(), rng))),
        6 => input.truncate(place),
        7 => {
            let piece = piece(input, rng);
            insert(input, place, &piece);
        }
        8 => {
            let piece = piece(input, rng);
            overwrite(input, place, &piece);
        }
        9 => {
            let piece: Vec<u8> = (0..=below(rng, 16)).map(|_| random_byte(rng)).collect();
            insert(input, place, &piece);
        }
        10 => {
            let word = pick(words, rng).copied().unwrap_or_default();
            insert(input, place, word.as_bytes());
        }
        11 => {
            let word = pick(words, rng).copied().unwrap_or_default();
            overwrite(input, place, word.as_bytes());
        }
        // Splice: the tail of another input.
        _ => {
            let other = pick(inputs, rng).map(Vec::as_slice).unwrap_or_default();
            input.truncate(place);
            input.extend(other.iter().skip(below(rng, other.len())));
        }
    }
}

fn random_byte(rng: &mut impl RngCore) -> u8 {
    let [byte, ..] = rng.next_u32().to_le_bytes();
    byte
}

fn on_byte(input: &mut [u8], place: usize, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = input.get_mut(place) {
        *byte = change(*byte);
    }
}

/// A number at a limit, in 1, 2, 4 or 8 bytes, either end first.
fn write_limit(input: &mut Vec<u8>, place: usize, rng: &mut impl RngCore) {
    let limit = pick(LIMITS, rng).copied().unwrap_or_default();
    let width = 1 << below(rng, 4);
    let mut bytes: Vec<u8> = limit.to_le_bytes().into_iter().take(width).collect();
    if below(rng, 4) == 0 {
        bytes.reverse();
    }
    overwrite(input, place, &bytes);
}

fn range(length: usize, rng: &mut impl RngCore) -> std::ops::Range<usize> {
    let start = below(rng, length);
    // Short pieces more often than long ones.
    let limit = if below(rng, 2) == 0 { 8 } else { length };
    let end = length.min(start + below(rng, limit) + 1);
    start..end
}

fn piece(input: &[u8], rng: &mut impl RngCore) -> Vec<u8> {
    input.get(range(input.len(), rng)).unwrap_or_default().to_vec()
}

fn insert(input: &mut Vec<u8>, place: usize, piece: &[u8]) {
    if input.len() + piece.len() <= LONGEST {
        input.splice(place..place, piece.iter().copied());
    }
}

fn overwrite(input: &mut Vec<u8>, place: usize, piece: &[u8]) {
    let end = input.len().min(place + piece.len());
    input.splice(place..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn inputs_of_any_length_are_changed_and_stay_bounded() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for length in [0, 1, 2, 9, 100, LONGEST] {
            let inputs = vec![vec![b'a'; length]; 2];
            for _ in 0..500 {
                assert!(mutate(&inputs, &["word"], &mut rng).len() <= LONGEST);
            }
        }
        assert!(mutate(&[], &[], &mut rng).len() <= LONGEST);
    }

    #[test]
    fn one_input_leads_to_many_and_words_arrive_whole() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let inputs = vec![b"threshold: 2".to_vec()];
        let many: BTreeSet<_> = (0..1000).map(|_| mutate(&inputs, &["members"], &mut rng)).collect();
        assert!(many.len() > 700, "{} of 1000 differ", many.len());
        assert!(many.iter().any(|input| input.windows(7).any(|window| window == b"members")));
    }
}
