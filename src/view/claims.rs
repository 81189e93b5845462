//! What a token says, member by member: findings first, then what was expected, the payload and the header.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, wrap};
use super::theme::Meaning;
use super::widget::ticking;
use crate::auth::explain::meaning;
use crate::auth::inspection::Document;
use crate::auth::{Inspection, NumericDate, members};
use crate::text::words::{elapsed, remaining};
use crate::text::{self, Span, display_safe};

/// Findings first, then the claims of the payload, then the members of the header.
pub fn render(canvas: &mut Canvas, area: Rect, inspection: &Inspection, scroll: usize) -> usize {
    let found = inspection.findings_at(canvas.app.times.judged);
    let has_failed = !inspection.judged.failures(canvas.app.times.judged).is_empty();
    // The finding that `iat` is in the future goes when its time has come.
    let life = &inspection.judged.lifetime;
    let ahead = life.iat.map(|iat| iat.since(canvas.app.times.judged) - life.leeway.span());
    ahead.filter(|ahead| *ahead > Span::ZERO).into_iter().for_each(|ahead| canvas.drawn.changes_in(ahead));
    let findings: Vec<String> = match found.as_slice() {
        [] if has_failed => Vec::new(),
        [] => vec!["no findings".to_owned()],
        list => list.iter().flat_map(|f| wrap(&format!("! {f}"), area.width)).collect(),
    };
    let expected = expectations(canvas, inspection, area.width);
    let fixed: Vec<Line<'static>> = findings
        .into_iter()
        .map(|line| canvas.span(line, if found.is_empty() { Meaning::Hint } else { Meaning::Expired }).into())
        .chain(expected)
        .collect();
    // A document without members has one line that says why.
    let payload = inspection.payload.members.len().max(1);
    let header = inspection.header.members.len().max(1);
    let heading = fixed.len() + payload;
    let total = heading + 1 + header;
    // Only what shows is made into lines; the times among it tick.
    canvas.scrolled(area, total, scroll, |canvas, n| match n {
        n if n < fixed.len() => fixed[n].clone(),
        n if n < heading => member(canvas, &inspection.payload, n - fixed.len(), area.width),
        n if n == heading => canvas.span("header", Meaning::Hint).into(),
        n => member(canvas, &inspection.header, n - heading - 1, area.width),
    })
}

/// What the rules expect of issuer and audience, against what the token says.
fn expectations(canvas: &Canvas, inspection: &Inspection, columns: u16) -> Vec<Line<'static>> {
    let rules = &canvas.app.auth.rules;
    let found = |claim: &str| {
        let member = inspection.payload.members.iter().find(|(name, _)| name == claim);
        member.map_or_else(|| "none".to_owned(), |(_, value)| display_safe(value, 256))
    };
    let told = |claim: &str, wanted: &str| {
        let text = format!("{claim} expected {}, found {}", text::name(wanted, 256), found(claim));
        canvas.wrapped(&text, columns, Meaning::Plain)
    };
    let issuer = rules.issuer().map(|wanted| told("iss", wanted));
    let audience = rules.audience().map(|wanted| told("aud", wanted));
    issuer.into_iter().chain(audience).flatten().collect()
}

/// One member: its name, its value in words where it is a time, and what it is for.
fn member(canvas: &mut Canvas, document: &Document, n: usize, columns: u16) -> Line<'static> {
    let Some((name, value)) = document.members.get(n) else {
        let fault = document.fault.clone().unwrap_or_else(|| "no members".to_owned());
        return canvas.span(fault, Meaning::Hint).into();
    };
    let mut spans = vec![canvas.span(format!("{:<11} ", text::fit(&text::name(name, 64), 24)), Meaning::Label)];
    let (told, note) = value_in_words(canvas, name, value, columns >= 48);
    spans.push(canvas.span(told, Meaning::Plain));
    if !note.is_empty() {
        spans.push(canvas.span(format!("  {note}"), Meaning::Hint));
    }
    let mut line = Line::from(spans);
    if let Some(words) = meaning(name).filter(|words| line.width() + 2 + words.len() <= usize::from(columns)) {
        line.spans.push(canvas.span(format!("  {words}"), Meaning::Hint));
    }
    line
}

/// A member's value as it is shown, and what the clock makes of it. Where there is little room an instant of today
/// goes without its date.
pub fn value_in_words(canvas: &mut Canvas, name: &str, value: &str, roomy: bool) -> (String, String) {
    let now = canvas.app.times.judged;
    if ["exp", "nbf", "iat"].contains(&name) {
        if let Some(at) = NumericDate::from_json_number(value) {
            let today = !roomy && same_day(canvas, at);
            let told = if today { canvas.app.time_style.time(at, canvas.app.zone) } else { canvas.app.date(at) };
            // The countdown is shown above; a note that would be cut does not help.
            let note = if today || roomy { relative(canvas, at.since(now)) } else { String::new() };
            return (told, note);
        }
        return (display_safe(value, 40), "not a time that can be read".to_owned());
    }
    (members::shown(value), String::new())
}

/// Whether an instant is of the day it is, as the user counts days; notes when that day ends.
fn same_day(canvas: &mut Canvas, at: NumericDate) -> bool {
    let now = canvas.app.times.judged;
    let offset = match canvas.app.time_style {
        crate::app::times::TimeStyle::Local => Span::seconds((canvas.app.zone)(now).into()),
        _ => Span::ZERO,
    };
    let (now, at) = (now.plus(offset), at.plus(offset));
    let passed = now.past(Span::DAY);
    canvas.drawn.changes_in(Span::DAY - passed);
    (Span::ZERO..Span::DAY).contains(&(at.since(now) + passed))
}

/// `in 58m 54s` or `2m ago`, noting when the words change.
fn relative(canvas: &mut Canvas, ahead: Span) -> String {
    if ahead > Span::ZERO {
        format!("in {}", ticking(canvas, remaining(ahead)))
    } else {
        format!("{} ago", ticking(canvas, elapsed(-ahead)))
    }
}
