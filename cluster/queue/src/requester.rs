//! The client's side: requests are handed in, and results are waited for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::{self, Context, message::PublishMessage};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use quorate_age::{Identity as Opener, Recipient};
use quorate_broker::Broker;
use quorate_identity::peers::Peers;
use quorate_keys::Identity;
use quorate_request::SignedRequest;
use rand_core::{OsRng, RngCore as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::announcing::believe;
use crate::sealing::{Asked, Resulted, SealError};
use crate::streams::{self, JetStreamError, NODES};
use crate::subjects::{self, ClientName};

/// How long the server waits for results, before it is asked again.
const PULL: Duration = Duration::from_secs(10);
/// How many results are taken at a time.
const BATCH: usize = 256;
/// How long until something is tried again that the server did not do.
const PAUSE: Duration = Duration::from_millis(500);
/// How long what requests are encrypted to is taken to be the same.
const RECIPIENTS: Duration = Duration::from_secs(60);
/// How long the server may take to keep a request, before it is asked again to.
const KEEP: Duration = Duration::from_secs(2);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It can't be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No node has said what requests are encrypted to, or the server was not there to say it.
    #[error("no node of this cluster serves the queue: {0}")]
    NoNodes(String),
    /// The server has not kept the request, or has and nobody knows it.
    #[error("the request could not be handed in: {0}")]
    NotKept(String),
    /// The request is kept, and may be answered later.
    #[error("there is no result yet")]
    NoResult,
}

/// Who waits for the result of which request: the same may be asked twice at a time.
type Waiting = Arc<Mutex<HashMap<[u8; 32], Vec<oneshot::Sender<Resulted>>>>>;

/// A client's place at the queue. One at a time has a name.
#[derive(Debug)]
pub struct Requester {
    context: Context,
    peers: Peers,
    name: ClientName,
    reply: Recipient,
    waiting: Waiting,
    recipients: tokio::sync::Mutex<Option<(Instant, BTreeMap<Identity, Recipient>)>>,
    task: JoinHandle<()>,
}

impl Drop for Requester {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Requester {
    /// A place for a client that nobody knows by name: what it does not wait for is lost to it.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn new(broker: &Broker, peers: Peers) -> Self {
        let mut random = [0; 16];
        OsRng.fill_bytes(&mut random);
        // Hexadecimal digits are a name.
        let name = ClientName::random(random);
        let opener = Opener::generate(&mut OsRng);
        let context = jetstream::new(broker.client().clone());
        let (reply, waiting) = (opener.recipient(), Waiting::default());
        let collector = Collector {
            broker: broker.clone(),
            context: context.clone(),
            nodes: peers.all().iter().map(|peer| peer.identity).collect(),
            name: name.clone(),
            opener,
            waiting: Arc::clone(&waiting),
        };
        let task = tokio::spawn(collector.collect());
        Self { context, peers, name, reply, waiting, recipients: tokio::sync::Mutex::default(), task }
    }

    /// Hands a request in, and waits for its result: one that a node of the cluster has signed for this very request.
    ///
    /// # Errors
    /// [`Failure`]; after [`Failure::NoResult`] the request may take effect all the same.
    pub async fn ask(&self, request: &SignedRequest, until: Instant) -> Result<Resulted, Failure> {
        let recipients = self.recipients(until).await?;
        let asked = Asked { request: request.clone(), client: self.name.clone(), reply: self.reply };
        let sealed = asked.seal(&recipients)?;
        let digest = request.digest();
        let forget = Forget { waiting: &self.waiting, digest };
        // Made after that, so dropped before it.
        let (sender, result) = oneshot::channel();
        lock(&self.waiting).entry(digest).or_default().push(sender);
        self.hand_in(request, sealed, until).await?;
        let result = tokio::time::timeout_at(until, result).await;
        drop(forget);
        result.ok().and_then(Result::ok).ok_or(Failure::NoResult)
    }

