//! The first check of a request: its host (`Host`), and the page that sends it (`Origin`), so that pages of other sites
//! cannot reach the server through a browser (DNS rebinding). Allowed pages get CORS headers (Fetch standard §3.2).

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderValue, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use crate::endpoint::{HostName, Page};
use crate::gate::Rejection;

/// The request headers that pages may always send, besides those that a preflight names.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id",
);
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE, OPTIONS");
const EXPOSED: HeaderValue = HeaderValue::from_static("WWW-Authenticate, Retry-After, Mcp-Session-Id");
/// How long a browser may cache a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Checks `Host` and `Origin`. If an allowed page sends the request, returns its origin. The local address of the
/// connection is always an accepted `Host`, because rebinding needs a name.
pub fn check(
    headers: &HeaderMap,
    local: Option<IpAddr>,
    hosts: &[HostName],
    pages: &[Page],
) -> Result<Option<HeaderValue>, Rejection> {
    let is_local =
        |name: &str| local.is_some_and(|ip| ip.to_string().parse().is_ok_and(|host: HostName| host.is(name)));
    let text = |value: &HeaderValue| Box::from(&*String::from_utf8_lossy(value.as_bytes()));
    if let Some(host) = headers.get(HOST)
        && !host.to_str().is_ok_and(|name| is_local(name) || hosts.iter().any(|host| host.is(name)))
    {
        return Err(Rejection::Host(text(host)));
    }
    match headers.get(ORIGIN) {
        Some(origin) if origin.to_str().is_ok_and(|origin| pages.iter().any(|page| page.is(origin))) => {
            Ok(Some(origin.clone()))
        }
        Some(origin) => Err(Rejection::Origin(text(origin))),
        None => Ok(None),
    }
}

/// Answers a preflight: an `OPTIONS` request by which a browser asks whether a page may send a request.
pub fn preflight(parts: &Parts) -> Option<Response> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.append(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    // A tool's parameters may be headers too (`mcp-param-…`), so an allowed page may send all headers that it names.
    if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(answer)
}

/// Lets an allowed page read an answer. Every answer varies with the origin, which caches must know.
pub fn let_read(answer: &mut Response, origin: Option<HeaderValue>) {
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
