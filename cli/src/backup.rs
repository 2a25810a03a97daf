//! `backup` and `restore`: encrypted copies of a node, and back.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Subcommand;
use quorate_age::{AgeError, Identity, Recipient};
use quorate_identity::files::{self, Access};
use quorate_identity::peers::Peers;
use quorate_node::backup::{self, BackupError, Head, Kept};
use quorate_node::config::{Config, Overrides, PassphraseSource};
use quorate_node::store::{Passphrase, StoreError};
use rand_core::OsRng;
use serde::Serialize;

use crate::failure::{Failure, Tip};
use crate::progress::Progress;
use crate::{output, passphrase};

/// How long a running node may take for a backup that it was asked for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A file of age identities.
const MOST_IDENTITIES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key that decrypts backups, and tell whom to encrypt them to.
    GenerateKey(GenerateKey),
    /// Make a backup of a node now, whether it runs or not.
    Create(Create),
    /// List the backups in a folder, the newest first.
    List(List),
    /// Read backups to their end: they are whole, and signed by their node.
    Verify(Verify),
    /// Restore a backup to a temporary folder, and prove every share in it against its public commitment.
    Drill(Drill),
}

const KEY_EXAMPLES: &str = "\
It is a key of age (age-encryption.org), in the format of `age-keygen`. Keep it where no node
is: who has it and the passphrase of a node has the shares of that node.

Example:
  quorate backup generate-key --out backup-key.txt";

#[derive(Debug, clap::Args)]
#[command(after_help = KEY_EXAMPLES)]
pub(crate) struct GenerateKey {
    /// Where to write it. Nothing is written over.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const CREATE_EXAMPLES: &str = "\
A node that runs is asked for it through its folder of backups, and makes it while it signs.
One that does not run is opened with its passphrase.

Examples:
  quorate backup create --config /etc/quorate/node.yaml
  quorate backup create --config node.yaml --recipient age1… --out node3.age";

#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// The node's configuration file.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: PathBuf,
    /// Whom to encrypt it to, in place of the configuration's backup_recipients: for a node that does not run.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    recipients: Vec<Recipient>,
    /// Where to write it, in place of the folder of backups: for a node that does not run.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::Source,
}

#[derive(Debug, clap::Args)]
#[group(id = "where", required = true, multiple = false)]
pub(crate) struct Folder {
    /// The node's configuration file, which names the folder.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG", group = "where")]
    config: Option<PathBuf>,
    /// The folder.
    #[arg(long, value_name = "DIR", group = "where")]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which key decrypts.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// The file of the age identity that decrypts.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

/// Whose signature counts.
#[derive(Debug, clap::Args)]
pub(crate) struct Signers {
    /// The peers file: the node that the backup says it is of must have signed it. Without, only that somebody has.
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS")]
    peers: Option<PathBuf>,
}

impl Signers {
    fn read(&self) -> anyhow::Result<Option<Peers>> {
        Ok(self.peers.as_deref().map(Peers::load).transpose()?)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The backups.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    signers: Signers,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const DRILL_EXAMPLES: &str = "\
Nothing is started, and the temporary folder is removed. Do it before it is needed: with the
key and the passphrase from where they would come from then.

Example:
  quorate backup drill node3-1764000000000.age --identity backup-key.txt \\
    --passphrase-file node3.passphrase";

#[derive(Debug, clap::Args)]
#[command(after_help = DRILL_EXAMPLES)]
pub(crate) struct Drill {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    signers: Signers,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::Source,
}

const RESTORE_EXAMPLES: &str = "\
The node must have neither store nor identity where its configuration says; nothing is written
over. Make sure first that the old node never comes back: two with one identity are worse than
none. Once it is started, the restored node finds out from the others what it has missed;
wallets that were made or reshared since the backup are dealt to it by `quorate refresh`.

Example:
  quorate restore --backup node3-1764000000000.age --identity backup-key.txt \\
    --config /etc/quorate/node.yaml";

#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    #[command(flatten)]
    key: Key,
    /// The configuration file of the node, which says where its files are.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::GenerateKey(arguments) => generate_key(&arguments),
        Command::Create(arguments) => create(&arguments).await,
        Command::List(arguments) => list(&arguments),
        Command::Verify(arguments) => verify(&arguments),
        Command::Drill(arguments) => drill(&arguments),
    }
}

#[derive(Serialize)]
struct Generated<'a> {
    recipient: String,
    file: &'a Path,
}

