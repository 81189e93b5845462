//! The words in the footer: what each key does in the current state. A pane's file defines its words beside the
//! functions that the keys run.

use super::App;
use super::action::Action;
use super::focus::Focus;
use super::keymap::{binding, keys_of};
use super::overlay::Overlay;
use super::screen::Screen;

/// Returns the footer's word for an action, or `None` if the action has no effect in the current state.
pub fn hint(app: &App, action: Action) -> Option<&'static str> {
    match app.overlays.last() {
        Some(overlay) => overlay_hint(overlay, action),
        None => pane_hint(app, action),
    }
}

fn overlay_hint(overlay: &Overlay, action: Action) -> Option<&'static str> {
    match (overlay, action) {
        (Overlay::Confirm(question), action) if action == question.agrees() => Some(question.yes()),
        (Overlay::Confirm(_), Action::Out) => Some("no"),
        (_, Action::Out) => Some("close"),
        (Overlay::Palette(_), Action::Act) => Some("do it"),
        (Overlay::Palette(_) | Overlay::Detail { .. }, Action::Row(1)) => Some("rows"),
        (
            Overlay::Help { .. }
            | Overlay::Token { .. }
            | Overlay::Diff { .. }
            | Overlay::Material { .. }
            | Overlay::Answer(_),
            Action::Row(1),
        ) => Some("scroll"),
        (Overlay::Diff { .. }, Action::Turn(1)) => Some("other token"),
        (Overlay::Token { is_whole: false, .. }, Action::Act) => Some("show all of the token"),
        (Overlay::Token { .. }, Action::Copy) => Some("copy token"),
        (Overlay::Token { .. }, Action::CopyWhy) => Some("copy why"),
        (Overlay::Answer(_), Action::Find) => Some("find"),
        (Overlay::Answer(_), Action::Copy) => Some("copy answer"),
        (Overlay::Material { offer, .. }, Action::Act) => offer.act(),
        (Overlay::Issuer(form), Action::Act) => Some(form.act()),
        (Overlay::Issuer(form), Action::Turn(1)) if form.on_choice() => Some("turn"),
        (Overlay::Issuer(_), Action::Step(1)) => Some("next field"),
        (Overlay::Detail { .. }, Action::Act) => Some("load into Call"),
        (Overlay::Detail { .. }, Action::Copy) => Some("copy answer"),
        (Overlay::Detail { .. }, Action::CopyWhy) => Some("copy why"),
        (Overlay::KeyPrompt(prompt), Action::Act) => Some(prompt.purpose.act()),
        (Overlay::Line(form), Action::Act) => Some(form.asks.act()),
        (Overlay::Settings(_), Action::Act) => Some("apply"),
        (Overlay::Settings(form), Action::Turn(1)) if form.on_choice() => Some("turn"),
        (Overlay::Settings(_), Action::Step(1)) => Some("next field"),
        _ => None,
    }
}

fn pane_hint(app: &App, action: Action) -> Option<&'static str> {
    let place = app.focus.pane.place();
    let control = app.focus.control();
    if let Some((_, hint)) = place.offers.iter().find(|(offered, _)| *offered == action) {
        return hint(app);
    }
    let hint = match action {
        Action::Act if app.focus.field.is_none() => {
            let edits = Focus::landing(app.focus.pane).field.is_none();
            return Some(if edits { "edit" } else { "use this pane" });
        }
        Action::Act => app.focus.act()?.hint,
        Action::Tick => control?.tick?.hint,
        Action::Turn(1) => match control {
            Some(control) => control.turn?.hint,
            None => return Some("choose pane"),
        },
        Action::Row(1) => control?.row?.hint,
        Action::Page(1) => place.page?.hint,
        Action::Edge(1) => control?.edge?.hint,
        Action::Remove if control.is_some() => control.and_then(|control| control.remove).or(place.remove)?.hint,
        Action::Copy => place.copy.hint,
        Action::CopyWhy => place.why.hint,
        _ => return shared_hint(app, action),
    };
    hint(app)
}

