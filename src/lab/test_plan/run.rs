//! Runs a plan: calls in, a report out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{PlannedCase, Switches, TestPlan};
use crate::auth::{Lifetime, NumericDate, TokenId, Verdict};
use crate::gate::ports::Arguments;
use crate::lab::expected::{ActualAnswer, Comparison};
use crate::report::{Case, Report};
use crate::text;

/// What a plan tests: our own gate, or a foreign server.
pub trait Target {
    /// Its name in the report: its address, or what it is.
    fn name(&self) -> String;

    /// Prepares the calls with these tokens: a server may list other tools to others.
    fn prepare(&mut self, _tokens: &[Option<&str>]) {}

    /// The tools that the target has.
    fn tools(&mut self) -> Result<Vec<String>, NoAnswer>;

    /// Whether a call of this tool may change something. Such tools are not called to test anonymous callers.
    fn may_change(&self, _tool: &str) -> bool {
        false
    }

    /// Calls a tool and waits for the answer.
    fn call(&mut self, call: &TargetCall<'_>) -> Result<TargetAnswer, NoAnswer>;
}

/// A call of a plan. It contains a token, so it does not implement `Debug`.
#[derive(Clone, Copy)]
pub struct TargetCall<'a> {
    /// The token; `None` for an anonymous call.
    pub token: Option<&'a str>,
    /// The tool.
    pub tool: &'a str,
    /// The arguments; `None` if the target chooses an example.
    pub arguments: Option<&'a Arguments>,
    /// The instant that the call is judged for. A foreign server has a clock of its own and ignores it; its cases have
    /// no instants.
    pub at: NumericDate,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAnswer {
    /// The verdict; `None` if the answer does not contain one, as when it is only about the arguments.
    pub verdict: Option<Verdict>,
    /// The code of the reason or of the error, or `allowed`; `None` if the target did not give one.
    pub code: Option<String>,
    /// The reason in one sentence.
    pub sentence: String,
    /// How long the call took.
    pub took: Duration,
}

/// The target did not answer, or its answer is not understood; the sentence says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl NoAnswer {
    /// Creates it with any sentence, which is made safe to show.
    pub fn new(sentence: impl fmt::Display) -> Self {
        Self(text::display_safe(&sentence.to_string(), 500))
    }
}

/// A token of the plan that was signed or read. It does not implement `Debug`.
pub struct ReadyToken {
    /// Its name in the plan.
    pub name: String,
    /// The token.
    pub token: Arc<str>,
    /// Its times, as far as they are readable, with the leeway of the target.
    pub lifetime: Lifetime,
}

/// The group of the cases of the plan.
const CASES: &str = "cases";

/// Makes the calls of a plan, one after another, and then those of the switches. Cases that share a token see it in the
/// same state: nothing is revoked in between.
pub fn run(
    plan: &TestPlan,
    switches: Switches,
    tokens: &[ReadyToken],
    target: &mut dyn Target,
    start: NumericDate,
) -> Report {
    let mut report = Report::new(&plan.title, start).with("target", &target.name());
    let callers: Vec<Option<&str>> =
        std::iter::once(None).chain(tokens.iter().map(|token| Some(&*token.token))).collect();
    target.prepare(&callers);
    for case in &plan.cases {
        let is_one = case.tokens.len() * case.tools.len() == 1;
        for token in &case.tokens {
            for tool in &case.tools {
                let name = match (is_one, token) {
                    (true, _) => case.name.clone(),
                    (false, Some(token)) => format!("{} ({token}, {})", case.name, tool.value),
                    (false, None) => format!("{} (no token, {})", case.name, tool.value),
                };
                let row = Case::new(CASES, &name);
                report.add(match find(tokens, token.as_deref()) {
                    Ok(token) => judge(row, case, token, &tool.value, target, start),
                    Err(missing) => row.without_verdict(&missing.to_string()),
                });
            }
        }
    }
    if switches.every_tool_has_a_case {
        check_coverage(plan, target, &mut report);
    }
    if switches.no_anonymous {
        check_anonymous(target, start, &mut report);
    }
    report
}

/// Returns the token with a name; `None` for a call without a token.
fn find<'t>(tokens: &'t [ReadyToken], name: Option<&str>) -> Result<Option<&'t ReadyToken>, NoAnswer> {
    let Some(name) = name else { return Ok(None) };
    let found = tokens.iter().find(|token| token.name == name);
    found.map(Some).ok_or_else(|| NoAnswer::new(format_args!("token {} is not available", text::name(name, 64))))
}

