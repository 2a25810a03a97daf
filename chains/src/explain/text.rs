//! An explanation in lines for people.

use std::fmt;

use super::{Account, Asset, Bound, Explain, Lifetime, Transfer, Units, unprintable};

/// Texts longer than this are shown by their beginning and end.
const SHOWN: usize = 160;

impl Explain {
    /// The explanation in lines for people, warnings first: a word of at most eight letters, and from the tenth column what
    /// it is about. Whatever text of a stranger is in it, no line has control characters.
    ///
    /// Amounts are in coins, or tokens, where the decimal places are known. What is long is shown by its beginning and end;
    /// all of it is in the JSON form.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Lines::default();
        for warning in &self.warnings {
            lines.add("warning", &warning.text);
        }
        match self.opaque.len() {
            0 => {}
            1 => lines.add("warning", "one part is not decoded: nobody here knows what it does"),
            parts => {
                lines
                    .add("warning", format!("{parts} parts are not decoded: nobody here knows what they do"));
            }
        }
        let net = crate::find(&self.chain).ok().map(|chain| chain.net());
        match net {
            Some(net) => lines.add("network", format!("{} ({})", net.name, self.chain)),
            None => lines.add("network", &self.chain),
        }
        self.transfers(&mut lines);
        if let Some(fee) = &self.fee {
            let amount = match net {
                Some(net) => format!("{} {}", coins(fee.amount, net.decimals), net.symbol),
                None => units(fee.amount),
            };
            let amount = match fee.bound {
                Bound::Exact => amount,
                Bound::AtMost => format!("at most {amount}"),
                Bound::Open => format!("not fixed, {amount} as it stands"),
            };
            match fee.payer.as_slice() {
                [] => lines.add("fee", amount),
                [payer] => lines.add("fee", format!("{amount}, paid by {}", account(payer))),
                // Bitcoin's inputs, which stand above.
                several if self.transfers.last().is_some_and(|last| last.from == several) => {
                    lines.add("fee", format!("{amount}, paid by the same {}", several.len()));
                }
                several => {
                    lines.add("fee", format!("{amount}, paid by"));
                    several.iter().for_each(|payer| lines.add("", account(payer)));
                }
            }
        }
        lines.add("lifetime", lifetime(&self.lifetime));
        for call in &self.calls {
            lines.add("call", format!("{}: {}, by {}", call.place, call.name, call.program));
            for (name, value) in &call.arguments {
                lines.add("", format!("{name}: {}", shortened(value)));
            }
        }
        for opaque in &self.opaque {
            lines.add("opaque", format!("{}: {}", opaque.place, opaque.reason));
            if let Some(program) = &opaque.program {
                lines.add("", format!("program: {program}"));
            }
            let (count, data) = (opaque.data.len() / 2, shortened(&opaque.data));
            lines.add("", format!("{count} byte{}: {data}", if count == 1 { "" } else { "s" }));
        }
        lines.0
    }

    fn transfers(&self, lines: &mut Lines) {
        let mut before: Option<&Transfer> = None;
        for transfer in &self.transfers {
            // All outputs of a Bitcoin transaction come from all of its inputs.
            let same = before
                .is_some_and(|before| before.from == transfer.from && before.authority == transfer.authority);
            if !same {
                for (number, from) in transfer.from.iter().enumerate() {
                    lines.add(if number == 0 { "from" } else { "" }, account(from));
                }
                if let Some(authority) = &transfer.authority {
                    lines.add("", format!("allowed by {}", account(authority)));
                }
            }
            let word = if transfer.to.own { "keeps" } else { "pays" };
            lines.add(word, format!("{} to {}", amount(transfer), account(&transfer.to)));
            before = Some(transfer);
        }
    }
}

impl fmt::Display for Explain {
    /// All [`lines`](Explain::lines), without one more line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    /// One line. What was read from JSON may be anybody's, and is escaped.
    fn add(&mut self, word: &str, text: impl AsRef<str>) {
        let mut line = format!("{word:<8}  ");
        for character in text.as_ref().chars() {
            if unprintable(character) {
                line.extend(character.escape_unicode());
            } else {
                line.push(character);
            }
        }
        self.0.push(line);
    }
}

fn account(account: &Account) -> String {
    format!("{}{}", shortened(&account.address), if account.own { " (own)" } else { "" })
}

fn amount(transfer: &Transfer) -> String {
    match &transfer.asset {
        Asset::Coin { symbol, decimals } => format!("{} {symbol}", coins(transfer.amount, *decimals)),
        Asset::Token { standard, mint, decimals } => {
            let amount = match decimals {
                Some(decimals) => coins(transfer.amount, *decimals),
                None => units(transfer.amount),
            };
            match mint {
                Some(mint) => format!("{amount} of {standard} {mint}"),
                None => format!("{amount} of an unnamed {standard} token"),
            }
        }
    }
}

