//! The single table of keys: dispatch, footer, help, palette and the table in the docs are generated from it.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::action::Action;
use super::key::{Code, Key, UnknownKey};
use super::screen::Screen;
use crate::auth::Algorithm;
use crate::look::ThemeChoice;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The action that it triggers.
    pub action: Action,
    /// The keys that trigger it; empty if only the palette offers it.
    pub keys: &'static [Key],
    /// The command in words: an imperative, lower case, without a full stop.
    pub words: &'static str,
    /// Whether keys without Ctrl or Alt trigger it only while no text is being edited. F keys always do.
    pub outside_text: bool,
}

const fn plain(code: Code) -> Key {
    Key::plain(code)
}

const fn typed(c: char) -> Key {
    Key::plain(Code::Char(c))
}

const fn ctrl(c: char) -> Key {
    Key::ctrl(Code::Char(c))
}

const fn alt(c: char) -> Key {
    Key::alt(Code::Char(c))
}

const fn on(action: Action, keys: &'static [Key], words: &'static str) -> Binding {
    Binding { action, keys, words, outside_text: false }
}

const fn outside(action: Action, keys: &'static [Key], words: &'static str) -> Binding {
    Binding { action, keys, words, outside_text: true }
}

/// Every key and every command.
pub const BINDINGS: &[Binding] = &[
    on(Action::Act, &[plain(Code::Enter)], "the pane's main action: issue, open, call, save, drill, run, serve"),
    outside(Action::Turn(-1), &[plain(Code::Left)], "turn a choice back; previous pane"),
    outside(Action::Turn(1), &[plain(Code::Right)], "turn a choice on; next pane"),
    on(Action::Row(-1), &[plain(Code::Up)], "row or field above"),
    on(Action::Row(1), &[plain(Code::Down)], "row or field below"),
    on(Action::Page(-1), &[plain(Code::PgUp)], "page up"),
    on(Action::Page(1), &[plain(Code::PgDn)], "page down; in Call, the last answer in full"),
    outside(Action::Edge(-1), &[plain(Code::Home)], "first row; in Timeline, previous boundary; in Clock, real time"),
    outside(Action::Edge(1), &[plain(Code::End)], "last row; in Timeline, next boundary; in Clock, 60 times as fast"),
    on(Action::Step(1), &[plain(Code::Tab)], "next field, past the last one the next pane"),
    on(Action::Step(-1), &[Key::shift(Code::Tab)], "previous field"),
    outside(
        Action::Tick,
        &[typed(' ')],
        "tick a permission; in Tokens, revoke or restore; in Matrix, expect; in Clock, freeze; in Test kit, add to the list; in Issuers, refresh the keys; in Targets, reconnect",
    ),
    outside(
        Action::Remove,
        &[plain(Code::Del)],
        "remove the token from the list; in Call, the argument; in Policy, the tool from the policy; in Issuers, the issuer; in Targets, the server",
    ),
    on(Action::Label, &[ctrl('n')], "name the token: give it a label; in Targets, name the server"),
    on(Action::Revoke, &[], "revoke the token, or restore it"),
    on(Action::Break, &[ctrl('j')], "break a line in the arguments"),
    on(Action::Token(-1), &[Key::ctrl(Code::Up), typed('[')], "previous token, from any pane"),
    on(Action::Token(1), &[Key::ctrl(Code::Down), typed(']')], "next token, from any pane"),
    on(Action::Repeat, &[ctrl('o')], "repeat the last call"),
    on(Action::Answer, &[], "show the last answer in full"),
    on(Action::Copy, &[ctrl('y')], "copy the pane's subject: token or answer"),
    on(Action::CopyWhy, &[ctrl('x')], "copy the explanation, for a ticket; without the token"),
    on(Action::TryKey, &[ctrl('t')], "try another key on the token"),
    on(Action::Undo, &[ctrl('7')], "undo (also Ctrl-/)"),
    on(Action::Redo, &[ctrl('r')], "redo"),
    outside(Action::Pane(1), &[typed('1'), alt('1')], "go to Issue, Matrix, Timeline, Server, Issuers, Targets"),
    outside(Action::Pane(2), &[typed('2'), alt('2')], "go to Tokens, Policy, Clock"),
    outside(Action::Pane(3), &[typed('3'), alt('3')], "go to Inspect, Who may, Drill, Traffic, Why"),
    outside(Action::Pane(4), &[typed('4'), alt('4')], "go to Call, Test kit, Connect, Keys"),
    outside(Action::Pane(5), &[typed('5'), alt('5')], "go to Activity"),
    on(Action::Go, &[typed('g')], "then g, m, t, s, i or u: the Gate, Matrix, Time, Server, Issuers or Targets screen"),
    on(Action::Jump('i'), &[typed('i')], "go to Issue"),
    on(Action::Jump('t'), &[typed('t')], "go to Tokens"),
    on(Action::Jump('s'), &[typed('s')], "go to Inspect"),
    on(Action::Jump('c'), &[typed('c')], "go to Call"),
    on(Action::Jump('a'), &[typed('a')], "go to Activity"),
    on(Action::Jump('m'), &[typed('m')], "go to Matrix"),
    on(Action::Jump('p'), &[typed('p')], "go to Policy"),
    on(Action::Jump('w'), &[typed('w')], "go to Who may"),
    on(Action::Jump('e'), &[typed('e')], "go to Timeline"),
    on(Action::Jump('o'), &[typed('o')], "go to Clock"),
    on(Action::Jump('d'), &[typed('d')], "go to Drill"),
    on(Action::Jump('x'), &[typed('x')], "go to Test kit"),
    on(Action::Jump('v'), &[typed('v')], "go to Server"),
    on(Action::Jump('f'), &[typed('f')], "go to Traffic"),
    on(Action::Jump('n'), &[typed('n')], "go to Connect"),
    on(Action::Jump('r'), &[typed('r')], "go to Issuers"),
    on(Action::Jump('y'), &[typed('y')], "go to Keys"),
    on(Action::Jump('u'), &[typed('u')], "go to Targets"),
    on(Action::Jump('b'), &[typed('b')], "go to Why"),
    on(Action::Line(-1), &[typed('k')], "row or field above"),
    on(Action::Line(1), &[typed('j')], "row or field below"),
    on(Action::Side(-1), &[typed('h')], "column before, in tables; previous pane"),
    on(Action::Side(1), &[typed('l')], "next column, in tables; next pane"),
    on(Action::Find, &[typed('/')], "find in the claims, the list or the answer"),
    on(Action::Out, &[plain(Code::Esc)], "go back one level: overlay, field, pane; never quits"),
    outside(Action::Help, &[plain(Code::F(1)), typed('?')], "help on where you are"),
    outside(Action::Palette, &[ctrl('p'), typed(':')], "search every command"),
    on(Action::Settings, &[ctrl('s')], "settings: key, leeway, issuer, audience, policy, times, theme, server"),
    on(Action::Screen(Screen::Gate), &[plain(Code::F(2))], "the Gate screen: issue, inspect, call"),
    on(Action::Screen(Screen::Matrix), &[plain(Code::F(3))], "the Matrix screen: who may call what"),
    on(Action::Screen(Screen::Time), &[plain(Code::F(4))], "the Time screen: timeline, clock, drill, test kit"),
    on(Action::Screen(Screen::Server), &[plain(Code::F(5))], "the Server screen: serve MCP, see who connects"),
    on(
        Action::Screen(Screen::Issuers),
        &[plain(Code::F(6))],
        "the Issuers screen: whose tokens are accepted, with which keys",
    ),
    on(Action::Screen(Screen::Targets), &[plain(Code::F(7))], "the Targets screen: call other MCP servers"),
    on(Action::Everyone, &[ctrl('f')], "call with every token and without one: fill the column"),
    on(Action::Group, &[ctrl('g')], "group the matrix by token, permissions or user, in turn"),
    on(Action::TimeStyle, &[ctrl('l')], "show times as UTC, local or epoch, in turn"),
    on(Action::Trace, &[], "show every check of the preview, or one sign for each"),
    on(Action::Theme(ThemeChoice::Auto), &[], "theme that matches the terminal's background"),
    on(Action::Theme(ThemeChoice::Dark), &[], "dark theme"),
    on(Action::Theme(ThemeChoice::Light), &[], "light theme"),
    on(Action::Theme(ThemeChoice::Contrast), &[], "high-contrast theme"),
    on(Action::Theme(ThemeChoice::Plain), &[], "plain theme, without colours"),
    on(Action::Mouse, &[], "release the mouse, so that the terminal can select text, or capture it again"),
    on(Action::Diff, &[ctrl('d')], "compare the token with another, side by side"),
    on(Action::Evidence, &[ctrl('b')], "copy the evidence as Markdown: calls, drill, scorecard; without the token"),
    on(Action::EvidenceLines, &[], "copy the evidence as JSON Lines"),
    on(Action::SaveEvidence, &[], "save the evidence to a file"),
    on(Action::Freeze, &[], "freeze the clock, or let it run again"),
    on(Action::Hurry, &[], "run the clock 60 times as fast, or at normal speed"),
    on(Action::RealTime, &[], "set the clock back to the real time"),
    on(Action::MakeKit, &[], "add every test token to the list"),
    on(Action::Serve, &[], "serve MCP: start the server, or stop it"),
    on(Action::Connect, &[], "copy what a client needs to connect with the token"),
    on(Action::TypeKey, &[], "type another signing key"),
    on(Action::AddIssuer, &[], "add an issuer by the URL of its keys"),
    on(Action::RefreshKeys, &[], "refresh the keys of the issuer"),
    on(Action::Probe, &[], "gate probe: test how the selected server treats tokens"),
    on(Action::ConnectTarget, &[], "connect the selected server again, with the selected token"),
    on(Action::AddTarget, &[], "add a server by its URL or command"),
    on(Action::Cancel, &[], "cancel the call, connection, probe or drill that is under way"),
    on(Action::AddTool, &[], "add a tool to the policy"),
    on(Action::AddPermission, &[], "add a permission to the policy"),
    on(Action::Describe, &[], "describe the tool, in the policy"),
    on(Action::DropPermission, &[], "remove the permission from the policy"),
    on(Action::SavePolicy, &[], "save the policy to a file"),
    on(Action::WriteObserved, &[], "write a policy from the observed calls"),
    on(Action::Rotate(Algorithm::Hs256), &[], "rotate to a new HS256 signing key; the old ones still verify"),
    on(Action::Rotate(Algorithm::Rs256), &[], "rotate to a new RS256 signing key; the old ones still verify"),
    on(Action::Rotate(Algorithm::Ps256), &[], "rotate to a new PS256 signing key; the old ones still verify"),
    on(Action::Rotate(Algorithm::Es256), &[], "rotate to a new ES256 signing key; the old ones still verify"),
    on(Action::Rotate(Algorithm::Es384), &[], "rotate to a new ES384 signing key; the old ones still verify"),
    on(Action::Rotate(Algorithm::Ed25519), &[], "rotate to a new Ed25519 signing key; the old ones still verify"),
    on(Action::Retire, &[], "retire a previous signing key; its tokens no longer verify"),
    on(Action::FreshKey, &[], "make a fresh signing key; the current one no longer verifies"),
    on(Action::Suspend, &[ctrl('z')], "suspend; fg brings the console back"),
    on(Action::Quit, &[ctrl('c')], "quit (asks first)"),
];

