//! Which packets have been accepted, by their numbers.

/// The numbers below the highest that are told apart; what is older counts as seen.
const WIDTH: u64 = 1024;
const WORDS: usize = (WIDTH / 64) as usize;

/// Accepts each number once, in any order within [`WIDTH`].
#[derive(Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One more than the highest number accepted.
    next: u64,
    /// Bit `n % WIDTH`: whether `n` was accepted, for the numbers of the window.
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// Whether `number` may still be accepted. Costs nothing: to be asked before a packet is opened.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        number >= self.next || (self.next.saturating_sub(number) <= WIDTH && !self.has(number))
    }

    /// Notes that `number` was accepted: of a packet that has been opened.
    pub(crate) fn accept(&mut self, number: u64) {
        if number >= self.next {
            let skipped = number.saturating_sub(self.next);
            if skipped >= WIDTH {
                self.seen = [0; WORDS];
            } else {
                (self.next..number).for_each(|between| self.set(between, false));
            }
            self.next = number.saturating_add(1);
        }
        self.set(number, true);
    }

    fn has(&self, number: u64) -> bool {
        self.seen.get(word(number)).is_some_and(|word| word & bit(number) != 0)
    }

    fn set(&mut self, number: u64, on: bool) {
        if let Some(word) = self.seen.get_mut(word(number)) {
            *word = if on { *word | bit(number) } else { *word & !bit(number) };
        }
    }
}

fn word(number: u64) -> usize {
    ((number % WIDTH) / 64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_too_old_counts_as_seen() {
        let mut window = ReplayWindow::default();
        window.accept(WIDTH);
        assert!(window.is_new(1), "the oldest of the window");
        assert!(!window.is_new(0));
        window.accept(5 * WIDTH);
        assert!(!window.is_new(WIDTH) && window.is_new(4 * WIDTH + 1));
        window.accept(u64::MAX - 1);
        assert!(window.is_new(u64::MAX - 2) && !window.is_new(u64::MAX - 1));
    }

    proptest! {
        #[test]
        fn each_number_is_accepted_once(numbers in prop::collection::vec(0..3 * WIDTH, 1..400)) {
            let (mut window, mut accepted) = (ReplayWindow::default(), BTreeSet::new());
            for number in numbers {
                let highest = accepted.last().copied();
                let old = highest.is_some_and(|highest| number + WIDTH <= highest);
                prop_assert_eq!(window.is_new(number), !accepted.contains(&number) && !old);
                if window.is_new(number) {
                    window.accept(number);
                    accepted.insert(number);
                }
            }
        }
    }
}
