//! Passes events on as they come, and holds none of them.

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use quorate_request::paths;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::events::SILENCE;

/// A node's events, until they end, break off, or the gateway stops.
pub(super) fn pass_on(body: Incoming, closing: watch::Receiver<bool>) -> Response {
    let pieces = stream::unfold(Some((body, closing)), |open| async {
        let (mut body, mut closing) = open?;
        match next(&mut body, &mut closing).await {
            Some(Ok(piece)) => Some((Ok(piece), Some((body, closing)))),
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(paths::EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn next(
    body: &mut Incoming,
    closing: &mut watch::Receiver<bool>,
) -> Option<Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> {
    let stopped = async {
        if closing.wait_for(|closing| *closing).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = stopped => None,
        frame = timeout(SILENCE, body.frame()) => match frame {
            Err(_) => Some(Err("the node says nothing any more".into())),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(error.into())),
            // Trailers mean nothing here.
            Ok(Some(Ok(frame))) => Some(Ok(frame.into_data().unwrap_or_default())),
        },
    }
}
