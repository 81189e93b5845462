//! The contents of a token, member by member: findings first, then the payload and the header.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span as TextSpan};
use serde_json::Value;

use super::canvas::{Canvas, wrap};
use super::theme::Role;
use super::widget::ticking;
use crate::auth::explain::{mapped, meaning};
use crate::auth::inspection::Document;
use crate::auth::{Inspection, NumericDate, members};
use crate::text::words::{elapsed, remaining};
use crate::text::{self, Span, display_safe};

/// The groups of a payload's claims, in the order in which they are shown. All other claims follow.
const GROUPS: [(&str, &[&str]); 6] = [
    ("who", &["user_id", "sub", "name", "preferred_username", "email", "upn", "unique_name", "oid"]),
    ("client", &["azp", "client_id", "appid", "cid"]),
    ("may", &["permissions", "scope", "scp", "roles", "groups", "realm_access", "resource_access", "cognito:groups"]),
    ("where", &["iss", "aud", "resource", "tid", "org_id"]),
    ("when", &["iat", "nbf", "exp", "auth_time"]),
    ("ID", &["jti", "sid", "nonce"]),
];

/// The label of the group of all other claims.
const OTHER: &str = "other";

/// The minimum width, in columns, for a column of group labels.
const GROUPED: u16 = 60;

/// Draws the findings, then the payload's claims by group, then the header's members. Returns how far they can be
/// scrolled.
pub fn render(canvas: &mut Canvas, area: Rect, inspection: &Inspection, scroll: usize) -> usize {
    let found = inspection.findings_at(canvas.app.times.judged);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for finding in &found {
        lines.extend(canvas.wrapped(&format!("! {finding}"), area.width, Role::Warning));
    }
    if found.is_empty() && inspection.judged.failures(canvas.app.times.judged).is_empty() {
        lines.push(canvas.span("no findings", Role::Hint).into());
    }
    // The finding that `iat` is in the future disappears at that time.
    let life = &inspection.judged.lifetime;
    let ahead = life.iat.map(|iat| iat.since(canvas.app.times.judged) - life.leeway.span());
    ahead.filter(|ahead| *ahead > Span::ZERO).into_iter().for_each(|ahead| canvas.drawn.changes_in(ahead));
    for line in mapped(&inspection.judged) {
        lines.extend(canvas.wrapped(&line, area.width, Role::Plain));
    }
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

/// Appends the members of a document by group, or one line with the reason why it has none.
fn document(canvas: &mut Canvas, document: &Document, columns: u16, lines: &mut Vec<Line<'static>>) {
    if document.members.is_empty() {
        let fault = document.fault.clone().unwrap_or_else(|| "no members".to_owned());
        lines.push(canvas.span(fault, Role::Hint).into());
        return;
    }
    let group_of = |name: &str| GROUPS.iter().position(|(_, names)| names.contains(&name)).unwrap_or(GROUPS.len());
    // Within a group, members keep the token's order.
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

/// Returns the strings of a claim that is a list of strings, or of a claim that OAuth writes as space-delimited words
/// (RFC 6749 §3.3).
fn tags(name: &str, value: &str) -> Option<Vec<String>> {
    let list = match serde_json::from_str::<Value>(text::head(value, MOST_TAGGED)).ok()? {
        Value::Array(list) if !list.is_empty() => list,
        Value::String(words) if ["scope", "scp"].contains(&name) => {
            text::separated(&words, ' ').map(|word| Value::String(word.to_owned())).collect()
        }
        _ => return None,
    };
    let strings = list.iter().map(|value| value.as_str().map(|text| text::name(text, 64)));
    strings.collect::<Option<Vec<_>>>().filter(|tags| !tags.is_empty())
}

/// The maximum length of a list that is shown as tags, in bytes. A longer one is shown as JSON.
const MOST_TAGGED: usize = 4096;

/// Appends one member: its value (a time in words, a list as tags) and its meaning. A value wider than its line
/// continues on the next one.
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

/// Returns a member's value as shown, and for a time, its distance from the clock. If there is little room, an instant
/// of today is shown without its date.
pub fn value_in_words(canvas: &mut Canvas, name: &str, value: &str, roomy: bool) -> (String, String) {
    let now = canvas.app.times.judged;
    if ["exp", "nbf", "iat"].contains(&name) {
        if let Some(at) = NumericDate::from_json_number(value) {
            let today = !roomy && same_day(canvas, at);
            let told = if today { canvas.app.time_style.time(at, canvas.app.zone) } else { canvas.app.date(at) };
            // The countdown is shown above; a note that would be cut off does not help.
            let note = if today || roomy { relative(canvas, at.since(now)) } else { String::new() };
            return (told, note);
        }
        return (display_safe(value, 40), "invalid time".to_owned());
    }
    (members::shown(value), String::new())
}

/// Whether an instant is today in the time zone in which times are shown. Records when today ends.
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

/// Returns `in 58m 54s` or `2m ago`, and records when the words change.
fn relative(canvas: &mut Canvas, ahead: Span) -> String {
    if ahead > Span::ZERO {
        format!("in {}", ticking(canvas, remaining(ahead)))
    } else {
        format!("{} ago", ticking(canvas, elapsed(-ahead)))
    }
}
