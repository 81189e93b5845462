//! What a token says, member by member: findings first, then what was expected, the payload and the header.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span as TextSpan};
use serde_json::Value;

use super::canvas::{Canvas, wrap};
use super::theme::Role;
use super::widget::ticking;
use crate::auth::explain::meaning;
use crate::auth::inspection::Document;
use crate::auth::{Inspection, NumericDate, members};
use crate::text::words::{elapsed, remaining};
use crate::text::{self, Span, display_safe};

/// What the claims of a payload are about, in the order in which they are shown; all others follow.
const GROUPS: [(&str, &[&str]); 6] = [
    ("who", &["user_id", "sub", "name", "preferred_username", "email", "upn", "unique_name", "oid"]),
    ("client", &["azp", "client_id", "appid", "cid"]),
    ("may", &["permissions", "scope", "scp", "roles", "groups", "realm_access", "resource_access", "cognito:groups"]),
    ("where", &["iss", "aud", "resource", "tid", "org_id"]),
    ("when", &["iat", "nbf", "exp", "auth_time"]),
    ("ID", &["jti", "sid", "nonce"]),
];

/// The claims in the last group.
const OTHER: &str = "other";

/// From this width on the groups have a column of their own.
const GROUPED: u16 = 60;

/// Findings first, then the claims of the payload by what they are about, then the members of the header.
pub fn render(canvas: &mut Canvas, area: Rect, inspection: &Inspection, scroll: usize) -> usize {
    let found = inspection.findings_at(canvas.app.times.judged);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for finding in &found {
        lines.extend(canvas.wrapped(&format!("! {finding}"), area.width, Role::Warning));
    }
    if found.is_empty() && inspection.judged.failures(canvas.app.times.judged).is_empty() {
        lines.push(canvas.span("no findings", Role::Hint).into());
    }
    // The finding that `iat` is in the future goes when its time has come.
    let life = &inspection.judged.lifetime;
    let ahead = life.iat.map(|iat| iat.since(canvas.app.times.judged) - life.leeway.span());
    ahead.filter(|ahead| *ahead > Span::ZERO).into_iter().for_each(|ahead| canvas.drawn.changes_in(ahead));
    let fixed = lines.len();
    document(canvas, &inspection.payload, area.width, &mut lines);
    lines.push(canvas.span("header", Role::Hint).into());
    document(canvas, &inspection.header, area.width, &mut lines);
    let find = &canvas.app.inspect.find;
    if !find.is_empty() {
        let contains = |line: &Line<'_>| line.to_string().to_lowercase().contains(find);
        let rest = lines.split_off(fixed);
        let before = rest.len();
        let found: Vec<_> = rest.into_iter().filter(contains).collect();
        let told = format!("find: {} ({} of {before}; Esc shows all)", text::name(find, 40), found.len());
        lines.push(canvas.span(told, Role::Focused).into());
        lines.extend(found);
    }
    canvas.scrolled(area, lines.len(), scroll, |_, n| lines[n].clone())
}

/// The members of a document, grouped; one line that says why where there are none.
fn document(canvas: &mut Canvas, document: &Document, columns: u16, lines: &mut Vec<Line<'static>>) {
    if document.members.is_empty() {
        let fault = document.fault.clone().unwrap_or_else(|| "no members".to_owned());
        lines.push(canvas.span(fault, Role::Hint).into());
        return;
    }
    let group_of = |name: &str| GROUPS.iter().position(|(_, names)| names.contains(&name)).unwrap_or(GROUPS.len());
    // Their order within a group is the token's.
    let mut members: Vec<_> = document.members.iter().map(|(name, value)| (group_of(name), name, value)).collect();
    members.sort_by_key(|(group, ..)| *group);
    let widest = members.iter().map(|(_, name, _)| text::width(&text::name(name, 64))).max().unwrap_or(0);
    let is_grouped = columns >= GROUPED && members.iter().any(|(group, ..)| *group < GROUPS.len());
    let mut last = None;
    for (group, name, value) in members {
        let label = GROUPS.get(group).map_or(OTHER, |(label, _)| label);
        let label = if last == Some(group) { "" } else { label };
        last = Some(group);
        let mut before = Vec::new();
        if is_grouped {
            before.push(canvas.span(format!("{label:<8}"), Role::Hint));
        }
        let name_width = widest.clamp(11, 24);
        let shown = text::padded(&text::name(name, 64), name_width);
        before.push(canvas.span(format!("{shown} "), Role::Label));
        member(canvas, before, (name, value), columns, lines);
    }
}

/// The strings of a claim that is a list of them, or of one that OAuth writes as words between blanks (RFC 6749 §3.3).
fn tags(name: &str, value: &str) -> Option<Vec<String>> {
    let list = match serde_json::from_str::<Value>(text::head(value, MOST_TAGGED)).ok()? {
        Value::Array(list) if !list.is_empty() => list,
        Value::String(words) if ["scope", "scp"].contains(&name) => {
            words.split_ascii_whitespace().map(|word| Value::String(word.to_owned())).collect()
        }
        _ => return None,
    };
    let strings = list.iter().map(|value| value.as_str().map(|text| text::name(text, 64)));
    strings.collect::<Option<Vec<_>>>().filter(|tags| !tags.is_empty())
}

/// A longer list is shown as it stands, in bytes.
const MOST_TAGGED: usize = 4096;

/// One member: its value in words where it is a time, as tags where it is a list, and what it is for. What is wider than
/// its line goes on below.
fn member(
    canvas: &mut Canvas,
    before: Vec<TextSpan<'static>>,
    (name, value): (&str, &str),
    columns: u16,
    lines: &mut Vec<Line<'static>>,
) {
    let indent: usize = before.iter().map(TextSpan::width).sum();
    let room = usize::from(columns).saturating_sub(indent).max(8);
    let mut line = Line::from(before);
    let blank = || Line::from(" ".repeat(indent));
    if let Some(tags) = tags(name, value) {
        let mut used = 0;
        for tag in tags {
            let tag = format!(" {} ", text::fit(&tag, room.saturating_sub(2)));
            let width = text::width(&tag) + 1;
            if used > 0 && used + width > room + 1 {
                lines.push(std::mem::replace(&mut line, blank()));
                used = 0;
            }
            used += width;
            line.spans.push(canvas.span(tag, Role::Tag));
            line.spans.push(TextSpan::raw(" "));
        }
        lines.push(line);
        return;
    }
    let (told, note) = value_in_words(canvas, name, value, columns >= 48);
    let mut parts = wrap(&told, u16::try_from(room).unwrap_or(columns)).into_iter();
    line.spans.push(canvas.span(parts.next().unwrap_or_default(), Role::Plain));
    for part in parts {
        lines.push(std::mem::replace(&mut line, blank()));
        line.spans.push(canvas.span(part, Role::Plain));
    }
    let meant = meaning(name).unwrap_or_default();
    for words in [note.as_str(), meant].into_iter().filter(|words| !words.is_empty()) {
        if line.width() + 2 + text::width(words) <= usize::from(columns) {
            line.spans.push(canvas.span(format!("  {words}"), Role::Hint));
        }
    }
    lines.push(line);
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
        return (display_safe(value, 40), "invalid time".to_owned());
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
