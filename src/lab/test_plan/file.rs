//! Parses a test plan: TOML in, a [`TestPlan`] out, and every error with its position.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Instant, Place, Placed, PlanError, PlannedCase, PlannedToken, Recipe, Switches, TestPlan, TokenSource};
use crate::auth::Algorithm;
use crate::auth::issue::TimeInput;
use crate::lab::expected::ExpectedAnswer;
use crate::lab::kit::KIT;
use crate::text;

/// The largest accepted plan, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The user of a token of the test kit.
const KIT_USER: &str = "tester";

/// The name of a call without a token.
const ANONYMOUS: &str = "none";

/// A member of a table, and its meaning for the docs: a phrase.
type Member = (&'static str, &'static str);

const PLAN: &[Member] = &[
    ("title", "the title of the report"),
    ("url", "the address of an MCP server to test; without it, our own gate is tested"),
    ("tokens", "a table `[tokens.NAME]` for each token"),
    ("cases", "a table `[[cases]]` for each case"),
    ("switches", "what is tested besides the cases"),
];
const TOKEN: &[Member] = &[
    ("user", "the user"),
    ("permissions", "a list of permissions; default none"),
    ("lifetime", "how long it is valid, as in `15m`; `-1s` for a token that has expired; default as in `issue`"),
    ("expires", "when it expires, instead of a lifetime"),
    ("no-exp", "`true` for a token without an expiry time"),
    ("not-before", "when it becomes valid: a duration from the start of the run, or a time"),
    ("issued-at", "when it was issued: a duration from the start of the run, or a time"),
    ("subject", "`sub`"),
    ("jti", "`jti`; default random"),
    ("issuer", "`iss`; default the configured issuer"),
    ("audiences", "a list for `aud`; default the configured audiences"),
    ("claims", "a table of additional claims"),
    ("header", "a table of additional header members"),
    ("algorithm", "the algorithm, which must fit the key"),
    ("kid", "`kid`"),
    ("typ", "`typ`; default `JWT`"),
    ("from-file", "a file with the token, instead of a recipe; a relative path starts at the directory of the plan"),
    ("env", "an environment variable with the token, instead of a recipe"),
    (
        "kit",
        "a token of the test kit by its name, as in `portcullis testkit`; may be combined with `user` and `permissions`",
    ),
];
const CASE: &[Member] = &[
    ("name", "a unique name"),
    ("token", "the name of a token; `none`, or leaving it out, calls without a token"),
    ("tokens", "a list of tokens; every token calls every tool"),
    ("tool", "the tool to call"),
    ("tools", "a list of tools"),
    ("arguments", "a table of arguments; default an example from the tool's schema"),
    (
        "at",
        "the instant that the call is judged for: `+14m` from the beginning, `exp - 1s`, `exp + leeway`, `nbf`, or a \
         time; default the beginning. Only for our own gate",
    ),
    ("expect", "the expected answer: a verdict, a reason's code, `invalid_arguments` or `tool_failed`"),
];
const SWITCHES: &[Member] = &[
    ("every-tool-has-a-case", "`true` also fails for every tool that no case calls"),
    ("no-anonymous", "`true` also calls every tool without a token, and fails if a call is allowed"),
];

/// Formats the members of a plan as the Markdown table in the docs.
pub fn members_markdown() -> String {
    let tables = [("plan", PLAN), ("`[tokens.NAME]`", TOKEN), ("`[[cases]]`", CASE), ("`[switches]`", SWITCHES)];
    let mut out = String::from("| table | member | meaning |\n|---|---|---|\n");
    for (table, members) in tables {
        for (place, (name, meaning)) in members.iter().enumerate() {
            let table = if place == 0 { table } else { "" };
            let _ = writeln!(out, "| {table} | `{name}` | {meaning} |");
        }
    }
    out
}

