//! The rounds, and what passes from one to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_ecdsa::{Suite, key_digest};
use quorate_paillier::SecretKeys;
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, PartOf, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{PartyIndex, lagrange_at_zero};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::first::{self, Own};
use super::identify;
use super::judge;
use super::message::{ENCRYPT, Fault, IDENTIFY, Identification, MULTIPLY, Message, Product, SUM, Sum};
use super::parties::{Board, First, Parties, Second, Signer, Third, Unreadable};
use super::second::{self, OwnProducts};
use super::setup::{PresignSecret, PresignSetup};
use super::stock::Stock;
use super::third::{self, OwnSums};
use crate::parallel;
use crate::presignature::Presignatures;

/// The making of presignatures; see the module documentation for the rounds.
pub enum Presign<C: Suite> {
    /// Round 1: ciphertexts.
    Encrypting(Box<Encrypting<C>>),
    /// Round 2: products.
    Multiplying(Box<Multiplying<C>>),
    /// Round 3: sums.
    Summing(Box<Summing<C>>),
    /// Round 4: the tracing of a wrong sum.
    Identifying(Box<Identifying<C>>),
}

/// What does not change from round to round.
struct Frame<C: Suite> {
    context: Arc<SessionContext>,
    parties: Parties<C>,
    keys: Arc<SecretKeys>,
    key_digest: [u8; 32],
    /// λᵢ·xᵢ.
    share: Box<Zeroizing<C::Scalar>>,
    own: Vec<Own<C>>,
}

impl<C: Suite> Frame<C> {
    fn signer(&self) -> Signer<'_, C> {
        Signer { parties: &self.parties, me: self.context.me(), keys: &self.keys, share: &self.share }
    }
}

/// State in round 1.
pub struct Encrypting<C: Suite> {
    frame: Frame<C>,
    stock: Stock,
}

/// State in round 2.
pub struct Multiplying<C: Suite> {
    frame: Frame<C>,
    first: BTreeMap<PartyIndex, Vec<First<C>>>,
    made: OwnProducts,
    /// This party's own broadcast.
    products: Vec<Second<C>>,
}

/// State in round 3.
pub struct Summing<C: Suite> {
    frame: Frame<C>,
    first: BTreeMap<PartyIndex, Vec<First<C>>>,
    made: OwnProducts,
    second: BTreeMap<PartyIndex, Vec<Second<C>>>,
    sums: Vec<OwnSums<C>>,
    own_third: Vec<Third<C>>,
}

/// State in round 4. What would make a signature is gone.
pub struct Identifying<C: Suite> {
    context: Arc<SessionContext>,
    parties: Parties<C>,
    keys: Arc<SecretKeys>,
    sum: Sum,
    first: BTreeMap<PartyIndex, Vec<First<C>>>,
    second: BTreeMap<PartyIndex, Vec<Second<C>>>,
    third: BTreeMap<PartyIndex, Vec<Third<C>>>,
}

/// One signer's contribution to a round, decoded.
pub enum Contribution<C: Suite> {
    /// Round 1.
    Encrypted(FirstContribution<C>),
    /// Round 2.
    Products(SecondContribution<C>),
    /// Round 3.
    Sums(ThirdContribution<C>),
    /// Round 4.
    Identification(Box<Identification>),
}

/// Ciphertexts, and the proofs of them.
pub struct FirstContribution<C: Suite>(Vec<First<C>>, Vec<[Vec<u8>; 2]>);

/// Products, and the proofs of them.
pub struct SecondContribution<C: Suite>(Vec<Second<C>>, Vec<[Vec<u8>; 2]>);

/// Sums.
pub struct ThirdContribution<C: Suite>(Vec<Third<C>>);

impl<C: Suite> Protocol for Presign<C> {
    const ID: ProtocolId = ProtocolId::new("cggmp21-presign", C::NAME, 1);

    type Setup = PresignSetup;
    type Secret = PresignSecret;
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// Nothing has to be stored before a message leaves.
    type Checkpoint = ();
    type Output = Presignatures;

