//! How old the shares of wallets become before their holders refresh them on their own.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use quorate_request::WalletId;

use crate::clock::millis_of;
use crate::wallets::Wallet;

/// The longest: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// The shortest: less would be over before all are asked.
const SHORTEST: Duration = Duration::from_secs(1);
/// Of how many parts of a period one may be missing for a node that another asks: their clocks differ.
const SLACK: u64 = 20;

/// How old the shares of wallets become. By default as old as the wallets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    wallets: BTreeMap<WalletId, Option<Duration>>,
    others: Option<Duration>,
}

/// A part of a [`Schedule`]: `30d` for all wallets that are not named, `treasury=7d` or `treasury=never` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    wallet: Option<WalletId>,
    period: Option<Duration>,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wallet, period) = match text.split_once('=') {
            Some((name, period)) => {
                let wallet = name.trim().parse().map_err(|error| format!("{error}"))?;
                (Some(wallet), period.trim())
            }
            None => (None, text),
        };
        let period = match period {
            "never" => None,
            period => Some(crate::config::duration(period)?),
        };
        if period.is_some_and(|period| !(SHORTEST..=LONGEST).contains(&period)) {
            return Err("it is not in 1s to 3650d".into());
        }
        Ok(Self { wallet, period })
    }
}

impl TryFrom<Vec<Entry>> for Schedule {
    type Error = String;

    fn try_from(entries: Vec<Entry>) -> Result<Self, String> {
        let (mut schedule, mut others) = (Self::default(), None);
        for Entry { wallet, period } in entries {
            let before = match &wallet {
                Some(wallet) => schedule.wallets.insert(wallet.clone(), period),
                None => others.replace(period),
            };
            if before.is_some() {
                let which =
                    wallet.map_or_else(|| "the other wallets".to_owned(), |wallet| wallet.to_string());
                return Err(format!("two periods are given for {which}"));
            }
        }
        schedule.others = others.flatten();
        Ok(schedule)
    }
}

impl Schedule {
    /// The shortest period; nothing if no wallet is ever refreshed.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.wallets.values().chain([&self.others]).flatten().min().copied()
    }

    /// For how long a wallet's shares have been too old, if they are.
    pub(crate) fn overdue(&self, wallet: &Wallet, now_ms: u64) -> Option<Duration> {
        let period = millis_of(self.period_of(&wallet.id)?);
        let overdue = now_ms.checked_sub(wallet.shared_ms())?.checked_sub(period)?;
        Some(Duration::from_millis(overdue))
    }

    /// Whether a wallet's shares are too old, or nearly so: when somebody else says that they are.
    pub(crate) fn is_nearly_due(&self, wallet: &Wallet, now_ms: u64) -> bool {
        self.period_of(&wallet.id).is_some_and(|period| {
            let period = millis_of(period);
            now_ms.saturating_sub(wallet.shared_ms()) >= period - period / SLACK
        })
    }

    fn period_of(&self, wallet: &WalletId) -> Option<Duration> {
        self.wallets.get(wallet).copied().unwrap_or(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(texts: &[&str]) -> Result<Schedule, String> {
        texts.iter().map(|text| text.parse()).collect::<Result<Vec<Entry>, _>>()?.try_into()
    }

    #[test]
    fn a_wallet_has_its_own_period_or_that_of_the_others() {
        let schedule = schedule(&["30d", "treasury=12h", "cold = never"]).unwrap();
        let period = |name: &str| schedule.period_of(&name.parse().unwrap());
        assert_eq!(period("treasury"), Some(Duration::from_secs(12 * 3600)));
        assert_eq!(period("cold"), None);
        assert_eq!(period("any"), Some(Duration::from_secs(30 * 86400)));
        assert_eq!(schedule.shortest(), Some(Duration::from_secs(12 * 3600)));
        assert_eq!(Schedule::default().shortest(), None);
        assert_eq!(Schedule::default().period_of(&"any".parse().unwrap()), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (texts, why) in [
            (&["0s"] as &[_], "1s to 3650d"),
            (&["999ms"], "1s to 3650d"),
            (&["3651d"], "1s to 3650d"),
            (&["w=4000d"], "1s to 3650d"),
            (&["7"], "not a duration"),
            (&["w=sometimes"], "not a duration"),
            (&["a wallet=1d"], "a wallet"),
            (&["=1d"], ""),
            (&["1d", "never"], "the other wallets"),
            (&["w=1d", "w=2d"], "for w"),
        ] {
            let error = schedule(texts).unwrap_err();
            assert!(error.contains(why), "{texts:?}: {error}");
        }
    }
}
