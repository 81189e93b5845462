//! The Traffic pane: the rate of calls, the clients, and the refused requests.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::traffic::LIST;
use crate::gate::traffic::{Client, SECONDS};
use crate::text::{self, padded, words};
use crate::view::canvas::{Canvas, below, split_bottom, top};
use crate::view::theme::Role;

/// The columns that a client's name needs; its address and the time of its last request are shown only beside that.
const NAME: usize = 15;
/// Below this width, a row has only the numbers beside the names, without words.
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
        let told = canvas.span("no clients have connected yet", Role::Hint);
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

/// Returns the calls per second: the number in the last whole second, and a chart of the seconds before.
fn rate(canvas: &mut Canvas, columns: u16) -> Line<'static> {
    let app = canvas.app;
    let rate = app.auth.traffic.rate(app.times.real);
    // The current second is not shown yet, so the line may change when it ends.
    if app.auth.traffic.is_lively(app.times.real) {
        let left = text::Span::SECOND - app.times.real.past(text::Span::SECOND);
        canvas.drawn.really_changes_at(app.times.mono + left.as_duration());
    }
    let room = usize::from(columns).saturating_sub(25).min(SECONDS);
    let most = rate.iter().copied().max().unwrap_or(0).max(1);
    let blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |calls: &u32| match calls {
        0 => ' ',
        calls => blocks[(calls * 8).div_ceil(most).clamp(1, 8) as usize - 1],
    };
    let bars: String = rate[SECONDS - room..].iter().map(block).collect();
    Line::from(vec![
        canvas.span("calls/s  ", Role::Label),
        canvas.span(format!("{:<6} ", words::short(rate[SECONDS - 1].into())), Role::Title),
        canvas.span(bars, Role::Ok),
    ])
}

fn row(canvas: &Canvas, client: &Client, n: usize, columns: u16) -> Line<'static> {
    let app = canvas.app;
    let here = canvas.focused(LIST) && app.traffic.row == n;
    let subject = client.subject.as_deref().map(|name| text::name(name, 32));
    let subject =
        subject.or_else(|| client.token.map(|id| id.to_string())).unwrap_or_else(|| text::NO_TOKEN.to_owned());
    let is_narrow = columns < NARROW;
    let (calls, refused) = counts(client, is_narrow);
    let (time, peer) = (app.time(client.last), client.peer.to_string());
    let numbers = text::width(&calls) + text::width(&refused) + 15;
    let room = usize::from(columns).saturating_sub(numbers);
    // The name has priority: without it the rest means little.
    let tails = [format!("{time} {peer}"), peer, time];
    let tail = tails.into_iter().find(|tail| !is_narrow && text::width(tail) + NAME <= room).unwrap_or_default();
    let name = padded(&client.called(), room.saturating_sub(text::width(&tail)).clamp(8, 32));
    let spans: Vec<Span<'static>> = vec![
        canvas.span(name, if here { Role::Selected } else { Role::Plain }),
        canvas.span(format!(" {} ", padded(&subject, 12)), Role::Title),
        canvas.span(calls, Role::Plain),
        canvas.span(refused, Role::Denied),
        canvas.span(format!(" {tail}"), Role::Hint),
    ];
    Line::from(spans)
}

/// Returns the columns of calls and refusals. Each has a blank on its left and room for any number, so that neighbours
/// never touch.
fn counts(client: &Client, is_narrow: bool) -> (String, String) {
    let (calls, refused) = (words::short(client.calls), words::short(client.refused));
    match (is_narrow, client.refused) {
        (true, 0) => (format!("{calls:>6}"), String::new()),
        (true, _) => (format!("{calls:>6}"), format!(" {refused:>6}✘")),
        (false, times) => {
            let noun = if client.calls == 1 { "call " } else { "calls" };
            let refused = if times == 0 { " ".repeat(15) } else { format!(" {refused:>6} refused") };
            (format!("{calls:>6} {noun}"), refused)
        }
    }
}

/// Returns the refusals by reason, most frequent first.
fn refusals(canvas: &Canvas, columns: u16) -> Vec<Line<'static>> {
    let all = canvas.app.auth.traffic.refusals();
    if all.is_empty() {
        return Vec::new();
    }
    let told: Vec<String> = all.iter().map(|(code, times)| format!("{times} {code}")).collect();
    canvas.clipped(&format!("refused: {}", told.join(", ")), columns, 3, Role::Denied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::NumericDate;

    #[test]
    fn columns_keep_their_width_and_their_distance_for_any_number() {
        let columns = |calls, refused, is_narrow| {
            let client = Client {
                peer: [127, 0, 0, 1].into(),
                agent: "a".into(),
                name: None,
                token: None,
                subject: None,
                last: NumericDate::from_seconds(0),
                requests: calls,
                calls,
                refused,
            };
            let (calls, refused) = counts(&client, is_narrow);
            format!("{calls}{refused}")
        };
        assert_eq!(columns(1, 9_999, false), "     1 call    9999 refused");
        assert_eq!(columns(9_999_999, 9_999_999, false), "  9.9M calls   9.9M refused");
        assert_eq!(columns(123_456, 0, false), "123.4k calls               ");
        assert_eq!(columns(123_456, 123_456, true), "123.4k 123.4k✘");
        for n in [1, 999, 1000, 9_999, 10_000, 99_999, 999_999, 9_999_999, u64::MAX] {
            for is_narrow in [true, false] {
                let shown = columns(n, n, is_narrow);
                assert_eq!(text::width(&shown), if is_narrow { 14 } else { 27 }, "{shown:?}");
            }
        }
    }
}
