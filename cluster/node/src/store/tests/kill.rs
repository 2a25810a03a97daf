//! SIGKILL at random moments: what was acknowledged is there.

use super::*;
use rand_core::{RngCore, SeedableRng};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const STORE: &str = "QUORATE_TEST_STORE";
const ROUND: &str = "QUORATE_TEST_ROUND";

/// The child: commits without end, and says what was acknowledged. Does nothing in an ordinary test run.
#[tokio::test]
async fn child() {
    let (Ok(path), Ok(round)) = (std::env::var(STORE), std::env::var(ROUND)) else { return };
    let store = Arc::new(open(Path::new(&path)).unwrap());
    assert_eq!(store.damaged().unwrap(), []);
    let mut tasks = Vec::new();
    for task in 0..4 {
        let (store, round) = (Arc::clone(&store), round.clone());
        tasks.push(tokio::spawn(async move {
            for n in 0.. {
                let key = format!("{round}/{task}/{n}");
                // Two rows that belong together, of a size that moves pages about.
                let batch = Batch::new()
                    .insert(Table::Requests, &key, n, secret(vec![b'q'; 10 + (n as usize * 37) % 3000]))
                    .insert(Table::Results, &key, n, secret(&key))
                    .delete(Table::Results, format!("{round}/{task}/gone"));
                store.commit(batch).await.unwrap();
                let mut out = io::stdout().lock();
                writeln!(out, "ACK {key}").unwrap();
                out.flush().unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn every_acknowledged_batch_survives_a_kill_at_any_moment() {
    let home = home();
    drop(create(&home.path));
    let mut rng = rand_chacha::ChaCha20Rng::from_entropy();
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::kill::child", "--nocapture", "--test-threads=1"])
            .env(STORE, &home.path)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // Once it works, kill it at a moment of its own; in some rounds already while it opens and repairs.
        let mut line = String::new();
        if round % 4 != 3 {
            while !line.contains("ACK ") {
                line.clear();
                assert_ne!(out.read_line(&mut line).unwrap(), 0, "the child ended by itself");
            }
        }
        std::thread::sleep(Duration::from_micros(u64::from(rng.next_u32() % 60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        // A line is whole only with its end: the kill may have cut the last one.
        for line in (line + &rest).split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            acknowledged.extend(line.split_once("ACK ").map(|(_, key)| key.trim().to_owned()));
        }

        let store = open(&home.path).unwrap();
        assert_eq!(store.damaged().unwrap(), []);
        for key in &acknowledged {
            assert_eq!(value_of(&store, Table::Results, key).as_deref(), Some(key.as_bytes()), "{key}");
        }
        // Whole or not at all.
        assert_eq!(store.keys(Table::Requests, "").unwrap(), store.keys(Table::Results, "").unwrap());
        assert!(store.count(Table::Requests).unwrap() >= acknowledged.len() as u64);
        assert!(store.sequence() > 0 || acknowledged.is_empty());
    }
    assert!(acknowledged.len() > 20, "{} acknowledged", acknowledged.len());
    println!("{} batches acknowledged over 12 kills, all there", acknowledged.len());
}
