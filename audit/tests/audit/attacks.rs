//! Every attack on the files, each found at its place.

use quorate_audit::{EntryHash, Line};
use sha2::{Digest, Sha256};

use super::*;

/// The chain computed anew, as anybody can who has read the format.
fn rechained(lines: &[String]) -> Vec<String> {
    const DOMAIN: &[u8] = b"quorate/audit/entry/v1";
    let mut before = [0_u8; 32];
    let mut all = Vec::new();
    for line in lines {
        let body = line.split_once(",\"hash\":").unwrap().0;
        let mut digest = Sha256::new();
        digest.update((DOMAIN.len() as u64).to_le_bytes());
        digest.update(DOMAIN);
        digest.update(before);
        digest.update(body);
        before = digest.finalize().into();
        all.push(format!("{body},\"hash\":\"{}\"}}", EntryHash(before)));
    }
    all
}

fn line_of(lines: &[String], seq: u64) -> usize {
    lines.iter().position(|line| line.starts_with(&format!("{{\"seq\":{seq},"))).unwrap()
}

#[tokio::test]
async fn a_log_that_nobody_touched_has_no_problems() {
    let home = Home::filled(100).await;
    assert!(home.files().len() > 2);
    let report =
        home.verify(&Expect { owner: Some(identity(1).identity()), scope: Some(SCOPE), ..Expect::default() });
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.entries, report.first, report.last), (100, Some(1), Some(100)));
    assert_eq!((report.checkpoints, report.signed, report.countersigned), (10, Some(99), None));
    let lines = home.lines();
    assert_eq!(report.head, Some(Line::parse(lines[99].as_bytes()).unwrap().hash()));
    // The chain is as it is documented.
    assert_eq!(rechained(&lines), lines);
}

#[tokio::test]
async fn an_edited_entry_is_found_at_its_line() {
    let home = Home::filled(100).await;
    let file = home.segment(1);
    let mut all = lines(&file);
    all[4] = edited(&all[4]);
    let seq = Line::parse(all[4].as_bytes()).unwrap().seq();
    write(&file, &all);
    let problem = home.problem();
    assert_eq!((problem.file, problem.line, problem.seq), (file, 5, Some(seq)));
    assert_eq!(problem.kind, ProblemKind::Edited);
}

#[tokio::test]
async fn an_edited_hash_and_an_edited_number_are_one_problem_each() {
    // Entry 29 is the head of the checkpoint after it.
    for seq in [25, 29] {
        for (from, to) in [("\"hash\":\"", ""), ("\"seq\":2", "\"seq\":9"), ("\"seq\":2", "\"seq\":1")] {
            let home = Home::filled(40).await;
            let mut all = home.lines();
            let line = &mut all[seq - 1];
            if to.is_empty() {
                let at = line.find(from).unwrap() + from.len();
                let digit = if &line[at..=at] == "0" { "1" } else { "0" };
                line.replace_range(at..=at, digit);
            } else {
                *line = line.replace(from, to);
            }
            home.replace(&all);
            let problem = home.problem();
            assert_eq!((problem.line, problem.seq), (seq as u64, Some(seq as u64)), "{to}");
            assert_eq!(problem.kind, ProblemKind::Edited, "{to}");
        }
    }
}

#[tokio::test]
async fn removed_entries_are_named() {
    let home = Home::filled(40).await;
    let mut all = home.lines();
    all.drain(line_of(&all, 15)..=line_of(&all, 17));
    home.replace(&all);
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (15, Some(18)));
    assert_eq!(problem.kind, ProblemKind::Missing { from: 15, to: 17 });
}

#[tokio::test]
async fn swapped_entries_and_one_moved_far_are_named() {
    let home = Home::filled(40).await;
    let good = home.lines();
    let mut all = good.clone();
    all.swap(14, 15);
    home.replace(&all);
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (16, Some(15)));
    assert_eq!(problem.kind, ProblemKind::OutOfOrder { expected: 17 });

    let mut all = good;
    let moved = all.remove(10);
    all.insert(30, moved);
    home.replace(&all);
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (31, Some(11)));
    assert_eq!(problem.kind, ProblemKind::OutOfOrder { expected: 32 });
}

