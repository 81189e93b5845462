//! The library's front door: the [`Gate`] with the shared auth state. It is the only place that makes and logs real
//! calls.
//!
//! A call is decided, run and recorded: `Gate::decide` makes a [`Permit`] or refuses, `Gate::run` passes the permit to
//! the [`Backend`], and every call ends as a [`Record`].

pub mod activity;
pub mod arguments;
pub mod health;
mod key_status;
pub mod ports;
mod rejection;
mod shared;
mod signal;
pub mod state;
#[doc(hidden)]
pub mod traffic;

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use self::activity::{Excerpt, MAX_REFUSED_TEXT};
use self::ports::{Backend, Catalogue};
use crate::auth::{
    Audience, Claims, Decision, IssueError, IssueRequest, NumericDate, Outcome, Permit, Principal, Reason, Rules,
    Signer, TokenId,
};
use crate::clock::Clock;

pub use activity::{Activity, Origin, Record};
pub use arguments::RawArguments;
pub use health::{Health, ReadFailure};
pub use key_status::{KeyState, KeyStatus, KeysFrom};
#[doc(hidden)]
pub use rejection::{ForeignAnswer, OWN_CREDENTIALS, Rejection, RequestOutcome};
pub use shared::Shared;
#[doc(hidden)]
pub use signal::{Listener, Signal};
pub use state::{AcceptedIssuer, AuthState, KnownToken, Provenance, Snapshot, TokenEntry};

/// The name of the gate in the lab exercise.
pub type AuthenticatedMcpServer = Gate;

/// An authenticated tool server: it issues tokens, verifies them, checks permissions, and calls tools.
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
pub struct Gate {
    shared: Shared,
    clock: Arc<dyn Clock>,
    backend: Arc<dyn Backend>,
}

/// A real call, with the instant to judge it for and the instant to log. It contains a token, so it does not implement
/// `Debug`.
#[derive(Clone, Copy)]
pub struct CallRequest<'a> {
    /// The token exactly as received.
    pub token: Option<&'a str>,
    /// The tool's name.
    pub tool: &'a str,
    /// The arguments.
    pub arguments: RawArguments<'a>,
    /// The origin of the call.
    pub origin: Origin,
    /// The instant of the call, for the log.
    pub at: NumericDate,
    /// The instant that the gate decides for.
    pub judged_at: NumericDate,
}

impl<'a> CallRequest<'a> {
    /// A call by a program that uses the library, decided for `now`.
    pub fn new(token: Option<&'a str>, tool: &'a str, arguments: &'a Value, now: NumericDate) -> Self {
        Self { token, tool, arguments: RawArguments::Json(arguments), origin: Origin::Library, at: now, judged_at: now }
    }
}

/// A call's origin and time, for the log; it does not contain the token.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The token's ID.
    pub token: Option<TokenId>,
    /// The origin of the call.
    pub origin: Origin,
    /// The name of the client that made the call, if any; safe to show.
    pub client: Option<&'a str>,
    /// The address of that client.
    pub peer: Option<IpAddr>,
    /// The instant of the call.
    pub at: NumericDate,
    /// The instant that the gate decided for.
    pub judged_at: NumericDate,
    /// When the call began, on the monotonic clock.
    pub started: Duration,
}

/// A call that a foreign server answered.
#[derive(Clone, Copy, Debug)]
pub struct ForeignCall<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The arguments, as JSON text.
    pub arguments: &'a str,
    /// The answer, as JSON text.
    pub answer: &'a str,
    /// How long the answer took.
    pub took: Duration,
}

/// The result of a real call.
#[derive(Clone, Debug)]
pub struct CallResult {
    /// The gate's decision.
    pub decision: Decision,
    /// The outcome of the call.
    pub outcome: Outcome,
    /// The row in the log.
    pub record: Arc<Record>,
}

impl Gate {
    /// Creates a gate with these rules and this clock in front of this backend. Without a signer, it cannot issue
    /// tokens.
    pub fn in_front_of(
        backend: Arc<dyn Backend>,
        rules: Rules,
        signer: impl Into<Option<Signer>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Shared::new(AuthState::new(rules, signer.into(), Catalogue::new(backend.tools())));
        Self { shared, clock, backend }
    }

    /// The shared auth state.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Issues a token for `user_id` with these permissions, and with `iat`, `exp` and `jti`: with HS256 if the signer is a
    /// secret, as in [`Gate::new`]. It expires in one hour.
    pub fn generate_token(&self, user_id: &str, permissions: &[impl AsRef<str>]) -> Result<Arc<str>, IssueError> {
        let permissions = permissions.iter().map(|p| p.as_ref().to_owned()).collect();
        let request = IssueRequest { user_id: user_id.to_owned(), permissions, ..IssueRequest::default() };
        self.issue(&request, self.clock.now())
    }

