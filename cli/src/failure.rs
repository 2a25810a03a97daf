//! How errors are printed, and which exit code each kind of them has.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use quorate_client::{AuthoritiesError, ClientError, SetupError};
use quorate_identity::key_file::IdentityError;
use quorate_identity::peers::{PeersError, PeersFault};
use quorate_node::NodeError;
use quorate_node::config::ConfigError;
use quorate_node::store::{EmptyPassphrase, StoreError};
use quorate_request::{ErrorBody, ErrorCode};
use serde::Serialize;

use crate::output::{self, Weight};

/// What `--help` says of the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, for a reason that is none of these
  2    wrong arguments
  3    a file, a setting or a passphrase is missing or wrong
  4    the cluster refused the request
  5    the cluster could not serve it: unreachable, too few nodes, time-out; approvals are missing
  6    a verification failed
  130  interrupted

With --json an error is one line of JSON, the last one on standard error:
  {\"code\": \"unknown_wallet\", \"message\": \"…\"}
The code is the cluster's, or else: failed, usage, configuration, refused, unreachable,
unapproved, not_verified, interrupted. What to do about it, if that is known, is in \"tip\".";

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
    /// Something that is not signed until more have approved it.
    Unapproved(String),
    /// Whoever was asked said no.
    Declined,
    /// A signal came before it was done.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Setting(text) | Self::NotVerified(text) | Self::Unapproved(text) => {
                f.write_str(text)
            }
            Self::Refused { code, text } => write!(f, "{text} ({code})"),
            Self::Declined => f.write_str("not signed"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Error for Failure {}

/// What to do about an error: attached to it as context, and told on a line of its own.
#[derive(Debug)]
pub(crate) struct Tip(pub(crate) String);

impl fmt::Display for Tip {
    /// Nothing: it is no part of what went wrong.
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// The exit codes other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed = 1,
    Usage = 2,
    Configuration = 3,
    Refused = 4,
    Unreachable = 5,
    NotVerified = 6,
    /// Ends like what can't be served now: later it may be.
    Unapproved,
    /// 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
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
            Self::Unapproved => "unapproved",
            Self::NotVerified => "not_verified",
            Self::Interrupted => "interrupted",
        }
    }

    const fn exit_code(self) -> u8 {
        match self {
            Self::Unapproved => Self::Unreachable as u8,
            other => other as u8,
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
                Failure::Unapproved(_) => Self::Unapproved,
                Failure::Declined => Self::Failed,
                Failure::Interrupted => Self::Interrupted,
            });
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            let unapproved = error.api().is_some_and(|body| body.code == ErrorCode::ApprovalsMissing);
            let refused = error.api().is_some_and(|body| body.code.status().is_client_error());
            return Some(match error {
                ClientError::InvalidRequest(_) => Self::Usage,
                ClientError::Signer(_) => Self::Configuration,
                ClientError::Unverified(_) | ClientError::InvalidWallet { .. } => Self::NotVerified,
                _ if unapproved => Self::Unapproved,
                _ if refused => Self::Refused,
                _ => Self::Unreachable,
            });
        }
        if matches!(cause.downcast_ref(), Some(SetupError::Endpoint(_))) || cause.is::<PeersFault>() {
            return Some(Self::Usage);
        }
        let configuration = cause.is::<NodeError>()
            || cause.is::<ConfigError>()
            || cause.is::<PeersError>()
            || cause.is::<SetupError>()
            || cause.is::<AuthoritiesError>()
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
    #[serde(skip_serializing_if = "Option::is_none")]
    tip: Option<&'a str>,
}

/// The same of an error that the cluster describes.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    body: &'a ErrorBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    tip: Option<&'a str>,
}

/// Prints an error and gives the exit code of its kind.
pub(crate) fn fail(error: &anyhow::Error, json: bool) -> ExitCode {
    let kind = Kind::of(error);
    let text = if json { json_line(error, kind) } else { lines(error, output::colours()) };
    // Nobody is left to tell when standard error is closed.
    writeln!(std::io::stderr(), "{text}").ok();
    ExitCode::from(kind.exit_code())
}

