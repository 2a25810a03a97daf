//! Failing disks: out of space, failing writes, failing syncs.

use super::*;

#[tokio::test]
async fn out_of_space_at_any_write_loses_nothing_and_later_commits_work() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("first", "kept")).await.unwrap();
    for after in 0..12 {
        let key = format!("n{after}");
        store.engine.health().faults.writes.order(after, 1, ENOSPC);
        let outcome = store.commit(put(&key, vec![1; 20_000])).await;
        store.engine.health().faults.writes.order(0, 0, 0);
        match outcome {
            Ok(()) => assert!(store.contains(Table::Wallets, &key).unwrap()),
            Err(error) => {
                assert!(matches!(&error, StoreError::DiskFull { path } if *path == home.path), "{error}");
                assert!(!store.contains(Table::Wallets, &key).unwrap(), "after {after} writes");
                store.commit(put(&key, "again")).await.unwrap();
            }
        }
        assert_eq!(value_of(&store, Table::Wallets, "first").unwrap(), b"kept");
    }
    assert!(store.metrics().failed_commits > 3, "{:?}", store.metrics());
    let sequence = store.sequence();
    store.close().await;
    let store = open(&home.path).unwrap();
    assert_eq!(store.count(Table::Wallets).unwrap(), 13);
    assert_eq!(store.sequence(), sequence);
}

#[tokio::test]
async fn while_the_disk_stays_full_reads_go_on() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("first", "kept")).await.unwrap();
    // So many writes fail that reopening fails as well.
    store.engine.health().faults.writes.order(0, 40, ENOSPC);
    for _ in 0..3 {
        let error = store.commit(put("next", "value")).await.unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
    store.engine.health().faults.writes.order(0, 0, 0);
    assert_eq!(value_of(&store, Table::Wallets, "first").unwrap(), b"kept");
    store.commit(put("next", "value")).await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_is_undone_and_the_commit_was_not_made() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("first", "kept")).await.unwrap();
    for code in [EIO, ENOSPC] {
        store.engine.health().faults.syncs.order(0, 1, code);
        let error = store.commit(put("next", "value")).await.unwrap_err();
        match code {
            EIO => assert!(matches!(error, StoreError::Io { .. }), "{error}"),
            _ => assert!(matches!(error, StoreError::DiskFull { .. }), "{error}"),
        }
        assert!(error.to_string().contains("store.redb"), "{error}");
        assert!(!store.contains(Table::Wallets, "next").unwrap());
        assert_eq!(value_of(&store, Table::Wallets, "first").unwrap(), b"kept");
    }
    store.commit(put("next", "value")).await.unwrap();
    assert_eq!(store.sequence(), 2);
}

#[tokio::test]
async fn a_commit_that_fails_after_it_became_durable_is_acknowledged() {
    let home = home();
    let store = create(&home.path);
    for n in 0..20 {
        store.commit(put(&format!("big{n}"), vec![1; 400_000])).await.unwrap();
    }
    // redb cuts the file after the sync that made the commit durable; that is where it fails.
    for n in 0..20 {
        store.commit(Batch::new().delete(Table::Wallets, format!("big{n}"))).await.unwrap();
    }
    let before = store.sequence();
    store.engine.health().faults.lengths.order(0, 1, EIO);
    let mut commits = 0;
    while store.metrics().failed_commits == 0 {
        store.commit(put(&format!("small{commits}"), "kept")).await.unwrap();
        commits += 1;
        assert!(commits < 100, "the file was never cut");
    }
    assert_eq!(store.sequence(), before + commits);
    assert_eq!(store.count(Table::Wallets).unwrap(), commits);
    // And it was made once.
    assert_eq!(store.metrics().reopened, 1);
}

