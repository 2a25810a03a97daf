//! `audit show|verify|export|heads`: the audit log of a node, read from its files.

mod heads;

use std::collections::VecDeque;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Subcommand, ValueEnum};
use quorate_audit::{
    AuditError, Csv, Entries, Entry, Expect, Field, Filter, Line, Report, Scope, Timestamp, Value,
    verify_files, verify_folder,
};
use quorate_identity::peers::Peers;
use quorate_keys::Identity;
use serde::Serialize;

use crate::arguments::number;
use crate::failure::{Failure, Tip};
use crate::output;
use heads::Heads;

/// Where a log is in a node's data folder.
const FOLDER: &str = "audit";
/// The most entries that --last keeps in memory.
const MAX_LAST: usize = 100_000;

const SHOW_EXAMPLES: &str = "\
DIR is the folder `audit` in a node's data folder; the node may run. Nothing is verified here.

Examples:
  quorate audit show /var/lib/quorate/audit --last 20
  quorate audit show /var/lib/quorate/audit --wallet treasury --since 2026-01-31
  quorate audit show /var/lib/quorate/audit --event failed,convicted --json";

const VERIFY_EXAMPLES: &str = "\
Anybody can write a sound log of their own: --peers and --node say whose log it must be, and whose
countersignatures count. A log that was cut, or replaced by an older copy, shows only by heads that
others have kept: --heads names files with one signed head in JSON on each line, which
`quorate audit heads` prints.

Examples:
  quorate audit verify /var/lib/quorate/audit --peers peers.yaml --node node1
  quorate audit verify /var/lib/quorate/audit --peers peers.yaml --node node1 --heads kept.jsonl
  quorate audit verify exported.jsonl --peers peers.yaml --node node1";

const EXPORT_EXAMPLES: &str = "\
The whole log as jsonl verifies as a log: `quorate audit verify FILE`. A part of it does not, and
neither does csv, which is for spreadsheets.

Examples:
  quorate audit export /var/lib/quorate/audit --out audit.jsonl
  quorate audit export /var/lib/quorate/audit --out - | gzip > audit.jsonl.gz
  quorate audit export /var/lib/quorate/audit --out january.csv --format csv \\
      --columns wallet,initiator,rule --since 2026-01-01 --until 2026-02-01";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show entries.
    Show(Show),
    /// Verify a log, from its files alone.
    Verify(Verify),
    /// Write entries to a file.
    Export(Export),
    /// Print the heads of another node's log that this one has kept.
    Heads(Heads),
}

#[derive(Debug, clap::Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// The log's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON: each entry on a line, exactly as it is in the log.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Debug, clap::Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// The log's folder, or a file to which the whole log was exported.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// The peers file of the cluster that the log must be about.
    #[arg(long, value_name = "FILE", requires = "node")]
    peers: Option<PathBuf>,
    /// The node whose log it must be.
    #[arg(long, value_name = "NAME", requires = "peers")]
    node: Option<String>,
    /// Signed heads of this log that others have kept; may be repeated.
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct Export {
    /// The log's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where to write it, for its owner alone; never over a file that exists. - writes standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How they are written.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Fields that get a column of their own in csv; all others are JSON in one column.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    columns: Vec<String>,
    /// Print JSON; with --out - nothing but the entries is printed.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The lines of the log.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which entries")]
struct Filters {
    /// Only of these events.
    #[arg(long = "event", value_delimiter = ',', value_name = "NAME,…")]
    events: Vec<String>,
    /// Only of this session or request.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only about this wallet.
    #[arg(long, value_name = "NAME")]
    wallet: Option<String>,
    /// Only with this value of a field, or with a list in it that holds the value; may be repeated.
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = field)]
    fields: Vec<(String, String)>,
    /// Only from this moment on: 2026-01-31T23:59:59Z, or a day in UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only after the entry of this number.
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    after: u64,
    /// Not more than so many, the first ones.
    #[arg(long, value_name = "N", conflicts_with = "last")]
    limit: Option<u64>,
    /// Not more than so many, the last ones.
    #[arg(long, value_name = "N", value_parser = number(1..=MAX_LAST))]
    last: Option<usize>,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as initiator=backend")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A moment in UTC, of which the end may be left out.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || "expected a moment in UTC, such as 2026-01-31T23:59:59Z, or a day, such as 2026-01-31";
    let whole = match (text.len(), text.strip_suffix('Z')) {
        (10, None) => format!("{text}T00:00:00.000Z"),
        (17, Some(minute)) => format!("{minute}:00.000Z"),
        (20, Some(second)) => format!("{second}.000Z"),
        _ => text.to_owned(),
    };
    Timestamp::from_str(&whole).map_err(|_| wrong().to_owned())
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Show(arguments) => show(arguments),
        Command::Verify(arguments) => verify(arguments),
        Command::Export(arguments) => export(arguments),
        Command::Heads(arguments) => heads::print(arguments),
    }
}