#[tokio::test]
async fn an_inserted_entry_is_named() {
    let home = Home::filled(40).await;
    let good = home.lines();
    // A copy of one before.
    let mut all = good.clone();
    all.insert(20, good[5].clone());
    home.replace(&all);
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (21, Some(6)));
    assert_eq!(problem.kind, ProblemKind::Inserted { expected: 21 });

    // One that follows from those before it, as if it were the next.
    let forged = rechained(&[&good[..21], &[good[21].replace("node2", "node9")]].concat());
    let mut all = good;
    all.insert(21, forged[21].clone());
    home.replace(&all);
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (23, Some(22)));
    assert_eq!(problem.kind, ProblemKind::Inserted { expected: 23 });
}

#[tokio::test]
async fn a_garbage_line_is_named_whether_it_replaces_an_entry_or_not() {
    for (at, replaced) in [(20, 0), (20, 1), (28, 1)] {
        let home = Home::filled(40).await;
        let mut all = home.lines();
        all.splice(at..at + replaced, ["garbage".to_owned()]);
        home.replace(&all);
        let problem = home.problem();
        assert_eq!((problem.line, problem.seq), (at as u64 + 1, None));
        assert!(matches!(problem.kind, ProblemKind::Unreadable { .. }), "{problem}");
    }
    let home = Home::filled(40).await;
    let mut all = home.lines();
    all[20] = "x".repeat(1 << 20);
    home.replace(&all);
    assert!(home.problem().to_string().contains("longer than any entry"));
}

#[tokio::test]
async fn a_truncated_tail_is_found_by_a_head_from_elsewhere() {
    let home = Home::new();
    let log = home.open();
    for n in 0..20 {
        log.append(event(n)).await.unwrap();
    }
    let head = log.signed_head();
    log.close().await;
    let all = home.lines();
    home.replace(&all[..15]);
    // Without the head there is nothing to find: an unsigned tail proves nothing.
    assert!(home.problems().is_empty());
    let report = home.verify(&expecting(&[head]));
    assert!(is_truncated(&only(report.problems), 21, 15));
    assert_eq!(report.signed, None);
    home.replace(&all);
    let report = home.verify(&expecting(&[head]));
    assert!(report.is_sound());
    assert_eq!(report.signed, Some(21));
}

#[tokio::test]
async fn an_older_copy_and_an_emptied_log_are_found_by_a_head_from_elsewhere() {
    let home = Home::new();
    let log = home.open();
    log.append(event(1)).await.unwrap();
    let copy = home.lines();
    for n in 0..20 {
        log.append(event(n)).await.unwrap();
    }
    let head = log.signed_head();
    log.close().await;
    home.replace(&copy);
    assert!(is_truncated(&only(home.verify(&expecting(&[head])).problems), 22, 2));
    // The owner goes on from the old copy, past the head: two histories.
    let log = home.open();
    for n in 0..30 {
        log.append(event(100 + n)).await.unwrap();
    }
    log.close().await;
    let problem = only(home.verify(&expecting(&[head])).problems);
    assert_eq!((problem.line, problem.seq), (22, Some(22)));
    assert!(matches!(problem.kind, ProblemKind::Fork { known, .. } if known == head.head.hash), "{problem}");

    fs::remove_file(home.segment(0)).unwrap();
    assert!(is_truncated(&only(home.verify(&expecting(&[head])).problems), 22, 0));
    // A log always has its first entry.
    assert_eq!(home.problem().kind, ProblemKind::NotOpened);
}

#[tokio::test]
async fn a_checkpoint_of_an_entry_that_is_not_there_yet_shows_that_the_log_was_cut() {
    let home = Home::filled(40).await;
    let all = home.lines();
    // The checkpoint of entry 39 as entry 11 of a log that was cut after 10.
    let checkpoint = all[39].replace("\"seq\":40,", "\"seq\":11,");
    home.replace(&rechained(&[&all[..10], &[checkpoint]].concat()));
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (11, Some(11)));
    assert!(is_truncated(&problem, 39, 10), "{problem}");
}