impl TestPlan {
    /// Parses the bytes of a plan. Relative paths in it start at `folder`.
    pub fn read(source: &[u8], folder: &Path) -> Result<Self, PlanError> {
        match std::str::from_utf8(source) {
            Ok(source) => Self::parse(source, folder),
            Err(error) => {
                let good = String::from_utf8_lossy(source.get(..error.valid_up_to()).unwrap_or_default());
                Err(Source::new(&good).error(good.len(), "invalid UTF-8"))
            }
        }
    }

    /// Parses the text of a plan. Relative paths in it start at `folder`.
    pub fn parse(source: &str, folder: &Path) -> Result<Self, PlanError> {
        let file = &Source::new(source);
        let parsed = DeTable::parse(source).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            file.error(place, &text::display_safe(error.message(), 200))
        })?;
        let plan = Members::new(file, parsed.get_ref(), 0, PLAN)?;
        let title = plan.text("title")?.unwrap_or("Test plan").to_owned();
        let url = plan.placed_text("url")?;
        let tokens = match plan.get("tokens") {
            None => Vec::new(),
            Some(tokens) => {
                let DeValue::Table(tokens) = tokens.get_ref() else {
                    return Err(plan.error("tokens", "expected tables [tokens.NAME]"));
                };
                let mut tokens: Vec<(&Spanned<_>, &Spanned<DeValue<'_>>)> = tokens.iter().collect();
                // In the order of the file.
                tokens.sort_by_key(|(name, _)| name.span().start);
                tokens.into_iter().map(|(name, value)| token(file, name, value, folder)).collect::<Result<_, _>>()?
            }
        };
        let mut cases = Vec::new();
        let mut names = HashSet::new();
        for table in plan.tables("cases", CASE)? {
            let case = case(&table, &tokens, url.is_some())?;
            if !names.insert(case.name.clone()) {
                let name = text::name(&case.name, 64);
                return Err(table.error("name", &format!("another case has the name {name}, expected a unique one")));
            }
            cases.push(case);
        }
        let switches = match plan.table("switches", SWITCHES)? {
            None => Switches::default(),
            Some(switches) => Switches {
                every_tool_has_a_case: switches.flag("every-tool-has-a-case")?,
                no_anonymous: switches.flag("no-anonymous")?,
            },
        };
        if cases.is_empty() && switches == Switches::default() {
            return Err(file.error(0, "expected at least one table [[cases]]"));
        }
        Ok(Self { title, url, tokens, cases, switches })
    }
}

/// Parses a table `[tokens.NAME]`.
fn token(
    file: &Source<'_>,
    name: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
) -> Result<PlannedToken, PlanError> {
    let name = Placed { value: name.get_ref().as_ref().to_owned(), place: file.place(name.span().start) };
    let DeValue::Table(members) = value.get_ref() else {
        return Err(name.error(&"expected a table [tokens.NAME]"));
    };
    if name.value == ANONYMOUS {
        return Err(name.error(&"none is reserved for calls without a token; expected another name"));
    }
    let token = Members { place: value.span().start, ..Members::new(file, members, value.span().start, TOKEN)? };
    let others = |expected: &[&str], what: &str| match token.first_besides(expected) {
        Some(other) => Err(token.error(other, &format!("{other} cannot be used with {what}"))),
        None => Ok(()),
    };
    let source = if let Some(path) = token.text("from-file")? {
        others(&["from-file"], "from-file")?;
        TokenSource::File(folder.join(PathBuf::from(path)))
    } else if let Some(variable) = token.text("env")? {
        others(&["env"], "env")?;
        TokenSource::Variable(variable.to_owned())
    } else if let Some(kind) = token.text("kit")? {
        others(&["kit", "user", "permissions"], "kit")?;
        let Some(found) = KIT.iter().find(|known| known.name == kind) else {
            let nearest = text::nearest(kind, KIT.iter().map(|known| known.name)).unwrap_or_default();
            let kind = text::name(kind, 64);
            return Err(token.error("kit", &format!("unknown test token {kind}; did you mean {nearest}?")));
        };
        let user = token.text("user")?.unwrap_or(KIT_USER).to_owned();
        TokenSource::Kit { kind: found.name, user, permissions: token.texts("permissions")? }
    } else {
        TokenSource::Recipe(Box::new(recipe(&token)?))
    };
    Ok(PlannedToken { name, source })
}

