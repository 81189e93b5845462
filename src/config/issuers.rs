//! Issuers as they are configured: in `[[issuers]]`, or by options for a single run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::{Spanned, Value};

use crate::auth::algorithm::Algorithm;
use crate::auth::mapping::{Mapping, STANDARD};
use crate::auth::{Issuer, KeySet};
use crate::text::{self, words};

/// An issuer as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The `iss` of its tokens; `None` accepts any.
    pub name: Option<String>,
    /// The preset of its claims; `None` for [`STANDARD`].
    pub preset: Option<String>,
    /// The claims that name the user, instead of those of the preset.
    pub user: Vec<String>,
    /// The claims that contain permissions, instead of those of the preset.
    pub permissions: Vec<String>,
    /// The audiences, of which its tokens must name one; empty accepts any.
    pub audiences: Vec<String>,
    /// The algorithms, by their names; empty for those that its keys allow.
    pub algorithms: Vec<String>,
    /// Whether its tokens must have the type `at+jwt`.
    pub require_typ: bool,
    /// How long its last keys are used if they cannot be fetched; `None` for the default.
    pub max_stale: Option<Duration>,
    /// Where its keys are.
    pub keys: Option<KeysFrom>,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// A JWK or a JWK set in a file.
    JwksFile(PathBuf),
    /// A JWK set at a URL.
    JwksUri(String),
    /// A public key or a certificate in a file.
    PublicKey(PathBuf),
    /// A metadata document below the issuer's URL.
    Discovery,
    /// Shared secrets in files: several during a rotation.
    Secrets(Vec<PathBuf>),
}

/// Why the configuration of an issuer cannot be used. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// The preset does not exist.
    #[error(transparent)]
    Preset(#[from] crate::auth::mapping::UnknownPreset),
    /// Two issuers with one name.
    #[error(transparent)]
    Duplicate(crate::auth::issuers::DuplicateIssuer),
    /// An algorithm that is not supported.
    #[error("unknown algorithm {}, expected one of: {}", text::name(.0, 32), Algorithm::ALL.map(Algorithm::name).join(", "))]
    Algorithm(String),
    /// A claim path with quotes, as other programs write names that contain dots.
    #[error("claim {} contains quotes, expected {}: a name that contains dots is found without them", text::name(.0, 128), text::name(&.0.replace('"', ""), 128))]
    Quoted(String),
    /// No source of keys.
    #[error("no keys: expected jwks-uri, jwks-file, public-key-file, secret-file or discover = true")]
    NoKeys,
    /// Two sources of keys.
    #[error("two sources of keys: expected one of jwks-uri, jwks-file, public-key-file, secret-file or discover")]
    TwoSources,
    /// Discovery without a URL to begin at.
    #[error("discover needs the issuer's URL as its name")]
    NoUrl,
    /// The keys cannot be read.
    #[error("{0}")]
    Keys(String),
}

impl IssuerConfig {
    /// The issuer without its keys.
    pub fn issuer(&self) -> Result<Issuer, IssuerError> {
        let mapping = Mapping::named(self.preset.as_deref().unwrap_or(STANDARD))?;
        // It would silently match nothing.
        if let Some(claim) = self.user.iter().chain(&self.permissions).find(|claim| claim.contains('"')) {
            return Err(IssuerError::Quoted(claim.clone()));
        }
        Ok(Issuer {
            name: self.name.as_deref().map(Into::into),
            audiences: self.audiences.iter().map(|audience| Arc::from(audience.as_str())).collect(),
            algorithms: algorithms(&self.algorithms)?.into(),
            mapping: Arc::new(mapping.with_user(&self.user).with_permissions(&self.permissions)),
            require_typ: self.require_typ,
            keys: KeySet::unread(),
        })
    }

