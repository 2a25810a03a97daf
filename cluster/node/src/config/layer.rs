//! Collects values from file, environment and flags; the later layer wins.

use super::settings::{Kind, SETTINGS, Setting};
use super::{ConfigError, Origin};
use crate::similar;
use serde_norway::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use zeroize::Zeroizing;

/// A configuration is a page, not a book.
const MAX_FILE: u64 = 1024 * 1024;

/// Variables that differ from a setting's by no more than this are meant for it.
const MISSPELT: usize = 2;
/// Variables of commands and programs, which are no settings of a node.
const NO_SETTINGS: &[&str] = &[
    "QUORATE_API",
    "QUORATE_API_CA",
    "QUORATE_API_CERT",
    "QUORATE_API_KEY",
    "QUORATE_API_TOKEN_FILE",
    "QUORATE_CONFIG",
    "QUORATE_INITIATOR",
    "QUORATE_INITIATOR_COMMAND",
    "QUORATE_INITIATOR_KEY",
    "QUORATE_LOG",
    "QUORATE_PEERS",
];

/// A value as text, with the place it was found in.
pub(super) struct Found {
    pub(super) text: Zeroizing<String>,
    pub(super) origin: Origin,
}

#[derive(Default)]
pub(super) struct Layers(HashMap<&'static str, Found>);

impl Layers {
    pub(super) fn take(&mut self, key: &'static str) -> Option<Found> {
        self.0.remove(key)
    }

    /// Where a setting that is not taken yet was found.
    pub(super) fn origin(&self, key: &'static str) -> Option<Origin> {
        self.0.get(key).map(|found| found.origin.clone())
    }

    pub(super) fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let failed = |source| ConfigError::File { path: path.to_path_buf(), source };
        let syntax = |detail: String| ConfigError::Syntax { path: path.to_path_buf(), detail };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(syntax(format!("larger than {MAX_FILE} bytes")));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
        let value: Value = serde_norway::from_str(&text).map_err(|error| syntax(error.to_string()))?;
        let mut entries = Vec::new();
        match value {
            Value::Null => {}
            Value::Mapping(_) => flatten("", value, &mut entries).map_err(syntax)?,
            _ => return Err(syntax("expected settings, one `name: value` per line".to_owned())),
        }
        let origin = Origin::File(path.to_path_buf());
        let mut layer = Layer::default();
        for (key, text) in entries {
            let setting = by_key(&key).ok_or_else(|| unknown(origin.clone(), &key))?;
            layer.add(setting, text, origin.clone())?;
        }
        self.put(layer)
    }

    pub(super) fn read_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let names: HashMap<String, &'static Setting> = SETTINGS
            .iter()
            .flat_map(|setting| setting.environment_names().into_iter().map(move |name| (name, setting)))
            .collect();
        let mut environment: Vec<(String, String)> = environment.into_iter().collect();
        environment.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, _) in
            environment.iter().filter(|(name, value)| !names.contains_key(name) && !value.is_empty())
        {
            if let Some(nearest) = misspelt(name, names.keys()) {
                let origin = Origin::Environment(name.clone());
                return Err(ConfigError::UnknownKey { origin, key: name.clone(), nearest: Some(nearest) });
            }
        }
        // In the order of their names, so that the same environment gives the same error.
        let ours: BTreeMap<String, Zeroizing<String>> = environment
            .into_iter()
            .filter(|(name, value)| names.contains_key(name) && !value.is_empty())
            .map(|(name, value)| (name, Zeroizing::new(value)))
            .collect();
        let mut layer = Layer::default();
        for (name, text) in ours {
            if let Some(setting) = names.get(&name) {
                layer.add(setting, text, Origin::Environment(name))?;
            }
        }
        self.put(layer)
    }

    pub(super) fn read_overrides<'a>(
        &mut self,
        overrides: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<(), ConfigError> {
        let mut layer = Layer::default();
        for (key, value) in overrides {
            let setting = by_key(key).ok_or_else(|| unknown(Origin::Flag, key))?;
            if setting.kind == Kind::Passphrase {
                return Err(ConfigError::PassphraseFlag);
            }
            layer.add(setting, Zeroizing::new(value.clone()), Origin::Flag)?;
        }
        self.put(layer)
    }

    fn put(&mut self, layer: Layer) -> Result<(), ConfigError> {
        // A passphrase and a passphrase file are two ways to say one thing: the later layer's way counts.
        let said = |kind: Kind| SETTINGS.iter().find(|s| s.kind == kind).map(|s| s.key);
        if let (Some(given), Some(file)) = (said(Kind::Passphrase), said(Kind::PassphraseFile)) {
            match (layer.0.get(given), layer.0.get(file)) {
                (Some(first), Some(second)) => {
                    return Err(ConfigError::Conflict {
                        key: "the passphrase",
                        first: first.origin.clone(),
                        second: second.origin.clone(),
                    });
                }
                (Some(_), None) => drop(self.0.remove(file)),
                (None, Some(_)) => drop(self.0.remove(given)),
                (None, None) => {}
            }
        }
        self.0.extend(layer.0);
        Ok(())
    }
}

