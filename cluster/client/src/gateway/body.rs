//! Reads what a caller sends, up to a size and within a time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use quorate_request::{ErrorBody, ErrorCode, MAX_BODY_BYTES};
use tokio::time::timeout;

/// How long a caller may take to send a body: ample for the largest one over a slow line.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, ErrorBody> {
    read_within(BODY_TIMEOUT, headers, body).await
}

async fn read_within(limit: Duration, headers: &HeaderMap, body: Body) -> Result<Bytes, ErrorBody> {
    let too_large =
        || ErrorBody::new(ErrorCode::BodyTooLarge, format!("the body has more than {MAX_BODY_BYTES} bytes"));
    // Refused before it is sent, by callers that announce it (Expect: 100-continue).
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let malformed = |reason: String| ErrorBody::new(ErrorCode::MalformedRequest, reason);
    match timeout(limit, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(malformed(format!("the body can't be read: {error}"))),
        Err(_) => Err(malformed("the body did not arrive in time".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    struct Stalled;

    impl hyper::body::Body for Stalled {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let error =
            read_within(Duration::from_millis(10), &HeaderMap::new(), Body::new(Stalled)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::MalformedRequest);
        assert!(error.message.contains("in time"));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit() {
        let whole = vec![b' '; MAX_BODY_BYTES];
        assert_eq!(read(&HeaderMap::new(), Body::from(whole.clone())).await.unwrap(), whole);
        let error = read(&HeaderMap::new(), Body::from([whole, vec![0]].concat())).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BodyTooLarge);
    }
}
