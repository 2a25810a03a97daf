//! Where the API is served: the same on a node and on a gateway.

/// `POST`: make a wallet.
pub const KEYGEN: &str = "/api/v1/keygen";
/// `POST`: sign with a wallet.
pub const SIGN: &str = "/api/v1/sign";
/// `POST`: deal a wallet's shares anew to the nodes that hold them.
pub const REFRESH: &str = "/api/v1/refresh";
/// Where a wallet's last resharing is undone.
pub const ROLLBACK: &str = "/api/v1/rollback";
/// `POST`: deal a wallet's shares anew to other nodes, or so that another number of them sign.
pub const RESHARE: &str = "/api/v1/reshare";
/// `POST`: make presignatures of a wallet.
pub const PRESIGN: &str = "/api/v1/presign";
/// `POST`: make auxiliary information of nodes.
pub const AUXILIARY: &str = "/api/v1/auxiliary";
/// `GET`: the requests that wait for approvals; `POST`: approve one, or reject it.
pub const APPROVALS: &str = "/api/v1/approvals";
/// `GET`: the keys that may ask; `POST`: admit one, or revoke one.
pub const INITIATORS: &str = "/api/v1/initiators";
/// `GET`: all wallets; `/{id}` below it: one of them.
pub const WALLETS: &str = "/api/v1/wallets";
/// How many wallets one answer lists; those of one name are never parted, so it can be a few more.
pub const WALLETS_PAGE: usize = 1000;
/// `GET`, with `/{id}` below it: what became of a request.
pub const SESSIONS: &str = "/api/v1/sessions";
/// The media type under which a session is read as a stream of events: its view, each time it changes.
pub const EVENTS: &str = "text/event-stream";
/// `GET`: the nodes of the cluster as the answering node sees them.
pub const NODES: &str = "/api/v1/nodes";
/// `GET`, unsigned: does the process run?
pub const HEALTH: &str = "/health";
/// `GET`, unsigned: can the node serve requests (quorum reachable, store writable)?
pub const READY: &str = "/ready";
/// `GET`, unsigned, of a node only: what it counts, in Prometheus' text format 0.0.4.
pub const METRICS: &str = "/metrics";
/// `GET`, unsigned: the API as an OpenAPI document.
pub const OPENAPI: &str = "/api/openapi.json";

/// `GET`, unsigned: that document as a page for people.
pub const DOCS: &str = "/api/docs";

/// The path of each thing below one of these, with its id as `{id}`: as routers and the document have it.
pub fn each(below: &str) -> String {
    format!("{below}/{{id}}")
}

/// The target of an operation whose result nobody waits for. The query is not signed: whether a client waits changes
/// nothing of what is done.
pub fn without_waiting(operation: &str) -> String {
    format!("{operation}?wait=false")
}

/// Whether the values of a request's `Accept` ask for events. Not signed: it changes only the form of the answer.
pub fn accepts_events<'a>(accept: impl IntoIterator<Item = &'a str>) -> bool {
    let mut kinds = accept.into_iter().flat_map(|value| value.split(','));
    kinds.any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENTS))
}

/// The target that gives the request of one fingerprint that waits for approvals, as its client has signed it: one or none.
pub fn waiting(fingerprint: &[u8; 32]) -> String {
    format!("{APPROVALS}?fingerprint=0x{}", hex::encode(fingerprint))
}

/// The path of one wallet.
pub fn wallet(id: &crate::WalletId) -> String {
    // A wallet id needs no escaping: its alphabet is unreserved in RFC 3986.
    format!("{WALLETS}/{id}")
}

/// The target that lists the wallets of one public key: one or none.
pub fn wallets_of_key(public_key: &[u8]) -> String {
    format!("{WALLETS}?public_key=0x{}", hex::encode(public_key))
}

/// The target that lists the wallets after one, in the order of their names.
pub fn wallets_after(id: &crate::WalletId) -> String {
    format!("{WALLETS}?after={id}")
}

/// The path of one session. Characters that mean something in a URI are percent-encoded.
pub fn session(id: &crate::RequestId) -> String {
    let mut path = format!("{SESSIONS}/");
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push_str(&hex::encode_upper([byte]));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_path_is_a_valid_uri_whatever_the_request_id() {
        let all: String = (0x21..=0x7e_u8).map(char::from).collect();
        let path = session(&all.parse().unwrap());
        let uri: http::Uri = path.parse().unwrap();
        assert_eq!(uri.path(), path);
        assert!(uri.query().is_none());
        assert_eq!(session(&"a/b?c%".parse().unwrap()), "/api/v1/sessions/a%2Fb%3Fc%25");
    }

    #[test]
    fn events_are_sent_to_those_who_accept_them() {
        assert!(accepts_events(["text/event-stream"]));
        assert!(accepts_events(["*/*", "application/json;q=0.5, Text/Event-Stream; charset=utf-8"]));
        assert!(!accepts_events(["*/*", "application/json", "text/event-streams"]));
        assert!(!accepts_events([]));
    }

    #[test]
    fn a_wallet_path_is_the_id_below_the_wallets() {
        let id = "treasury-1".parse().unwrap();
        assert_eq!(wallet(&id), "/api/v1/wallets/treasury-1");
        assert_eq!(wallets_after(&id), "/api/v1/wallets?after=treasury-1");
        assert_eq!(waiting(&[0xab; 32]), format!("/api/v1/approvals?fingerprint=0x{}", "ab".repeat(32)));
        assert_eq!(wallets_of_key(&[0xab]), "/api/v1/wallets?public_key=0xab");
        assert_eq!(without_waiting(SIGN), "/api/v1/sign?wait=false");
    }
}