#[derive(Default)]
struct Layer(HashMap<&'static str, Found>);

impl Layer {
    fn add(
        &mut self,
        setting: &'static Setting,
        text: Zeroizing<String>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        if let Some(earlier) = self.0.get(setting.key)
            && earlier.text != text
        {
            return Err(ConfigError::Conflict {
                key: setting.key,
                first: earlier.origin.clone(),
                second: origin,
            });
        }
        self.0.insert(setting.key, Found { text, origin });
        Ok(())
    }
}

fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key || setting.aliases.contains(&key))
}

fn unknown(origin: Origin, key: &str) -> ConfigError {
    let names = SETTINGS
        .iter()
        .flat_map(|setting| std::iter::once(setting.key).chain(setting.aliases.iter().copied()));
    let nearest = similar::nearest(key, names).map(str::to_owned);
    ConfigError::UnknownKey { origin, key: key.chars().take(100).collect(), nearest }
}

/// The variable that one of ours, which does not exist, was meant to be. Other programs have variables too, also with our
/// prefix, so that only what is nearly a setting is an error.
fn misspelt<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    if !name.starts_with("QUORATE_") || NO_SETTINGS.contains(&name) {
        return None;
    }
    let near = known.filter(|known| known.starts_with("QUORATE_"));
    let near = near.map(|known| (strsim::damerau_levenshtein(name, known), known));
    near.min().filter(|(distance, _)| *distance <= MISSPELT).map(|(_, known)| known.clone())
}

/// Nested settings get dotted names; lists become comma separated; nulls are as if not there.
fn flatten(prefix: &str, value: Value, out: &mut Vec<(String, Zeroizing<String>)>) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let Value::String(key) = key else {
                    return Err("the name of a setting is a text".to_owned());
                };
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&name, value, out)?;
            }
            Ok(())
        }
        Value::Sequence(items) => {
            let texts = items
                .into_iter()
                .map(|item| scalar(prefix, item).map(|text| text.to_string()))
                .collect::<Result<Vec<_>, _>>()?;
            out.push((prefix.to_owned(), Zeroizing::new(texts.join(","))));
            Ok(())
        }
        value => {
            out.push((prefix.to_owned(), scalar(prefix, value)?));
            Ok(())
        }
    }
}

fn scalar(name: &str, value: Value) -> Result<Zeroizing<String>, String> {
    match value {
        Value::String(text) => Ok(Zeroizing::new(text)),
        Value::Bool(value) => Ok(Zeroizing::new(value.to_string())),
        Value::Number(value) => Ok(Zeroizing::new(value.to_string())),
        _ => Err(format!("{name}: expected a single value")),
    }
}
