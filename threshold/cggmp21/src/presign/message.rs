//! What signers say to each other while presigning, and what they can do wrong.

use std::collections::BTreeMap;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::Wire;
use quorate_sharing::PartyIndex;

/// Round of the ciphertexts of k and γ.
pub(crate) const ENCRYPT: u8 = 1;
/// Round of the products.
pub(crate) const MULTIPLY: u8 = 2;
/// Round of the sums.
pub(crate) const SUM: u8 = 3;
/// Round in which a wrong sum is traced.
pub(crate) const IDENTIFY: u8 = 4;

/// A message of presigning. Lists are in the order of the presignatures.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Round 1, broadcast.
    Encrypted(Vec<Encrypted>),
    /// Round 1, direct: Π^enc-elg of K and of G.
    EncryptionProofs(Vec<[Vec<u8>; 2]>),
    /// Round 2, broadcast.
    Products(Vec<Products>),
    /// Round 2, direct: Π^aff-g of the two products for the recipient.
    ProductProofs(Vec<[Vec<u8>; 2]>),
    /// Round 3, broadcast.
    Sums(Vec<Sums>),
    /// Round 4, direct.
    Identification(Box<Identification>),
}

/// Round 1 of one presignature.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Encrypted {
    /// K.
    pub k: Vec<u8>,
    /// G.
    pub gamma: Vec<u8>,
    /// Y.
    pub base: Vec<u8>,
    /// A.
    pub k_commitment: [Vec<u8>; 2],
    /// B.
    pub gamma_commitment: [Vec<u8>; 2],
}

/// Round 2 of one presignature.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Products {
    /// Γᵢ.
    pub gamma: Vec<u8>,
    /// Π^elog of it.
    pub proof: Vec<u8>,
    /// For each other signer the products with its k: by γ, and by the share of the key.
    pub pairs: BTreeMap<PartyIndex, [Pair; 2]>,
}

/// One product.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Pair {
    /// D, under the receiver's key.
    pub product: Vec<u8>,
    /// F, under the sender's key.
    pub summand: Vec<u8>,
}

/// Round 3 of one presignature.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Sums {
    /// δᵢ.
    pub delta: [u8; 32],
    /// Δᵢ.
    pub k_point: Vec<u8>,
    /// Π^elog of it.
    pub proof: Vec<u8>,
    /// Sᵢ.
    pub chi_point: Vec<u8>,
}

/// Round 4: of the first sum that is wrong.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Identification {
    /// Π^dec of the sender's own part of the sum.
    pub sum: Vec<u8>,
    /// Π^aff-g of the ciphertexts for each signer but the recipient.
    pub products: BTreeMap<PartyIndex, Vec<u8>>,
}

impl Wire for Message {
    // The most of direct ones: two Π^aff-g of 5.3 KB for each presignature.
    const MAX_BYTES: usize = 352 * 1024;
}

/// One of the two products of a pair of signers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Product {
    /// γ·k, which goes into δ.
    Nonce,
    /// x·k, which goes into χ.
    Key,
}

impl Product {
    /// Both, in the order in which messages have them.
    pub const BOTH: [Self; 2] = [Self::Nonce, Self::Key];

    /// Its place in messages.
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Nonce => 0,
            Self::Key => 1,
        }
    }

    /// What it is called in transcripts.
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Nonce => b"nonce",
            Self::Key => b"key",
        }
    }
}

/// One of the two ciphertexts of round 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Encryption {
    /// K.
    K,
    /// G, of γ.
    Gamma,
}

impl Encryption {
    /// Both, in the order in which messages have them.
    pub const BOTH: [Self; 2] = [Self::K, Self::Gamma];

    /// Its place in messages.
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::K => 0,
            Self::Gamma => 1,
        }
    }

    /// What it is called in transcripts.
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::K => b"k",
            Self::Gamma => b"gamma",
        }
    }
}

/// A sum that is wrong: of one presignature, of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Sum {
    /// Which presignature.
    pub item: u16,
    /// δ or χ.
    pub product: Product,
}

/// What a signer can do wrong. Of several presignatures, `item` says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fault {
    /// Sent another message than the round has, or not all its parts.
    UnexpectedMessage {
        /// The round.
        round: u8,
    },
    /// Sent something that is no ciphertext, point or scalar, or not as many as there must be.
    Malformed {
        /// The round.
        round: u8,
    },
    /// Π^enc-elg does not hold.
    Encryption {
        /// Which presignature.
        item: u16,
        /// Which ciphertext.
        ciphertext: Encryption,
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Π^aff-g does not hold.
    Multiplication {
        /// Which presignature, and which product.
        sum: Sum,
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Π^elog of round 2 or 3 does not hold.
    Exponent {
        /// The round.
        round: u8,
        /// Which presignature.
        item: u16,
    },
    /// Π^dec does not hold: what was said of a sum is not what the ciphertexts hold.
    WrongSum {
        /// Which sum.
        sum: Sum,
        /// To whom it was sent.
        verifier: PartyIndex,
    },
    /// Π^aff-g of a product for somebody else does not hold, or is not there.
    WrongProduct {
        /// Which sum.
        sum: Sum,
        /// For whom the product is.
        receiver: PartyIndex,
        /// To whom the proof was sent.
        verifier: PartyIndex,
    },
}

impl Wire for Fault {
    const MAX_BYTES: usize = 16;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedMessage { round } => write!(f, "sent an unexpected message in round {round}"),
            Self::Malformed { round } => {
                write!(f, "sent no ciphertexts, points or scalars in round {round}, or not as many as needed")
            }
            Self::Encryption { verifier, .. } => {
                write!(f, "did not prove to party {verifier} what it had encrypted")
            }
            Self::Multiplication { verifier, .. } => {
                write!(f, "did not prove to party {verifier} what it had multiplied by")
            }
            Self::Exponent { round, .. } => {
                write!(f, "used another exponent in round {round} than it had committed to")
            }
            Self::WrongSum { sum: Sum { product: Product::Nonce, .. }, .. } => {
                f.write_str("said a wrong part of the nonce")
            }
            Self::WrongSum { sum: Sum { product: Product::Key, .. }, .. } => {
                f.write_str("used a wrong part of the product of nonce and key")
            }
            Self::WrongProduct { receiver, .. } => {
                write!(f, "can't show what it had multiplied party {receiver}'s ciphertext by")
            }
        }
    }
}
