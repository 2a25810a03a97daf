//! The node's side: requests are taken, answered and only then let go of.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, AckKind, Context, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::StatusCode;
use quorate_age::Identity as Opener;
use quorate_broker::Broker;
use quorate_keys::SigningIdentity;
use quorate_request::{ClusterId, ErrorBody, ErrorCode, SignedRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::announcing::{record, sealing_identity};
use crate::sealing::{Asked, MAX_RESULT, Resulted};
use crate::streams::{self, JetStreamError, PROGRESS};
use crate::subjects::{self, OPERATIONS};

/// How often one request is given to nodes, until one says that its time is over.
pub const MAX_DELIVERIES: i64 = 50;
/// How often something that a node can't open is given to nodes, in case another one can.
const MAX_UNOPENED: i64 = 8;
/// How many signing requests one node works on at a time.
const SIGNINGS: u32 = 64;
/// How many requests of one other kind.
const OTHERS: u32 = 8;
/// How long the server waits until there are more requests, before it is asked again.
const PULL: Duration = Duration::from_secs(10);
/// How long until something is tried again that the server did not do.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest time after which another node, or the same one, is given a request that could not be answered.
const AGAIN_MIN: Duration = Duration::from_millis(50);
/// The longest.
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// How often what requests are encrypted to is said anew, should it have been lost.
const ANNOUNCE: Duration = Duration::from_secs(60);

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP would have it.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// Whether another node, or the same one later, may answer otherwise; after how long at the earliest.
    pub again: Option<Duration>,
}

/// What answers requests. It is asked again for the same request, by this node or another, until an answer has been kept: the
/// same request must take effect once.
pub trait Answers: Send + Sync + 'static {
    /// Answers one that nobody has verified yet.
    fn answer(&self, request: SignedRequest) -> impl Future<Output = Answer> + Send;
}

/// What a node did with what the queue gave it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Results that were kept.
    pub answered: AtomicU64,
    /// Requests that were given back, to be answered later or by another.
    pub returned: AtomicU64,
    /// Requests that were given up, with a signed result.
    pub given_up: AtomicU64,
    /// What was no request for this node, and was dropped.
    pub dropped: AtomicU64,
    /// Requests that waited when they were last counted.
    pub waiting: AtomicU64,
}

struct Node<A> {
    broker: Broker,
    context: Context,
    cluster: ClusterId,
    signer: Arc<SigningIdentity>,
    opener: Opener,
    answers: A,
    counts: Arc<Counts>,
}

/// Answers requests until `stop` is true; then ends what is being answered. What it has been given when it is dropped, another
/// node gets.
pub async fn serve(
    broker: Broker,
    cluster: ClusterId,
    signer: Arc<SigningIdentity>,
    replicas: usize,
    answers: impl Answers,
    counts: Arc<Counts>,
    stop: watch::Receiver<bool>,
) {
    let context = jetstream::new(broker.client().clone());
    let opener = sealing_identity(&signer);
    let node = Arc::new(Node { broker, context, cluster, signer, opener, answers, counts });
    let takers = OPERATIONS.map(|operation| Arc::clone(&node).take(operation, stop.clone()));
    let besides = async {
        tokio::join!(node.announce(replicas), node.count());
    };
    tokio::select! {
        _ = join_all(takers) => {}
        () = besides => {}
    }
}

