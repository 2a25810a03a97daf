//! How commands reach a cluster: signed to its nodes, or plainly to a gateway.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use quorate_client::{Authorities, BearerToken, Client, ClientBuilder, ClientCertificate, ClientError};
use quorate_node::similar;
use quorate_request::{ErrorCode, RequestId, WalletId};

use crate::arguments;
use crate::failure::{Failure, Tip};
use crate::following::Told;
use crate::passphrase::Source;
use crate::progress::Progress;
use crate::signer::{Elsewhere, signing_client};

/// How long a guess at what was meant may take.
const PATIENCE: Duration = Duration::from_secs(2);
const WALLETS: &str = "`quorate wallet list` shows those that there are";

/// Which cluster, and as whom.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
#[command(group = clap::ArgGroup::new("signing").args(["initiator", "initiator_command"]))]
pub(crate) struct Target {
    /// Address of a gateway or node; may be repeated for nodes of one cluster.
    #[arg(
        long,
        value_name = "URL",
        env = "QUORATE_API",
        default_value = "http://127.0.0.1:8080",
        value_delimiter = ',',
        value_parser = arguments::endpoint
    )]
    api: Vec<http::Uri>,
    #[command(flatten)]
    trust: Trust,
    /// File with the token to show: of a gateway's callers, or of a node's readers. Not for who signs.
    #[arg(long, value_name = "FILE", env = "QUORATE_API_TOKEN_FILE", conflicts_with = "signing")]
    api_token_file: Option<PathBuf>,
    /// Initiator key to sign requests with. Without one the address must be a gateway's, which signs.
    #[arg(long, value_name = "FILE", env = "QUORATE_INITIATOR", requires = "peers")]
    initiator: Option<PathBuf>,
    /// The cluster's peers file, for its id.
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS", requires = "signing")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    passphrase: Source,
}

/// Who vouches for an https:// address.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Trust {
    /// Certificates in PEM of the authorities to trust at https:// addresses, instead of the system's.
    #[arg(long, value_name = "FILE", env = "QUORATE_API_CA")]
    api_ca: Option<PathBuf>,
    /// Certificate in PEM to show at https:// addresses that ask for one (mutual TLS).
    #[arg(long, value_name = "FILE", env = "QUORATE_API_CERT", requires = "api_key")]
    api_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM. Others may not read it.
    #[arg(long, value_name = "FILE", env = "QUORATE_API_KEY", requires = "api_cert")]
    api_key: Option<PathBuf>,
}

impl Trust {
    /// A client of these addresses, to be made.
    pub(crate) fn client(&self, api: &[http::Uri]) -> anyhow::Result<ClientBuilder> {
        let authorities = match &self.api_ca {
            Some(file) => Authorities::from_file(file).context("--api-ca")?,
            None => Authorities::of_system(),
        };
        let builder = Client::builder(api.to_vec()).authorities(authorities);
        Ok(match self.api_cert.as_ref().zip(self.api_key.as_ref()) {
            Some((certificate, key)) => {
                let shown = ClientCertificate::from_files(certificate, key);
                builder.certificate(shown.context("--api-cert, --api-key")?)
            }
            None => builder,
        })
    }
}

impl Target {
    /// Asks the cluster, and says what to do where the answer shows that it was asked in the wrong way. Whoever waits is
    /// told what for, unless a program does.
    pub(crate) async fn ask<T>(
        &self,
        quiet: bool,
        doing: impl Into<String>,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        self.ask_and_follow(quiet, doing, None, question).await
    }

