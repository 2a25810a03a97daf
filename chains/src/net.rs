//! Networks, as data.

use quorate_keys::Scheme;
use serde::Serialize;

/// One network of one chain.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Net {
    /// The CAIP-2 id, the name that is never ambiguous.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// Short names, lower case. One that several networks share finds none of them.
    pub aliases: &'static [&'static str],
    /// The SLIP-44 coin type; 1 is shared by all test networks.
    pub slip44: u32,
    /// Schemes whose signatures the chain takes from this adapter.
    pub schemes: &'static [Scheme],
    /// The symbol of the chain's own coin.
    pub symbol: &'static str,
    /// The decimal places of the coin: one coin is `10^decimals` units.
    pub decimals: u8,
    /// Whether its coins are worth nothing.
    pub test: bool,
    /// What else the adapter must know.
    pub parameters: Parameters,
}

impl Net {
    /// Whether transactions can be given as a JSON object, too.
    #[must_use]
    pub const fn takes_json(&self) -> bool {
        matches!(self.parameters, Parameters::Ethereum { .. })
    }
}

/// What a chain family must know about a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Parameters {
    /// Version bytes, human-readable part and all else that follows from the network.
    Bitcoin(BitcoinNetwork),
    /// The number that transactions carry, and how the chain charges.
    #[serde(rename_all = "kebab-case")]
    Ethereum {
        /// The chain id of EIP-155.
        chain_id: u64,
        /// Whether it takes a fee for data besides gas, which the transaction doesn't limit.
        data_fee: bool,
    },
    /// Nothing: neither addresses nor messages differ between Solana's clusters.
    Solana,
}

/// Bitcoin's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BitcoinNetwork {
    /// The one that matters.
    Mainnet,
    /// The third public test network.
    Testnet3,
    /// The fourth public test network (BIP-94).
    Testnet4,
    /// The public signet (BIP-325).
    Signet,
    /// A private chain.
    Regtest,
}
