//! `initiator`: keys that may ask, which there are, and how authorizers change that.

use clap::Subcommand;
use quorate_identity::key_file::IdentityKind;
use quorate_keys::Principal;
use quorate_request::{
    InitiatorChange, InitiatorStatus, InitiatorView, InitiatorsRequest, InitiatorsResponse, RequestId,
};
use rand_core::OsRng;

use crate::authorizer::Target;
use crate::cluster;
use crate::identity::{self, GenerateKey, Show};
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key that may request, once nodes are told of it.
    Generate(GenerateKey),
    /// Show the public key in a file.
    Show(Show),
    /// The keys that may request, or might once, as a node has them.
    #[command(override_usage = "quorate initiator list --api URL --peers FILE --authorizer FILE [OPTIONS]")]
    List(List),
    /// Let a key ask for whatever an initiator of the policy may.
    #[command(
        override_usage = "quorate initiator admit NAME KEY --api URL --peers FILE --authorizer FILE [OPTIONS]"
    )]
    Admit(Admit),
    /// Let a key ask for nothing any more, for good.
    #[command(
        override_usage = "quorate initiator revoke KEY --api URL --peers FILE --authorizer FILE [OPTIONS]"
    )]
    Revoke(Revoke),
}

const EXAMPLES: &str = "\
Examples, with QUORATE_API, QUORATE_PEERS and QUORATE_AUTHORIZER set; a key is rotated by both:
  quorate initiator admit backend 0x8f… --session-id rotate-17
  quorate authorizer approve rotate-17            # each of the others whom the policy asks for
  quorate initiator admit backend 0x8f… --session-id rotate-17
  quorate initiator revoke 0x3c… --session-id revoke-17

Who asks approves it. Once enough have, the same command makes the change, on every node that can be
reached; the others hear of it as soon as they can be. Nothing unmakes it.";

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Admit {
    /// The initiator, by its name in the policy.
    #[arg(value_name = "NAME")]
    name: String,
    /// The public key, as `quorate initiator show` prints it.
    #[arg(value_name = "KEY")]
    key: Principal,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Revoke {
    /// The public key, as `quorate initiator list` prints it.
    #[arg(value_name = "KEY")]
    key: Principal,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
struct Asking {
    /// Request id: what others approve, and what is repeated when they have.
    #[arg(long, value_name = "ID")]
    session_id: Option<RequestId>,
    /// Ask for it without asking.
    #[arg(short, long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(arguments) => identity::generate_key(&arguments, IdentityKind::Initiator),
        Command::Show(arguments) => identity::show(&arguments, IdentityKind::Initiator),
        Command::List(arguments) => list(&arguments).await,
        Command::Admit(Admit { name, key, asking }) => {
            let shown = format!("key {key} may ask for whatever initiator {name} may, beside its other keys");
            change(InitiatorsRequest::admit(name, key), &shown, "Admit this key?", asking).await
        }
        Command::Revoke(Revoke { key, asking }) => {
            let shown = format!("key {key} may ask for nothing any more, for good");
            change(InitiatorsRequest::revoke(key), &shown, "Revoke this key?", asking).await
        }
    }
}

async fn list(arguments: &List) -> anyhow::Result<()> {
    let signing = arguments.target.signing()?;
    let progress = Progress::of(arguments.json, "reading initiators");
    let initiators = signing.client.initiators().await;
    drop(progress);
    let initiators = initiators?;
    output::print(arguments.json, &initiators, || {
        if initiators.is_empty() {
            return "there are no initiators".to_owned();
        }
        let rows: Vec<_> = initiators.iter().map(row).collect();
        output::table(&["initiator", "key", "status", "by", "may ask for", "wallets", "chains"], &rows)
    })
}

fn row(view: &InitiatorView) -> Vec<String> {
    let status = match view.status {
        InitiatorStatus::Active => "active",
        InitiatorStatus::Retired => "retired",
        InitiatorStatus::Revoked => "revoked",
        _ => "unknown",
    };
    let by = if view.admitted { "a change" } else { "the nodes' files" };
    let all = |list: Option<&Vec<String>>| list.map_or_else(|| "all".to_owned(), |list| list.join(", "));
    vec![
        view.name.clone(),
        view.key.to_string(),
        status.to_owned(),
        by.to_owned(),
        view.operations.join(", "),
        all(view.wallets.as_ref()),
        all(view.chains.as_ref()),
    ]
}

async fn change(
    request: InitiatorsRequest,
    shown: &str,
    question: &str,
    asking: Asking,
) -> anyhow::Result<()> {
    let Asking { session_id, yes, json, target } = asking;
    let signing = target.signing()?;
    let none = "this needs a yes, and there is no terminal to ask on: look at it, then give --yes";
    output::confirm(shown, question, none, yes, json)?;
    let id = session_id.unwrap_or_else(|| RequestId::generate(&mut OsRng));
    let progress = Progress::of(json, "telling the nodes");
    let made =
        signing.client.change_initiators(InitiatorsRequest { session_id: Some(id.clone()), ..request });
    let made = made.await;
    drop(progress);
    let made = made.map_err(|error| cluster::repeatable(error.into(), "the same command", &id))?;
    output::print(json, &made, || people(&made))
}

fn people(made: &InitiatorsResponse) -> String {
    let whose = made.initiator.as_deref().map_or_else(String::new, |name| format!(" of {name}"));
    let done = match made.change {
        InitiatorChange::Admit => "was admitted",
        _ => "was revoked",
    };
    let mut text = format!(
        "key {}{whose} {done}\napproved by  {}\nkept by      {}",
        made.key,
        made.approved_by.join(", "),
        made.known_by.join(", ")
    );
    if !made.not_yet_known_by.is_empty() {
        text.push_str(&format!(
            "\nnot yet by   {}: the same command tells when they do",
            made.not_yet_known_by.join(", ")
        ));
    }
    text
}
