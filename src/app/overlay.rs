//! Overlays, which cover the panes and receive keys first: help, palette, settings, prompts, questions, and calls and
//! tokens in full.

use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::action::Action;
use super::field::{Lines, TextField};
use super::key::{Code, Key};
use super::keymap::{BINDINGS, Binding};
pub use super::line::{LineForm, LinePurpose, MAX_LABEL, MAX_LINE};
use super::list::next_of;
use super::pane::call::PendingCall;
use super::pane::call::answer::AnswerView;
use super::pane::issuers::{IssuerForm, Offer};
use super::runs::RunOrder;
use super::times::TimeStyle;
use crate::auth::diff::Row;
use crate::auth::issuers::DuplicateIssuer;
use crate::auth::{Leeway, Rules, Signer, Verifier};
use crate::config::ConfigError;
use crate::endpoint::{self, HostError, HostName, RateError, UrlError, parse_rate, parse_url, rate_words};
use crate::look::ThemeChoice;
use crate::text;
use crate::text::material::Material;

/// An overlay. Overlays form a stack; the top one receives keys first.
#[derive(Debug)]
pub enum Overlay {
    /// Help for the focused pane.
    Help {
        /// How many rows are scrolled past.
        scroll: usize,
    },
    /// Every command, searched by its words.
    Palette(Box<Palette>),
    /// The settings.
    Settings(Box<SettingsForm>),
    /// A call in full.
    Detail {
        /// The number of the record.
        seq: u64,
        /// How many rows are scrolled past.
        scroll: usize,
    },
    /// The selected token in full.
    Token {
        /// How many rows are scrolled past.
        scroll: usize,
        /// Whether the whole token is shown rather than only the beginning of each segment.
        is_whole: bool,
    },
    /// The last answer in full.
    Answer(Box<AnswerView>),
    /// The selected token beside another.
    Diff {
        /// The number of the other token.
        with: u64,
        /// How many rows are scrolled past.
        scroll: usize,
        /// The rows of the comparison.
        rows: Vec<Row>,
    },
    /// A pasted response, key set or discovery document, explained against the selected token.
    Material {
        /// The pasted material.
        material: Box<Material>,
        /// The action that Enter offers for it.
        offer: Offer,
        /// How many rows are scrolled past.
        scroll: usize,
    },
    /// An issuer to accept.
    Issuer(Box<IssuerForm>),
    /// A prompt for a secret.
    KeyPrompt(KeyPrompt),
    /// A prompt for one line.
    Line(Box<LineForm>),
    /// A question, answered by a key of its own or declined by Esc.
    Confirm(Question),
}

/// A question, answered by the key of [`Question::agrees`] or declined by Esc.
#[derive(Debug)]
pub enum Question {
    /// End the program?
    Quit {
        /// Whether the policy in force is saved in its file.
        is_saved: bool,
    },
    /// Generate a fresh key and discard the current one?
    FreshKey,
    /// The tried key verifies the token's signature: use it from now on?
    AdoptKey(Box<Signer>),
    /// Retire this previous key of the console?
    RetireKey(Verifier),
    /// The file contains another policy than expected: overwrite it?
    SaveOver(String),
    /// Call a tool of a foreign server that may change something there?
    Call {
        /// The call.
        call: PendingCall,
        /// The tool.
        tool: Arc<str>,
        /// The name of the server.
        server: Option<Arc<str>>,
        /// What the server says about the tool.
        risk: Risk,
    },
    /// Make many requests to a foreign server?
    Run {
        /// What to do.
        order: Box<RunOrder>,
        /// The question; safe to show.
        words: String,
    },
    /// Call a tool of a server on another machine until after a token has expired?
    Drill {
        /// The question; safe to show.
        words: String,
    },
    /// Show every character of the token on the screen?
    ShowToken {
        /// Whether a server is running that the token could be used to call.
        is_served: bool,
    },
}

/// What a server says about a tool that is not known to be read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// It may destroy something.
    Destroys,
    /// It changes something.
    Changes,
    /// It has not listed the tool.
    Unknown,
}

