//! Transactions, as adapters explain them.

use std::collections::BTreeMap;

use quorate_chains::{
    Account, Asset, Bound, Call, Explain, Fee, Lifetime, Opaque, Transfer, Units, Warning, WarningKind, names,
};

pub(crate) const ETHEREUM: &str = "eip155:1";
pub(crate) const BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";
pub(crate) const SOLANA: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
pub(crate) const USDC: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
pub(crate) const USDC_ON_SOLANA: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
pub(crate) const EXCHANGE: &str = "0x28C6c06298d514Db089934071355E5743bf21d60";
/// In the policy it is written without capitals.
pub(crate) const OTHER_EXCHANGE: &str = "0x21a31Ee1afC51d94C2eFcCAa2092aD1028285549";
pub(crate) const SOLANA_EXCHANGE: &str = "5tzFkiKscXHK5ZXCGbXZxdw7gTjjD1mBwuoFbhUvuAi9";
pub(crate) const SANCTIONED: &str = "0x8589427373D6D84E98730D7795D8f6f8731FDA16";
pub(crate) const STRANGER: &str = "0x000000000000000000000000000000000000dEaD";
pub(crate) const WALLET: &str = "0x1111111111111111111111111111111111111111";

/// A thousandth of a coin of Ethereum.
pub(crate) const MILLI_ETH: u128 = 1_000_000_000_000_000;

fn account(address: &str, own: bool) -> Account {
    Account { address: address.to_owned(), own }
}

/// A transaction that does nothing, for a fee of a thousandth of a coin.
pub(crate) fn nothing(chain: &str) -> Explain {
    let (amount, bound) =
        if chain == ETHEREUM { (MILLI_ETH, Bound::AtMost) } else { (1_000_000, Bound::Exact) };
    Explain {
        chain: chain.to_owned(),
        transfers: Vec::new(),
        fee: Some(Fee { amount: Units(amount), bound, payer: vec![account(WALLET, true)] }),
        lifetime: Lifetime::Unlimited,
        calls: Vec::new(),
        opaque: Vec::new(),
        warnings: Vec::new(),
    }
}

/// One to which things are added.
pub(crate) struct Tx(pub(crate) Explain);

impl Tx {
    pub(crate) fn on(chain: &str) -> Self {
        Self(nothing(chain))
    }

    fn give(mut self, asset: Asset, units: u128, to: &str) -> Self {
        self.0.transfers.push(Transfer {
            asset,
            amount: Units(units),
            from: vec![account(WALLET, true)],
            to: account(to, to == WALLET),
            authority: None,
        });
        self
    }

    pub(crate) fn coin(self, units: u128, to: &str) -> Self {
        let (symbol, decimals) = match self.0.chain.as_str() {
            ETHEREUM => ("ETH", 18),
            BITCOIN => ("BTC", 8),
            _ => ("SOL", 9),
        };
        self.give(Asset::Coin { symbol: symbol.to_owned(), decimals }, units, to)
    }

    /// Coins that somebody else pays, who signs as well.
    pub(crate) fn coin_of_another(mut self, units: u128, to: &str) -> Self {
        self = self.coin(units, to);
        if let Some(transfer) = self.0.transfers.last_mut() {
            transfer.from = vec![account(STRANGER, false)];
        }
        self
    }

    pub(crate) fn change(self, units: u128) -> Self {
        self.coin(units, WALLET)
    }

    pub(crate) fn token(self, token: &str, decimals: Option<u8>, units: u128, to: &str) -> Self {
        let standard = "erc-20".to_owned();
        self.give(Asset::Token { standard, mint: Some(token.to_owned()), decimals }, units, to)
    }

    /// A token of Solana: moved by its program, on the word of the wallet.
    pub(crate) fn spl(mut self, token: &str, decimals: Option<u8>, units: u128, to: &str) -> Self {
        let (standard, mint) = (names::SPL_TOKEN.0.to_owned(), Some(token.to_owned()));
        self = self.give(Asset::Token { standard, mint, decimals }, units, to);
        if let Some(transfer) = self.0.transfers.last_mut() {
            transfer.from = vec![account(SOLANA_EXCHANGE, false)];
            transfer.authority = Some(account(WALLET, true));
        }
        self
    }

    /// Tokens that the wallet takes by `transferFrom`: from somebody else, who allowed it, or from itself.
    pub(crate) fn taken(mut self, token: &str, units: u128, from: &str, to: &str) -> Self {
        self = self.token(token, None, units, to);
        if let Some(transfer) = self.0.transfers.last_mut() {
            transfer.from = vec![account(from, from == WALLET)];
            transfer.authority = Some(account(WALLET, true));
        }
        self
    }

    pub(crate) fn unnamed_token(self, units: u128, to: &str) -> Self {
        let standard = "spl-token".to_owned();
        self.give(Asset::Token { standard, mint: None, decimals: None }, units, to)
    }

    /// Millionths of a dollar.
    pub(crate) fn usdc(self, units: u128, to: &str) -> Self {
        self.token(USDC, None, units, to)
    }

    pub(crate) fn call(mut self, program: &str, name: &str, arguments: &[(&str, &str)]) -> Self {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let arguments: BTreeMap<String, String> = arguments.collect();
        let place = "data".to_owned();
        self.0.calls.push(Call { place, program: program.to_owned(), name: name.to_owned(), arguments });
        self
    }

    /// An output of Bitcoin that carries data, and destroys so many satoshis.
    pub(crate) fn data(mut self, satoshis: u128) -> Self {
        if satoshis > 0 {
            self = self.coin(satoshis, "script:6a0101");
        }
        self.call(names::OP_RETURN, "data", &[("data", "0101")])
    }

    pub(crate) fn opaque(mut self, program: Option<&str>, data: &str) -> Self {
        self.0.opaque.push(Opaque {
            place: "data".to_owned(),
            reason: "unknown".to_owned(),
            program: program.map(str::to_owned),
            data: data.to_owned(),
        });
        self
    }

    pub(crate) fn fee(mut self, units: u128, bound: Bound) -> Self {
        self.0.fee = Some(Fee { amount: Units(units), bound, payer: vec![account(WALLET, true)] });
        self
    }

    pub(crate) fn fee_of_another(mut self, units: u128) -> Self {
        self.0.fee =
            Some(Fee { amount: Units(units), bound: Bound::Exact, payer: vec![account(STRANGER, false)] });
        self
    }

    pub(crate) fn without_fee(mut self) -> Self {
        self.0.fee = None;
        self
    }

    pub(crate) fn warned(mut self, kind: WarningKind) -> Self {
        self.0.warnings.push(Warning { kind, text: String::new() });
        self
    }
}