#[tokio::test]
async fn a_missing_segment_is_named_with_its_entries() {
    let home = Home::filled(100).await;
    let first = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let files = home.files();
    let (from, to) = (first(&files[1]), first(&files[2]) - 1);
    fs::remove_file(&files[1]).unwrap();
    let problem = home.problem();
    assert_eq!((&problem.file, problem.line, problem.seq), (&files[2], 1, Some(to + 1)));
    assert_eq!(problem.kind, ProblemKind::MissingSegment { from, to });

    fs::remove_file(&files[0]).unwrap();
    let report =
        home.verify(&Expect { owner: Some(identity(1).identity()), scope: Some(SCOPE), ..Expect::default() });
    assert_eq!(only(report.problems).kind, ProblemKind::MissingSegment { from: 1, to });
    assert!(report.checkpoints > 0);
}

#[tokio::test]
async fn a_fork_is_found_by_one_head_or_by_two() {
    let home = Home::new();
    let log = home.open();
    for n in 0..20 {
        log.append(event(n)).await.unwrap();
    }
    let head = log.signed_head();
    log.close().await;
    let other = other_head(&head.head);
    let problem = only(home.verify(&expecting(&[other])).problems);
    assert_eq!((problem.line, problem.seq), (21, Some(21)));
    assert_eq!(problem.kind, ProblemKind::Fork { known: other.head.hash, found: head.head.hash });
    let problem = only(home.verify(&expecting(&[head, other])).problems);
    assert_eq!(problem.seq, Some(21));
    assert_eq!(problem.kind, ProblemKind::Fork { known: head.head.hash, found: other.head.hash });
    // A head that its owner did not sign says nothing.
    let forged = SignedHead { signature: head.signature, ..other };
    let report = home.verify(&expecting(&[forged]));
    assert_eq!(only(report.problems).kind, ProblemKind::KnownHead);
}

#[tokio::test]
async fn a_history_that_is_rewritten_without_the_key_is_found_at_the_next_checkpoint() {
    let home = Home::filled(60).await;
    let mut all = home.lines();
    all[24] = all[24].replace("node2", "node9");
    home.replace(&rechained(&all));
    let problem = home.problem();
    assert_eq!((problem.line, problem.seq), (30, Some(30)));
    // Checkpoints at 30, 40, 50 and 60 are of 29 to 59; the one before is of 19.
    assert_eq!(problem.kind, ProblemKind::Rewritten { from: 20, to: 59 });

    // The same with the checkpoint made to match: its signature does not.
    let mut matching = rechained(&all);
    for at in [29, 39, 49, 59] {
        let hash = Line::parse(matching[at - 1].as_bytes()).unwrap().hash().to_string();
        let before = Line::parse(all[at].as_bytes()).unwrap();
        let old = before.field("head_hash").unwrap().json.to_owned();
        matching[at] = matching[at].replace(&old, &format!("\"{hash}\""));
        matching = rechained(&matching);
    }
    home.replace(&matching);
    let problems = home.problems();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.kind == ProblemKind::BadSignature));
    assert_eq!(problems[0].seq, Some(30));
}

#[tokio::test]
async fn another_owner_or_scope_is_named() {
    let home = Home::filled(12).await;
    let problem = |expect: Expect| home.verify(&expect).problems;
    let other = identity(9).identity();
    let found = problem(Expect { owner: Some(other), ..Expect::default() });
    let found = only(found);
    assert_eq!(found.kind, ProblemKind::OtherOwner { found: identity(1).identity() });
    assert_eq!((found.line, found.seq), (1, Some(1)));
    let found = problem(Expect { scope: Some(Scope([9; 32])), ..Expect::default() });
    assert_eq!(only(found).kind, ProblemKind::OtherScope { found: SCOPE });
    let mut all = home.lines();
    all.remove(0);
    let renumbered: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{{\"seq\":{},{}", at + 1, line.split_once(',').unwrap().1))
        .collect();
    home.replace(&rechained(&renumbered));
    assert_eq!(home.problems()[0].kind, ProblemKind::NotOpened);
}

#[tokio::test]
async fn a_thousand_changes_are_listed_and_an_endless_number_is_counted() {
    let home = Home::filled(12).await;
    let mut all = home.lines();
    all.extend(vec!["garbage".to_owned(); quorate_audit::MAX_PROBLEMS + 5]);
    home.replace(&all);
    let report = home.verify(&Expect::default());
    assert_eq!((report.problems.len(), report.more_problems), (quorate_audit::MAX_PROBLEMS, 5));
}
