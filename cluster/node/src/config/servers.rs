//! The servers that nodes use: NATS and Consul.

use super::layer::Layers;
use super::settings::{parsed, path, with};
use super::{ConfigError, Consul, Origin, Transport};
use quorate_broker::{Access, Options, Servers};
use quorate_discovery::ConsulUrl;
use quorate_tls::{Authorities, AuthoritiesError, ClientCertificate};

/// The settings that mean nothing without `nats.url`.
const OF_NATS: [&str; 7] = [
    "nats.credentials",
    "nats.user",
    "nats.password_file",
    "nats.token_file",
    "nats.ca",
    "nats.cert",
    "nats.key",
];

/// The settings that mean nothing without `consul.address`.
const OF_CONSUL: [&str; 6] =
    ["consul.token_file", "consul.service", "consul.ca", "consul.cert", "consul.key", "advertise"];

pub(super) fn transport(layers: &mut Layers) -> Result<Transport, ConfigError> {
    let origin = layers.origin("transport");
    let over_nats = with(layers, "transport", |text| match text {
        "direct" => Ok(false),
        "nats" => Ok(true),
        _ => Err(format!("{text:?} is neither direct nor nats")),
    })?
    .unwrap_or(false);
    let unused = layers.origin("nats.url");
    match (nats(layers)?, over_nats, unused, origin) {
        (Some(options), true, ..) => Ok(Transport::Nats(Box::new(options))),
        (None, true, ..) => Err(ConfigError::Missing { key: "nats.url" }),
        (Some(_), false, Some(origin), _) => Err(ConfigError::Value {
            origin,
            key: "nats.url",
            detail: "nothing would use it: transport is not nats".to_owned(),
        }),
        _ => Ok(Transport::Direct),
    }
}

fn nats(layers: &mut Layers) -> Result<Option<Options>, ConfigError> {
    // An address with a password in it is not shown.
    let read = |text: &str| text.parse::<Servers>().map_err(|error| error.to_string());
    let Some(servers) = with(layers, "nats.url", read)? else {
        return unused(layers, &OF_NATS, "nats.url").map(|()| None);
    };
    let mut options = Options { servers, access: access(layers)?, ..Options::default() };
    (options.authorities, options.certificate) = tls(layers, ["nats.ca", "nats.cert", "nats.key"])?;
    Ok(Some(options))
}

/// As whom: one way of it.
fn access(layers: &mut Layers) -> Result<Access, ConfigError> {
    let mut ways = Vec::new();
    let origins = ["nats.credentials", "nats.user", "nats.token_file"].map(|key| (key, layers.origin(key)));
    if let Some(file) = path(layers, "nats.credentials")? {
        ways.push(Access::Credentials(file));
    }
    let password = path(layers, "nats.password_file")?;
    match (parsed::<String>(layers, "nats.user")?, password) {
        (Some(user), Some(file)) => ways.push(Access::Password { user, file }),
        (Some(_), None) => return Err(ConfigError::Missing { key: "nats.password_file" }),
        (None, Some(_)) => return Err(ConfigError::Missing { key: "nats.user" }),
        (None, None) => {}
    }
    if let Some(file) = path(layers, "nats.token_file")? {
        ways.push(Access::Token(file));
    }
    let given: Vec<_> = origins.into_iter().filter_map(|(key, origin)| Some((key, origin?))).collect();
    match (given.first(), given.get(1)) {
        (Some((_, first)), Some((_, second))) => Err(ConfigError::Conflict {
            key: "who this node is to NATS",
            first: first.clone(),
            second: second.clone(),
        }),
        _ => Ok(ways.pop().unwrap_or_default()),
    }
}

pub(super) fn consul(layers: &mut Layers) -> Result<Option<Consul>, ConfigError> {
    let Some(url) = parsed::<ConsulUrl>(layers, "consul.address")? else {
        return unused(layers, &OF_CONSUL, "consul.address").map(|()| None);
    };
    let mut options = quorate_discovery::Options::new(url);
    options.token = path(layers, "consul.token_file")?;
    if let Some(service) = with(layers, "consul.service", service)? {
        options.service = service;
    }
    (options.authorities, options.certificate) = tls(layers, ["consul.ca", "consul.cert", "consul.key"])?;
    Ok(Some(Consul { options, advertise: parsed(layers, "advertise")? }))
}

fn service(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=63).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not the name of a service: 1 to 63 characters of A-Z, a-z, 0-9 and -"))
    }
}

/// Whom to trust, and what to show.
fn tls(
    layers: &mut Layers,
    [ca, cert, key]: [&'static str; 3],
) -> Result<(Option<Authorities>, Option<ClientCertificate>), ConfigError> {
    let refused = |origin: Option<Origin>, key, error: AuthoritiesError| match origin {
        Some(origin) => ConfigError::Value { origin, key, detail: error.to_string() },
        None => ConfigError::Missing { key },
    };
    let origin = layers.origin(ca);
    let authorities = match path(layers, ca)? {
        Some(file) => Some(Authorities::from_file(file).map_err(|error| refused(origin, ca, error))?),
        None => None,
    };
    let origin = layers.origin(cert);
    let certificate = match (path(layers, cert)?, path(layers, key)?) {
        (Some(shown), Some(key)) => {
            let shown = ClientCertificate::from_files(shown, key);
            Some(shown.map_err(|error| refused(origin, cert, error))?)
        }
        (None, None) => None,
        (Some(_), None) => return Err(ConfigError::Missing { key }),
        (None, Some(_)) => return Err(ConfigError::Missing { key: cert }),
    };
    Ok((authorities, certificate))
}

/// None of these is set, for nothing would use it without `needed`.
fn unused(layers: &mut Layers, keys: &[&'static str], needed: &str) -> Result<(), ConfigError> {
    match keys.iter().find_map(|key| Some((*key, layers.origin(key)?))) {
        Some((key, origin)) => {
            Err(ConfigError::Value { origin, key, detail: format!("{needed} is not set, and belongs to it") })
        }
        None => Ok(()),
    }
}