/// An error for people.
fn lines(error: &anyhow::Error, coloured: bool) -> String {
    let mut said_of_it = with_causes(error);
    let culprits = said(error).map_or(&[][..], |body| &body.culprits);
    if !culprits.is_empty() {
        said_of_it.push_str(&format!("\nproven to have cheated: {}", culprits.join(", ")));
    }
    let text = format!("{} {}", Weight::Error.word(coloured), output::printable(&said_of_it));
    match error.downcast_ref() {
        // As the parser of arguments has it.
        Some(Tip(tip)) => format!("{text}\n\n  {} {}", Weight::Tip.word(coloured), output::printable(tip)),
        None => text,
    }
}

/// What the cluster said, if it is the cluster that refused.
fn said(error: &anyhow::Error) -> Option<&ErrorBody> {
    error.chain().find_map(|cause| cause.downcast_ref::<ClientError>()?.api())
}

/// Prints why the arguments can't be read, or the help that was asked for.
pub(crate) fn arguments(error: &clap::Error, json: bool) -> ExitCode {
    // Help and version are "errors" that go to standard output.
    if !error.use_stderr() {
        return match error.print() {
            // The reader has seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                fail(&anyhow::anyhow!("standard output: {error}"), json)
            }
            _ => ExitCode::SUCCESS,
        };
    }
    if json {
        let text = error.render().to_string();
        let (message, tip) = usage(&text);
        let report = Report { code: Kind::Usage.name(), message: &message, tip: tip.as_deref() };
        writeln!(std::io::stderr(), "{}", serde_json::to_string(&report).unwrap_or(message.clone())).ok();
    } else {
        error.print().ok();
    }
    ExitCode::from(Kind::Usage as u8)
}

/// What is wrong with the arguments, on one line, and the parser's advice. How they are used is left to --help.
fn usage(text: &str) -> (String, Option<String>) {
    let one_line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.trim().split("\n\n");
    let message = one_line(parts.next().unwrap_or_default().trim_start_matches("error: "));
    let tip = parts.find_map(|part| part.trim().strip_prefix("tip: "));
    (message, tip.map(one_line))
}

fn json_line(error: &anyhow::Error, kind: Kind) -> String {
    let message = with_causes(error);
    let tip = error.downcast_ref().map(|Tip(tip)| tip.as_str());
    let line = match said(error) {
        Some(body) => serde_json::to_string(&Said { body, tip }),
        None => serde_json::to_string(&Report { code: kind.name(), message: &message, tip }),
    };
    line.unwrap_or(message)
}

/// An error with its causes. One that is part of what was said already is not repeated: many errors name their cause
/// themselves, since they are logged without the chain.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    plain(&text)
}