fn recipe(token: &Members<'_>) -> Result<Recipe, PlanError> {
    let user = token.text("user")?.filter(|user| !user.is_empty()).map(str::to_owned);
    let user = user.ok_or_else(|| token.missing("user, from-file, env or kit"))?;
    let lifetime = token
        .time("lifetime", "expected a duration such as 90s, 15m or -1m", |when| matches!(when, TimeInput::In(_)))?;
    let expires =
        token.time("expires", "expected a time such as 2026-11-22T20:41:05Z; a duration is a lifetime", |when| {
            matches!(when, TimeInput::At(_))
        })?;
    let has_no_expiry = token.flag("no-exp")?;
    let ends: Vec<&str> = ["lifetime", "expires", "no-exp"]
        .into_iter()
        .zip([lifetime.is_some(), expires.is_some(), has_no_expiry])
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect();
    if let [first, second, ..] = ends[..] {
        return Err(token.error(second, &format!("{second} cannot be used with {first}")));
    }
    let any = |_: &TimeInput| true;
    let when = "expected a duration from the start of the run, or a time such as 2026-11-22T20:41:05Z";
    let algorithm =
        match token.text("algorithm")? {
            None => None,
            Some(name) => Some(Algorithm::named(name).ok_or_else(|| {
                token.error("algorithm", "expected an algorithm such as HS256, RS256, ES256 or EdDSA")
            })?),
        };
    let owned = |name| Ok(token.text(name)?.map(str::to_owned));
    let header = token.object("header")?.unwrap_or_default();
    for name in ["typ", "kid"] {
        if header.contains_key(name) && token.get(name).is_some() {
            return Err(token.error(name, &format!("{name} cannot be used with a {name} in header")));
        }
    }
    Ok(Recipe {
        user,
        permissions: token.texts("permissions")?.unwrap_or_default(),
        expires: lifetime.or(expires),
        has_no_expiry,
        not_before: token.time("not-before", when, any)?,
        issued_at: token.time("issued-at", when, any)?,
        subject: owned("subject")?,
        jti: owned("jti")?,
        issuer: owned("issuer")?,
        audiences: token.texts("audiences")?,
        algorithm,
        kid: owned("kid")?,
        token_type: owned("typ")?,
        header,
        claims: token.object("claims")?.unwrap_or_default(),
    })
}

/// Parses a table `[[cases]]`.
fn case(case: &Members<'_>, known: &[PlannedToken], has_url: bool) -> Result<PlannedCase, PlanError> {
    let name = case.text("name")?.ok_or_else(|| case.missing("name"))?.to_owned();
    let named = |token: Placed<String>| match &*token.value {
        ANONYMOUS => Ok(None),
        name if known.iter().any(|known| known.name.value == name) => Ok(Some(name.to_owned())),
        name => {
            let shown = text::name(name, 64);
            let nearest = text::nearest(name, known.iter().map(|known| known.name.value.as_str()));
            Err(token.error(&match nearest {
                Some(nearest) => format!("unknown token {shown}; did you mean {}?", text::name(nearest, 64)),
                None => format!("unknown token {shown}: the plan has no tables [tokens.NAME]"),
            }))
        }
    };
    let tokens = match case.one_or_several("token", "tokens")? {
        None => vec![None],
        Some(tokens) => tokens.into_iter().map(named).collect::<Result<Vec<_>, _>>()?,
    };
    let tools = case.one_or_several("tool", "tools")?.ok_or_else(|| case.missing("tool or tools"))?;
    let at = match case.placed_text("at")? {
        None => None,
        Some(at) if has_url => {
            return Err(at.error(&"at cannot be used with url: the clock of a server cannot be set"));
        }
        Some(at) => {
            let value = Instant::parse(&at.value).map_err(|error| at.error(&error))?;
            Some(Placed { value, place: at.place })
        }
    };
    if at.as_ref().is_some_and(|at| at.value.needs_token()) && tokens.contains(&None) {
        return Err(case.error("at", "a call without a token has no exp, nbf or iat"));
    }
    let word = case.text("expect")?.ok_or_else(|| case.missing("expect"))?;
    let expect = ExpectedAnswer::named(word).ok_or_else(|| {
        let nearest = text::nearest(word, ExpectedAnswer::calls().map(ExpectedAnswer::word)).unwrap_or_default();
        case.error("expect", &format!("unknown answer {}; did you mean {nearest}?", text::name(word, 64)))
    })?;
    Ok(PlannedCase { name, tokens, tools, arguments: case.object("arguments")?, at, expect })
}

