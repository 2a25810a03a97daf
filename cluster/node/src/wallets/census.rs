//! What wallets a node holds, in 4 KiB, so that two nodes see what one of them has missed.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_session::SessionId;

use super::Wallet;

/// Buckets, by the first byte of the session that made a wallet.
const BUCKETS: usize = 256;

/// For each bucket of wallets the sum (exclusive or) of the leading bytes of the sessions that made them, and their shares.
///
/// Sessions are digests, so different sets of wallets have different sums, but for a chance of 2⁻¹²⁸. A peer that lies
/// about its own makes work, and nothing worse.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Census(Vec<u128>);

/// A wallet of a bucket, as the node that has it tells others.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Has {
    /// The session that made it.
    pub(crate) wallet: SessionId,
    /// The epoch that the node goes by, and the session that made its shares.
    pub(crate) epoch: u64,
    pub(crate) generation: SessionId,
}

impl Has {
    pub(crate) fn of(wallet: &Wallet) -> Self {
        Self { wallet: wallet.session(), epoch: wallet.public.epoch, generation: wallet.generation() }
    }

    /// Whether this node goes by an epoch that comes after the other's: a higher one, or of two of one number the one whose session is
    /// the smaller.
    pub(crate) fn is_behind(&self, wallet: &Wallet) -> bool {
        let (ours, theirs) = (wallet.public.epoch, self.epoch);
        ours > theirs || (ours == theirs && wallet.generation() < self.generation)
    }
}

impl Default for Census {
    fn default() -> Self {
        Self(vec![0; BUCKETS])
    }
}

impl Census {
    pub(crate) fn bucket_of(session: &SessionId) -> u8 {
        session.as_bytes()[0]
    }

    /// Adds a wallet at its epoch, or takes it out again.
    pub(crate) fn toggle(&mut self, wallet: &Wallet) {
        let session = wallet.session();
        self.add(&session, &session);
        if let Some(renewed) = &wallet.renewed {
            self.add(&session, &renewed.session);
        }
    }

    fn add(&mut self, wallet: &SessionId, session: &SessionId) {
        let leading = session.as_bytes().first_chunk().copied().unwrap_or_default();
        if let Some(sum) = self.0.get_mut(usize::from(Self::bucket_of(wallet))) {
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
            left.add(&both, &both);
            right.add(&both, &both);
        }
        assert!(left.differences(&right).is_empty());
        let mut bytes = [9; 32];
        bytes[5] = 1;
        left.add(&session(bytes), &session(bytes));
        assert_eq!(left.differences(&right), [9]);
        assert_eq!(right.differences(&left), [9]);
        right.add(&session(bytes), &session(bytes));
        assert!(left.differences(&right).is_empty());
        // Reshared, in one place first.
        left.add(&session(bytes), &session([77; 32]));
        assert_eq!(left.differences(&right), [9]);
        right.add(&session(bytes), &session([77; 32]));
        assert!(left.differences(&right).is_empty());
    }

    #[test]
    fn a_census_of_another_length_says_nothing() {
        let mut full = Census::default();
        full.add(&session([1; 32]), &session([1; 32]));
        assert!(full.differences(&Census(vec![0; 3])).is_empty());
        assert!(full.differences(&Census(Vec::new())).is_empty());
    }
}