impl Binding {
    /// Whether the palette lists it. Moves and the actions of the focused field are not listed.
    pub const fn is_command(&self) -> bool {
        let moving = matches!(
            self.action,
            Action::Turn(_)
                | Action::Step(_)
                | Action::Row(_)
                | Action::Page(_)
                | Action::Edge(_)
                | Action::Out
                | Action::Side(_)
                | Action::Line(_)
                | Action::Pane(_)
                | Action::Go
        );
        let local = matches!(self.action, Action::Act | Action::Tick | Action::Break | Action::Palette);
        !moving && !local
    }

    /// Whether it may remove something that is hard to restore. The palette lists such commands last.
    pub const fn is_destructive(&self) -> bool {
        matches!(
            self.action,
            Action::Remove
                | Action::Revoke
                | Action::DropPermission
                | Action::FreshKey
                | Action::Retire
                | Action::TypeKey
                | Action::Quit
        )
    }

    /// Returns the names of its keys, as shown.
    pub fn shown_keys(&self) -> Vec<String> {
        self.keys.iter().map(Key::to_string).collect()
    }
}

/// The names of the keys that lead to a binding where `[keys]` gives some another meaning: those of `[keys]` first, then
/// the built-in ones that keep theirs.
pub fn keys_of(binding: &Binding, remapped: &Remapped) -> Vec<String> {
    let leads = |(_, like): &(&Key, &Key)| binding.keys.contains(like);
    let mut own: Vec<String> = remapped.iter().filter(leads).map(|(key, _)| key.to_string()).collect();
    own.sort_unstable();
    own.extend(binding.keys.iter().filter(|key| !remapped.contains_key(key)).map(Key::to_string));
    own
}

