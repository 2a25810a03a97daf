//! Clients that go away, say nothing, or take their time: what they hold is bounded, and nobody else notices.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http::HeaderMap;
use quorate_client::Client;
use quorate_request::{Operation, WalletId, paths};
use quorate_tests::cluster::sign;
use quorate_tests::raw::{Draft, Raw, path_of};
use quorate_tests::{Cluster, judge, report};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::events::metrics;
use crate::local::Dev;
use crate::{cluster, gateway, observed};

const SECTION: &str = "Clients that misbehave (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what a client does", "to", "observed"];

/// Connections that are served at a time.
const CONNECTIONS: usize = 512;
/// What a process has open now and then besides: connections to peers, files of the store.
const OTHER_FILES: usize = 24;
/// How long a header may take, and a connection idle.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// How much later than that something may be seen on a machine that is busy.
const SLACK: Duration = Duration::from_secs(30);

/// Where clients ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Node,
    Gateway,
}

/// A cluster with a wallet, and a gateway.
struct Scene {
    cluster: Cluster,
    wallet: WalletId,
    gateway: Dev,
    address: String,
}

impl Scene {
    async fn new() -> Self {
        report::columns(SECTION, COLUMNS);
        let cluster = cluster(3).start().await;
        let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
        cluster.known_everywhere(&wallet).await;
        let (gateway, served) = gateway::start(&cluster, &["--listen", "127.0.0.1:0"]);
        let address = served["gateway"].as_str().unwrap().trim_start_matches("http://").to_owned();
        Self { cluster, wallet, gateway, address }
    }

    fn address(&self, place: Place) -> &str {
        match place {
            Place::Node => &self.cluster.node(1).api,
            Place::Gateway => &self.address,
        }
    }

    fn process(&self, place: Place) -> Process {
        Process(match place {
            Place::Node => self.cluster.node(1).pid().unwrap(),
            Place::Gateway => self.gateway.pid(),
        })
    }

    fn raw(&self, place: Place) -> Raw {
        self.cluster.raw_at(self.address(place))
    }

    /// The fields that a request needs there.
    fn fields(&self, place: Place, draft: &Draft) -> HeaderMap {
        match place {
            Place::Node => draft.sign(&self.cluster.initiator(), self.cluster.id).to_http(),
            Place::Gateway => HeaderMap::new(),
        }
    }

