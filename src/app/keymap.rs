//! The one table of keys: dispatch, footer, help, palette and the README are made from it.

use std::fmt::Write as _;

use super::App;
use super::clock::HeldClock;
use super::focus::{Field, FieldKind, Pane, Screen};
use super::key::Key;
use super::overlay::Overlay;

/// What a key or a command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table says what each does")]
pub enum Action {
    Act,
    Turn(isize),
    Step(isize),
    Row(isize),
    Page(isize),
    Edge(isize),
    Tick,
    Remove,
    Label,
    Revoke,
    Break,
    Token(isize),
    Repeat,
    Copy,
    CopyWhy,
    TryKey,
    Undo,
    Redo,
    Pane(usize),
    Out,
    Help,
    Palette,
    Settings,
    Screen(Screen),
    Everyone,
    Group,
    AddTool,
    AddPermission,
    Describe,
    DropPermission,
    SavePolicy,
    TimeStyle,
    Freeze,
    Hurry,
    RealTime,
    MakeKit,
    Serve,
    Connect,
    Diff,
    Evidence,
    EvidenceLines,
    SaveEvidence,
    FreshKey,
    TypeKey,
    Suspend,
    Quit,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What it does.
    pub action: Action,
    /// The keys that do it, by name; none for a command of the palette only.
    pub keys: &'static [&'static str],
    /// The command in words: an imperative, lower case, without a full stop.
    pub words: &'static str,
    /// Keys that type a character mean it only where no text is being typed.
    pub outside_text: bool,
}

const fn on(action: Action, keys: &'static [&'static str], words: &'static str) -> Binding {
    Binding { action, keys, words, outside_text: false }
}

const fn outside(action: Action, keys: &'static [&'static str], words: &'static str) -> Binding {
    Binding { action, keys, words, outside_text: true }
}

