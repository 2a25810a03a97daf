//! Whoever is between two brokers, and does as it likes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, Message};
use futures_util::StreamExt;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::task::JoinHandle;

use crate::Nats;

/// The share of messages that are treated so, from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Treatment {
    /// They are lost.
    pub lost: f64,
    /// They come twice.
    pub twice: f64,
    /// They come late, and so after others that were sent later.
    pub late: f64,
    /// A copy with a bit changed comes first.
    pub changed: f64,
    /// One that has been seen before comes along.
    pub replayed: f64,
    /// They go to another subject as well, of those that were seen.
    pub misled: f64,
}

impl Treatment {
    /// A bit of all of it, and nothing lost.
    #[must_use]
    pub const fn hostile() -> Self {
        Self { lost: 0.0, twice: 0.3, late: 0.3, changed: 0.5, replayed: 0.5, misled: 0.3 }
    }
}

/// All that two brokers carry is carried from each to the other, as the treatment has it.
#[derive(Debug)]
pub struct Relay {
    tasks: Vec<JoinHandle<()>>,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Relay {
    /// Begins to carry what goes to `subjects`.
    pub async fn between(servers: [&Nats; 2], subjects: &str, treatment: Treatment, seed: u64) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (from, to, seed) in [(0, 1, seed), (1, 0, seed + 1)] {
            let hears = servers[from].client().await;
            let says = servers[to].client().await;
            let mut messages = hears.subscribe(subjects.to_owned()).await.unwrap();
            hears.flush().await.unwrap();
            let seen = Arc::clone(&seen);
            tasks.push(tokio::spawn(async move {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                while let Some(message) = messages.next().await {
                    // What the other task has said is no news.
                    let mark = message.headers.as_ref().and_then(|headers| headers.get("relayed"));
                    if mark.is_none() {
                        seen.lock().unwrap().push(message.clone());
                        carry(&says, message, treatment, &mut rng, &seen).await;
                    }
                }
            }));
        }
        Self { tasks, seen }
    }

    /// All that was carried.
    #[must_use]
    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn carry(
    to: &Client,
    message: Message,
    treatment: Treatment,
    rng: &mut ChaCha8Rng,
    seen: &Arc<Mutex<Vec<Message>>>,
) {
    let mut chance = |share: f64| f64::from(rng.next_u32()) < share * f64::from(u32::MAX);
    let copies = 1 + usize::from(chance(treatment.twice));
    let [lost, late, changed, replayed, misled] =
        [treatment.lost, treatment.late, treatment.changed, treatment.replayed, treatment.misled]
            .map(&mut chance);
    let mut pick = |length: usize| rng.next_u64() as usize % length.max(1);
    if changed && !message.payload.is_empty() {
        let mut copy = message.payload.to_vec();
        let at = pick(copy.len());
        copy[at] ^= 1 << pick(8);
        say(to, Message { payload: copy.into(), ..message.clone() }).await;
    }
    if replayed {
        let old = {
            let seen = seen.lock().unwrap();
            seen[pick(seen.len())].clone()
        };
        say(to, old).await;
    }
    if misled {
        let subject = {
            let seen = seen.lock().unwrap();
            seen[pick(seen.len())].subject.clone()
        };
        say(to, Message { subject, ..message.clone() }).await;
    }
    if lost {
        return;
    }
    for _ in 0..copies {
        let (to, message) = (to.clone(), message.clone());
        if late {
            let pause = Duration::from_millis(pick(40) as u64);
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                say(&to, message).await;
            });
        } else {
            say(&to, message).await;
        }
    }
}

async fn say(to: &Client, message: Message) {
    let mut headers = message.headers.unwrap_or_default();
    headers.insert("relayed", "1");
    to.publish_with_headers(message.subject, headers, message.payload).await.unwrap();
}
