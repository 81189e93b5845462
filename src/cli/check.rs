//! `portcullis check`: the preview of the Call pane. It does not call the tool.

use super::arguments::CheckArgs;
use super::expect::Expected;
use super::json::{self, DecisionJson};
use super::paint::{Paint, of_verdict, warning};
use super::{CliError, Context, Exit, Runner};
use crate::auth::explain::explain_decision;
use crate::auth::{Call, Inspection, TokenId, Verdict};
use crate::backend::BuiltIn;
use crate::config::ConfigError;
use crate::gate::ports::{Backend as _, Catalogue, ToolError};
use crate::lab::expected::ActualAnswer;
use crate::text;

/// Decides about one call.
pub fn run(
    on: &mut Runner<'_>,
    args: &CheckArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    let rules = context.rules();
    let (token, tool) = match args.words.as_slice() {
        [tool] => (None, tool),
        [token, tool, ..] => (Some(token.as_str()), tool),
        [] => return Err(CliError::Usage("missing tool: expected the tool to check".to_owned())),
    };
    let tool = Runner::tool(tool, "TOKEN TOOL")?;
    let token = on.asked(token, args.no_token)?;
    context.need_key(token.as_deref())?;
    if !args.no_token && !context.has_key() {
        return Err(ConfigError::NoSecret.into());
    }
    let rules = context.keyed(rules, token.as_deref().unwrap_or_default())?;
    // Reading the token may have taken a while.
    let now = context.now();
    let decision = rules.decide(&Call { token: token.as_deref(), tool }, now);
    let id = token.as_deref().map(TokenId::of);
    // The decision stops at the first failure; `check` reports the others as well, and where the permissions come from.
    let inspection = token.as_deref().map(|token| rules.inspect(token));
    let judged = inspection.as_ref().map(|inspection| &inspection.judged);
    let also = rules.also_refuses(&decision, judged, tool, now);
    let expected = args.expect.map(|expected| Expected::new(expected, ActualAnswer::decided(&decision)));
    on.known = expected.as_ref().map_or_else(|| decision.verdict().into(), Expected::exit);
    let lacks = Catalogue::new(BuiltIn.tools()).lacks(&rules.policy, tool);
    let trouble = (lacks && decision.verdict() == Verdict::Allowed).then(|| ToolError::missing(tool).to_string());
    if json {
        let mut decided = DecisionJson::new(&decision, &also, id, tool, now).with_claims(judged);
        decided.trouble = trouble.as_deref();
        decided.expected = expected;
        json::line(on.out, &decided)?;
    } else {
        let asked = format!("tool {}", text::name(tool, 64));
        let mut text = explain_decision(&decision, judged, id, &asked, &format!("judged for {}", now.rfc3339()));
        for reason in &also {
            text.finding(format_args!("also: {reason}"));
        }
        for hint in inspection.iter().flat_map(Inspection::key_hints) {
            text.finding(hint);
        }
        let style = if trouble.is_some() { warning() } else { of_verdict(decision.verdict()) };
        if let Some(trouble) = trouble {
            text.finding(trouble);
        }
        paint.explanation(on.out, &text, style)?;
        if let Some(expected) = expected {
            expected.show(on.out, paint)?;
        }
    }
    Ok(on.known)
}

impl Runner<'_> {
    /// Returns the token of a call from the argument or the environment. If neither has one, this is reported.
    pub fn asked(&mut self, given: Option<&str>, no_token: bool) -> Result<Option<String>, CliError> {
        if no_token {
            return match given {
                Some(_) => Err(CliError::Usage("--no-token cannot be used with a token".to_owned())),
                None => Ok(None),
            };
        }
        if let Some(source) = self.source(given)? {
            return Ok(Some(self.one(source)?).filter(|token| !token.is_empty()));
        }
        self.say(
            "no token given, continuing without one; pass TOKEN, - (standard input) or @FILE, or set PORTCULLIS_TOKEN",
        );
        Ok(None)
    }
}