impl<A: Answers> Node<A> {
    /// Makes the streams, and says what requests are encrypted to for this node.
    async fn announce(&self, replicas: usize) {
        let mut failed = String::new();
        loop {
            match self.announce_once(replicas).await {
                Ok(()) => {
                    failed.clear();
                    tokio::time::sleep(ANNOUNCE).await;
                }
                Err(error) => {
                    note(&mut failed, &error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn announce_once(&self, replicas: usize) -> Result<(), JetStreamError> {
        streams::ensure(&self.context, replicas).await?;
        let said = record(&self.cluster, &self.signer);
        self.publish(subjects::node(&self.signer.identity()), said.into(), None).await
    }

    async fn publish(
        &self,
        subject: String,
        payload: Bytes,
        id: Option<String>,
    ) -> Result<(), JetStreamError> {
        let mut message = PublishMessage::build().payload(payload);
        if let Some(id) = id {
            message = message.message_id(id);
        }
        let sent = self.context.send_publish(subject, message).await;
        let kept = sent.map_err(|error| JetStreamError::of(&error))?.await;
        kept.map(drop).map_err(|error| JetStreamError::of(&error))
    }

    /// Counts the requests that wait.
    async fn count(&self) {
        loop {
            tokio::time::sleep(PAUSE * 5).await;
            if let Ok(mut stream) = self.context.get_stream(streams::REQUESTS).await
                && let Ok(info) = stream.info().await
            {
                self.counts.waiting.store(info.state.messages, Ordering::Relaxed);
            }
        }
    }

    /// Takes the requests for one operation.
    async fn take(self: Arc<Self>, operation: &'static str, mut stop: watch::Receiver<bool>) {
        let most = if operation == "sign" { SIGNINGS } else { OTHERS };
        let places = Arc::new(Semaphore::new(most as usize));
        let mut work = JoinSet::new();
        let mut failed = String::new();
        loop {
            let taken = tokio::select! {
                taken = self.take_all(operation, &places, &mut work) => taken,
                // Nobody is left who could say it: that is the same.
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match taken {
                // The connection is a new one: what the old one was asked for does not come any more.
                Ok(()) => failed.clear(),
                Err(error) => {
                    note(&mut failed, &error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while work.join_next().await.is_some() {}
    }

    /// Takes them for as long as the connection lasts.
    async fn take_all(
        self: &Arc<Self>,
        operation: &str,
        places: &Arc<Semaphore>,
        work: &mut JoinSet<()>,
    ) -> Result<(), JetStreamError> {
        let another = self.broker.reconnected();
        tokio::pin!(another);
        let consumer = streams::requests(&self.context, operation).await?;
        loop {
            // What is asked for can be worked on at once: what only waited here could be worked on elsewhere.
            let mut place = places_in(places).await;
            let count = place.num_permits();
            let mut batch = batch(&consumer, count).await?;
            loop {
                let message = tokio::select! {
                    message = batch.next() => message,
                    () = &mut another => return Ok(()),
                };
                let Some(message) = message else { break };
                let message = message.map_err(|error| JetStreamError(error.to_string()))?;
                let Some(place) = place.split(1) else { break };
                let node = Arc::clone(self);
                work.spawn(async move {
                    node.handle(&message).await;
                    drop(place);
                });
            }
            while work.try_join_next().is_some() {}
        }
    }

    /// Answers one request, and lets go of it when its result is kept.
    async fn handle(&self, message: &Message) {
        let (deliveries, sequence) =
            message.info().map_or((1, 0), |info| (info.delivered, info.stream_sequence));
        let asked = match Asked::open(&message.payload, &self.opener) {
            Ok(asked) => asked,
            // It may be for other nodes, of which this one is not yet known to the client.
            Err(error) if deliveries < MAX_UNOPENED => {
                tracing::debug!(%error, "what the queue has can't be opened by this node");
                self.counts.returned.fetch_add(1, Ordering::Relaxed);
                return acknowledge(message, AckKind::Nak(Some(pause(deliveries)))).await;
            }
            Err(error) => {
                tracing::warn!(%error, "what the queue had was no request that any node can open; it is dropped");
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                return acknowledge(message, AckKind::Term).await;
            }
        };
        let answer = if deliveries > MAX_DELIVERIES {
            given_up(deliveries, None)
        } else {
            self.work(message, &asked).await
        };
        let now = SystemTime::now();
        let answer = match answer.again {
            Some(again) if deliveries < MAX_DELIVERIES => {
                let again = again.max(pause(deliveries));
                if now + again < asked.request.expires() {
                    self.counts.returned.fetch_add(1, Ordering::Relaxed);
                    return acknowledge(message, AckKind::Nak(Some(again))).await;
                }
                given_up(deliveries, Some(&answer))
            }
            Some(_) => given_up(deliveries, Some(&answer)),
            None => answer,
        };
        let gave_up = answer.again.is_some();
        match self.keep(&asked, sequence, answer).await {
            Ok(()) => {
                let count = if gave_up { &self.counts.given_up } else { &self.counts.answered };
                count.fetch_add(1, Ordering::Relaxed);
                acknowledge(message, AckKind::Ack).await;
            }
            // Nobody is told of the result: the request is given out again, and has the same result then.
            Err(error) => tracing::warn!(%error, "a result could not be kept; its request stays"),
        }
    }

    /// Works on a request, and says so meanwhile.
    async fn work(&self, message: &Message, asked: &Asked) -> Answer {
        let work = self.answers.answer(asked.request.clone());
        tokio::pin!(work);
        loop {
            tokio::select! {
                answer = &mut work => return answer,
                () = tokio::time::sleep(PROGRESS) => acknowledge(message, AckKind::Progress).await,
            }
        }
    }

    async fn keep(&self, asked: &Asked, sequence: u64, answer: Answer) -> Result<(), JetStreamError> {
        let Asked { request, client, reply } = asked;
        let subject = subjects::result(request.operation(), client, request.request_id());
        let digest = request.digest();
        let (status, body) = if answer.body.len() > MAX_RESULT {
            let message = "the result is too long for the broker: ask a node by HTTP";
            refused(&ErrorBody::new(ErrorCode::Internal, message))
        } else {
            (answer.status, answer.body)
        };
        let result = Resulted { node: self.signer.identity(), request: digest, status, body };
        let sealed = result.seal(&self.signer, *reply).map_err(|error| JetStreamError(error.to_string()))?;
        // What was published twice, as nobody knew of the first time, is kept once.
        let id = format!("{sequence}.{}.{}", hex::encode(digest), status.as_u16());
        self.publish(subject, sealed.into(), Some(id)).await
    }
}

/// At least one place, and as many as there are.
async fn places_in(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    loop {
        // A semaphore that nobody closes gives places.
        if let Ok(mut first) = Arc::clone(places).acquire_owned().await {
            let more = u32::try_from(places.available_permits()).unwrap_or_default();
            if let Ok(more) = Arc::clone(places).try_acquire_many_owned(more) {
                first.merge(more);
            }
            return first;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn batch(consumer: &Consumer<pull::Config>, count: usize) -> Result<pull::Batch, JetStreamError> {
    let batch = consumer.batch().max_messages(count).expires(PULL).messages().await;
    batch.map_err(|error| JetStreamError::of(&error))
}

async fn acknowledge(message: &Message, kind: AckKind) {
    // One that gets lost is the same as none: the request is given out again.
    if let Err(error) = message.ack_with(kind).await {
        tracing::debug!(%error, "the queue was not told");
    }
}

/// Longer each time.
fn pause(deliveries: i64) -> Duration {
    let doublings = u32::try_from(deliveries.saturating_sub(1)).unwrap_or_default().min(8);
    AGAIN_MIN.saturating_mul(1 << doublings).min(AGAIN_MAX)
}

/// What the client is told when its request has been tried for long enough.
fn given_up(deliveries: i64, last: Option<&Answer>) -> Answer {
    let last =
        last.and_then(|last| serde_message(&last.body)).map_or_else(String::new, |last| format!(": {last}"));
    let message = format!(
        "given up after it was tried {deliveries} times{last}; repeat the request to learn whether it took effect"
    );
    let (status, body) = refused(&ErrorBody::new(ErrorCode::TimedOut, message));
    Answer { status, body, again: Some(Duration::ZERO) }
}

fn serde_message(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<ErrorBody>(body).ok().map(|error| error.message)
}

fn refused(error: &ErrorBody) -> (StatusCode, Bytes) {
    (error.code.status(), serde_json::to_vec(error).unwrap_or_default().into())
}

fn note(before: &mut String, error: &JetStreamError) {
    let now = error.to_string();
    if *before == now {
        tracing::debug!(reason = now, "the queue can't be used yet");
    } else {
        tracing::warn!(reason = now, "the queue can't be used");
        *before = now;
    }
}