/// Every key and every command.
pub const BINDINGS: &[Binding] = &[
    on(Action::Act, &["Enter"], "do what the pane is for: issue, open, call, save, drill, run, serve"),
    outside(Action::Turn(-1), &["Left"], "turn a choice back; previous pane"),
    outside(Action::Turn(1), &["Right"], "turn a choice on; next pane"),
    on(Action::Row(-1), &["Up"], "row or field above"),
    on(Action::Row(1), &["Down"], "row or field below"),
    on(Action::Page(-1), &["PgUp"], "page up"),
    on(Action::Page(1), &["PgDn"], "page down"),
    outside(Action::Edge(-1), &["Home"], "first row; in Timeline, border before; in Clock, real time"),
    outside(Action::Edge(1), &["End"], "last row; in Timeline, next border; in Clock, 60 times as fast"),
    on(Action::Step(1), &["Tab"], "next field, past the last one the next pane"),
    on(Action::Step(-1), &["Shift-Tab"], "previous field"),
    outside(
        Action::Tick,
        &["Space"],
        "tick a permission; in Tokens, revoke or restore; in Matrix, expect; in Clock, freeze; in Test kit, put into the list",
    ),
    outside(Action::Remove, &["Del"], "remove the token from the list; in Policy, the tool from the policy"),
    on(Action::Label, &["Ctrl-N"], "name the token: give it a label"),
    on(Action::Revoke, &[], "revoke the token, or take that back"),
    on(Action::Break, &["Ctrl-J"], "break a line in the arguments"),
    on(Action::Token(-1), &["Ctrl-Up"], "previous token, from any pane"),
    on(Action::Token(1), &["Ctrl-Down"], "next token, from any pane"),
    on(Action::Repeat, &["Ctrl-O"], "repeat the last call"),
    on(Action::Copy, &["Ctrl-Y"], "copy what the pane is about: token or answer"),
    on(Action::CopyWhy, &["Ctrl-X"], "copy the explanation, for a ticket; it holds no token"),
    on(Action::TryKey, &["Ctrl-T"], "try another key on the token"),
    on(Action::Undo, &["Ctrl-7"], "undo (also Ctrl-/)"),
    on(Action::Redo, &["Ctrl-R"], "redo"),
    outside(Action::Pane(1), &["1", "Alt-1"], "go to Issue, Matrix, Timeline, Server"),
    outside(Action::Pane(2), &["2", "Alt-2"], "go to Tokens, Policy, Clock"),
    outside(Action::Pane(3), &["3", "Alt-3"], "go to Inspect, Who may, Drill, Traffic"),
    outside(Action::Pane(4), &["4", "Alt-4"], "go to Call, Test kit, Connect"),
    outside(Action::Pane(5), &["5", "Alt-5"], "go to Activity"),
    on(Action::Out, &["Esc"], "one step out: overlay, field, panes; never quits"),
    outside(Action::Help, &["F1", "?"], "help on where you are"),
    outside(Action::Palette, &["Ctrl-P", ":"], "every command by words"),
    on(Action::Settings, &["Ctrl-S"], "settings: key, leeway, issuer, audience, policy, times"),
    on(Action::Screen(Screen::Gate), &["F2"], "the Gate screen: issue, inspect, call"),
    on(Action::Screen(Screen::Matrix), &["F3"], "the Matrix screen: who may call what"),
    on(Action::Screen(Screen::Time), &["F4"], "the Time screen: timeline, clock, drill, test kit"),
    on(Action::Screen(Screen::Server), &["F5"], "the Server screen: serve MCP, see who connects"),
    on(Action::Everyone, &["Ctrl-F"], "call as everyone: with every token and with none"),
    on(Action::Group, &["Ctrl-G"], "group the matrix by token, permissions or user, in turn"),
    on(Action::TimeStyle, &["Ctrl-L"], "show times as UTC, local or epoch, in turn"),
    on(Action::Diff, &["Ctrl-D"], "compare the token with another, side by side"),
    on(Action::Evidence, &["Ctrl-B"], "copy the evidence as Markdown: calls, drill, scorecard; it holds no token"),
    on(Action::EvidenceLines, &[], "copy the evidence as JSON Lines"),
    on(Action::SaveEvidence, &[], "save the evidence to a file"),
    on(Action::Freeze, &[], "freeze the clock, or let it run on"),
    on(Action::Hurry, &[], "run the clock 60 times as fast, or as time does"),
    on(Action::RealTime, &[], "set the clock back to the real time"),
    on(Action::MakeKit, &[], "put every test token into the list"),
    on(Action::Serve, &[], "serve MCP: start the server, or stop it"),
    on(Action::Connect, &[], "copy for a client: what it needs to connect with the token"),
    on(Action::TypeKey, &[], "type another signing key"),
    on(Action::AddTool, &[], "add a tool to the policy"),
    on(Action::AddPermission, &[], "add a permission to the policy"),
    on(Action::Describe, &[], "say what the tool does, in the policy"),
    on(Action::DropPermission, &[], "take the permission out of the policy"),
    on(Action::SavePolicy, &[], "save the policy to a file"),
    on(Action::FreshKey, &[], "make a fresh signing key"),
    on(Action::Suspend, &["Ctrl-Z"], "suspend; fg brings the console back"),
    on(Action::Quit, &["Ctrl-C"], "quit; asks once"),
];

impl Binding {
    /// Whether it is a command of its own, to be found in the palette; moving about is not.
    pub const fn is_command(&self) -> bool {
        let moving = matches!(
            self.action,
            Action::Turn(_) | Action::Step(_) | Action::Row(_) | Action::Page(_) | Action::Edge(_) | Action::Out
        );
        let local = matches!(self.action, Action::Act | Action::Tick | Action::Break | Action::Palette);
        !moving && !local
    }

    /// The names of its keys as they are shown.
    pub fn shown_keys(&self) -> Vec<String> {
        self.keys.iter().filter_map(|name| name.parse::<Key>().ok()).map(|key| key.to_string()).collect()
    }
}

/// The row of an action.
pub fn binding(action: Action) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.action == action)
}

/// What a key means here. A key that types a character never means anything while a text is being typed.
pub fn action(key: Key, in_text: bool) -> Option<Action> {
    let means = |binding: &&Binding| {
        let named = binding.keys.iter().any(|name| name.parse() == Ok(key));
        // In a text, keys without a modifier belong to it where it could use them; F-keys never do.
        let texts =
            in_text && binding.outside_text && !key.ctrl && !key.alt && !matches!(key.code, super::key::Code::F(_));
        named && !texts
    };
    BINDINGS.iter().find(means).map(|binding| binding.action)
}

/// The word in the footer for an action, or `None` when it does nothing here and now.
pub fn hint(app: &App, action: Action) -> Option<&'static str> {
    match app.overlays.last() {
        Some(overlay) => overlay_hint(overlay, action),
        None => pane_hint(app, action),
    }
}

