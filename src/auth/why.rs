//! Explains a pasted response, key set or discovery document against a token: one sentence, then what the token has,
//! what the other side needs, and what to ask for. The functions are pure and make foreign text safe to show.

use chrono::DateTime;

use super::date::NumericDate;
use super::evaluation::TokenStatus;
use super::explain::{Explanation, left};
use super::granted;
use super::inspection::{Inspection, value_of};
use super::members;
use super::rules::Rules;
use crate::text::material::{Keys, Material, Metadata, MetadataKind, Response};
use crate::text::{self, words};

/// The longest foreign text in a line, in characters.
const TEXT: usize = 256;

/// Explains the material, against the token if there is one, at `now`.
pub fn explain_material(
    material: &Material,
    token: Option<&Inspection>,
    rules: &Rules,
    now: NumericDate,
) -> Explanation {
    match material {
        Material::Response(response) => explain_response(material, response, token, now),
        Material::Keys(keys) => explain_keys(material, keys, token),
        Material::Metadata(metadata) => explain_metadata(material, metadata, token, rules),
    }
}

/// The scopes, roles and permissions in a token, from all claims that can contain them, each once.
pub fn granted(token: &Inspection) -> Vec<String> {
    granted::once(granted_by_claim(token))
}

/// The same, by the claims that contain some.
pub fn granted_by_claim(token: &Inspection) -> Vec<(&'static str, Vec<String>)> {
    granted::by_claim(|claim| value_of(&token.payload, claim))
}

fn named(list: &[impl AsRef<str>]) -> String {
    if list.is_empty() { "none".to_owned() } else { text::names(list.iter(), 128, 32, ", ") }
}

fn explain_response(
    material: &Material,
    response: &Response,
    token: Option<&Inspection>,
    now: NumericDate,
) -> Explanation {
    let error = response.param("error");
    let description = response.param("error_description").or(response.param("message"));
    let status = response.status;
    let sentence = match (error, status) {
        (Some("insufficient_scope"), _) => "the server accepts the token, but requires scopes that it lacks".to_owned(),
        (Some("invalid_token"), _) => "the server rejects the token itself".to_owned(),
        (Some("invalid_request"), _) => "the server could not read the request or its Authorization header".to_owned(),
        (None, Some(401)) if response.challenge.is_some() => {
            "the server received no token: its challenge names no error".to_owned()
        }
        (None, Some(401)) => "the server refuses the request without a reason: WWW-Authenticate is missing".to_owned(),
        (None, Some(403)) => "the server refuses the request and does not say which scope is missing".to_owned(),
        (None, Some(404)) => "not found: a wrong path, or a tool that is hidden from this token".to_owned(),
        (None, Some(429)) => "too many requests; wait, and send the same token again".to_owned(),
        (_, Some(status @ 500..)) => format!("the server failed ({status}); this is not about the token"),
        (_, Some(status @ 200..300)) => format!("the server accepted the request ({status})"),
        (Some(error), _) => format!("the server answers {}", text::name(error, TEXT)),
        (None, Some(status)) => format!("the server answers {status}"),
        (None, None) => "the server asks for a token".to_owned(),
    };
    let mark = match error {
        Some("insufficient_scope") => "FORBIDDEN",
        _ if status.is_some_and(|status| status < 400) => "ANSWERED",
        Some(_) => "REFUSED",
        None => "REFUSED",
    };
    let mut out = Explanation::new(mark, format!(": {sentence}"));
    out.note(format!("read: {material}"));
    if let Some(description) = description {
        out.note(format!("the server says: {}", text::display_safe(description, TEXT)));
    }
    scopes(&mut out, response, token);
    if let Some(token) = token {
        ours(&mut out, response, token, now);
    } else {
        out.note("no token to compare with this answer".to_owned());
    }
    if let Some(address) = response.param("resource_metadata") {
        out.note(format!("the server describes itself at {}", text::name(address, TEXT)));
    }
    out
}

/// Adds the scopes that the token has, those that the response requires, and those to ask for.
fn scopes(out: &mut Explanation, response: &Response, token: Option<&Inspection>) {
    let Some(needs) = response.param("scope") else { return };
    let needs: Vec<&str> = text::separated(needs, ' ').collect();
    let has = token.map(granted);
    if let Some(has) = &has {
        out.note(format!("has: {}", named(has)));
    }
    out.note(format!("needs: {}", named(&needs)));
    let missing: Vec<&str> =
        needs.iter().copied().filter(|need| has.iter().flatten().all(|held| held != need)).collect();
    match (has, missing.as_slice()) {
        (Some(_), []) => out.finding(
            "the token has every scope that the server lists: it may have checked another token or another claim",
        ),
        _ => out.note(format!("ask for: {}", named(&missing))),
    }
}