fn units(amount: Units) -> String {
    format!("{amount} units")
}

/// `amount / 10^decimals`, exactly, without zeros at the end.
fn coins(amount: Units, decimals: u8) -> String {
    let places = usize::from(decimals);
    let digits = format!("{:0>width$}", amount.0, width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

fn lifetime(lifetime: &Lifetime) -> String {
    match lifetime {
        Lifetime::Unlimited => "until what it spends is spent otherwise".to_owned(),
        Lifetime::FromHeight { height } => {
            format!("from block {height} on, until what it spends is spent otherwise")
        }
        Lifetime::FromTime { time } => {
            format!("from {} on, until what it spends is spent otherwise", date(*time))
        }
        Lifetime::Blockhash { blockhash } => format!("about a minute from when block {blockhash} was made"),
        Lifetime::DurableNonce { account: kept, authority, nonce } => {
            format!("until {} advances the nonce {nonce} in {kept}", account(authority))
        }
        Lifetime::Nonce { account: sender, nonce } => {
            format!("until {} has another transaction with nonce {nonce}", account(sender))
        }
    }
}

/// A time in UTC.
fn date(seconds: u32) -> String {
    // Counted in years that begin in March, so that a leap day is the last of its year: 719468 days after the first such
    // year is 1970. Four hundred years have 146097 days.
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * cycle + year + next;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A text, or its beginning and end.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN * 3 / 4).collect();
    let end: String = text.chars().skip(count - SHOWN / 4).collect();
    format!("{start} … {end} ({count} characters)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Call, Fee, Opaque, Warning, WarningKind};

    #[test]
    fn amounts_are_exact_in_any_number_of_places() {
        let told = |amount, decimals| coins(Units(amount), decimals);
        assert_eq!(told(0, 8), "0");
        assert_eq!(told(1, 8), "0.00000001");
        assert_eq!(told(120_000, 8), "0.0012");
        assert_eq!(told(100_000_000, 8), "1");
        assert_eq!(told(2_100_000_000_000_001, 8), "21000000.00000001");
        assert_eq!(told(1500, 0), "1500");
        assert_eq!(told(u128::MAX, 0), u128::MAX.to_string());
        assert_eq!(told(u128::MAX, 38), "3.40282366920938463463374607431768211455");
        assert_eq!(told(1, 255), format!("0.{}1", "0".repeat(254)));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // By `date --utc --date=@…`.
        for (seconds, told) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (500_000_000, "1985-11-05 00:53:20 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (u32::MAX, "2106-02-07 06:28:15 UTC"),
        ] {
            assert_eq!(date(seconds), told);
        }
    }

    #[test]
    fn whatever_an_explanation_says_a_line_stays_a_line() {
        let evil = || "a\n\u{1b}[2J\u{202e}\u{2066}\r\0z".to_owned();
        let account = || Account { address: evil(), own: false };
        let mut explain = Explain::new(&evil(), Lifetime::Blockhash { blockhash: evil() });
        let token = |mint| Asset::Token { standard: evil(), mint, decimals: None };
        for asset in [Asset::Coin { symbol: evil(), decimals: 3 }, token(Some(evil())), token(None)] {
            let (from, to, authority) = (vec![account(), account()], account(), Some(account()));
            explain.transfers.push(Transfer { asset, amount: Units(1), from, to, authority });
        }
        explain.fee = Some(Fee { amount: Units(1), bound: Bound::AtMost, payer: vec![account(); 3] });
        let arguments = [(evil(), evil())].into();
        explain.calls.push(Call { place: evil(), program: evil(), name: evil(), arguments });
        explain.opaque.push(Opaque { place: evil(), reason: evil(), program: Some(evil()), data: evil() });
        explain.warnings.push(Warning { kind: WarningKind::Burned, text: evil() });
        let lines = explain.lines();
        assert!(lines.iter().all(|line| !line.chars().any(unprintable)), "{lines:#?}");
        assert_eq!(explain.to_string().lines().count(), lines.len());
        assert!(lines.iter().take(2).all(|line| line.starts_with("warning   ")), "{lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("warning")).count(), 2);
    }

    #[test]
    fn what_is_long_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened(&"x".repeat(SHOWN)), "x".repeat(SHOWN));
        let text = format!("begin{}end", "ä".repeat(100_000));
        let short = shortened(&text);
        assert!(short.starts_with("begin") && short.ends_with("end (100008 characters)"), "{short}");
        assert!(short.chars().count() < SHOWN + 40);
    }
}