    async fn hand_in(&self, request: &SignedRequest, sealed: Vec<u8>, until: Instant) -> Result<(), Failure> {
        let subject = subjects::request(request.operation());
        // However often this is said, it is kept once.
        let mut id = [0; 16];
        OsRng.fill_bytes(&mut id);
        let id = hex::encode(id);
        let message = || PublishMessage::build().message_id(&id).payload(sealed.clone().into());
        loop {
            let now = Instant::now();
            let kept = tokio::time::timeout_at(until.min(now + KEEP), async {
                self.context.send_publish(subject.clone(), message()).await?.await
            });
            let reason = match kept.await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "NATS does not answer".to_owned(),
            };
            if Instant::now() + PAUSE >= until {
                return Err(Failure::NotKept(reason));
            }
            tracing::debug!(reason, "a request could not be handed in yet");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What requests are encrypted to: all nodes that have ever said so.
    async fn recipients(&self, until: Instant) -> Result<Vec<Recipient>, Failure> {
        let mut known = self.recipients.lock().await;
        loop {
            if let Some((at, recipients)) = &*known
                && at.elapsed() < RECIPIENTS
            {
                return Ok(recipients.values().copied().collect());
            }
            let reason = match tokio::time::timeout_at(until, self.look_up()).await {
                Ok(Ok(found)) if !found.is_empty() => {
                    *known = Some((Instant::now(), found));
                    continue;
                }
                Ok(Ok(_)) => "none of its nodes has announced itself at this broker".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "NATS does not answer".to_owned(),
            };
            if Instant::now() + PAUSE >= until {
                return Err(Failure::NoNodes(reason));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look_up(&self) -> Result<BTreeMap<Identity, Recipient>, JetStreamError> {
        let stream = streams::stream(&self.context, NODES).await?;
        let cluster = self.peers.cluster();
        let asked = self.peers.all().iter().map(|peer| {
            let (stream, node) = (&stream, peer.identity);
            async move {
                let record = stream.get_last_raw_message_by_subject(&subjects::node(&node)).await.ok()?;
                let believed = believe(cluster, &node, &record.payload);
                if believed.is_none() {
                    tracing::warn!(%node, "what the broker says of a node was not signed by it");
                }
                Some((node, believed?))
            }
        });
        Ok(join_all(asked).await.into_iter().flatten().collect())
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<[u8; 32], Vec<oneshot::Sender<Resulted>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody waits any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    digest: [u8; 32],
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(self.waiting);
        if let Some(senders) = waiting.get_mut(&self.digest) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.digest);
            }
        }
    }
}

/// Takes the results, and gives each to who waits for it.
struct Collector {
    broker: Broker,
    context: Context,
    nodes: Vec<Identity>,
    name: ClientName,
    opener: Opener,
    waiting: Waiting,
}

impl Collector {
    async fn collect(self) {
        loop {
            if let Err(error) = self.collect_all().await {
                tracing::debug!(%error, "results can't be taken yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Takes them for as long as the connection lasts.
    async fn collect_all(&self) -> Result<(), JetStreamError> {
        let another = self.broker.reconnected();
        tokio::pin!(another);
        let consumer = streams::results(&self.context, &self.name).await?;
        loop {
            let batch = consumer.batch().max_messages(BATCH).expires(PULL).messages().await;
            let mut batch = batch.map_err(|error| JetStreamError::of(&error))?;
            loop {
                let message = tokio::select! {
                    message = batch.next() => message,
                    () = &mut another => return Ok(()),
                };
                let Some(message) = message else { break };
                let message = message.map_err(|error| JetStreamError(error.to_string()))?;
                self.take(&message.payload);
                if let Err(error) = message.ack().await {
                    tracing::debug!(%error, "a result was taken, which the server does not know");
                }
            }
        }
    }

    /// A result that is none, or that nobody waits for, is no more than noise.
    fn take(&self, sealed: &[u8]) {
        let result = match Resulted::open(sealed, &self.opener) {
            Ok(result) if self.nodes.contains(&result.node) => result,
            Ok(result) => {
                return tracing::warn!(node = %result.node, "a result of somebody who is no node of this cluster");
            }
            Err(error) => return tracing::warn!(%error, "what came as a result is none"),
        };
        let waiting = lock(&self.waiting).remove(&result.request);
        if waiting.is_none() {
            tracing::debug!("a result for which nobody waits any more");
        }
        for sender in waiting.unwrap_or_default() {
            // Who waited may have gone this moment.
            sender.send(result.clone()).ok();
        }
    }
}
