//! Opening and closing: the chain goes on, and nothing is destroyed.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test]
async fn opening_again_goes_on_with_the_chain_across_segments() {
    let home = Home::new();
    let mut head = None;
    for round in 0..10 {
        let log = home.open_with(Options::default().segment_bytes(1000)).unwrap();
        let found = log.head();
        assert!(head.is_none_or(|head: Head| (head.seq, head.hash) == (found.seq, found.hash)));
        for n in 0..7 {
            log.append(event(round * 10 + n)).await.unwrap();
        }
        head = Some(log.head());
        log.close().await;
    }
    let report = home.verify(&Expect::default());
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.entries, 71);
    assert!(home.files().len() > 5);
    for file in home.files() {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let first = lines(&file)[0].clone();
        let name: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(first.starts_with(&format!("{{\"seq\":{name},")), "{first}");
    }
    assert_eq!(fs::metadata(&home.path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_off_and_that_is_recorded() {
    let home = Home::filled(5).await;
    let file = home.segment(0);
    let whole = fs::read(&file).unwrap();
    let mut ends = vec![0];
    ends.extend(whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    for length in 0..=whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let kept = ends.iter().filter(|end| **end <= length).count() - 1;
        let torn = length - ends[kept];
        if torn > 0 {
            let problem = only(home.problems());
            assert_eq!(problem.kind, ProblemKind::TornLine { bytes: torn as u64 });
            assert_eq!(problem.line, kept as u64 + 1);
        }
        let log = home.open();
        log.append(event(9)).await.unwrap();
        drop(log);
        assert!(home.problems().is_empty(), "{length}: {:?}", home.problems());
        let events = home.events();
        assert_eq!(events.len(), kept.max(1) + usize::from(torn > 0) + 1, "{length}");
        assert_eq!(events.iter().filter(|event| *event == "recovered").count(), usize::from(torn > 0));
        if torn > 0 {
            assert!(home.lines()[kept.max(1)].contains(&format!("\"dropped_bytes\":{torn},")), "{length}");
        }
    }
}

#[tokio::test]
async fn a_segment_that_was_only_begun_is_gone_on_with() {
    for torn in ["", "{\"seq\":31,\"ti"] {
        let home = Home::filled(30).await;
        fs::write(home.path.join("00000000000000000031.jsonl"), torn).unwrap();
        let log = home.open();
        let seq = log.append(event(1)).await.unwrap().seq;
        assert_eq!(seq, if torn.is_empty() { 31 } else { 32 });
        drop(log);
        assert!(home.problems().is_empty());
    }
}

#[tokio::test]
async fn a_damaged_tail_is_named_and_left_as_it_is() {
    let damages: [fn(&mut Vec<String>); 5] = [
        |lines| *lines.last_mut().unwrap() = "garbage".to_owned(),
        |lines| *lines.last_mut().unwrap() = edited(lines.last().unwrap()),
        |lines| lines[1] = edited(&lines[1]),
        |lines| lines.swap(1, 2),
        |lines| drop(lines.remove(2)),
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let home = Home::filled(100).await;
        let file = home.segment(0);
        let mut all = lines(&file);
        let last = all.len() as u64;
        damage(&mut all);
        write(&file, &all);
        let before = fs::read(&file).unwrap();
        let error = home.open_with(Options::default()).unwrap_err();
        let AuditError::Damaged { path, line, .. } = &error else { panic!("{error}") };
        assert_eq!((path, *line), (&file, [last, last, 2, 2, 3][at]), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    // The segment before the last one ends too early.
    let home = Home::filled(100).await;
    let file = home.segment(1);
    let mut all = lines(&file);
    all.pop();
    write(&file, &all);
    let error = home.open_with(Options::default()).unwrap_err();
    assert!(error.to_string().contains("the segment before it"), "{error}");
}

#[tokio::test]
async fn segments_in_an_archive_do_not_keep_a_log_from_being_opened() {
    let home = Home::filled(100).await;
    let last = home.segment(0);
    for file in home.files().into_iter().filter(|file| *file != last) {
        fs::remove_file(file).unwrap();
    }
    let log = home.open();
    assert_eq!(log.append(event(1)).await.unwrap().seq, 101);
}

#[tokio::test]
async fn two_writers_can_not_have_one_log() {
    let home = Home::new();
    let log = home.open();
    let error = home.open_with(Options::default()).unwrap_err();
    assert!(matches!(&error, AuditError::Locked { folder } if *folder == home.path), "{error}");
    log.close().await;
    home.open();
}

#[tokio::test]
async fn another_owner_or_scope_can_not_open_a_log() {
    for entries in [5, 100] {
        let home = Home::filled(entries).await;
        let open = |owner, scope| {
            let rng = &mut ChaCha8Rng::seed_from_u64(1);
            Log::open(&home.path, Arc::new(identity(owner)), scope, Options::default(), rng).unwrap_err()
        };
        let error = open(2, SCOPE);
        assert!(matches!(error, AuditError::OtherOwner { found, .. } if found == identity(1).identity()));
        assert!(matches!(open(1, Scope([7; 32])), AuditError::OtherScope { found: SCOPE, .. }));
    }
}

#[tokio::test]
async fn a_closed_log_says_so_and_has_written_what_waited() {
    let home = Home::new();
    let log = home.open();
    log.append_soon(event(1)).unwrap();
    log.close().await;
    assert!(matches!(log.append(event(2)).await, Err(AuditError::Closed)));
    assert!(matches!(log.append_soon(event(2)), Err(AuditError::Closed)));
    drop(log);
    assert_eq!(home.events(), ["opened", "request"]);

    let log = home.open();
    log.append_soon(event(3)).unwrap();
    drop(log);
    assert_eq!(home.events().len(), 3);
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_in_its_order_and_soon() {
    let home = Home::new();
    let log = home.open();
    for n in 0..50 {
        log.append_soon(event(n)).unwrap();
    }
    assert_eq!(log.append(event(50)).await.unwrap().seq, 52);
    log.append_soon(event(51)).unwrap();
    while log.metrics().entries < 52 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let ids: Vec<_> = home.lines().iter().skip(1).cloned().collect();
    assert!(ids.iter().enumerate().all(|(n, line)| line.contains(&format!("\"payment-{n}\""))), "{ids:?}");
    assert!(matches!(log.append(Event::new("Bad Name")).await, Err(AuditError::Event(_))));
    assert!(matches!(log.append_soon(Event::new("opened")), Err(AuditError::Event(_))));
}

#[tokio::test]
async fn too_many_entries_that_nobody_waits_for_are_refused() {
    let home = Home::new();
    let log = home.open();
    let refused = (0..2_000_000).find_map(|n| log.append_soon(event(n)).err());
    assert!(matches!(refused, Some(AuditError::Busy)), "{refused:?}");
    log.append(event(1)).await.unwrap();
    assert!(home.problems().is_empty());
}