fn overlay_hint(overlay: &Overlay, action: Action) -> Option<&'static str> {
    match (overlay, action) {
        (Overlay::Confirm(question), Action::Act) => Some(question.yes()),
        (Overlay::Confirm(_), Action::Out) => Some("no"),
        (_, Action::Out) => Some("close"),
        (Overlay::Palette(_), Action::Act) => Some("do it"),
        (Overlay::Palette(_) | Overlay::Detail { .. }, Action::Row(1)) => Some("rows"),
        (Overlay::Help { .. } | Overlay::Token { .. } | Overlay::Diff { .. }, Action::Row(1)) => Some("scroll"),
        (Overlay::Diff { .. }, Action::Turn(1)) => Some("other token"),
        (Overlay::Token { .. }, Action::Copy) => Some("copy token"),
        (Overlay::Token { .. }, Action::CopyWhy) => Some("copy why"),
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
    let focus = app.focus;
    let field = focus.field;
    let rows = field.is_some_and(|f| f.kind() == FieldKind::Rows);
    match action {
        Action::Act => match focus.pane {
            Pane::Issue => Some("issue"),
            Pane::Tokens => Some("inspect"),
            Pane::Inspect => app.selected().map(|_| "whole token"),
            Pane::Call | Pane::Matrix => Some("call"),
            Pane::Policy => Some("save"),
            Pane::Who => None,
            Pane::Timeline => app.timeline.cursor.map(|_| "set the clock here"),
            Pane::Clock => match field {
                Some(Field::Jump) => Some("jump"),
                Some(Field::GoTo) => Some("set"),
                Some(Field::Dial) => Some("real time"),
                _ => None,
            },
            Pane::Drill => Some(if app.drill.running.is_some() { "cancel" } else { "drill" }),
            Pane::Kit => Some("run all"),
            Pane::Server => Some(app.server.act()),
            Pane::Traffic => app.client().map(|_| "select its token"),
            Pane::Connect => Some("copy"),
            Pane::Activity => app.activity_row().map(|_| "open"),
        },
        Action::Turn(1) => match field {
            None => Some("choose pane"),
            Some(Field::Permissions) => Some("move"),
            Some(Field::Preset) => Some("change preset"),
            Some(Field::CallToken) => (!app.auth.tokens.is_empty()).then_some("change token"),
            Some(Field::CallTool) => Some("change tool"),
            Some(Field::InspectView | Field::WhoView) => Some("change view"),
            Some(Field::Cells) => Some("tool"),
            Some(Field::Rules) => Some("permission"),
            Some(Field::Bars) => Some("cursor"),
            Some(Field::Scale) => Some("zoom"),
            Some(Field::Dial) => Some("1 s"),
            Some(field) if field.kind() == FieldKind::Choice => Some("change"),
            Some(_) => None,
        },
        Action::Row(1) if rows => Some("rows"),
        Action::Row(1) if field == Some(Field::Cells) => Some("caller"),
        Action::Row(1) if field == Some(Field::Rules) => Some("tool"),
        Action::Row(1) if field == Some(Field::Bars) => Some("token"),
        Action::Row(1) if field == Some(Field::Dial) => Some("1 min"),
        Action::Page(1) if field == Some(Field::Dial) => Some("1 h"),
        Action::Edge(1) if field == Some(Field::Bars) => app.selected().map(|_| "borders"),
        Action::Edge(1) if field == Some(Field::Dial) => Some("real, ×60"),
        Action::Tick if field == Some(Field::Bars) => Some(if app.is_fitted() { "zoom in" } else { "fit" }),
        Action::Tick if field == Some(Field::Dial) => {
            Some(if matches!(app.clock, HeldClock::Frozen(_)) { "run on" } else { "freeze" })
        }
        Action::Tick if field == Some(Field::TokenRows) => {
            app.is_revoked().map(|is| if is { "restore" } else { "revoke" })
        }
        Action::Tick if field == Some(Field::KitRows) => Some("put into the list"),
        Action::Row(1) if matches!(focus.pane, Pane::Inspect | Pane::Who) => Some("scroll"),
        Action::Row(1) => None,
        Action::Tick if matches!(field, Some(Field::Permissions | Field::Rules)) => Some("tick"),
        Action::Tick if field == Some(Field::Cells) => Some("expect"),
        Action::Everyone if matches!(focus.pane, Pane::Call | Pane::Matrix) => Some("call all"),
        Action::Group if focus.pane == Pane::Matrix => Some("group"),
        Action::Screen(screen) if screen != app.screen => Some(screen.title()),
        Action::Remove if field == Some(Field::Rules) => app.column().map(|_| "remove"),
        Action::Remove if field == Some(Field::TokenRows) => app.selected().map(|_| "remove"),
        Action::Label if focus.pane == Pane::Tokens => app.selected().map(|_| "name"),
        Action::Break if field == Some(Field::CallArguments) => Some("new line"),
        Action::Token(1) => (!app.auth.tokens.is_empty()).then_some("token"),
        Action::Repeat => app.last_call.as_ref().map(|_| "repeat call"),
        Action::Copy => app.copy_what(),
        Action::CopyWhy if matches!(focus.pane, Pane::Call | Pane::Matrix) => Some("copy preview's why"),
        Action::CopyWhy => app.explains().then_some("copy why"),
        Action::TryKey => app.can_try_key().then_some("try another key"),
        Action::Diff if matches!(focus.pane, Pane::Tokens | Pane::Inspect | Pane::Timeline) => {
            app.selected().filter(|_| app.auth.tokens.len() > 1).map(|_| "compare")
        }
        Action::Evidence if app.screen == Screen::Time || focus.pane == Pane::Activity => Some("copy evidence"),
        Action::Undo => app.history.can_undo().then_some("undo"),
        Action::Redo => app.history.can_redo().then_some("redo"),
        Action::Step(1) if focus.pane.fields().len() == 1 => Some("next pane"),
        Action::Step(1) => Some("next field"),
        Action::Out => field.map(|_| "panes"),
        Action::Pane(1) if !app.in_text() => Some("pane"),
        Action::Help => Some("help"),
        Action::Palette => Some("commands"),
        Action::Settings => Some("settings"),
        Action::Quit => Some("quit"),
        _ => None,
    }
}

