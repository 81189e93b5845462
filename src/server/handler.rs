//! What a client is answered once the protocol is settled: the list of tools, and calls, which the gate decides.

use std::sync::Arc;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData,
    Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};

use crate::auth::policy::ToolRule;
use crate::auth::{Outcome, Policy, Reason};
use crate::endpoint::Listing;
use crate::gate::Origin;
use crate::gate::{AuthenticatedMcpServer, CallRequest, Called};
use crate::text;
use crate::tools::{self, Given};

/// Who sent a request. It holds a token, so it has no `Debug`.
#[derive(Clone)]
pub struct Caller {
    token: Option<Arc<str>>,
    client: Arc<str>,
}

impl Caller {
    /// A client with a token, or without one.
    pub fn new(token: Option<&str>, client: &str) -> Self {
        Self { token: token.map(Into::into), client: client.into() }
    }
}

/// The tools, behind the gate.
#[derive(Clone)]
pub struct Handler {
    gate: AuthenticatedMcpServer,
    listing: Listing,
    /// Who sends every request, where that is always the same one.
    caller: Option<Caller>,
}

/// The names under which a refused call of an unknown tool is answered; the code is the specification's.
const UNKNOWN_TOOL: ErrorCode = ErrorCode::INVALID_PARAMS;

impl Handler {
    /// For requests that bring their [`Caller`] along.
    pub fn new(gate: AuthenticatedMcpServer, listing: Listing) -> Self {
        Self { gate, listing, caller: None }
    }

    /// For requests that all come from one.
    pub fn of(gate: AuthenticatedMcpServer, listing: Listing, caller: Caller) -> Self {
        Self { gate, listing, caller: Some(caller) }
    }

    /// Who sent the request; nobody at all where nothing has said so.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        let parts = context.extensions.get::<axum::http::request::Parts>();
        let brought = parts.and_then(|parts| parts.extensions.get::<Caller>());
        self.caller.as_ref().or(brought).cloned().unwrap_or_else(|| Caller::new(None, "unknown"))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("portcullis", env!("CARGO_PKG_VERSION")).with_title("Portcullis"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller(&context);
        let rules = self.gate.shared().rules();
        let held = caller.token.as_deref().and_then(|token| rules.verify(token, self.gate.now()).ok());
        let may = |rule: &&ToolRule| {
            let grant = held.as_ref().and_then(|principal| rules.policy.grant(&principal.permissions, rule));
            grant.is_some() || (held.is_some() && self.listing == Listing::All)
        };
        let tools = rules.policy.tools().iter().filter(may);
        let tools = tools.filter_map(|rule| tool(&rule.name, &rules.policy)).collect();
        // Another caller may see another list, and the next policy another one again.
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let from = self.caller(&context);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let now = self.gate.now();
        let called = self.gate.call(&CallRequest {
            token: from.token.as_deref(),
            tool: &request.name,
            arguments: Given::Json(&arguments),
            origin: Origin::Client,
            client: Some(&from.client),
            at: now,
            judged_at: now,
        });
        match called.decision.reason() {
            Some(Reason::UnknownTool { tool }) => {
                let data = json!({ "error": "forbidden", "reason": "unknown_tool" });
                Err(ErrorData::new(UNKNOWN_TOOL, format!("Unknown tool: {}", text::name(tool, 64)), Some(data)))
            }
            _ => Ok(result(&called).into()),
        }
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tool(name, &self.gate.shared().rules().policy)
    }
}

/// The contract's answer, structured and as text; where the call went wrong behind the gate, the sentence too.
fn result(called: &Called) -> CallToolResult {
    let answer = called.outcome.answer();
    let mut result = match called.outcome {
        Outcome::Done(_) => CallToolResult::structured(answer),
        _ => CallToolResult::structured_error(answer),
    };
    result.content.extend(called.outcome.trouble().map(ContentBlock::text));
    result
}

/// A tool as a client sees it, if there is one of that name.
fn tool(name: &str, policy: &Policy) -> Option<Tool> {
    let built_in = tools::find(name)?;
    let object = |value: Value| match value {
        Value::Object(members) => Arc::new(members),
        _ => Arc::new(JsonObject::new()),
    };
    let schema = policy.tool(name).and_then(|rule| rule.schema.as_ref()).map(|schema| schema.source().clone());
    let mut input = schema.unwrap_or_else(|| built_in.schema());
    // The specification wants it said, and arguments are an object anyway.
    if let Value::Object(members) = &mut input {
        members.entry("type").or_insert_with(|| json!("object"));
    }
    let description = tools::description(name, policy).unwrap_or_default().to_owned();
    let output = json!({
        "type": "object",
        "properties": { "success": { "const": true }, "result": {} },
        "required": ["success", "result"],
    });
    let mut tool = Tool::new(built_in.name, description, object(input));
    tool.output_schema = Some(object(output));
    tool.annotations = Some(ToolAnnotations::new().read_only(built_in.reads_only).destructive(built_in.destroys));
    Some(tool)
}