impl Risk {
    /// Returns the sentence of a question.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Destroys => "It may destroy something on the server.",
            Self::Changes => "The server does not declare it read-only.",
            Self::Unknown => "The server has not listed it, so nothing is known about it.",
        }
    }
}

impl Question {
    /// Returns the question's text. Safe to show.
    pub fn words(&self) -> String {
        let words = match self {
            Self::Quit { is_saved: true } => "Quit? Tokens and activity are not saved.",
            Self::Quit { is_saved: false } => {
                "Quit? The policy has unsaved changes; tokens and activity are not saved."
            }
            Self::FreshKey => {
                "Generate a fresh key? The current key is discarded, and tokens it signed will no longer verify here."
            }
            Self::ShowToken { is_served: false } => "Show the whole token? Anyone who sees it can use it.",
            Self::ShowToken { is_served: true } => {
                "Show the whole token? Anyone who sees it can call the server that is running."
            }
            Self::AdoptKey(_) => "The signature matches this key. Use it as the console's key from now on?",
            Self::RetireKey(key) => {
                return format!("Retire this key? Tokens it signed will no longer verify here: {}", key.describe());
            }
            Self::Call { call, tool, server, risk } => {
                let whom = if matches!(call, PendingCall::Everyone) { " with every token" } else { "" };
                let place = server.as_ref().map_or_else(String::new, |name| format!(" on {}", text::name(name, 64)));
                return format!("Call {}{place}{whom}? {}", text::name(tool, 64), risk.words());
            }
            Self::Run { words, .. } | Self::Drill { words } => return words.clone(),
            Self::SaveOver(path) => {
                let file = text::name(path, 100);
                return format!(
                    "Overwrite {file}? It has changed since it was read; the policy in force here replaces it."
                );
            }
        };
        words.to_owned()
    }

    /// The key that agrees. Enter would also agree by accident where it asked the question.
    pub const fn agrees(&self) -> Action {
        match self {
            Self::ShowToken { .. } | Self::Call { .. } | Self::Run { .. } | Self::Drill { .. } => Action::Turn(1),
            _ => Action::Act,
        }
    }

    /// The label of that key.
    pub const fn yes(&self) -> &'static str {
        match self {
            Self::Quit { .. } => "quit",
            Self::FreshKey => "generate",
            Self::AdoptKey(_) => "use this key",
            Self::RetireKey(_) => "retire",
            Self::SaveOver(_) => "overwrite",
            Self::Call { .. } => "call it",
            Self::Run { .. } => "send them",
            Self::Drill { .. } => "drill",
            Self::ShowToken { .. } => "show it",
        }
    }
}

/// The palette.
#[derive(Debug)]
pub struct Palette {
    /// The words that a command must contain.
    pub filter: TextField,
    /// The row under the cursor.
    pub row: usize,
    /// Every command, in the order of the list.
    commands: Vec<&'static Binding>,
}

impl Palette {
    /// Creates a palette. `offered` returns whether the footer offers an action where the palette is opened.
    pub(super) fn new(offered: impl Fn(Action) -> bool) -> Self {
        let mut commands: Vec<_> = BINDINGS.iter().filter(|binding| binding.is_command()).collect();
        // Commands that work here come first, destructive ones last.
        commands.sort_by_key(|binding| (binding.is_destructive(), !offered(binding.action)));
        Self { filter: TextField::new("", Lines::One), row: 0, commands }
    }

    /// Returns the commands that contain every word of the filter.
    pub fn matches(&self) -> Vec<&'static Binding> {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let fits = |b: &&Binding| {
            let text = format!("{} {}", b.words, b.shown_keys().join(" ")).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        self.commands.iter().copied().filter(fits).collect()
    }
}

/// The purpose of a typed secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To test whether it verifies the selected token's signature.
    Try,
    /// To sign and verify with from now on.
    Replace,
    /// The same, as one of the settings, which wait for it.
    Settings,
}

impl Purpose {
    /// Returns the prompt.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Try => "Try another HS256 secret on this token",
            Self::Replace | Self::Settings => "Enter the signing key",
        }
    }

    /// Returns the label of Enter.
    pub const fn act(self) -> &'static str {
        match self {
            Self::Try => "try",
            Self::Replace => "use",
            Self::Settings => "apply settings",
        }
    }
}

