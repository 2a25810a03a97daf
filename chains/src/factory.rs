//! The one table of all chains.

use quorate_keys::{PublicKey, Scheme, Signature};

use crate::adapter::{Adapter, AddressKind, Prepared, Signed};
use crate::context::Context;
use crate::error::{AddressError, AssembleError, LookupError, PrepareError};
use crate::net::Net;
#[cfg(any(feature = "bitcoin", feature = "ethereum", feature = "solana"))]
use crate::net::Parameters;

/// A network and the adapter that speaks its language.
#[derive(Clone, Copy)]
pub struct Chain {
    net: &'static Net,
    adapter: &'static dyn Adapter,
}

/// All chains that were built in, in the order in which they are listed.
pub fn chains() -> impl Iterator<Item = Chain> {
    let families: &[(&'static [Net], &'static dyn Adapter)] = &[
        #[cfg(feature = "bitcoin")]
        (BITCOIN, &crate::bitcoin::Bitcoin),
        #[cfg(feature = "ethereum")]
        (ETHEREUM, &crate::ethereum::Ethereum),
        #[cfg(feature = "solana")]
        (SOLANA, &crate::solana::Solana),
    ];
    let chains =
        families.iter().flat_map(|(nets, adapter)| nets.iter().map(|net| Chain { net, adapter: *adapter }));
    chains.collect::<Vec<_>>().into_iter()
}

#[cfg(feature = "bitcoin")]
#[rustfmt::skip]
static BITCOIN: &[Net] = {
    use crate::net::BitcoinNetwork::{Mainnet, Regtest, Signet, Testnet3, Testnet4};
    const fn net(id: &'static str, name: &'static str, aliases: &'static [&'static str], network: crate::net::BitcoinNetwork) -> Net {
        let test = !matches!(network, Mainnet);
        let symbol = if test { "tBTC" } else { "BTC" };
        let slip44 = if test { 1 } else { 0 };
        let parameters = Parameters::Bitcoin(network);
        Net { id, name, aliases, slip44, schemes: &[Scheme::Bip340], symbol, decimals: 8, test, parameters }
    }
    &[
        net("bip122:000000000019d6689c085ae165831e93", "Bitcoin",           &["bitcoin", "btc", "bitcoin-mainnet"],      Mainnet),
        net("bip122:000000000933ea01ad0ee984209779ba", "Bitcoin testnet 3", &["bitcoin-testnet", "testnet3", "testnet"], Testnet3),
        net("bip122:00000000da84f2bafbbc53dee25a72ae", "Bitcoin testnet 4", &["bitcoin-testnet4", "testnet4"],           Testnet4),
        net("bip122:00000008819873e925422c1ff0f99f7c", "Bitcoin signet",    &["bitcoin-signet", "signet"],               Signet),
        net("bip122:0f9188f13cb7b2c71f2a335e3a4fc328", "Bitcoin regtest",   &["bitcoin-regtest", "regtest"],             Regtest),
    ]
};

