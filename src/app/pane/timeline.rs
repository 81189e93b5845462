//! The Timeline pane: every token as a bar on one time axis, and a cursor on it.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::app::{App, Effect};
use crate::auth::{Lifetime, NumericDate};
use crate::text::Span;
use crate::text::words::exact;

/// The bars: a row is a token, a column a span of time.
pub const BARS: Field = Field::new(Pane::Timeline, 0);
/// The duration of a column.
pub const SCALE: Field = Field::new(Pane::Timeline, 1);

pub(super) static PLACE: Place = Place {
    title: "Timeline",
    letter: 'e',
    help: "Each token is a bar from the start to the end of its validity; ┃ is the clock. ← → move the cursor, Home and End jump to the token's boundaries, Space zooms. The token's status at the cursor is shown below. Enter sets the clock to the cursor.",
    controls: &[
        Control::new(BARS, "bars")
            .tick(
                |app| Some(if app.is_fitted() { "zoom in" } else { "fit" }),
                |app| {
                    app.zoom_or_fit();
                    Vec::new()
                },
            )
            .turn(|_| Some("cursor"), App::move_cursor)
            .row(|_| Some("token"), App::step_token)
            .edge(|app| app.selected().map(|_| "borders"), App::move_to_border)
            .click(|app, spot| {
                app.go(Focus::at(BARS));
                app.choose_token(spot.row);
                app.point_at(spot.x.checked_sub(spot.column));
                Vec::new()
            }),
        Control::new(SCALE, "zoom").turn(|_| Some("zoom"), App::zoom),
    ],
    note: |app, _| app.auth.tokens.len().to_string(),
    act: Some(Act { hint: |app| app.timeline.cursor.map(|_| "set the clock here"), run: App::set_clock_here }),
    page: Some(Move { hint: |_| None, by: |app, by| app.step_token(app.drawn.page(BARS, by)) }),
    wheel: Some(App::step_token),
    offers: &[(Action::Diff, App::compare_hint), (Action::Evidence, |_| Some("copy evidence"))],
    copy: ClipSource::TOKEN,
    why: ClipSource::TOKENS_WHY,
    ..Place::DEFAULT
};

/// The possible durations of a column.
const SCALES: [Span; 19] = [
    Span::millis(100),
    Span::SECOND,
    Span::seconds(2),
    Span::seconds(5),
    Span::seconds(15),
    Span::seconds(30),
    Span::MINUTE,
    Span::minutes(2),
    Span::minutes(5),
    Span::minutes(15),
    Span::minutes(30),
    Span::HOUR,
    Span::hours(3),
    Span::hours(6),
    Span::DAY,
    Span::days(7),
    Span::days(30),
    Span::days(365),
    Span::days(100 * 365),
];

/// The state of the Timeline pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    /// The duration of a column; `None` fits the selected token.
    scale: Option<usize>,
    /// The time at the cursor; `None` follows the clock.
    pub cursor: Option<NumericDate>,
}

/// A range of time divided into columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The instant at which the first column begins.
    pub from: NumericDate,
    /// The duration of a column.
    pub scale: Span,
    /// How many columns there are.
    pub columns: usize,
}

impl Axis {
    /// Returns the instant at which a column begins.
    pub fn instant(&self, column: usize) -> NumericDate {
        self.from.plus(self.scale * i64::try_from(column).unwrap_or(i64::MAX))
    }

    /// Returns the column that contains an instant, if it is on the axis.
    pub fn column(&self, at: NumericDate) -> Option<usize> {
        let column = usize::try_from(at.since(self.from).div_euclid(self.scale)).ok()?;
        (column < self.columns).then_some(column)
    }

    /// Returns the end of the last column.
    pub fn end(&self) -> NumericDate {
        self.instant(self.columns)
    }

    /// Returns an axis with a range of time in its middle, at the finest scale at which the range fits into the
    /// columns.
    fn around(begin: NumericDate, end: NumericDate, columns: usize) -> Self {
        let room = i64::try_from(columns).unwrap_or(i64::MAX).max(1);
        let long = end.since(begin);
        // The range gets a margin of 10 % in all, and two spare columns, because the axis is aligned to the scale.
        let fits = |scale: &&Span| **scale * (room - 2) >= long + long / 10;
        let scale = *SCALES.iter().find(fits).unwrap_or(&SCALES[SCALES.len() - 1]);
        let spare = (scale * room - long) / 2;
        Self { from: aligned(begin.plus(-spare), scale), scale, columns }
    }

    /// Returns an axis that contains an instant. Neighbouring pages overlap by half, so that a moving instant stays
    /// visible.
    fn page(at: NumericDate, scale: Span, columns: usize) -> Self {
        let half = scale * i64::try_from(columns / 2).unwrap_or(i64::MAX).max(1);
        Self { from: aligned(aligned(at, half).plus(-half / 2), scale), scale, columns }
    }
}

/// Returns the last multiple of `scale` at or before an instant.
fn aligned(at: NumericDate, scale: Span) -> NumericDate {
    at.plus(-at.past(scale))
}

/// Returns the range of time that a token's bar covers; `None` if the token has no times or ends before it begins.
fn extent(life: &Lifetime) -> Option<(NumericDate, NumericDate)> {
    let begin = [life.iat, life.nbf].into_iter().flatten().min();
    let end = life.exp.map(|exp| exp.plus(life.leeway.span()));
    let (begin, end) = (begin.or(end)?, end.or(begin)?);
    (begin <= end).then_some((begin, end))
}