/// The row of an action.
pub fn binding(action: Action) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.action == action)
}

/// Returns the action of a key. A key that types a character has none while a text is being edited.
pub fn action(key: Key, in_text: bool) -> Option<Action> {
    // While a text is being edited, keys without a modifier belong to it if it can use them; F keys never do.
    let is_for_text = in_text && !key.ctrl && !key.alt && !matches!(key.code, Code::F(_));
    let types = is_for_text && key.typed().is_some();
    let means = |binding: &&Binding| binding.keys.contains(&key) && !types && !(is_for_text && binding.outside_text);
    BINDINGS.iter().find(means).map(|binding| binding.action)
}

/// Why a key cannot be remapped to act like another one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemapError {
    /// The text is not the name of a key.
    #[error(transparent)]
    Unknown(#[from] UnknownKey),
    /// The other key has no action.
    #[error("{0} does nothing; expected a key of the table in docs/console.md")]
    Unbound(Key),
    /// The first key types a character, and the action of the other one does more than move.
    #[error("{0} types a character, so it cannot take the meaning of {1}, which does more than move")]
    Types(Key, Key),
}

/// Keys that take the meaning of another one.
pub type Remapped = HashMap<Key, Key>;

/// Reads pairs of key names: each first key takes the meaning of the second one.
pub fn remapped(pairs: &[(String, String)]) -> Result<Remapped, RemapError> {
    let mut keys = HashMap::new();
    for (name, like) in pairs {
        let (key, like): (Key, Key) = (name.parse()?, like.parse()?);
        let means = action(like, false).ok_or(RemapError::Unbound(like))?;
        if key.typed().is_some() && !navigates(means) {
            return Err(RemapError::Types(key, like));
        }
        keys.insert(key, like);
    }
    Ok(keys)
}

