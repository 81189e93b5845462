//! How a token is judged: the lights, the status with its countdown, and every check. The Inspect pane and the token
//! overlay show the same.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::{Canvas, below, top, wrap};
use super::theme::Role;
use super::widget::{bar, phase, urgency};
use crate::app::Screen;
use crate::app::action::Action;
use crate::app::hints::key_name;
use crate::auth::check::CheckResult;
use crate::auth::evaluation::LightState;
use crate::auth::{Check, Inspection, Light, Phase, Reason, TokenStatus};
use crate::text;
use crate::text::words::{elapsed, remaining};

/// Returns the four lights: `✔` checked and good, `✘` checked and bad, `–` not checked.
pub fn lights(canvas: &Canvas, inspection: &Inspection, columns: u16) -> Line<'static> {
    let now = canvas.app.times.judged;
    let mut spans = Vec::new();
    for light in Light::ALL {
        let (sign, role) = match inspection.judged.light(light, now) {
            LightState::Good => ("✔", Role::Ok),
            LightState::Bad(_) => ("✘", Role::Denied),
            LightState::Unchecked => ("–", Role::Hint),
        };
        let word = if columns < 39 { light.short_word() } else { light.word() };
        spans.push(canvas.span(format!("{sign} {word}"), role));
        spans.push(Span::raw(" "));
    }
    spans.pop();
    Line::from(spans)
}

/// Draws the status with its countdown and bar, and why the token is not valid. Returns the rows left over.
pub fn verdict(canvas: &mut Canvas, area: Rect, inspection: &Inspection) -> Rect {
    let now = canvas.app.times.judged;
    let judged = &inspection.judged;
    if let Some(left) = judged.lifetime.next_border(now) {
        canvas.drawn.changes_in(left);
    }
    let status = judged.status(now);
    let role = match &status {
        TokenStatus::Valid(Phase::Live { .. }) => Role::Ok,
        TokenStatus::Valid(_) => Role::Warning,
        TokenStatus::OutOfTime(..) | TokenStatus::Invalid(_) => Role::Denied,
        TokenStatus::NotVerified(_) | TokenStatus::Absent => Role::Unauthenticated,
    };
    let mut spans = vec![canvas.span(format!(" {} ", status.word()), role.chip())];
    // If the time check failed, the status word already gives the reason.
    let reason = status.reason().filter(|reason| reason.check() != Check::Time);
    if let Some(code) = reason.map(Reason::code) {
        spans.push(canvas.span(format!(" {code}"), Role::Title));
    }
    let holds = canvas.drawn.holds;
    let at = judged.lifetime.phase(now);
    let (mut told, left) = countdown(canvas, at, &status);
    let pace = match (at, &status) {
        (Phase::Live { left }, TokenStatus::Valid(_)) => urgency(left, judged.lifetime.length()),
        _ => role,
    };
    if !judged.is_verified() && !told.is_empty() {
        told.push_str(", unverified");
    }
    // Beside a refusal, the times are a note, which is left out rather than cut off, and then does not tick either. For
    // an unverified token they may be all that is known, so they get a line of their own.
    let used: usize = spans.iter().map(|span| text::width(&span.content)).sum();
    let mut below_it = None;
    if reason.is_none() || used + 1 + text::width(&told) <= usize::from(area.width) {
        let counts = matches!(status, TokenStatus::Valid(_));
        spans.push(canvas.span(format!(" {told}"), if counts { pace } else { Role::Plain }));
    } else if !judged.is_verified() && area.height > 8 {
        below_it = Some(told);
    } else {
        canvas.drawn.holds = holds;
    }
    let line = Line::from(spans);
    // If the token does not contain its start, the time at which it was added counts as the start.
    let since_it_came =
        || Some(judged.lifetime.exp?.since(canvas.app.selected()?.added)).filter(|length| *length > text::Span::ZERO);
    if let (Some(left), Some(length)) = (left, judged.lifetime.length().or_else(since_it_came)) {
        let room = usize::from(area.width).saturating_sub(line.width() + 2).min(24);
        let (full, empty) = bar(left.as_micros(), length.as_micros(), room);
        let mut line = line;
        line.spans.push(Span::raw("  "));
        line.spans.push(canvas.span(full, pace));
        line.spans.push(canvas.span(empty, Role::Frame));
        canvas.line(top(area, 1), line);
    } else {
        canvas.line(top(area, 1), line);
    }
    let mut rest = below(area, 1);
    if let Some(told) = below_it {
        let told = canvas.span(told, Role::Plain);
        rest = canvas.lines(rest, [Line::from(told)]);
    }
    if let Some(reason) = reason {
        let lines = canvas.clipped(&reason.to_string(), rest.width, 3, Role::Plain);
        rest = canvas.lines(rest, lines);
        let is_foreign = reason.may_be_new_key() || matches!(reason, Reason::UnknownIssuer { .. });
        if is_foreign && rest.height > 8 {
            let key = key_name(canvas.app, Action::Screen(Screen::Issuers)).unwrap_or_default();
            let hint =
                format!("To verify it, paste the JWKS or the public key of its issuer, or add the issuer with {key}.");
            let lines = canvas.clipped(&hint, rest.width, 2, Role::Hint);
            rest = canvas.lines(rest, lines);
        }
    }
    // The other checks that fail independently of the first: they may be what needs to be fixed.
    let also = judged.also(now);
    let most = if rest.height > 8 { 3 } else { 1 };
    for reason in also.iter().take(most) {
        let lines = canvas.clipped(&format!("also: {reason}"), rest.width, 2, Role::Plain);
        rest = canvas.lines(rest, lines);
    }
    rest
}

/// Returns the time in words, and the remaining lifetime for the bar.
fn countdown(canvas: &mut Canvas, at: Phase, status: &TokenStatus) -> (String, Option<text::Span>) {
    let told = phase(canvas, at);
    match (at, status) {
        (Phase::Live { left }, TokenStatus::Valid(_)) => (format!("{told} left"), Some(remaining(left).named)),
        (Phase::Grace { .. }, TokenStatus::Valid(_)) => (format!("{told} left of the leeway"), Some(text::Span::ZERO)),
        (Phase::NotYet { .. }, TokenStatus::OutOfTime(..)) => (format!("valid {told}"), None),
        (Phase::Expired { ago }, TokenStatus::OutOfTime(..)) => {
            (format!("{} ago", elapsed(ago).text), Some(text::Span::ZERO))
        }
        (Phase::Live { .. }, _) => (format!("{told} left"), None),
        (Phase::Endless, _) => (String::new(), None),
        (_, _) => (told, None),
    }
}

/// Returns every check, and why the failed ones failed.
pub fn checks(canvas: &Canvas, inspection: &Inspection, columns: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for row in inspection.report(&canvas.app.auth.rules, canvas.app.times.judged) {
        let role = Role::of_check(row.passed);
        let note = match row.check {
            _ if row.passed == CheckResult::NotReached => " (not checked)",
            Check::Binding if row.wanted.is_none() => ": any",
            _ => "",
        };
        let line = vec![canvas.span(row.passed.sign(), role), Span::raw(format!(" {}{note}", row.label))];
        lines.push(Line::from(line));
        // A reason already names the value that was found.
        let value = row.found.filter(|_| row.check == Check::Binding);
        if let Some(told) = row.reason.map(|reason| reason.to_string()).or(value) {
            let told = wrap(&told, columns.saturating_sub(2));
            lines.extend(told.into_iter().map(|line| Line::from(format!("  {line}"))));
        }
    }
    lines
}