/// The text of the file, for positions.
struct Source<'s> {
    text: &'s str,
    /// Where each line begins, in bytes: a plan of thousands of cases has as many positions.
    lines: Vec<usize>,
}

impl<'s> Source<'s> {
    fn new(text: &'s str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, lines: std::iter::once(0).chain(breaks).collect() }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(begin..at).unwrap_or_default();
        Place { line, column: before.chars().count() + 1 }
    }

    /// Creates an error at a position in bytes. The message must be safe to show.
    fn error(&self, at: usize, message: &str) -> PlanError {
        PlanError { place: self.place(at), message: message.to_owned() }
    }
}

/// The members of a table, with the position of each.
struct Members<'s> {
    file: &'s Source<'s>,
    table: &'s DeTable<'s>,
    /// Where the table begins, in bytes.
    place: usize,
}

impl<'s> Members<'s> {
    /// Creates it, if every member has a known name.
    fn new(file: &'s Source<'s>, table: &'s DeTable<'s>, place: usize, known: &[Member]) -> Result<Self, PlanError> {
        for name in table.keys() {
            let word: &str = name.get_ref();
            if !known.iter().any(|(name, _)| *name == word) {
                let nearest = text::nearest(word, known.iter().map(|(name, _)| *name)).unwrap_or_default();
                let message = format!("unknown member {}; did you mean {nearest}?", text::name(word, 64));
                return Err(file.error(name.span().start, &message));
            }
        }
        Ok(Self { file, table, place })
    }

    fn get(&self, name: &str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// The first member with another name than these.
    fn first_besides(&self, names: &[&str]) -> Option<&'s str> {
        self.table.keys().map(|name| &**name.get_ref()).find(|name| !names.contains(name))
    }

    /// Creates an error about a member.
    fn error(&self, name: &str, message: &str) -> PlanError {
        self.file.error(self.get(name).map_or(self.place, |value| value.span().start), message)
    }

    fn missing(&self, what: &str) -> PlanError {
        self.file.error(self.place, &format!("missing member, expected {what}"))
    }

    fn placed_text(&self, name: &str) -> Result<Option<Placed<String>>, PlanError> {
        self.get(name).map(|value| self.string(name, value)).transpose()
    }

