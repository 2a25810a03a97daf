//! A session as it runs on this node: opened with what this node alone knows, on the threads that suit it.

use std::any::Any;
use std::sync::Arc;

use quorate_cggmp21::Presignatures;
use quorate_cggmp21::presign::{NonceStock, PresignSecret};
use quorate_dkls23::presign::PresignSecret as ObliviousSecret;
use quorate_keys::Identity;
use quorate_session::{ErasedSession, SetupError};
use rand_core::OsRng;

use super::Engine;
use super::run::Part;
use crate::barrier::Step;
use crate::job::Job;
use crate::work::Workers;

/// A session, and where it computes.
pub(super) struct Machine {
    /// None only when its work broke off.
    pub(super) session: Option<Box<dyn ErasedSession>>,
    /// None: where it is.
    workers: Option<Workers>,
}

impl Machine {
    pub(super) async fn receive(&mut self, part: &Part, from: &Identity, envelope: Vec<u8>) {
        let Some(party) = part.context.committee().index_of(from) else { return };
        let Some(mut session) = self.session.take() else { return };
        let work = move || {
            session.receive(party, &envelope, &mut OsRng);
            session
        };
        self.session = match &self.workers {
            None => Some(work()),
            Some(workers) => workers.run(work).await.ok(),
        };
    }
}

impl Engine {
    pub(super) async fn open(
        &self,
        part: &Part,
        halves: Option<Presignatures>,
    ) -> Result<Machine, SetupError> {
        let protocol = part.job.protocol();
        let protocol =
            self.registry.find(protocol).ok_or_else(|| SetupError(format!("unknown protocol {protocol}")))?;
        let secret = self.secret_of(part, halves).map_err(SetupError)?;
        self.barrier.reached(part.job.operation(), Step::Started);
        let (protocol, context) = (Arc::clone(protocol), Arc::clone(&part.context));
        let (setup, keyring) = (part.setup.clone(), self.keyring());
        let open = move || protocol.open(context, &setup, secret, keyring, &mut OsRng);
        match self.workers_for(&part.job) {
            None => Ok(Machine { session: Some(open()?), workers: None }),
            Some(workers) => {
                let session = workers.run(open).await.map_err(|error| SetupError(error.to_string()))??;
                Ok(Machine { session: Some(session), workers: Some(workers.clone()) })
            }
        }
    }

    /// Where a session computes: the short ones where they are.
    fn workers_for(&self, job: &Job) -> Option<&Workers> {
        match job {
            // Milliseconds for each.
            Job::Sign(job) if job.uses_pairs() && job.tasks.len() > 1 => Some(&self.foreground),
            Job::Keygen(_) | Job::Sign(_) | Job::Reshare(_) => None,
            Job::Pairs(_) => Some(&self.foreground),
            Job::Presign(job) if !job.urgent => Some(&self.background),
            Job::Presign(_) | Job::Auxiliary(_) => Some(&self.foreground),
        }
    }

    /// What this node alone brings into a session. What is for one use is gone from where it was kept.
    fn secret_of(&self, part: &Part, halves: Option<Presignatures>) -> Result<Box<dyn Any + Send>, String> {
        #[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
        fn text(error: impl ToString) -> String {
            error.to_string()
        }
        match &*part.job {
            Job::Keygen(_) => Ok(Box::new(())),
            Job::Sign(job) if job.is_presigned() => Ok(Box::new(halves.ok_or("the presignatures are gone")?)),
            Job::Sign(job) if job.uses_pairs() => {
                let made = job.pairs.as_ref().ok_or("it is not known which pairs to sign with")?;
                let share = self.wallets.share(&job.wallet).map_err(text)?;
                let pairs = self.pairings.secret(&job.wallet.generation(), &made.session).map_err(text)?;
                Ok(Box::new(ObliviousSecret { share, pairs }))
            }
            Job::Sign(job) => Ok(Box::new(self.wallets.share(&job.wallet).map_err(text)?)),
            Job::Pairs(_) => Ok(Box::new(())),
            Job::Reshare(job) => {
                let deals = job.dealers.contains(&self.me);
                let share = deals.then(|| self.wallets.share_at(&job.wallet, &job.old));
                Ok(Box::new(share.transpose().map_err(text)?))
            }
            Job::Auxiliary(_) => Ok(Box::new(self.primes.take().ok_or("there are no primes")?)),
            Job::Presign(job) => {
                let share = self.wallets.share(&job.wallet).map_err(text)?;
                let auxiliary = self.auxiliaries.secret(&job.origin.auxiliary).map_err(text)?;
                Ok(Box::new(PresignSecret { share, auxiliary, stock: NonceStock::default() }))
            }
        }
    }
}
