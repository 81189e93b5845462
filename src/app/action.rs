//! Actions that keys and commands trigger. `keymap` lists the keys, `hints` the footer's words; `act` runs the actions.

use super::screen::Screen;
use crate::auth::Algorithm;
use crate::look::ThemeChoice;

/// An action that a key or a command triggers.
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
    /// Show the last answer in full.
    Answer,
    Copy,
    CopyWhy,
    TryKey,
    Undo,
    Redo,
    Pane(usize),
    /// Focus the pane with this letter.
    Jump(char),
    /// Wait for the letter of a screen.
    Go,
    /// Move along the row under the cursor, or to the next pane.
    Side(isize),
    /// Move to the row or field above or below.
    Line(isize),
    Find,
    Mouse,
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
    /// Write a policy from what was observed of a foreign server.
    WriteObserved,
    TimeStyle,
    Theme(ThemeChoice),
    Trace,
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
    Rotate(Algorithm),
    Retire,
    TypeKey,
    AddIssuer,
    RefreshKeys,
    /// Make the gate probe of the selected server.
    Probe,
    /// Connect the selected server again.
    ConnectTarget,
    /// Go to the field for the URL of a server.
    AddTarget,
    /// Cancel the call, the connection, the run or the drill that is under way.
    Cancel,
    Suspend,
    Quit,
}
