//! The configuration file, `portcullis.toml`. Every key has the name of the corresponding option.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::issuers::{IssuerConfig, IssuerFault, IssuerTable};
use super::targets::{TargetConfig, TargetTable};
use super::{ConfigError, KeyFile, read};
use crate::auth::{Leeway, TokenLimit};
use crate::look::ThemeChoice;
use crate::text::{self, words};

/// The environment variable with the path of the configuration file.
pub const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// The largest accepted configuration file, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The contents of a configuration file. Options and the environment override them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The path that it was read from.
    pub path: Option<PathBuf>,
    /// The file with the signing secret or the private key.
    pub key_file: Option<KeyFile>,
    /// Files with earlier secrets, which only verify.
    pub old_secrets: Vec<PathBuf>,
    /// The largest accepted token; `None` for the default.
    pub max_token_size: Option<TokenLimit>,
    /// The policy file; `None` for the built-in policy.
    pub policy: Option<PathBuf>,
    /// The lifetime of issued tokens, as a duration in words; `None` for `1h`.
    pub lifetime: Option<String>,
    /// The tolerance for clock differences.
    pub leeway: Leeway,
    /// The issuer that every token must have.
    pub issuer: Option<String>,
    /// The audience that every token must name.
    pub audience: Option<String>,
    /// Other issuers whose tokens are accepted.
    pub issuers: Vec<IssuerConfig>,
    /// MCP servers that decide for themselves.
    pub targets: Vec<TargetConfig>,
    /// The file that stores revocations.
    pub state: Option<PathBuf>,
    /// The theme of the console.
    pub theme: Option<ThemeChoice>,
    /// Keys of the console, each with the key whose meaning it gets.
    pub keys: Vec<(String, String)>,
}

/// The tables `[[issuers]]` and `[[targets]]` of the file.
#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    issuers: Vec<Spanned<IssuerTable>>,
    #[serde(default)]
    targets: Vec<Spanned<TargetTable>>,
}

/// All keys of the file.
const KEYS: [&str; 14] = [
    "secret-file",
    "old-secret-file",
    "signing-key",
    "policy",
    "lifetime",
    "leeway",
    "issuer",
    "audience",
    "max-token-size",
    "issuers",
    "targets",
    "state",
    "theme",
    "keys",
];

/// Why a text is not a valid configuration. Line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Fault {
    /// The line of the error.
    pub line: usize,
    /// The column of the error, in characters.
    pub column: usize,
    /// The error; safe to show.
    pub message: String,
}

impl Fault {
    fn new(source: &str, at: usize, message: impl Into<String>) -> Self {
        let (line, column) = text::place(text::head(source, at));
        Self { line, column, message: message.into() }
    }
}

impl ConfigFile {
    /// Reads the configuration from `named`, which must exist, or else from the platform's default path if it exists.
    pub fn find(named: Option<&Path>) -> Result<Self, ConfigError> {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match (named, default_path()) {
            (Some(path), _) => Self::load(path),
            (None, None) => Ok(Self::default()),
            // A dangling link or an inaccessible directory does not count as a missing file.
            (None, Some(path)) => match path.symlink_metadata() {
                Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => Ok(Self::default()),
                _ => Self::load(&path),
            },
        }
    }

    fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read("configuration file", path, MAX_BYTES)?;
        let file = |fault| ConfigError::File { path: path.to_owned(), fault };
        let source = String::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or(&[]));
            file(Fault::new(&good, good.len(), "invalid UTF-8"))
        })?;
        let read = Self::parse(&source, path.parent().unwrap_or(Path::new(""))).map_err(file)?;
        Ok(Self { path: Some(path.to_owned()), ..read })
    }

    /// Parses the text of a configuration file. Relative paths in it start at `folder`.
    pub fn parse(source: &str, folder: &Path) -> Result<Self, Fault> {
        let members: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(source).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Fault::new(source, at, text::display_safe(error.message(), 200))
        })?;
        let mut found = Self::default();
        for (key, value) in &members {
            let name = key.get_ref().as_str();
            let wrong = |message: String| Fault::new(source, value.span().start, format!("{name}: {message}"));
            let said = || match value.get_ref() {
                Value::String(said) => Ok(said.as_str()),
                _ => Err(wrong("expected a quoted string".to_owned())),
            };
            let path = || match said()? {
                "" => Err(wrong("empty".to_owned())),
                said => Ok(folder.join(said)),
            };
            let text = || said().map(|said| Some(said.to_owned()).filter(|said| !said.is_empty()));
            match name {
                "secret-file" | "signing-key" if found.key_file.is_some() => {
                    return Err(wrong("secret-file cannot be used with signing-key".to_owned()));
                }
                "secret-file" => found.key_file = Some(KeyFile::Secret(path()?)),
                "signing-key" => found.key_file = Some(KeyFile::Private(path()?)),
                "old-secret-file" => {
                    let one = |value: &Value| match value {
                        Value::String(path) if !path.is_empty() => Ok(folder.join(path)),
                        _ => Err(wrong("expected the name of a file, or a list of them".to_owned())),
                    };
                    found.old_secrets = match value.get_ref() {
                        Value::Array(all) => all.iter().map(one).collect::<Result<_, _>>()?,
                        value => vec![one(value)?],
                    };
                }
                "max-token-size" => {
                    let kib = value.get_ref().as_integer().map(|kib| kib.to_string()).unwrap_or_default();
                    found.max_token_size = Some(kib.parse().map_err(|error| wrong(format!("{error}")))?);
                }
                "policy" => found.policy = Some(path()?),
                "state" => found.state = Some(path()?),
                "lifetime" => {
                    words::parse_duration(said()?).map_err(|error| wrong(error.to_string()))?;
                    found.lifetime = text()?;
                }
                "leeway" => found.leeway = said()?.parse().map_err(|error| wrong(format!("{error}")))?,
                "issuers" => {
                    // Read again, because values inside of a `Value` have no places.
                    let read: Result<Tables, _> = toml::from_str(source);
                    let tables = read.map_err(|_| wrong("expected tables [[issuers]]".to_owned()))?.issuers;
                    let table = |table: &Spanned<IssuerTable>| {
                        let fault = |IssuerFault { at, message }| {
                            Fault::new(source, at.unwrap_or(table.span().start), format!("issuers: {message}"))
                        };
                        IssuerConfig::parse(table.get_ref(), folder).map_err(fault)
                    };
                    found.issuers = tables.iter().map(table).collect::<Result<_, _>>()?;
                }
                "targets" => {
                    let read: Result<Tables, _> = toml::from_str(source);
                    let tables = read.map_err(|_| wrong("expected tables [[targets]]".to_owned()))?.targets;
                    for table in &tables {
                        let fault = |IssuerFault { at, message }| {
                            Fault::new(source, at.unwrap_or(table.span().start), format!("targets: {message}"))
                        };
                        let target = TargetConfig::parse(table.get_ref()).map_err(fault)?;
                        if found.targets.iter().any(|known| known.name == target.name) {
                            let message = format!("targets: two targets are called {}", text::name(&target.name, 64));
                            return Err(Fault::new(source, table.span().start, message));
                        }
                        found.targets.push(target);
                    }
                }
                "issuer" => found.issuer = text()?,
                "audience" => found.audience = text()?,
                "theme" => {
                    let choice = ThemeChoice::named(said()?);
                    let wrong = || wrong("expected auto, dark, light, contrast or plain".to_owned());
                    found.theme = Some(choice.ok_or_else(wrong)?);
                }
                "keys" => {
                    let Value::Table(pairs) = value.get_ref() else {
                        return Err(wrong("expected a table of keys, as in \"F6\" = \"F2\"".to_owned()));
                    };
                    for (key, like) in pairs {
                        let like =
                            like.as_str().ok_or_else(|| wrong("expected the name of a key in quotes".to_owned()))?;
                        found.keys.push((key.clone(), like.to_owned()));
                    }
                }
                name => return Err(Fault::new(source, key.span().start, unknown(name))),
            }
        }
        Ok(found)
    }
}

/// Returns the message for an unknown key, with the most similar known one.
fn unknown(name: &str) -> String {
    let nearest = text::nearest(name, KEYS).unwrap_or_default();
    format!("unknown key {}; did you mean {nearest}?", text::name(name, 64))
}

