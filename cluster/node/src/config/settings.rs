//! Every setting: its names, what it is, its default, its limits.

use super::layer::{Found, Layers};
use super::{Config, ConfigError, LogFormat, Origin, PassphraseSource, value};
use crate::backup::Plan;
use crate::schedule::{Entry, Schedule};
use crate::store::Passphrase;
use quorate_age::Recipient;
use quorate_http::tls::TlsFiles;
use quorate_identity::files::folder_of;
use rand_core::OsRng;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// What is special about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Never from the command line.
    Passphrase,
    PassphraseFile,
}

pub(super) struct Setting {
    /// Its name in the file.
    pub(super) key: &'static str,
    /// Other names in the file.
    pub(super) aliases: &'static [&'static str],
    /// Names in the environment beside `QUORATE_<KEY>`.
    environment: &'static [&'static str],
    pub(super) kind: Kind,
}

impl Setting {
    pub(super) fn environment_names(&self) -> Vec<String> {
        let own = format!("QUORATE_{}", self.key.replace('.', "_").to_uppercase());
        std::iter::once(own).chain(self.environment.iter().map(|name| (*name).to_owned())).collect()
    }
}

const fn setting(
    key: &'static str,
    aliases: &'static [&'static str],
    environment: &'static [&'static str],
) -> Setting {
    Setting { key, aliases, environment, kind: Kind::Plain }
}

const fn special(
    key: &'static str,
    aliases: &'static [&'static str],
    environment: &'static [&'static str],
    kind: Kind,
) -> Setting {
    Setting { key, aliases, environment, kind }
}

#[rustfmt::skip]
pub(super) static SETTINGS: &[Setting] = &[
    setting("node_id", &[], &["NODE_ID"]),
    setting("data_dir", &[], &[]),
    setting("db_path", &[], &["DB_PATH"]),
    setting("identity_path", &[], &[]),
    setting("peers_path", &[], &[]),
    setting("policy_path", &[], &[]),
    setting("listen", &[], &[]),
    setting("api_listen", &[], &[]),
    setting("api_tls_cert", &[], &[]),
    setting("api_tls_key", &[], &[]),
    setting("api_client_ca", &[], &[]),
    setting("api_readers_path", &[], &[]),
    setting("metrics_need_token", &[], &[]),
    setting("client_rate", &[], &[]),
    setting("client_burst", &[], &[]),
    setting("auth_failures_per_minute", &[], &[]),
    special("passphrase", &["badger_password"], &["BADGER_PASSWORD"], Kind::Passphrase),
    special("passphrase_file", &[], &[], Kind::PassphraseFile),
    setting("initiators", &[], &[]),
    setting("event_initiator_pubkey", &[], &["EVENT_INITIATOR_PUBKEY"]),
    setting("threshold", &["mpc_threshold"], &["MPC_THRESHOLD", "THRESHOLD"]),
    setting("total_nodes", &[], &["TOTAL_NODES"]),
    setting("max_concurrent_keygen", &[], &["MAX_CONCURRENT_KEYGEN"]),
    setting("max_concurrent_signing", &[], &[]),
    setting("max_waiting", &[], &[]),
    setting("request_timeout", &[], &[]),
    setting("round_timeout", &[], &[]),
    setting("attempts", &[], &[]),
    setting("standing_period", &[], &[]),
    setting("allow_minority_threshold", &[], &[]),
    setting("reshare_without_authorizers", &[], &[]),
    setting("auxiliary_at_start", &[], &[]),
    setting("prime_pool", &[], &[]),
    setting("presign_pool", &[], &[]),
    setting("max_presignatures", &[], &[]),
    setting("max_concurrent_presign", &[], &[]),
    setting("work_threads", &[], &[]),
    setting("keep_epochs", &[], &[]),
    setting("refresh_schedule", &[], &[]),
    setting("log_format", &[], &[]),
    setting("backup_enabled", &[], &["BACKUP_ENABLED"]),
    setting("backup_recipients", &[], &[]),
    setting("backup_period_seconds", &[], &["BACKUP_PERIOD_SECONDS"]),
    setting("backup_dir", &[], &["BACKUP_DIR"]),
    setting("backup_keep", &[], &[]),
    setting("transport", &[], &[]),
    setting("nats.url", &[], &["NATS_URL"]),
    setting("nats.credentials", &[], &[]),
    setting("nats.user", &[], &[]),
    setting("nats.password_file", &[], &[]),
    setting("nats.token_file", &[], &[]),
    setting("nats.ca", &[], &[]),
    setting("nats.cert", &[], &[]),
    setting("nats.key", &[], &[]),
    setting("consul.address", &[], &["CONSUL_ADDR", "CONSUL_ADDRESS"]),
    setting("consul.token_file", &[], &[]),
    setting("consul.service", &[], &[]),
    setting("consul.ca", &[], &[]),
    setting("consul.cert", &[], &[]),
    setting("consul.key", &[], &[]),
    setting("advertise", &[], &[]),
];

