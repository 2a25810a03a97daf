//! The policy as it is written.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use quorate_keys::Principal;
use quorate_request::ClusterId;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bounds::{self, MAX_LISTED, MAX_NAMED};

/// Why a policy is not accepted: its author's to correct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More than anybody writes.
    #[error("a policy has at most {limit} bytes, this one {got}")]
    TooLarge {
        /// Its bytes.
        got: usize,
        /// The most there may be.
        limit: usize,
    },
    /// It is no YAML, or has keys that do not exist, twice the same, or values of another type.
    #[error("{0}")]
    Form(String),
    /// It reads well and means nothing, or contradicts itself.
    #[error("{place}: {reason}")]
    Meaning {
        /// Where, such as `rules: payments: at_most`.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// What has a name, in the order in which it is written. A name that is there twice is refused.
#[derive(Debug)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names, each with what it stands for")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut entries: Vec<(String, T)> = Vec::new();
                let mut names = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    bounds::name(&name).map_err(A::Error::custom)?;
                    if entries.len() >= MAX_NAMED {
                        return Err(A::Error::custom(format!("more than {MAX_NAMED} names")));
                    }
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("{name} is there twice")));
                    }
                    entries.push((name, value));
                }
                Ok(Named(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A list that is not too long.
fn listed<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.len() > MAX_LISTED {
        Err(D::Error::custom(format!("a list has {} entries, more than {MAX_LISTED}", list.len())))
    } else {
        Ok(list)
    }
}

/// A list with something in it: nobody knows whether an empty one means none or all.
fn filled<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = listed(deserializer)?;
    if list.is_empty() {
        Err(D::Error::custom("a list is empty: leave it out, or say what is in it"))
    } else {
        Ok(list)
    }
}

/// The same, of one that may be left out.
fn filled_if_given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    filled(deserializer).map(Some)
}

/// The name of a rule.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    bounds::name(&name).map_err(D::Error::custom)?;
    Ok(name)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) version: u64,
    pub(crate) cluster: Option<ClusterId>,
    #[serde(default)]
    pub(crate) test_networks: bool,
    pub(crate) utc_offset: Option<String>,
    pub(crate) initiators: Named<InitiatorEntry>,
    #[serde(default)]
    pub(crate) authorizers: Named<Principal>,
    #[serde(default)]
    pub(crate) approvals: Named<ApprovalsEntry>,
    #[serde(default)]
    pub(crate) assets: Named<OneOrMany<AssetEntry>>,
    #[serde(default)]
    pub(crate) addresses: Named<Named<Vec<String>>>,
    #[serde(default, deserialize_with = "listed")]
    pub(crate) rules: Vec<RuleEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InitiatorEntry {
    pub(crate) key: Principal,
    #[serde(deserialize_with = "listed")]
    pub(crate) operations: Vec<String>,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) wallets: Option<Vec<String>>,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) chains: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) retired: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalsEntry {
    pub(crate) threshold: u16,
    #[serde(deserialize_with = "listed")]
    pub(crate) of: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected {chain, token, decimals}, or a list of them")]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetEntry {
    pub(crate) chain: String,
    pub(crate) token: Option<String>,
    pub(crate) decimals: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleEntry {
    #[serde(deserialize_with = "name")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) deny: bool,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) wallets: Option<Vec<String>>,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) initiators: Option<Vec<String>>,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) chains: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) raw: bool,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) assets: Option<Vec<String>>,
    #[serde(default, deserialize_with = "filled_if_given")]
    pub(crate) destinations: Option<Vec<String>>,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) calls: Vec<CallEntry>,
    #[serde(default)]
    pub(crate) data: bool,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) at_most: Vec<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) windows: Vec<WindowEntry>,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) fee_at_most: Vec<String>,
    #[serde(default)]
    pub(crate) open_fees: bool,
    #[serde(default)]
    pub(crate) weak_sighashes: bool,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) hours: Vec<HoursEntry>,
    pub(crate) approvals: Option<ApprovalsEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallEntry {
    pub(crate) chain: String,
    pub(crate) contract: String,
    #[serde(deserialize_with = "listed")]
    pub(crate) functions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowEntry {
    pub(crate) at_most: String,
    #[serde(rename = "in")]
    pub(crate) length: String,
    #[serde(default)]
    pub(crate) of: WindowOf,
}

/// Whose spending a window counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WindowOf {
    /// Each wallet by itself.
    #[default]
    EachWallet,
    /// All wallets of the rule together.
    AllWallets,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoursEntry {
    #[serde(default, deserialize_with = "listed")]
    pub(crate) days: Vec<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}
