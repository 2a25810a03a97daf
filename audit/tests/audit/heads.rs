//! Checkpoints and countersignatures.

use quorate_audit::{Countersignature, Observed, Witness};

use super::*;

#[tokio::test]
async fn countersigned_checkpoints_say_how_far_the_log_is_beyond_doubt() {
    let home = Home::new();
    let log = home.open();
    let mut peers = [2, 3].map(|seed| (identity(seed), Witness::new(SCOPE)));
    for n in 0..30 {
        log.append(event(n)).await.unwrap();
        if n % 10 == 9 {
            let head = log.signed_head();
            log.append(event(100 + n)).await.unwrap();
            let by = peers.each_mut().map(|(peer, witness)| {
                assert_eq!(witness.observe(head), Ok(Observed::New));
                Countersignature::sign(&head.head, peer)
            });
            log.append_checkpoint(&head, &by).await.unwrap();
        }
    }
    log.close().await;
    let report = home.verify(&Expect::default());
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.checkpoints, report.signed, report.countersigned), (3, Some(35), Some(35)));
    let strangers = Some([identity(7).identity()].into());
    let report = home.verify(&Expect { peers: strangers, ..Expect::default() });
    assert_eq!((report.signed, report.countersigned), (Some(35), None));
    assert!(report.is_sound());
    // And what the peers remember agrees with the log.
    let known: Vec<_> = peers.iter().flat_map(|(_, witness)| witness.heads().copied()).collect();
    assert!(home.verify(&expecting(&known)).is_sound());
}

#[tokio::test]
async fn a_log_takes_no_checkpoint_that_is_not_its_own() {
    let home = Home::new();
    let log = home.open();
    let head = log.signed_head();
    let beyond = SignedHead::sign(Head { seq: 2, ..head.head }, &identity(1)).unwrap();
    let other_scope = SignedHead::sign(Head { scope: Scope([8; 32]), ..head.head }, &identity(1)).unwrap();
    let forged = SignedHead { signature: beyond.signature, ..head };
    for wrong in [beyond, other_scope, forged] {
        let error = log.append_checkpoint(&wrong, &[]).await.unwrap_err();
        assert!(matches!(error, AuditError::Checkpoint(_)), "{error}");
    }
    let wrong = Countersignature::sign(&beyond.head, &identity(2));
    assert!(matches!(log.append_checkpoint(&head, &[wrong]).await, Err(AuditError::Checkpoint(_))));
    log.append_checkpoint(&head, &[]).await.unwrap();
}

#[tokio::test]
async fn a_forged_countersignature_is_named() {
    let home = Home::new();
    let log = home.open();
    log.append(event(1)).await.unwrap();
    let head = log.signed_head();
    log.append_checkpoint(&head, &[Countersignature::sign(&head.head, &identity(2))]).await.unwrap();
    let good = Countersignature::sign(&head.head, &identity(2));
    let forged = Countersignature { peer: identity(3).identity(), ..good };
    // Only the owner can write it, for no other can sign the next checkpoint.
    let text = format!("{}:{}", good.peer, good.signature);
    log.close().await;
    let mut all = home.lines();
    let body = all[2].split_once(",\"hash\"").unwrap().0;
    let body = body.replace(&text, &format!("{}:{}", forged.peer, forged.signature));
    let before = quorate_audit::Line::parse(all[1].as_bytes()).unwrap().hash();
    let placeholder = format!("{body},\"hash\":\"{}\"}}", "0".repeat(64));
    let hash = quorate_audit::Line::parse(placeholder.as_bytes()).unwrap().hash_after(&before);
    all[2] = format!("{body},\"hash\":\"{hash}\"}}");
    home.replace(&all);
    let report = home.verify(&Expect::default());
    assert_eq!((report.signed, report.countersigned), (Some(2), None));
    let problem = only(report.problems);
    assert_eq!((problem.line, problem.seq), (3, Some(3)));
    assert_eq!(problem.kind, ProblemKind::BadCountersignature { peer: identity(3).identity() });
    assert!(problem.to_string().contains(&identity(3).identity().to_string()));
}
