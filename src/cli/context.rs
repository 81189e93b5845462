//! The context of a command: options, environment and configuration file merged, in this order of precedence.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::CliError;
use super::options::Settings;
use crate::auth::algorithm::Family;
use crate::auth::issue::TimeInput;
use crate::auth::keys::{PreviousKeys, SignerOptions};
use crate::auth::{
    Algorithm, IssueRequest, Issuer, Issuers, KeySet, Leeway, NumericDate, Policy, Revocations, Rules, Signer,
    TokenLimit,
};
use crate::clock::{Clock, SystemClock};
use crate::config::{
    self, CONFIG_VARIABLE, ConfigError, ConfigFile, IssuerConfig, IssuerError, KeyFile, KeySources, KeysFrom, OwnKeys,
    SigningFile, TargetConfig, WritableFile,
};
use crate::endpoint::Files;
use crate::gate::{self, Gate, KeyStatus, Provenance};
use crate::issuer_keys::{FetchSettings, KeySource, RemoteKeys, UrlError, fetch_once};
use crate::look::{Background, Depth, Look, ThemeChoice};
use crate::store::{Edition, FileStore, Memory, Store};
use crate::text::{self, Span};

/// The environment, read once at start-up. It contains a secret, so it does not implement `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    /// `PORTCULLIS_SECRET`.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// `PORTCULLIS_TOKEN`, if it is set and not empty.
    pub token: Option<String>,
    /// `PORTCULLIS_CONFIG`.
    pub config: Option<PathBuf>,
    /// `SHELL`, the path of the login shell.
    pub shell: Option<String>,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub source_date: Option<String>,
    /// Whether `NO_COLOR` is set and not empty.
    pub no_colour: bool,
    /// The terminal's properties from `COLORTERM` and `COLORFGBG`.
    pub look: Look,
    /// Whether standard input is a terminal; if so, it is read only on request.
    pub at_terminal: bool,
    /// Whether standard output is a terminal.
    pub prints_to_terminal: bool,
}

impl Environment {
    /// Reads the environment.
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            secret: config::secret_variable(),
            token: text("PORTCULLIS_TOKEN"),
            config: variable(CONFIG_VARIABLE).map(Into::into),
            shell: text("SHELL"),
            source_date: text("SOURCE_DATE_EPOCH"),
            no_colour: variable("NO_COLOR").is_some(),
            look: Look {
                background: text("COLORFGBG").as_deref().and_then(Background::from_colorfgbg),
                depth: text("COLORTERM").as_deref().map(Depth::from_colorterm).unwrap_or_default(),
                is_mute: text("TERM").as_deref() == Some("linux"),
                ..Look::default()
            },
            at_terminal: std::io::stdin().is_terminal(),
            prints_to_terminal: std::io::stdout().is_terminal(),
        }
    }
}

/// The key, the rules, the store and the clock of a command.
pub struct Context {
    own_keys: OwnKeys,
    /// Our own issuer, without its keys.
    own: Issuer,
    policy: Arc<Policy>,
    token_limit: TokenLimit,
    /// The other issuers; their keys are read when they are needed.
    others: Vec<Issuer>,
    /// The sources of these keys, one for each of them.
    pub sources: Vec<RemoteKeys>,
    /// How the keys of issuers that are added later are fetched.
    pub fetching: FetchSettings,
    /// The state of the keys that are shared secrets.
    secrets: Vec<KeyStatus>,
    leeway: Leeway,
    revoked: Arc<Revocations>,
    /// The store's edition that the revocations belong to.
    pub edition: Option<Edition>,
    now: Option<NumericDate>,
    /// The policy file; empty for the built-in policy.
    pub policy_path: String,
    /// The file that the signing key was read from, if any.
    key_file: Option<KeyFile>,
    /// The same file, and how it is read again when it has changed.
    pub signing_file: Option<SigningFile>,
    /// The other files with secrets.
    secret_files: Vec<PathBuf>,
    /// The configuration file, if any.
    config_path: Option<PathBuf>,
    /// The file that stores revocations, if any.
    state_path: Option<PathBuf>,
    /// The store of revocations.
    pub store: Arc<dyn Store>,
    /// The lifetime of issued tokens in words, if it is configured.
    pub lifetime: Option<String>,
    /// The MCP servers of the configuration file.
    pub targets: Vec<TargetConfig>,
    /// The issuer that was given, by option or configuration.
    pub issuer: Option<String>,
    /// The audiences that were given, by option or configuration.
    pub audiences: Vec<String>,
    /// The preset that was given as an option.
    pub preset: Option<String>,
    /// The signing secret for another algorithm, for the probe of a foreign server.
    pub variant: Option<Signer>,
    /// Keys of the console, each with the key whose meaning it gets.
    pub keys: Vec<(String, String)>,
    /// The theme of the console, if it is configured.
    pub theme: Option<ThemeChoice>,
}

