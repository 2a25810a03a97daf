//! Amounts of assets as people write them, `0.5 ETH`, and as chains count them.

use quorate_chains::{Asset, Chain};

use crate::spending::Place;

/// More decimal places no chain has, and 10^38 is the last power of ten that fits 128 bits.
const MAX_DECIMALS: u8 = 38;

/// An asset of the policy: one coin or token, or the same on several chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedAsset {
    pub(crate) name: String,
    /// Its decimal places as the policy counts: the most that any of its places has.
    pub(crate) decimals: u8,
    pub(crate) places: Vec<Counted>,
}

/// A coin or token, and how its chain counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) place: Place,
    pub(crate) decimals: u8,
}

impl NamedAsset {
    /// # Errors
    /// When the places are none, or count in more decimal places than fit.
    pub(crate) fn new(name: &str, places: Vec<Counted>) -> Result<Self, String> {
        let most = places.iter().map(|counted| counted.decimals).max();
        let decimals = most.ok_or_else(|| "it is nowhere: give its chain".to_owned())?;
        if decimals > MAX_DECIMALS {
            return Err(format!("{decimals} decimal places are more than {MAX_DECIMALS}"));
        }
        Ok(Self { name: name.to_owned(), decimals, places })
    }

    /// The amount of the asset that so many of the smallest units at a place are; none if that is not a place of it. Too large
    /// a number is the largest.
    pub(crate) fn amount_at(&self, place: &Place, units: u128) -> Option<u128> {
        let counted = self.places.iter().find(|counted| counted.place == *place)?;
        let scale = 10_u128.saturating_pow(u32::from(self.decimals.saturating_sub(counted.decimals)));
        Some(units.saturating_mul(scale))
    }

    /// An amount in words.
    pub(crate) fn show(&self, amount: u128) -> String {
        let one = 10_u128.saturating_pow(self.decimals.into());
        let (whole, rest) = (amount / one, amount % one);
        let name = &self.name;
        if rest == 0 {
            return format!("{whole} {name}");
        }
        let digits = format!("{rest:0width$}", width = usize::from(self.decimals));
        format!("{whole}.{} {name}", digits.trim_end_matches('0'))
    }

    /// The amount that a number without its unit says.
    pub(crate) fn parse(&self, number: &str) -> Result<u128, String> {
        let bad = || format!("{number:?} is no amount: expected digits, such as 1000 or 0.5");
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(bad());
        }
        if fraction.len() > usize::from(self.decimals)
            && fraction.trim_end_matches('0').len() > self.decimals.into()
        {
            return Err(format!(
                "{number} has more than the {} decimal places of {}",
                self.decimals, self.name
            ));
        }
        let large = || format!("{number} {} is more than can be counted", self.name);
        let one = 10_u128.saturating_pow(self.decimals.into());
        let whole: u128 = whole.parse().map_err(|_| large())?;
        let kept = fraction.get(..fraction.len().min(self.decimals.into())).unwrap_or_default();
        let missing = usize::from(self.decimals).saturating_sub(kept.len());
        let fraction: u128 = format!("{kept}{}", "0".repeat(missing)).parse().unwrap_or(0);
        whole.checked_mul(one).and_then(|whole| whole.checked_add(fraction)).ok_or_else(large)
    }
}

/// Where an asset of a transaction is kept, and how many decimal places the transaction says it has.
pub(crate) fn place_of(chain: &str, asset: &Asset) -> Option<(Place, Option<u8>)> {
    match asset {
        Asset::Coin { decimals, .. } => Some((Place::coin(chain), Some(*decimals))),
        Asset::Token { mint: Some(mint), decimals, .. } => Some((Place::token(chain, mint), *decimals)),
        // A token that the transaction does not name, or something that a later adapter knows.
        _ => None,
    }
}

/// The coin of a chain, as its own chain counts it.
pub(crate) fn coin_of(chain: Chain) -> Counted {
    Counted { place: Place::coin(chain.net().id), decimals: chain.net().decimals }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn asset(decimals: &[u8]) -> NamedAsset {
        let places = decimals.iter().zip(["a", "b"]);
        let places =
            places.map(|(decimals, chain)| Counted { place: Place::coin(chain), decimals: *decimals });
        NamedAsset::new("X", places.collect()).unwrap()
    }

    #[test]
    fn amounts_are_read_and_shown_to_the_last_decimal_place() {
        for (decimals, text, units, shown) in [
            (6, "1", 1_000_000, "1 X"),
            (6, "0.5", 500_000, "0.5 X"),
            (6, "0.000001", 1, "0.000001 X"),
            (6, "1.100000", 1_100_000, "1.1 X"),
            (6, "1.10000000", 1_100_000, "1.1 X"),
            (0, "7", 7, "7 X"),
            (0, "7.0", 7, "7 X"),
            (18, "1000000", 10_u128.pow(24), "1000000 X"),
        ] {
            let asset = asset(&[decimals]);
            assert_eq!(asset.parse(text), Ok(units), "{text}");
            assert_eq!(asset.show(units), shown);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let asset = asset(&[6]);
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,000", "1 000", "0x10", "1.0000001", "NaN", "٣"]
        {
            assert!(asset.parse(bad).is_err(), "{bad}");
        }
        assert!(asset.parse(&u128::MAX.to_string()).unwrap_err().contains("more than can be counted"));
        assert!(NamedAsset::new("X", Vec::new()).is_err());
    }

    #[test]
    fn the_same_asset_on_two_chains_is_counted_in_the_finer_units() {
        let asset = asset(&[6, 18]);
        assert_eq!(asset.parse("1"), Ok(10_u128.pow(18)));
        assert_eq!(asset.amount_at(&Place::coin("a"), 1), Some(10_u128.pow(12)));
        assert_eq!(asset.amount_at(&Place::coin("b"), 1), Some(1));
        assert_eq!(asset.amount_at(&Place::coin("c"), 1), None);
        assert_eq!(asset.amount_at(&Place::coin("a"), u128::MAX), Some(u128::MAX));
    }
}
