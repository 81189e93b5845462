//! The Server screen: starting and stopping what clients connect to, who they are, and what they are told.

use std::sync::Arc;

use super::field::{Lines, TextField, moved, turned};
use super::msg::Listening;
use super::{App, Effect, Field};
use crate::auth::{Key, NumericDate};
use crate::endpoint::{ClientKind, Denial, Listing, Settings};
use crate::gate::traffic::Client;
use crate::text;

/// What the Server screen remembers.
pub struct ServerPane {
    /// Where to listen.
    pub listen: TextField,
    /// What the next start is told, but for the address.
    pub settings: Settings,
    /// What runs, if something does.
    pub serving: Option<Serving>,
    /// What it is asked to become, until that has happened.
    pub changing: Option<Changing>,
    /// Why nothing runs although it was asked for; safe to show.
    pub fault: Option<String>,
    /// The client under the cursor, counted from the one heard last.
    pub row: usize,
    /// Whom the Connect pane tells how to connect.
    pub kind: ClientKind,
}

/// On its way from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changing {
    /// It starts: a name is looked up, or an address taken.
    Starting,
    /// It lets calls end.
    Stopping,
    /// It stops, and then starts with other settings.
    Restarting,
}

impl Changing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Stopping | Self::Restarting => "stopping",
        }
    }
}

/// A server that runs.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What tokens must name as their audience, and clients as the server's address.
    pub uri: Arc<str>,
    /// Since when.
    pub since: NumericDate,
    /// Whether other machines can reach it.
    is_exposed: bool,
    /// What it was told at its start.
    settings: Settings,
}

impl ServerPane {
    /// With what the next start is told.
    pub fn new(settings: Settings) -> Self {
        let listen = TextField::new(&settings.address.to_string(), Lines::One);
        Self { listen, settings, serving: None, changing: None, fault: None, row: 0, kind: ClientKind::default() }
    }

    /// What the form says, or a sentence that says what is wrong with it.
    fn asked(&self) -> Result<Settings, String> {
        let address = self.listen.text().trim().parse().map_err(|error| format!("address: {error}"))?;
        Ok(Settings { address, ..self.settings.clone() })
    }

    /// What Enter does.
    pub fn act(&self) -> &'static str {
        match &self.serving {
            None => "start",
            Some(serving) if self.asked().is_ok_and(|asked| asked == serving.settings) => "stop",
            Some(_) => "restart",
        }
    }
}

impl App {
    /// Something runs, from the start of the console on.
    pub fn is_served(&mut self, Listening { uri, is_exposed }: Listening) {
        let settings = self.server.settings.clone();
        self.server.serving = Some(Serving { uri, is_exposed, since: self.times.real, settings });
    }

    /// Whether other machines can reach a server whose tokens can be forged by guessing.
    pub(super) fn is_forgeable(&self) -> bool {
        let weak = self.auth.rules.keys.signing().is_some_and(Key::is_weak);
        weak && self.server.serving.as_ref().is_some_and(|serving| serving.is_exposed)
    }

    /// Starts the server, stops it, or starts it anew with what the form says.
    pub(super) fn serve(&mut self) -> Vec<Effect> {
        if let Some(changing) = self.server.changing {
            self.complain(format!("the server is {}; wait for that", changing.word()));
            return Vec::new();
        }
        let asked = match (self.server.asked(), self.server.act()) {
            (_, "stop") => {
                self.server.changing = Some(Changing::Stopping);
                return vec![Effect::StopServing];
            }
            (Ok(asked), _) => asked,
            (Err(sentence), _) => {
                self.complain(sentence);
                return Vec::new();
            }
        };
        self.server.settings = asked.clone();
        let stop = self.server.serving.as_ref().map(|_| Effect::StopServing);
        self.server.changing = Some(if stop.is_some() { Changing::Restarting } else { Changing::Starting });
        stop.into_iter().chain([Effect::Serve(Box::new(asked))]).collect()
    }

    pub(super) fn served(&mut self, result: Result<Listening, String>) -> Vec<Effect> {
        self.server.changing = None;
        match result {
            Ok(listening) => {
                self.say(format!("clients can connect to {}", text::display_safe(&listening.uri, 100)));
                self.server.fault = None;
                self.is_served(listening);
            }
            Err(sentence) => {
                self.complain(sentence.clone());
                self.server.fault = Some(sentence);
            }
        }
        Vec::new()
    }

    pub(super) fn serving_stopped(&mut self) -> Vec<Effect> {
        self.server.serving = None;
        let starts = self.server.changing.take() == Some(Changing::Restarting);
        self.server.changing = starts.then_some(Changing::Starting);
        self.say("the server is stopped; nobody can connect");
        Vec::new()
    }

    pub(super) fn turn_server(&mut self, field: Field, by: isize) {
        fn next<T: Copy + PartialEq>(all: &[T], now: T, by: isize) -> T {
            all[turned(all.iter().position(|one| *one == now).unwrap_or(0), by, all.len())]
        }
        let settings = &mut self.server.settings;
        match field {
            Field::ServeAudience => settings.allow_no_audience = !settings.allow_no_audience,
            Field::ServeDenial => settings.denial = next(&Denial::ALL, settings.denial, by),
            Field::ServeList => settings.listing = next(&Listing::ALL, settings.listing, by),
            _ => self.server.kind = next(&ClientKind::ALL, self.server.kind, by),
        }
    }

    pub(super) fn choose_client(&mut self, by: isize) {
        self.server.row = moved(self.server.row, by, self.auth.traffic.clients().len());
    }

    /// The client under the cursor.
    pub fn client(&self) -> Option<&Client> {
        self.auth.traffic.clients().get(self.server.row)
    }

    /// Selects the token that the client under the cursor comes with.
    pub(super) fn select_clients_token(&mut self) {
        let id = self.client().and_then(|client| client.token);
        let known = id.and_then(|id| self.auth.tokens.iter().find(|entry| entry.id == id)).map(|entry| entry.number);
        match (known, id) {
            (Some(number), _) => {
                self.selected = Some(number);
                self.refresh();
                let name = self.selected().map(|entry| self.token_name(entry)).unwrap_or_default();
                self.say(format!("{name} is selected; Space in Tokens revokes it"));
            }
            (None, Some(id)) => self.complain(format!("its token {id} is not in the list")),
            (None, None) if self.client().is_some() => self.complain("it came without a token"),
            (None, None) => self.complain("nobody has connected yet"),
        }
    }

    /// Where clients connect: the server that runs, or the address at which it would.
    pub fn endpoint(&self) -> String {
        match &self.server.serving {
            Some(serving) => serving.uri.to_string(),
            None => format!("http://{}{}", self.server.listen.text().trim(), crate::endpoint::PATH),
        }
    }

    /// What the chosen client is told, with this text for the selected token.
    pub fn told_client(&self, token: Option<&str>) -> String {
        let tool = &self.call.tool;
        self.server.kind.told(&self.endpoint(), token, tool, &self.arguments_for(tool))
    }
}
