//! The Traffic pane: how much comes, from whom, and what is refused.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::traffic::LIST;
use crate::gate::traffic::{Client, SECONDS};
use crate::text::{self, padded, words};
use crate::view::canvas::{Canvas, below, split_bottom, top};
use crate::view::theme::Meaning;

/// From this width on a client's address and last call are shown too.
const WIDE: u16 = 66;
/// Below this width only numbers are.
const NARROW: u16 = 52;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let rate = rate(canvas, area.width);
    canvas.line(top(area, 1), rate);
    let refusals = refusals(canvas, area.width);
    let foot = u16::try_from(refusals.len()).unwrap_or(0).min(area.height.saturating_sub(3));
    let (list, under) = split_bottom(area, foot);
    let list = below(list, 1);
    canvas.lines(under, refusals);
    let clients = canvas.app.auth.traffic.clients();
    if clients.is_empty() {
        let told = canvas.span("nobody has connected yet", Meaning::Hint);
        canvas.line(list, told);
        return;
    }
    let here = canvas.app.traffic.row.min(clients.len() - 1);
    canvas.list(list, LIST, here, clients.len(), |canvas, n, place| {
        let line = row(canvas, &clients[n], n, place.width);
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
}

/// Calls a second: the last whole one, and how it was before.
fn rate(canvas: &mut Canvas, columns: u16) -> Line<'static> {
    let app = canvas.app;
    let rate = app.auth.traffic.rate(app.times.real);
    // The current second is not shown yet, so something may change when it ends.
    if app.auth.traffic.is_lively(app.times.real) {
        let left = text::Span::SECOND - app.times.real.past(text::Span::SECOND);
        canvas.drawn.really_changes_at(app.times.mono + left.as_duration());
    }
    let room = usize::from(columns).saturating_sub(24).min(SECONDS);
    let most = rate.iter().copied().max().unwrap_or(0).max(1);
    let blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |calls: &u32| match calls {
        0 => ' ',
        calls => blocks[(calls * 8).div_ceil(most).clamp(1, 8) as usize - 1],
    };
    let bars: String = rate[SECONDS - room..].iter().map(block).collect();
    Line::from(vec![
        canvas.span("calls/s  ", Meaning::Label),
        canvas.span(format!("{:<6}", rate[SECONDS - 1]), Meaning::Title),
        canvas.span(bars, Meaning::Ok),
    ])
}

fn row(canvas: &Canvas, client: &Client, n: usize, columns: u16) -> Line<'static> {
    let app = canvas.app;
    let here = canvas.focused(LIST) && app.traffic.row == n;
    let subject = client.subject.as_deref().map(|name| text::name(name, 32));
    let subject =
        subject.or_else(|| client.token.map(|id| id.to_string())).unwrap_or_else(|| text::NO_TOKEN.to_owned());
    let is_narrow = columns < NARROW;
    let calls = if is_narrow {
        format!("{:>6}", client.calls)
    } else {
        format!("{:>9}", words::count(usize::try_from(client.calls).unwrap_or(usize::MAX), "call"))
    };
    let refused = match (client.refused, is_narrow) {
        (0, true) => String::new(),
        (0, false) => " ".repeat(12),
        (times, true) => format!("{times:>5}✘"),
        (times, false) => format!("{times:>4} refused"),
    };
    let tail = if columns >= WIDE { format!("{} {}", app.time(client.last), client.peer) } else { String::new() };
    let fixed = text::width(&calls) + text::width(&refused) + text::width(&tail) + 15;
    let name = padded(&client.called(), usize::from(columns).saturating_sub(fixed).clamp(8, 32));
    let spans: Vec<Span<'static>> = vec![
        canvas.span(name, if here { Meaning::Selected } else { Meaning::Plain }),
        canvas.span(format!(" {} ", padded(&subject, 12)), Meaning::Title),
        canvas.span(calls, Meaning::Plain),
        canvas.span(refused, Meaning::Denied),
        canvas.span(format!(" {tail}"), Meaning::Hint),
    ];
    Line::from(spans)
}

/// Refusals by reason, the most frequent first.
fn refusals(canvas: &Canvas, columns: u16) -> Vec<Line<'static>> {
    let all = canvas.app.auth.traffic.refusals();
    if all.is_empty() {
        return Vec::new();
    }
    let told: Vec<String> = all.iter().map(|(code, times)| format!("{times} {code}")).collect();
    canvas.clipped(&format!("refused: {}", told.join(", ")), columns, 3, Meaning::Denied)
}
