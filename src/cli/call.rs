//! `portcullis call`: the Call pane without the console. Writes the answer to standard output, and the reason to
//! standard error.

use super::arguments::CallArgs;
use super::expect::Expected;
use super::json::DecisionJson;
use super::paint::Paint;
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::{Inspection, Outcome};
use crate::gate::activity::explain_record;
use crate::gate::{CallRequest, Origin, RawArguments};
use crate::lab::expected::ActualAnswer;

/// Calls a tool.
pub fn run(on: &mut Runner<'_>, args: &CallArgs, context: &Context, json: bool) -> Result<Exit, CliError> {
    let is_json = |word: &str| word.trim_start().starts_with(['{', '[']);
    let (token, tool, arguments) = match args.words.as_slice() {
        [tool] => (None, tool, "{}"),
        [tool, arguments] if args.no_token || is_json(arguments) => (None, tool, arguments.as_str()),
        [token, tool] => (Some(token.as_str()), tool, "{}"),
        [token, tool, arguments, ..] => (Some(token.as_str()), tool, arguments.as_str()),
        [] => return Err(CliError::Usage("missing tool: expected the tool to call".to_owned())),
    };
    let tool = Runner::tool(tool, "TOKEN TOOL ARGUMENTS")?;
    let token = on.asked(token, args.no_token)?;
    context.need_key(token.as_deref())?;
    let gate = context.gate(!args.no_token)?;
    context.read_keys(&gate, token.as_deref())?;
    // Reading the token may have taken a while.
    let now = context.now();
    let called = gate.call(&CallRequest {
        token: token.as_deref(),
        tool,
        arguments: RawArguments::Text(arguments),
        origin: Origin::Command,
        at: now,
        judged_at: now,
    });
    let expected =
        args.expect.map(|expected| Expected::new(expected, ActualAnswer::called(&called.decision, &called.outcome)));
    on.known = match (&expected, &called.outcome) {
        (Some(expected), _) => expected.exit(),
        (None, Outcome::Refused(verdict)) => (*verdict).into(),
        (None, Outcome::Done(_)) => Exit::Good,
        (None, Outcome::BadArguments(_) | Outcome::ToolFailed(_)) => Exit::Failed,
    };
    // The tool has been called: its answer must be flushed even if the explanation cannot be written.
    let answered = json::line(on.out, &called.outcome.answer()).and_then(|()| on.out.flush());
    let inspection = token.as_deref().map(|token| gate.shared().rules().inspect(token));
    let judged = inspection.as_ref().map(|inspection| &inspection.judged);
    // A failed write to standard error is ignored.
    let _ = if json {
        let mut decided =
            DecisionJson::new(&called.decision, &[], called.record.token_id, tool, now).with_claims(judged);
        decided.trouble = called.outcome.trouble();
        decided.expected = expected;
        json::line(on.err, &decided)
    } else {
        let mut text = explain_record(&called.record, judged);
        let refused = inspection.iter().filter(|_| called.decision.reason().is_some());
        refused.flat_map(Inspection::key_hints).for_each(|hint| text.finding(hint));
        let written = writeln!(on.err, "{text}");
        expected.map_or(written, |expected| expected.show(on.err, Paint(false)))
    };
    answered?;
    Ok(on.known)
}
