//! `portcullis testkit`: prints the classic test tokens as JSON lines, or the gate's answer to each of them.

use std::io::{self, Write};

use serde_json::json;

use super::arguments::TestkitArgs;
use super::paint::{Paint, bad, good, warning};
use super::report::Form;
use super::{CliError, Context, Exit, Runner, json, probe};
use crate::auth::{NumericDate, TokenId};
use crate::gate::{CallRequest, Gate, Origin, RawArguments, random_number};
use crate::lab::evidence::card_markdown;
use crate::lab::kit::{Identity, TestToken, make};
use crate::lab::score::{Line, Observation, Scorecard};
use crate::report::tap;
use crate::text::{self, padded};

/// Makes the tokens, and with `--run` calls a tool with each. Returns `Exit::Good` if all answers are as expected.
pub fn run(
    on: &mut Runner<'_>,
    args: &TestkitArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    let form = args.report.form(json, args.markdown)?;
    if args.report.is_set() && !args.run {
        return Err(CliError::Usage("--junit and --tap need --run".to_owned()));
    }
    if let Some(target) = args.server.target(context)? {
        return probe::run(on, args, context, &target, form, paint);
    }
    if let Some(option) = args.only_for_others() {
        return Err(CliError::Usage(format!("{option} needs --url or --target")));
    }
    let gate = context.gate(true)?;
    let rules = gate.shared().rules();
    let first = || rules.policy.tools().first().map(|rule| rule.name.to_string());
    let tool = args
        .tool
        .clone()
        .or_else(first)
        .ok_or_else(|| CliError::Usage("the policy has no tools; add one to the policy file".to_owned()))?;
    if rules.policy.tool(&tool).is_none() {
        // Otherwise, a misspelled name would look like a gate that refuses correctly.
        let known = text::names(rules.policy.tools().iter().map(|rule| &rule.name), 64, 8, ", ");
        return Err(CliError::Usage(format!("unknown tool {}, expected one of {known}", text::name(&tool, 64))));
    }
    let permissions = match args.permissions.is_empty() {
        true => rules.policy.opening(&tool),
        false => args.permissions.clone(),
    };
    let identity = Identity { user_id: args.user.clone(), permissions };
    let now = context.now();
    let tokens = make(&rules, &gate.signer()?, &identity, &tool, random_number()?, now)?;
    if !args.run {
        tokens.iter().try_for_each(|token| print(on.out, token))?;
        return Ok(Exit::Good);
    }
    let card = judged(&gate, &identity, &tokens, &tool, now);
    let report = card.report();
    on.known = report.verdict().into();
    on.report(&args.report, &report, |out| match form {
        Form::Json => card.lines.iter().try_for_each(|line| json::line(out, &line.json(&card))),
        Form::Markdown => write!(out, "{}", card_markdown(&card)),
        Form::Tap => write!(out, "{}", tap(&report)),
        Form::Text => show(out, &card, paint),
    })?;
    Ok(on.known)
}

fn print(out: &mut dyn Write, token: &TestToken) -> io::Result<()> {
    let TestToken { name, what, expected, jti, token } = token;
    let id = TokenId::of(token).to_string();
    let line = json!({
        "name": name, "what": what, "expected": expected, "token_id": id, "jti": jti, "token": **token,
    });
    json::line(out, &line)
}

/// Calls the tool with each token, and compares the answers.
fn judged(gate: &Gate, identity: &Identity, tokens: &[TestToken], tool: &str, now: NumericDate) -> Scorecard {
    let arguments = gate.shared().read(|state| state.tools().example(&state.rules().policy, tool));
    let lines = tokens.iter().map(|token| {
        let called = gate.call(&CallRequest {
            token: Some(&token.token),
            tool,
            arguments: RawArguments::Text(&arguments),
            origin: Origin::Kit,
            at: now,
            judged_at: now,
        });
        Line::new(token, Observation::new(&called.decision, &called.outcome))
    });
    let (tool, judged_by) = (tool.to_owned(), gate.shared().rules().described());
    Scorecard { tool, made_for: identity.clone(), judged_by, at: now, lines: lines.collect() }
}

fn show(out: &mut dyn Write, card: &Scorecard, paint: Paint) -> io::Result<()> {
    for line in &card.lines {
        let (sign, style) = match line.passed() {
            true => ("✔", good()),
            false if line.is_without_verdict() => ("?", warning()),
            false => ("✘", bad()),
        };
        let came = match (line.passed(), line.came.code == line.expected) {
            (true, _) => line.came.answer.clone(),
            (false, true) => line.came.sentence.clone(),
            (false, false) => format!("≠ {}: {}", line.came.code, line.came.sentence),
        };
        let came = text::display_safe(&came, 400);
        let name = padded(line.name, 28);
        writeln!(out, "{} {name} {} {}", paint.styled(sign, style), padded(line.expected, 18), paint.note(&came))?;
    }
    let (tool, at) = (text::name(&card.tool, 64), card.at.rfc3339());
    writeln!(out, "{}: {tool} as {}, judged for {at}", paint.title(&card.summary()), card.made_for.words())
}
