//! One page of a list by name. Who asks for the next one names the last that it was given, so that what is made in between
//! moves nothing from one page to another.

use quorate_request::WalletId;

/// Those whose names come after `after`, in the order of their names: `size` of them, and the further ones that have the
/// last one's name. So the next page begins with another name.
pub(super) fn page<T>(
    mut all: Vec<T>,
    name: impl Fn(&T) -> &WalletId,
    after: Option<&WalletId>,
    size: usize,
) -> Vec<T> {
    all.retain(|one| after.is_none_or(|after| name(one) > after));
    all.sort_by(|left, right| name(left).cmp(name(right)));
    if let Some(end) = size.checked_sub(1).and_then(|last| all.get(last)).map(|last| name(last).clone()) {
        all.retain(|one| *name(one) <= end);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{RngCore, SeedableRng};

    /// A wallet: its name, and which of that name it is.
    type Named = (WalletId, u32);

    fn some_name(rng: &mut impl RngCore) -> WalletId {
        // Few enough that some are met twice, in every kind of character.
        let alphabet = b"Aa0zZ9-._";
        let mut name = vec![alphabet[rng.next_u32() as usize % 6]];
        for _ in 0..rng.next_u32() % 3 {
            name.push(alphabet[rng.next_u32() as usize % alphabet.len()]);
        }
        String::from_utf8(name).unwrap().parse().unwrap()
    }

    /// All pages, as a client asks for them: until one is not whole. Something happens to the wallets between two pages.
    fn pages(
        wallets: &mut Vec<Named>,
        size: usize,
        mut meanwhile: impl FnMut(&mut Vec<Named>),
    ) -> Vec<Named> {
        let mut listed: Vec<Named> = Vec::new();
        loop {
            let after = listed.last().map(|(name, _)| name.clone());
            let page = page(wallets.clone(), |(name, _)| name, after.as_ref(), size);
            let whole = page.len() >= size;
            listed.extend(page);
            assert!(listed.len() <= wallets.len(), "more than there are");
            if !whole {
                return listed;
            }
            meanwhile(wallets);
        }
    }

    #[test]
    fn pages_give_every_wallet_in_order_and_none_twice_also_while_wallets_are_made() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut wallets: Vec<Named> =
                (0..seed as u32 % 40).map(|number| (some_name(&mut rng), number)).collect();
            for size in 1..=5 {
                let mut sorted = wallets.clone();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                assert_eq!(pages(&mut wallets, size, |_| ()), sorted, "seed {seed}, pages of {size}");
            }
            let before = wallets.clone();
            let size = 1 + seed as usize % 5;
            let mut number = 1000;
            let listed = pages(&mut wallets, size, |wallets| {
                // Anywhere: before what was listed, behind it, or under a name that was.
                if number < 1030 {
                    wallets
                        .insert(rng.next_u32() as usize % (wallets.len() + 1), (some_name(&mut rng), number));
                    number += 1;
                }
            });
            assert!(listed.is_sorted_by(|left, right| left.0 <= right.0), "seed {seed}");
            let mut once = listed.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), listed.len(), "seed {seed}: one is listed twice");
            assert!(before.iter().all(|wallet| listed.contains(wallet)), "seed {seed}: one is missing");
        }
    }

    #[test]
    fn wallets_of_one_name_are_never_parted() {
        let of = |name: &str, number| (name.parse::<WalletId>().unwrap(), number);
        let all = vec![of("b", 1), of("a", 2), of("b", 3), of("c", 4), of("b", 5)];
        let numbers = |after: Option<&str>, size| {
            let after = after.map(|name| name.parse().unwrap());
            let page = page(all.clone(), |(name, _)| name, after.as_ref(), size);
            page.into_iter().map(|(_, number)| number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(None, 2), [2, 1, 3, 5]);
        assert_eq!(numbers(Some("b"), 2), [4]);
        assert!(numbers(Some("c"), 2).is_empty());
    }
}