/// An error in reading a log.
fn unread(error: &AuditError) -> anyhow::Error {
    Failure::Setting(error.to_string()).into()
}

/// Refuses what is not the folder of a log, but where somebody may look for one.
fn check_folder(folder: &Path) -> anyhow::Result<()> {
    let failed = |error: io::Error| Failure::Setting(format!("{}: {error}", folder.display()));
    let is_segment = |name: &Path| name.extension().is_some_and(|ending| ending == "jsonl");
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        if is_segment(&entry.map_err(failed)?.path()) {
            return Ok(());
        }
    }
    let inner = folder.join(FOLDER);
    if inner.is_dir() {
        let error = Failure::Setting(format!("{}: there is no audit log in it", folder.display()));
        return Err(anyhow::Error::from(error).context(Tip(format!("name {}", inner.display()))));
    }
    Ok(())
}

impl Filters {
    /// Whether nothing is left out.
    const fn admit_all(&self) -> bool {
        let Self { events, session, wallet, fields, since, until, after, limit, last } = self;
        events.is_empty()
            && session.is_none()
            && wallet.is_none()
            && fields.is_empty()
            && since.is_none()
            && until.is_none()
            && *after == 0
            && limit.is_none()
            && last.is_none()
    }

    /// Begins to read the entries that are wanted.
    fn read(&self, folder: &Path) -> anyhow::Result<Wanted> {
        check_folder(folder)?;
        let mut fields = self.fields.clone();
        fields.extend(self.wallet.iter().map(|wallet| ("wallet".to_owned(), wallet.clone())));
        let filter = Filter {
            events: self.events.clone(),
            fields,
            since: self.since,
            until: self.until,
            after: self.after,
            limit: None,
        };
        Ok(Wanted {
            entries: quorate_audit::read(folder, filter).map_err(|error| unread(&error))?,
            session: self.session.clone(),
            left: self.limit.unwrap_or(u64::MAX),
            last: self.last,
            kept: VecDeque::new(),
            unreadable: 0,
            first_unreadable: None,
        })
    }
}

/// The entries that are wanted, one after the other.
struct Wanted {
    entries: Entries,
    session: Option<String>,
    left: u64,
    /// So many of the end, as long as they were not looked for.
    last: Option<usize>,
    kept: VecDeque<Entry>,
    unreadable: u64,
    first_unreadable: Option<String>,
}

impl Wanted {
    fn next(&mut self) -> anyhow::Result<Option<Entry>> {
        if let Some(last) = self.last.take() {
            while let Some(entry) = self.following()? {
                if self.kept.len() >= last {
                    self.kept.pop_front();
                }
                self.kept.push_back(entry);
            }
            self.left = 0;
        }
        if let Some(entry) = self.kept.pop_front() {
            return Ok(Some(entry));
        }
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.following()
    }

