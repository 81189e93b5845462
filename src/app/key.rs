//! Keys as plain data, with the names that the key table, the footer and the tests use.
//!
//! `tui::input` converts the terminal's key events into these; no other module depends on crossterm's keys.

use std::fmt;
use std::str::FromStr;

/// A key that was pressed, with its modifiers. Shift is kept only if it changes the meaning (`Shift-Tab`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key itself.
    pub code: Code,
    /// Whether Ctrl was held.
    pub ctrl: bool,
    /// Whether Alt was held, or Esc was received just before.
    pub alt: bool,
    /// Whether Shift was held; always false for characters, whose case already shows it.
    pub shift: bool,
}

/// The keys that the console uses; others are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those printed on the keys")]
pub enum Code {
    Char(char),
    F(u8),
    Enter,
    Tab,
    Esc,
    Backspace,
    Del,
    Up,
    Down,
    Left,
    Right,
    PgUp,
    PgDn,
    Home,
    End,
}

const NAMED: [(Code, &str, &str); 13] = [
    (Code::Enter, "Enter", "Enter"),
    (Code::Tab, "Tab", "Tab"),
    (Code::Esc, "Esc", "Esc"),
    (Code::Backspace, "Backspace", "Backspace"),
    (Code::Del, "Del", "Del"),
    (Code::Up, "Up", "↑"),
    (Code::Down, "Down", "↓"),
    (Code::Left, "Left", "←"),
    (Code::Right, "Right", "→"),
    (Code::PgUp, "PgUp", "PgUp"),
    (Code::PgDn, "PgDn", "PgDn"),
    (Code::Home, "Home", "Home"),
    (Code::End, "End", "End"),
];

impl Key {
    /// Returns the key without modifiers.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// Returns the key with Ctrl.
    pub const fn ctrl(code: Code) -> Self {
        Self { ctrl: true, ..Self::plain(code) }
    }

    /// Returns the key with Alt.
    pub const fn alt(code: Code) -> Self {
        Self { alt: true, ..Self::plain(code) }
    }

    /// Returns the key with Shift.
    pub const fn shift(code: Code) -> Self {
        Self { shift: true, ..Self::plain(code) }
    }

    /// Returns the character that this key types, if any.
    pub const fn typed(self) -> Option<char> {
        match self {
            Self { code: Code::Char(c), ctrl: false, alt: false, .. } => Some(c),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "Ctrl-"), (self.alt, "Alt-"), (self.shift, "Shift-")] {
            if held {
                f.write_str(name)?;
            }
        }
        match self.code {
            Code::Char(' ') => f.write_str("Space"),
            Code::Char(c) if self.ctrl => write!(f, "{}", c.to_ascii_uppercase()),
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            code => f.write_str(NAMED.iter().find(|(c, ..)| *c == code).map_or("", |(.., sign)| sign)),
        }
    }
}

/// The error for a text that is not the name of a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown key {0:?}")]
pub struct UnknownKey(pub String);

impl FromStr for Key {
    type Err = UnknownKey;

    /// Parses `Ctrl-Y`, `Shift-Tab`, `F2`, `Space`, `x`, `Up` or `↑`.
    fn from_str(name: &str) -> Result<Self, UnknownKey> {
        let mut key = Self::plain(Code::Esc);
        let mut rest = name;
        loop {
            let before = rest;
            for (prefix, held) in [("Ctrl-", &mut key.ctrl), ("Alt-", &mut key.alt), ("Shift-", &mut key.shift)] {
                if let Some(tail) = rest.strip_prefix(prefix) {
                    *held = true;
                    rest = tail;
                }
            }
            if rest == before {
                break;
            }
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) if NAMED.iter().all(|(.., sign)| *sign != rest) => {
                Code::Char(if key.ctrl { c.to_ascii_lowercase() } else { c })
            }
            _ if rest == "Space" => Code::Char(' '),
            _ => NAMED
                .iter()
                .find(|(_, name, sign)| *name == rest || *sign == rest)
                .map(|(code, ..)| *code)
                .or_else(|| rest.strip_prefix('F').and_then(|n| n.parse().ok()).map(Code::F))
                .ok_or_else(|| UnknownKey(name.to_owned()))?,
        };
        Ok(key)
    }
}