/// Returns the word for an action that is the same in every pane.
fn shared_hint(app: &App, action: Action) -> Option<&'static str> {
    match action {
        Action::Screen(screen) if screen != app.screen => Some(screen.title()),
        Action::Break if app.text(app.focus.field?)?.has_lines() => Some("new line"),
        Action::Token(1) if !app.auth.tokens.is_empty() => Some("token"),
        Action::Answer => app.shown_call()?.called.as_ref().map(|_| "answer in full"),
        Action::Repeat => app.shown_call().map(|_| "repeat call"),
        Action::TryKey if app.can_try_key() => Some("try another key"),
        Action::Probe if app.target().is_some() => Some("gate probe"),
        Action::ConnectTarget if app.target().is_some() => Some("connect"),
        Action::AddTarget if app.screen == Screen::Targets => Some("add a server"),
        Action::Cancel if app.cancel().is_some() || app.drill.running.is_some() => Some("cancel"),
        Action::Undo if app.history.can_undo() => Some("undo"),
        Action::Redo if app.history.can_redo() => Some("redo"),
        Action::Step(1) if app.focus.pane.fields().len() == 1 => Some("next pane"),
        Action::Step(1) => Some("next field"),
        Action::Out if app.cancel().is_some() || app.cancels_drill() => Some("cancel"),
        Action::Out if app.is_filtered() => Some("every claim"),
        Action::Out if app.call.edit.is_open => Some("fields"),
        Action::Out => app.focus.field.map(|_| "panes"),
        Action::Pane(1) if !app.in_text() => Some("pane"),
        Action::Help => Some("help"),
        Action::Find if app.can_find() => Some("find"),
        Action::Palette => Some("commands"),
        Action::Settings => Some("settings"),
        Action::Quit => Some("quit"),
        _ => None,
    }
}

/// The actions of the footer, most useful first.
const FOOTER: [Action; 33] = [
    Action::Act,
    Action::Turn(1),
    Action::Row(1),
    Action::Page(1),
    Action::Tick,
    Action::Edge(1),
    Action::Remove,
    Action::Label,
    Action::TryKey,
    Action::Everyone,
    Action::Group,
    Action::Palette,
    Action::Out,
    Action::Find,
    Action::Screen(Screen::Gate),
    Action::Screen(Screen::Matrix),
    Action::Screen(Screen::Time),
    Action::Screen(Screen::Server),
    Action::Token(1),
    Action::Screen(Screen::Issuers),
    Action::Screen(Screen::Targets),
    Action::Step(1),
    Action::Break,
    Action::Copy,
    Action::CopyWhy,
    Action::Diff,
    Action::Evidence,
    Action::Undo,
    Action::Redo,
    Action::Repeat,
    Action::Pane(1),
    Action::Settings,
    Action::Quit,
];

/// Returns the footer: each action with its key and its word, most useful first.
pub fn footer(app: &App) -> Vec<(Action, String, &'static str)> {
    if app.chord.is_some() {
        return Screen::ALL.map(|to| (Action::Screen(to), to.letter().to_string(), to.title())).into();
    }
    row(app, |action| hint(app, action))
}

/// Returns the same for the focused pane, as if no overlay covered it.
pub fn here(app: &App) -> Vec<(Action, String, &'static str)> {
    row(app, |action| pane_hint(app, action))
}

/// The name of the first key of an action, as `[keys]` has it.
pub fn key_name(app: &App, action: Action) -> Option<String> {
    keys_of(binding(action)?, &app.keys).into_iter().next()
}

fn row(app: &App, hint: impl Fn(Action) -> Option<&'static str>) -> Vec<(Action, String, &'static str)> {
    let is_question = matches!(app.overlays.last(), Some(Overlay::Confirm(_)));
    let keys = |action| match action {
        // Only one of the two agrees to a question.
        Action::Turn(_) if is_question => key_name(app, action),
        Action::Turn(_) => Some("←→".to_owned()),
        Action::Row(_) => Some("↑↓".to_owned()),
        Action::Token(_) => Some("Ctrl-↑↓".to_owned()),
        Action::Pane(_) => Some("1-5".to_owned()),
        Action::Page(_) => Some("PgUp PgDn".to_owned()),
        Action::Edge(_) => Some("Home End".to_owned()),
        _ => key_name(app, action),
    };
    FOOTER.iter().filter_map(|action| Some((*action, keys(*action)?, hint(*action)?))).collect()
}