/// Whether an action only navigates.
const fn navigates(action: Action) -> bool {
    use Action::{Find, Go, Help, Jump, Line, Palette, Pane, Row, Screen, Side, Token};
    matches!(action, Line(_) | Side(_) | Jump(_) | Go | Find | Row(_) | Token(_) | Screen(_) | Pane(_) | Help | Palette)
}

/// Returns the table as Markdown, for the docs.
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

    #[test]
    fn every_key_is_readable_and_bound_once() {
        let mut seen = std::collections::HashSet::new();
        for key in BINDINGS.iter().flat_map(|binding| binding.keys) {
            assert_eq!(key.to_string().parse(), Ok(*key), "{key} cannot be read back");
            assert!(seen.insert(key), "{key} is bound twice");
        }
    }

    #[test]
    fn the_words_of_a_digit_name_the_panes_that_it_leads_to() {
        use crate::app::screen::Screen;
        for (place, digit) in (1..=5).enumerate() {
            let binding = BINDINGS.iter().find(|binding| binding.action == Action::Pane(digit)).expect("it is bound");
            let panes: std::collections::BTreeSet<_> =
                Screen::ALL.iter().map(|screen| screen.panes()[place].title()).collect();
            let words = binding.words.trim_start_matches("go to ");
            assert_eq!(words.split(", ").collect::<std::collections::BTreeSet<_>>(), panes, "{digit}");
        }
    }

    #[test]
    fn letters_only_navigate_and_text_keeps_its_characters() {
        use Action::{Find, Go, Jump, Line, Side};
        for c in ' '..='~' {
            let key = Key::plain(Code::Char(c));
            let means = action(key, false);
            let navigates = matches!(means, None | Some(Line(_) | Side(_) | Jump(_) | Go | Find));
            assert!(!c.is_ascii_alphabetic() || navigates, "{c} means {means:?}");
            assert_eq!(action(key, true), None, "{c} is taken from a text");
        }
    }

    #[test]
    fn a_key_takes_the_meaning_of_another_one_and_a_letter_only_of_one_that_moves() {
        let remap =
            |key: &str, like: &str| remapped(&[(key.to_owned(), like.to_owned())]).map_err(|error| error.to_string());
        assert_eq!(remap("F7", "F2"), Ok(HashMap::from([(plain(Code::F(7)), plain(Code::F(2)))])));
        assert!(remap("z", "F3").is_ok() && remap("Alt-z", "Ctrl-Y").is_ok());
        let refused = "z types a character, so it cannot take the meaning of Ctrl-Y, which does more than move";
        assert_eq!(remap("z", "Ctrl-Y"), Err(refused.to_owned()));
        assert_eq!(
            remap("F7", "F12"),
            Err("F12 does nothing; expected a key of the table in docs/console.md".to_owned())
        );
        assert!(remap("Hyper-Q", "F2").is_err());
    }

    #[test]
    fn every_pane_and_every_screen_has_a_letter_of_its_own() {
        use crate::app::pane::Pane;
        let letters: std::collections::HashSet<char> = Pane::ALL.map(|pane| pane.place().letter).into();
        assert_eq!(letters.len(), Pane::ALL.len());
        for pane in Pane::ALL {
            let letter = pane.place().letter;
            let binding = binding(Action::Jump(letter)).expect("it is bound");
            assert_eq!((binding.keys, binding.words), (&[typed(letter)][..], &*format!("go to {}", pane.title())));
        }
        for screen in Screen::ALL {
            assert_eq!(Screen::by_letter(screen.letter()), Some(screen));
        }
    }
}