const PEER_PORT: u16 = 7000;
const API_PORT: u16 = 8080;
/// What one client may ask in a second: far more than a node signs.
const CLIENT_RATE: u32 = 200;
/// One a second, and as many at once as a client makes that was set up wrongly and tries again.
const AUTH_FAILURES_PER_MINUTE: u32 = 60;
const MOST_REQUESTS: u32 = 1_000_000;
/// Seconds.
const BACKUP_PERIOD: u64 = 300;
const LONGEST_BACKUP_PERIOD: u64 = 7 * 24 * 60 * 60;
const BACKUPS_KEPT: usize = 48;
const STORE_FILE: &str = "store.redb";

pub(super) fn resolve(mut layers: Layers) -> Result<Config, ConfigError> {
    let layers = &mut layers;
    let data_dir = path(layers, "data_dir")?.unwrap_or_else(|| PathBuf::from("data"));
    // Other deployments name a folder here.
    let db_path = match path(layers, "db_path")? {
        Some(path) if path.is_dir() => path.join(STORE_FILE),
        Some(path) => path,
        None => data_dir.join(STORE_FILE),
    };
    let request_timeout = time(layers, "request_timeout", Duration::from_secs(30))?;
    let round_found = layers.take("round_timeout");
    let round_origin = round_found.as_ref().map(|found| found.origin.clone());
    let round_timeout = match round_found {
        Some(found) => span(&found, "round_timeout")?,
        None => Duration::from_secs(5).min(request_timeout),
    };
    if let Some(origin) = round_origin
        && round_timeout > request_timeout
    {
        let detail = format!("a round may not take longer than the request ({request_timeout:?})");
        return Err(ConfigError::Value { origin, key: "round_timeout", detail });
    }
    let mut initiators = list(layers, "initiators")?;
    if let Some(single) = parsed(layers, "event_initiator_pubkey")?
        && !initiators.contains(&single)
    {
        initiators.push(single);
    }
    let api_readers_path = path(layers, "api_readers_path")?;
    let metrics_need_token = needing(layers, "metrics_need_token", api_readers_path.is_some())?;
    let backups = backups(layers, &data_dir)?;
    let client_rate = ranged(layers, "client_rate", 0..=MOST_REQUESTS)?.unwrap_or(CLIENT_RATE);
    Ok(Config {
        node_id: parsed(layers, "node_id")?.ok_or(ConfigError::Missing { key: "node_id" })?,
        identity_path: path(layers, "identity_path")?.unwrap_or_else(|| data_dir.join("identity.json")),
        policy_path: path(layers, "policy_path")?,
        peers_path: path(layers, "peers_path")?.unwrap_or_else(|| data_dir.join("peers.yaml")),
        db_path,
        data_dir,
        // Peers prove who they are, so this may face the network; the API faces it when told so.
        listen: parsed(layers, "listen")?
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PEER_PORT)),
        api_listen: parsed(layers, "api_listen")?
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), API_PORT)),
        api_tls: api_tls(layers)?,
        api_readers_path,
        metrics_need_token,
        client_rate,
        client_burst: ranged(layers, "client_burst", 1..=MOST_REQUESTS)?
            .unwrap_or_else(|| client_rate.saturating_mul(2).max(1)),
        auth_failures_per_minute: ranged(layers, "auth_failures_per_minute", 0..=MOST_REQUESTS)?
            .unwrap_or(AUTH_FAILURES_PER_MINUTE),
        passphrase: passphrase(layers)?,
        initiators,
        threshold: ranged(layers, "threshold", 2..=100)?,
        total_nodes: ranged(layers, "total_nodes", 1..=100)?,
        max_concurrent_keygen: ranged(layers, "max_concurrent_keygen", 1..=10_000)?.unwrap_or(4),
        max_concurrent_signing: ranged(layers, "max_concurrent_signing", 1..=100_000)?.unwrap_or(256),
        max_waiting: ranged(layers, "max_waiting", 0..=100_000)?.unwrap_or(256),
        request_timeout,
        round_timeout,
        attempts: ranged(layers, "attempts", 1..=20)?.unwrap_or(3),
        standing_period: time(layers, "standing_period", Duration::from_secs(60))?,
        allow_minority_threshold: with(layers, "allow_minority_threshold", value::boolean)?.unwrap_or(false),
        reshare_without_authorizers: with(layers, "reshare_without_authorizers", value::boolean)?
            .unwrap_or(false),
        auxiliary_at_start: with(layers, "auxiliary_at_start", value::boolean)?.unwrap_or(true),
        prime_pool: ranged(layers, "prime_pool", 0..=64)?.unwrap_or(1),
        presign_pool: ranged(layers, "presign_pool", 0..=100_000)?.unwrap_or(8),
        max_presignatures: ranged(layers, "max_presignatures", 1..=100_000)?.unwrap_or(1024),
        max_concurrent_presign: ranged(layers, "max_concurrent_presign", 1..=64)?.unwrap_or(2),
        work_threads: ranged(layers, "work_threads", 1..=1024)?
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        keep_epochs: ranged(layers, "keep_epochs", 0..=1)?.unwrap_or(0_u8) == 1,
        refresh_schedule: schedule(layers)?,
        transport: super::servers::transport(layers)?,
        consul: super::servers::consul(layers)?,
        log_format: with(layers, "log_format", log_format)?.unwrap_or(LogFormat::Pretty),
        backups,
    })
}