    fn string(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Placed<String>, PlanError> {
        let place = self.file.place(value.span().start);
        match value.get_ref() {
            DeValue::String(text) => Ok(Placed { value: text.clone().into_owned(), place }),
            other => {
                Err(PlanError { place, message: format!("{name}: expected a quoted string, got {}", other.type_str()) })
            }
        }
    }

    fn text(&self, name: &str) -> Result<Option<&'s str>, PlanError> {
        match self.get(name).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text)),
            Some(other) => {
                Err(self.error(name, &format!("{name}: expected a quoted string, got {}", other.type_str())))
            }
        }
    }

    fn placed_texts(&self, name: &str) -> Result<Option<Vec<Placed<String>>>, PlanError> {
        match self.get(name).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::Array(all)) => {
                all.iter().map(|value| self.string(name, value)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(self.error(name, &format!("{name}: expected a list of quoted strings"))),
        }
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, PlanError> {
        Ok(self.placed_texts(name)?.map(|all| all.into_iter().map(|text| text.value).collect()))
    }

    /// Returns the value of a member for one text, or those of a member for a list; one of both may be set.
    fn one_or_several(&self, one: &str, several: &str) -> Result<Option<Vec<Placed<String>>>, PlanError> {
        match (self.placed_text(one)?, self.placed_texts(several)?) {
            (Some(_), Some(_)) => Err(self.error(several, &format!("{several} cannot be used with {one}"))),
            (Some(text), None) => Ok(Some(vec![text])),
            (None, Some(all)) if all.is_empty() => Err(self.error(several, &format!("{several}: the list is empty"))),
            (None, all) => Ok(all),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, PlanError> {
        match self.get(name).map(Spanned::get_ref) {
            None => Ok(false),
            Some(DeValue::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.error(name, &format!("{name}: expected true or false"))),
        }
    }

    fn time(
        &self,
        name: &str,
        expected: &str,
        fits: impl Fn(&TimeInput) -> bool,
    ) -> Result<Option<TimeInput>, PlanError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let when = TimeInput::parse(text).ok().filter(fits);
        when.map(Some).ok_or_else(|| self.error(name, &format!("{name}: {expected}")))
    }

    /// Returns a table as a JSON object.
    fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, PlanError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match json(self.file, value)? {
            Value::Object(members) => Ok(Some(members)),
            _ => Err(self.error(name, &format!("{name}: expected a table, as in {{ id = 1 }}"))),
        }
    }

    fn table(&self, name: &str, known: &[Member]) -> Result<Option<Members<'s>>, PlanError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(members) => Members::new(self.file, members, value.span().start, known).map(Some),
            _ => Err(self.error(name, &format!("expected a table [{name}]"))),
        }
    }

    fn tables(&self, name: &str, known: &[Member]) -> Result<Vec<Members<'s>>, PlanError> {
        let wrong = || format!("expected tables [[{name}]]");
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let DeValue::Array(all) = value.get_ref() else { return Err(self.error(name, &wrong())) };
        let table = |value: &'s Spanned<DeValue<'s>>| match value.get_ref() {
            DeValue::Table(members) => Members::new(self.file, members, value.span().start, known),
            _ => Err(self.file.error(value.span().start, &wrong())),
        };
        all.iter().map(table).collect()
    }
}