/// What libraries say of files and connections, without the names of their types and the numbers of the kernel.
pub(crate) fn plain(text: &str) -> String {
    let mut text = without_numbers(text);
    for (theirs, ours) in [
        ("client error (Connect): tcp connect error: ", ""),
        ("client error (Connect): dns error: ", ""),
        ("client error (Connect): ", ""),
        ("client error (SendRequest): ", ""),
        ("stream did not contain valid UTF-8", "it is not text"),
        ("EOF while parsing a value at line 1 column 0", "it is empty"),
        ("EOF while parsing", "it ends early, inside"),
    ] {
        text = text.replace(theirs, ours);
    }
    // "invalid type: sequence, expected struct RawPeers": a mapping was due.
    let Some((before, rest)) = text.split_once("invalid type: ") else { return text };
    let Some((found, expected)) = rest.split_once(", expected ") else { return text };
    let found = match found {
        "sequence" => "a list",
        "map" => "fields with names",
        "unit value" | "null" => "nothing",
        other => other,
    };
    let named = expected
        .strip_prefix("struct ")
        .map(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_'));
    match named {
        Some(after) => format!("{before}expected fields with names, found {found}{after}"),
        None => format!("{before}expected {expected}, found {found}"),
    }
}

/// Without the numbers of the operating system's errors, whose names stand before them.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => plain.push_str(rest),
            _ => {
                plain.push_str(" (os error ");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use anyhow::Context;
    use quorate_client::InvalidEndpoint;
    use quorate_identity::peers::Peers;
    use quorate_node::config::PassphraseSource;

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
            (SetupError::from(InvalidEndpoint::None).into(), Kind::Usage),
            (PeersFault::Count(0).into(), Kind::Usage),
            (Failure::Setting("x".into()).into(), Kind::Configuration),
            (ConfigError::NoPassphrase.into(), Kind::Configuration),
            (anyhow::Error::from(std::io::Error::other("x")).context("file"), Kind::Configuration),
            (api(ErrorCode::UnknownWallet).into(), Kind::Refused),
            (api(ErrorCode::NotEnoughSigners).into(), Kind::Unreachable),
            (api(ErrorCode::ApprovalsMissing).into(), Kind::Unapproved),
            (Failure::NotVerified("x".into()).into(), Kind::NotVerified),
            (Failure::Interrupted.into(), Kind::Interrupted),
            // What to do about it does not change what it is.
            (anyhow::Error::from(Failure::Setting("x".into())).context(Tip("y".into())), Kind::Configuration),
        ] {
            assert_eq!(Kind::of(&error), kind, "{error}");
            assert!(EXIT_CODES.contains(&format!("\n  {:<3}  ", kind.exit_code())));
            assert!(kind == Kind::Failed || EXIT_CODES.contains(kind.name()), "{}", kind.name());
        }
        let line = json_line(&api(ErrorCode::UnknownWallet).into(), Kind::Refused);
        assert_eq!(line, r#"{"code":"unknown_wallet","message":"said"}"#);
        let line = json_line(&Failure::Usage("x".into()).into(), Kind::Usage);
        assert_eq!(line, r#"{"code":"usage","message":"x"}"#);
    }

    #[test]
    fn what_to_do_is_told_on_a_line_of_its_own() {
        let error = anyhow::Error::from(Failure::Setting("no file".into())).context(Tip("make one".into()));
        assert_eq!(lines(&error, false), "error: no file\n\n  tip: make one");
        assert_eq!(lines(&error, true), "\x1b[1;31merror:\x1b[0m no file\n\n  \x1b[32mtip:\x1b[0m make one");
        let line = json_line(&error, Kind::Configuration);
        assert_eq!(line, r#"{"code":"configuration","message":"no file","tip":"make one"}"#);
    }

    #[test]
    fn who_cheated_is_told_and_nothing_that_is_told_steers_a_terminal() {
        let mut body = ErrorBody::new(ErrorCode::Aborted, "aborted\x1b[2K");
        body.culprits = vec!["node3".into()];
        let error = ClientError::Api { status: body.code.status(), error: Box::new(body) }.into();
        for coloured in [false, true] {
            let text = lines(&error, coloured);
            assert!(text.ends_with("(aborted)\nproven to have cheated: node3"), "{text}");
            assert!(!text.contains("\x1b[2K") && text.contains("\\u{1b}[2K"), "{text:?}");
        }
    }

    #[test]
    fn no_type_of_ours_and_no_number_of_the_kernel_is_told() {
        for (theirs, ours) in [
            ("peers.yaml: No such file or directory (os error 2)", "peers.yaml: No such file or directory"),
            ("(os error x) stays", "(os error x) stays"),
            ("a (os error 2) and b (os error 13)", "a and b"),
            (
                "peers file f: invalid type: string \"hello\", expected struct RawPeers",
                "peers file f: expected fields with names, found string \"hello\"",
            ),
            (
                "f: invalid type: sequence, expected struct RawPeers at line 1 column 2",
                "f: expected fields with names, found a list at line 1 column 2",
            ),
            ("invalid type: map, expected a string", "expected a string, found fields with names"),
            ("peers file f: stream did not contain valid UTF-8", "peers file f: it is not text"),
            (
                "http://h:1/: client error (Connect): tcp connect error: Connection refused (os error 111)",
                "http://h:1/: Connection refused",
            ),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }

    #[test]
    fn wrong_arguments_are_one_line_for_programs() {
        let text = "error: unexpected argument '--walet' found\n\n  tip: a similar argument exists: '--wallet'\n\n\
                    Usage: quorate sign\n\nFor more information, try '--help'.\n";
        let (message, tip) = usage(text);
        assert_eq!(message, "unexpected argument '--walet' found");
        assert_eq!(tip.as_deref(), Some("a similar argument exists: '--wallet'"));
        let text =
            "error: the following required arguments were not provided:\n  --a <A>\n  --b <B>\n\nUsage: x";
        assert_eq!(usage(text).0, "the following required arguments were not provided: --a <A> --b <B>");
        assert_eq!(usage(text).1, None);
    }
}