fn schedule(layers: &mut Layers) -> Result<Schedule, ConfigError> {
    const KEY: &str = "refresh_schedule";
    let origin = layers.origin(KEY);
    match (list::<Entry>(layers, KEY)?.try_into(), origin) {
        (Ok(schedule), _) => Ok(schedule),
        (Err(detail), Some(origin)) => Err(ConfigError::Value { origin, key: KEY, detail }),
        // Of nothing there is nothing to say.
        (Err(_), None) => Ok(Schedule::default()),
    }
}

/// Where there is somebody to encrypt them to, unless it is turned off.
fn backups(layers: &mut Layers, data_dir: &Path) -> Result<Option<Plan>, ConfigError> {
    let enabled = with(layers, "backup_enabled", value::boolean)?;
    let origin = layers.origin("backup_recipients");
    let recipients: Vec<Recipient> = list(layers, "backup_recipients")?;
    let folder = path(layers, "backup_dir")?.unwrap_or_else(|| data_dir.join("backups"));
    let period = ranged(layers, "backup_period_seconds", 1..=LONGEST_BACKUP_PERIOD)?;
    let period = Duration::from_secs(period.unwrap_or(BACKUP_PERIOD));
    let keep = ranged(layers, "backup_keep", 1..=100_000)?.unwrap_or(BACKUPS_KEPT);
    match (enabled, recipients.is_empty()) {
        (Some(false), _) | (None, true) => Ok(None),
        (Some(true), true) => Err(ConfigError::Missing { key: "backup_recipients" }),
        (_, false) => {
            // As each backup is encrypted: to these, and to a key of the moment that reads it back.
            let own = quorate_age::Identity::generate(&mut OsRng).recipient();
            let all = [recipients.as_slice(), &[own]].concat();
            if let (Err(error), Some(origin)) =
                (quorate_age::encrypt(&all, std::io::sink(), &mut OsRng), origin)
            {
                return Err(ConfigError::Value {
                    origin,
                    key: "backup_recipients",
                    detail: error.to_string(),
                });
            }
            Ok(Some(Plan { folder, recipients, period, keep }))
        }
    }
}

fn refuse(found: &Found, key: &'static str, detail: impl fmt::Display) -> ConfigError {
    ConfigError::Value { origin: found.origin.clone(), key, detail: detail.to_string() }
}

pub(super) fn with<T>(
    layers: &mut Layers,
    key: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let Some(found) = layers.take(key) else { return Ok(None) };
    parse(found.text.trim()).map(Some).map_err(|detail| refuse(&found, key, detail))
}

pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
    layers: &mut Layers,
    key: &'static str,
) -> Result<Option<T>, ConfigError> {
    with(layers, key, |text| text.parse().map_err(|error: T::Err| format!("{text:?}: {error}")))
}

fn list<T: FromStr<Err: fmt::Display> + PartialEq>(
    layers: &mut Layers,
    key: &'static str,
) -> Result<Vec<T>, ConfigError> {
    let Some(found) = layers.take(key) else { return Ok(Vec::new()) };
    let mut items = Vec::new();
    for text in found.text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let item = text.parse().map_err(|error| refuse(&found, key, format!("{text:?}: {error}")))?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

fn ranged<T: FromStr<Err: fmt::Display> + PartialOrd + fmt::Display>(
    layers: &mut Layers,
    key: &'static str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, ConfigError> {
    with(layers, key, |text| {
        let value: T = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(format!("{value} is not in {} to {}", range.start(), range.end()))
        }
    })
}

fn time(layers: &mut Layers, key: &'static str, default: Duration) -> Result<Duration, ConfigError> {
    layers.take(key).map_or(Ok(default), |found| span(&found, key))
}

fn span(found: &Found, key: &'static str) -> Result<Duration, ConfigError> {
    const LONGEST: Duration = Duration::from_secs(3600);
    match value::duration(found.text.trim()) {
        Ok(duration) if duration.is_zero() || duration > LONGEST => {
            Err(refuse(found, key, "it is not in 1ms to 60m"))
        }
        Ok(duration) => Ok(duration),
        Err(detail) => Err(refuse(found, key, detail)),
    }
}

pub(super) fn path(layers: &mut Layers, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    let Some(found) = layers.take(key) else { return Ok(None) };
    if found.text.is_empty() {
        return Err(refuse(&found, key, "the path is empty"));
    }
    Ok(Some(anchored(&found)))
}

/// A path that another setting is needed for.
fn path_with(
    layers: &mut Layers,
    key: &'static str,
    other: (&'static str, bool),
) -> Result<Option<PathBuf>, ConfigError> {
    let origin = layers.origin(key);
    let path = path(layers, key)?;
    match origin {
        Some(origin) if path.is_some() && !other.1 => Err(ConfigError::Value {
            origin,
            key,
            detail: format!("{} is not set, and belongs to it", other.0),
        }),
        _ => Ok(path),
    }
}

fn api_tls(layers: &mut Layers) -> Result<Option<TlsFiles>, ConfigError> {
    let has_key = layers.origin("api_tls_key").is_some();
    let certificate = path_with(layers, "api_tls_cert", ("api_tls_key", has_key))?;
    let has_certificate = certificate.is_some();
    let key = path_with(layers, "api_tls_key", ("api_tls_cert", has_certificate))?;
    let client_authorities = path_with(layers, "api_client_ca", ("api_tls_cert", has_certificate))?;
    let both = certificate.zip(key);
    Ok(both.map(|(certificate, key)| TlsFiles { certificate, key, client_authorities }))
}

/// Something to be turned on that needs readers.
fn needing(layers: &mut Layers, key: &'static str, has_readers: bool) -> Result<bool, ConfigError> {
    let origin = layers.origin(key);
    let on = with(layers, key, value::boolean)?.unwrap_or(false);
    match origin {
        Some(origin) if on && !has_readers => {
            let detail = "nobody would have one: api_readers_path is not set".to_owned();
            Err(ConfigError::Value { origin, key, detail })
        }
        _ => Ok(on),
    }
}

fn anchored(found: &Found) -> PathBuf {
    match &found.origin {
        Origin::File(file) => folder_of(file).join(found.text.as_str()),
        _ => Path::new(found.text.as_str()).to_path_buf(),
    }
}

fn passphrase(layers: &mut Layers) -> Result<PassphraseSource, ConfigError> {
    if let Some(found) = layers.take("passphrase") {
        return Passphrase::new(found.text.as_bytes().to_vec())
            .map(PassphraseSource::Given)
            .map_err(|error| refuse(&found, "passphrase", error));
    }
    Ok(path(layers, "passphrase_file")?.map_or(PassphraseSource::Unset, PassphraseSource::File))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither pretty nor json")),
    }
}
