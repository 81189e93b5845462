//! The Server pane: the server's address and settings, and starting and stopping it.

use std::sync::Arc;

use super::{Act, Control, Field, Pane, Place};
use crate::app::clipboard::ClipSource;
use crate::app::field::{Lines, TextField};
use crate::app::list::next_of;
use crate::app::msg::ServerInfo;
use crate::app::{App, Effect};
use crate::auth::{NumericDate, Reason, Verifier};
use crate::endpoint::{AddressError, Denial, Listing, Settings};
use crate::gate::TokenEntry;
use crate::server::ServeError;
use crate::text::{self, words};

/// The address to listen on.
pub const ADDRESS: Field = Field::new(Pane::Server, 0);
/// Whether tokens must name the server as their audience.
pub const AUDIENCE: Field = Field::new(Pane::Server, 1);
/// How a forbidden call is answered.
pub const DENIAL: Field = Field::new(Pane::Server, 2);
/// Which tools a client is shown.
pub const LISTING: Field = Field::new(Pane::Server, 3);

pub(super) static PLACE: Place = Place {
    title: "Server",
    letter: 'v',
    help: "Runs the gate as an MCP server. Enter starts it, stops it, or restarts it with the settings shown. While it runs, tokens must name it in aud; Issue fills that in. Clients are always checked in real time.",
    controls: &[
        // The address has no effect until the server is started.
        Control::new(ADDRESS, "address").text(|app| &app.server.listen, |app| &mut app.server.listen, |_, _| {}),
        Control::new(AUDIENCE, "audience").turn(
            |_| Some("change"),
            |app, _| app.server.settings.allow_no_audience = !app.server.settings.allow_no_audience,
        ),
        Control::new(DENIAL, "denial").turn(
            |_| Some("change"),
            |app, by| {
                let settings = &mut app.server.settings;
                settings.denial = next_of(&Denial::ALL, &settings.denial, by);
            },
        ),
        Control::new(LISTING, "tools").turn(
            |_| Some("change"),
            |app, by| {
                let settings = &mut app.server.settings;
                settings.listing = next_of(&Listing::ALL, &settings.listing, by);
            },
        ),
    ],
    // Not the address, so that Enter starts the server at once.
    start: Some(AUDIENCE),
    act: Some(Act { hint: |app| Some(app.server.next().word()), run: App::serve }),
    copy: ClipSource::ADDRESS,
    ..Place::DEFAULT
};

/// The state of the Server pane.
pub struct ServerPane {
    /// The address to listen on.
    pub listen: TextField,
    /// The settings of the next start; the address is in the form.
    pub settings: Settings,
    /// The running server, if any.
    pub serving: Option<RunningServer>,
    /// The pending start or stop, if any.
    pub changing: Option<Transition>,
    /// Why the server could not be started; safe to show.
    pub fault: Option<String>,
}

/// A pending start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The server is starting: it looks up a name or binds the address.
    Starting,
    /// The server is stopping: it waits for running calls to end.
    Stopping,
    /// The server is stopping, and then starts with other settings.
    Restarting,
}

impl Transition {
    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Stopping | Self::Restarting => "stopping",
        }
    }
}

/// A running server.
#[derive(Clone, Debug)]
pub struct RunningServer {
    /// The server's URI: the audience of tokens and the address for clients.
    pub uri: Arc<str>,
    /// When it was started, in real time.
    pub since: NumericDate,
    /// Whether other machines can reach it.
    is_exposed: bool,
    /// The settings it was started with.
    settings: Settings,
}

impl ServerPane {
    /// Creates a pane with the settings of the next start.
    pub fn new(settings: Settings) -> Self {
        let listen = TextField::new(&settings.address.to_string(), Lines::One);
        Self { listen, settings, serving: None, changing: None, fault: None }
    }

    /// Returns the settings in the form.
    fn requested(&self) -> Result<Settings, AddressError> {
        let address = self.listen.text().trim().parse()?;
        Ok(Settings { address, ..self.settings.clone() })
    }

    /// Returns the action of Enter.
    pub fn next(&self) -> ServerAct {
        match &self.serving {
            None => ServerAct::Start,
            Some(serving) if self.requested().is_ok_and(|settings| settings == serving.settings) => ServerAct::Stop,
            Some(_) => ServerAct::Restart,
        }
    }
}

