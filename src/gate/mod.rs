//! The library's front door: [`AuthenticatedMcpServer`] over the shared auth state. The only place that makes real calls
//! and logs them.

pub mod activity;
mod shared;
pub mod state;
pub mod traffic;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::activity::Kept;
use crate::auth::{
    Call, Claims, Decision, IssueError, IssueRequest, Key, KeyError, KeyOrigin, NumericDate, Outcome, Policy, Reason,
    Rules, TokenId,
};
use crate::clock::{Clock, SystemClock};
use crate::tools::Given;
use crate::{text, tools};

pub use activity::{Activity, Origin, Record};
pub use shared::Shared;
pub use state::{AuthState, Provenance, Snapshot, TokenEntry};

/// An authenticated tool server: it issues tokens, verifies them, checks permissions, and calls tools for those who may.
///
/// Clones share their state.
///
/// ```
/// use portcullis::AuthenticatedMcpServer;
/// use serde_json::json;
///
/// let server = AuthenticatedMcpServer::new(b"my-secret")?;
/// let token = server.generate_token("user123", &["user"])?;
/// let answer = server.call_tool(&*token, "read_data", &json!({"id": 1}));
/// assert_eq!(answer, json!({"success": true, "result": {"id": 1}}));
/// assert_eq!(server.call_tool(&*token, "write_data", &json!({"data": "new"})), json!({"error": "forbidden"}));
/// assert_eq!(server.call_tool(None, "read_data", &json!({})), json!({"error": "unauthorized"}));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuthenticatedMcpServer {
    shared: Shared,
    clock: Arc<dyn Clock>,
}

/// A real call, to be judged for one instant and logged under another. It holds a token, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct CallRequest<'a> {
    /// The token, exactly as it came.
    pub token: Option<&'a str>,
    /// The tool's name.
    pub tool: &'a str,
    /// What the tool is called with.
    pub arguments: Given<'a>,
    /// Who calls.
    pub origin: Origin,
    /// What the client of the server is called, where it is one; safe to show.
    pub client: Option<&'a str>,
    /// The instant of the call, for the log.
    pub at: NumericDate,
    /// The instant the gate decides for.
    pub judged_at: NumericDate,
}

/// What became of a real call.
#[derive(Clone, Debug)]
pub struct Called {
    /// What the gate said.
    pub decision: Decision,
    /// What the call led to.
    pub outcome: Outcome,
    /// The line in the log.
    pub record: Arc<Record>,
}

