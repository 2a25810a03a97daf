//! Who holds the shares of a key.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Identity;

use crate::party::{MAX_PARTIES, PartyIndex, Threshold, invalid_data};

/// One party of a committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// Where the party's share is evaluated.
    pub index: PartyIndex,
    /// Who the party is.
    pub identity: Identity,
}

/// The parties of a key or of one session, by ascending index, and the threshold of the key.
///
/// No index and no identity occurs twice, and 2 ≤ threshold ≤ members ≤ [`MAX_PARTIES`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize)]
pub struct Committee {
    threshold: Threshold,
    members: Vec<Member>,
}

/// Why parties are no committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// Fewer parties than have to sign.
    #[error("{members} parties cannot reach a threshold of {threshold}")]
    TooFew {
        /// Number of parties.
        members: usize,
        /// Signers needed.
        threshold: Threshold,
    },
    /// More parties than there are indices.
    #[error("{members} parties are too many: at most {MAX_PARTIES} are allowed")]
    TooMany {
        /// Number of parties.
        members: usize,
    },
    /// Two parties would hold the same share.
    #[error("party index {0} occurs twice")]
    RepeatedIndex(PartyIndex),
    /// One party would hold two shares.
    #[error("identity {0} occurs twice")]
    RepeatedIdentity(Identity),
    /// The index of a subset is not one of the committee.
    #[error("party {0} is not in the committee")]
    Unknown(PartyIndex),
    /// An encoded committee is not in ascending order of the indices.
    #[error("the encoded members are not in ascending order")]
    NotSorted,
}

impl Committee {
    /// The committee of these members, in any order.
    ///
    /// # Errors
    /// When they are fewer than the threshold or more than [`MAX_PARTIES`], or an index or identity occurs twice.
    pub fn new(threshold: Threshold, mut members: Vec<Member>) -> Result<Self, CommitteeError> {
        if members.len() > usize::from(MAX_PARTIES) {
            return Err(CommitteeError::TooMany { members: members.len() });
        }
        if members.len() < threshold.count() {
            return Err(CommitteeError::TooFew { members: members.len(), threshold });
        }
        members.sort_unstable_by_key(|member| member.identity);
        if let Some(identity) = repeated(members.iter().map(|member| member.identity)) {
            return Err(CommitteeError::RepeatedIdentity(identity));
        }
        members.sort_unstable_by_key(|member| member.index);
        if let Some(index) = repeated(members.iter().map(|member| member.index)) {
            return Err(CommitteeError::RepeatedIndex(index));
        }
        Ok(Self { threshold, members })
    }

    /// The number of signers that the key needs.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The members by ascending index.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The number of members.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a committee is never empty")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The indices in ascending order.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = PartyIndex> + Clone + '_ {
        self.members.iter().map(|member| member.index)
    }

    /// The member with this index.
    #[must_use]
    pub fn member(&self, index: PartyIndex) -> Option<&Member> {
        let place = self.members.binary_search_by_key(&index, |member| member.index).ok()?;
        self.members.get(place)
    }

    /// The index of this identity.
    #[must_use]
    pub fn index_of(&self, identity: &Identity) -> Option<PartyIndex> {
        self.members.iter().find(|member| member.identity == *identity).map(|member| member.index)
    }

    /// Whether the committee has this index.
    #[must_use]
    pub fn contains(&self, index: PartyIndex) -> bool {
        self.member(index).is_some()
    }

    /// The committee of some of the members, at least as many as the threshold, which it keeps.
    ///
    /// # Errors
    /// When an index is not in this committee or occurs twice, or when they are fewer than the threshold.
    pub fn subset(&self, indices: &[PartyIndex]) -> Result<Self, CommitteeError> {
        let find = |index: &PartyIndex| self.member(*index).copied().ok_or(CommitteeError::Unknown(*index));
        let members = indices.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        if let Some(index) = first_repeated(indices) {
            return Err(CommitteeError::RepeatedIndex(index));
        }
        Self::new(self.threshold, members)
    }
}

impl BorshDeserialize for Committee {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let threshold = Threshold::deserialize_reader(reader)?;
        let count = u32::deserialize_reader(reader)? as usize;
        if count > usize::from(MAX_PARTIES) {
            return Err(invalid_data(CommitteeError::TooMany { members: count }));
        }
        let members =
            (0..count).map(|_| Member::deserialize_reader(reader)).collect::<io::Result<Vec<_>>>()?;
        // One committee has one encoding.
        if !members.is_sorted_by_key(|member| member.index) {
            return Err(invalid_data(CommitteeError::NotSorted));
        }
        Self::new(threshold, members).map_err(invalid_data)
    }
}