/// Makes one call, and compares the answer with the expected one.
fn judge(
    row: Case,
    case: &PlannedCase,
    token: Option<&ReadyToken>,
    tool: &str,
    target: &mut dyn Target,
    start: NumericDate,
) -> Case {
    let life = token.map(|token| token.lifetime).unwrap_or_default();
    let at = match case.at.as_ref().map(|at| at.value.resolve(start, &life)).transpose() {
        Ok(at) => at.unwrap_or(start),
        Err(missing) => return row.without_verdict(&missing.to_string()),
    };
    let call = TargetCall { token: token.map(|token| &*token.token), tool, arguments: case.arguments.as_ref(), at };
    let answer = match target.call(&call) {
        Ok(answer) => answer,
        Err(missing) => return row.without_verdict(&missing.to_string()),
    };
    let row = row.took(answer.took);
    match case.expect.compare(ActualAnswer { verdict: answer.verdict, code: answer.code.as_deref() }) {
        Comparison::Met => row,
        Comparison::Unknown(_) if answer.verdict.is_none() => row.without_verdict(&answer.sentence),
        Comparison::Unknown(why) => row.without_verdict(&why),
        // Without the issuer's keys, nothing is known about the token.
        Comparison::NotMet(_) if answer.code.as_deref() == Some("keys_unavailable") => {
            row.without_verdict(&answer.sentence)
        }
        Comparison::NotMet(message) => {
            let shown = match token {
                Some(token) => format!("{} ({})", token.name, TokenId::of(&token.token)),
                None => "none".to_owned(),
            };
            row.failed(&message)
                .with("sentence", &answer.sentence)
                .with("token", &shown)
                .with("tool", tool)
                .with("judged for", &at.rfc3339())
        }
    }
}

/// Adds a case for each tool of the target: whether any case calls it.
fn check_coverage(plan: &TestPlan, target: &mut dyn Target, report: &mut Report) {
    const GROUP: &str = "every-tool-has-a-case";
    let tools = match target.tools() {
        Ok(tools) => tools,
        Err(missing) => return report.add(Case::new(GROUP, "tools").without_verdict(&missing.to_string())),
    };
    for tool in tools {
        let is_called = plan.cases.iter().any(|case| case.tools.iter().any(|called| called.value == tool));
        let row = Case::new(GROUP, &tool);
        report.add(if is_called { row } else { row.failed("no case calls this tool") });
    }
}