    /// The next entry, wherever it is. Lines that can't be read are counted and passed over.
    fn following(&mut self) -> anyhow::Result<Option<Entry>> {
        loop {
            match self.entries.next() {
                None => return Ok(None),
                Some(Ok(entry)) if self.is_of_session(&entry.line()) => return Ok(Some(entry)),
                Some(Ok(_)) => {}
                Some(Err(AuditError::Damaged { path, line, reason })) => {
                    self.unreadable = self.unreadable.saturating_add(1);
                    self.first_unreadable
                        .get_or_insert_with(|| format!("{} line {line}: {reason}", path.display()));
                }
                Some(Err(error)) => return Err(unread(&error)),
            }
        }
    }

    fn is_of_session(&self, line: &Line<'_>) -> bool {
        self.session.as_ref().is_none_or(|id| {
            ["session", "request"].iter().any(|name| line.field(name).is_some_and(|field| field.is(id)))
        })
    }

    /// Ends it: an error if there were lines that can't be read.
    fn end(self, folder: &Path) -> anyhow::Result<()> {
        let Some(first) = self.first_unreadable else { return Ok(()) };
        let text = match self.unreadable {
            1 => format!("a line was left out, for it can't be read: {first}"),
            count => format!("{count} lines were left out, for they can't be read, the first one: {first}"),
        };
        let tip = Tip(format!("`quorate audit verify {}` says all that is wrong", folder.display()));
        Err(anyhow::Error::from(Failure::Setting(text)).context(tip))
    }
}

/// Whether the reader of standard output wants more.
fn wants_more(written: io::Result<()>) -> anyhow::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        // Not a file that somebody named: no exit code of its own.
        Err(error) => Err(anyhow::anyhow!("standard output: {error}")),
    }
}

fn show(arguments: &Show) -> anyhow::Result<()> {
    let Show { folder, json, filters } = arguments;
    let mut wanted = filters.read(folder)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut is_first = true;
    // Not a table of its cells' widths: a log may be larger than the memory.
    while let Some(entry) = wanted.next()? {
        let written = if *json {
            writeln!(out, "{}", entry.as_str())
        } else {
            let header = if is_first { row("SEQ", "TIME", "EVENT", "FIELDS") + "\n" } else { String::new() };
            writeln!(out, "{header}{}", output::printable(&people(&entry.line())))
        };
        is_first = false;
        if !wants_more(written)? {
            return Ok(());
        }
    }
    let written = if is_first && !json { writeln!(out, "no entries") } else { Ok(()) };
    wants_more(written.and_then(|()| out.flush()))?;
    wanted.end(folder)
}

fn row(seq: &str, time: &str, event: &str, fields: &str) -> String {
    format!("{seq:<7}  {time:<24}  {event:<10}  {fields}").trim_end().to_owned()
}

/// An entry on one line.
fn people(line: &Line<'_>) -> String {
    let fields: Vec<String> =
        line.fields().map(|field| format!("{}={}", field.name, field_value(&field))).collect();
    row(&line.seq().to_string(), &line.time().to_string(), line.event(), &fields.join(" "))
}

/// A field's value, as JSON if anything could be mistaken in it.
fn field_value(field: &Field<'_>) -> String {
    let is_plain = |text: &str| {
        let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || "\"[],".contains(letter);
        !text.is_empty() && !text.contains(is_odd)
    };
    match field.value() {
        Value::Text(text) if is_plain(&text) => text.into_owned(),
        Value::List(list) if !list.is_empty() && list.iter().all(|text| is_plain(text)) => list.join(","),
        _ => field.json.to_owned(),
    }
}

/// What is known of the log that is verified.
struct Known {
    expect: Expect,
    peers: Option<Peers>,
}

/// What was found, for programs.
#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    /// Whether it was said whose log it must be.
    owner_expected: bool,
    #[serde(flatten)]
    report: &'a Report,
}

