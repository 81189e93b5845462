//! `portcullis drill`: calls a tool before and after a token expires, and finds when the gate starts to refuse it.

use std::time::Duration;

use super::arguments::DrillArgs;
use super::drill_result::{conclude, drilled_token};
use super::paint::Paint;
use super::{CliError, Context, Exit, Runner, server_drill};
use crate::auth::explain::mapped;
use crate::auth::{IssueRequest, TokenId};
use crate::clock::{Clock, SystemClock};
use crate::gate::{CallRequest, Gate, Origin, RawArguments};
use crate::lab::drill::{Drill, DrillResult, Pace, Plan, Subject, end_of_new};
use crate::text;

/// Drills one token. Returns `Exit::Good` if the gate starts to refuse it at the expected time.
pub fn run(
    on: &mut Runner<'_>,
    args: &DrillArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    let form = args.report.form(json, args.markdown)?;
    if let Some(target) = args.server.target(context)? {
        return server_drill::run(on, args, context, &target, form, paint);
    }
    if !args.permissions.is_empty() && args.ttl.is_none() {
        return Err(CliError::Usage("--permission needs --ttl".to_owned()));
    }
    let gate = context.gate(true)?;
    let rules = gate.shared().rules();
    let (token, tool) = match args.words.as_slice() {
        [tool] => (None, tool),
        [token, tool, ..] => (Some(token.as_str()), tool),
        [] => return Err(CliError::Usage("missing tool: expected the tool to call".to_owned())),
    };
    let tool = Runner::tool(tool, "TOKEN TOOL")?;
    let pace = if args.shifted { Pace::Shifted } else { Pace::Real };
    if pace == Pace::Real && context.is_set() {
        let wanted = "--now cannot be used with a drill in real time; add --shifted, or omit --now";
        return Err(CliError::Usage(wanted.to_owned()));
    }
    let token = match (args.ttl, token) {
        (Some(_), Some(_)) => return Err(CliError::Usage("--ttl cannot be used with a token".to_owned())),
        (Some(ttl), None) => {
            let now = context.now();
            let usual = context.request("drill", now);
            let permissions = match args.permissions.is_empty() {
                true => rules.policy.opening(tool),
                false => args.permissions.clone(),
            };
            let expires = Some(end_of_new(now, ttl.into()));
            gate.issue(&IssueRequest { permissions, expires, ..usual }, now)?.to_string()
        }
        (None, token) => drilled_token(on, token)?,
    };
    context.read_keys(&gate, Some(&token))?;
    let rules = gate.shared().rules();
    let plan = Plan { pace, every: args.every.into(), fine: args.fine };
    let judged = rules.inspect(&*token).judged;
    let mut drill =
        Drill::new(&judged.lifetime, plan, context.now()).map_err(|error| CliError::Usage(error.to_string()))?;
    if pace == Pace::Real {
        let end = drill.expected().rfc3339();
        on.say(format_args!("calling {} until after {end}; press Ctrl-C to stop", text::name(tool, 64)));
    }
    through(&mut drill, &SystemClock::new(), &gate, &token, tool);
    let name = judged.name.as_deref().map_or_else(|| "(no name)".to_owned(), |name| text::name(name, 64));
    let claims = mapped(&judged);
    let subject = Subject { id: TokenId::of(&token), jti: judged.jti, name, claims, tool: tool.into() };
    let found = DrillResult { subject, report: drill.report(), at: context.now(), judged_by: rules.described() };
    let report = found.report();
    conclude(on, args, &found, &report, form, paint)
}

/// Makes the calls that a drill asks for, each at its time.
fn through(drill: &mut Drill, clock: &dyn Clock, gate: &Gate, token: &str, tool: &str) {
    let arguments = gate.shared().read(|state| state.tools().example(&state.rules().policy, tool));
    while let Some(next) = drill.next() {
        let now = clock.now();
        let Some(judged_at) = drill.call_at(now) else {
            // Sleeps for at most a second at a time, so that a change of the clock is noticed.
            let left = next.since(now).as_duration();
            clock.sleep(left.min(Duration::from_secs(1)));
            continue;
        };
        let arguments = RawArguments::Text(&arguments);
        let request = CallRequest { token: Some(token), tool, arguments, origin: Origin::Drill, at: now, judged_at };
        let called = gate.call(&request);
        drill.record(judged_at, &called.decision, &called.outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::NumericDate;
    use crate::auth::{KeyOrigin, Rules, Signer};
    use crate::clock::ManualClock;
    use crate::text::Span;

    #[test]
    fn a_drill_in_real_time_sleeps_to_the_border_and_past_it() {
        let start = NumericDate::from_seconds(1_795_380_000);
        let clock = Arc::new(ManualClock::new(start));
        let signer = Signer::hs256(b"a secret of thirty-two bytes, ok", KeyOrigin::Program).expect("a key");
        let gate = Gate::with(Rules::new(&signer), signer, Arc::clone(&clock) as Arc<dyn Clock>);
        let token = gate.generate_token("user123", &["user"]).expect("a token");
        let life = gate.shared().rules().inspect(&*token).judged.lifetime;
        let plan = Plan { pace: Pace::Real, every: Span::millis(100), fine: false };
        let mut drill = Drill::new(&life, plan, start).expect("a drill");
        through(&mut drill, &*clock, &gate, &token, "read_data");
        let report = drill.report();
        assert_eq!((report.passed(), report.first_refused.map(|seen| seen.at)), (true, Some(start.plus(Span::HOUR))));
        assert!(clock.now() > start.plus(Span::HOUR));
        let calls = gate.shared().read(|state| state.activity().newest().map(|r| r.origin).collect::<Vec<_>>());
        assert_eq!(calls, vec![Origin::Drill; report.calls]);
    }
}
