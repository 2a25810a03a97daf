//! The streams, and how long they keep what is in them.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use crate::subjects::{self, ClientName};

/// The stream of requests. Each is kept until a node has answered it.
pub const REQUESTS: &str = "MPC_REQUESTS";
/// The stream of results. Each is kept until its client has taken it.
pub const RESULTS: &str = "MPC_RESULTS";
/// The stream that says what requests are encrypted to.
pub const NODES: &str = "MPC_NODES";

/// How long requests and results are kept at most.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many requests, or results, are kept at most; more requests are refused, and the oldest results go.
const MAX_MESSAGES: i64 = 1_000_000;
/// How long a message that is published twice is known.
const DUPLICATES: Duration = Duration::from_secs(120);

/// How long a node may say nothing of a request that it was given; then another gets it.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(5);
/// How often it says that it still works on it.
pub(crate) const PROGRESS: Duration = Duration::from_millis(1500);
/// After so long nobody is expected to come back for a client's results.
const FORGET_CLIENT: Duration = Duration::from_secs(300);

/// The server said no, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JetStream: {0}")]
pub struct JetStreamError(pub(crate) String);

impl JetStreamError {
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        Self(error.to_string())
    }
}

fn base(name: &str, subject: &str, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: DUPLICATES,
        ..Config::default()
    }
}

/// The streams, made if they are not there. One that is there stays as it is.
///
/// # Errors
/// The server refuses, or does not answer: without JetStream, for one.
pub async fn ensure(context: &Context, replicas: usize) -> Result<(), JetStreamError> {
    let requests = Config {
        retention: RetentionPolicy::WorkQueue,
        max_age: KEPT,
        max_messages: MAX_MESSAGES,
        // What was taken is not thrown away for what comes later.
        discard: DiscardPolicy::New,
        ..base(REQUESTS, "mpc.*.request", replicas)
    };
    let results = Config {
        retention: RetentionPolicy::WorkQueue,
        max_age: KEPT,
        max_messages: MAX_MESSAGES,
        ..base(RESULTS, "mpc.*.response.>", replicas)
    };
    let nodes = Config { max_messages_per_subject: 1, ..base(NODES, "mpc.node.recipient.*", replicas) };
    for config in [requests, results, nodes] {
        let name = config.name.clone();
        if context.get_stream(&name).await.is_err() {
            let made = context.get_or_create_stream(config).await;
            made.map_err(|error| JetStreamError(format!("stream {name}: {error}")))?;
        }
    }
    Ok(())
}

pub(crate) async fn stream(context: &Context, name: &str) -> Result<Stream, JetStreamError> {
    let stream = context.get_stream(name).await;
    stream.map_err(|error| JetStreamError(format!("stream {name}: {error}; the nodes make it")))
}

/// What all nodes together take the requests for one operation by.
pub(crate) async fn requests(
    context: &Context,
    operation: &str,
) -> Result<Consumer<pull::Config>, JetStreamError> {
    let name = format!("nodes-{operation}");
    let config = pull::Config {
        durable_name: Some(name.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        filter_subject: subjects::requests_for(operation),
        ..pull::Config::default()
    };
    let consumer = stream(context, REQUESTS).await?.get_or_create_consumer(&name, config).await;
    consumer.map_err(|error| JetStreamError(format!("consumer {name}: {error}")))
}

/// What one client takes its results by.
pub(crate) async fn results(
    context: &Context,
    client: &ClientName,
) -> Result<Consumer<pull::Config>, JetStreamError> {
    let name = format!("client-{client}");
    let config = pull::Config {
        name: Some(name.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        filter_subject: subjects::results_of(client),
        inactive_threshold: FORGET_CLIENT,
        ..pull::Config::default()
    };
    let consumer = stream(context, RESULTS).await?.get_or_create_consumer(&name, config).await;
    consumer.map_err(|error| JetStreamError(format!("consumer {name}: {error}")))
}