    /// The key that signs issued tokens.
    pub fn signer(&self) -> Result<Signer, IssueError> {
        self.shared.read(|state| state.signer().cloned()).ok_or(IssueError::NoKey)
    }

    /// Issues a token with these claims at `now`.
    pub fn issue(&self, request: &IssueRequest, now: NumericDate) -> Result<Arc<str>, IssueError> {
        let limit = self.shared.rules().token_limit;
        self.signer()?.issue_within(limit, request, &format!("{:032x}", random_number()?), now)
    }

    /// Returns the claims of a valid token, or the reason why it is not valid: the check that failed, with the found
    /// and the expected value.
    pub fn verify_token(&self, token: &str) -> Result<Claims, Reason> {
        Ok(self.verify(&self.shared.rules(), token, Audience::Required, self.clock.now())?.into_claims())
    }

    /// Makes checks 1 to 8 for a token that was received. If its key is unknown, the issuer's keys are requested again;
    /// the result does not wait for them.
    pub fn verify(
        &self,
        rules: &Rules,
        token: &str,
        audience: Audience,
        now: NumericDate,
    ) -> Result<Principal, Reason> {
        let verified = rules.verify_for(token, audience, now);
        if let Err(reason) = &verified
            && reason.may_be_new_key()
        {
            self.shared.read(|state| state.request_keys(rules, token));
        }
        verified
    }

    /// Whether the token is valid **and** grants the permission, directly or through one that implies it. An invalid
    /// token grants nothing.
    pub fn check_permission(&self, token: &str, permission: &str) -> bool {
        let rules = self.shared.rules();
        let principal = self.verify(&rules, token, Audience::Required, self.clock.now());
        principal.is_ok_and(|principal| rules.policy.holds(&principal.permissions, permission).is_some())
    }