/// The gate and clock that a console starts with.
pub struct GateWithClock {
    /// The gate.
    pub gate: Gate,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Reads configuration, secret and policy.
    pub fn new(settings: &Settings, environment: &Environment) -> Result<Self, CliError> {
        Self::with(settings, environment, SignerOptions::default())
    }

    /// Like [`Context::new`], with an algorithm and a name for the signing key.
    #[expect(clippy::too_many_lines, reason = "each line is one setting")]
    pub fn with(settings: &Settings, environment: &Environment, key: SignerOptions<'_>) -> Result<Self, CliError> {
        // Not by clap: it compares only options on the same side of the command.
        let key_file = match (&settings.secret_file, &settings.signing_key) {
            (Some(_), Some(_)) => {
                return Err(CliError::Usage("--secret-file cannot be used with --signing-key".to_owned()));
            }
            (Some(secret), None) => Some(KeyFile::Secret(secret.clone())),
            (None, key) => key.clone().map(KeyFile::Private),
        };
        let named = settings.config.as_deref().or(environment.config.as_deref());
        let file = ConfigFile::find(named)?;
        let policy = settings.policy.clone().or(file.policy);
        let state_path = settings.state.clone().or(file.state);
        let store: Arc<dyn Store> = match &state_path {
            Some(path) => Arc::new(FileStore::new(path.clone())),
            None => Arc::new(Memory::default()),
        };
        let stored = store.load()?;
        let issuer = settings.issuer.clone().or_else(|| file.issuer.clone());
        let audiences = match settings.audiences.is_empty() {
            true => file.audience.into_iter().collect(),
            false => settings.audiences.clone(),
        };
        let given_issuer = issuer.clone();
        // Options describe one issuer for this run; --issuer is then its name, and our own tokens need none.
        let single = settings.other.issuer(issuer.as_ref(), &audiences);
        let mut issuers = file.issuers;
        // Without keys of their own, they describe an issuer of the file, or else our own tokens.
        let described = match (&single, settings.other.first_without_key()) {
            (None, Some(option)) => described_by(option, &issuers, settings.issuer.as_deref())?,
            _ => None,
        };
        if let Some(found) = described.and_then(|place| issuers.get_mut(place)) {
            *found = settings.other.over(std::mem::take(found));
        }
        let describes_ours = single.is_none() && described.is_none();
        let issuer = if described.is_some() && settings.issuer.is_some() { file.issuer } else { issuer };
        let algorithms = match describes_ours {
            false => Vec::new(),
            true => config::algorithms(&settings.other.algorithms).map_err(ConfigError::Issuer)?,
        };
        let old_secrets = match settings.old_secret_files.is_empty() {
            true => file.old_secrets,
            false => settings.old_secret_files.clone(),
        };
        let key_sources = KeySources {
            file: key_file,
            variable: environment.secret.clone(),
            configured: file.key_file,
            old_secrets,
            others_may_read: settings.insecure_secret_file,
            algorithms: &algorithms,
            options: key,
        };
        let own_keys = key_sources.read()?;
        let has_own = own_keys.verifiers().next().is_some();
        if let Some(option) = settings.other.first_without_key().filter(|_| describes_ours && !has_own) {
            let wanted =
                format!("{option} needs a key: give --jwks, --public-key, --discover, --secret-file or --signing-key");
            return Err(CliError::Usage(wanted));
        }
        let configured: Vec<&IssuerConfig> = issuers.iter().chain(&single).collect();
        let OtherIssuers { issuers: others, sources, secret_files, secrets } =
            OtherIssuers::read(&configured, settings)?;
        let secret_files = key_sources.old_secrets.iter().cloned().chain(secret_files).collect();
        let own = match describes_ours {
            false => Issuer::default(),
            true => settings.other.own().map_err(ConfigError::Issuer)?,
        };
        let own = Issuer {
            name: issuer.filter(|_| single.is_none()).map(Into::into),
            audiences: audiences.iter().map(|audience| Arc::from(audience.as_str())).collect(),
            algorithms: Arc::default(),
            keys: KeySet::default(),
            ..own
        };
        others
            .iter()
            .try_fold(Issuers::new(own.clone()), |issuers, other| issuers.with(other.clone()))
            .map_err(|error| ConfigError::Issuer(IssuerError::Duplicate(error)))?;
        Ok(Self {
            key_file: key_sources.file().cloned(),
            own_keys,
            own,
            policy: policy.as_deref().map_or_else(|| Ok(Arc::default()), config::policy)?,
            token_limit: settings.max_token_size.or(file.max_token_size).unwrap_or_default(),
            others,
            sources,
            fetching: fetching(settings),
            secrets,
            leeway: settings.leeway.unwrap_or(file.leeway),
            revoked: stored.revoked.into(),
            edition: stored.edition,
            now: settings.now,
            policy_path: policy.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
            signing_file: key_sources.signing_file(),
            secret_files,
            config_path: file.path,
            state_path,
            store,
            lifetime: file.lifetime,
            theme: file.theme,
            targets: file.targets,
            issuer: given_issuer,
            audiences,
            preset: settings.other.preset.clone(),
            variant: None,
            keys: file.keys,
        })
    }