#[cfg(feature = "ethereum")]
#[rustfmt::skip]
static ETHEREUM: &[Net] = {
    const fn chain(chain_id: u64) -> Parameters {
        Parameters::Ethereum { chain_id, data_fee: false }
    }
    /// A chain that keeps its data on Ethereum, and charges what that costs there besides gas.
    const fn rollup(chain_id: u64) -> Parameters {
        Parameters::Ethereum { chain_id, data_fee: true }
    }
    /// Main networks share SLIP-44 number 60, as they share addresses.
    const fn net(id: &'static str, parameters: Parameters, name: &'static str, aliases: &'static [&'static str], symbol: &'static str, test: bool) -> Net {
        let slip44 = if test { 1 } else { 60 };
        Net { id, name, aliases, slip44, schemes: &[Scheme::EcdsaSecp256k1], symbol, decimals: 18, test, parameters }
    }
    &[
        net("eip155:1",        chain(1),          "Ethereum",         &["ethereum", "eth", "ethereum-mainnet"], "ETH",  false),
        net("eip155:11155111", chain(11_155_111), "Ethereum Sepolia", &["sepolia", "ethereum-sepolia"],         "ETH",  true),
        net("eip155:17000",    chain(17_000),     "Ethereum Holesky", &["holesky", "ethereum-holesky"],         "ETH",  true),
        net("eip155:560048",   chain(560_048),    "Ethereum Hoodi",   &["hoodi", "ethereum-hoodi"],             "ETH",  true),
        net("eip155:42161",    chain(42_161),     "Arbitrum One",     &["arbitrum", "arbitrum-one"],            "ETH",  false),
        net("eip155:43114",    chain(43_114),     "Avalanche C",      &["avalanche-c", "avax-c"],               "AVAX", false),
        net("eip155:8453",     rollup(8453),      "Base",             &["base"],                                "ETH",  false),
        net("eip155:56",       chain(56),         "BNB Smart Chain",  &["bnb", "bsc"],                          "BNB",  false),
        net("eip155:96369",    chain(96_369),     "Lux C",            &["lux-c"],                               "LUX",  false),
        net("eip155:10",       rollup(10),        "OP Mainnet",       &["optimism", "op", "op-mainnet"],        "ETH",  false),
        net("eip155:137",      chain(137),        "Polygon",          &["polygon", "pol"],                      "POL",  false),
    ]
};

#[cfg(feature = "solana")]
#[rustfmt::skip]
static SOLANA: &[Net] = {
    const fn net(id: &'static str, name: &'static str, aliases: &'static [&'static str], test: bool) -> Net {
        let slip44 = if test { 1 } else { 501 };
        Net { id, name, aliases, slip44, schemes: &[Scheme::Ed25519], symbol: "SOL", decimals: 9, test, parameters: Parameters::Solana }
    }
    &[
        net("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "Solana",         &["solana", "sol", "solana-mainnet"], false),
        net("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "Solana devnet",  &["solana-devnet", "devnet"],         true),
        net("solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z", "Solana testnet", &["solana-testnet", "testnet"],       true),
    ]
};

/// The chain with this CAIP-2 id, alias, or SLIP-44 number (`501` or `slip44:501`).
///
/// # Errors
/// When nothing is called like this, or several things are.
pub fn find(name: &str) -> Result<Chain, LookupError> {
    let digits = name.strip_prefix("slip44:").unwrap_or(name);
    // A number has one spelling.
    let number = digits.parse::<u32>().ok().filter(|number| number.to_string() == digits);
    let matches = |net: &Net| net.id == name || net.aliases.contains(&name) || Some(net.slip44) == number;
    let found: Vec<Chain> = chains().filter(|chain| matches(chain.net)).collect();
    let name = || crate::explain::printable(&name.chars().take(64).collect::<String>());
    match found.as_slice() {
        [chain] => Ok(*chain),
        [] => Err(LookupError::Unknown { name: name(), known: ids(chains()) }),
        several => {
            let candidates = ids(several.iter().copied());
            Err(LookupError::Ambiguous { name: name(), candidates })
        }
    }
}

fn ids(chains: impl Iterator<Item = Chain>) -> String {
    chains.map(|chain| format!("{} ({})", chain.net.id, chain.net.name)).collect::<Vec<_>>().join(", ")
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.net.id).finish()
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.net.id == other.net.id
    }
}

impl Eq for Chain {}

