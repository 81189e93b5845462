//! Servers of others: what is sent to them, what their answers mean, and why.

mod client;
mod commands;
mod console;
mod denials;
mod explained;
pub mod fake;
mod probe;
mod runs;

use std::sync::Arc;

use portcullis::auth::{IssueRequest, NumericDate};
use portcullis::auth::{KeyOrigin, Signer};
use portcullis::text::Span;
use serde_json::Value;

/// The secret that fake servers share with the tests.
const SHARED: &[u8] = SHARED_TEXT.as_bytes();
const SHARED_TEXT: &str = "a secret that the servers of the tests share";

/// The real time: foreign servers have a clock of their own.
fn now() -> NumericDate {
    use portcullis::clock::{Clock as _, SystemClock};
    SystemClock::new().now()
}

fn signer() -> Signer {
    Signer::hs256(SHARED, KeyOrigin::Program).expect("a key")
}

/// A token for an hour, with claims added.
fn token(user: &str, scope: &str, more: &[(&str, Value)]) -> Arc<str> {
    let mut request =
        IssueRequest { user_id: user.to_owned(), expires: Some(now().plus(Span::HOUR)), ..IssueRequest::default() };
    request.extra.insert("scope".to_owned(), Value::from(scope));
    for (name, value) in more {
        let text = || value.as_str().map(str::to_owned);
        match *name {
            "aud" => request.audience = text(),
            "iss" => request.issuer = text(),
            other => drop(request.extra.insert(other.to_owned(), value.clone())),
        }
    }
    signer().issue(&request, "a-jti", now()).expect("a token")
}