/// The action of Enter in the Server pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum ServerAct {
    Start,
    Stop,
    Restart,
}

impl ServerAct {
    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

impl App {
    /// Records a server that is now running.
    pub fn is_served(&mut self, ServerInfo { uri, port, is_exposed }: ServerInfo) {
        // A restart must keep the port that the system chose: tokens and clients name it.
        let address = &mut self.server.settings.address;
        if address.port() == 0 {
            *address = address.with_port(port);
            self.server.listen.set(&address.to_string());
        }
        let settings = self.server.settings.clone();
        self.server.serving = Some(RunningServer { uri, is_exposed, since: self.times.real, settings });
    }

    /// Whether other machines can reach a server whose key is so weak that tokens can be forged.
    pub(in crate::app) fn is_forgeable(&self) -> bool {
        let weak = self.auth.rules.issuers.iter().flat_map(|issuer| issuer.keys.iter()).any(Verifier::is_weak);
        weak && self.server.serving.as_ref().is_some_and(|serving| serving.is_exposed)
    }

    /// Starts the server, stops it, or restarts it with the form's settings.
    pub(in crate::app) fn serve(&mut self) -> Vec<Effect> {
        if let Some(changing) = self.server.changing {
            self.complain(format!("the server is {}; try again in a moment", changing.word()));
            return Vec::new();
        }
        if self.server.next() == ServerAct::Stop {
            self.server.changing = Some(Transition::Stopping);
            return vec![Effect::StopServing];
        }
        let settings = match self.server.requested() {
            Ok(settings) => settings,
            Err(error) => {
                self.complain(format!("address: {error}"));
                return Vec::new();
            }
        };
        self.server.settings = settings.clone();
        let stop = self.server.serving.as_ref().map(|_| Effect::StopServing);
        self.server.changing = Some(if stop.is_some() { Transition::Restarting } else { Transition::Starting });
        stop.into_iter().chain([Effect::Serve(Box::new(settings))]).collect()
    }

    /// Uses other settings from now on. A running server is restarted if they change; tokens and key stay.
    pub(in crate::app) fn set_server(&mut self, settings: Settings) -> Vec<Effect> {
        let changes = self.server.settings != settings;
        self.server.settings = settings;
        match self.server.next() {
            ServerAct::Restart if changes => {
                self.say("settings applied; the server restarts with them");
                self.serve()
            }
            _ => Vec::new(),
        }
    }

    pub(in crate::app) fn served(&mut self, result: Result<ServerInfo, ServeError>) -> Vec<Effect> {
        self.server.changing = None;
        match result {
            Ok(listening) => {
                let uri = text::display_safe(&listening.uri, 100);
                let now = self.times.real;
                let excluded = |entry: &&TokenEntry| {
                    let failures = entry.judged.failures(now);
                    failures.iter().any(|reason| matches!(reason, Reason::AudienceMismatch { .. }))
                };
                match self.auth.tokens.iter().filter(excluded).count() {
                    0 => self.say(format!("Clients can connect to {uri}")),
                    count => {
                        let tokens = words::count(count, "token");
                        self.complain(format!(
                            "Clients can connect to {uri}, but {tokens} here must name it in aud: issue new ones."
                        ));
                    }
                }
                self.server.fault = None;
                self.is_served(listening);
            }
            Err(error) => {
                let sentence = error.to_string();
                self.complain(sentence.clone());
                self.server.fault = Some(sentence);
            }
        }
        Vec::new()
    }

    pub(in crate::app) fn serving_stopped(&mut self) -> Vec<Effect> {
        self.server.serving = None;
        let starts = self.server.changing.take() == Some(Transition::Restarting);
        self.server.changing = starts.then_some(Transition::Starting);
        self.say("the server is stopped; clients cannot connect");
        Vec::new()
    }

    /// Returns the address for clients: that of the running server, or the one that it would use.
    pub fn endpoint(&self) -> String {
        match &self.server.serving {
            Some(serving) => serving.uri.to_string(),
            None => format!("http://{}{}", self.server.listen.text().trim(), crate::endpoint::PATH),
        }
    }
}