/// Calls every tool of the target without a token.
fn check_anonymous(target: &mut dyn Target, start: NumericDate, report: &mut Report) {
    const GROUP: &str = "no-anonymous";
    let tools = match target.tools() {
        Ok(tools) => tools,
        Err(missing) => return report.add(Case::new(GROUP, "tools").without_verdict(&missing.to_string())),
    };
    for tool in tools {
        let row = Case::new(GROUP, &tool);
        if target.may_change(&tool) {
            report.add(row.skipped("not called: it may change something"));
            continue;
        }
        report.add(match target.call(&TargetCall { token: None, tool: &tool, arguments: None, at: start }) {
            Ok(answer) if answer.verdict == Some(Verdict::Allowed) => {
                row.took(answer.took).failed("allowed without a token").with("sentence", &answer.sentence)
            }
            Ok(answer) if answer.verdict.is_none() => row.took(answer.took).without_verdict(&answer.sentence),
            Ok(answer) => row.took(answer.took),
            Err(missing) => row.without_verdict(&missing.to_string()),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::auth::Leeway;
    use crate::report::{CaseResult, ReportVerdict};
    use crate::text::Span;
    use rstest::rstest;

    const START: NumericDate = NumericDate::from_seconds(1_795_380_000);

    /// A server with these tools that answers every call the same.
    struct Server {
        tools: Result<Vec<&'static str>, NoAnswer>,
        answer: Result<(Verdict, Option<&'static str>), NoAnswer>,
        /// The calls that it received: token, tool, arguments and instant.
        seen: Vec<(Option<String>, String, Option<Arguments>, NumericDate)>,
    }

    impl Server {
        fn answering(verdict: Verdict, code: Option<&'static str>) -> Self {
            Self { tools: Ok(vec!["look", "change"]), answer: Ok((verdict, code)), seen: Vec::new() }
        }
    }

    impl Target for Server {
        fn name(&self) -> String {
            "a server".to_owned()
        }

        fn tools(&mut self) -> Result<Vec<String>, NoAnswer> {
            self.tools.clone().map(|tools| tools.into_iter().map(str::to_owned).collect())
        }

        fn call(&mut self, call: &TargetCall<'_>) -> Result<TargetAnswer, NoAnswer> {
            let token = call.token.map(str::to_owned);
            self.seen.push((token, call.tool.to_owned(), call.arguments.cloned(), call.at));
            let (verdict, code) = self.answer.clone()?;
            let (sentence, took) = ("it said so".to_owned(), Duration::from_millis(5));
            Ok(TargetAnswer { verdict: Some(verdict), code: code.map(str::to_owned), sentence, took })
        }
    }

    fn plan(cases: &str) -> TestPlan {
        let source = format!("[tokens.a]\nenv = \"A\"\n[tokens.b]\nenv = \"B\"\n[[cases]]\nname = \"one\"\n{cases}");
        TestPlan::parse(&source, Path::new("")).expect("a plan")
    }

    /// The tokens of the plan; only `a` has an `exp`.
    fn tokens() -> [ReadyToken; 2] {
        let exp = Some(START.plus(Span::HOUR));
        let lifetime = Lifetime { exp, leeway: Leeway::seconds(5), ..Lifetime::default() };
        [
            ReadyToken { name: "a".to_owned(), token: "A.A.A".into(), lifetime },
            ReadyToken { name: "b".to_owned(), token: "B.B.B".into(), lifetime: Lifetime::default() },
        ]
    }

    fn result(report: &Report, name: &str) -> CaseResult {
        let found = report.cases().iter().find(|case| case.name() == name);
        found.unwrap_or_else(|| panic!("no case {name} in {report:?}")).result().clone()
    }

    #[rstest]
    #[case("unauthorized", Verdict::Unauthorized, None, "passed")]
    #[case("expired", Verdict::Unauthorized, Some("expired"), "passed")]
    #[case("expired", Verdict::Unauthorized, None, "no_verdict")]
    #[case("expired", Verdict::Forbidden, None, "failed")]
    #[case("allowed", Verdict::Unauthorized, Some("keys_unavailable"), "no_verdict")]
    #[case("keys_unavailable", Verdict::Unauthorized, Some("keys_unavailable"), "passed")]
    #[case("allowed", Verdict::Allowed, Some("tool_failed"), "failed")]
    fn an_answer_that_does_not_say_enough_has_no_verdict(
        #[case] expected: &str,
        #[case] verdict: Verdict,
        #[case] code: Option<&'static str>,
        #[case] wanted: &str,
    ) {
        let plan = plan(&format!("token = \"a\"\ntool = \"look\"\nexpect = \"{expected}\""));
        let mut server = Server::answering(verdict, code);
        let report = run(&plan, Switches::default(), &tokens(), &mut server, START);
        assert_eq!(result(&report, "one").code(), wanted, "{report:?}");
    }

    #[test]
    fn a_server_that_does_not_answer_fails_nothing() {
        let plan = plan("token = \"a\"\ntool = \"look\"\nexpect = \"allowed\"");
        let gone = NoAnswer::new("connection refused");
        let mut server = Server { tools: Err(gone.clone()), answer: Err(gone), seen: Vec::new() };
        let switches = Switches { every_tool_has_a_case: true, no_anonymous: true };
        let report = run(&plan, switches, &tokens(), &mut server, START);
        assert_eq!((report.verdict(), report.cases().len()), (ReportVerdict::NoVerdict, 3), "{report:?}");
        assert_eq!(result(&report, "one").message(), Some("connection refused"));
    }

    #[test]
    fn every_token_calls_every_tool_with_the_arguments_at_the_instant() {
        let cases = "tokens = [\"a\", \"b\"]\ntools = [\"look\", \"change\"]\narguments = { id = 1 }\n\
                     at = \"exp + leeway\"\nexpect = \"allowed\"";
        let mut server = Server::answering(Verdict::Allowed, Some("allowed"));
        let report = run(&plan(cases), Switches::default(), &tokens(), &mut server, START);
        let at = START.plus(Span::HOUR).plus(Span::seconds(5));
        let seen: Vec<_> = server.seen.iter().map(|(token, tool, _, at)| (token.as_deref(), &**tool, *at)).collect();
        assert_eq!(seen, [(Some("A.A.A"), "look", at), (Some("A.A.A"), "change", at)]);
        assert!(server.seen.iter().all(|(_, _, arguments, _)| arguments.as_ref().is_some_and(|all| all["id"] == 1)));
        // The other token has no exp.
        let message = result(&report, "one (b, change)");
        assert_eq!((message.code(), message.message()), ("no_verdict", Some("the token has no readable exp")));
    }

    #[test]
    fn an_anonymous_call_that_is_let_in_fails_even_if_the_tool_does() {
        let plan = plan("token = \"a\"\ntool = \"look\"\nexpect = \"tool_failed\"");
        let mut server = Server::answering(Verdict::Allowed, Some("tool_failed"));
        let switches = Switches { every_tool_has_a_case: true, no_anonymous: true };
        let report = run(&plan, switches, &tokens(), &mut server, START);
        let failed: Vec<(&str, &str)> = report
            .cases()
            .iter()
            .filter(|case| case.result().code() == "failed")
            .map(|case| (case.group(), case.name()))
            .collect();
        let anonymous = "no-anonymous";
        assert_eq!(failed, [("every-tool-has-a-case", "change"), (anonymous, "look"), (anonymous, "change")]);
        assert!(server.seen.iter().filter(|(token, ..)| token.is_none()).count() == 2);
    }
}
