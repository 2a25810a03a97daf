//! The HTTP API on engines that really work.

use super::*;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use quorate_request::{ErrorCode, RequestStatus, SessionView, Taken, paths};
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::store::Table;

impl Cluster {
    /// Asks a node's API, signed.
    async fn ask(&self, at: usize, target: &str, signed: &SignedRequest, accept: Option<&str>) -> Response {
        let method = if signed.body().is_empty() { Method::GET } else { Method::POST };
        let mut request = Request::new(Body::from(signed.body().clone()));
        *request.headers_mut() = signed.to_http();
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        }
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().unwrap();
        crate::api::router(Arc::clone(self.engine(at))).oneshot(request).await.unwrap()
    }

    async fn post(&self, at: usize, query: &str, signed: &SignedRequest) -> Response {
        let target = match signed.operation() {
            Operation::Keygen => paths::KEYGEN,
            _ => paths::SIGN,
        };
        self.ask(at, &format!("{target}{query}"), signed, None).await
    }

    async fn read(&self, at: usize, target: &str, accept: Option<&str>) -> Response {
        let id: u64 = rand_core::RngCore::next_u64(&mut OsRng);
        let signed = self.request(Operation::read(target).unwrap(), &format!("read-{id}"), "");
        self.ask(at, target, &signed, accept).await
    }

    async fn events(&self, at: usize, id: &str) -> Response {
        self.read(at, &paths::session(&id.parse().unwrap()), Some(paths::EVENTS)).await
    }
}

async fn json<T: DeserializeOwned>(response: Response) -> (StatusCode, T) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}")))
}

async fn refused(response: Response) -> (StatusCode, ErrorCode) {
    let (status, error) = json::<ErrorBody>(response).await;
    (status, error.code)
}