/// The actions of the footer, the most useful first.
const FOOTER: [Action; 30] = [
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
    Action::Screen(Screen::Gate),
    Action::Screen(Screen::Matrix),
    Action::Screen(Screen::Time),
    Action::Screen(Screen::Server),
    Action::Token(1),
    Action::Step(1),
    Action::Break,
    Action::Out,
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

/// The footer: keys and what they do now, the most useful first.
pub fn footer(app: &App) -> Vec<(Action, String, &'static str)> {
    told(|action| hint(app, action))
}

/// The keys of the pane below whatever lies over it, and what they do there now.
pub fn here(app: &App) -> Vec<(Action, String, &'static str)> {
    told(|action| pane_hint(app, action))
}

fn told(hint: impl Fn(Action) -> Option<&'static str>) -> Vec<(Action, String, &'static str)> {
    let keys = |action| match action {
        Action::Turn(_) => Some("←→".to_owned()),
        Action::Row(_) => Some("↑↓".to_owned()),
        Action::Token(_) => Some("Ctrl-↑↓".to_owned()),
        Action::Pane(_) => Some("1-5".to_owned()),
        Action::Page(_) => Some("PgUp PgDn".to_owned()),
        Action::Edge(_) => Some("Home End".to_owned()),
        _ => binding(action)?.shown_keys().into_iter().next(),
    };
    FOOTER.iter().filter_map(|action| Some((*action, keys(*action)?, hint(*action)?))).collect()
}

/// The table as Markdown, for the README.
pub fn markdown() -> String {
    let mut out = String::from("| key | does |\n|---|---|\n");
    for binding in BINDINGS {
        let keys: Vec<String> = binding.shown_keys().iter().map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { "in the palette".to_owned() } else { keys.join(" ") };
        let _ = writeln!(out, "| {keys} | {} |", binding.words);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::key::Code;

    #[test]
    fn every_key_is_readable_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for binding in BINDINGS {
            for name in binding.keys {
                let key: Key = name.parse().unwrap_or_else(|e| panic!("{e}"));
                assert!(seen.insert(key), "{name} stands twice");
            }
        }
    }

    #[test]
    fn no_letter_is_ever_bound_and_text_keeps_its_characters() {
        for c in ' '..='~' {
            let key = Key::plain(Code::Char(c));
            assert!(!c.is_ascii_alphabetic() || action(key, false).is_none(), "{c} is bound");
            assert_eq!(action(key, true), None, "{c} is taken from a text");
        }
    }
}
