//! The MCP handler: lists tools, and runs calls with a permit.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    ContentBlock, CustomRequest, CustomResult, ErrorCode, ErrorData, Extensions, GetPromptRequestParams,
    GetPromptResponse, InitializeRequestParams, InitializeResult, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscriptionFilter, Tool, ToolAnnotations,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};

use super::challenge::{CODES, brief};
use super::identity::implementation;
use super::judgement::Judgement;
use super::layers::JudgedCall;
use super::subscription::{Subscriptions, ToolWatch};
use crate::auth::policy::ToolRule;
use crate::auth::{Audience, Decision, Outcome, Permit, Policy, Reason, Verdict};
use crate::endpoint::{Listing, Settings};
use crate::gate::ports::{Catalogue, Responder, ToolInfo};
use crate::gate::{CallResult, Gate, RawArguments};
use crate::text;

/// Handles the protocol's requests with the gate's tools.
#[derive(Clone)]
pub struct Handler {
    gate: Gate,
    listing: Listing,
    max_stale: Duration,
    callers: Callers,
    subscriptions: Subscriptions,
}

/// The source of judgements for handled requests. It may contain a token, so it does not implement `Debug`.
#[derive(Clone)]
enum Callers {
    /// Each request contains the judgement that the layers made.
    Judged,
    /// All requests come from one client with this token; each is judged when it is handled.
    One { token: Option<Arc<str>>, name: Arc<str> },
}

/// The JSON-RPC error code for HTTP status 401.
const UNAUTHORIZED: ErrorCode = ErrorCode(CODES as i32 + 401);

/// The error code that the specification defines for an unknown tool.
const UNKNOWN_TOOL: ErrorCode = ErrorCode::INVALID_PARAMS;

impl Handler {
    /// Creates a handler for requests that the layers have judged.
    pub fn behind_layers(gate: Gate, settings: &Settings) -> Self {
        let Settings { listing, max_stale, .. } = *settings;
        Self { gate, listing, max_stale, callers: Callers::Judged, subscriptions: Subscriptions::default() }
    }

    /// Creates a handler for the requests of a single client.
    pub fn of_one(gate: Gate, settings: &Settings, token: Option<&str>, name: &str) -> Self {
        let Settings { listing, max_stale, .. } = *settings;
        let callers = Callers::One { token: token.map(Into::into), name: name.into() };
        Self { gate, listing, max_stale, callers, subscriptions: Subscriptions::default() }
    }

    /// Returns the judgement of a request. `None` means that no layer judged the request, so it must be refused.
    fn judged(&self, extensions: &Extensions) -> Option<JudgedCall> {
        match &self.callers {
            Callers::Judged => extensions.get::<Parts>()?.extensions.get::<JudgedCall>().cloned(),
            Callers::One { token, name } => {
                let judgement = Judgement::new(&self.gate, token.as_deref(), Audience::Required, self.max_stale);
                Some(JudgedCall { judgement: Arc::new(judgement.by(name.to_string(), None)), decided: None })
            }
        }
    }

    /// Returns the tools that the caller of a request sees.
    fn seen(&self, judgement: &Judgement) -> Vec<Tool> {
        let Ok(principal) = &judgement.principal else { return Vec::new() };
        let policy = &judgement.rules.policy;
        let sees = |rule: &&ToolRule| {
            self.listing == Listing::All || policy.verdict(&principal.permissions, &rule.name) == Verdict::Allowed
        };
        policy.tools().iter().filter(sees).filter_map(|rule| tool(&rule.name, policy, &judgement.tools)).collect()
    }

    /// Returns the decision about a call: the layers' decision, provided that it is about this tool.
    fn decided(&self, judged: &JudgedCall, tool: &str) -> Result<Permit, Decision> {
        let is_same = judged.judgement.call().is_some_and(|(decided, _)| decided == tool);
        match (&self.callers, judged.decided.as_deref()) {
            (Callers::One { .. }, _) => judged.judgement.decide(tool),
            (Callers::Judged, Some(decided)) if is_same => decided.clone(),
            (Callers::Judged, _) => Err(Decision::refused(Reason::MissingToken)),
        }
    }
}

