//! `portcullis drill --url`: finds when a foreign server starts to refuse a token, and its leeway for clocks.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::arguments::DrillArgs;
use super::drill_result::{conclude, drilled_token};
use super::paint::{Paint, bad, good, of_observation, warning};
use super::probe::wishes;
use super::report::Form;
use super::target::{Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::{NumericDate, TokenId};
use crate::lab::drill::{Boundary, Drill, DrillResult, Pace, Plan, Subject, end_of_new};
use crate::lab::probe::Model;
use crate::observe::{Observed, Reply};
use crate::probing::{self, Stopped};
use crate::report::{Case, Report, tap};
use crate::target::{Carriage, Connection, Dialect, OpenError, Target, fetch_metadata};
use crate::text;

/// Drills a foreign server.
pub fn run(
    on: &mut Runner<'_>,
    args: &DrillArgs,
    context: &Context,
    target: &Target,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    let (token, tool) = match args.words.as_slice() {
        [tool] => (None, tool),
        [token, tool, ..] => (Some(token.as_str()), tool),
        [] => return Err(CliError::Usage("missing tool: expected the tool to call".to_owned())),
    };
    let tool = Runner::tool(tool, "TOKEN TOOL")?;
    on.needs_tokens(target)?;
    if !args.permissions.is_empty() && args.ttl.is_none() && !args.shifted {
        return Err(CliError::Usage("--permission needs --ttl or --shifted".to_owned()));
    }
    if args.shifted {
        if token.is_some() || args.ttl.is_some() {
            let sentence =
                "--shifted signs tokens of its own for another server; it cannot be used with a token or --ttl";
            return Err(CliError::Usage(sentence.to_owned()));
        }
        return boundaries(on, args, context, target, tool, form, paint);
    }
    let token = match (args.ttl, token) {
        (Some(_), Some(_)) => return Err(CliError::Usage("--ttl cannot be used with a token".to_owned())),
        (Some(ttl), None) => {
            let model = model(args, context, target)?;
            let exp = end_of_new(context.now(), ttl.into());
            model.signed(&model.with("exp", exp.json_number())).unwrap_or_default()
        }
        (None, token) => drilled_token(on, token)?,
    };
    let caller = Caller::new(Some(token.clone()), context);
    let Some(judged) = caller.inspection.as_ref().map(|inspection| inspection.judged.clone()) else {
        return Err(CliError::Usage("missing token".to_owned()));
    };
    let plan = Plan { pace: Pace::Real, every: args.every.into(), fine: args.fine };
    let drill = Drill::new(&judged.lifetime, plan, context.now());
    let mut drill = drill.map_err(|error| CliError::Usage(error.to_string()))?.of_server();
    let end = drill.expected().rfc3339();
    on.say(format_args!("calling {} until after {end}; press Ctrl-C to stop", text::name(tool, 64)));
    let done = block_on(async {
        let arguments = example_arguments(target, &token, tool).await?;
        probing::drill(target, &token, (tool, &arguments), &mut drill, || context.now()).await
    });
    let signal = match done {
        Ok(Ok(())) => None,
        Ok(Err(stopped)) => return refused(on, context, target, &caller, stopped, form, paint),
        // What was found may have taken a long time.
        Err(CliError::Signalled(signal)) => Some(signal),
        Err(error) => return Err(error),
    };
    drill.cancel();
    let name = judged.name.as_deref().map_or_else(|| "(no name)".to_owned(), |name| text::name(name, 64));
    let subject = Subject { id: TokenId::of(&token), jti: judged.jti, name, claims: Vec::new(), tool: tool.into() };
    let judged_by = vec![format!("the server at {}", target.place)];
    let found = DrillResult { subject, report: drill.report(), at: context.now(), judged_by };
    let report = found.report().with("target", &target.place.to_string());
    let exit = conclude(on, args, &found, &report, form, paint)?;
    signal.map_or(Ok(exit), |signal| Err(CliError::Signalled(signal)))
}

/// The model of new tokens, which our own key signs.
fn model(args: &DrillArgs, context: &Context, target: &Target) -> Result<Model, CliError> {
    let Some(signer) = context.signer() else {
        return Err(CliError::Usage(
            "a new token needs the server's secret (--secret-file) or a signing key whose public key it trusts (--signing-key)"
                .to_owned(),
        ));
    };
    let metadata = block_on(fetch_metadata(target, None))?;
    let made = wishes(context, target, metadata.as_ref(), "drill", &args.permissions, |wanted| {
        Model::of_wishes(wanted, signer, context.now())
    });
    made.map_err(|error| CliError::Usage(error.to_string()))
}

/// Lists the tools, and returns arguments that fit the schema of the tool. The list must not be refused.
async fn example_arguments(target: &Target, token: &str, tool: &str) -> Result<Map<String, Value>, Stopped> {
    let carriage = Carriage::bearer(Some(token));
    let not_accepted = |reply: Reply| Stopped::NotAccepted(Box::new((reply, Some(tool.to_owned()))));
    let connection = match Connection::open(target, &carriage, &Dialect::Auto).await {
        Ok(connection) => connection,
        Err(OpenError::Target(error)) => return Err(error.into()),
        Err(OpenError::Server(refused)) => return Err(not_accepted(refused.reply)),
    };
    let (listing, listed) = connection.list(target.timeout.unwrap_or(probing::BOUND)).await;
    let Some(listed) = listed else { return Err(not_accepted(listing.reply)) };
    let info = listed.tools.iter().find(|info| *info.name == *tool);
    let arguments = info.and_then(|info| serde_json::from_str(&info.example).ok()).unwrap_or_default();
    connection.close().await;
    Ok(arguments)
}

/// Explains why a drill could not begin.
fn refused(
    on: &mut Runner<'_>,
    context: &Context,
    target: &Target,
    caller: &Caller,
    stopped: Stopped,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    let (reply, tool) = match stopped {
        Stopped::Target(error) => return Err(error.into()),
        Stopped::NotAccepted(stopped) => *stopped,
        stopped => return Err(CliError::Usage(stopped.to_string())),
    };
    let why = block_on(caller.explain(target, tool.as_deref(), &reply, None, context.now()))?;
    on.say(match why.observation.observed() {
        Observed::Refused | Observed::Forbidden => "the token is not accepted, so there is no boundary to find",
        _ => "the server did not answer the call of a good token, so no boundary was found",
    });
    on.known = match Exit::of_observation(&why.observation) {
        Exit::Trouble => Exit::Trouble,
        _ => Exit::NoVerdict,
    };
    match form {
        Form::Json => json::line(on.out, &why.json())?,
        _ => paint.explanation(on.out, &why.explanation(), of_observation(&why.observation))?,
    }
    Ok(on.known)
}

/// Finds both boundaries without waiting, by signing tokens with different times.
fn boundaries(
    on: &mut Runner<'_>,
    args: &DrillArgs,
    context: &Context,
    target: &Target,
    tool: &str,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    let model = model(args, context, target)?;
    let now = || context.now();
    let found = block_on(async {
        let arguments = example_arguments(target, &model.good, tool).await?;
        let call = (tool, &arguments);
        let exp = probing::boundary(target, &model, call, "exp", now).await?;
        let nbf = probing::boundary(target, &model, call, "nbf", now).await?;
        Ok::<_, Stopped>((exp, nbf))
    })?;
    let (exp, nbf) = match found {
        Ok(found) => found,
        Err(stopped) => {
            let caller = Caller::new(Some(model.good.clone()), context);
            return refused(on, context, target, &caller, stopped, form, paint);
        }
    };
    let rows = [Row { claim: "exp", found: exp }, Row { claim: "nbf", found: nbf }];
    let mut report = Report::new("Drill", context.now()).with("target", &target.place.to_string()).with("tool", tool);
    for row in &rows {
        report = report.with("result", &row.found.words(row.claim));
        let case = Case::new("leeway", row.claim);
        report.add(match row.found.is_sound() {
            true => case,
            false => case.failed(&row.found.words(row.claim)),
        });
    }
    on.known = report.verdict().into();
    on.report(&args.report, &report, |out| match form {
        Form::Json => rows.iter().try_for_each(|row| json::line(out, &row.json(target, tool, context.now()))),
        Form::Tap => write!(out, "{}", tap(&report)),
        Form::Markdown => write!(out, "{}", crate::report::markdown(&report)),
        Form::Text => rows.iter().try_for_each(|row| row.show(out, paint)),
    })?;
    Ok(on.known)
}

/// A boundary of one time claim.
struct Row {
    claim: &'static str,
    found: Boundary,
}

impl Row {
    fn show(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        let style = if self.found.is_sound() {
            good()
        } else if self.found.accepted.is_some() {
            bad()
        } else {
            warning()
        };
        let sign = paint.styled(if self.found.is_sound() { "✔" } else { "✘" }, style);
        writeln!(out, "{sign} {}", self.found.summary(self.claim))?;
        if let Some(skew) = self.found.skew_words().filter(|_| self.claim == "nbf") {
            writeln!(out, "{skew}")?;
        }
        Ok(())
    }

    fn json(&self, target: &Target, tool: &str, now: NumericDate) -> Value {
        json!({
            "claim": self.claim,
            "accepted_seconds": self.found.accepted,
            "refused_seconds": self.found.refused,
            "tokens": self.found.tries,
            "skew": self.found.skew.as_seconds_f64(),
            "passed": self.found.is_sound(),
            "target": target.place.to_string(),
            "tool": tool,
            "at": now.rfc3339(),
        })
    }
}
