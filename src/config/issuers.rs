//! Issuers as they are configured: in `[[issuers]]`, or by options for a single run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Value;

use crate::auth::algorithm::Algorithm;
use crate::auth::mapping::{Mapping, STANDARD};
use crate::auth::{Issuer, KeySet};
use crate::text;

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
    pub(super) fn parse(table: &toml::Table, folder: &Path) -> Result<Self, String> {
        let mut found = Self::default();
        let mut sources = Vec::new();
        for (key, value) in table {
            let string = || match value {
                Value::String(text) if text.is_empty() => Err(format!("{key}: empty")),
                Value::String(text) => Ok(text.clone()),
                _ => Err(format!("{key}: expected a quoted string")),
            };
            let flag = || value.as_bool().ok_or_else(|| format!("{key}: expected true or false"));
            let strings = || match value {
                Value::String(text) => Ok(vec![text.clone()]),
                Value::Array(all) => all
                    .iter()
                    .map(|item| item.as_str().map(ToOwned::to_owned))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| format!("{key}: expected quoted strings")),
                _ => Err(format!("{key}: expected a list of quoted strings")),
            };
            if value.as_array().is_some_and(Vec::is_empty) && key == "secret-file" {
                return Err(format!("{key}: empty"));
            }
            match key.as_str() {
                "issuer" => found.name = Some(string()?),
                "preset" => found.preset = Some(string()?),
                "user" => found.user = strings()?,
                "permissions" => found.permissions = strings()?,
                "audiences" => found.audiences = strings()?,
                "algorithms" => found.algorithms = strings()?,
                "require-typ" => found.require_typ = flag()?,
                "jwks-uri" => sources.push(KeysFrom::JwksUri(string()?)),
                "jwks-file" => sources.push(KeysFrom::JwksFile(folder.join(string()?))),
                "public-key-file" => sources.push(KeysFrom::PublicKey(folder.join(string()?))),
                "secret-file" => {
                    sources.push(KeysFrom::Secrets(strings()?.iter().map(|path| folder.join(path)).collect()));
                }
                "discover" => sources.extend(flag()?.then_some(KeysFrom::Discovery)),
                _ => {
                    return Err(format!(
                        "unknown key {} in [[issuers]]; expected one of: {}",
                        text::name(key, 64),
                        KEYS.join(", ")
                    ));
                }
            }
        }
        if found.name.is_none() {
            return Err("issuer is missing: expected the iss of its tokens".to_owned());
        }
        found.keys = match sources.len() {
            0 => return Err(IssuerError::NoKeys.to_string()),
            1 => sources.pop(),
            _ => return Err(IssuerError::TwoSources.to_string()),
        };
        // What the names mean is reported with the place in the file.
        found.issuer().map_err(|error| error.to_string())?;
        Ok(found)
    }
}

/// Returns the algorithms with these names.
pub fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, IssuerError> {
    let algorithm = |name: &String| Algorithm::named(name).ok_or_else(|| IssuerError::Algorithm(name.clone()));
    names.iter().map(algorithm).collect()
}

/// All keys of a table in `[[issuers]]`.
pub const KEYS: [&str; 12] = [
    "issuer",
    "preset",
    "user",
    "permissions",
    "audiences",
    "algorithms",
    "jwks-uri",
    "jwks-file",
    "public-key-file",
    "secret-file",
    "discover",
    "require-typ",
];