fn verify(arguments: &Verify) -> anyhow::Result<()> {
    let log = &arguments.log;
    let known = known(arguments)?;
    let is_file = log.metadata().map_err(|error| Failure::Setting(format!("{}: {error}", log.display())))?;
    let report = if is_file.is_dir() {
        check_folder(log)?;
        verify_folder(log, &known.expect)
    } else {
        verify_files(std::slice::from_ref(log), &known.expect)
    };
    let report = report.map_err(|error| unread(&error))?;
    let verdict =
        Verdict { valid: report.is_sound(), owner_expected: known.peers.is_some(), report: &report };
    output::print(arguments.json, &verdict, || judged(&report, known.peers.as_ref()))?;
    if report.is_sound() {
        return Ok(());
    }
    let problems = match problems(&report) {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    Err(Failure::NotVerified(format!("{}: the log is not sound: {problems}", log.display())).into())
}

fn known(arguments: &Verify) -> anyhow::Result<Known> {
    let mut expect = Expect::default();
    for file in &arguments.heads {
        heads::read(file, &mut expect.heads)?;
    }
    let (Some(file), Some(name)) = (&arguments.peers, &arguments.node) else {
        return Ok(Known { expect, peers: None });
    };
    let peers = Peers::load(file)?;
    let node = peers.by_name(name);
    let node = node.ok_or_else(|| Failure::Usage(format!("--node: {} lists no {name}", file.display())))?;
    let others = peers.all().iter().map(|peer| peer.identity).filter(|identity| *identity != node.identity);
    expect.owner = Some(node.identity);
    expect.scope = Some(Scope(*peers.cluster().as_bytes()));
    expect.peers = Some(others.collect());
    Ok(Known { expect, peers: Some(peers) })
}

const fn problems(report: &Report) -> u64 {
    (report.problems.len() as u64).saturating_add(report.more_problems)
}

/// What was found, for people.
fn judged(report: &Report, peers: Option<&Peers>) -> String {
    let entries = match (report.first, report.last) {
        (Some(first), Some(last)) => format!("{}, from {first} to {last}", report.entries),
        _ => report.entries.to_string(),
    };
    let owner = |owner: Identity| match peers.and_then(|peers| peers.by_identity(&owner)) {
        Some(peer) => format!("{} ({owner})", peer.name),
        None => owner.to_string(),
    };
    let unknown = || "unknown".to_owned();
    let up_to = |seq: Option<u64>| match (seq, report.last) {
        (None, _) => "none".to_owned(),
        (Some(seq), Some(last)) if seq < last => {
            format!("up to entry {seq}; not yet the {} after it", last.saturating_sub(seq))
        }
        (Some(seq), _) => format!("up to entry {seq}"),
    };
    let mut lines = vec![
        format!("entries        {entries}"),
        format!("owner          {}", report.owner.map_or_else(unknown, owner)),
        format!("cluster        {}", report.scope.map_or_else(unknown, |scope| scope.to_string())),
        format!("checkpoints    {}", report.checkpoints),
        format!("signed         {}", up_to(report.signed)),
        format!("countersigned  {}", up_to(report.countersigned)),
        match problems(report) {
            0 => "problems       none: the log is sound".to_owned(),
            count => format!("problems       {count}"),
        },
    ];
    if peers.is_none() {
        lines.push(
            "note           whose log it must be was not said, and anybody can write a sound log:".into(),
        );
        lines.push("               --peers and --node say it".into());
    }
    if !report.problems.is_empty() {
        lines.push(String::new());
        // A file may have any name.
        lines.extend(report.problems.iter().map(|problem| problem.to_string().replace('\n', "\\n")));
    }
    if report.more_problems > 0 {
        lines.push(format!("and {} more", report.more_problems));
    }
    lines.join("\n")
}

/// What was exported.
#[derive(Debug, Default, Serialize)]
struct Exported<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    entries: u64,
    first: Option<u64>,
    last: Option<u64>,
    /// Whether the file verifies as a log if the log does.
    whole: bool,
}