    /// Calls a tool if the token allows it, and returns the JSON that the lab exercise specifies:
    /// `{"success":true,"result":…}`, `{"error":"unauthorized"}`, `{"error":"forbidden"}`,
    /// `{"error":"invalid_arguments"}` or `{"error":"tool_failed"}`.
    ///
    /// It does not wait: a tool that does not answer immediately is reported as `tool_failed`.
    /// [`Gate::call_tool_async`] waits.
    pub fn call_tool<'a>(&self, token: impl Into<Option<&'a str>>, tool: &str, arguments: &Value) -> Value {
        self.call(&CallRequest::new(token.into(), tool, arguments, self.clock.now())).outcome.answer()
    }

    /// Like [`Gate::call_tool`], but waits for the tool.
    pub async fn call_tool_async(&self, token: Option<&str>, tool: &str, arguments: &Value) -> Value {
        self.call_async(&CallRequest::new(token, tool, arguments, self.clock.now())).await.outcome.answer()
    }

    /// Decides, runs the tool if the call is allowed, and logs the call. Does not wait for a tool that does not answer
    /// immediately.
    pub fn call(&self, request: &CallRequest<'_>) -> CallResult {
        let source = self.source(request);
        match self.decide(request) {
            Ok(permit) => {
                let outcome = at_once(self.outcome(&permit, request.arguments)).unwrap_or_else(|| {
                    Outcome::ToolFailed("the tool does not answer synchronously; use the asynchronous call".to_owned())
                });
                self.record(permit.decision(), outcome, request.tool, request.arguments, &source)
            }
            Err(decision) => self.refuse(decision, request.tool, request.arguments, &source),
        }
    }

    /// Decides, runs the tool if the call is allowed, and logs the call. Dropping the future cancels the call.
    pub async fn call_async(&self, request: &CallRequest<'_>) -> CallResult {
        let source = self.source(request);
        match self.decide(request) {
            Ok(permit) => self.run(permit, request.arguments, &source).await,
            Err(decision) => self.refuse(decision, request.tool, request.arguments, &source),
        }
    }

    fn source<'a>(&self, request: &CallRequest<'a>) -> Source<'a> {
        Source {
            token: request.token.filter(|token| !token.is_empty()).map(TokenId::of),
            origin: request.origin,
            client: None,
            peer: None,
            at: request.at,
            judged_at: request.judged_at,
            started: self.clock.monotonic(),
        }
    }

    /// Decides about a call under the current rules: returns the permit, or the decision that refuses it.
    fn decide(&self, request: &CallRequest<'_>) -> Result<Permit, Decision> {
        let rules = self.shared.rules();
        let token = request.token.unwrap_or_default();
        let principal = self.verify(&rules, token, Audience::Required, request.judged_at);
        let principal = principal.map_err(Decision::refused)?;
        rules.authorize(&Arc::new(principal), request.tool)
    }

    /// Runs a permitted call and logs it. A permit is valid for one call. Dropping the future cancels the call, which
    /// is logged too, because the tool may have taken effect.
    pub async fn run(&self, permit: Permit, arguments: RawArguments<'_>, source: &Source<'_>) -> CallResult {
        let mut unfinished = DropGuard(Some(|| {
            let outcome =
                Outcome::ToolFailed("cancelled before the tool answered; it may have taken effect".to_owned());
            self.record(permit.decision(), outcome, permit.tool(), arguments, source);
        }));
        let outcome = self.outcome(&permit, arguments).await;
        unfinished.0 = None;
        drop(unfinished);
        self.record(permit.decision(), outcome, permit.tool(), arguments, source)
    }

    /// Logs a refused call.
    pub fn refuse(
        &self,
        decision: Decision,
        tool: &str,
        arguments: RawArguments<'_>,
        source: &Source<'_>,
    ) -> CallResult {
        let outcome = Outcome::Refused(decision.verdict());
        self.record(decision, outcome, tool, arguments, source)
    }

    async fn outcome(&self, permit: &Permit, arguments: RawArguments<'_>) -> Outcome {
        let rule = permit.rule();
        let arguments = match arguments::read(arguments, rule) {
            Ok(arguments) => arguments,
            Err(error) => return Outcome::BadArguments(error.to_string()),
        };
        if rule.is_some_and(|rule| rule.stub) {
            return Outcome::Done(json!({ "stub": true, "tool": &**permit.tool(), "arguments": arguments }));
        }
        match self.backend.call(permit, arguments).await {
            Ok(result) => Outcome::Done(result),
            Err(error) => Outcome::ToolFailed(error.to_string()),
        }
    }

    /// Logs a refused request that does not call a tool, or whose call was not read.
    #[doc(hidden)]
    pub fn turn_away(&self, answered: impl Into<RequestOutcome>, asked: &str, source: &Source<'_>) {
        let record = Record { tool: Excerpt::of(asked, MAX_REFUSED_TEXT), ..self.row(answered.into(), source) };
        self.shared.update(|state| state.record(record));
    }

    /// Logs a call that a foreign server answered.
    #[doc(hidden)]
    pub fn observed(
        &self,
        answer: ForeignAnswer,
        trouble: Option<&str>,
        call: ForeignCall<'_>,
        source: &Source<'_>,
    ) -> Arc<Record> {
        let record = Record {
            is_call: true,
            tool: Excerpt::new(call.tool),
            arguments: Excerpt::new(call.arguments),
            answer: Excerpt::new(call.answer),
            trouble: trouble.map(Into::into),
            took: call.took,
            ..self.row(answer.into(), source)
        };
        self.shared.update(|state| state.record(record))
    }

    fn record(
        &self,
        decision: Decision,
        outcome: Outcome,
        tool: &str,
        arguments: RawArguments<'_>,
        source: &Source<'_>,
    ) -> CallResult {
        let mut record = Record { is_call: true, ..self.row(decision.clone().into(), source) };
        let most = if record.is_refused_client() { MAX_REFUSED_TEXT } else { activity::MAX_TEXT };
        record.tool = Excerpt::of(tool, most);
        record.arguments = match arguments {
            RawArguments::Json(value) => Excerpt::of(&value.to_string(), most),
            RawArguments::Text(text) => Excerpt::of(text, most),
        };
        record.answer = Excerpt::of(&outcome.answer().to_string(), most);
        record.trouble = outcome.trouble().map(Into::into);
        let record = self.shared.update(|state| state.record(record));
        CallResult { decision, outcome, record }
    }

    /// Returns a row for the log without its call.
    fn row(&self, answered: RequestOutcome, source: &Source<'_>) -> Record {
        Record {
            seq: 0,
            at: source.at,
            judged_at: source.judged_at,
            origin: source.origin,
            client: source.client.map(Into::into),
            peer: source.peer,
            token_id: source.token,
            is_call: false,
            tool: Excerpt::default(),
            arguments: Excerpt::default(),
            answer: Excerpt::default(),
            trouble: None,
            answered,
            took: self.clock.monotonic().saturating_sub(source.started),
            skipped: 0,
        }
    }

    /// The clock that provides the time of calls.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Updates the tools in the shared state whenever those of the backend change. Runs until it is dropped.
    pub async fn follow_backend(&self) {
        loop {
            self.backend.changed().await;
            let tools = Catalogue::new(self.backend.tools());
            self.shared.update(|state| state.set_tools(tools));
        }
    }
}

/// Calls a function when it is dropped, unless the function was taken out before.
struct DropGuard<F: FnMut()>(Option<F>);

impl<F: FnMut()> Drop for DropGuard<F> {
    fn drop(&mut self) {
        if let Some(mut cancelled) = self.0.take() {
            cancelled();
        }
    }
}

/// Polls a future once, and returns its result if it is ready.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Returns a random number, for a `jti`.
pub fn random_number() -> Result<u128, IssueError> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|_| IssueError::NoRandomness)?;
    Ok(u128::from_be_bytes(number))
}