    /// The same, of what has this id: whoever waits is told how far it is, too, as far as nodes say.
    async fn ask_and_follow<T>(
        &self,
        quiet: bool,
        doing: impl Into<String>,
        id: Option<&RequestId>,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        // First: it may ask for a passphrase.
        let client = self.client()?;
        let (doing, told) = (doing.into(), Told::default());
        let shown = told.clone();
        let progress = Progress::show(quiet, move || shown.beside(&doing));
        let clients = if progress.is_shown() { self.each(&client)? } else { Vec::new() };
        let follow = async {
            match id.filter(|_| !clients.is_empty()) {
                Some(id) => told.follow(&clients, id).await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = question(&client) => answer,
            never = follow => match never {},
        };
        drop(progress);
        answer.map_err(|error| self.explained(error))
    }

    /// Asks for something of the wallet of this name. Of one that does not exist, it says which has nearly the same name.
    pub(crate) async fn ask_of<T>(
        &self,
        quiet: bool,
        doing: impl Into<String>,
        wallet: Option<&WalletId>,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        self.ask_of_and_follow(quiet, doing, None, wallet, question).await
    }

    async fn ask_of_and_follow<T>(
        &self,
        quiet: bool,
        doing: impl Into<String>,
        id: Option<&RequestId>,
        wallet: Option<&WalletId>,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        let mut near = None;
        let asked = self.ask_and_follow(quiet, doing, id, async |client: &Client| {
            let answer = question(client).await;
            if let (Err(error), Some(name)) = (&answer, wallet)
                && error.api().is_some_and(|body| body.code == ErrorCode::UnknownWallet)
            {
                near = nearly(client, name).await;
            }
            answer
        });
        asked.await.map_err(|error| match near {
            Some(near) => error.context(Tip(format!("did you mean {near}? {WALLETS}"))),
            None => error,
        })
    }

    /// Asks for what takes work, and names the id under which it can be asked for again when nobody knows how it ended.
    pub(crate) async fn work<T>(
        &self,
        quiet: bool,
        doing: impl Into<String>,
        id: &RequestId,
        wallet: Option<&WalletId>,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        let asked = self.ask_of_and_follow(quiet, doing, Some(id), wallet, question).await;
        asked.map_err(|error| repeatable(error, "the same command", id))
    }

    fn signs(&self) -> bool {
        self.initiator.is_some() || self.elsewhere.initiator_command.is_some()
    }

    fn client(&self) -> anyhow::Result<Client> {
        let builder = self.trust.client(&self.api)?;
        match self.peers.as_deref().filter(|_| self.signs()) {
            Some(peers) => {
                let held = self.elsewhere.held(self.initiator.as_deref());
                let signing = signing_client(builder, held, peers, &self.passphrase)?;
                Ok(signing.client)
            }
            None => {
                let builder = match &self.api_token_file {
                    Some(file) => builder.token(BearerToken::from_file(file).context("--api-token-file")?),
                    None => builder,
                };
                builder.gateway().context("--api")
            }
        }
    }

    /// One client for each address, which asks it first.
    pub(crate) fn clients(&self) -> anyhow::Result<Vec<Client>> {
        // Once: it may ask for a passphrase.
        self.each(&self.client()?)
    }

    fn each(&self, first: &Client) -> anyhow::Result<Vec<Client>> {
        let mut api = self.api.clone();
        let clients = (0..api.len()).map(|_| {
            let client = first.with_endpoints(api.clone()).context("--api");
            api.rotate_left(1);
            client
        });
        clients.collect()
    }

    pub(crate) fn explained(&self, error: ClientError) -> anyhow::Error {
        // A gateway would have signed.
        let unsigned = error.api().is_some_and(|body| body.code == ErrorCode::Unsigned);
        if !self.signs() && unsigned && self.api_token_file.is_some() {
            let tip = "--api-token-file names the file with the token; a node takes one of a reader for what is read alone";
            return anyhow::Error::from(error).context(Tip(tip.into()));
        }
        if !self.signs() && unsigned && error.api().is_some_and(|body| body.message.contains("token")) {
            let tip = "--api-token-file FILE or QUORATE_API_TOKEN_FILE names a file with the token";
            return anyhow::Error::from(error).context(Tip(tip.into()));
        }
        if !self.signs() && unsigned {
            let text = format!(
                "{} is a node, not a gateway, and takes signed requests only: give --initiator with the key to sign \
                 with, or --initiator-command, and --peers with the cluster's peers file",
                self.addresses().join(", ")
            );
            return Failure::Usage(text).into();
        }
        let tip = match &error {
            ClientError::Unreachable { reason, .. }
                if reason.contains("no authority that is trusted here") =>
            {
                Some(
                    "--api-ca FILE or QUORATE_API_CA names the certificates of an authority of your own"
                        .into(),
                )
            }
            ClientError::Unreachable { reason, .. }
                if reason.contains("asks its clients for a certificate") =>
            {
                Some("--api-cert FILE and --api-key FILE name the certificate to show and its key".into())
            }
            ClientError::Unreachable { .. } => Some(self.how_to_reach()),
            _ => error.api().and_then(|body| tip_for(body.code)).map(Into::into),
        };
        match tip {
            Some(tip) => anyhow::Error::from(error).context(Tip(tip)),
            None => error.into(),
        }
    }

    fn addresses(&self) -> Vec<String> {
        self.api.iter().map(|uri| uri.to_string().trim_end_matches('/').to_owned()).collect()
    }

    fn how_to_reach(&self) -> String {
        let addresses = self.addresses().join(", ");
        format!(
            "is a node or a gateway at {addresses}? Say where with --api or QUORATE_API; `quorate dev` starts a cluster \
             to try things with"
        )
    }
}

/// The wallet whose name is nearly this one.
async fn nearly(client: &Client, name: &WalletId) -> Option<WalletId> {
    // Nobody waits long for a guess.
    let wallets = tokio::time::timeout(PATIENCE, client.wallets()).await.ok()?.ok()?;
    let near = similar::nearest(name.as_str(), wallets.iter().map(|wallet| wallet.wallet_id.as_str()))?;
    near.parse().ok()
}

/// Says what to do about a refusal with this code, where that depends on what was asked for.
pub(crate) fn advised(error: anyhow::Error, code: ErrorCode, tip: &str) -> anyhow::Error {
    let said = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>()?.api());
    if said.is_some_and(|body| body.code == code) { error.context(Tip(tip.to_owned())) } else { error }
}