/// Converts a value to JSON. Numbers that JSON does not have are refused; a date becomes a string.
fn json(file: &Source<'_>, value: &Spanned<DeValue<'_>>) -> Result<Value, PlanError> {
    let wrong = || file.error(value.span().start, "the number cannot be written as JSON");
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(&**text),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong())?.into(),
        DeValue::Float(number) => {
            let number = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            Value::Number(number.ok_or_else(wrong)?)
        }
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(all) => Value::Array(all.iter().map(|value| json(file, value)).collect::<Result<_, _>>()?),
        DeValue::Table(members) => {
            let member = |(name, value): (&Spanned<_>, _)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                Ok((name.clone().into_owned(), json(file, value)?))
            };
            Value::Object(members.iter().map(member).collect::<Result<_, PlanError>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn parse(source: &str) -> Result<TestPlan, String> {
        TestPlan::parse(source, Path::new("/plans")).map_err(|error| error.to_string())
    }

    const CASES: &str = "[[cases]]\nname = \"a\"\ntool = \"t\"\nexpect = \"allowed\"\n";

    #[test]
    fn a_whole_plan_is_read_in_its_order() {
        let plan = parse(
            r#"
            title = "Orders"
            [tokens.zoe]
            user = "zoe"
            permissions = ["user"]
            lifetime = "15m"
            not-before = "-10s"
            claims = { team = "blue", level = 0x10, deep = { list = [1.5, true] } }
            header = { cty = "JWT" }
            typ = "at+jwt"
            kid = "k"
            [tokens.ann]
            from-file = "ann.jwt"
            [tokens.ci]
            env = "CI_TOKEN"
            [tokens.forged]
            kit = "alg none"
            [[cases]]
            name = "many"
            tokens = ["zoe", "none"]
            tools = ["b", "a"]
            arguments = { id = 1 }
            expect = "expired"
            [[cases]]
            name = "late"
            token = "zoe"
            tool = "a"
            at = "exp - 1s"
            expect = "allowed"
            [switches]
            no-anonymous = true
            "#,
        )
        .expect("a plan");
        let names: Vec<&str> = plan.tokens.iter().map(|token| token.name.value.as_str()).collect();
        assert_eq!(names, ["zoe", "ann", "ci", "forged"]);
        let TokenSource::Recipe(zoe) = &plan.tokens[0].source else { panic!("not a recipe") };
        assert_eq!(
            Value::Object(zoe.claims.clone()),
            json!({"team": "blue", "level": 16, "deep": {"list": [1.5, true]}})
        );
        assert_eq!(plan.tokens[1].source, TokenSource::File("/plans/ann.jwt".into()));
        assert_eq!(plan.tokens[2].source, TokenSource::Variable("CI_TOKEN".to_owned()));
        assert!(matches!(plan.tokens[3].source, TokenSource::Kit { kind: "alg none", .. }));
        assert_eq!(plan.cases[0].tokens, [Some("zoe".to_owned()), None]);
        assert_eq!(plan.cases[0].tools.iter().map(|tool| tool.value.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert!(plan.cases[1].at.as_ref().is_some_and(|at| at.value.needs_token()));
        assert_eq!(plan.switches, Switches { every_tool_has_a_case: false, no_anonymous: true });
    }

    #[rstest]
    #[case("", "line 1, column 1: expected at least one table [[cases]]")]
    #[case("title = ", "line 1, column 9: string values must be quoted, expected literal string")]
    #[case("titel = \"x\"", "line 1, column 1: unknown member titel; did you mean title?")]
    #[case("title = 7", "line 1, column 9: title: expected a quoted string, got integer")]
    #[case(
        "[tokens.a]\nuser = \"a\"\nlifetme = \"1h\"",
        "line 3, column 1: unknown member lifetme; did you mean lifetime?"
    )]
    #[case(
        "[tokens.a]\nuser = \"a\"\nlifetime = \"soon\"",
        "line 3, column 12: lifetime: expected a duration such as 90s, 15m or -1m"
    )]
    #[case(
        "[tokens.a]\nuser = \"a\"\nexpires = \"15m\"",
        "line 3, column 11: expires: expected a time such as 2026-11-22T20:41:05Z; a duration is a lifetime"
    )]
    #[case(
        "[tokens.a]\nuser = \"a\"\nlifetime = \"1h\"\nno-exp = true",
        "line 4, column 10: no-exp cannot be used with lifetime"
    )]
    #[case("[tokens.a]\npermissions = []", "line 1, column 1: missing member, expected user, from-file, env or kit")]
    #[case("[tokens.a]\nenv = \"A\"\nuser = \"a\"", "line 3, column 8: user cannot be used with env")]
    #[case("[tokens.a]\nkit = \"alg non\"", "line 2, column 7: unknown test token alg non; did you mean alg none?")]
    #[case(
        "[tokens.none]\nuser = \"a\"",
        "line 1, column 9: none is reserved for calls without a token; expected another name"
    )]
    #[case("tokens = 1", "line 1, column 10: expected tables [tokens.NAME]")]
    #[case("[[cases]]\nname = \"a\"", "line 1, column 1: missing member, expected tool or tools")]
    #[case("[[cases]]\nname = \"a\"\ntool = \"t\"", "line 1, column 1: missing member, expected expect")]
    #[case(
        "[[cases]]\nname = \"a\"\ntool = \"t\"\nexpect = \"forbiden\"",
        "line 4, column 10: unknown answer forbiden; did you mean forbidden?"
    )]
    #[case(
        "[tokens.reader]\nuser = \"a\"\n[[cases]]\nname = \"a\"\ntoken = \"raeder\"\ntool = \"t\"\nexpect = \"allowed\"",
        "line 5, column 9: unknown token raeder; did you mean reader?"
    )]
    #[case(
        "[[cases]]\nname = \"a\"\ntoken = \"b\"\ntool = \"t\"\nexpect = \"allowed\"",
        "line 3, column 9: unknown token b: the plan has no tables [tokens.NAME]"
    )]
    #[case(
        "[[cases]]\nname = \"a\"\ntool = \"t\"\nat = \"soon\"\nexpect = \"allowed\"",
        "line 4, column 6: expected +55m, -1d, exp, exp - 1s, nbf, exp + leeway, or a time such as 2026-11-22T20:41:05Z"
    )]
    #[case(
        "[[cases]]\nname = \"a\"\ntool = \"t\"\nat = \"exp\"\nexpect = \"allowed\"",
        "line 4, column 6: a call without a token has no exp, nbf or iat"
    )]
    #[case(
        "url = \"http://127.0.0.1:1\"\n[[cases]]\nname = \"a\"\ntool = \"t\"\nat = \"+1m\"\nexpect = \"allowed\"",
        "line 5, column 6: at cannot be used with url: the clock of a server cannot be set"
    )]
    #[case(
        "[[cases]]\nname = \"a\"\ntool = \"t\"\ntools = [\"u\"]\nexpect = \"allowed\"",
        "line 4, column 9: tools cannot be used with tool"
    )]
    #[case("[[cases]]\nname = \"a\"\ntools = []\nexpect = \"allowed\"", "line 3, column 9: tools: the list is empty")]
    #[case(
        "[[cases]]\nname = \"a\"\ntool = \"t\"\narguments = { id = nan }\nexpect = \"allowed\"",
        "line 4, column 20: the number cannot be written as JSON"
    )]
    #[case(
        "[switches]\nno-anonymus = true",
        "line 2, column 1: unknown member no-anonymus; did you mean no-anonymous?"
    )]
    #[case("[switches]\nno-anonymous = 1", "line 2, column 16: no-anonymous: expected true or false")]
    fn a_broken_plan_names_the_place(#[case] source: &str, #[case] message: &str) {
        assert_eq!(parse(source), Err(message.to_owned()));
    }

    #[test]
    fn two_cases_have_different_names() {
        let error = parse(&[CASES, CASES].concat()).expect_err("the same name twice");
        assert_eq!(error, "line 6, column 8: another case has the name a, expected a unique one");
        assert!(parse(CASES).is_ok());
    }

    #[test]
    fn a_plan_that_is_not_utf_8_names_the_place() {
        let error = TestPlan::read(b"title = \"caf\xe9\"", Path::new("")).expect_err("a Latin-1 letter");
        assert_eq!(error.to_string(), "line 1, column 13: invalid UTF-8");
    }

    #[test]
    fn a_misspelled_tool_is_not_taken_for_a_refused_one() {
        let known = ["read_data".into(), "write_data".into()];
        let of = |tool: &str, expect: &str| {
            let source = format!("[[cases]]\nname = \"a\"\ntool = \"{tool}\"\nexpect = \"{expect}\"");
            parse(&source).expect("a plan").check_tools(&known).map_err(|error| error.to_string())
        };
        let said = "line 3, column 8: unknown tool raed_data; did you mean read_data?";
        assert_eq!(of("raed_data", "forbidden"), Err(said.to_owned()));
        assert_eq!((of("read_data", "forbidden"), of("raed_data", "unknown_tool")), (Ok(()), Ok(())));
    }
}