    /// Returns the absolute paths of the files that it was read from.
    pub fn files(&self) -> Files {
        let absolute = |path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            path.to_string_lossy().into_owned()
        };
        let folder = std::env::current_dir().unwrap_or_default();
        Files {
            key: self.key_file.as_ref().map(|file| (file.option(), absolute(file.path()))),
            state: self.state_path.as_deref().map(absolute),
            folder: folder.to_string_lossy().into_owned(),
        }
    }

    /// Whether `--now` was given.
    pub const fn is_set(&self) -> bool {
        self.now.is_some()
    }

    /// The time that decisions use: `--now` or the system clock.
    pub fn now(&self) -> NumericDate {
        self.now.unwrap_or_else(|| SystemClock::new().now())
    }

    /// Whether there is a key to verify signatures with.
    pub fn has_key(&self) -> bool {
        self.own_keys.verifiers().next().is_some() || !self.others.is_empty()
    }

    /// Checks that there is a key to verify a token with. Otherwise the error names the options for its algorithm.
    pub fn need_key(&self, token: Option<&str>) -> Result<(), ConfigError> {
        let Some(token) = token.filter(|_| !self.has_key()) else { return Ok(()) };
        let alg = self.rules().inspect(token).judged.alg.as_deref().and_then(Algorithm::named);
        Err(match alg.filter(|alg| alg.family() != Family::Hmac) {
            Some(alg) => ConfigError::NoKeyFor(alg),
            None => ConfigError::NoSecret,
        })
    }

    /// Returns the security-relevant files that other users can change.
    pub fn writable(&self) -> Vec<WritableFile> {
        let policy = Some(PathBuf::from(&self.policy_path)).filter(|path| !path.as_os_str().is_empty());
        let secrets = self.secret_files.iter().map(|path| ("secret file", Some(path.as_path())));
        let files = [
            ("configuration file", self.config_path.as_deref()),
            (self.key_file.as_ref().map_or("", KeyFile::what), self.key_file.as_ref().map(KeyFile::path)),
            ("policy file", policy.as_deref()),
            ("state file", self.state_path.as_deref()),
        ];
        files.into_iter().chain(secrets).filter_map(|(what, path)| config::writable(what, path?)).collect()
    }

    /// Returns a sentence that the secret is weak and how to make a strong one; `None` if it is strong or missing.
    pub fn weakness(&self) -> Option<String> {
        let weak = self.own_keys.verifiers().find(|key| key.is_weak())?;
        let (bits, algorithm) = (weak.bits(), weak.algorithms().first()?);
        Some(format!(
            "weak secret: {} bits, {} needs at least {} (RFC 7518 §3.2); generate one with: openssl rand -hex {}",
            bits,
            algorithm,
            algorithm.strong_bits(),
            algorithm.strong_bits() / 8,
        ))
    }

    /// Returns the rules with the keys of the issuer that the token names, which are read if they have not been yet. Keys
    /// that cannot be read are the reason why the token is refused; a file that cannot be read is an error.
    pub fn keyed(&self, rules: Rules, token: &str) -> Result<Rules, ConfigError> {
        if self.sources.is_empty() {
            return Ok(rules);
        }
        let iss = rules.inspect(token).named().iss;
        self.reading(rules, |name| name.is_none() || name == iss.as_deref())
    }

    /// Returns the rules with the keys of all issuers.
    pub fn all_keyed(&self) -> Result<Rules, ConfigError> {
        self.reading(self.rules(), |_| true)
    }

    /// Reads the keys of these issuers, unless they have been read.
    fn reading(&self, rules: Rules, is_meant: impl Fn(Option<&str>) -> bool) -> Result<Rules, ConfigError> {
        let mut issuers = rules.issuers.clone();
        for source in &self.sources {
            let name = source.issuer.as_deref();
            let is_unread = issuers.of_name(name).is_some_and(|issuer| issuer.keys.is_unread());
            if !is_meant(name) || !is_unread {
                continue;
            }
            let keys = match (fetch_once(source), &source.source) {
                (Ok(read), _) => read.into(),
                (Err(error), KeySource::File(_)) => return Err(IssuerError::Keys(error.to_string()).into()),
                (Err(error), _) => KeySet::unavailable(error.to_string()),
            };
            issuers = issuers.with_keys_of(name, keys).unwrap_or(issuers);
        }
        Ok(Rules { issuers, ..rules })
    }

    /// Gives a gate the keys of the issuer that the token names.
    pub fn read_keys(&self, gate: &Gate, token: Option<&str>) -> Result<(), ConfigError> {
        if let Some(token) = token.filter(|_| !self.sources.is_empty()) {
            let rules = self.keyed((*gate.shared().rules()).clone(), token)?;
            gate.shared().update(|state| state.set_rules(rules));
        }
        Ok(())
    }

    /// The key to sign with, if there is one.
    pub fn signer(&self) -> Option<&Signer> {
        self.own_keys.signer()
    }

    /// The rules; without a secret, they cannot verify signatures.
    pub fn rules(&self) -> Rules {
        self.rules_with(&self.own_keys)
    }

    fn rules_with(&self, own_keys: &OwnKeys) -> Rules {
        let keys: KeySet = own_keys.verifiers().cloned().collect();
        let own = Issuers::new(Issuer { keys, ..self.own.clone() });
        // Their names were found to be different.
        let add = |issuers: Issuers, issuer: &Issuer| issuers.with(issuer.clone()).unwrap_or(issuers);
        Rules {
            issuers: self.others.iter().fold(own, add),
            policy: Arc::clone(&self.policy),
            leeway: self.leeway,
            revoked: Arc::clone(&self.revoked),
            token_limit: self.token_limit,
        }
    }

    /// Creates a gate; callers pass the time with every call. Without a secret, it fails if the caller has a token.
    pub fn gate(&self, has_token: bool) -> Result<Gate, ConfigError> {
        match has_token && !self.has_key() {
            true => Err(ConfigError::NoSecret),
            false => Ok(self.gate_with(&self.own_keys, Arc::new(SystemClock::new()))),
        }
    }

    /// Creates a gate with these keys, and with the state of keys that nothing fetches.
    fn gate_with(&self, own_keys: &OwnKeys, clock: Arc<dyn Clock>) -> Gate {
        let gate = Gate::with(self.rules_with(own_keys), own_keys.signer().cloned(), clock);
        gate.shared().update(|state| {
            state.set_previous_keys(PreviousKeys::named(own_keys.previous.iter().cloned()));
            self.secrets.iter().cloned().for_each(|status| state.set_key_status(status));
        });
        gate
    }

    /// Returns the default claims of an issued token.
    pub fn request(&self, user: &str, now: NumericDate) -> IssueRequest {
        let lifetime = self.lifetime.as_deref().and_then(|words| TimeInput::parse(words).ok());
        IssueRequest {
            user_id: user.to_owned(),
            expires: lifetime.map(|when| when.from(now)),
            issuer: self.own.name.as_deref().map(str::to_owned),
            audience: self.own.audiences.first().map(ToString::to_string),
            further_audiences: self.own.audiences.iter().skip(1).map(ToString::to_string).collect(),
            ..IssueRequest::default()
        }
    }

    /// Creates a console's gate and clock; without a secret it generates a key.
    pub fn begin(&self) -> Result<GateWithClock, ConfigError> {
        let mut own_keys = self.own_keys.clone();
        if own_keys.signing.is_none() {
            own_keys.signing = Some(config::fresh_key()?.into());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok(GateWithClock { gate: self.gate_with(&own_keys, Arc::clone(&clock)), clock })
    }

    /// Issues a token for each of the first permissions of the policy, one without permissions, and one that expires in
    /// a minute.
    pub fn add_demo(&self, gate: &Gate) {
        let now = self.now();
        // A running server may have changed the audience.
        let audience = gate.shared().rules().audience().map(ToString::to_string);
        let permissions = self.policy.permissions();
        let holders =
            permissions.iter().take(MOST_DEMO).map(|permission| (demo_name(permission), Some(permission), None));
        let others = [("guest789", None, None), ("shortlived", permissions.first(), Some(Span::MINUTE))];
        for (user, permission, lives) in holders.chain(others) {
            let expires = lives.map(|span| now.whole_second().plus(span));
            let request = self.request(user, now);
            let request = IssueRequest {
                permissions: permission.iter().map(ToString::to_string).collect(),
                expires: expires.or(request.expires),
                audience: audience.clone(),
                ..request
            };
            if let Ok(token) = gate.issue(&request, now) {
                gate.shared().update(|state| state.add(token, Provenance::Issued, now));
            }
        }
    }
}