impl ServerHandler for Handler {
    /// Declares prompts and resources: there are none, but their empty lists are served, and revision 2026-07-28
    /// requires that they are declared.
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources();
        ServerConfig::new(capabilities.enable_tool_list_changed().build()).with_server_info(implementation())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut info = self.negotiate_initialize(&request)?;
        // Older clients request the empty lists anyway, or never. If they were declared, they would cost three requests
        // at each start, and the Inspector would open its page of resources first.
        (info.capabilities.prompts, info.capabilities.resources) = (None, None);
        // Over HTTP, these revisions report changes on a stream, which is not served.
        if let (Callers::Judged, Some(tools)) = (&self.callers, &mut info.capabilities.tools) {
            tools.list_changed = None;
        }
        Ok(info)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Some(judged) = self.judged(&context.extensions) else { return };
        let handler = self.clone();
        let mut watched = ToolWatch::new(&self.gate, judged.judgement, |judgement| handler.seen(judgement));
        tokio::spawn(async move {
            // Until the token is no longer valid, or the client has disconnected.
            while watched.changed(|judgement| handler.seen(judgement)).await
                && context.peer.notify_tool_list_changed().await.is_ok()
            {}
        });
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = Some(true);
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let Some(judged) = self.judged(&context.request_context().extensions) else {
            return Err(ErrorData::internal_error("unauthorized", None));
        };
        if let Err(reason) = &judged.judgement.principal {
            return Err(unauthorized(reason));
        }
        let subscription = judged.judgement.token().and_then(|token| self.subscriptions.begin(token));
        if subscription.is_none() {
            return Err(ErrorData::internal_error("too many subscriptions with this token", None));
        }
        let mut watched = ToolWatch::new(&self.gate, judged.judgement, |judgement| self.seen(judgement));
        loop {
            tokio::select! {
                goes_on = watched.changed(|judgement| self.seen(judgement)) => {
                    if !goes_on || context.sink().notify_tool_list_changed().await.is_err() {
                        return Ok(());
                    }
                }
                () = context.cancelled() => return Ok(()),
            }
        }
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = match self.judged(&context.extensions) {
            Some(judged) => {
                // Over HTTP, a layer has refused this already. On standard streams, an empty list would not explain
                // itself.
                if let Err(reason) = &judged.judgement.principal {
                    return Err(unauthorized(reason));
                }
                self.seen(&judged.judgement)
            }
            None => Vec::new(),
        };
        // Other callers may see other lists, and so may this one when the policy changes.
        let mut listed = ListToolsResult::with_all_items(tools).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
        listed.meta = own_name(&context);
        Ok(listed)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(Vec::new()))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(Vec::new()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(Vec::new()))
    }

    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Err(no_method("prompts/get"))
    }

    async fn read_resource(
        &self,
        _: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Err(no_method("resources/read"))
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(no_method("completion/complete"))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(no_method(&request.method))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(judged) = self.judged(&context.extensions) else {
            return Ok(CallToolResult::structured_error(Outcome::Refused(Verdict::Unauthorized).answer()).into());
        };
        // Over HTTP, a layer has refused this already.
        if let Some(what) = judged.judgement.stale {
            return Err(ErrorData::internal_error(format!("unavailable: {what} cannot be read"), None));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let given = RawArguments::Json(&arguments);
        let decided = self.decided(&judged, &request.name);
        let source = judged.judgement.source();
        let called = match decided {
            Ok(permit) => tokio::select! {
                called = self.gate.run(permit, given, &source) => called,
                // Dropping the call cancels it.
                () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
            },
            Err(decision) => self.gate.refuse(decision, &request.name, given, &source),
        };
        if let Some(Reason::UnknownTool { tool }) = called.decision.reason() {
            let data = json!({ "error": "forbidden", "reason": "unknown_tool" });
            return Err(ErrorData::new(UNKNOWN_TOOL, format!("Unknown tool: {}", text::name(tool, 64)), Some(data)));
        }
        let mut result = result(&called);
        result.meta = own_name(&context);
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.gate.shared().read(|state| tool(name, &state.rules().policy, state.tools()))
    }
}

