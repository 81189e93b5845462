//! `portcullis call`: the Call pane without the console. Writes the answer to standard output, and the reason to
//! standard error.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Map, Value};

use super::arguments::CallArgs;
use super::expect::Expected;
use super::json::DecisionJson;
use super::paint::Paint;
use super::target::{self, Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::{Inspection, Outcome, Verdict};
use crate::gate::activity::explain_record;
use crate::gate::{CallRequest, Origin, RawArguments};
use crate::lab::expected::{ActualAnswer, ExpectedAnswer};
use crate::observe::{Answer, Body, Observation, Observed, Progress, why};
use crate::target::{Connection, Dialect, Target, TimedReply};

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
    if let Some(target) = args.server.target(context)? {
        return remote(on, args, context, json, &target, &Remote { token, tool, arguments });
    }
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

/// A call of a foreign server.
struct Remote<'a> {
    token: Option<&'a str>,
    tool: &'a str,
    arguments: &'a str,
}

/// Calls a tool of a foreign server. The result goes to standard output, and how the server answered to standard error.
fn remote(
    on: &mut Runner<'_>,
    args: &CallArgs,
    context: &Context,
    json: bool,
    target: &Target,
    call: &Remote<'_>,
) -> Result<Exit, CliError> {
    let arguments = target::arguments(call.arguments)?;
    let token = on.token_for(target, call.token, args.no_token)?;
    let caller = Caller::new(token, context);
    let bound = args.server.bound();
    let shows_progress = on.shows_hints && !json;
    let err = &mut *on.err;
    let progress = |progress: &Progress| {
        if shows_progress {
            let _ = writeln!(err, "portcullis: {progress}");
        }
    };
    let (received, why) = block_on(async {
        let (received, at) = match target::open(target, &caller.carriage(), &Dialect::Auto).await? {
            Ok(connection) => {
                let received = watched(&connection, call.tool, arguments, bound, progress).await;
                let at = context.now();
                connection.close().await;
                (received, at)
            }
            Err(refused) => (refused, context.now()),
        };
        let why = caller.explain(target, Some(call.tool), &received.reply, None, at).await;
        Ok::<_, CliError>((received, why))
    })??;
    let compared = args
        .expect
        .map(|expected| compared(expected, &why.observation, caller.token.is_some() || target.brings_credentials()));
    on.known = compared.as_ref().map_or_else(|| Exit::of_observation(&why.observation), Expected::exit);
    let answer = match &received.reply {
        Ok(Answer { body: Body::Result(result), .. }) => result.clone(),
        Ok(Answer { body: Body::Error { code, message, data }, .. }) => {
            serde_json::json!({ "error": { "code": code, "message": message, "data": data } })
        }
        Ok(Answer { body: Body::Json(value), .. }) => value.clone(),
        _ => serde_json::json!({ "error": why.observation.observed().code() }),
    };
    let answered = json::line(on.out, &answer).and_then(|()| on.out.flush());
    let _ = if json {
        let mut explained = why.json();
        explained["took"] = serde_json::json!(received.took.as_secs_f64());
        explained["token_id"] = serde_json::json!(caller.token_id().map(|id| id.to_string()));
        if let Some(compared) = &compared {
            explained["expected"] = serde_json::json!(compared);
        }
        json::line(on.err, &explained)
    } else {
        let explained = writeln!(on.err, "{}", why.explanation());
        match &compared {
            Some(compared) => explained.and_then(|()| compared.show(on.err, Paint(false))),
            None => explained,
        }
    };
    answered?;
    Ok(on.known)
}

/// Calls a tool, and passes on the progress that the server reports.
async fn watched(
    connection: &Connection,
    tool: &str,
    arguments: Map<String, Value>,
    bound: Duration,
    mut each: impl FnMut(&Progress),
) -> TimedReply {
    let mut progress = connection.progress();
    let mut call = pin!(connection.call(tool, arguments, bound));
    loop {
        tokio::select! {
            called = &mut call => return called,
            Ok(()) = progress.changed() => progress.borrow_and_update().iter().for_each(&mut each),
        }
    }
}

/// Compares the answer of a foreign server with the expected one. It gives a verdict, and a reason as far as it states
/// one.
fn compared(expected: ExpectedAnswer, observation: &Observation, has_token: bool) -> Expected {
    let code = why::reason_code(observation, has_token);
    match (observation.verdict(), observation.observed()) {
        (verdict @ Some(_), _) | (verdict, Observed::BadArguments) => {
            Expected::new(expected, ActualAnswer { verdict, code })
        }
        // Our own gate forbids a tool that it does not know.
        (None, Observed::NoTool) => Expected::new(expected, ActualAnswer { verdict: Some(Verdict::Forbidden), code }),
        _ => Expected::without_verdict(expected, &observation.to_string()),
    }
}