/// The issuers besides our own.
#[derive(Default)]
struct OtherIssuers {
    /// With their keys, if these are shared secrets.
    issuers: Vec<Issuer>,
    /// The sources of the other keys.
    sources: Vec<RemoteKeys>,
    /// The files with shared secrets.
    secret_files: Vec<PathBuf>,
    /// The state of these secrets.
    secrets: Vec<KeyStatus>,
}

impl OtherIssuers {
    fn read(configured: &[&IssuerConfig], settings: &Settings) -> Result<Self, ConfigError> {
        let mut found = Self::default();
        for wanted in configured {
            let mut issuer = wanted.issuer()?;
            if let Some(KeysFrom::Secrets(files)) = &wanted.keys {
                let keys = config::secret_verifiers(files, &issuer.algorithms, settings.insecure_secret_file)?;
                issuer.keys = keys.into_iter().collect();
                found.secret_files.extend_from_slice(files);
                found.secrets.push(KeyStatus {
                    issuer: issuer.name.clone(),
                    source: text::names(files.iter().map(|path| path.to_string_lossy()), 200, 4, ", ").into(),
                    from: gate::KeysFrom::Secrets(files.as_slice().into()),
                    keys: issuer.keys.iter().cloned().collect(),
                    read_at: Some(SystemClock::new().now()),
                    is_usable: true,
                    ..KeyStatus::default()
                });
            } else {
                let given = fetching(settings);
                let stated = wanted.max_stale.filter(|_| settings.other.jwks_max_stale.is_none());
                let max_stale = stated.unwrap_or(given.max_stale);
                found.sources.push(RemoteKeys {
                    settings: FetchSettings { max_stale, ..given },
                    ..RemoteKeys::new(issuer.name.clone(), source_of(wanted)?)
                });
            }
            found.issuers.push(issuer);
        }
        Ok(found)
    }
}