/// Says of an error after which nobody knows how the request ended which command tells, once it has its id.
pub(crate) fn repeatable(error: anyhow::Error, command: &str, id: &RequestId) -> anyhow::Error {
    match error.chain().find_map(|cause| cause.downcast_ref::<ClientError>()).and_then(ClientError::api) {
        Some(body) if body.code == ErrorCode::ApprovalsMissing => error.context(Tip(format!(
            "`quorate authorizer approve {id}` approves it; then {command} with --session-id {id} gives its result"
        ))),
        _ if unknown_end(&error) => error.context(repeat(command, id)),
        _ => error,
    }
}

fn repeat(command: &str, id: &RequestId) -> Tip {
    Tip(format!(
        "it may have been done all the same: {command} with --session-id {id} gives its result, and does nothing twice"
    ))
}

/// Whether a request may have been executed although there is no answer. One that reached nobody was not.
fn unknown_end(error: &anyhow::Error) -> bool {
    match error.chain().find_map(|cause| cause.downcast_ref()) {
        Some(ClientError::Unreachable { was_asked, .. }) => *was_asked,
        Some(ClientError::UnexpectedAnswer { .. }) => true,
        // A node that can't store what was made is not the only one that has it.
        Some(ClientError::Api { error, .. }) => {
            matches!(error.code, ErrorCode::TimedOut | ErrorCode::NotReady)
        }
        _ => false,
    }
}