fn generate_key(arguments: &GenerateKey) -> anyhow::Result<()> {
    let identity = Identity::generate(&mut OsRng);
    let recipient = identity.recipient().to_string();
    let text = zeroize::Zeroizing::new(format!(
        "# made by quorate; whoever has this decrypts backups\n# public key: {recipient}\n{}\n",
        *identity.to_text()
    ));
    files::write_new(&arguments.out, text.as_bytes(), Access::Private)
        .with_context(|| arguments.out.display().to_string())?;
    output::print(arguments.json, &Generated { recipient: recipient.clone(), file: &arguments.out }, || {
        format!(
            "recipient  {recipient}\nfile       {}\n\nNext: name it under backup_recipients in the configuration of each node.",
            arguments.out.display()
        )
    })
}

/// A backup, as it is shown.
#[derive(Serialize)]
struct View {
    file: PathBuf,
    node: String,
    created_ms: u64,
    bytes: u64,
}

impl From<Kept> for View {
    fn from(kept: Kept) -> Self {
        Self { file: kept.path, node: kept.node, created_ms: kept.created_ms, bytes: kept.bytes }
    }
}

fn config(file: &Path) -> anyhow::Result<Config> {
    Ok(Config::load(Some(file), std::env::vars(), &Overrides::new())?)
}

async fn create(arguments: &Create) -> anyhow::Result<()> {
    let mut config = config(&arguments.config)?;
    let plan = config.backups.clone();
    let recipients = match (&plan, arguments.recipients.is_empty()) {
        (_, false) => arguments.recipients.clone(),
        (Some(plan), true) => plan.recipients.clone(),
        (None, true) => {
            let text =
                "nobody to encrypt it to: set backup_recipients in the configuration, or say --recipient";
            return Err(Failure::Setting(text.into()).into());
        }
    };
    let cluster = *Peers::load(&config.peers_path)?.cluster().as_bytes();
    let making = Progress::of(arguments.json, "making a backup, and reading it back");
    let source = std::mem::replace(&mut config.passphrase, PassphraseSource::Unset);
    let passphrase = || match source {
        PassphraseSource::Unset => arguments.passphrase.read(),
        source => Ok(source.read()?),
    };
    let made = match is_running(&config.db_path)? {
        true => match (&plan, arguments.recipients.is_empty() && arguments.out.is_none()) {
            (Some(plan), true) => asked(&plan.folder, config.node_id.as_str()).await?,
            _ => {
                let text = "the node runs: it writes to its own folder, for its own recipients; set backup_recipients, and go without --recipient and --out";
                return Err(Failure::Setting(text.into()).into());
            }
        },
        false => backup::of_stopped(&config, cluster, &passphrase()?, &recipients, arguments.out.as_deref())?,
    };
    drop(making);
    let view = View::from(made);
    output::print(arguments.json, &view, || {
        format!("file  {}\nsize  {} bytes", view.file.display(), view.bytes)
    })
}

