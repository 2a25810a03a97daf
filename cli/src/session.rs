//! `session show` and `watch`: what became of requests, such as those that nobody waited for.

use std::time::Duration;

use clap::Subcommand;
use quorate_client::{Client, ClientError, SessionEvents};
use quorate_request::{ErrorCode, RequestId, RequestStatus, SessionResult, SessionView, Taken};

use crate::cluster::{self, Target};
use crate::progress::Progress;
use crate::{auxiliary, following, output, presign, reshare, sign, wallet};

/// How often a stream is opened again without having brought news.
const MAX_CUTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

const NOT_VERIFIED: &str = "\
What a session shows is what the node says, and is not verified: it does not hold what was asked for.
The command that made the request, with --session-id and the same id instead of --no-wait, gives the
same result verified, writes a signed transaction to --out, and signs nothing twice.";

const THE_COMMAND: &str = "the command that made the request";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What became of a request, as the asked nodes know.
    Show(Arguments),
    /// Follow a request until it has ended, and end as the command that made it would have.
    Watch(Arguments),
}

#[derive(Debug, clap::Args)]
#[command(after_help = NOT_VERIFIED)]
pub(crate) struct Arguments {
    /// The request's id.
    #[arg(value_name = "ID")]
    session: RequestId,
    /// Print JSON, in a line for each state.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Show(arguments) => show(&arguments).await,
        Command::Watch(arguments) => watch(&arguments).await,
    }
}

/// Says under which id a request was taken that nobody waits for, and what its repeat gives.
pub(crate) fn taken(json: bool, session_id: RequestId, gives: &str) -> anyhow::Result<()> {
    let taken = Taken { session_id, status: RequestStatus::Running };
    output::print(json, &taken, || {
        let id = &taken.session_id;
        format!(
            "session     {id}\nstatus      running: `quorate session watch {id}` follows it\n\
             result      the same command with --session-id {id} instead of --no-wait gives {gives}"
        )
    })
}

/// Asks one node after the other until one knows the session: only the one that took the request knows it while it is
/// worked on.
async fn ask<T>(
    clients: &[Client],
    question: impl AsyncFn(&Client) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut unknown = None;
    for client in clients {
        match question(client).await {
            Err(error) if error.api().is_some_and(|body| body.code == ErrorCode::UnknownSession) => {
                unknown = Some(error);
            }
            answer => return answer,
        }
    }
    Err(unknown.unwrap_or_else(|| ClientError::InvalidRequest("there is no address to ask".into())))
}

async fn show(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { session, json, target } = arguments;
    let clients = target.clients()?;
    let progress = Progress::of(*json, "reading the session");
    let view = ask(&clients, async |client| client.session(session).await).await;
    drop(progress);
    let view = view.map_err(|error| target.explained(error))?;
    output::print(*json, &view, || {
        let mut lines = vec![
            format!("session     {}", view.session_id),
            format!("operation   {}", view.operation),
            format!("status      {}", status(view.status)),
        ];
        match &view.result {
            Some(result) => lines.push(result_lines(&view, result)),
            None => {
                lines.extend(
                    view.progress.map(|progress| format!("progress    {}", following::words(&progress))),
                );
                lines.extend(view.wallet_id.as_ref().map(|wallet| format!("wallet      {wallet}")));
                if view.attempt > 0 {
                    lines.push(format!("attempt     {} ({})", view.attempt, view.committee.join(", ")));
                }
                for (title, names) in [("absent", &view.absent), ("culprits", &view.culprits)] {
                    if !names.is_empty() {
                        lines.push(format!("{title:<12}{}", names.join(", ")));
                    }
                }
            }
        }
        lines.extend(
            view.error.as_ref().map(|error| format!("error       {} ({})", error.message, error.code)),
        );
        lines.join("\n")
    })
}

