//! What one wallet has spent of one coin or token, added up by the minute: a window over ten thousand payments adds up few numbers.

use std::collections::BTreeMap;

use super::Key;

/// How long one sum is over, in seconds.
const MINUTE: u64 = 60;

/// Units that were spent within a minute, by when.
#[derive(Debug, Default)]
struct Minute {
    /// Of all of them; where that is too much for a number, the greatest one.
    sum: u128,
    units: BTreeMap<(u64, Key), u128>,
}

/// Units that were spent, by when.
#[derive(Debug, Default)]
pub(super) struct Line(BTreeMap<u64, Minute>);

impl Line {
    pub(super) fn insert(&mut self, at: u64, key: Key, units: u128) {
        self.remove(at, &key);
        let minute = self.0.entry(at / MINUTE).or_default();
        minute.sum = minute.sum.saturating_add(units);
        minute.units.insert((at, key), units);
    }

    pub(super) fn remove(&mut self, at: u64, key: &Key) {
        let Some(minute) = self.0.get_mut(&(at / MINUTE)) else { return };
        let Some(units) = minute.units.remove(&(at, *key)) else { return };
        minute.sum = match minute.sum {
            u128::MAX => sum(minute.units.values()),
            exact => exact.saturating_sub(units),
        };
        if minute.units.is_empty() {
            self.0.remove(&(at / MINUTE));
        }
    }

    pub(super) fn get(&self, at: u64, key: &Key) -> Option<u128> {
        self.0.get(&(at / MINUTE))?.units.get(&(at, *key)).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that was spent since a time, that second included; the greatest number if it is more.
    pub(super) fn since(&self, time: u64) -> u128 {
        let first = time / MINUTE;
        let begun = self
            .0
            .get(&first)
            .map(|minute| sum(minute.units.range((time, [0; 32])..).map(|(_, units)| units)));
        let whole = self.0.range(first.saturating_add(1)..).map(|(_, minute)| minute.sum);
        begun.into_iter().chain(whole).fold(0, u128::saturating_add)
    }
}

fn sum<'a>(units: impl Iterator<Item = &'a u128>) -> u128 {
    units.fold(0, |sum, units| sum.saturating_add(*units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        [number; 32]
    }

    #[test]
    fn sums_are_those_of_the_single_payments() {
        let (mut line, mut plain) = (Line::default(), BTreeMap::new());
        let check = |line: &Line, plain: &BTreeMap<(u64, Key), u128>| {
            for since in (0..400).chain([u64::MAX]) {
                let expected = sum(plain.range((since, [0; 32])..).map(|(_, units)| units));
                assert_eq!(line.since(since), expected, "since {since}");
            }
        };
        for number in 0..200_u8 {
            let (at, units) = (u64::from(number) * 37 % 360, u128::from(number) + 1);
            line.insert(at, key(number % 90), units);
            plain.insert((at, key(number % 90)), units);
        }
        check(&line, &plain);
        // Again at the same time, and with another amount.
        line.insert(0, key(0), 7);
        plain.insert((0, key(0)), 7);
        check(&line, &plain);
        for at in (0..360).step_by(3) {
            for number in 0..90 {
                assert_eq!(line.get(at, &key(number)), plain.get(&(at, key(number))).copied());
                line.remove(at, &key(number));
                plain.remove(&(at, key(number)));
            }
        }
        check(&line, &plain);
        for (at, key) in std::mem::take(&mut plain).into_keys() {
            line.remove(at, &key);
        }
        assert!(line.is_empty());
    }

    #[test]
    fn what_is_too_much_for_a_number_stays_too_much_until_it_is_gone() {
        let mut line = Line::default();
        line.insert(5, key(1), u128::MAX);
        line.insert(6, key(2), u128::MAX);
        line.insert(7, key(3), 3);
        assert_eq!((line.since(0), line.since(6), line.since(7)), (u128::MAX, u128::MAX, 3));
        line.remove(5, &key(1));
        assert_eq!(line.since(0), u128::MAX);
        line.remove(6, &key(2));
        assert_eq!(line.since(0), 3);
    }
}