/// How keys are fetched, by the options.
fn fetching(settings: &Settings) -> FetchSettings {
    let usual = FetchSettings::default();
    FetchSettings {
        ca_file: settings.other.ca_file.clone(),
        others_may_read: settings.insecure_secret_file,
        max_stale: settings.other.jwks_max_stale.unwrap_or(usual.max_stale),
        ..usual
    }
}

/// Returns the place of the configured issuer that an option without keys describes: the one that `--issuer` names, or
/// the only one. `None` if it describes our own tokens.
fn described_by(option: &str, issuers: &[IssuerConfig], wanted: Option<&str>) -> Result<Option<usize>, CliError> {
    match (issuers, wanted) {
        (_, Some(name)) => Ok(issuers.iter().position(|issuer| issuer.name.as_deref() == Some(name))),
        ([], None) => Ok(None),
        ([_], None) => Ok(Some(0)),
        (several, None) => {
            let names = several.iter().filter_map(|issuer| issuer.name.as_deref());
            let names = text::names(names, 100, 4, ", ");
            let sentence =
                format!("{option} needs an issuer of the configuration file: give --issuer with one of: {names}");
            Err(CliError::Usage(sentence))
        }
    }
}

/// The source of an issuer's keys.
fn source_of(issuer: &IssuerConfig) -> Result<KeySource, IssuerError> {
    let url = |found: Result<KeySource, UrlError>| found.map_err(|error| IssuerError::Keys(error.to_string()));
    match &issuer.keys {
        Some(KeysFrom::JwksFile(path) | KeysFrom::PublicKey(path)) => Ok(KeySource::File(path.clone())),
        Some(KeysFrom::JwksUri(uri)) => url(KeySource::jwks(uri)),
        Some(KeysFrom::Discovery) => url(KeySource::discovery(issuer.name.as_deref().ok_or(IssuerError::NoUrl)?)),
        // Secrets are read with our own.
        Some(KeysFrom::Secrets(_)) | None => Err(IssuerError::NoKeys),
    }
}