fn export(arguments: &Export) -> anyhow::Result<()> {
    let Export { folder, out, format, columns, json, filters } = arguments;
    if *format != Format::Csv && !columns.is_empty() {
        return Err(Failure::Usage("--columns are for --format csv".into()).into());
    }
    if out == Path::new("-") {
        let mut wanted = filters.read(folder)?;
        let mut stdout = BufWriter::new(io::stdout().lock());
        let told = match write(&mut stdout, *format, columns, &mut wanted)? {
            Ok(_) => stdout.flush(),
            Err(error) => Err(error),
        };
        return if wants_more(told)? { wanted.end(folder) } else { Ok(()) };
    }
    let refused = |error: io::Error| Failure::Setting(format!("{}: {error}", out.display()));
    if out.symlink_metadata().is_ok() {
        let text = format!("{} is there already: choose another file for --out", out.display());
        return Err(Failure::Setting(text).into());
    }
    let mut wanted = filters.read(folder)?;
    // It appears whole, or not at all, and only its owner may read it.
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let draft = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new("."))).map_err(refused)?;
    let mut buffered = BufWriter::new(draft);
    let written = write(&mut buffered, *format, columns, &mut wanted)?.map_err(refused)?;
    let draft = buffered.into_inner().map_err(|failed| refused(failed.into_error()))?;
    draft.as_file().sync_all().map_err(refused)?;
    draft.persist_noclobber(out).map_err(|failed| refused(failed.error))?;
    let is_whole = *format == Format::Jsonl && filters.admit_all() && wanted.unreadable == 0;
    let exported = Exported { file: Some(out), whole: is_whole, ..written };
    output::print(*json, &exported, || {
        let range = match (exported.first, exported.last) {
            (Some(first), Some(last)) => format!(", from {first} to {last}"),
            _ => String::new(),
        };
        let next = if is_whole {
            format!("the whole log: `quorate audit verify {}` verifies it", out.display())
        } else {
            "to look at: only the whole log as jsonl verifies".to_owned()
        };
        format!("entries     {}{range}\nfile        {}\nwhat it is  {next}", exported.entries, out.display())
    })?;
    wanted.end(folder)
}

/// Where entries are written, and as what.
enum Sink<W> {
    Jsonl(W),
    Csv(Csv<W>),
}

impl<W: Write> Sink<W> {
    fn new(out: W, format: Format, columns: &[String]) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(out),
            Format::Csv => Self::Csv(Csv::new(out, columns.to_vec())?),
        })
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => writeln!(out, "{}", entry.as_str()),
            Self::Csv(csv) => csv.write(&entry.line()),
        }
    }
}

/// Writes all entries that are wanted; what comes of writing them is inside what comes of reading them.
fn write(
    out: impl Write,
    format: Format,
    columns: &[String],
    wanted: &mut Wanted,
) -> anyhow::Result<io::Result<Exported<'static>>> {
    let mut sink = match Sink::new(out, format, columns) {
        Ok(sink) => sink,
        Err(error) => return Ok(Err(error)),
    };
    let mut exported = Exported::default();
    while let Some(entry) = wanted.next()? {
        if let Err(error) = sink.write(&entry) {
            return Ok(Err(error));
        }
        let seq = entry.line().seq();
        exported.entries = exported.entries.saturating_add(1);
        exported.first.get_or_insert(seq);
        exported.last = Some(seq);
    }
    Ok(Ok(exported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_moment_may_be_left_out() {
        for (text, whole) in [
            ("2026-01-31", "2026-01-31T00:00:00.000Z"),
            ("2026-01-31T23:59Z", "2026-01-31T23:59:00.000Z"),
            ("2026-01-31T23:59:58Z", "2026-01-31T23:59:58.000Z"),
            ("2026-01-31T23:59:58.123Z", "2026-01-31T23:59:58.123Z"),
        ] {
            assert_eq!(moment(text).unwrap().to_string(), whole);
        }
        for wrong in
            ["", "now", "2026-02-30", "2026-01-31T23:59:58", "2026-01-31T23:59:58+01:00", "1769900000"]
        {
            assert!(moment(wrong).unwrap_err().contains("UTC"), "{wrong}");
        }
    }
}
