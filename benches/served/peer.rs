//! A bare rmcp server with the same checks, as a typical program would contain it: a bearer layer with jsonwebtoken
//! that answers 401 and 403, and a handler with one tool. It does not log, limit or show anything.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};

use super::{AUDIENCE, SECRET, announce};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    user_id: String,
    permissions: Vec<String>,
}

struct Keys {
    key: DecodingKey,
    validation: Validation,
}

/// The permissions that allow a tool; one is enough.
fn needs(tool: &str) -> &'static [&'static str] {
    match tool {
        "read_data" => &["user", "admin"],
        "write_data" | "delete_data" => &["admin"],
        _ => &[],
    }
}

fn may(claims: &Claims, tool: &str) -> bool {
    needs(tool).iter().any(|needed| claims.permissions.iter().any(|held| held == needed))
}

async fn guard(State(keys): State<Arc<Keys>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Ok(read) = jsonwebtoken::decode::<Claims>(token, &keys.key, &keys.validation) else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")])
            .into_response();
    };
    let Ok(body) = to_bytes(body, 4 << 20).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let Ok(message) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let tool = message["params"]["name"].as_str().filter(|_| message["method"] == "tools/call");
    if tool.is_some_and(|tool| !may(&read.claims, tool)) {
        return (StatusCode::FORBIDDEN, [(header::WWW_AUTHENTICATE, "Bearer error=\"insufficient_scope\"")])
            .into_response();
    }
    parts.extensions.insert(read.claims);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

#[derive(Clone)]
struct Tools;

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("bare", "1"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new(
            "read_data",
            "returns its arguments",
            serde_json::Map::new(),
        )]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<axum::http::request::Parts>();
        let claims = parts.and_then(|parts| parts.extensions.get::<Claims>());
        let answer = match claims {
            Some(claims) if may(claims, &request.name) && !claims.user_id.is_empty() => {
                json!({ "success": true, "result": Value::Object(request.arguments.unwrap_or_default()) })
            }
            _ => json!({ "error": "forbidden" }),
        };
        Ok(CallToolResult::structured(answer).into())
    }
}

/// Serves until standard input ends.
pub fn serve() -> ExitCode {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.leeway = 0;
    let keys = Arc::new(Keys { key: DecodingKey::from_secret(SECRET), validation });
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let mcp = StreamableHttpService::new(|| Ok(Tools), Arc::new(NeverSessionManager::default()), config);
    let router = Router::new().route_service("/mcp", mcp).route_layer(from_fn_with_state(keys, guard));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a non-blocking listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            let _ = axum::serve(listener, router).await;
        });
    });
    announce(address);
    ExitCode::SUCCESS
}