/// What to do about a refusal, where that is not what it says.
const fn tip_for(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::UnknownWallet => Some(WALLETS),
        ErrorCode::UnknownSession => Some(
            "until there is a result, only the node that took the request knows of it, and no more after a restart: is it \
             among --api? The command that made the request gives its result with --session-id and the same id, and does \
             nothing twice",
        ),
        ErrorCode::NotEnoughSigners | ErrorCode::NotReady => {
            Some("`quorate node status` shows which nodes can be reached")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_request::ErrorBody;
    use rand_core::OsRng;

    fn refused(code: ErrorCode, message: &str) -> ClientError {
        ClientError::Api { status: code.status(), error: Box::new(ErrorBody::new(code, message)) }
    }

    #[test]
    fn a_node_that_was_taken_for_a_gateway_is_named() {
        let source = Source { passphrase_file: None };
        let api = vec![http::Uri::from_static("http://10.0.0.1:8080")];
        let mut target = Target {
            api,
            api_token_file: None,
            initiator: None,
            peers: None,
            elsewhere: Elsewhere::default(),
            passphrase: source,
            trust: Trust::default(),
        };
        let told = |target: &Target, code: ErrorCode| target.explained(refused(code, "said")).to_string();
        let text = told(&target, ErrorCode::Unsigned);
        assert!(text.contains("http://10.0.0.1:8080 is a node") && text.contains("--initiator"), "{text}");
        // A gateway of another cluster is another matter.
        assert!(told(&target, ErrorCode::WrongCluster).contains("said"));
        target.initiator = Some("initiator.json".into());
        assert!(told(&target, ErrorCode::Unsigned).contains("said"));
    }

    #[test]
    fn who_has_lost_an_answer_is_told_how_to_ask_again() {
        let source = Source { passphrase_file: None };
        let endpoint = http::Uri::from_static("http://10.0.0.1:8080");
        let target = Target {
            api: vec![endpoint.clone()],
            api_token_file: None,
            initiator: None,
            peers: None,
            elsewhere: Elsewhere::default(),
            passphrase: source,
            trust: Trust::default(),
        };
        let unreachable = |reason: &str, was_asked| {
            let (endpoint, reason) = (endpoint.clone(), reason.to_owned());
            target.explained(ClientError::Unreachable { attempts: 6, endpoint, reason, was_asked })
        };
        let tip =
            |error: &anyhow::Error| error.downcast_ref().map(|Tip(tip)| tip.clone()).unwrap_or_default();
        let nobody = unreachable("tcp connect error: Connection refused (os error 111)", false);
        assert!(!unknown_end(&nobody), "it reached nobody");
        assert!(
            tip(&nobody).contains("http://10.0.0.1:8080?") && tip(&nobody).contains("--api"),
            "{nobody:?}"
        );

        let lost = unreachable("connection closed before message completed", true);
        assert!(unknown_end(&lost), "{lost:?}");
        let id = RequestId::generate(&mut OsRng);
        let lost = lost.context(repeat("the same command", &id));
        assert!(tip(&lost).contains(&format!("--session-id {id} ")), "{lost:?}");

        let code = ErrorCode::TimedOut;
        let late = ClientError::Api { status: code.status(), error: Box::new(ErrorBody::new(code, "late")) };
        assert!(unknown_end(&target.explained(late)));
        assert!(!unknown_end(&target.explained(refused(ErrorCode::WrongCluster, "another cluster"))));
        for (code, command) in [
            (ErrorCode::UnknownWallet, "quorate wallet list"),
            (ErrorCode::NotEnoughSigners, "quorate node status"),
        ] {
            let error = Box::new(ErrorBody::new(code, "said"));
            let explained = target.explained(ClientError::Api { status: code.status(), error });
            assert!(tip(&explained).contains(command), "{code}: {explained:?}");
        }
        let code = ErrorCode::UnsupportedProtocol;
        let refused = || target.explained(refused(code, "said"));
        assert_eq!(tip(&advised(refused(), code, "do this")), "do this");
        assert_eq!(tip(&advised(refused(), ErrorCode::InvalidMessage, "do that")), "");
    }
}