/// The longest secret that can be typed, in bytes: the buffer never grows, so reallocation cannot leave a copy of the
/// secret in memory.
const SECRET_CAPACITY: usize = 4096;

/// A masked prompt. The secret is in one buffer that is wiped when the prompt closes.
pub struct KeyPrompt {
    /// The purpose of the secret.
    pub purpose: Purpose,
    /// The error of the last attempt.
    pub fault: Option<String>,
    secret: Zeroizing<String>,
}

impl std::fmt::Debug for KeyPrompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPrompt").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl KeyPrompt {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, fault: None, secret: Zeroizing::new(String::with_capacity(SECRET_CAPACITY)) }
    }

    /// Returns how many characters were typed. Nothing else about them is ever shown.
    pub fn typed(&self) -> usize {
        self.secret.chars().count()
    }

    pub(super) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    pub(super) fn insert(&mut self, text: &str) {
        let text = text.trim_end_matches(['\r', '\n']);
        if self.secret.len() + text.len() > SECRET_CAPACITY {
            self.fault = Some("the secret is longer than 4096 bytes; put it in a file".to_owned());
        } else {
            self.fault = None;
            self.secret.push_str(text);
        }
    }

    pub(super) fn press(&mut self, key: Key) -> bool {
        match (key.typed(), key.code, key.ctrl) {
            (Some(c), ..) => self.insert(c.encode_utf8(&mut [0; 4])),
            (None, Code::Backspace, _) => drop(self.secret.pop()),
            (None, Code::Char('u'), true) => self.secret.clear(),
            _ => return false,
        }
        true
    }
}

/// A field of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the labels below say what each is")]
pub enum SettingsField {
    Leeway,
    Issuer,
    Audience,
    Policy,
    Times,
    Theme,
    PublicUrl,
    Hosts,
    Rate,
    Expose,
    Key,
}

impl SettingsField {
    /// Every field, in order.
    pub const ALL: [Self; 11] = [
        Self::Leeway,
        Self::Issuer,
        Self::Audience,
        Self::Policy,
        Self::Times,
        Self::Theme,
        Self::PublicUrl,
        Self::Hosts,
        Self::Rate,
        Self::Expose,
        Self::Key,
    ];

    /// Returns a sentence about it, for help.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Leeway => "leeway: how long a token is still accepted after exp and before nbf, at most 300s",
            Self::Issuer => "expected issuer: the iss that our own tokens must have; empty to accept any",
            Self::Audience => "expected audience: the aud that tokens must name; empty to accept any",
            Self::Policy => "policy file: a TOML file of tools and permissions; empty for the built-in policy",
            Self::Times => "show times as: UTC, local time or seconds since 1970",
            Self::Theme => "theme: auto follows the terminal's background",
            Self::PublicUrl => "public URL: the address that clients use, if it is not that of the server itself",
            Self::Hosts => "host names: further names that clients may use for the server, separated by spaces",
            Self::Rate => "rate: requests per second for one user, or off",
            Self::Expose => "weak key: whether other machines may reach the server although its key is weak or fresh",
            Self::Key => "key: keep the signing key, type a secret, or generate one; both replace it",
        }
    }

    /// Returns the label beside it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Leeway => "leeway",
            Self::Issuer => "expected issuer",
            Self::Audience => "expected audience",
            Self::Policy => "policy file",
            Self::Times => "show times as",
            Self::Theme => "theme",
            Self::PublicUrl => "server: public URL",
            Self::Hosts => "server: host names",
            Self::Rate => "server: rate",
            Self::Expose => "server: weak key",
        }
    }
}

/// The change of the key when the settings are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum KeyChoice {
    Keep,
    Type,
    Fresh,
}

impl KeyChoice {
    /// Every choice, in the order in which → selects them.
    const ALL: [Self; 3] = [Self::Keep, Self::Type, Self::Fresh];

    /// Returns the words shown for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Keep => "keep the current key",
            Self::Type => "enter another",
            Self::Fresh => "generate a fresh one",
        }
    }
}

