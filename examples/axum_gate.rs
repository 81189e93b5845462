//! The gate in a web service of one's own: `POST /tools/NAME` with a bearer token and a JSON object of arguments.
//!
//! `cargo run --example axum_gate` listens on 127.0.0.1:3000 and prints a request to try.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use portcullis::auth::Verdict;
use portcullis::gate::CallRequest;
use portcullis::{Gate, Outcome, Reason};
use serde_json::Value;

/// Answers a call. The body is the gate's answer; the status and the challenge are those of RFC 6750, section 3.
async fn call(
    State(gate): State<Gate>,
    Path(tool): Path<String>,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    let request = CallRequest::new(bearer(&headers), &tool, &arguments, gate.clock().now());
    let called = gate.call_async(&request).await;
    let (status, challenge) = match (called.decision.reason(), &called.outcome) {
        (Some(Reason::MissingToken), _) => (StatusCode::UNAUTHORIZED, Some("Bearer")),
        (Some(Reason::KeysUnavailable { .. }), _) => (StatusCode::SERVICE_UNAVAILABLE, None),
        (Some(_), Outcome::Refused(Verdict::Forbidden)) => {
            (StatusCode::FORBIDDEN, Some(r#"Bearer error="insufficient_scope""#))
        }
        (Some(_), _) => (StatusCode::UNAUTHORIZED, Some(r#"Bearer error="invalid_token""#)),
        (None, Outcome::BadArguments(_)) => (StatusCode::BAD_REQUEST, None),
        (None, Outcome::ToolFailed(_)) => (StatusCode::BAD_GATEWAY, None),
        (None, _) => (StatusCode::OK, None),
    };
    let mut response = (status, Json(called.outcome.answer())).into_response();
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
    }
    response
}

/// Returns the token of `Authorization: Bearer TOKEN`. The scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = Gate::new(b"a secret that is at least 32 bytes long")?;
    let token = gate.generate_token("user123", &["user"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("curl -H 'Authorization: Bearer {token}' --json '{{\"id\": 1}}' http://127.0.0.1:3000/tools/read_data");
    axum::serve(listener, Router::new().route("/tools/{tool}", post(call)).with_state(gate)).await?;
    Ok(())
}
