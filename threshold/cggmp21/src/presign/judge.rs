//! Accusations, judged from signed messages alone, with the very functions with which signers check.

use std::collections::BTreeMap;

use quorate_ecdsa::Suite;
use quorate_paillier::Keys;
use quorate_paillier::proofs::claim::Claim;
use quorate_paillier::proofs::elog;
use quorate_session::{Agreement, PartOf, Record};
use quorate_sharing::PartyIndex;

use super::message::{
    ENCRYPT, Encryption, Fault, IDENTIFY, Identification, MULTIPLY, Message, Product, SUM, Sum,
};
use super::parties::{Board, First, Parties, Second, Third};
use super::second::{Between, Exhibit};
use super::setup::PresignSetup;
use super::{first, identify, third};

/// `None` or `false` when the record does not show that `accused` committed `fault`.
pub(super) fn judge<C: Suite>(
    agreement: &Agreement,
    setup: &PresignSetup,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
) -> Option<bool> {
    let parties = Parties::<C>::of_setup(agreement, setup).ok()?;
    let case = Case { agreement, parties: &parties, accused, record };
    match *fault {
        Fault::UnexpectedMessage { round } => case.unexpected(round),
        Fault::Malformed { round } => case.malformed(round),
        Fault::Encryption { item, ciphertext, verifier } => case.encryption(item, ciphertext, verifier),
        Fault::Multiplication { sum, verifier } => case.multiplication(sum, verifier),
        Fault::Exponent { round, item } => case.exponent(round, item),
        Fault::WrongSum { sum, verifier } => {
            Some(case.identification(sum, verifier)? == Some(Fault::WrongSum { sum, verifier }))
        }
        Fault::WrongProduct { sum, receiver, verifier } => {
            let fault = Fault::WrongProduct { sum, receiver, verifier };
            Some(case.identification(sum, verifier)? == Some(fault))
        }
    }
}

/// What a judge of a fault looks at: all evidence together must fit into one message.
pub(super) fn needs(accused: PartyIndex, fault: &Fault, part: PartOf) -> bool {
    let PartOf { round, sender, direct } = part;
    let own = sender == accused;
    match *fault {
        Fault::UnexpectedMessage { round: wrong } | Fault::Malformed { round: wrong } => {
            own && round == wrong
        }
        Fault::Encryption { .. } => own && round == ENCRYPT,
        Fault::Multiplication { verifier, .. } => match (round, direct) {
            (ENCRYPT, false) => sender == verifier,
            (MULTIPLY, _) => own,
            _ => false,
        },
        Fault::Exponent { round: wrong, .. } => {
            !direct && (own && (round == wrong || round == ENCRYPT) || wrong == SUM && round == MULTIPLY)
        }
        Fault::WrongSum { .. } | Fault::WrongProduct { .. } => !direct || round == IDENTIFY,
    }
}

struct Case<'a, C: Suite> {
    agreement: &'a Agreement,
    parties: &'a Parties<C>,
    accused: PartyIndex,
    record: &'a Record,
}

