//! What a command stands on: options, environment and configuration file brought together, each going before the next.

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::CliError;
use super::options::Settings;
use crate::auth::{IssueRequest, Key, KeyRing, Leeway, NumericDate, Policy, Revocations, Rules, issue::When};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, CONFIG_VARIABLE, ConfigError, ConfigFile, SecretSources};
use crate::gate::AuthenticatedMcpServer;
use crate::gate::Provenance;
use crate::store::{FileStore, Memory, Store};
use crate::text::words::SECOND;

/// What the environment says, read once at the start. It holds a secret, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    /// `PORTCULLIS_SECRET`.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// `PORTCULLIS_TOKEN`; an empty one is none.
    pub token: Option<String>,
    /// `PORTCULLIS_CONFIG`.
    pub config: Option<PathBuf>,
    /// `NO_COLOR` is there and not empty.
    pub no_colour: bool,
}

impl Environment {
    /// Reads it.
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            secret: config::secret_variable(),
            token: variable("PORTCULLIS_TOKEN").map(|token| token.to_string_lossy().into_owned()),
            config: variable(CONFIG_VARIABLE).map(Into::into),
            no_colour: variable("NO_COLOR").is_some(),
        }
    }
}

/// Everything that is judged by, and the clock.
pub struct Ground {
    key: Option<Key>,
    policy: Arc<Policy>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Leeway,
    revoked: Arc<Revocations>,
    now: Option<NumericDate>,
    /// The policy file; empty for the one built in.
    pub policy_path: String,
    /// Where revocations are kept.
    pub store: Arc<dyn Store>,
    /// How long issued tokens live, in words, where it is configured.
    pub lifetime: Option<String>,
}

/// What a console starts with.
pub struct Beginning {
    /// The gate.
    pub gate: AuthenticatedMcpServer,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Ground {
    /// Reads configuration, secret and policy.
    pub fn new(settings: &Settings, environment: &Environment) -> Result<Self, CliError> {
        let named = settings.config.as_deref().or(environment.config.as_deref());
        let file = ConfigFile::find(named)?;
        let secret = SecretSources {
            file: settings.secret_file.clone(),
            variable: environment.secret.clone(),
            configured: file.secret_file,
            others_may_read: settings.insecure_secret_file,
        };
        let policy = settings.policy.clone().or(file.policy);
        let store: Arc<dyn Store> = match settings.state.clone().or(file.state) {
            Some(path) => Arc::new(FileStore::new(path)),
            None => Arc::new(Memory::default()),
        };
        Ok(Self {
            key: secret.key()?,
            policy: policy.as_deref().map_or_else(|| Ok(Arc::default()), config::policy)?,
            issuer: settings.issuer.clone().or(file.issuer),
            audience: settings.audience.clone().or(file.audience),
            leeway: settings.leeway.unwrap_or(file.leeway),
            revoked: store.load(false)?.into(),
            now: settings.now,
            policy_path: policy.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
            store,
            lifetime: file.lifetime,
        })
    }

    /// Whether the instant to judge for was given.
    pub const fn is_set(&self) -> bool {
        self.now.is_some()
    }

    /// The instant to judge for.
    pub fn now(&self) -> NumericDate {
        self.now.unwrap_or_else(|| SystemClock::new().now())
    }

    /// The rules; without a secret they verify no signature.
    pub fn rules(&self) -> Rules {
        let keys = self.key.clone().map_or_else(KeyRing::empty, KeyRing::new);
        self.rules_with(keys)
    }

    /// The rules with a key that signs: without a secret a fresh one.
    pub fn rules_or_fresh_key(&self) -> Result<Rules, ConfigError> {
        Ok(self.rules_with(KeyRing::new(self.key.clone().map_or_else(config::fresh_key, Ok)?)))
    }

    fn rules_with(&self, keys: KeyRing) -> Rules {
        Rules {
            keys,
            policy: Arc::clone(&self.policy),
            issuer: self.issuer.as_deref().map(Into::into),
            audience: self.audience.as_deref().map(Into::into),
            audience_may_lack: false,
            leeway: self.leeway,
            revoked: Arc::clone(&self.revoked),
        }
    }

    /// A gate. It is told the time with every question. Without a secret there is one only for callers without a token.
    pub fn gate(&self, has_token: bool) -> Result<AuthenticatedMcpServer, ConfigError> {
        match self.key {
            None if has_token => Err(ConfigError::NoSecret),
            _ => Ok(AuthenticatedMcpServer::with(self.rules(), Arc::new(SystemClock::new()))),
        }
    }

    /// What a token shall say unless its command says otherwise.
    pub fn request(&self, user: &str, now: NumericDate) -> IssueRequest {
        let lifetime = self.lifetime.as_deref().and_then(|words| When::parse(words).ok());
        IssueRequest {
            user_id: user.to_owned(),
            expires: lifetime.map(|when| when.from(now)),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            ..IssueRequest::default()
        }
    }

    /// A console's gate and clock: without a secret the key is a fresh one.
    pub fn begin(&self) -> Result<Beginning, ConfigError> {
        let rules = self.rules_or_fresh_key()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let gate = AuthenticatedMcpServer::with(rules, Arc::clone(&clock));
        Ok(Beginning { gate, clock })
    }

    /// Three identities and a token that dies in a minute.
    pub fn add_demo(&self, gate: &AuthenticatedMcpServer) {
        let now = self.now();
        // A server that runs may have set it.
        let audience = gate.shared().rules().audience.as_deref().map(str::to_owned);
        let identities: [(&str, &[&str], Option<i64>); 4] = [
            ("user123", &["user"], None),
            ("admin456", &["admin"], None),
            ("guest789", &[], None),
            ("shortlived", &["user"], Some(60)),
        ];
        for (user, permissions, seconds) in identities {
            let expires = seconds.map(|s| NumericDate::from_seconds(now.seconds()).plus(s * SECOND));
            let request = self.request(user, now);
            let request = IssueRequest {
                permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
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