    fn start(
        context: Arc<SessionContext>,
        setup: PresignSetup,
        secret: PresignSecret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check::<C>(&context, &secret)?;
        let me = context.me();
        let auxiliary = &secret.auxiliary;
        let parties = Parties::<C>::new(context.agreement(), &setup, |party| auxiliary.of(party))?;
        let keys = auxiliary.own().map_err(SetupError::because)?;
        let signers: Vec<_> = parties.indices().collect();
        let factor = lagrange_at_zero::<C>(me, &signers).map_err(SetupError::because)?;
        let share = secret.share.secret_share::<C>().map_err(SetupError::because)?;
        let share = Box::new(Zeroizing::new(factor * share.expose()));
        let mut stock = secret.stock.open(auxiliary, &parties, me);
        let begun = first::begin(&parties, me, &keys, &mut stock, rng);
        let (own, encrypted, proofs) =
            begun.ok_or_else(|| SetupError::because("the keys of a signer are missing"))?;
        let direct = proofs.into_iter().map(|(to, proofs)| (to, Message::EncryptionProofs(proofs)));
        let send = Outgoing { broadcast: Some(Message::Encrypted(encrypted)), direct: direct.collect() };
        let key_digest = key_digest(&setup.key);
        let frame = Frame { context, parties, keys, key_digest, share, own };
        let state = Self::Encrypting(Box::new(Encrypting { frame, stock }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let consistency = match self {
            Self::Encrypting(_) | Self::Multiplying(_) => Consistency::Echoed,
            // On the same sums all go on to the same end: nothing more is sent if they are right.
            Self::Summing(_) => Consistency::Confirmed,
            Self::Identifying(_) => Consistency::Unchecked,
        };
        Expected { from: self.parties().0.others(), consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        let (context, parties) = self.parties();
        // Proofs that are not addressed would not be evidence.
        let addressed = envelope.header.recipient == Some(context.me());
        let complete = |proofs: &Vec<[Vec<u8>; 2]>| proofs.len() == parties.count;
        match (self, broadcast, direct) {
            (
                Self::Encrypting(_),
                Some(Message::Encrypted(sent)),
                Some(Message::EncryptionProofs(proofs)),
            ) if addressed => {
                let first = parties.first(from, &sent).filter(|_| complete(&proofs));
                let first = first.ok_or_else(|| blame(Fault::Malformed { round: ENCRYPT }))?;
                Ok(Contribution::Encrypted(FirstContribution(first, proofs)))
            }
            (Self::Multiplying(_), Some(Message::Products(sent)), Some(Message::ProductProofs(proofs)))
                if addressed =>
            {
                let second = parties.second(from, &sent).filter(|_| complete(&proofs));
                let second = second.ok_or_else(|| blame(Fault::Malformed { round: MULTIPLY }))?;
                Ok(Contribution::Products(SecondContribution(second, proofs)))
            }
            (Self::Summing(_), Some(Message::Sums(sent)), None) => {
                let third = parties.third(&sent).ok_or_else(|| blame(Fault::Malformed { round: SUM }))?;
                Ok(Contribution::Sums(ThirdContribution(third)))
            }
            (Self::Identifying(_), None, Some(Message::Identification(shown))) if addressed => {
                Ok(Contribution::Identification(shown))
            }
            (Self::Encrypting(_), ..) => Err(blame(Fault::UnexpectedMessage { round: ENCRYPT })),
            (Self::Multiplying(_), ..) => Err(blame(Fault::UnexpectedMessage { round: MULTIPLY })),
            (Self::Summing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: SUM })),
            (Self::Identifying(_), ..) => Err(blame(Fault::UnexpectedMessage { round: IDENTIFY })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Encrypting(state) => state.multiply(inbox, rng),
            Self::Multiplying(state) => state.add_up(inbox, rng),
            Self::Summing(state) => state.finish(inbox, rng),
            Self::Identifying(state) => Err(state.identify(inbox, rng)),
        }
    }

    fn needs(accused: PartyIndex, fault: &Fault, part: PartOf) -> bool {
        judge::needs(accused, fault, part)
    }

    fn judge(
        agreement: &Agreement,
        setup: &PresignSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge::judge::<C>(agreement, setup, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl<C: Suite> Presign<C> {
    fn parties(&self) -> (&SessionContext, &Parties<C>) {
        let frame = match self {
            Self::Encrypting(state) => &state.frame,
            Self::Multiplying(state) => &state.frame,
            Self::Summing(state) => &state.frame,
            Self::Identifying(state) => return (&state.context, &state.parties),
        };
        (&frame.context, &frame.parties)
    }
}

impl<C: Suite> Encrypting<C> {
    /// Round 1 to 2: checks what all have encrypted, and multiplies it.
    fn multiply(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Presign<C>>, Failure<Fault>> {
        let Self { frame, mut stock } = self;
        let Frame { context, parties, keys, own, .. } = &frame;
        let me = context.me();
        let mut received = Vec::new();
        for (party, contribution) in inbox {
            let Contribution::Encrypted(sent) = contribution else { return Err(another_round()) };
            received.push((party, sent));
        }
        let checked = parallel::map(received, rng, |(party, sent), rng| {
            let FirstContribution(first, proofs) = sent;
            let verdict = first::check(parties, (party, me), keys, &first, &proofs, rng);
            verdict.map(|()| (party, first))
        });
        let first: BTreeMap<_, _> = all_right(checked)?.into_iter().collect();
        let multiplied = second::multiply(&frame.signer(), own, &first, &mut stock, rng);
        let (made, products, proofs) = multiplied.ok_or_else(another_round)?;
        let own_second = parties.second(me, &products).ok_or_else(|| local("its own products are none"))?;
        let direct = proofs.into_iter().map(|(to, proofs)| (to, Message::ProductProofs(proofs)));
        let send = Outgoing { broadcast: Some(Message::Products(products)), direct: direct.collect() };
        let state = Multiplying { frame, first, made, products: own_second };
        Ok(Step::Next { state: Presign::Multiplying(Box::new(state)), send, checkpoint: None })
    }
}

impl<C: Suite> Multiplying<C> {
    /// Round 2 to 3: checks all products, decrypts them, and publishes the sums.
    fn add_up(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Presign<C>>, Failure<Fault>> {
        let Self { frame, first, made, products } = self;
        let Frame { context, parties, share, own, .. } = &frame;
        let me = context.me();
        let mut received = Vec::new();
        for (party, contribution) in inbox {
            let Contribution::Products(sent) = contribution else { return Err(another_round()) };
            let first = first.get(&party).ok_or_else(another_round)?;
            received.push((party, first, sent));
        }
        let signer = frame.signer();
        let checked = parallel::map(received, rng, |(party, first, sent), rng| {
            let SecondContribution(second, proofs) = sent;
            let verified = second::check(&signer, party, own, first, &second, &proofs, rng)?;
            Ok((party, second, verified))
        });
        let mut second = BTreeMap::from([(me, products)]);
        let mut verified = BTreeMap::new();
        for (party, theirs, products) in all_right(checked)? {
            second.insert(party, theirs);
            verified.insert(party, products);
        }
        let decrypted = second::decrypt(&signer, &verified, rng).map_err(Failure::Blame)?;
        let decrypted = decrypted.ok_or_else(another_round)?;
        let mut sums = Vec::with_capacity(own.len());
        let mut published = Vec::with_capacity(own.len());
        for (item, own) in own.iter().enumerate() {
            let nonce: C::Point = second.values().filter_map(|all| Some(all.get(item)?.gamma)).sum();
            if C::is_identity(&nonce) {
                return Err(Failure::Unattributed("the nonce is the identity".into()));
            }
            let received = decrypted.get(item).ok_or_else(another_round)?;
            let own_sums = third::add_up(item, own, share, received, parties.others(me), &made)
                .ok_or_else(another_round)?;
            let context = parties.context(item, me, None, b"k");
            published.push(third::publish(&context, own, &own_sums, nonce, rng));
            sums.push(own_sums);
        }
        let own_third = parties.third(&published).ok_or_else(|| local("its own sums are none"))?;
        let send = Outgoing::broadcast(Message::Sums(published));
        let state = Summing { frame, first, made, second, sums, own_third };
        Ok(Step::Next { state: Presign::Summing(Box::new(state)), send, checkpoint: None })
    }
}

impl<C: Suite> Summing<C> {
    /// After round 3: the presignatures, or the tracing of a sum that is wrong.
    fn finish(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Presign<C>>, Failure<Fault>> {
        let Self { frame, first, made, second, sums, own_third } = self;
        let me = frame.context.me();
        let mut third = BTreeMap::from([(me, own_third)]);
        for (party, contribution) in inbox {
            let Contribution::Sums(ThirdContribution(sums)) = contribution else {
                return Err(another_round());
            };
            third.insert(party, sums);
        }
        let parties = &frame.parties;
        let items = frame.own.iter().enumerate();
        let boards: Vec<_> =
            items.map(|(item, own)| board(item, Some((me, &own.public)), &first, &second, &third)).collect();
        let mut jobs = Vec::new();
        for (item, board) in boards.iter().enumerate() {
            for party in parties.others(me) {
                let parts = board.first.get(&party).zip(board.third.get(&party));
                let (first, third) = parts.ok_or_else(another_round)?;
                jobs.push((item, party, *first, *third, board.nonce()));
            }
        }
        let checked = parallel::map(jobs, rng, |(item, party, first, third, nonce), _| {
            third::check(parties, party, item, first, third, nonce)
        });
        all_right(checked)?;
        let wrong = boards.iter().enumerate().find_map(|(item, board)| {
            let product = board.wrong_sum(parties.key)?;
            Some((Sum { item: item as u16, product }, board))
        });
        if let Some((sum, board)) = wrong {
            let own = frame.own.get(usize::from(sum.item)).ok_or_else(another_round)?;
            let shown = identify::prove(&frame.signer(), sum, own, &made, board, rng);
            let shown = shown.map_err(|Unreadable(party)| match party == me {
                true => local("its own products are none"),
                false => Failure::Blame(vec![Blame::new(party, Fault::Malformed { round: MULTIPLY })]),
            })?;
            let shown = shown.ok_or_else(another_round)?.into_iter();
            let direct = shown.map(|(to, shown)| (to, Message::Identification(Box::new(shown)))).collect();
            drop(boards);
            let Frame { context, parties, keys, own, .. } = frame;
            let mut first = first;
            first.insert(me, own.into_iter().map(|own| own.public).collect());
            let state = Identifying { context, parties, keys, sum, first, second, third };
            return Ok(Step::Next {
                state: Presign::Identifying(Box::new(state)),
                send: Outgoing { broadcast: None, direct },
                checkpoint: None,
            });
        }
        let made =
            boards.iter().zip(&frame.own).zip(&sums).enumerate().map(|(item, ((board, own), sums))| {
                third::finish(parties, me, item, frame.key_digest, (&own.secrets.k, sums), board)
            });
        let output = made.collect::<Option<Vec<_>>>();
        let output = output.ok_or_else(|| Failure::Unattributed("a nonce is zero".into()))?;
        Ok(Step::Done { output: Presignatures(output), send: Outgoing::nothing(), checkpoint: None })
    }
}

impl<C: Suite> Identifying<C> {
    /// After round 4: who it was.
    fn identify(self, inbox: Inbox<Contribution<C>>, rng: &mut dyn CryptoRngCore) -> Failure<Fault> {
        let Self { context, parties, keys, sum, first, second, third } = self;
        let me = context.me();
        let board = board(usize::from(sum.item), None, &first, &second, &third);
        let mut received = Vec::new();
        for (party, contribution) in inbox {
            let Contribution::Identification(shown) = contribution else { return another_round() };
            received.push((party, shown));
        }
        let verdicts = parallel::map(received, rng, |(party, shown), _| {
            identify::check(&parties, (party, me), &*keys, sum, &board, &shown)
        });
        match all_right(verdicts) {
            Err(blame) => blame,
            Ok(_) => {
                let what = match sum.product {
                    Product::Nonce => "nonce",
                    Product::Key => "product of nonce and key",
                };
                Failure::Unattributed(format!("the {what} is wrong, and everybody proved their part of it"))
            }
        }
    }
}

/// What was broadcast of one presignature, with this party's own part of round 1 where that is not among the others'.
fn board<'a, C: Suite>(
    item: usize,
    own: Option<(PartyIndex, &'a First<C>)>,
    first: &'a BTreeMap<PartyIndex, Vec<First<C>>>,
    second: &'a BTreeMap<PartyIndex, Vec<Second<C>>>,
    third: &'a BTreeMap<PartyIndex, Vec<Third<C>>>,
) -> Board<'a, C> {
    fn of<T>(all: &BTreeMap<PartyIndex, Vec<T>>, item: usize) -> BTreeMap<PartyIndex, &T> {
        all.iter().filter_map(|(party, items)| Some((*party, items.get(item)?))).collect()
    }
    let mut first = of(first, item);
    first.extend(own);
    Board { first, second: of(second, item), third: of(third, item) }
}

/// All results, or the blame of everybody of whom something is wrong: each once.
fn all_right<T>(results: Vec<Result<T, Blame<Fault>>>) -> Result<Vec<T>, Failure<Fault>> {
    let mut right = Vec::with_capacity(results.len());
    let mut wrong = BTreeMap::new();
    for result in results {
        match result {
            Ok(value) => right.push(value),
            Err(blame) => drop(wrong.entry(blame.party).or_insert(blame)),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(Failure::Blame(wrong.into_values().collect())) }
}

fn another_round() -> Failure<Fault> {
    local("a contribution of another round")
}

fn local(reason: &str) -> Failure<Fault> {
    Failure::Local(reason.into())
}