/// Why settings cannot be applied. Safe to show.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The leeway is invalid or too long.
    #[error("leeway: {0}")]
    Leeway(<Leeway as FromStr>::Err),
    /// The expected issuer of our own tokens is accepted with other keys.
    #[error("expected issuer: {} is already accepted with other keys", text::name(&.0.0, 64))]
    Issuer(DuplicateIssuer),
    /// The policy file cannot be used.
    #[error(transparent)]
    Policy(ConfigError),
    /// The public URL cannot be read.
    #[error("public URL: {0}")]
    PublicUrl(UrlError),
    /// One of the host names cannot be read.
    #[error("host names: {0}; separate several with spaces")]
    Hosts(HostError),
    /// The rate cannot be read.
    #[error("rate: {0}")]
    Rate(RateError),
}

impl SettingsError {
    /// Returns the field that is invalid.
    const fn field(&self) -> SettingsField {
        match self {
            Self::Leeway(_) => SettingsField::Leeway,
            Self::Issuer(_) => SettingsField::Issuer,
            Self::Policy(_) => SettingsField::Policy,
            Self::PublicUrl(_) => SettingsField::PublicUrl,
            Self::Hosts(_) => SettingsField::Hosts,
            Self::Rate(_) => SettingsField::Rate,
        }
    }
}

/// The settings being edited.
#[derive(Debug)]
pub struct SettingsForm {
    /// The field under the cursor.
    pub field: SettingsField,
    /// The change of the key.
    pub key: KeyChoice,
    /// The key that was typed, if any.
    pub(super) typed: Option<Signer>,
    /// The leeway, as text.
    pub leeway: TextField,
    /// The expected issuer; empty to expect none.
    pub issuer: TextField,
    /// The expected audience; empty to expect none.
    pub audience: TextField,
    /// The policy file's path; empty for the built-in policy.
    pub policy: TextField,
    /// How times are shown.
    pub times: TimeStyle,
    /// The theme.
    pub theme: ThemeChoice,
    /// The server's URL for clients; empty for that of its address.
    pub public_url: TextField,
    /// More names that clients may use for the server, separated by spaces or commas.
    pub hosts: TextField,
    /// Requests per second for one user, or `off`; empty for the default.
    pub rate: TextField,
    /// Whether a weak or fresh key may be used where other machines can reach the server.
    pub expose: bool,
    /// The error of the last attempt to apply the form.
    pub fault: Option<String>,
}

impl SettingsForm {
    pub(super) fn new(
        rules: &Rules,
        policy_source: &str,
        times: TimeStyle,
        theme: ThemeChoice,
        server: &endpoint::Settings,
    ) -> Self {
        let one = |text: &str| TextField::new(text, Lines::One);
        let hosts: Vec<String> = server.hosts.iter().map(HostName::to_string).collect();
        let mut form = Self {
            field: SettingsField::Leeway,
            key: KeyChoice::Keep,
            typed: None,
            leeway: one(&rules.leeway.to_string().replace(' ', "")),
            issuer: one(rules.issuer().map_or("", |issuer| issuer)),
            audience: one(rules.audience().map_or("", |audience| audience)),
            policy: one(policy_source),
            times,
            theme,
            public_url: one(server.public_url.as_deref().unwrap_or_default()),
            hosts: one(&hosts.join(" ")),
            rate: one(&rate_words(server.rate)),
            expose: server.expose,
            fault: None,
        };
        form.leeway.replaced_by_typing = true;
        form
    }

    /// Whether the cursor is on a choice rather than in a text.
    pub fn on_choice(&self) -> bool {
        self.text(self.field).is_none()
    }

    /// The text of a field; `None` for a choice.
    pub const fn text(&self, field: SettingsField) -> Option<&TextField> {
        match field {
            SettingsField::Leeway => Some(&self.leeway),
            SettingsField::Issuer => Some(&self.issuer),
            SettingsField::Audience => Some(&self.audience),
            SettingsField::Policy => Some(&self.policy),
            SettingsField::PublicUrl => Some(&self.public_url),
            SettingsField::Hosts => Some(&self.hosts),
            SettingsField::Rate => Some(&self.rate),
            SettingsField::Key | SettingsField::Times | SettingsField::Theme | SettingsField::Expose => None,
        }
    }