/// All views of a stream, up to its end.
async fn views(response: Response) -> Vec<SessionView> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], paths::EVENTS);
    let whole = tokio::time::timeout(Duration::from_secs(20), response.into_body().collect());
    let whole = String::from_utf8(whole.await.expect("it ends").unwrap().to_bytes().to_vec()).unwrap();
    let event = |text: &str| {
        let data = text.strip_prefix("event: session\ndata: ").unwrap_or_else(|| panic!("no event: {text}"));
        serde_json::from_str(data).unwrap()
    };
    whole.split_terminator("\n\n").filter(|text| !text.starts_with(':')).map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_is_answered_at_once_and_done() {
    let cluster = Cluster::new(3, Settings::default()).await;
    let keygen = cluster.keygen_request("k", "w", 2, &[0, 1, 2]);
    let (status, taken) = json::<Taken>(cluster.post(0, "?wait=false", &keygen).await).await;
    assert_eq!((status, taken.session_id.as_str()), (StatusCode::ACCEPTED, "k"));
    assert_eq!(taken.status, RequestStatus::Running);
    // The identical request, waited for, gives the result; then it is there at once.
    let (status, waited) = json::<KeygenResponse>(cluster.post(0, "?wait=true", &keygen).await).await;
    assert_eq!((status, waited.wallet_id.as_str()), (StatusCode::OK, "w"));
    let (status, at_once) = json::<KeygenResponse>(cluster.post(0, "?wait=false", &keygen).await).await;
    assert_eq!((status, at_once), (StatusCode::OK, waited.clone()));
    let (_, view) = json::<SessionView>(cluster.read(0, "/api/v1/sessions/k", None).await).await;
    assert_eq!(view.result, Some(SessionResult::Keygen(waited)));

    // What can't be done is found out later.
    let unknown = cluster.sign_request("s", "nobody", "");
    assert_eq!(cluster.post(0, "?wait=false", &unknown).await.status(), StatusCode::ACCEPTED);
    let last = views(cluster.events(0, "s").await).await.pop().unwrap();
    assert_eq!(last.status, RequestStatus::Failed);
    assert_eq!(last.error.unwrap().code, ErrorCode::UnknownWallet);
    // Another body under the id is refused at once.
    let other = cluster.sign_request("k", "w", "");
    let conflict = refused(cluster.post(0, "?wait=false", &other).await).await;
    assert_eq!(conflict, (StatusCode::CONFLICT, ErrorCode::RequestConflict));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_means_nothing_is_refused() {
    let cluster = Cluster::new(3, Settings::default()).await;
    let request = cluster.keygen_request("k", "w", 2, &[0, 1, 2]);
    for query in ["?wait", "?wait=", "?wait=0", "?wait=no", "?Wait=false", "?wait=false&wait=false", "?x=1"] {
        let answer = refused(cluster.post(0, query, &request).await).await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, ErrorCode::MalformedRequest), "{query}");
    }
    assert_eq!(cluster.read(0, "/api/v1/sessions/k", None).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_waits_for_are_bounded() {
    let cluster = Cluster::new(3, Settings::default()).await;
    let engine = cluster.engine(0);
    let all = u32::try_from(engine.unwaited.available_permits()).unwrap();
    let taken = Arc::clone(&engine.unwaited).try_acquire_many_owned(all).unwrap();
    let request = cluster.keygen_request("k", "w", 2, &[0, 1, 2]);
    let answer = refused(cluster.post(0, "?wait=false", &request).await).await;
    assert_eq!(answer, (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManySessions));
    // It is as any failure: a repeat tries again, one that is waited for needs no place.
    let (status, _) = json::<KeygenResponse>(cluster.post(0, "", &request).await).await;
    assert_eq!(status, StatusCode::OK);
    drop(taken);
    let request = cluster.sign_request("s", "w", "");
    assert_eq!(cluster.post(0, "?wait=false", &request).await.status(), StatusCode::ACCEPTED);
    eventually("its place is free again", || engine.unwaited.available_permits() == all as usize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_followed_until_it_has_ended() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    // One that never answers is in the first committee.
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let id = request.request_id().as_str().to_owned();
    assert_eq!(cluster.post(0, "?wait=false", &request).await.status(), StatusCode::ACCEPTED);
    let seen = views(cluster.events(0, &id).await).await;
    let (last, before) = seen.split_last().unwrap();
    assert!(
        !before.is_empty() && before.iter().all(|view| view.status == RequestStatus::Running),
        "{seen:?}"
    );
    assert!(before.iter().any(|view| view.attempt == 1 && view.committee == ["node0", "node2"]), "{seen:?}");
    assert!(before.iter().any(|view| view.attempt == 2 && view.absent == ["node2"]), "{seen:?}");
    assert_eq!((last.status, last.attempt), (RequestStatus::Completed, 2));
    assert!(matches!(&last.result, Some(SessionResult::Sign(_))));
    // Afterwards there is only the last.
    assert_eq!(views(cluster.events(0, &id).await).await, std::slice::from_ref(last));
    drop(hand);
    let answer = refused(cluster.events(0, "nobody").await).await;
    assert_eq!(answer, (StatusCode::NOT_FOUND, ErrorCode::UnknownSession));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_whose_end_is_not_known_here_a_node_says_no_more() {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let mut hand = cluster.hand(2).await;
    eventually("connected", || (0..2).all(|place| cluster.engine(place).reachable().len() == 3)).await;
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let id = request.request_id().as_str().to_owned();
    let unknown = async |cluster: &Cluster, at: usize| {
        let path = paths::session(&id.parse().unwrap());
        for accept in [None, Some(paths::EVENTS)] {
            let (status, error) = json::<ErrorBody>(cluster.read(at, &path, accept).await).await;
            assert_eq!((status, error.code), (StatusCode::NOT_FOUND, ErrorCode::UnknownSession), "node{at}");
            assert!(error.message.contains("repeat the request under its id"), "{error:?}");
        }
    };
    let remembers =
        |cluster: &Cluster, at: usize| cluster.engine(at).store.contains(Table::Requests, &id).unwrap();

    // A signer that was not asked, while its session runs.
    let asked = hand.invitation(cluster.engine(1), &request, &[cluster.identity(1), hand.identity()], 1);
    let start = hand.gather(&asked).await;
    hand.send(&cluster.identity(1), &Frame::Start(start));
    eventually("it has begun", || remembers(&cluster, 1)).await;
    unknown(&cluster, 1).await;

    // The node that was asked, when it has restarted in between.
    assert_eq!(cluster.post(0, "?wait=false", &request).await.status(), StatusCode::ACCEPTED);
    let (from, invite) = hand.invited().await;
    assert_eq!(from, cluster.identity(0));
    hand.accept(&from, &invite);
    eventually("it has begun", || remembers(&cluster, 0)).await;
    let path = paths::session(&id.parse().unwrap());
    let (_, view) = json::<SessionView>(cluster.read(0, &path, None).await).await;
    assert_eq!(view.status, RequestStatus::Running);
    cluster.restart(0, Settings::default(), None).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    unknown(&cluster, 0).await;

    // As it says: a repeat tells. Then whoever has the result shows it.
    let (status, signed) = json::<SignResponse>(cluster.post(0, "", &request).await).await;
    assert_eq!((status, signed.committee), (StatusCode::OK, vec!["node0".to_owned(), "node1".to_owned()]));
    let shown = |at: usize| cluster.engine(at).ledger.view(&id.parse().unwrap()).unwrap();
    eventually("told", || (0..2).all(|at| shown(at).is_some())).await;
    for at in 0..2 {
        let (status, view) = json::<SessionView>(cluster.read(at, &path, None).await).await;
        assert_eq!((status, view.status), (StatusCode::OK, RequestStatus::Completed));
        let Some(SessionResult::Sign(shown)) = view.result else { panic!("no result") };
        assert_eq!(shown.signature, signed.signature);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_bounded_in_number_and_end_with_the_node() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let _hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let id = request.request_id().as_str().to_owned();
    assert_eq!(cluster.post(0, "?wait=false", &request).await.status(), StatusCode::ACCEPTED);
    let engine = cluster.engine(0);
    let mut open = Vec::new();
    while engine.watchers.available_permits() > 0 {
        open.push(cluster.events(0, &id).await);
    }
    let answer = refused(cluster.events(0, &id).await).await;
    assert_eq!(answer, (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManySessions));
    drop(open.pop());
    let followed = cluster.events(0, &id).await;
    engine.close();
    let seen = views(followed).await;
    assert!(seen.iter().all(|view| view.status == RequestStatus::Running), "{seen:?}");
    drop(open);
    assert!(engine.watchers.available_permits() > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened_and_name_no_wallet_and_no_request() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "the-keygen", "the-wallet", &[0, 1, 2]).await.unwrap();
    cluster.sign(0, "the-signing", "the-wallet").await.unwrap();
    cluster.sign(0, "the-failure", "the-other-wallet").await.unwrap_err();
    let request = Request::get(paths::METRICS).body(Body::empty()).unwrap();
    let response = crate::api::router(Arc::clone(cluster.engine(0))).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    for line in [
        "# TYPE quorate_sessions_total counter",
        r#"quorate_sessions_total{operation="keygen",outcome="completed"} 1"#,
        r#"quorate_sessions_total{operation="sign",outcome="completed"} 1"#,
        r#"quorate_sessions_total{operation="sign",outcome="unknown_wallet"} 1"#,
        r#"quorate_attempts_total{operation="sign"} 1"#,
        r#"quorate_request_duration_seconds_count{operation="sign"} 2"#,
        r#"quorate_requests_running{operation="sign"} 0"#,
        r#"quorate_peer_up{peer="node1"} 1"#,
        r#"quorate_frames_dropped_total{direction="sent"} 0"#,
        "quorate_culprits_excluded 0",
        "quorate_wallets 1",
        "# TYPE quorate_store_commit_duration_seconds histogram",
        r#"quorate_attempt_duration_seconds_count{operation="keygen",outcome="completed"} 1"#,
        r#"quorate_attempt_duration_seconds_count{operation="sign",outcome="completed"} 1"#,
        r#"quorate_attempt_duration_seconds_count{operation="sign",outcome="absent"} 0"#,
        r#"quorate_round_duration_seconds_count{protocol="keygen",round="1"} 1"#,
        r#"quorate_round_duration_seconds_count{protocol="keygen",round="3"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
    }
    for name in [
        "quorate_frames_sent_total",
        "quorate_frames_received_total",
        "quorate_store_fsyncs_total",
        "quorate_store_commit_duration_seconds_count",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
    ] {
        let sample = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(sample.is_some_and(|value| value > 0.0), "{name}: {sample:?}\n{text}");
    }
    assert!(!text.contains("the-"), "{text}");
    // Whichever nodes signed: both ended the first round, and the one that put the signature together the second.
    let rounds = |round: &str| -> u64 {
        let name = format!("quorate_round_duration_seconds_count{{protocol=\"frost\",round=\"{round}\"}} ");
        let of = |node| cluster.engine(node).metrics_text().unwrap();
        let count = |text: String| text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        (0..3).map(|node| count(of(node)).unwrap_or(0_u64)).sum()
    };
    assert_eq!(rounds("1"), 2);
    assert!((1..=2).contains(&rounds("2")), "{}", rounds("2"));
    // Each metric is described once, and every sample's name belongs to one that is.
    let described: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let unique: BTreeSet<&str> = described.iter().copied().collect();
    assert_eq!(unique.len(), described.len());
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap();
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(unique.contains(name) || bare.is_some_and(|bare| unique.contains(bare)), "{sample}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_the_document_is_served() {
    let cluster = Cluster::new(2, Settings::default()).await;
    let served = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        crate::api::router(Arc::clone(cluster.engine(0))).oneshot(request).await.unwrap()
    };
    let (status, document) = json::<serde_json::Value>(served("GET", paths::OPENAPI).await).await;
    assert_eq!((status, document["openapi"].as_str()), (StatusCode::OK, Some("3.1.0")));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let target = path.replace("{id}", "x");
            let response = served(&method.to_uppercase(), &target).await;
            let unsigned = methods[method]["security"].as_array().unwrap().is_empty();
            let expected = if unsigned { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), expected, "{method} {path}");
        }
    }
}