async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { session, json, target } = arguments;
    let clients = target.clients()?;
    let open = async || ask(&clients, async |client| client.watch(session).await).await;
    let mut events = open().await.map_err(|error| target.explained(error))?;
    let mut told = None;
    let mut cuts = 0;
    loop {
        match events.next().await {
            Ok(Some(view)) if told.as_ref() == Some(&view) => {}
            Ok(Some(view)) => {
                output::print(*json, &view, || change(&view))?;
                cuts = 0;
                told = Some(view);
            }
            Ok(None) => return ended(target, told),
            Err(cut) => {
                tracing::info!(reason = %cut, "the node tells no more: asking again");
                events = again(&open, &mut cuts, cut).await.map_err(|error| target.explained(error))?;
            }
        }
    }
}

/// Opens a stream that was cut. A node that can't be reached now may be back soon; one that does not know the session any
/// more has forgotten it.
async fn again(
    open: &impl AsyncFn() -> Result<SessionEvents, ClientError>,
    cuts: &mut u32,
    mut cut: ClientError,
) -> Result<SessionEvents, ClientError> {
    while *cuts < MAX_CUTS {
        tokio::time::sleep(FIRST_PAUSE.saturating_mul(1 << *cuts).min(LONGEST_PAUSE)).await;
        *cuts += 1;
        match open().await {
            Err(ClientError::Api { status, error }) if status.is_client_error() => {
                return Err(ClientError::Api { status, error });
            }
            Err(error) => cut = error,
            events => return events,
        }
    }
    Err(cut)
}

/// How a command ends that followed a session to its end: as the one that made the request would have.
fn ended(target: &Target, last: Option<SessionView>) -> anyhow::Result<()> {
    let Some(view) = last else { anyhow::bail!("the node told nothing of the session") };
    match (view.status, view.error) {
        (RequestStatus::Completed, _) => Ok(()),
        (_, Some(mut error)) => {
            error.session_id.get_or_insert_with(|| view.session_id.clone());
            let error = ClientError::Api { status: error.code.status(), error: Box::new(error) };
            Err(cluster::repeatable(target.explained(error), THE_COMMAND, &view.session_id))
        }
        (_, None) => anyhow::bail!("session {} has ended without a result", view.session_id),
    }
}

/// A state of a session on one line, or its result on several.
fn change(view: &SessionView) -> String {
    let mut line = status(view.status).to_owned();
    if let Some(result) = &view.result {
        return format!("{line}\n{}", result_lines(view, result));
    }
    if view.attempt > 0 {
        line = format!("{line:<12}attempt {} ({})", view.attempt, view.committee.join(", "));
    }
    if let Some(progress) = &view.progress {
        line.push_str(&format!(", {}", following::words(progress)));
    }
    for (title, names) in [("absent", &view.absent), ("culprits", &view.culprits)] {
        if !names.is_empty() {
            line.push_str(&format!(", {title}: {}", names.join(", ")));
        }
    }
    line
}

fn result_lines(view: &SessionView, result: &SessionResult) -> String {
    match result {
        SessionResult::Keygen(made) => wallet::people(made),
        SessionResult::Sign(signed) => format!(
            "wallet      {}\n{}\nverified    no: the command that asked for it verifies it, with --session-id {}",
            signed.wallet_id,
            sign::people(signed),
            view.session_id
        ),
        SessionResult::Presign(made) => presign::people(made),
        SessionResult::Auxiliary(made) => auxiliary::people(made),
        SessionResult::Reshare(made) => reshare::people(made),
        // A newer node's.
        _ => "result      of a kind that this version does not know: --json shows it".into(),
    }
}

const fn status(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Running => "running",
        RequestStatus::Completed => "completed",
        RequestStatus::Failed => "failed",
        // A newer node's.
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use quorate_request::{Phase, Progress};

    fn view(json: serde_json::Value) -> SessionView {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_state_is_one_line() {
        let mut running = view(serde_json::json!({
            "session_id": "s1", "operation": "sign", "status": "running", "attempt": 0
        }));
        assert_eq!(change(&running), "running");
        running.attempt = 2;
        running.committee = vec!["node1".into(), "node3".into()];
        running.absent = vec!["node2".into()];
        assert_eq!(change(&running), "running     attempt 2 (node1, node3), absent: node2");
        running.progress = Some(Progress { phase: Phase::Presigning, done: 32, total: 100 });
        assert_eq!(
            change(&running),
            "running     attempt 2 (node1, node3), presignatures 32 of 100, absent: node2"
        );
    }
}