/// The highest number of permissions for which the demonstration issues a token.
const MOST_DEMO: usize = 8;

/// The user with this permission in the demonstration: the names of the lab exercise for its permissions, else the
/// permission's name.
fn demo_name(permission: &str) -> &str {
    match permission {
        "user" => "user123",
        "admin" => "admin456",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::cli::options::Options;

    /// The time for which the last keys of each issuer are used, and that of issuers which are added later.
    fn max_stale(folder: &Path, options: &[&str]) -> (Vec<u64>, u64) {
        let table = |name: &str, more: &str| {
            format!(
                "[[issuers]]\nissuer = \"https://{name}.example\"\njwks-uri = \"https://{name}.example/jwks\"\n{more}"
            )
        };
        let file = folder.join("portcullis.toml");
        std::fs::write(&file, table("one", "max-stale = \"5m\"\n") + &table("two", "")).expect("written");
        let file = file.to_string_lossy();
        let all = [&["portcullis", "--config", &file], options].concat();
        let settings = Options::parse_from(all).settings;
        let context = Context::new(&settings, &Environment::default()).expect("a context");
        let of = |settings: &FetchSettings| settings.max_stale.as_secs();
        (context.sources.iter().map(|source| of(&source.settings)).collect(), of(&context.fetching))
    }

    #[test]
    fn the_age_of_keys_is_limited_by_the_option_or_else_by_the_issuers_own_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let hour = Duration::from_hours(1).as_secs();
        assert_eq!(max_stale(folder.path(), &[]), (vec![300, hour], hour));
        assert_eq!(max_stale(folder.path(), &["--jwks-max-stale", "2m"]), (vec![120, 120], 120));
    }
}