#[tokio::test]
async fn a_disk_that_refuses_even_the_undoing_is_not_written_again() {
    let home = home();
    let store = create(&home.path);
    store.commit(put("first", "kept")).await.unwrap();
    store.engine.health().faults.syncs.order(0, 2, EIO);
    store.commit(put("next", "value")).await.unwrap_err();
    let error = store.commit(put("next", "value")).await.unwrap_err();
    assert!(error.to_string().contains("restart"), "{error}");
    store.close().await;
    // A new process finds what was acknowledged.
    let store = open(&home.path).unwrap();
    assert_eq!(value_of(&store, Table::Wallets, "first").unwrap(), b"kept");
}

/// Whoever copies all rows to a disk that hangs holds nobody up who opens the store again, or closes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_takes_its_time_is_in_nobodys_way() {
    let home = home();
    let store = create(&home.path);
    // More than is kept in memory.
    for number in 0..12 {
        store.commit(put(&format!("w{number}"), vec![1; 1024 * 1024])).await.unwrap();
    }
    store.close().await;
    for closes in [true, false] {
        let store = Arc::new(open(&home.path).unwrap());
        let (at_row, hang) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
        let copied = Arc::clone(&store);
        let copying = std::thread::spawn(move || {
            copied.rows(&[], |_| {
                let _ = at_row.0.send(());
                hang.1.recv().map_err(|_| ())
            })
        });
        at_row.1.recv().unwrap();
        if closes {
            store.close().await;
        } else {
            store.engine.health().faults.writes.order(0, 1, ENOSPC);
            store.commit(put("next", "value")).await.unwrap_err();
            assert_eq!(store.engine.times_reopened(), 1);
            store.commit(put("next", "value")).await.unwrap();
        }
        // Now it goes on.
        while hang.0.send(()).is_ok() {}
        let error = copying.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("store.redb"), "{error}");
        store.close().await;
    }
    let store = open(&home.path).unwrap();
    assert_eq!(value_of(&store, Table::Wallets, "next").unwrap(), b"value");
}

/// A real file system that fills up. Needs the right to mount.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_tmpfs_is_reported_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(folder.path())
        .output();
    match mounted {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            println!("skipped: mount refused: {}", String::from_utf8_lossy(&output.stderr).trim());
            return;
        }
        Err(error) => {
            println!("skipped: no mount: {error}");
            return;
        }
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(folder.path().to_path_buf());
    let path = folder.path().join("store.redb");
    let store = create(&path);

    // Until it is full.
    let mut kept = Vec::new();
    let error = loop {
        let key = format!("w{}", kept.len());
        match store.commit(put(&key, vec![kept.len() as u8; 9000])).await {
            Ok(()) => kept.push(key),
            Err(error) => break error,
        }
        assert!(kept.len() < 1000, "a megabyte does not hold this");
    };
    assert!(matches!(&error, StoreError::DiskFull { path: named } if *named == path), "{error}");
    assert!(kept.len() > 5, "{kept:?}");
    let all_there = |store: &Store| {
        for (n, key) in kept.iter().enumerate() {
            assert_eq!(value_of(store, Table::Wallets, key).unwrap(), vec![n as u8; 9000]);
        }
    };
    all_there(&store);
    let again = store.commit(put("again", vec![0; 90_000])).await.unwrap_err();
    assert!(matches!(again, StoreError::DiskFull { .. }), "{again}");
    all_there(&store);

    // Space is back.
    let remounted = std::process::Command::new("mount")
        .args(["-o", "remount,size=8m"])
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(remounted.success());
    store.commit(put("again", vec![0; 90_000])).await.unwrap();
    all_there(&store);
    store.close().await;
    let store = open(&path).unwrap();
    all_there(&store);
    assert!(store.contains(Table::Wallets, "again").unwrap());

    // A file system with no room for a store says so, and is left clean.
    std::fs::write(folder.path().join("filler"), vec![1; 6 << 20]).ok();
    let second = folder.path().join("second.redb");
    let mut filler = std::fs::File::create(folder.path().join("filler2")).unwrap();
    while io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    let error = Store::create(&second, &passphrase("p"), KdfParams::FLOOR).unwrap_err();
    assert!(matches!(&error, StoreError::DiskFull { path } if *path == second), "{error}");
    assert!(!second.exists() && !folder.path().join("second.redb.new").exists());
}
