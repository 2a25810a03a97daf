//! Ports for nodes that keep theirs across restarts.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what the system gives to outgoing connections: a port stays free while its node is down.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on loopback that nobody listens on, and that no other caller in this process gets.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free() -> u16 {
    // Another run of the tests at the same time starts elsewhere.
    let start = u16::try_from(std::process::id() % 199).unwrap_or(0) * 100;
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        let port = FIRST + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
