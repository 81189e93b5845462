//! `portcullis inspect`: the Inspect pane without the console.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::arguments::InspectArgs;
use super::json::{self, InspectionJson};
use super::paint::{Paint, of_status, warning};
use super::tokens::Source;
use super::{CliError, Context, Exit, Runner};
use crate::auth::explain::{explain_inspection, meaning};
use crate::auth::inspection::Document;
use crate::auth::why::explain_material;
use crate::auth::{Inspection, NumericDate, Rules, TokenStatus, members};
use crate::text::material::{self, Material};
use crate::text::words::{self, elapsed, remaining};
use crate::text::{self, Span};

/// Inspects every token from the source. Returns `Exit::Good` if all are valid.
pub fn run(
    on: &mut Runner<'_>,
    args: &InspectArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    // Without an argument, redirected input is read; at a terminal, a command must not wait silently for input.
    let mut source = on.source(args.token.as_deref())?;
    if source.is_none() && !on.environment.at_terminal && !on.input.fill_buf()?.is_empty() {
        source = Some(Source::Stdin);
    }
    let source = source.ok_or_else(|| {
        CliError::Usage("no token; pass TOKEN, - (standard input) or @FILE, or set PORTCULLIS_TOKEN".to_owned())
    })?;
    let mut rules = context.rules();
    let mut lacks_key = None;
    let mut shown = Shown::default();
    let sent = match &on.environment.token {
        Some(token) => {
            rules = context.keyed(rules, token)?;
            Some(rules.inspect(token.as_str()))
        }
        None => None,
    };
    let mut last = None;
    let passed = on.each(source, |on, token| {
        // Each token gets its own time, because a stream can last long.
        rules = context.keyed(rules.clone(), token)?;
        let (inspection, now) = (rules.inspect(token), context.now());
        // Text without a token is passed on unchanged; it is explained below.
        if material::recognize(token).is_some() {
            on.known = Exit::Unauthorized;
            return Ok(());
        }
        // Once, unless another token needs another kind of key.
        let lacks = context.need_key(Some(token)).err().map(|error| error.to_string());
        if let Some(why) = lacks.as_ref().filter(|_| lacks != lacks_key) {
            on.say(format_args!("signature not checked: {why}"));
            lacks_key.clone_from(&lacks);
        }
        let is_valid = matches!(inspection.judged.status(now), TokenStatus::Valid(_));
        if !is_valid {
            on.known = Exit::Unauthorized;
        }
        if json {
            json::line(on.out, &InspectionJson::new(&inspection, &rules, now))?;
        } else {
            let mut text = Vec::new();
            show(&mut text, &inspection, &rules, now, paint)?;
            if is_valid || shown.has_room(text.len(), token.len()) {
                shown.part(on.out, &text)?;
            } else {
                shown.left_out += 1;
            }
        }
        last = Some(inspection);
        Ok(())
    })?;
    if shown.left_out > 0 {
        let count = words::count(shown.left_out, "more invalid token");
        shown.part(on.out, format!("… {count} not shown (very short); --json prints all\n").as_bytes())?;
    }
    if let Some(material) = &passed.material {
        // A response belongs to the token that was sent with it, or else to the one in the environment.
        let token = last.as_ref().or(sent.as_ref());
        let mut explanation = explain_material(material, token, &rules, context.now());
        if token.is_none() && matches!(material, Material::Response(_)) {
            explanation.note("next step: set PORTCULLIS_TOKEN to the token that was sent".to_owned());
        }
        if json {
            let lines: Vec<String> = explanation.to_string().lines().map(str::to_owned).collect();
            json::line(on.out, &serde_json::json!({ "is": material.to_string(), "lines": lines }))?;
        } else {
            let mut text = Vec::new();
            paint.explanation(&mut text, &explanation, warning())?;
            shown.part(on.out, &text)?;
        }
        // The exit code reports the server's answer, even if the token is valid here.
        match explanation.lines().first().map(|line| line.mark) {
            Some("FORBIDDEN") => return Ok(Exit::Forbidden),
            Some("REFUSED") => on.known = Exit::Unauthorized,
            _ => {}
        }
    }
    Ok(if passed.has_all { on.known } else { Exit::Unauthorized })
}

/// The amount printed so far. Otherwise, a text of two-byte lines would be explained at two hundred times its length.
#[derive(Default)]
struct Shown {
    bytes: usize,
    left_out: usize,
}

/// Up to this length, in bytes, the output explains every token.
const FREE: usize = 32 * 1024;

/// Behind it, an explanation may be this many times as long as its token. A signed token with one claim takes less.
const TIMES: usize = 16;

impl Shown {
    /// Whether an invalid token of this length is worth an explanation of that length.
    const fn has_room(&self, explanation: usize, token: usize) -> bool {
        self.bytes + explanation <= FREE || explanation <= TIMES * token
    }

    /// Prints a part, with a blank line between it and the one before.
    fn part(&mut self, out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
        if self.bytes > 0 {
            writeln!(out)?;
        }
        self.bytes += text.len();
        out.write_all(text)
    }
}

fn show(out: &mut dyn Write, inspection: &Inspection, rules: &Rules, now: NumericDate, paint: Paint) -> io::Result<()> {
    let status = inspection.judged.status(now);
    paint.explanation(out, &explain_inspection(inspection, rules, now), of_status(&status))?;
    for (title, document) in [("header", &inspection.header), ("claims", &inspection.payload)] {
        writeln!(out, "{}", paint.title(title))?;
        show_members(out, document, now, paint)?;
    }
    Ok(())
}

/// The most members shown. The others are only counted; `--json` shows all.
const MOST: usize = 200;

fn show_members(out: &mut dyn Write, document: &Document, now: NumericDate, paint: Paint) -> io::Result<()> {
    if let Some(fault) = &document.fault {
        return writeln!(out, "  {fault}");
    }
    for (name, value) in document.members.iter().take(MOST) {
        let mut note = String::new();
        let time = NumericDate::from_json_number(value).filter(|_| ["iat", "nbf", "exp"].contains(&name.as_str()));
        if ["iat", "nbf", "exp"].contains(&name.as_str()) && time.is_none() {
            note.push_str("  invalid time");
        }
        if let Some(at) = time {
            let relative = match at.since(now) {
                ahead if ahead > Span::ZERO => format!("in {}", remaining(ahead).text),
                past => format!("{} ago", elapsed(-past).text),
            };
            let _ = write!(note, "  {}, {relative}", at.rfc3339());
        }
        if let Some(words) = meaning(name) {
            let _ = write!(note, "  {words}");
        }
        let value = members::shown(value);
        writeln!(out, "  {} {value}{}", paint.label(&text::name(name, 64), 12), paint.note(&note))?;
    }
    match document.members.len().checked_sub(MOST + 1) {
        Some(more) => writeln!(out, "  … {} more", more + 1),
        None => Ok(()),
    }
}
