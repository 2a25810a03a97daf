//! The gRPC service that a connected peer calls: takes its frames into the inbox.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::{Notify, watch};
use tonic::{Request, Response, Status, Streaming};

use super::peer::Peer;
use super::proto::{Acknowledgement, Frame, peer_server};
use crate::incoming::Inbox;
use crate::phase::Phase;
use crate::transport::LinkFailure;

/// Receives the frames of one connection. A connection carries one stream; HTTP/2 admits no second while it
/// lasts, and the connection ends with it.
pub(super) struct Reception {
    stream: Arc<ReceivingStream>,
}

/// The stream of one connection.
struct ReceivingStream {
    peer: Arc<Peer>,
    number: u64,
    from: SocketAddr,
    inbox: Arc<Inbox>,
    phase: watch::Receiver<Phase>,
    finished: Arc<Notify>,
}

impl Reception {
    /// For arrival `number` of `peer`.
    pub(super) fn new(
        peer: Arc<Peer>,
        number: u64,
        from: SocketAddr,
        inbox: Arc<Inbox>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let finished = Arc::default();
        let stream = ReceivingStream { peer, number, from, inbox, phase, finished };
        Self { stream: Arc::new(stream) }
    }

    /// Notified when the stream has ended, and the connection with it.
    pub(super) fn finished(&self) -> Arc<Notify> {
        Arc::clone(&self.stream.finished)
    }
}

#[tonic::async_trait]
impl peer_server::Peer for Reception {
    type FramesStream = Pin<Box<dyn Stream<Item = Result<Acknowledgement, Status>> + Send>>;

    async fn frames(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::FramesStream>, Status> {
        let stream = Arc::clone(&self.stream);
        let frames = request.into_inner();
        // The answer is the reading: it begins when the headers have been sent, and ends with the connection.
        let answer = futures_util::stream::once(async move {
            let end = stream.read(frames).await;
            stream.finished.notify_one();
            end
        });
        let answer = answer.filter_map(|end| std::future::ready(end.err().map(Err)));
        Ok(Response::new(Box::pin(answer)))
    }
}

impl ReceivingStream {
    /// Reads until the peer ends the stream, breaks it, or it is time to stop.
    async fn read(&self, frames: Streaming<Frame>) -> Result<(), Status> {
        let reading = async {
            // A replaced connection lets go first, so that its frames are not mixed with this one's.
            let _turn = self.peer.reading.lock().await;
            let _receiving = self.peer.receive(self.number);
            self.relay(frames).await
        };
        tokio::select! {
            biased;
            () = self.peer.replaced(self.number) => Err(Status::aborted("replaced by a later connection")),
            () = Phase::reached(self.phase.clone(), Phase::Stopping) => Ok(()),
            end = reading => end,
        }
    }

    async fn relay(&self, mut frames: Streaming<Frame>) -> Result<(), Status> {
        loop {
            match frames.message().await {
                Ok(Some(frame)) => {
                    let put = self.inbox.put(self.peer.lane, frame.body).await;
                    put.map_err(|_| Status::unavailable("this node takes no more frames"))?;
                }
                Ok(None) => return Ok(()),
                Err(status) => {
                    // A status with a source is the connection breaking, which its owner reports.
                    if std::error::Error::source(&status).is_none() {
                        let (address, reason) = (self.from.to_string(), status.message().to_owned());
                        self.peer.incoming_failed(LinkFailure::Misbehaved { address, reason });
                    }
                    return Err(status);
                }
            }
        }
    }
}
