//! The Connect pane: instructions for connecting a client with the selected token.

use super::{Act, Control, Field, Pane, Place};
use crate::app::App;
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::list::turned;
use crate::auth::{KeyOrigin, Leeway, Signer, Verifier};
use crate::endpoint::{CLIENTS, Client, Connection, Files, Listing, TokenPlace};
use crate::text::words;

/// The client that instructions are shown for.
pub const CLIENT: Field = Field::new(Pane::Connect, 0);
/// The tool that the instructions call: the one of the Call pane.
pub const TOOL: Field = Field::new(Pane::Connect, 1);

pub(super) static PLACE: Place = Place {
    title: "Connect",
    letter: 'n',
    help: "How to connect a client with the selected token: shell commands or a configuration. ← → choose the client. Enter copies the text with the whole token, which the screen does not show; for clients that read PORTCULLIS_TOKEN or ask for the token, the copy does not contain it.",
    controls: &[
        Control::new(CLIENT, "for")
            .turn(|_| Some("change"), |app, by| app.connect.client = turned(app.connect.client, by, CLIENTS.len())),
        Control::new(TOOL, "tool").turn(|_| Some("change"), App::turn_tool),
    ],
    act: Some(Act { hint: |_| Some("copy"), run: App::copy }),
    copy: ClipSource { hint: |_| Some("copy for client"), clip: |app| Some(app.client_clip()) },
    ..Place::DEFAULT
};

/// The state of the Connect pane.
#[derive(Clone, Debug)]
pub struct ConnectPane {
    /// The index of the client in [`CLIENTS`].
    client: usize,
    /// The files that the program was started with.
    pub files: Files,
}

/// The placeholder for the path of the secret file, if it is unknown.
const SECRET_FILE: &str = "/path/to/secret";

impl ConnectPane {
    /// Creates a pane with instructions for the first client, for a program that was started with these files.
    pub(in crate::app) const fn new(files: Files) -> Self {
        Self { client: 0, files }
    }

    /// Returns the client that instructions are shown for.
    pub fn client(&self) -> &'static Client {
        CLIENTS.get(self.client).unwrap_or(&CLIENTS[0])
    }
}

impl App {
    /// Returns the instructions for the chosen client, with this text as the token.
    pub fn client_instructions(&self, token: Option<&str>) -> String {
        let tool = &*self.call.tool;
        self.connect.client().instructions(&Connection {
            uri: &self.endpoint(),
            token,
            tool,
            arguments: &self.arguments_for(tool),
            options: &self.stdio_options(),
        })
    }

    /// Returns warnings about the instructions, most important first.
    pub fn client_cautions(&self) -> Vec<&'static str> {
        let client = self.connect.client();
        let mut cautions = Vec::new();
        if client.starts_server {
            match self.key_origin() {
                Some(KeyOrigin::File) if self.connect.files.key.is_some() => {}
                Some(KeyOrigin::Environment) => {
                    cautions.push("the key comes from PORTCULLIS_SECRET: save it to a file and insert the file's path");
                }
                _ => cautions.push("the key is not in a file: another server cannot verify this token until it is"),
            }
            if !self.policy_is_saved() {
                cautions.push("the policy has unsaved changes: another server reads the file");
            }
        } else if self.server.serving.is_none() {
            cautions.push("the server is not running yet");
        }
        if client.token == TokenPlace::Argument && self.selected().is_some() {
            cautions.push("while it runs, other users of this machine can see the token in its arguments");
        }
        cautions
    }

    /// Returns the options with which `portcullis serve --stdio` decides as this console does.
    fn stdio_options(&self) -> Vec<String> {
        let (rules, files) = (&self.auth.rules, &self.connect.files);
        let key = match self.key_origin() {
            Some(KeyOrigin::File) => files.key.clone(),
            _ => None,
        };
        let (option, file) = key.unwrap_or_else(|| ("--secret-file", SECRET_FILE.to_owned()));
        let mut options = vec![option.to_owned(), file];
        let mut give = |option: &str, value: String| options.extend([option.to_owned(), value]);
        let policy = &self.policy_file.path;
        if policy.starts_with('/') || files.folder.is_empty() && !policy.is_empty() {
            give("--policy", policy.clone());
        } else if !policy.is_empty() {
            give("--policy", format!("{}/{policy}", files.folder));
        }
        if let Some(state) = &files.state {
            give("--state", state.clone());
        }
        if let Some(issuer) = rules.issuer() {
            give("--issuer", issuer.to_string());
        }
        if let Some(audience) = rules.audience() {
            give("--audience", audience.to_string());
        }
        if rules.leeway != Leeway::NONE {
            give("--leeway", words::exact(rules.leeway.span()).replace(' ', ""));
        }
        if self.server.settings.listing == Listing::All {
            give("--list", Listing::All.word().to_owned());
        }
        options
    }

    /// Returns the origin of the signing key.
    fn key_origin(&self) -> Option<KeyOrigin> {
        self.auth.signer.as_ref().map(Signer::verifier).map(Verifier::origin)
    }

    /// Returns the instructions for the chosen client, with the whole token, to be copied.
    pub(in crate::app) fn client_clip(&self) -> Clip {
        let client = self.connect.client();
        let instructions = self.client_instructions(self.selected().and_then(|entry| entry.text()).map(|text| &**text));
        let token = match (client.token, self.selected()) {
            (TokenPlace::Text | TokenPlace::Argument, Some(entry)) if entry.text().is_some() => "with the token",
            (_, Some(_)) => "without the token",
            (_, None) => "without a token, since none is selected",
        };
        Clip::new(&instructions, format!("the instructions for {}, {token}", client.word))
    }
}