impl AuthenticatedMcpServer {
    /// A server with this secret, the built-in policy and the system's clock.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = Key::new(secret.as_ref(), KeyOrigin::Program)?;
        Ok(Self::with(Rules::new(key), Arc::new(SystemClock::new())))
    }

    /// A server with these rules and this clock.
    pub fn with(rules: Rules, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Shared::new(rules), clock }
    }

    /// The shared auth state.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A token for `user_id` with these permissions that lives one hour: HS256, with `iat`, `exp` and `jti`.
    pub fn generate_token(&self, user_id: &str, permissions: &[impl AsRef<str>]) -> Result<Arc<str>, IssueError> {
        let permissions = permissions.iter().map(|p| p.as_ref().to_owned()).collect();
        let request = IssueRequest { user_id: user_id.to_owned(), permissions, ..IssueRequest::default() };
        self.issue(&request, self.clock.now())
    }

    /// A token with these claims, issued at `now`.
    pub fn issue(&self, request: &IssueRequest, now: NumericDate) -> Result<Arc<str>, IssueError> {
        let jti = format!("{:032x}", random_number()?);
        self.shared.rules().issue(request, &jti, now)
    }

    /// The claims of a valid token, or why it is not valid: the check that failed, what was found and what was wanted.
    pub fn verify_token(&self, token: &str) -> Result<Claims, Reason> {
        Ok(self.shared.rules().verify(token, self.clock.now())?.into_claims())
    }

    /// Whether the token is valid **and** holds the permission, itself or by one that implies it. An invalid token holds nothing.
    pub fn check_permission(&self, token: &str, permission: &str) -> bool {
        let rules = self.shared.rules();
        let principal = rules.verify(token, self.clock.now());
        principal.is_ok_and(|principal| rules.policy.holds(&principal.permissions, permission).is_some())
    }

    /// Calls a tool if the token may, and answers as the contract says:
    /// `{"success":true,"result":…}`, `{"error":"unauthorized"}`, `{"error":"forbidden"}`,
    /// `{"error":"invalid_arguments"}` or `{"error":"tool_failed"}`.
    pub fn call_tool<'a>(&self, token: impl Into<Option<&'a str>>, tool: &str, arguments: &Value) -> Value {
        let now = self.clock.now();
        let arguments = Given::Json(arguments);
        let request = CallRequest {
            token: token.into(),
            tool,
            arguments,
            origin: Origin::Library,
            client: None,
            at: now,
            judged_at: now,
        };
        self.call(&request).outcome.answer()
    }

    /// Decides, runs the tool if allowed, and logs the call.
    pub fn call(&self, request: &CallRequest<'_>) -> Called {
        let started = self.clock.monotonic();
        let rules = self.shared.rules();
        let decision = rules.decide(&Call { token: request.token, tool: request.tool }, request.judged_at);
        let outcome = match &decision.result {
            Ok(_) => run(&rules.policy, request.tool, request.arguments),
            Err(reason) => Outcome::Refused(reason.verdict()),
        };
        let took = self.clock.monotonic().saturating_sub(started);
        let record = self.log(request, &decision, &outcome, took);
        Called { decision, outcome, record }
    }

    /// Decides, and logs the call if it is refused; nothing is run. `None` where it would be allowed.
    pub fn refuse(&self, request: &CallRequest<'_>, rules: &Rules) -> Option<Arc<Record>> {
        let started = self.clock.monotonic();
        let decision = rules.decide(&Call { token: request.token, tool: request.tool }, request.judged_at);
        let outcome = Outcome::Refused(decision.reason()?.verdict());
        let took = self.clock.monotonic().saturating_sub(started);
        Some(self.log(request, &decision, &outcome, took))
    }

    /// What time it is.
    pub fn now(&self) -> NumericDate {
        self.clock.now()
    }

    /// Time since the start of the clock.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn log(&self, request: &CallRequest<'_>, decision: &Decision, outcome: &Outcome, took: Duration) -> Arc<Record> {
        let arguments = match request.arguments {
            Given::Json(value) => value.to_string(),
            Given::Text(text) => text.to_owned(),
        };
        let record = Record {
            seq: 0,
            at: request.at,
            judged_at: request.judged_at,
            origin: request.origin,
            client: request.client.map(Into::into),
            token_id: request.token.filter(|token| !token.is_empty()).map(TokenId::of),
            tool: Kept::new(request.tool),
            arguments: Kept::new(&arguments),
            answer: Kept::new(&outcome.answer().to_string()),
            trouble: outcome.trouble().map(Into::into),
            decision: decision.clone(),
            took,
        };
        self.shared.update(|state| state.record(record))
    }
}

/// A random number, for a `jti`.
pub fn random_number() -> Result<u128, IssueError> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|_| IssueError::Signing)?;
    Ok(u128::from_be_bytes(number))
}

fn run(policy: &Policy, name: &str, arguments: Given<'_>) -> Outcome {
    let Some(tool) = tools::find(name) else {
        let name = text::name(name, 64);
        return Outcome::ToolFailed(format!("the policy allows {name}, but no tool of that name is built in"));
    };
    match tools::arguments(arguments, policy.tool(name)) {
        Ok(arguments) => Outcome::Done(tool.run(&arguments)),
        Err(fault) => Outcome::BadArguments(fault),
    }
}
