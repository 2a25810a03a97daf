//! How errors are printed, and which exit code each kind of them has.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use quorate_client::{ClientError, InvalidEndpoint};
use quorate_node::NodeError;
use quorate_node::config::ConfigError;
use quorate_node::identity::IdentityError;
use quorate_node::peers::{PeersError, PeersFault};
use quorate_node::store::{EmptyPassphrase, StoreError};
use quorate_request::ErrorBody;
use serde::Serialize;

/// What `--help` says of the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, for a reason that is none of these
  2  wrong arguments
  3  a file, a setting or a passphrase is missing or wrong
  4  the cluster refused the request
  5  the cluster could not serve it: unreachable, too few nodes, time-out
  6  a verification failed

With --json an error is one line of JSON, the last one on standard error:
  {\"code\": \"unknown_wallet\", \"message\": \"…\"}
The code is the cluster's, or else: failed, usage, configuration, refused, unreachable,
not_verified.";

/// A failure that the command line itself finds.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Arguments that don't fit together.
    Usage(String),
    /// A file or passphrase that is not as it has to be.
    Setting(String),
    /// Something that was verified does not hold.
    NotVerified(String),
    /// A transaction that no node would sign.
    Refused {
        /// The chain adapter's name for why.
        code: &'static str,
        text: String,
    },
    /// Whoever was asked said no.
    Declined,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Setting(text) | Self::NotVerified(text) => f.write_str(text),
            Self::Refused { code, text } => write!(f, "{text} ({code})"),
            Self::Declined => f.write_str("not signed"),
        }
    }
}

impl Error for Failure {}

/// The exit codes other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed = 1,
    Usage = 2,
    Configuration = 3,
    Refused = 4,
    Unreachable = 5,
    NotVerified = 6,
}

impl Kind {
    /// For programs, where the cluster gave no code of its own.
    const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NotVerified => "not_verified",
        }
    }

    fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Failed)
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(match failure {
                Failure::Usage(_) => Self::Usage,
                Failure::Setting(_) => Self::Configuration,
                Failure::NotVerified(_) => Self::NotVerified,
                Failure::Refused { .. } => Self::Refused,
                Failure::Declined => Self::Failed,
            });
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            let refused = error.api().is_some_and(|body| body.code.status().is_client_error());
            return Some(match error {
                ClientError::InvalidRequest(_) => Self::Usage,
                _ if refused => Self::Refused,
                _ => Self::Unreachable,
            });
        }
        if cause.is::<InvalidEndpoint>() || cause.is::<PeersFault>() {
            return Some(Self::Usage);
        }
        let configuration = cause.is::<NodeError>()
            || cause.is::<ConfigError>()
            || cause.is::<PeersError>()
            || cause.is::<IdentityError>()
            || cause.is::<StoreError>()
            || cause.is::<EmptyPassphrase>()
            || cause.is::<std::io::Error>();
        configuration.then_some(Self::Configuration)
    }
}

/// An error for programs.
#[derive(Serialize)]
struct Report<'a> {
    code: &'a str,
    message: &'a str,
}

/// Prints an error and gives the exit code of its kind.
pub(crate) fn fail(error: &anyhow::Error, json: bool) -> ExitCode {
    let kind = Kind::of(error);
    let line = if json { json_line(error, kind) } else { format!("error: {}", with_causes(error)) };
    // Nobody is left to tell when standard error is closed.
    writeln!(std::io::stderr(), "{line}").ok();
    ExitCode::from(kind as u8)
}

/// Prints why the arguments can't be read, or the help that was asked for.
pub(crate) fn arguments(error: &clap::Error, json: bool) -> ExitCode {
    // Help and version are "errors" that go to standard output. A closed pipe is not worth a message.
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        let report = Report { code: Kind::Usage.name(), message };
        writeln!(std::io::stderr(), "{}", serde_json::to_string(&report).unwrap_or(text.clone())).ok();
    } else {
        error.print().ok();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Kind::Usage as u8))
}

fn json_line(error: &anyhow::Error, kind: Kind) -> String {
    let message = with_causes(error);
    let said: Option<&ErrorBody> = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>()?.api());
    let line = match said {
        Some(body) => serde_json::to_string(body),
        None => serde_json::to_string(&Report { code: kind.name(), message: &message }),
    };
    line.unwrap_or(message)
}

/// An error with its causes. One that is part of what was said already is not repeated: many errors name their cause
/// themselves, since they are logged without the chain.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use anyhow::Context;
    use quorate_node::config::PassphraseSource;
    use quorate_node::peers::Peers;
    use quorate_request::ErrorCode;

    #[test]
    fn no_cause_is_told_twice() {
        let missing = std::path::Path::new("/missing/peers.yaml");
        let error = anyhow::Error::new(Peers::load(missing).unwrap_err());
        let text = with_causes(&error);
        assert_eq!(text.matches("No such file").count(), 1, "{text}");
        assert!(text.contains("/missing/peers.yaml"), "{text}");

        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let error = anyhow::Error::new(PassphraseSource::File(empty).read().unwrap_err());
        let text = with_causes(&error);
        assert_eq!(text.matches("is empty").count(), 1, "{text}");

        let plain = Err::<(), _>(std::io::Error::other("inner")).context("outer").unwrap_err();
        assert_eq!(with_causes(&plain), "outer: inner");
    }

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        let api = |code: ErrorCode| ClientError::Api {
            status: code.status(),
            error: Box::new(ErrorBody::new(code, "said")),
        };
        for (error, kind) in [
            (anyhow::anyhow!("something"), Kind::Failed),
            (Failure::Usage("x".into()).into(), Kind::Usage),
            (ClientError::InvalidRequest("x".into()).into(), Kind::Usage),
            (InvalidEndpoint::None.into(), Kind::Usage),
            (PeersFault::Count(0).into(), Kind::Usage),
            (Failure::Setting("x".into()).into(), Kind::Configuration),
            (ConfigError::NoPassphrase.into(), Kind::Configuration),
            (anyhow::Error::from(std::io::Error::other("x")).context("file"), Kind::Configuration),
            (api(ErrorCode::UnknownWallet).into(), Kind::Refused),
            (api(ErrorCode::NotEnoughSigners).into(), Kind::Unreachable),
            (Failure::NotVerified("x".into()).into(), Kind::NotVerified),
        ] {
            assert_eq!(Kind::of(&error), kind, "{error}");
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", kind as u8)));
        }
        let line = json_line(&api(ErrorCode::UnknownWallet).into(), Kind::Refused);
        assert_eq!(line, r#"{"code":"unknown_wallet","message":"said"}"#);
        let line = json_line(&Failure::Usage("x".into()).into(), Kind::Usage);
        assert_eq!(line, r#"{"code":"usage","message":"x"}"#);
    }
}
