//! `portcullis issue`: the Issue pane without the console.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::arguments::IssueArgs;
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::{IssueRequest, TokenId};
use crate::text;
use crate::text::strict_json::exact_value;

/// Signs a token and prints it.
pub fn run(on: &mut Runner<'_>, args: &IssueArgs, context: &Context, json: bool) -> Result<Exit, CliError> {
    let now = context.now();
    let gate = context.gate(true)?;
    let usual = context.request(&args.user, now);
    let request = IssueRequest {
        permissions: args.permissions.clone(),
        expires: args.expires.or_else(|| args.ttl.map(|ttl| ttl.from(now))).or(usual.expires),
        not_before: args.not_before.map(|when| when.from(now)),
        subject: args.sub.clone(),
        issued_at: args.iat.map(|when| when.from(now)),
        jti: args.jti.clone(),
        has_no_expiry: args.no_exp,
        token_type: args.typ.clone(),
        header: header(args)?,
        extra: members("--claim", r#"'team="blue"'"#, &args.claims)?,
        ..usual
    };
    let token = gate.issue(&request, now)?;
    // The token is signed as requested; it is better to see what is odd about it now than when it is refused.
    for finding in gate.shared().rules().inspect(Arc::clone(&token)).findings_at(now) {
        // A weak secret is reported once for every command that signs or verifies.
        if finding.code() != "weak_key" {
            on.say(finding);
        }
    }
    if json {
        json::line(on.out, &json!({ "token_id": TokenId::of(&token).to_string(), "token": *token }))?;
    } else {
        writeln!(on.out, "{token}")?;
    }
    Ok(Exit::Good)
}

/// Parses the additional members of the header.
fn header(args: &IssueArgs) -> Result<Map<String, Value>, CliError> {
    let header = members("--header", r#"'cty="JWT"'"#, &args.headers)?;
    for (name, is_given) in [("typ", args.typ.is_some()), ("kid", args.kid.is_some())] {
        if is_given && header.contains_key(name) {
            return Err(CliError::Usage(format!("--{name} cannot be used with --header {name}=…")));
        }
    }
    Ok(header)
}

/// Parses the values of an option, each `name=JSON`.
fn members(option: &str, example: &str, given: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut claims = Map::new();
    for claim in given {
        let wrong = |what: &str| CliError::Usage(format!("{option} {}: {what}", text::name(claim, 64)));
        let (name, value) = claim.split_once('=').ok_or_else(|| wrong("expected NAME=JSON"))?;
        if name.is_empty() {
            return Err(wrong("missing name, expected NAME=JSON"));
        }
        let value = exact_value(value).map_err(|error| match error.what.is_json() {
            true => wrong(&error.to_string()),
            false => wrong(&format!("invalid JSON value; a string needs quotes, as in {option} {example}")),
        })?;
        if claims.insert(name.to_owned(), value).is_some() {
            return Err(wrong("given twice"));
        }
    }
    Ok(claims)
}