impl Chain {
    /// The network.
    #[must_use]
    pub const fn net(&self) -> &'static Net {
        self.net
    }

    /// The address of `key`, which is not tweaked yet.
    ///
    /// # Errors
    /// When the chain has no address of this kind for this key.
    pub fn address(&self, key: &PublicKey, kind: AddressKind) -> Result<String, AddressError> {
        if !self.net.schemes.contains(&key.scheme()) {
            return Err(AddressError::Scheme { chain: self.net.name, scheme: key.scheme() });
        }
        self.adapter.address(self.net, key, kind)
    }

    /// Whether `address` is one of this network.
    ///
    /// # Errors
    /// When it is not, or another network's.
    pub fn check_address(&self, address: &str) -> Result<(), AddressError> {
        self.canonical_address(address).map(drop)
    }

    /// `address` in the one spelling in which explanations write it.
    ///
    /// # Errors
    /// When it is none of this network, or another network's.
    pub fn canonical_address(&self, address: &str) -> Result<String, AddressError> {
        // No chain's addresses are longer than 90 characters (bech32).
        if address.len() > 128 {
            return Err(AddressError::Invalid { chain: self.net.name });
        }
        self.adapter.canonical_address(self.net, address)
    }

    /// What a transaction says, and what must be signed for it.
    ///
    /// The same bytes and context give the same answer on every machine.
    ///
    /// # Errors
    /// When the transaction is not wholly understood in form, is not the wallet's to sign, or lies.
    pub fn prepare(&self, tx: &[u8], context: &Context) -> Result<Prepared, PrepareError> {
        self.check_context(context)?;
        let prepared = self.adapter.prepare(self.net, tx, context)?;
        if prepared.requests.is_empty() {
            return Err(PrepareError::NotOurs);
        }
        Ok(prepared)
    }

    /// The signed transaction: `signatures` in the order of [`Prepared::requests`]. Verifies every one again.
    ///
    /// # Errors
    /// When one is missing, too many, or not valid.
    pub fn assemble(&self, prepared: &Prepared, signatures: &[Signature]) -> Result<Signed, AssembleError> {
        prepared.verify(self.net, signatures)?;
        self.adapter.assemble(self.net, prepared, signatures)
    }

    fn check_context(&self, context: &Context) -> Result<(), PrepareError> {
        let (got, limit) = (context.keys.len(), Context::MAX_KEYS);
        if got > limit {
            return Err(PrepareError::Context { got, limit });
        }
        for key in &context.keys {
            if !self.net.schemes.contains(&key.key.scheme()) {
                return Err(PrepareError::Scheme { chain: self.net.name, scheme: key.key.scheme() });
            }
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "bitcoin", feature = "ethereum", feature = "solana"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_chain_is_found_by_its_id_and_every_name_finds_one_or_is_ambiguous() {
        let mut seen = BTreeSet::new();
        for chain in chains() {
            assert!(seen.insert(chain.net().id), "{} twice", chain.net().id);
            assert_eq!(find(chain.net().id), Ok(chain));
            assert!(!chain.net().schemes.is_empty());
            for alias in chain.net().aliases {
                assert_eq!(*alias, alias.to_lowercase());
                let bearers = chains().filter(|other| other.net().aliases.contains(alias)).count();
                match find(alias) {
                    Ok(found) => assert_eq!((found, bearers), (chain, 1)),
                    Err(error) => assert!(bearers > 1, "{error}"),
                }
            }
        }
        assert_eq!(seen.len(), 19);
    }

    #[test]
    fn numbers_find_main_networks_and_the_test_number_none() {
        for (number, alias) in
            [("0", "bitcoin"), ("slip44:0", "btc"), ("501", "solana"), ("slip44:501", "sol")]
        {
            assert_eq!(find(number), find(alias));
        }
        for ambiguous in ["1", "slip44:1", "60", "slip44:60", "testnet"] {
            assert_eq!(find(ambiguous).unwrap_err().code(), "ambiguous_chain", "{ambiguous}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let long = "x".repeat(10_000);
        for name in [
            "",
            "Bitcoin",
            "slip44:",
            "137",
            "eip155:",
            "eip155:01",
            "slip44:x",
            "0501",
            "slip44:sol",
            "+0",
            "00000000000000501x",
            "bip122:",
            "\u{1b}[2J",
            &long,
        ] {
            let error = find(name).unwrap_err();
            assert_eq!(error.code(), "unknown_chain", "{name}");
            let text = error.to_string();
            assert!(text.contains("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp (Solana)"), "{text}");
            assert!(text.len() < 1500 && !text.contains('\u{1b}'));
        }
    }
}