/// Adds the result of our own inspection to the server's answer.
fn ours(out: &mut Explanation, response: &Response, token: &Inspection, now: NumericDate) {
    let status = token.judged.status(now);
    let why = status.reason().map_or_else(String::new, |reason| format!(": {reason}"));
    let who = token.judged.name.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    let life = match (&status, token.judged.lifetime.exp) {
        (TokenStatus::Valid(phase), Some(exp)) => format!(", {}, expires at {}", left(*phase), exp.rfc3339()),
        _ => String::new(),
    };
    out.note(format!("token {}{who} here: {}{why}{life}", token.id, status.word()));
    for reason in token.judged.also(now) {
        out.finding(format_args!("also: {reason}"));
    }
    let date = response.date.as_deref().and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    if let Some(date) = date.map(|date| NumericDate::from(date.to_utc())) {
        let then = token.judged.status(date);
        let is_expired = |status: &TokenStatus| matches!(status, TokenStatus::OutOfTime(..));
        if is_expired(&then) || is_expired(&status) {
            out.note(format!("by the server's clock, {}: {}", date.rfc3339(), then.word()));
        }
    }
    let passes = matches!(status, TokenStatus::Valid(_));
    if response.param("error") == Some("invalid_token") && passes {
        out.finding(
            "the token is valid by the rules here: compare the server's issuer, audience, keys and clock with the claims",
        );
    }
}

fn explain_keys(material: &Material, keys: &Keys, token: Option<&Inspection>) -> Explanation {
    let mut out = Explanation::new("KEYS", format!(": {material}; not used as keys yet"));
    for key in &keys.keys {
        let parts = [
            key.kid.as_deref().map(|kid| format!("kid {}", text::name(kid, 64))),
            Some(text::name(&key.kind, 64)),
            key.alg.as_deref().map(|alg| text::name(alg, 32)),
            key.purpose.as_deref().map(|purpose| format!("use {}", text::name(purpose, 32))),
        ];
        out.note(parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
    let secret = keys.keys.iter().filter(|key| key.is_secret).count();
    if secret > 0 {
        let count = words::count(secret, "key");
        out.finding(format_args!("{count} can sign (private or shared): keep this text secret"));
    }
    if let Some(token) = token {
        let kid = value_of(&token.header, "kid").and_then(members::string);
        let is_there = kid.as_ref().map(|kid| keys.keys.iter().any(|key| key.kid.as_deref() == Some(kid)));
        match (kid, is_there) {
            (Some(kid), Some(true)) => out.note(format!("the token's kid {} is among them", text::name(&kid, 64))),
            (Some(kid), _) => out.finding(format_args!("the token's kid {} is not among them", text::name(&kid, 64))),
            (None, _) => out.note("the token names no kid".to_owned()),
        }
    }
    out.note("signatures are still checked with the configured key".to_owned());
    out
}

fn explain_metadata(
    material: &Material,
    metadata: &Metadata,
    token: Option<&Inspection>,
    rules: &Rules,
) -> Explanation {
    let mut out = Explanation::new("METADATA", format!(": {material}; not used as an issuer yet"));
    let of_resource = metadata.kind == MetadataKind::ProtectedResource;
    let label = if of_resource { "authorization servers" } else { "issuer" };
    out.note(format!("{label}: {}", named(&metadata.issuers)));
    let addresses = [("resource", metadata.resource.as_deref()), ("jwks_uri", metadata.jwks_uri.as_deref())];
    for (name, value) in addresses.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        out.note(format!("{name}: {}", text::name(value, TEXT)));
    }
    if !metadata.scopes.is_empty() {
        out.note(format!("scopes: {}", named(&metadata.scopes)));
    }
    let Some(token) = token else { return out };
    let claims = token.named();
    let known = |iss: &String| metadata.issuers.contains(iss);
    match &claims.iss {
        Some(iss) if known(iss) => out.note("the token's iss is this issuer".to_owned()),
        Some(iss) => out.finding(format_args!("the token's iss is {}, another issuer", text::name(iss, TEXT))),
        None => out.finding("the token names no issuer (iss)"),
    }
    if let Some(resource) = &metadata.resource {
        if claims.aud.contains(resource) {
            out.note("the token's aud names this resource".to_owned());
        } else {
            out.finding(format_args!("the token's aud is {}, not this resource", named(&claims.aud)));
        }
        let (_, audiences) = rules.expected(claims.iss.as_deref());
        if !audiences.is_empty() && audiences.iter().all(|wanted| **wanted != **resource) {
            out.note(format!("the audience expected here is {}", named(&audiences)));
        }
    }
    out
}
