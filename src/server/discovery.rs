//! The documents by which another server can trust the tokens of this signer: its public keys (RFC 7517 §5), and the
//! description that names them (OpenID Connect Discovery 1.0 §3). Both exist only while the signer has a public key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::layers::Endpoint;
use crate::auth::Verifier;
use crate::auth::keys::jwk;
use crate::endpoint::origin;
use crate::gate::Rejection;

/// The path of the public keys.
pub const KEYS: &str = "/.well-known/jwks.json";

/// The path of the description.
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// How long others may keep the documents: a new signing key must become known soon.
const CACHE: HeaderValue = HeaderValue::from_static("max-age=60");

/// Serves the public keys of the console's tokens, which any page may read: that of the signer, and the earlier ones
/// that still verify.
pub async fn keys(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let keys: Vec<_> = verifiers(&endpoint).iter().filter_map(|key| jwk::public(key, None)).collect();
    if !keys.is_empty() {
        return published(json!({ "keys": keys }));
    }
    endpoint.turn_away(&request.into_parts().0, Rejection::NotFound);
    (StatusCode::NOT_FOUND, "Not found. The signing key of this server is a shared secret.\n").into_response()
}

/// Returns the description of the issuer, or `None` if it has no public key.
///
/// The endpoints for signing in are those that answer that nothing can be signed in to: `authorization_endpoint` is
/// required, and clients of MCP reject a description without `token_endpoint`, or stop without an explanation if there
/// is no `registration_endpoint`.
pub fn configuration(endpoint: &Endpoint) -> Option<Response> {
    let keys = verifiers(endpoint);
    let public = keys.iter().filter(|key| key.components().is_some());
    let mut algorithms: Vec<&str> = public.flat_map(Verifier::algorithms).map(|algorithm| algorithm.name()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    if algorithms.is_empty() {
        return None;
    }
    let origin = origin(&endpoint.uri);
    let issuer = endpoint.gate.shared().rules().issuer().map_or_else(|| origin.clone(), ToString::to_string);
    Some(published(json!({
        "issuer": issuer,
        "jwks_uri": format!("{origin}{KEYS}"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    })))
}

/// The keys that verify the console's tokens, the one that signs first.
fn verifiers(endpoint: &Endpoint) -> Vec<Verifier> {
    endpoint.gate.shared().read(|state| match state.signer() {
        Some(_) => state.rules().issuers.own().keys.iter().cloned().collect(),
        // Without a signer, the issuer's keys are those of others.
        None => Vec::new(),
    })
}

fn published(document: Value) -> Response {
    let any = HeaderValue::from_static("*");
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, any), (header::CACHE_CONTROL, CACHE)], Json(document)).into_response()
}