impl<C: Suite> Case<'_, C> {
    fn first(&self, party: PartyIndex) -> Option<Vec<First<C>>> {
        match self.record.broadcast(ENCRYPT, party)? {
            Message::Encrypted(sent) => self.parties.first(party, &sent),
            _ => None,
        }
    }

    fn second(&self, party: PartyIndex) -> Option<Vec<Second<C>>> {
        match self.record.broadcast(MULTIPLY, party)? {
            Message::Products(sent) => self.parties.second(party, &sent),
            _ => None,
        }
    }

    fn third(&self, party: PartyIndex) -> Option<Vec<Third<C>>> {
        match self.record.broadcast(SUM, party)? {
            Message::Sums(sent) => self.parties.third(&sent),
            _ => None,
        }
    }

    /// Whether the accused signed that it saw just the broadcasts of a round that stand here.
    fn confirmed(&self, round: u8) -> Option<()> {
        self.record.confirms(self.agreement, self.accused, round).then_some(())
    }

    /// Whether a signed message of a round is another than the round has. Of a part that only its digest stands for nothing can be said.
    fn unexpected(&self, round: u8) -> Option<bool> {
        let parts = self.record.parts::<Message>(round, self.accused)?;
        let addressed = self.record.envelope(round, self.accused)?.header.recipient.is_some();
        Some(match (round, parts) {
            (ENCRYPT, (Some(Message::Encrypted(_)), Some(Message::EncryptionProofs(_))))
            | (MULTIPLY, (Some(Message::Products(_)), Some(Message::ProductProofs(_))))
            | (IDENTIFY, (None, Some(Message::Identification(_)))) => !addressed,
            (SUM, (Some(Message::Sums(_)), None)) => false,
            // Nor does an honest party sign anything in a round that there is not.
            _ => true,
        })
    }

    fn malformed(&self, round: u8) -> Option<bool> {
        let parts = self.record.parts::<Message>(round, self.accused);
        let count = |proofs: &Vec<[Vec<u8>; 2]>| proofs.len() == self.parties.count;
        Some(match round {
            ENCRYPT => {
                let Message::Encrypted(sent) = self.record.broadcast(ENCRYPT, self.accused)? else {
                    return None;
                };
                let complete = match parts {
                    Some((_, Some(Message::EncryptionProofs(proofs)))) => count(&proofs),
                    _ => true,
                };
                !complete || self.parties.first(self.accused, &sent).is_none()
            }
            MULTIPLY => {
                let Message::Products(sent) = self.record.broadcast(MULTIPLY, self.accused)? else {
                    return None;
                };
                let complete = match parts {
                    Some((_, Some(Message::ProductProofs(proofs)))) => count(&proofs),
                    _ => true,
                };
                let second = self.parties.second(self.accused, &sent);
                !complete || second.is_none_or(|all| !all.iter().all(|second| self.is_readable(second)))
            }
            SUM => {
                let Message::Sums(sent) = self.record.broadcast(SUM, self.accused)? else { return None };
                self.parties.third(&sent).is_none()
            }
            _ => return None,
        })
    }

    /// Whether all products for others are ciphertexts.
    fn is_readable(&self, second: &Second<C>) -> bool {
        let mut others = self.parties.others(self.accused);
        others.all(|other| {
            let read = |product| self.parties.multiplied(second, self.accused, other, product).is_some();
            Product::BOTH.into_iter().all(read)
        })
    }

    fn encryption(&self, item: u16, which: Encryption, verifier: PartyIndex) -> Option<bool> {
        let Message::EncryptionProofs(proofs) = self.record.direct(ENCRYPT, self.accused, verifier)? else {
            return None;
        };
        let item = usize::from(item);
        let first = self.first(self.accused)?;
        let (first, proof) = (first.get(item)?, proofs.get(item)?.get(which.place())?);
        let keys = self.parties.keys(verifier)?;
        let prover = self.parties.keys(self.accused)?;
        let between = (self.accused, verifier);
        let claim = first::verify(self.parties, between, keys, (item, which), first, proof);
        Some(!claim.is_some_and(|claim| claim.holds(prover)))
    }

    fn multiplication(&self, sum: Sum, verifier: PartyIndex) -> Option<bool> {
        // The accused multiplied the ciphertext that it saw.
        self.confirmed(ENCRYPT)?;
        let Message::ProductProofs(proofs) = self.record.direct(MULTIPLY, self.accused, verifier)? else {
            return None;
        };
        let item = usize::from(sum.item);
        let (first, second) = (self.first(verifier)?, self.second(self.accused)?);
        let (first, second) = (first.get(item)?, second.get(item)?);
        let proof = proofs.get(item)?.get(sum.product.place())?;
        let multiplied = self.parties.multiplied(second, self.accused, verifier, sum.product)?;
        let (keys, prover) = (self.parties.keys(verifier)?, self.parties.keys(self.accused)?);
        let Sum { product, .. } = sum;
        let exhibit = Exhibit { item, product, first, second, multiplied: &multiplied, proof };
        let between = Between { prover: self.accused, receiver: verifier, verifier };
        let claims = exhibit.verify(self.parties, between, keys);
        let hold = |[received, sent]: [Claim; 2]| received.holds(keys as &dyn Keys) && sent.holds(prover);
        Some(!claims.is_some_and(hold))
    }

    fn exponent(&self, round: u8, item: u16) -> Option<bool> {
        let item = usize::from(item);
        let first = self.first(self.accused)?;
        let first = first.get(item)?;
        match round {
            MULTIPLY => {
                let second = self.second(self.accused)?;
                let second = second.get(item)?;
                let context = self.parties.context(item, self.accused, None, b"gamma");
                let statement = first.gamma_statement(second.gamma);
                Some(elog::verify(&context, &statement, &second.proof).is_err())
            }
            SUM => {
                // Under the nonce that the accused saw.
                self.confirmed(MULTIPLY)?;
                let all = self.parties.indices().map(|party| Some(self.second(party)?.get(item)?.gamma));
                let nonce = all.collect::<Option<Vec<_>>>()?.into_iter().sum();
                let third = self.third(self.accused)?;
                let third = third.get(item)?;
                Some(third::check(self.parties, self.accused, item, first, third, nonce).is_err())
            }
            _ => None,
        }
    }

    /// What is wrong with what the accused showed to a verifier of a sum.
    fn identification(&self, sum: Sum, verifier: PartyIndex) -> Option<Option<Fault>> {
        [ENCRYPT, MULTIPLY, SUM].into_iter().try_for_each(|round| self.confirmed(round))?;
        let shown: Message = self.record.direct(IDENTIFY, self.accused, verifier)?;
        let Message::Identification(shown) = shown else { return None };
        let item = usize::from(sum.item);
        let (mut first, mut second, mut third) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for party in self.parties.indices() {
            first.insert(party, self.first(party)?);
            second.insert(party, self.second(party)?);
            third.insert(party, self.third(party)?);
        }
        let boards: Vec<_> = (0..self.parties.count)
            .filter_map(|item| {
                Some(Board {
                    first: pick(&first, item)?,
                    second: pick(&second, item)?,
                    third: pick(&third, item)?,
                })
            })
            .collect();
        // What an honest party shows is of the first sum that is wrong.
        let wrong = boards.iter().enumerate().find_map(|(item, board)| {
            Some(Sum { item: item as u16, product: board.wrong_sum(self.parties.key)? })
        });
        if wrong != Some(sum) {
            return None;
        }
        let shown: &Identification = &shown;
        let keys = self.parties.keys(verifier)?;
        let between = (self.accused, verifier);
        let verdict = identify::check(self.parties, between, keys, sum, boards.get(item)?, shown);
        Some(verdict.err().filter(|blame| blame.party == self.accused).map(|blame| blame.fault))
    }
}

fn pick<T>(all: &BTreeMap<PartyIndex, Vec<T>>, item: usize) -> Option<BTreeMap<PartyIndex, &T>> {
    all.iter().map(|(party, items)| Some((*party, items.get(item)?))).collect()
}
