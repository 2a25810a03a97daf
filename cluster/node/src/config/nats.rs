//! How nodes reach each other, and the settings of NATS.

use super::layer::Layers;
use super::settings::{parsed, path, with};
use super::{ConfigError, Transport};
use quorate_broker::{Access, Options, Servers};
use quorate_tls::{Authorities, ClientCertificate};

/// The settings that mean nothing without `nats.url`.
const OTHERS: [&str; 7] = [
    "nats.credentials",
    "nats.user",
    "nats.password_file",
    "nats.token_file",
    "nats.ca",
    "nats.cert",
    "nats.key",
];

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
        return match OTHERS.into_iter().find_map(|key| Some((key, layers.origin(key)?))) {
            Some((key, origin)) => Err(ConfigError::Value {
                origin,
                key,
                detail: "nats.url is not set, and belongs to it".to_owned(),
            }),
            None => Ok(None),
        };
    };
    let mut options = Options { servers, access: access(layers)?, ..Options::default() };
    let refused = |origin: Option<_>, key, error: quorate_tls::AuthoritiesError| match origin {
        Some(origin) => ConfigError::Value { origin, key, detail: error.to_string() },
        None => ConfigError::Missing { key },
    };
    let origin = layers.origin("nats.ca");
    if let Some(file) = path(layers, "nats.ca")? {
        let authorities = Authorities::from_file(file).map_err(|error| refused(origin, "nats.ca", error))?;
        options.authorities = Some(authorities);
    }
    let origin = layers.origin("nats.cert");
    options.certificate = match (path(layers, "nats.cert")?, path(layers, "nats.key")?) {
        (Some(certificate), Some(key)) => Some(
            ClientCertificate::from_files(certificate, key)
                .map_err(|error| refused(origin, "nats.cert", error))?,
        ),
        (None, None) => None,
        (Some(_), None) => return Err(ConfigError::Missing { key: "nats.key" }),
        (None, Some(_)) => return Err(ConfigError::Missing { key: "nats.cert" }),
    };
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
