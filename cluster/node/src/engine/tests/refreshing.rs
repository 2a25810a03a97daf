//! Shares that are refreshed because they are as old as the schedule says.

use super::*;
use quorate_session::SessionId;

use crate::engine::proposer::Trouble;

use crate::cause::{Cause, NewShares, Provision, Upkeep};
use crate::clock::now_millis;
use crate::frame::Reason;

fn epochs(cluster: &Cluster, wallet: &str) -> Vec<u64> {
    let of = |place| cluster.engine(place).wallets.named(&wallet.parse().unwrap());
    (0..cluster.members.len()).map(|place| of(place)[0].public.epoch).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_that_are_too_old_are_refreshed_again_and_again() {
    let settings = Settings { refresh: "w=1s,other=never", ..Settings::default() };
    let cluster = Cluster::new(4, settings).await;
    let made = cluster.keygen(3, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.keygen(3, "o", "other", &[0, 1, 2]).await.unwrap();
    eventually("all know both", || {
        (0..4).all(|place| cluster.knows(place, "w") == 1 && cluster.knows(place, "other") == 1)
    })
    .await;
    eventually("it was refreshed", || epochs(&cluster, "w").iter().all(|epoch| *epoch >= 2)).await;
    cluster.sign(3, "s", "w").await.unwrap();
    // Of all holders each must be there.
    cluster.hub.isolate(&cluster.identity(1));
    let before = epochs(&cluster, "w")[0];
    let due = |place: usize| cluster.engine(place).due_for_refresh().len();
    eventually("it is due", || due(0) == 1 && due(2) == 1).await;
    assert_eq!(due(3), 0, "it holds no share");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(epochs(&cluster, "w")[0] <= before + 1, "one may have been nearly done");
    cluster.sign(0, "without", "w").await.unwrap();
    cluster.hub.heal_all();
    eventually("it goes on", || epochs(&cluster, "w").iter().all(|epoch| *epoch > before + 1)).await;
    assert_eq!(epochs(&cluster, "other"), [0; 4]);
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap()).remove(0);
    assert_eq!(wallet.public_key.as_bytes(), made.public_key.as_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_not_due_here_is_declined() {
    let settings = Settings { refresh: "1h", ..Settings::default() };
    let cluster = Cluster::new(3, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let engine = cluster.engine(1);
    let wallet = engine.wallets.named(&"w".parse().unwrap()).remove(0);
    let asked = |wallet: SessionId, found_ms: u64| {
        engine.provision(cluster.identity(0), &Provision::Refresh(NewShares { wallet, found_ms }))
    };
    let code = |refused: Reason| match refused {
        Reason::Refused { code, .. } => code,
        other => panic!("{other}"),
    };
    let soon = || tokio::time::Instant::now() + Duration::from_secs(20);
    let (session, now) = (wallet.session(), now_millis());
    assert_eq!(code(asked(borsh::from_slice(&[7; 32]).unwrap(), now).unwrap_err()), "unknown_wallet");
    for wrong in [0, now - 3_600_000, now + 60_000, u64::MAX] {
        assert_eq!(code(asked(session, wrong).unwrap_err()), "expired", "{wrong}");
    }
    let job = asked(session, now).unwrap();
    // Of a node that goes by another schedule.
    let asking = cluster.engine(0);
    let new = NewShares { wallet: session, found_ms: now };
    let upkeep = Upkeep::new(&asking.me, Provision::Refresh(new), &mut OsRng);
    let cause = Cause::Upkeep(Box::new(upkeep));
    let Job::Reshare(mut job) = job else { panic!("another job") };
    asking.prepare_renewing(None, &mut job, &Trouble::default(), soon()).await.unwrap();
    let chosen = job.receivers.clone();
    let invite = asking.invitation(&cause, &Job::Reshare(job), &chosen, None, 1).unwrap();
    let declined = engine.invited(cluster.identity(0), invite);
    let Frame::Decline(decline) = declined else { panic!("accepted") };
    assert!(decline.reason.to_string().contains("refresh_schedule"), "{}", decline.reason);
    assert_eq!(epochs(&cluster, "w"), [0; 3]);
}
