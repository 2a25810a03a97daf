//! What t − 1 old and t′ − 1 new parties know together says nothing about the key: by algebra.

use ff::Field;
use quorate_sharing::{Curve, Ed25519, lagrange_at_zero};

use crate::group::parties;

type Scalar = <Ed25519 as Curve>::Scalar;
/// What somebody knows: a linear combination of the unknown coefficients.
type Row = Vec<Scalar>;

/// Old and new committees, and the unknowns: the old polynomial's coefficients, and of each dealer's all but the constant.
struct Algebra {
    old_threshold: usize,
    new_threshold: usize,
    dealers: Vec<u16>,
}

impl Algebra {
    fn unknowns(&self) -> usize {
        self.old_threshold + self.dealers.len() * (self.new_threshold - 1)
    }

    fn powers(index: u16, count: usize) -> Vec<Scalar> {
        let index = Scalar::from(u64::from(index));
        std::iter::successors(Some(Scalar::ONE), |power| Some(*power * index)).take(count).collect()
    }

    /// The old share of a party.
    fn old_share(&self, index: u16) -> Row {
        let mut row = vec![Scalar::ZERO; self.unknowns()];
        row[..self.old_threshold].copy_from_slice(&Self::powers(index, self.old_threshold));
        row
    }

    /// What a dealer sends a party.
    fn dealt(&self, dealer: usize, to: u16) -> Row {
        let indices = parties(&self.dealers);
        let weight = lagrange_at_zero::<Ed25519>(indices[dealer], &indices).unwrap();
        let mut row: Row =
            self.old_share(self.dealers[dealer]).iter().map(|factor| weight * factor).collect();
        for (position, power) in
            (0..self.new_threshold - 1).zip(Self::powers(to, self.new_threshold).iter().skip(1))
        {
            row[self.old_threshold + dealer * (self.new_threshold - 1) + position] = *power;
        }
        row
    }

    /// A coefficient of a dealer's polynomial that is not the constant.
    fn coefficient(&self, dealer: usize, position: usize) -> Row {
        let mut row = vec![Scalar::ZERO; self.unknowns()];
        row[self.old_threshold + dealer * (self.new_threshold - 1) + position] = Scalar::ONE;
        row
    }

    /// All that these parties know: their old shares, what they dealt, and what was sent to them.
    fn known(&self, old: &[u16], new: &[u16]) -> Vec<Row> {
        let mut rows: Vec<Row> = old.iter().map(|index| self.old_share(*index)).collect();
        for (place, dealer) in self.dealers.iter().enumerate() {
            if old.contains(dealer) {
                rows.extend((0..self.new_threshold - 1).map(|position| self.coefficient(place, position)));
            }
            rows.extend(new.iter().map(|to| self.dealt(place, *to)));
        }
        rows
    }

    /// Whether the key follows from that.
    fn tells_the_key(&self, old: &[u16], new: &[u16]) -> bool {
        let known = self.known(old, new);
        // The old polynomial at zero.
        let mut with_key = known.clone();
        with_key.push(self.old_share(0));
        rank(with_key) == rank(known)
    }
}

fn rank(mut rows: Vec<Row>) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let mut rank = 0;
    for column in 0..columns {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][column] != Scalar::ZERO) else { continue };
        rows.swap(rank, pivot);
        let inverse = Field::invert(&rows[rank][column]).unwrap();
        let pivot: Row = rows[rank].iter().map(|factor| *factor * inverse).collect();
        for row in rows.iter_mut().skip(rank + 1) {
            let factor = row[column];
            row.iter_mut().zip(&pivot).for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
        rank += 1;
    }
    rank
}

fn subsets(of: &[u16], size: usize) -> Vec<Vec<u16>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, first) in of.iter().enumerate() {
        for rest in subsets(&of[place + 1..], size - 1) {
            all.push([vec![*first], rest].concat());
        }
    }
    all
}

#[test]
fn fewer_old_and_fewer_new_parties_than_must_sign_know_nothing_together() {
    /// Threshold and holders before, who deals, threshold and holders afterwards.
    type Setting<'a> = ((usize, &'a [u16]), &'a [u16], (usize, &'a [u16]));
    let settings: [Setting<'_>; 4] = [
        ((2, &[1, 2, 3]), &[1, 2, 3], (2, &[1, 2, 3])),
        ((3, &[1, 2, 3, 4, 5]), &[1, 2, 4], (4, &[1, 2, 4, 6, 7])),
        ((3, &[1, 2, 3, 4, 5]), &[1, 2, 3, 4, 5], (2, &[6, 7, 8])),
        ((4, &[1, 2, 3, 4, 5]), &[2, 3, 4, 5], (3, &[2, 3, 4, 9])),
    ];
    for ((old_threshold, holders), dealers, (new_threshold, receivers)) in settings {
        let algebra = Algebra { old_threshold, new_threshold, dealers: dealers.to_vec() };
        for old in subsets(holders, old_threshold - 1) {
            for new in subsets(receivers, new_threshold - 1) {
                assert!(!algebra.tells_the_key(&old, &new), "{old:?} and {new:?}");
            }
        }
        // The algebra sees what there is to see: one more of either kind has the key.
        for old in subsets(holders, old_threshold) {
            assert!(algebra.tells_the_key(&old, &[]), "{old:?}");
        }
        for new in subsets(receivers, new_threshold) {
            assert!(algebra.tells_the_key(&[], &new), "{new:?}");
        }
    }
}