    /// The text the cursor is in, if it is in one.
    pub const fn text_mut(&mut self) -> Option<&mut TextField> {
        match self.field {
            SettingsField::Leeway => Some(&mut self.leeway),
            SettingsField::Issuer => Some(&mut self.issuer),
            SettingsField::Audience => Some(&mut self.audience),
            SettingsField::Policy => Some(&mut self.policy),
            SettingsField::PublicUrl => Some(&mut self.public_url),
            SettingsField::Hosts => Some(&mut self.hosts),
            SettingsField::Rate => Some(&mut self.rate),
            SettingsField::Key | SettingsField::Times | SettingsField::Theme | SettingsField::Expose => None,
        }
    }

    /// The choice that a field shows; `None` for a text.
    pub const fn choice(&self, field: SettingsField) -> Option<&'static str> {
        match field {
            SettingsField::Key => Some(self.key.words()),
            SettingsField::Times => Some(self.times.word()),
            SettingsField::Theme => Some(self.theme.word()),
            SettingsField::Expose if self.expose => Some("allowed on any address"),
            SettingsField::Expose => Some("allowed on loopback only"),
            _ => None,
        }
    }

    /// Whether both forms have the same values.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        let same = |field: &SettingsField| {
            self.choice(*field) == other.choice(*field)
                && self.text(*field).map(TextField::text) == other.text(*field).map(TextField::text)
        };
        SettingsField::ALL.iter().all(same)
    }

    /// Shows the error and focuses its field.
    pub(super) fn refuse(&mut self, error: &SettingsError) {
        self.field = error.field();
        self.fault = Some(error.to_string());
    }

    pub(super) fn step(&mut self, by: isize) {
        self.field = next_of(&SettingsField::ALL, &self.field, by);
        if let Some(text) = self.text_mut() {
            text.replaced_by_typing = !text.is_empty();
        }
    }

    pub(super) fn turn(&mut self, by: isize) {
        match self.field {
            SettingsField::Key => self.key = next_of(&KeyChoice::ALL, &self.key, by),
            SettingsField::Times => self.times = self.times.turned(by),
            SettingsField::Theme => self.theme = next_of(&ThemeChoice::ALL, &self.theme, by),
            SettingsField::Expose => self.expose = !self.expose,
            _ => {}
        }
    }

    /// Returns the rules as edited, with everything else from `present`, such as its policy.
    pub(super) fn rules(&self, present: &Rules) -> Result<Rules, SettingsError> {
        let text = |field: &TextField| if field.is_empty() { None } else { Some(field.text().into()) };
        let leeway = self.leeway.text().parse().map_err(SettingsError::Leeway)?;
        let rules = Rules { leeway, ..present.clone() };
        let rules = rules.with_issuer(text(&self.issuer)).with_audiences(text(&self.audience));
        rules.issuers.check_own_name().map_err(SettingsError::Issuer)?;
        Ok(rules)
    }

    /// The server's settings as edited; those that the form does not show stay as they are.
    pub(super) fn server(&self, present: &endpoint::Settings) -> Result<endpoint::Settings, SettingsError> {
        let public_url = match self.public_url.text().trim() {
            "" => None,
            url => Some(parse_url(url).map_err(SettingsError::PublicUrl)?),
        };
        let hosts = self.hosts.text().split([' ', ',']).filter(|name| !name.is_empty());
        let hosts = hosts.map(str::parse).collect::<Result<Vec<HostName>, _>>().map_err(SettingsError::Hosts)?;
        let rate = match self.rate.text().trim() {
            "" => endpoint::Settings::at(present.address.clone()).rate,
            rate => parse_rate(rate).map_err(SettingsError::Rate)?,
        };
        Ok(endpoint::Settings { public_url, hosts, rate, expose: self.expose, ..present.clone() })
    }

    /// Returns the typed key, if it shall replace the current one.
    pub(super) fn signer(&self) -> Option<&Signer> {
        self.typed.as_ref().filter(|_| self.key == KeyChoice::Type)
    }
}