/// Returns the name and version of this server for results of revision 2026-07-28, which has no `initialize` that would
/// state them.
fn own_name(context: &RequestContext<RoleServer>) -> Option<MetaObject> {
    static NAME: LazyLock<Value> = LazyLock::new(|| json!(implementation()));
    let is_modern = context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    is_modern.then(|| {
        let mut meta = MetaObject::default();
        meta.insert("io.modelcontextprotocol/serverInfo".to_owned(), NAME.clone());
        meta
    })
}

/// Returns the error for a client whose token is refused.
fn unauthorized(reason: &Reason) -> ErrorData {
    let data = json!({ "error": "unauthorized", "reason": reason.code() });
    ErrorData::new(UNAUTHORIZED, format!("unauthorized: {}", brief(reason)), Some(data))
}

/// Returns the error for a method that is not served.
fn no_method(name: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("Method not found: {}", text::name(name, 64)), None)
}

/// Returns the answer that the lab exercise specifies, as structured content and as text. Both contain the error of an
/// allowed call as `message`. The text of a refusal says what is needed, because many clients show nothing else.
fn result(called: &CallResult) -> CallToolResult {
    let mut answer = called.outcome.answer();
    if let Some(trouble) = called.outcome.trouble() {
        answer["message"] = json!(trouble);
    }
    match (&called.outcome, called.decision.reason()) {
        (Outcome::Done(_), _) => CallToolResult::structured(answer),
        (_, None) => CallToolResult::structured_error(answer),
        (_, Some(reason)) => {
            let word = called.decision.verdict().word().to_lowercase();
            answer["message"] = json!(brief(reason));
            let mut refused = CallToolResult::structured_error(answer);
            refused.content = vec![ContentBlock::text(format!("{word}: {}", brief(reason)))];
            refused
        }
    }
}

/// Describes a tool for clients; `None` if nothing answers an allowed call of it.
fn tool(name: &str, policy: &Policy, catalogue: &Catalogue) -> Option<Tool> {
    if catalogue.answers(policy, name) == Responder::Missing {
        return None;
    }
    let info = catalogue.find(name);
    let object = |value: Value| match value {
        Value::Object(members) => Arc::new(members),
        _ => Arc::new(JsonObject::new()),
    };
    let schema = policy.tool(name).and_then(|rule| rule.schema.as_ref()).map(|schema| schema.source().clone());
    let mut input = schema.or_else(|| info.map(|info| info.schema.clone())).unwrap_or_else(|| json!({}));
    // The specification requires a type, and arguments are always an object.
    if let Value::Object(members) = &mut input {
        members.entry("type").or_insert_with(|| json!("object"));
    }
    let description = catalogue.description(policy, name).unwrap_or_default().to_owned();
    // Covers successes and errors, because clients check errors against it as well.
    let output = json!({
        "type": "object",
        "properties": {
            "success": { "type": "boolean" },
            "result": {},
            "error": { "type": "string" },
            "message": { "type": "string" },
        },
    });
    let mut tool = Tool::new(name.to_owned(), description, object(input));
    tool.output_schema = Some(object(output));
    tool.title = info.and_then(|info| Some(info.title.as_deref()?.to_owned()));
    tool.annotations = info.map(hints);
    Some(tool)
}

/// Returns the hints about the effects of a call.
fn hints(info: &ToolInfo) -> ToolAnnotations {
    let mut hints = ToolAnnotations::new().read_only(info.reads_only).destructive(info.destroys);
    hints.title = info.title.as_deref().map(str::to_owned);
    hints.idempotent(info.is_idempotent)
}