/// Returns the default path of the configuration file.
pub fn default_path() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("portcullis").join("portcullis.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const EXAMPLE: &str = include_str!("../../assets/portcullis.example.toml");

    fn parse(source: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(source, Path::new("/etc/portcullis")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_example_says_what_holds_without_it_and_names_every_key() {
        assert_eq!(parse(EXAMPLE), Ok(ConfigFile { lifetime: Some("1h".to_owned()), ..ConfigFile::default() }));
        for key in KEYS {
            assert!(
                EXAMPLE.lines().any(|line| {
                    let line = line.trim_start_matches("# ");
                    line.starts_with(&format!("{key} =")) || line == format!("[{key}]") || line == format!("[[{key}]]")
                }),
                "{key}"
            );
        }
        let all: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')).unwrap_or(line))
            // It excludes secret-file.
            .filter(|line| !line.starts_with("signing-key"))
            .collect::<Vec<_>>()
            .join("\n");
        assert!(parse(&all).is_ok(), "{all}");
    }

    #[test]
    fn relative_paths_count_from_the_file() {
        let found = parse("secret-file = \"secret\"\npolicy = \"/srv/policy.toml\"").expect("a configuration");
        assert_eq!(found.key_file, Some(KeyFile::Secret("/etc/portcullis/secret".into())));
        assert_eq!(found.policy.as_deref(), Some(Path::new("/srv/policy.toml")));
    }

    #[rstest]
    #[case("\nleewy = \"5s\"", "line 2, column 1: unknown key leewy; did you mean leeway?")]
    #[case("secret_file = \"x\"", "line 1, column 1: unknown key secret_file; did you mean secret-file?")]
    #[case("leeway = \"1h\"", "line 1, column 10: leeway: expected whole seconds, at most 300s")]
    #[case(
        "secret-file = \"a\"\nsigning-key = \"b\"",
        "line 2, column 15: signing-key: secret-file cannot be used with signing-key"
    )]
    #[case("leeway = 5", "line 1, column 10: leeway: expected a quoted string")]
    #[case("lifetime = \"soon\"", "line 1, column 12: lifetime: expected a duration such as 90s, 15m, 1h, 7d or 1h30m")]
    #[case("policy = \"\"", "line 1, column 10: policy: empty")]
    #[case(
        "[[issuers]]\nissuer = \"x\"",
        "line 1, column 1: issuers: no keys: expected jwks-uri, jwks-file, public-key-file, secret-file or discover = true"
    )]
    #[case(
        "[[issuers]]\njwks-file = \"x\"",
        "line 1, column 1: issuers: issuer is missing: expected the iss of its tokens"
    )]
    #[case(
        "[[issuers]]\nissuer = \"x\"\njwks-file = \"x\"\npreset = \"x\"",
        "line 4, column 10: issuers: unknown preset x, expected one of: lab, standard, keycloak, auth0, okta, entra, cognito, google, zitadel, authentik, hydra, supabase, kubernetes, github, gitlab, clerk"
    )]
    #[case(
        "[[issuers]]\nissuer = \"x\"\njwks-file = \"x\"\ndiscover = true",
        "line 4, column 12: issuers: two sources of keys: expected one of jwks-uri, jwks-file, public-key-file, secret-file or discover"
    )]
    #[case(
        "[[issuers]]\nissuer = \"x\"\njwks-file = \"x\"\n\n[[issuers]]\nissuer = \"y\"\njwks-uri = 7",
        "line 7, column 12: issuers: jwks-uri: expected a quoted string"
    )]
    #[case(
        "[[issuers]]\nissuer = \"x\"\njwks-file = \"x\"\nmax-stale = \"soon\"",
        "line 4, column 13: issuers: max-stale: expected a duration such as 90s, 15m, 1h, 7d or 1h30m"
    )]
    #[case(
        "[[issuers]]\nissuer = \"x\"\njwks-file = \"x\"\nuser = \"sub\"\npermissions = ['a.\"my.app\".roles']",
        "line 5, column 15: issuers: claim a.\"my.app\".roles contains quotes, expected a.my.app.roles: a name that contains dots is found without them"
    )]
    #[case("issuers = 7", "line 1, column 11: issuers: expected tables [[issuers]]")]
    #[case("max-token-size = 65", "line 1, column 18: max-token-size: expected whole KiB from 1 to 64")]
    #[case("max-token-size = \"big\"", "line 1, column 18: max-token-size: expected whole KiB from 1 to 64")]
    #[case("old-secret-file = 7", "line 1, column 19: old-secret-file: expected the name of a file, or a list of them")]
    #[case("policy = ", "line 1, column 10: string values must be quoted, expected literal string")]
    fn what_is_wrong_is_named_with_its_place(#[case] source: &str, #[case] said: &str) {
        assert_eq!(parse(source), Err(said.to_owned()));
    }
}