    /// Reads one table of `[[issuers]]`. Relative paths in it start at `folder`.
    pub(super) fn parse(table: &IssuerTable, folder: &Path) -> Result<Self, IssuerFault> {
        let mut found = Self::default();
        let mut sources = Vec::new();
        let place =
            |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.span().start);
        for (key, spanned) in table {
            let (key, value) = (key.get_ref().as_str(), spanned.get_ref());
            let wrong = |why: &str| IssuerFault { at: Some(spanned.span().start), message: format!("{key}: {why}") };
            let string = || match value {
                Value::String(text) if text.is_empty() => Err(wrong("empty")),
                Value::String(text) => Ok(text.clone()),
                _ => Err(wrong("expected a quoted string")),
            };
            let flag = || value.as_bool().ok_or_else(|| wrong("expected true or false"));
            let strings = || match value {
                Value::String(text) => Ok(vec![text.clone()]),
                Value::Array(all) => all
                    .iter()
                    .map(|item| item.as_str().map(ToOwned::to_owned))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| wrong("expected quoted strings")),
                _ => Err(wrong("expected a list of quoted strings")),
            };
            if value.as_array().is_some_and(Vec::is_empty) && key == "secret-file" {
                return Err(wrong("empty"));
            }
            match key {
                "issuer" => found.name = Some(string()?),
                "preset" => found.preset = Some(string()?),
                "user" => found.user = strings()?,
                "permissions" => found.permissions = strings()?,
                "audiences" => found.audiences = strings()?,
                "algorithms" => found.algorithms = strings()?,
                "require-typ" => found.require_typ = flag()?,
                "max-stale" => {
                    let duration = words::parse_duration(&string()?).map_err(|error| wrong(&error.to_string()))?;
                    found.max_stale = Some(duration);
                }
                "jwks-uri" => sources.push((spanned.span().start, KeysFrom::JwksUri(string()?))),
                "jwks-file" => sources.push((spanned.span().start, KeysFrom::JwksFile(folder.join(string()?)))),
                "public-key-file" => sources.push((spanned.span().start, KeysFrom::PublicKey(folder.join(string()?)))),
                "secret-file" => {
                    let files = strings()?.iter().map(|path| folder.join(path)).collect();
                    sources.push((spanned.span().start, KeysFrom::Secrets(files)));
                }
                "discover" => sources.extend(flag()?.then_some((spanned.span().start, KeysFrom::Discovery))),
                _ => {
                    let known = KEYS.map(|(name, _)| name).join(", ");
                    let message =
                        format!("unknown key {} in [[issuers]]; expected one of: {known}", text::name(key, 64));
                    return Err(IssuerFault { at: Some(spanned.span().start), message });
                }
            }
        }
        if found.name.is_none() {
            let message = "issuer is missing: expected the iss of its tokens".to_owned();
            return Err(IssuerFault { at: None, message });
        }
        // In the order of the file.
        sources.sort_by_key(|(at, _)| *at);
        let second = sources.get(1).map(|(at, _)| *at);
        found.keys = match (sources.pop(), second) {
            (None, _) => return Err(IssuerFault { at: None, message: IssuerError::NoKeys.to_string() }),
            (Some((_, keys)), None) => Some(keys),
            (Some(_), at) => return Err(IssuerFault { at, message: IssuerError::TwoSources.to_string() }),
        };
        // What the names mean is reported with the place in the file.
        found.issuer().map_err(|error| {
            let key = match &error {
                IssuerError::Preset(_) => "preset",
                IssuerError::Algorithm(_) => "algorithms",
                IssuerError::Quoted(claim) if found.user.contains(claim) => "user",
                IssuerError::Quoted(_) => "permissions",
                _ => "issuer",
            };
            IssuerFault { at: place(key), message: error.to_string() }
        })?;
        Ok(found)
    }
}

/// One table of `[[issuers]]`, with the places of its keys and values in the file.
pub(super) type IssuerTable = BTreeMap<Spanned<String>, Spanned<Value>>;

/// Why a table of `[[issuers]]` cannot be used.
pub(super) struct IssuerFault {
    /// The offset of the wrong value; `None` for the whole table.
    pub at: Option<usize>,
    /// The error; safe to show.
    pub message: String,
}

/// Returns the algorithms with these names.
pub fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, IssuerError> {
    let algorithm = |name: &String| Algorithm::named(name).ok_or_else(|| IssuerError::Algorithm(name.clone()));
    names.iter().map(algorithm).collect()
}

/// All keys of a table in `[[issuers]]`, each with its meaning.
pub const KEYS: [(&str, &str); 13] = [
    ("issuer", "the `iss` of its tokens"),
    ("preset", "how its claims are read, by provider; default `standard`"),
    ("user", "claims that name the user, instead of the preset's; the first one present is used"),
    ("permissions", "claims that contain permissions, instead of the preset's"),
    ("audiences", "accepted audiences (`aud`), one of which every token must name; default any"),
    ("algorithms", "accepted algorithms; default those of its keys"),
    ("jwks-uri", "URL of its JWK set"),
    ("jwks-file", "file with a JWK or a JWK set"),
    ("public-key-file", "file with a public key or a certificate"),
    ("secret-file", "file with a shared secret, or a list of them"),
    ("discover", "`true` finds the keys through the metadata below its URL"),
    ("require-typ", "`true` accepts only tokens of the type `at+jwt`"),
    ("max-stale", "how long its last keys are used if they cannot be fetched; default `1h`"),
];

/// Formats the keys of a table in `[[issuers]]` as the Markdown table in the docs.
pub fn issuer_keys_markdown() -> String {
    let rows = KEYS.map(|(name, meaning)| format!("| `{name}` | {meaning} |\n"));
    format!("| key | meaning |\n|---|---|\n{}", rows.concat())
}
