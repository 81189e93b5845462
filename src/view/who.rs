//! Who may call a tool and through which permission, what a token may call, and what everyone was answered.

use std::cell::Cell;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::{Canvas, below, top};
use super::theme::{Meaning, Theme};
use super::widget::{choice, sentence_holds};
use crate::app::matrix::WhoView;
use crate::app::{App, Field, Target};
use crate::auth::{Call, Decision};
use crate::text;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(Field::WhoView));
    let (app, theme) = (canvas.app, *canvas.theme);
    let focused = app.focus.field == Some(Field::WhoView) && app.overlays.is_empty();
    let view = choice(canvas, app.matrix.view.word(), focused);
    canvas.line(top(area, 1), Line::from(view));
    let area = below(area, 1);
    let scroll = app.matrix.scroll;
    // When the first of the rows that show reads otherwise.
    let moves = Moves::default();
    canvas.drawn.who_end = match app.matrix.view {
        WhoView::Who => {
            let heads = about_tool(theme, app);
            let total = heads.len() + 1 + app.auth.tokens.len();
            canvas.scrolled(area, total, scroll, |n| match heads.get(n) {
                Some(line) => line.clone(),
                None => caller(theme, app, n - heads.len(), &moves),
            })
        }
        WhoView::What => {
            let tools = app.auth.rules.policy.tools();
            canvas.scrolled(area, tools.len(), scroll, |n| tool(theme, app, &tools[n].name, &moves))
        }
        WhoView::Answers => answers(canvas, area, scroll),
    };
    if let Some(micros) = moves.0.get() {
        canvas.drawn.changes_in(micros);
    }
}

/// The soonest of several moments, in microseconds from now.
#[derive(Default)]
struct Moves(Cell<Option<i64>>);

impl Moves {
    fn note(&self, micros: impl IntoIterator<Item = i64>) {
        self.0.set(self.0.get().into_iter().chain(micros).min());
    }
}

/// What the tool under the cursor asks for, and which permissions open it through others.
fn about_tool(theme: Theme, app: &App) -> Vec<Line<'static>> {
    let policy = &app.auth.rules.policy;
    let name = text::name(&app.call.tool, 32);
    let Some(rule) = policy.tool(&app.call.tool) else {
        return vec![span(theme, format!("{name} is not in the policy: forbidden to all"), Meaning::Plain).into()];
    };
    let mut lines = vec![span(theme, format!("{name} needs {}", rule.needs()), Meaning::Plain).into()];
    for permission in policy.permissions() {
        if let Some(through) = policy.grant(&[permission], rule).filter(|grant| grant.through.is_some()) {
            let said = format!("{} opens it too, {through}", text::name(permission, 32));
            lines.push(span(theme, said, Meaning::Hint).into());
        }
    }
    lines
}

/// A caller and what the gate says about the tool under the cursor; row 0 has no token.
fn caller(theme: Theme, app: &App, row: usize, moves: &Moves) -> Line<'static> {
    let (rules, now) = (&app.auth.rules, app.times.judged);
    let entry = row.checked_sub(1).and_then(|place| app.auth.tokens.get(place));
    let decision = match entry {
        Some(entry) => rules.decide_judged(&entry.judged, &app.call.tool, now),
        None => rules.decide(&Call { token: None, tool: &app.call.tool }, now),
    };
    moves.note(
        entry.and_then(|entry| entry.judged.lifetime.next_border(now)).into_iter().chain(sentence_holds(&decision)),
    );
    let name = entry.map_or_else(|| "(no token)".to_owned(), |entry| app.token_name(entry));
    told(theme, &name, &decision)
}

/// What the selected token may do with a tool, or what it would need.
fn tool(theme: Theme, app: &App, tool: &str, moves: &Moves) -> Line<'static> {
    let (rules, now) = (&app.auth.rules, app.times.judged);
    let decision = match app.selected() {
        Some(entry) => rules.decide_judged(&entry.judged, tool, now),
        None => rules.decide(&Call { token: None, tool }, now),
    };
    let border = app.selected().and_then(|entry| entry.judged.lifetime.next_border(now));
    moves.note(border.into_iter().chain(sentence_holds(&decision)));
    told(theme, &text::name(tool, 32), &decision)
}

fn told(theme: Theme, name: &str, decision: &Decision) -> Line<'static> {
    let verdict = decision.verdict();
    let name = text::fit(name, 20);
    let pad = " ".repeat(21_usize.saturating_sub(text::width(&name)));
    Line::from(vec![
        span(theme, format!("{} ", verdict.sign()), Meaning::of_verdict(verdict)),
        span(theme, name, Meaning::Plain),
        span(theme, format!("{pad}{}", decision.sentence()), Meaning::Hint),
    ])
}

fn span(theme: Theme, text: impl Into<String>, meaning: Meaning) -> Span<'static> {
    Span::styled(text.into(), theme.of(meaning))
}

/// A column of answers, to the letter.
fn answers(canvas: &mut Canvas, area: Rect, scroll: usize) -> usize {
    let (app, theme) = (canvas.app, *canvas.theme);
    let Some(everyone) = &app.matrix.everyone else {
        let lines = canvas.wrapped("Ctrl-F calls the tool with every token and with none", area.width, Meaning::Hint);
        canvas.lines(area, lines);
        return 0;
    };
    let called = format!("{} {}", text::name(&everyone.tool, 32), text::display_safe(&everyone.arguments, 200));
    let called = span(theme, called, Meaning::Label);
    canvas.line(top(area, 1), called);
    let names = usize::from(area.width / 4).clamp(8, 24);
    canvas.scrolled(below(area, 1), everyone.answers.len(), scroll, |n| {
        let (name, called) = &everyone.answers[n];
        let verdict = called.decision.verdict();
        Line::from(vec![
            span(theme, format!("{} ", verdict.sign()), Meaning::of_verdict(verdict)),
            span(theme, format!("{} ", text::padded(name, names)), Meaning::Plain),
            span(theme, text::display_safe(&called.record.answer, 400), Meaning::of_verdict(verdict)),
        ])
    })
}
