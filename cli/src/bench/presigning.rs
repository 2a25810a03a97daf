//! Presignatures that are made before anything is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use quorate_client::{Client, ClientError};
use quorate_request::{PresignRequest, WalletId};
use serde::Serialize;

use super::load::{Load, Pace};
use crate::failure::Failure;
use crate::progress::{Progress, bar};

/// What was made before anything was measured.
#[derive(Debug, Serialize)]
pub(super) struct Presigned {
    pub(super) made: u32,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
}

/// How many will be needed: as many as are said, or, if none are, as an open loop asks for signatures.
pub(super) fn enough(said: u32, load: &Load) -> Result<u32, Failure> {
    match (said, load.pace) {
        (1.., _) => Ok(said),
        (0, Pace::Open { rate }) => {
            let seconds = load.warm_up.saturating_add(load.duration).as_secs();
            Ok(u64::from(rate).saturating_mul(seconds).try_into().unwrap_or(u32::MAX))
        }
        (0, Pace::Closed { .. }) => {
            let text = "how many signatures clients will ask for is not known beforehand: give --presign a number, or --rate";
            Err(Failure::Usage(text.into()))
        }
    }
}

/// The nodes that will be asked for signatures: clients of a closed loop that are fewer leave some out.
pub(super) fn asked(clients: &[Client], pace: Pace) -> &[Client] {
    match pace {
        Pace::Closed { clients: count } => clients.get(..count.into()).unwrap_or(clients),
        Pace::Open { .. } => clients,
    }
}

/// Makes presignatures, evenly at all nodes that are asked for signatures: each uses its own.
pub(super) async fn make(
    clients: &[Client],
    wallet: &WalletId,
    count: u32,
    quiet: bool,
) -> Result<Presigned, ClientError> {
    let made = Arc::new(AtomicU32::new(0));
    let shown = Arc::clone(&made);
    let _progress = Progress::show(quiet, move || {
        let made = shown.load(Ordering::Relaxed);
        format!("presigning {} {made} of {count}", bar(f64::from(made) / f64::from(count.max(1))))
    });
    let started = Instant::now();
    for (client, share) in clients.iter().zip(shares(count, clients.len())) {
        let mut left = share;
        while left > 0 {
            // In pieces, so that somebody who looks on sees that it goes on.
            let piece = u16::try_from(left).unwrap_or(u16::MAX).min(PIECE);
            let answer = client.presign(PresignRequest::new(wallet.clone(), piece)).await?;
            made.fetch_add(answer.made.into(), Ordering::Relaxed);
            left = left.saturating_sub(answer.made.into());
        }
    }
    let (made, seconds) = (made.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
    Ok(Presigned { made, seconds, per_second: f64::from(made) / seconds.max(f64::MIN_POSITIVE) })
}

const PIECE: u16 = 32;

/// A number in parts that differ by one at most.
fn shares(count: u32, parts: usize) -> Vec<u32> {
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    (0..parts).map(|part| count / parts + u32::from(part < count % parts)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::time::Duration;

    #[test]
    fn an_open_loop_knows_how_many_it_needs() {
        let load = |pace| Load {
            pace,
            warm_up: Duration::from_secs(2),
            duration: Duration::from_secs(10),
            patience: Duration::ZERO,
        };
        let open = load(Pace::Open { rate: 5 });
        assert_eq!([0, 7].map(|said| enough(said, &open).unwrap()), [60, 7]);
        let closed = load(Pace::Closed { clients: 1 });
        assert_eq!(enough(7, &closed).unwrap(), 7);
        assert!(enough(0, &closed).unwrap_err().to_string().contains("give --presign a number"));
    }

    #[test]
    fn every_node_makes_its_part() {
        assert_eq!(shares(10, 3), [4, 3, 3]);
        assert_eq!(shares(2, 3), [1, 1, 0]);
        assert_eq!(shares(0, 3), [0, 0, 0]);
        assert_eq!(shares(7, 0), [7]);
    }
}