impl App {
    /// Returns the axis for a number of columns.
    pub fn axis(&self, columns: usize) -> Axis {
        let now = self.times.judged;
        if let Some(scale) = self.timeline.scale.and_then(|scale| SCALES.get(scale)) {
            return Axis::page(self.timeline.cursor.unwrap_or(now), *scale, columns);
        }
        let lives = |all: &[crate::gate::TokenEntry]| {
            let extents = all.iter().filter_map(|entry| extent(&entry.judged.lifetime));
            extents.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
        };
        let selected = self.selected().and_then(|entry| extent(&entry.judged.lifetime));
        let (begin, end) = selected.or_else(|| lives(&self.auth.tokens)).unwrap_or((now, now.plus(Span::HOUR)));
        // The clock is shown too, unless that would shrink the lifetime to a dot.
        let reach = end.since(begin).max(Span::MINUTE);
        let is_near = now.plus(reach) >= begin && now <= end.plus(reach);
        let (begin, end) = if is_near { (begin.min(now), end.max(now)) } else { (begin, end) };
        Axis::around(begin, end, columns)
    }

    /// Returns the scale in words.
    pub fn scale_words(&self, axis: &Axis) -> String {
        let column = format!("{} per column", exact(axis.scale));
        if self.timeline.scale.is_none() { format!("fit: {column}") } else { column }
    }

    /// Returns the instant under the cursor, by default the clock's.
    pub fn cursor_instant(&self) -> NumericDate {
        self.timeline.cursor.unwrap_or(self.times.judged)
    }

    /// Makes columns longer (`1`) or shorter (`-1`).
    fn zoom(&mut self, by: isize) {
        let fitted = self.drawn.axis.and_then(|axis| SCALES.iter().position(|scale| *scale == axis.scale));
        let at = self.timeline.scale.or(fitted).unwrap_or(0);
        self.timeline.scale = Some(moved(at, by, SCALES.len()));
    }

    /// Zooms in from the fitted lifetime, or back to it.
    fn zoom_or_fit(&mut self) {
        match self.timeline.scale.take() {
            Some(_) => {}
            None => self.zoom(-1),
        }
    }

    /// Whether the axis fits the selected token.
    pub const fn is_fitted(&self) -> bool {
        self.timeline.scale.is_none()
    }

    /// Moves the cursor by columns.
    fn move_cursor(&mut self, by: isize) {
        let Some(axis) = self.drawn.axis else {
            return;
        };
        let steps = i64::try_from(by).unwrap_or(0);
        let from = self.timeline.cursor.unwrap_or_else(|| aligned(self.times.judged, axis.scale));
        let to = from.plus(axis.scale * steps);
        // The cursor stays on a fitted axis, because that does not follow it.
        let last = axis.end().plus(-axis.scale);
        self.timeline.cursor = Some(if self.timeline.scale.is_none() { to.clamp(axis.from, last) } else { to });
    }

    /// Moves the cursor to a clicked column.
    fn point_at(&mut self, column: Option<usize>) {
        if let Some((axis, column)) = self.drawn.axis.zip(column).filter(|(axis, column)| *column < axis.columns) {
            self.timeline.cursor = Some(axis.instant(column));
        }
    }

    /// Moves the cursor to the next or previous boundary of the selected token's validity, its `iat` or the clock.
    fn move_to_border(&mut self, by: isize) {
        let Some(life) = self.selected().map(|entry| entry.judged.lifetime) else {
            return;
        };
        let mut borders: Vec<NumericDate> = life.borders().chain(life.iat).chain([self.times.judged]).collect();
        borders.sort_unstable();
        borders.dedup();
        let here = self.cursor_instant();
        let next = if by > 0 {
            borders.into_iter().find(|at| *at > here)
        } else {
            borders.into_iter().rev().find(|at| *at < here)
        };
        // A cursor on the clock follows it.
        self.timeline.cursor = next.or(self.timeline.cursor).filter(|at| *at != self.times.judged);
    }

    /// Sets the clock to the instant under the cursor.
    fn set_clock_here(&mut self) -> Vec<Effect> {
        match self.timeline.cursor.take() {
            Some(at) => {
                self.set_clock(at);
                self.say(format!("clock set to {}", self.date(at)));
            }
            None => self.complain("move the cursor first, with ← → or Home End"),
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    proptest! {
        #[test]
        fn a_fitted_life_is_on_its_axis(begin in -1_000_000i64..1_000_000, long in 0i64..100_000_000, columns in 8usize..300) {
            let begin = NOW.plus(Span::seconds(begin));
            let end = begin.plus(Span::seconds(long));
            let axis = Axis::around(begin, end, columns);
            prop_assert!(axis.column(begin).is_some() && axis.column(end).is_some(), "{:?}", axis);
        }

        #[test]
        fn what_a_page_is_made_for_is_on_it(at in 0i64..1_000_000_000, scale in 0usize..SCALES.len(), columns in 8usize..300) {
            let at = NOW.plus(Span::micros(at));
            prop_assert!(Axis::page(at, SCALES[scale], columns).column(at).is_some());
        }
    }

    #[test]
    fn columns_begin_at_round_instants() {
        let axis = Axis::around(NOW, NOW.plus(Span::HOUR), 80);
        assert_eq!((axis.scale, axis.from.past(Span::MINUTE)), (Span::MINUTE, Span::ZERO));
        assert_eq!(axis.column(axis.instant(5)), Some(5));
        assert_eq!(axis.column(axis.instant(5).plus(-Span::MICRO)), Some(4));
        assert_eq!(axis.column(axis.end()), None);
    }
}
