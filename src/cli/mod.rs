//! The command line: options in, a console's beginnings out.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use zeroize::Zeroizing;

use crate::auth::{IssueRequest, Leeway, NumericDate, Provenance, Rules};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, ConfigError, SECRET_VARIABLE};
use crate::gate::AuthenticatedMcpServer;
use crate::text::words::SECOND;

/// Issue a token, inspect it, call a tool with it, and see why: a console for an authenticated MCP server.
///
/// Without any secret a fresh key is made, which is forgotten at the end.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Environment:\n  PORTCULLIS_SECRET  the signing secret, where --secret-file names none"
)]
pub struct Options {
    /// File that holds the signing secret; a line break at its end is not part of it
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// File that says who may call what, instead of the policy built in
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Allowance for clocks that differ, at most 300s
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub leeway: Leeway,

    /// Issuer (iss) that every token must carry
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub issuer: Option<String>,

    /// Audience (aud) that every token must name
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub audience: Option<String>,

    /// Start the clock at this time, as in 2026-11-22T20:41:05Z; it runs on from there
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<NumericDate>,

    /// Begin with three identities and a token that dies in 60 seconds
    #[arg(long)]
    pub demo: bool,
}

fn instant(text: &str) -> Result<NumericDate, String> {
    NumericDate::from_rfc3339(text).ok_or_else(|| "not an RFC 3339 time; write it as 2026-11-22T20:41:05Z".to_owned())
}

/// What a console starts with.
pub struct Beginning {
    /// The gate.
    pub gate: AuthenticatedMcpServer,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The policy file; empty for the one built in.
    pub policy_source: String,
}

impl Options {
    /// Reads secret and policy, and makes the gate. `variable` is the value of `PORTCULLIS_SECRET`.
    pub fn begin(&self, variable: Option<Zeroizing<Vec<u8>>>) -> Result<Beginning, ConfigError> {
        let key = config::key(self.secret_file.as_deref(), variable)?;
        let mut rules = Rules {
            leeway: self.leeway,
            issuer: self.issuer.as_deref().map(Into::into),
            audience: self.audience.as_deref().map(Into::into),
            ..Rules::new(key)
        };
        if let Some(path) = &self.policy {
            rules.policy = config::policy(path)?;
        }
        let clock = Arc::new(self.now.map_or_else(SystemClock::new, SystemClock::starting_at));
        let gate = AuthenticatedMcpServer::with(rules, Arc::clone(&clock) as Arc<dyn Clock>);
        if self.demo {
            self.add_demo(&gate, clock.now());
        }
        let policy_source = self.policy.as_ref().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        Ok(Beginning { gate, clock, policy_source })
    }

    fn add_demo(&self, gate: &AuthenticatedMcpServer, now: NumericDate) {
        let identities: [(&str, &[&str], Option<i64>); 4] = [
            ("user123", &["user"], None),
            ("admin456", &["admin"], None),
            ("guest789", &[], None),
            ("shortlived", &["user"], Some(60)),
        ];
        for (user, permissions, seconds) in identities {
            let request = IssueRequest {
                user_id: user.to_owned(),
                permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
                expires: seconds.map(|s| NumericDate::from_seconds(now.seconds()).plus(s * SECOND)),
                issuer: self.issuer.clone(),
                audience: self.audience.clone(),
                ..IssueRequest::default()
            };
            if let Ok(token) = gate.issue(&request, now) {
                gate.shared().update(|state| state.add(token, Provenance::Issued, now));
            }
        }
    }
}

/// The environment's secret, where there is one; of any bytes, as those of a file.
pub fn secret_variable() -> Option<Zeroizing<Vec<u8>>> {
    std::env::var_os(SECRET_VARIABLE).map(|secret| Zeroizing::new(secret.into_encoded_bytes()))
}
