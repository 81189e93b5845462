//! The Connect pane: what a client needs to connect with the selected token.

use super::{Act, Control, Field, Pane, Place};
use crate::app::App;
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::list::next_of;
use crate::endpoint::ClientKind;

/// The client that instructions are shown for.
pub const CLIENT: Field = Field::new(Pane::Connect, 0);
/// The tool that the instructions call: the one of the Call pane.
pub const TOOL: Field = Field::new(Pane::Connect, 1);

pub(super) static PLACE: Place = Place {
    title: "Connect",
    help: "What a client needs to connect with the selected token: a line for a shell, or its configuration. ← → \
           choose the client; Enter copies it with the whole token, which the screen does not show.",
    controls: &[
        Control::new(CLIENT, "for").turn(
            |_| Some("change"),
            |app, by| app.connect.client = next_of(&ClientKind::ALL, &app.connect.client, by),
        ),
        Control::new(TOOL, "tool").turn(|_| Some("change"), App::turn_tool),
    ],
    act: Some(Act { hint: |_| Some("copy"), run: App::copy }),
    copy: ClipSource { hint: |_| Some("copy for client"), clip: |app| Some(app.client_clip()) },
    ..Place::DEFAULT
};

/// What the Connect pane remembers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectPane {
    /// The client that instructions are shown for.
    pub client: ClientKind,
}

impl App {
    /// The instructions for the chosen client, with this text for the selected token.
    pub fn client_instructions(&self, token: Option<&str>) -> String {
        let tool = &self.call.tool;
        self.connect.client.told(&self.endpoint(), token, tool, &self.arguments_for(tool))
    }

    /// The instructions for the chosen client, with the whole token.
    pub(in crate::app) fn client_clip(&self) -> Clip {
        let instructions = self.client_instructions(self.selected().map(|entry| &*entry.text));
        Clip::new(&instructions, format!("what {} needs, with the token,", self.connect.client.word()))
    }
}
