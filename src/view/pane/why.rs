//! The Why pane: verdict, sentence, has, needs and ask for, then the notes.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::why::VIEW;
use crate::app::targets::Explained;
use crate::observe::{Cause, Certainty, Observed, Why};
use crate::text;
use crate::view::canvas::{Canvas, wrap};
use crate::view::theme::Role;

/// The columns of a label.
const LABEL: usize = 9;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(VIEW));
    let Some(why) = canvas.app.explanation() else {
        let hint = match canvas.app.target() {
            Some(_) => "No answer yet. Press Enter in Targets to connect; the explanation of each answer appears here.",
            None => {
                "Calls go to our own gate; Call explains its answers. Select a server in Targets or add one by its URL; \
                 the explanation of its last answer appears here."
            }
        };
        let lines = canvas.wrapped(hint, area.width, Role::Hint);
        canvas.lines(area, lines);
        return;
    };
    let lines = lines(canvas, why, area.width);
    let scroll = canvas.app.why.scroll;
    let end = canvas.scrolled(area, lines.len(), scroll, |_, n| lines[n].clone());
    canvas.drawn.ends.set(VIEW, end);
}

/// Returns the role of what a server did.
pub fn role_of(observed: Observed) -> Role {
    match observed {
        Observed::Failed | Observed::BadArguments | Observed::Throttled | Observed::TooLarge => Role::Warning,
        Observed::Unclear | Observed::NoTool => Role::Unauthenticated,
        Observed::NotMcp | Observed::Silent | Observed::ServerFailed => Role::Denied,
        observed => observed.verdict().map_or(Role::Denied, Role::of_verdict),
    }
}

fn lines(canvas: &Canvas, why: &Why, columns: u16) -> Vec<Line<'static>> {
    let observed = why.observation.observed();
    let about = canvas.app.target().map(|target| &target.explained);
    let chip = canvas.span(format!(" {} ", observed.word()), role_of(observed).chip());
    let codes = canvas.span(format!(" {}", why.observation.codes()), Role::Title);
    let is_connection = about == Some(&Explained::Connection);
    let mut lines = vec![Line::from(vec![chip, codes])];
    let label = match why.certainty {
        Certainty::Stated => "",
        Certainty::Inferred => "most likely: ",
        Certainty::CannotTell => "cannot tell: ",
    };
    let sentence = &why.sentence;
    lines.extend(canvas.wrapped(&format!("{label}{sentence}"), columns, Role::Plain));
    let facts =
        [("has", &why.has, Role::Plain), ("needs", &why.needs, Role::Denied), ("ask for", &why.ask_for, Role::Title)];
    let room = columns.saturating_sub(u16::try_from(LABEL).unwrap_or(0)).max(10);
    for (name, words, role) in facts.into_iter().filter_map(|(name, words, role)| Some((name, words.as_ref()?, role))) {
        for (n, line) in wrap(words, room).into_iter().enumerate() {
            let name = canvas.span(format!("{:<LABEL$}", if n == 0 { name } else { "" }), Role::Label);
            lines.push(Line::from(vec![name, canvas.span(line, role)]));
        }
    }
    if why.cause == Cause::NoToken && !canvas.app.auth.tokens.is_empty() && !canvas.app.sends_no_token() {
        lines.extend(canvas.wrapped("Ctrl-↓ selects a token", columns, Role::Key));
    }
    for finding in &why.findings {
        lines.extend(canvas.wrapped(&format!("! {finding}"), columns, Role::Warning));
    }
    for note in &why.notes {
        // There was no call yet.
        let note = if is_connection { note.replace("answered the call", "answered") } else { note.clone() };
        lines.extend(canvas.wrapped(&text::display_safe(&note, 2000), columns, Role::Hint));
    }
    lines
}
