//! The Who may pane: who may call a tool and by which permission, what a token may call, and how everyone was answered.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::pane::who::{VIEW, WhoView};
use crate::app::{App, Target};
use crate::auth::policy::ToolRule;
use crate::auth::{Decision, Verdict};
use crate::gate::TokenEntry;
use crate::gate::ports::ToolError;
use crate::text;
use crate::view::canvas::{Canvas, below, top};
use crate::view::record::held;
use crate::view::theme::{Role, Theme};
use crate::view::widget::{choice, sentence_holds, state};

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(VIEW));
    let (app, theme) = (canvas.app, canvas.theme);
    let view = choice(canvas, app.who.view.word(), canvas.focused(VIEW));
    canvas.line(top(area, 1), Line::from(view));
    let area = below(area, 1);
    let scroll = app.who.scroll;
    let names = usize::from(area.width / 4).clamp(8, 24);
    let end = match app.who.view {
        WhoView::Who => {
            let heads = about_tool(theme, app);
            let total = heads.len() + 1 + app.auth.tokens.len();
            canvas.scrolled(area, total, scroll, |canvas, n| match heads.get(n) {
                Some(line) => line.clone(),
                None => caller(canvas, n - heads.len()).line(theme, names),
            })
        }
        WhoView::What => {
            let tools = app.auth.rules.policy.tools();
            canvas.scrolled(area, tools.len(), scroll, |canvas, n| tool(canvas, &tools[n]).line(theme, names))
        }
        WhoView::Answers => answers(canvas, area, scroll, names),
    };
    canvas.drawn.ends.set(VIEW, end);
}

/// Returns what the tool under the cursor needs, and which permissions are enough because they imply another one.
fn about_tool(theme: Theme, app: &App) -> Vec<Line<'static>> {
    let policy = &app.auth.rules.policy;
    let name = text::name(&app.call.tool, 32);
    let gate =
        app.target_name().map(|_| span(theme, "by the policy of our own gate, not by the server", Role::Warning));
    let mut lines: Vec<Line<'static>> = gate.map(Line::from).into_iter().collect();
    let Some(rule) = policy.tool(&app.call.tool) else {
        let said = match app.target_name() {
            Some(_) => format!("{name} is not in the policy here: our own gate would forbid every call"),
            None => format!("{name} is not in the policy: every call is forbidden"),
        };
        lines.push(span(theme, said, Role::Plain).into());
        return lines;
    };
    lines.extend([span(theme, format!("{name} needs {}", rule.needs()), Role::Plain).into()]);
    if app.lacks_tool(&app.call.tool) && app.target().is_none() {
        lines.push(span(theme, format!("! {}", ToolError::missing(&app.call.tool)), Role::Warning).into());
    }
    for permission in policy.permissions() {
        if !rule.permissions.contains(permission)
            && let Some(through) = policy.grant(&[permission], rule)
        {
            let said = format!(
                "{} is enough too: it implies {}",
                text::name(permission, 32),
                text::name(&through.permission, 32)
            );
            lines.push(span(theme, said, Role::Hint).into());
        }
    }
    lines
}

/// A row: a caller or a tool, the verdict, and the reason in a few words.
struct Row {
    name: String,
    verdict: Verdict,
    /// Whether the backend does not have the tool.
    lacks: bool,
    why: String,
}

impl Row {
    fn line(&self, theme: Theme, names: usize) -> Line<'static> {
        Line::from(vec![
            span(theme, format!("{} ", self.verdict.sign()), Role::of_call(self.verdict, self.lacks)),
            span(theme, format!("{} ", text::padded(&self.name, names)), Role::Plain),
            span(theme, self.why.clone(), Role::Hint),
        ])
    }
}

/// Returns the row of a caller for the tool under the cursor. Row 0 is the caller without a token.
fn caller(canvas: &mut Canvas, row: usize) -> Row {
    let app = canvas.app;
    let entry = row.checked_sub(1).and_then(|place| app.auth.tokens.get(place));
    let decision = decide(canvas, entry, &app.call.tool);
    let why = match (entry, decision.verdict()) {
        (Some(entry), Verdict::Forbidden) if entry.judged.permissions.is_empty() => "holds no permission".to_owned(),
        (Some(entry), Verdict::Forbidden) => {
            format!("holds {}", text::names(entry.judged.permissions.iter(), 32, 8, ", "))
        }
        (Some(entry), Verdict::Unauthorized) => state(canvas, &entry.judged).0,
        (None, Verdict::Unauthorized) => "no token".to_owned(),
        _ => decision.sentence(),
    };
    let name = entry.map_or_else(|| text::NO_TOKEN.to_owned(), |entry| app.token_name(entry));
    let lacks = canvas.app.lacks_tool(&canvas.app.call.tool);
    Row { name, verdict: decision.verdict(), lacks, why }
}

/// Returns the row of a tool for the selected token.
fn tool(canvas: &mut Canvas, tool: &ToolRule) -> Row {
    let decision = decide(canvas, canvas.app.selected(), &tool.name);
    let why = match decision.verdict() {
        Verdict::Forbidden => format!("needs {}", tool.needs()),
        _ => decision.sentence(),
    };
    let lacks = canvas.app.lacks_tool(&tool.name);
    Row { name: text::name(&tool.name, 32), verdict: decision.verdict(), lacks, why }
}

fn decide(canvas: &mut Canvas, entry: Option<&TokenEntry>, tool: &str) -> Decision {
    let (rules, now) = (&canvas.app.auth.rules, canvas.app.times.judged);
    let decision = rules.decide_judged(entry.map(|entry| &*entry.judged), tool, now);
    let border = entry.and_then(|entry| entry.judged.lifetime.next_border(now));
    border.into_iter().chain(sentence_holds(&decision)).for_each(|span| canvas.drawn.changes_in(span));
    decision
}

fn span(theme: Theme, text: impl Into<String>, role: Role) -> Span<'static> {
    Span::styled(text.into(), theme.of(role))
}

/// Draws the answers to the last call as everyone; returns how far they can be scrolled.
fn answers(canvas: &mut Canvas, area: Rect, scroll: usize, names: usize) -> usize {
    let (app, theme) = (canvas.app, canvas.theme);
    let Some(everyone) = &app.who.everyone else {
        let lines = canvas.wrapped("Ctrl-F calls the tool with every token and with none", area.width, Role::Hint);
        canvas.lines(area, lines);
        return 0;
    };
    let called = format!("{} {}", text::name(&everyone.tool, 32), text::display_safe(&everyone.arguments, 200));
    let called = span(theme, called, Role::Label);
    canvas.line(top(area, 1), called);
    canvas.scrolled(below(area, 1), everyone.answers.len(), scroll, |_, n| {
        let (name, called) = &everyone.answers[n];
        let verdict = called.decision.verdict();
        let role = Role::of_call(verdict, called.outcome.trouble().is_some());
        Line::from(vec![
            span(theme, format!("{} ", verdict.sign()), role),
            span(theme, format!("{} ", text::padded(name, names)), Role::Plain),
            span(theme, held(&called.record), Role::Warning),
            span(theme, text::display_safe(&called.record.answer, 400), role),
        ])
    })
}