/// Whether a node has the store open.
fn is_running(store: &Path) -> anyhow::Result<bool> {
    // Whatever the passphrase is: the lock is looked at first.
    let nobody = Passphrase::new(b"nobody's".to_vec())?;
    match quorate_node::store::Store::open(store, &nobody) {
        Err(StoreError::Locked { .. }) => Ok(true),
        Ok(_) | Err(StoreError::WrongPassphrase { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Has a running node make one.
async fn asked(folder: &Path, node: &str) -> anyhow::Result<Kept> {
    let newest = || -> Result<Option<Kept>, BackupError> {
        Ok(backup::list(folder)?.into_iter().find(|kept| kept.node == node))
    };
    let before = newest()?.map(|kept| kept.created_ms);
    let tip = || {
        Tip("its log says why; a node that was started before backup_recipients was set has to be started again".into())
    };
    if !folder.is_dir() {
        // Made by somebody else it might not be writable for the node.
        let missing = anyhow::anyhow!("the node has not made its folder {} yet", folder.display());
        return Err(missing.context(tip()));
    }
    backup::ask(folder)?;
    let began = Instant::now();
    while backup::is_asked(folder)? {
        if began.elapsed() > PATIENCE {
            return Err(anyhow::anyhow!("the node has made no backup in {PATIENCE:?}").context(tip()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let made = newest()?.filter(|kept| Some(kept.created_ms) > before);
    made.ok_or_else(|| anyhow::anyhow!("the node could make no backup").context(tip()))
}

fn list(arguments: &List) -> anyhow::Result<()> {
    let folder = match (&arguments.folder.dir, &arguments.folder.config) {
        (Some(dir), _) => dir.clone(),
        (None, Some(file)) => {
            let text = "this configuration has no backup_recipients, so no backups are made: say --dir";
            config(file)?.backups.ok_or_else(|| Failure::Setting(text.into()))?.folder
        }
        (None, None) => return Err(Failure::Usage("say --config or --dir".into()).into()),
    };
    let views: Vec<_> = backup::list(&folder)?.into_iter().map(View::from).collect();
    output::print(arguments.json, &views, || {
        if views.is_empty() {
            return format!("no backups in {}", folder.display());
        }
        let row = |view: &View| {
            let file = view.file.display().to_string();
            vec![view.node.clone(), output::ago(view.created_ms), view.bytes.to_string(), file]
        };
        output::table(&["NODE", "MADE", "BYTES", "FILE"], &views.iter().map(row).collect::<Vec<_>>())
    })
}

/// The age identities in a file.
pub(crate) fn identities(file: &Path) -> anyhow::Result<Vec<Identity>> {
    let content = files::read_private(file, MOST_IDENTITIES);
    let content = content.map_err(|error| Failure::Setting(format!("{}: {error}", file.display())))?;
    let text = std::str::from_utf8(&content)
        .map_err(|_| Failure::Setting(format!("{}: it is no text", file.display())))?;
    let found = quorate_age::identities(text);
    Ok(found.map_err(|error| Failure::Setting(format!("{}: {error}", file.display())))?)
}

/// What a backup is of.
#[derive(Serialize)]
struct About<'a> {
    file: &'a Path,
    cluster: String,
    node: String,
    identity: String,
    created_ms: u64,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Whether the peers file lists who has signed it as the node that it is of; without one that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by_node: Option<bool>,
}

impl<'a> About<'a> {
    fn new(file: &'a Path, head: &Head, rows: Option<u64>) -> Self {
        Self {
            file,
            cluster: format!("0x{}", hex::encode(head.cluster)),
            node: head.node.clone(),
            identity: head.identity.to_string(),
            created_ms: head.created_ms,
            sequence: head.sequence,
            rows,
            signed_by_node: None,
        }
    }

    /// Of one that was held against a peers file, if there was one.
    fn held_against<T>(self, peers: Option<&T>) -> Self {
        Self { signed_by_node: peers.map(|_| true), ..self }
    }

    const fn signed(&self) -> &'static str {
        match self.signed_by_node {
            Some(_) => "signed by the node",
            None => "signed by this identity; whether it is the node's says --peers",
        }
    }

    fn people(&self) -> String {
        format!(
            "file      {}\nnode      {}\nidentity  {}\ncluster   {}\nmade      {}",
            self.file.display(),
            output::printable(&self.node),
            self.identity,
            self.cluster,
            output::ago(self.created_ms)
        )
    }
}

/// Whether it is what was read that is wrong, and not the disk.
pub(crate) fn is_content(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}

/// What is wrong with a backup is that something does not hold; a missing file or a full disk is something else.
fn judged<T>(result: Result<T, BackupError>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let text = error.to_string();
        match error {
            BackupError::Age { source: AgeError::Io(source), .. } if !is_content(&source) => {
                anyhow::anyhow!(text)
            }
            BackupError::Io { source, .. } if !is_content(&source) => anyhow::anyhow!(text),
            BackupError::Taken { .. } => Failure::Setting(text).into(),
            BackupError::Age { .. }
            | BackupError::Io { .. }
            | BackupError::Malformed { .. }
            | BackupError::Unlike { .. } => Failure::NotVerified(text).into(),
            error => error.into(),
        }
    })
}

fn verify(arguments: &Verify) -> anyhow::Result<()> {
    let (identities, peers) = (identities(&arguments.key.identity)?, arguments.signers.read()?);
    let mut all = Vec::new();
    for file in &arguments.files {
        let verified = judged(backup::verify(file, &identities, peers.as_ref()))?;
        all.push(About::new(file, &verified.head, Some(verified.rows)).held_against(peers.as_ref()));
    }
    output::print(arguments.json, &all, || {
        let one = |about: &About<'_>| {
            format!(
                "{}\nrows      {}: whole, and {}",
                about.people(),
                about.rows.unwrap_or_default(),
                about.signed()
            )
        };
        all.iter().map(one).collect::<Vec<_>>().join("\n\n")
    })
}

#[derive(Serialize)]
struct Drilled<'a> {
    #[serde(flatten)]
    about: About<'a>,
    records: u64,
    wallets: u64,
    shares: u64,
    other_shares: u64,
    unproven: Vec<Doubt>,
}

#[derive(Serialize)]
struct Doubt {
    record: String,
    reason: String,
}

fn drill(arguments: &Drill) -> anyhow::Result<()> {
    let (identities, peers) = (identities(&arguments.key.identity)?, arguments.signers.read()?);
    let passphrase = arguments.passphrase.read()?;
    let proving = Progress::of(arguments.json, "restoring to a temporary folder, and proving what is there");
    let drilled = judged(backup::drill(
        &arguments.file,
        &identities,
        peers.as_ref(),
        &passphrase,
        &std::env::temp_dir(),
    ));
    drop(proving);
    let (head, proven) = drilled?;
    let sound = proven.is_sound();
    let unproven: Vec<_> = proven
        .unproven
        .into_iter()
        .map(|doubt| Doubt { record: doubt.record, reason: doubt.reason })
        .collect();
    let drilled = Drilled {
        about: About::new(&arguments.file, &head, None).held_against(peers.as_ref()),
        records: proven.records,
        wallets: proven.wallets,
        shares: proven.shares,
        other_shares: proven.others,
        unproven,
    };
    output::print(arguments.json, &drilled, || {
        let mut text = format!(
            "{}\nrecords   {}, {}\nwallets   {}\nshares    {}, each what its public side says",
            drilled.about.people(),
            drilled.records,
            drilled.about.signed(),
            drilled.wallets,
            drilled.shares
        );
        if drilled.other_shares > 0 {
            text.push_str(&format!(
                "\nbesides   {}, pending or kept of an epoch before",
                drilled.other_shares
            ));
        }
        for doubt in &drilled.unproven {
            text.push_str(&format!("\nNOT AS IT SHOULD BE: {}: {}", doubt.record, doubt.reason));
        }
        text
    })?;
    match sound {
        true => Ok(()),
        false => {
            let text = format!("{} records are not as they should be", drilled.unproven.len());
            Err(Failure::NotVerified(text).into())
        }
    }
}

pub(crate) fn restore(arguments: &Restore) -> anyhow::Result<()> {
    let identities = identities(&arguments.key.identity)?;
    let config = config(&arguments.config)?;
    let restoring = Progress::of(arguments.json, "reading the backup to its end, and restoring it");
    let peers = Peers::load(&config.peers_path)?;
    let (node, store, key) = (config.node_id.as_str(), &config.db_path, &config.identity_path);
    let restored = judged(backup::restore(&arguments.backup, &identities, (node, &peers), store, key));
    drop(restoring);
    let restored = restored?;
    let about = About::new(&arguments.backup, &restored.head, Some(restored.rows)).held_against(Some(&peers));
    output::print(arguments.json, &about, || {
        format!(
            "{}\nstore     {}\nkey       {}\n\nNext: `quorate node start`, and when it has heard from the others `quorate refresh` for each wallet of which it says that its share is gone, and each of DKLS23.",
            about.people(),
            store.display(),
            key.display()
        )
    })
}
