//! What wallets a node holds, in 4 KiB, so that two nodes see what one of them has missed.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::SessionId;

/// Buckets, by the first byte of the session that made a wallet.
const BUCKETS: usize = 256;

/// For each bucket of wallets the sum (exclusive or) of their sessions' leading bytes.
///
/// Sessions are digests, so different sets of wallets have different sums, but for a chance of 2⁻¹²⁸. A peer that lies
/// about its own makes work, and nothing worse.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Census(Vec<u128>);

impl Default for Census {
    fn default() -> Self {
        Self(vec![0; BUCKETS])
    }
}

impl Census {
    pub(crate) fn bucket_of(session: &SessionId) -> u8 {
        session.as_bytes()[0]
    }

    pub(crate) fn add(&mut self, session: &SessionId) {
        let leading = session.as_bytes().first_chunk().copied().unwrap_or_default();
        if let Some(sum) = self.0.get_mut(usize::from(Self::bucket_of(session))) {
            *sum ^= u128::from_le_bytes(leading);
        }
    }

    /// The buckets in which another node holds something else. None when it is no census at all.
    pub(crate) fn differences(&self, other: &Self) -> Vec<u8> {
        if other.0.len() != BUCKETS {
            return Vec::new();
        }
        let pairs = self.0.iter().zip(&other.0).zip(0..=u8::MAX);
        pairs.filter(|((mine, theirs), _)| mine != theirs).map(|(_, bucket)| bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(bytes: [u8; 32]) -> SessionId {
        borsh::from_slice(&bytes).unwrap()
    }

    #[test]
    fn shows_where_two_nodes_differ() {
        let (mut left, mut right) = (Census::default(), Census::default());
        for seed in 0..=255u8 {
            let both = session([seed; 32]);
            left.add(&both);
            right.add(&both);
        }
        assert!(left.differences(&right).is_empty());
        let mut bytes = [9; 32];
        bytes[5] = 1;
        left.add(&session(bytes));
        assert_eq!(left.differences(&right), [9]);
        assert_eq!(right.differences(&left), [9]);
        right.add(&session(bytes));
        assert!(left.differences(&right).is_empty());
    }

    #[test]
    fn a_census_of_another_length_says_nothing() {
        let mut full = Census::default();
        full.add(&session([1; 32]));
        assert!(full.differences(&Census(vec![0; 3])).is_empty());
        assert!(full.differences(&Census(Vec::new())).is_empty());
    }
}