/// An item that occurs twice in a sorted sequence.
fn repeated<T: PartialEq>(sorted: impl Iterator<Item = T> + Clone) -> Option<T> {
    sorted.clone().zip(sorted.skip(1)).find(|(one, next)| one == next).map(|(one, _)| one)
}

/// An index that occurs twice in any sequence.
pub(crate) fn first_repeated(indices: &[PartyIndex]) -> Option<PartyIndex> {
    let mut sorted = indices.to_vec();
    sorted.sort_unstable();
    repeated(sorted.into_iter())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_keys::{Secret, SigningIdentity};

    use super::*;

    fn party(index: u16) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }

    fn member(index: u16) -> Member {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&index.to_le_bytes());
        Member { index: party(index), identity: SigningIdentity::from_seed(&Secret::new(seed)).identity() }
    }

    fn committee(threshold: u16, indices: &[u16]) -> Result<Committee, CommitteeError> {
        Committee::new(Threshold::new(threshold).unwrap(), indices.iter().map(|i| member(*i)).collect())
    }

    #[test]
    fn a_committee_is_sorted_and_finds_its_members() {
        let committee = committee(2, &[7, 1, 3]).unwrap();
        assert_eq!(committee.indices().map(PartyIndex::get).collect::<Vec<_>>(), [1, 3, 7]);
        assert_eq!(committee.len(), 3);
        assert_eq!(committee.member(party(3)), Some(&member(3)));
        assert_eq!(committee.member(party(2)), None);
        assert_eq!(committee.index_of(&member(7).identity), Some(party(7)));
        assert_eq!(committee.index_of(&member(2).identity), None);
    }

    #[test]
    fn every_wrong_committee_is_refused_for_its_own_reason() {
        let two = Threshold::new(2).unwrap();
        let three = Threshold::new(3).unwrap();
        assert_eq!(committee(3, &[1, 2]), Err(CommitteeError::TooFew { members: 2, threshold: three }));
        assert_eq!(committee(2, &[]), Err(CommitteeError::TooFew { members: 0, threshold: two }));
        let twice = vec![member(1), Member { index: party(1), ..member(2) }];
        assert_eq!(Committee::new(two, twice), Err(CommitteeError::RepeatedIndex(party(1))));
        let same = vec![member(1), Member { index: party(2), ..member(1) }];
        assert_eq!(Committee::new(two, same), Err(CommitteeError::RepeatedIdentity(member(1).identity)));
        let many = vec![member(1); 101];
        assert_eq!(Committee::new(two, many), Err(CommitteeError::TooMany { members: 101 }));
    }

    #[test]
    fn a_subset_keeps_the_threshold_and_never_falls_below_it() {
        let all = committee(3, &[1, 2, 3, 4]).unwrap();
        let some = all.subset(&[party(4), party(1), party(2)]).unwrap();
        assert_eq!(some, committee(3, &[1, 2, 4]).unwrap());
        assert_eq!(
            all.subset(&[party(1), party(2)]),
            Err(CommitteeError::TooFew { members: 2, threshold: all.threshold() })
        );
        assert_eq!(all.subset(&[party(1), party(2), party(9)]), Err(CommitteeError::Unknown(party(9))));
        let twice = [party(1), party(2), party(1)];
        assert_eq!(all.subset(&twice), Err(CommitteeError::RepeatedIndex(party(1))));
    }

    #[test]
    fn encoded_committees_are_checked_like_any_other() {
        let good = committee(2, &[1, 2, 3]).unwrap();
        let bytes = borsh::to_vec(&good).unwrap();
        assert_eq!(Committee::try_from_slice(&bytes).unwrap(), good);

        let encode =
            |threshold: u16, members: &[Member]| borsh::to_vec(&(threshold, members.to_vec())).unwrap();
        assert_eq!(encode(2, &[member(1), member(2), member(3)]), bytes);
        for (what, bad) in [
            ("threshold 1", encode(1, &[member(1), member(2)])),
            ("too few", encode(3, &[member(1), member(2)])),
            ("unsorted", encode(2, &[member(2), member(1)])),
            ("repeated", encode(2, &[member(1), member(1)])),
            ("same index", encode(2, &[member(1), Member { index: party(1), ..member(2) }])),
            ("same identity", encode(2, &[member(1), Member { index: party(2), ..member(1) }])),
            ("endless", [&2_u16.to_le_bytes()[..], &u32::MAX.to_le_bytes()].concat()),
            ("truncated", bytes[..bytes.len() - 1].to_vec()),
            ("trailing", [&bytes[..], &[0]].concat()),
        ] {
            assert!(Committee::try_from_slice(&bad).is_err(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Committee::try_from_slice(&bytes);
        }
    }
}