    /// The head of a request, as it travels.
    fn head(&self, place: Place, draft: &Draft) -> String {
        let (path, address) = (path_of(&draft.operation), self.address(place));
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in &self.fields(place, draft) {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        head + &format!("content-length: {}\r\n\r\n", draft.body.len())
    }

    /// The answer to a request that is sent as it should be.
    async fn ask(&self, place: Place, draft: &Draft) -> Value {
        let fields = self.fields(place, draft);
        let reply = self.raw(place).http("POST", &path_of(&draft.operation), &fields, &draft.body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    fn client(&self, place: Place) -> Client {
        let endpoint = format!("http://{}", self.address(place)).parse().unwrap();
        Client::new(vec![endpoint], self.cluster.id, self.cluster.initiator()).unwrap()
    }

    async fn signs(&self, place: Place, message: &[u8]) {
        let signed = self.client(place).sign(sign(&self.wallet, message)).await.unwrap();
        judge::check("ed25519", message, &signed);
    }

    /// A sample of a node's metrics, 0 where there is none.
    async fn sample(&self, node: usize, name: &str) -> u64 {
        let text = metrics(&self.cluster.node(node).api).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |number| number.parse().unwrap())
    }

    async fn sum(&self, name: &str) -> u64 {
        let mut sum = 0;
        for node in 1..=3 {
            sum += self.sample(node, name).await;
        }
        sum
    }

    /// Waits until no node works on anything.
    async fn idle(&self) {
        let since = Instant::now();
        for name in [
            r#"quorate_requests_running{operation="keygen"}"#,
            r#"quorate_requests_running{operation="sign"}"#,
            "quorate_protocol_sessions_running",
        ] {
            while self.sum(name).await > 0 {
                assert!(since.elapsed() < SLACK, "{name} does not come back to 0");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A process, as the kernel sees it.
#[derive(Clone, Copy)]
struct Process(u32);

impl Process {
    fn files(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).unwrap().count()
    }

    /// Resident memory in KiB.
    fn memory(self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits until it has no more files open than this.
    async fn has_at_most(self, files: usize, patience: Duration) {
        let since = Instant::now();
        while self.files() > files {
            assert!(since.elapsed() < patience, "{} files are open, not {files}", self.files());
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Lets this process have as many connections as it may.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// The id of what is asked there.
fn named(what: &str, to: &str) -> String {
    format!("{what}-{}", to.replace(' ', "-"))
}

/// Whether the other side has closed a connection on which it had nothing to say.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 1024]) {
        Err(error) => error.kind() != ErrorKind::WouldBlock,
        // The end, or a word about why.
        Ok(_) => true,
    }
}

/// Goes away with a word, or without one.
fn go_away(stream: TcpStream, reset: bool) {
    if reset {
        stream.set_zero_linger().unwrap();
    }
    drop(stream);
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind_and_their_work_is_done_once() {
    let scene = Scene::new().await;
    for (place, to) in [(Place::Node, "a node"), (Place::Gateway, "a gateway")] {
        gone_before_it_asked(&scene, place, to).await;
        gone_before_the_answer(&scene, place, to, Operation::Sign).await;
        gone_before_the_answer(&scene, place, to, Operation::Keygen).await;
    }
}

/// Clients that send a part of a request.
async fn gone_before_it_asked(scene: &Scene, place: Place, to: &str) {
    let process = scene.process(place);
    scene.signs(place, b"before").await;
    let before = process.files();
    let id = named("cut", to);
    let body = json!({ "session_id": id, "wallet_id": "w", "message": "0x0102" }).to_string();
    let draft = Draft::new(Operation::Sign, &id, body.as_str());
    let head = scene.head(place, &draft);
    let cuts: [(&str, Vec<usize>); 2] = [
        ("goes away in the head", vec![0, 1, 16, head.len() / 2, head.len() - 1]),
        ("goes away in the body", vec![head.len(), head.len() + 1, head.len() + body.len() - 1]),
    ];
    let whole = [head.as_bytes(), body.as_bytes()].concat();
    for (what, cuts) in cuts {
        for cut in cuts {
            for reset in [false, true] {
                let mut stream = TcpStream::connect(scene.address(place)).await.unwrap();
                stream.write_all(&whole[..cut]).await.unwrap();
                sleep(Duration::from_millis(30)).await;
                go_away(stream, reset);
            }
        }
        process.has_at_most(before + 4, SLACK).await;
        for node in 1..=3 {
            let view = Draft::new(Operation::read(&format!("/api/v1/sessions/{id}")).unwrap(), "view", "");
            assert_eq!(scene.cluster.raw(node).send(&view).await.refusal(), "404 unknown_session", "{what}");
        }
        observed(SECTION, &[what, to, "nothing is begun, nothing stays open"]);
    }
    scene.idle().await;
    assert_eq!(scene.ask(place, &draft).await["status"], "completed", "the id is free");
}

/// Clients that don't wait for the answer.
async fn gone_before_the_answer(scene: &Scene, place: Place, to: &str, operation: Operation) {
    let (name, subject) = match operation {
        Operation::Sign => {
            ("sign", json!({ "wallet_id": "w", "message": "0x0304", "signers": ["node1", "node3"] }))
        }
        _ => (
            "keygen",
            json!({ "wallet_id": named("made", to), "threshold": 2, "total": 3, "curve": "ed25519" }),
        ),
    };
    let process = scene.process(place);
    let files = process.files();
    let id = named(name, to);
    let mut body = subject;
    body["session_id"] = id.as_str().into();
    let draft = Draft::new(operation, &id, body.to_string());
    let running = format!(r#"quorate_requests_running{{operation="{name}"}}"#);
    let completed = format!(r#"quorate_sessions_total{{operation="{name}",outcome="completed"}}"#);
    let done = scene.sum(&completed).await;

    // It takes as long as a node is silent without which it can't be done.
    scene.cluster.node(3).pause().await;
    for reset in [false, true] {
        let mut stream = TcpStream::connect(scene.address(place)).await.unwrap();
        stream.write_all(scene.head(place, &draft).as_bytes()).await.unwrap();
        stream.write_all(&draft.body).await.unwrap();
        let since = Instant::now();
        while scene.sample(1, &running).await != 1 {
            assert!(since.elapsed() < SLACK, "{name} does not run");
            sleep(Duration::from_millis(10)).await;
        }
        go_away(stream, reset);
    }
    sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.sample(1, &running).await, 1, "{name} ended with its client");
    scene.cluster.node(3).resume();

    let first = scene.ask(place, &draft).await;
    assert_eq!(first["status"], "completed", "{first}");
    assert_eq!(scene.ask(place, &draft).await, first);
    scene.idle().await;
    assert_eq!(scene.sum(&completed).await, done + 1, "{name} was done once");
    process.has_at_most(files + 4, SLACK).await;
    if name == "keygen" {
        for node in 1..=3 {
            let wallets = scene.cluster.wallets_of(node).await;
            let made: Vec<_> =
                wallets.iter().filter(|view| first["wallet_id"] == view.wallet_id.as_str()).collect();
            assert_eq!(made.len(), 1, "at node{node}");
            assert_eq!(first["public_key"], json!(made[0].public_key));
        }
    }
    let what = format!("goes away while it waits for {name}");
    observed(SECTION, &[&what, to, "done once, found by a repeat; no request or session runs on"]);
}

#[tokio::test]
async fn a_thousand_idle_connections_hold_nobody_up_and_are_gone_in_the_end() {
    raise_file_limit();
    let scene = Scene::new().await;
    tokio::join!(
        thousand_idle(&scene, Place::Node, "a node"),
        thousand_idle(&scene, Place::Gateway, "a gateway")
    );
}

async fn thousand_idle(scene: &Scene, place: Place, to: &str) {
    const OPENED: usize = 1000;
    let process = scene.process(place);
    scene.signs(place, b"before").await;
    let (files, memory) = (process.files(), process.memory());
    // As much of a head as is taken in, nearly.
    let half = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(30_000));
    let mut idle = Vec::new();
    for number in 0..OPENED {
        let mut stream = TcpStream::connect(scene.address(place)).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(half.as_bytes()).await.unwrap();
        }
        idle.push(stream);
    }
    let opened = Instant::now();
    for number in 0..5 {
        scene.signs(place, format!("in the crowd {number}").as_bytes()).await;
    }
    // Those that are to go may take a moment.
    process.has_at_most(files + CONNECTIONS + OTHER_FILES, Duration::from_secs(5)).await;
    let held = || idle.iter().filter(|stream| !is_closed(stream)).count();
    while held() > CONNECTIONS {
        assert!(opened.elapsed() < HEADER_TIME / 2, "{} are open", held());
        sleep(Duration::from_millis(100)).await;
    }
    let grown = process.memory().saturating_sub(memory);
    assert!(grown < 96 * 1024, "{grown} KiB more");

    while !idle.iter().all(is_closed) {
        assert!(opened.elapsed() < HEADER_TIME + SLACK, "some are still open");
        sleep(Duration::from_millis(500)).await;
    }
    process.has_at_most(files + OTHER_FILES, SLACK).await;
    scene.signs(place, b"after").await;
    observed(
        SECTION,
        &[
            "1000 connections, silent or with half a head",
            to,
            "at most 512 are held; signs meanwhile; all gone after 30 s",
        ],
    );
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_hold_nobody_up() {
    raise_file_limit();
    let scene = Scene::new().await;
    let begun = Instant::now();
    tokio::join!(
        slow_head(&scene, Place::Node, "a node"),
        slow_head(&scene, Place::Gateway, "a gateway"),
        slow_body(&scene, Place::Node, "a node", Duration::from_secs(10)),
        slow_body(&scene, Place::Gateway, "a gateway", Duration::from_secs(30)),
        expired_body(&scene),
        slow_reader(&scene, Place::Node, "a node"),
        slow_reader(&scene, Place::Gateway, "a gateway"),
        async {
            while begun.elapsed() < HEADER_TIME + Duration::from_secs(4) {
                for place in [Place::Node, Place::Gateway] {
                    let asked = Instant::now();
                    scene.signs(place, b"beside the slow ones").await;
                    assert!(asked.elapsed() < Duration::from_secs(20), "held up");
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
    );
    for place in [Place::Node, Place::Gateway] {
        scene.signs(place, b"after").await;
    }
    scene.idle().await;
}

/// Sends one byte after the other until the other side has had enough; gives what it said, and after which time.
async fn dribble(address: &str, at_once: &[u8], slowly: impl Iterator<Item = u8>) -> (Vec<u8>, Duration) {
    let stream = TcpStream::connect(address).await.unwrap();
    let since = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let write = async {
        writing.write_all(at_once).await.unwrap();
        for byte in slowly {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.ok();
        answer
    };
    let both = async {
        tokio::select! { answer = read => answer, () = write => Vec::new() }
    };
    let answer = timeout(HEADER_TIME + 2 * SLACK, both).await.expect("an end");
    (answer, since.elapsed())
}

async fn slow_head(scene: &Scene, place: Place, to: &str) {
    let head = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ".iter().copied();
    let (answer, took) = dribble(scene.address(place), b"", head.chain(std::iter::repeat(b'y'))).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!((HEADER_TIME - Duration::from_secs(2)..HEADER_TIME + SLACK).contains(&took), "{took:?}");
    observed(SECTION, &["sends a head byte by byte", to, "closed after 30 s; the others go on"]);
}

async fn slow_body(scene: &Scene, place: Place, to: &str, limit: Duration) {
    let id = named("slow", to);
    let body =
        json!({ "session_id": id, "wallet_id": "w", "message": "0x05".to_owned() + &"00".repeat(5000) });
    let draft = Draft::new(Operation::Sign, &id, body.to_string());
    let head = scene.head(place, &draft);
    let (answer, took) = dribble(scene.address(place), head.as_bytes(), draft.body.iter().copied()).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not arrive in time"), "{answer}");
    assert!((limit - Duration::from_secs(1)..limit + SLACK).contains(&took), "{took:?}");
    let view = Draft::new(Operation::read(&format!("/api/v1/sessions/{id}")).unwrap(), "view", "");
    assert_eq!(scene.cluster.raw(1).send(&view).await.refusal(), "404 unknown_session");
    let seen = format!("400 after {} s, then closed; the others go on", limit.as_secs());
    observed(SECTION, &["sends a body byte by byte", to, &seen]);
}

/// The head of a request arrives in time, the end of its body does not.
async fn expired_body(scene: &Scene) {
    let body = json!({ "wallet_id": "w", "message": "0x06" }).to_string();
    // Clocks may differ by 30 seconds: it is taken for three more.
    let draft = Draft::new(Operation::Sign, "late", body.as_str()).at(-60, -27);
    let head = scene.head(Place::Node, &draft);
    let (early, late) = draft.body.split_at(draft.body.len() - 25);
    let at_once = [head.as_bytes(), early].concat();
    let (answer, _) = dribble(scene.address(Place::Node), &at_once, late.iter().copied()).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"expired\""), "{answer}");
    // By this very node, before it asked any other.
    let view = Draft::new(Operation::read("/api/v1/sessions/late").unwrap(), "view", "");
    assert_eq!(scene.cluster.raw(1).send(&view).await.refusal(), "404 unknown_session");
    observed(SECTION, &["sends the end of a body when the request is over", "a node", "401 expired"]);
}

/// A caller that asks for much and reads a byte now and then.
async fn slow_reader(scene: &Scene, place: Place, to: &str) {
    const ANSWERS: usize = 1200;
    let address = scene.address(place);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let process = scene.process(place);
    let memory = process.memory();
    let (mut reading, mut writing) = stream.into_split();
    let ask = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", paths::OPENAPI);
    // What is not taken in is not waited for.
    let asking = tokio::spawn(async move {
        writing.write_all(ask.repeat(ANSWERS).as_bytes()).await.ok();
        writing
    });
    let since = Instant::now();
    let mut byte = [0];
    while since.elapsed() < HEADER_TIME + Duration::from_secs(6) {
        reading.read_exact(&mut byte).await.expect("it is not cut off while nobody needs its place");
        sleep(Duration::from_millis(200)).await;
    }
    let grown = process.memory().saturating_sub(memory);
    assert!(grown < 64 * 1024, "{grown} KiB more");
    // Now everybody else comes, and its place is needed.
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS + 40 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    scene.signs(place, b"in the crowd").await;
    let mut rest = Vec::new();
    timeout(Duration::from_secs(30), reading.read_to_end(&mut rest)).await.expect("it is cut off").ok();
    let whole = quorate_request::openapi::DOCUMENT.len() * ANSWERS;
    assert!(rest.len() < whole / 2, "{} of {whole} bytes came", rest.len());
    asking.abort();
    drop(crowd);
    observed(
        SECTION,
        &[
            "reads answers a byte at a time",
            to,
            "counts as idle after 30 s, and makes room; the others go on",
        ],
    );
}
