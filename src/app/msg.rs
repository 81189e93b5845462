//! The console's inputs (messages) and outputs (effects).

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::key::Key;
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::auth::{IssueError, IssueRequest, KeyError, NumericDate, Policy, Rules, Signer};
use crate::config::ConfigError;
use crate::endpoint::Settings;
use crate::gate::{CallResult, Origin, TokenEntry};
use crate::lab::kit::{Identity, TestToken};
use crate::look::Background;
use crate::server::ServeError;
use crate::store::{ReloadError, Setback, StoreError};
use crate::watch::WatchError;

/// Something that happened. It may hold a token, so it has no `Debug`.
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// A key that arrived so soon after a character that it was not typed by hand.
    QuickKey(Key),
    /// The mouse was used.
    Mouse(Mouse),
    /// A text was pasted, bracketed or in a burst; at most 1 MiB.
    Paste(String),
    /// A paste was too large to take.
    PasteTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The terminal has this size; also said once at the start.
    Resized {
        /// Columns.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// The terminal said what its background is like.
    Background(Background),
    /// A text was copied, or could not be.
    Copied {
        /// A noun for the copied text.
        what: String,
        /// The destination, or the error.
        result: Result<CopyDestination, std::io::Error>,
        /// The text, where the terminal takes it.
        rest: Option<Zeroizing<String>>,
    },
    /// The moment of the next change of the picture has arrived.
    Woke,
    /// The copy of the shared state was brought up to date.
    Synced,
    /// A token was issued, and is the one of this number.
    Issued(Result<u64, IssueError>),
    /// Tokens were added: number of each, and whether it is new.
    Added(Vec<(u64, bool)>),
    /// A token was removed.
    Removed(TokenEntry, RemovalReason),
    /// A call has finished.
    Called {
        /// The number it was asked under.
        id: u64,
        /// The result.
        call: Box<CallResult>,
    },
    /// The calls as everyone have finished, in the requested order.
    CalledEach {
        /// The number they were asked under.
        id: u64,
        /// The result.
        calls: Vec<CallResult>,
    },
    /// Test tokens were made for an instant.
    KitMade {
        /// The tokens, in the order of the kit.
        made: Result<Vec<TestToken>, IssueError>,
        /// The instant they are to be judged for.
        at: NumericDate,
        /// Their purpose.
        purpose: KitFor,
    },
    /// Tokens with labels were added, under these numbers.
    NamedAdded(Vec<u64>),
    /// A file was written, or which was not, and why.
    Written(Result<String, (String, ConfigError)>),
    /// A policy file was read for the settings.
    Policy {
        /// The file, as it was asked for.
        asked: String,
        /// The file and its policy, or why it cannot be used.
        read: Result<(String, Arc<Policy>), ConfigError>,
    },
    /// The policy file was read again: its policy, or why it is invalid.
    PolicyReread(Result<Arc<Policy>, ConfigError>),
    /// The file that the policy was written to, and that policy; or why it was not.
    PolicySaved(Result<(String, Arc<Policy>), SaveError>),
    /// The policy's file is not watched.
    PolicyUnwatched(WatchError),
    /// Revocations that could not be stored are stored now.
    Stored,
    /// The server listens, or why it does not.
    Served(Result<ServerInfo, ServeError>),
    /// The server has stopped.
    ServingStopped,
    /// Something outside went wrong.
    Failed(Failure),
}

/// A failed effect. Safe to show.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No key was made.
    #[error(transparent)]
    Key(KeyError),
    /// Revocations changed by another process could not be read.
    #[error(transparent)]
    NotReloaded(ReloadError),
    /// Revocations by other processes are noticed late.
    #[error(transparent)]
    StoreUnwatched(WatchError),
    /// The store went back; revocations stay in force.
    #[error("{store}: {setback}; revocations stay in force and are stored again")]
    Setback {
        /// The store's name; safe to show.
        store: String,
        /// How it went back.
        setback: Setback,
    },
    /// A revocation is enforced here, but is not in the store.
    #[error("not stored: {0}")]
    NotKept(StoreError),
}

/// A server that listens.
pub struct ServerInfo {
    /// The server's URI: the audience of tokens and the address for clients.
    pub uri: Arc<str>,
    /// Whether other machines can reach it.
    pub is_exposed: bool,
}

/// Why a policy was not written.
pub enum SaveError {
    /// This file holds another policy than was thought.
    Other(String),
    /// Something went wrong with this file.
    Failed(String, ConfigError),
}

/// The purpose of test tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KitFor {
    /// For calling a tool with each of them.
    Run,
    /// For the list: all of them, or the one of this row.
    List(Option<usize>),
}

/// Why a token is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// The user asked for it: it can be undone.
    Asked,
    /// A removal is redone.
    Redone,
    /// The paste that brought it is undone.
    Undone,
}

/// The destination of a copied text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyDestination {
    /// Into the buffer of tmux, and perhaps on to the terminal's clipboard.
    Tmux {
        /// Whether tmux passes it on.
        reaches_terminal: bool,
    },
    /// To a program, which put it on the clipboard.
    Program(&'static str),
    /// To the terminal, which does not confirm it.
    Terminal {
        /// Whether the terminal is known to accept it.
        is_known: bool,
    },
    /// A new file; no clipboard is available.
    File(String),
}

/// A use of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    /// The kind of mouse event.
    pub kind: MouseKind,
    /// Column, from 0.
    pub column: u16,
    /// Row, from 0.
    pub row: u16,
}

/// A kind of mouse event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MouseKind {
    Click,
    WheelUp,
    WheelDown,
}

/// A side effect to carry out. It may hold a token, so it has no `Debug`.
///
/// The shell carries out effects on the terminal and in memory at once, in the order in which they were asked for.
/// Files, names of hosts, servers and tools may take long: what they lead to comes back in a later turn. Effects on the
/// revocations, on the policy's file and on the server each keep their order among themselves.
pub enum Effect {
    /// End the program.
    Quit,
    /// Stop the program until the shell continues it.
    Suspend,
    /// Have the terminal report the mouse, or leave it to select text.
    Mouse(bool),
    /// Ask the terminal for the colour of its background.
    AskBackground,
    /// Copy a text.
    Copy {
        /// The text.
        text: Zeroizing<String>,
        /// A noun for the text.
        what: String,
    },
    /// Send a text to the terminal's clipboard (OSC 52).
    ToTerminal(Zeroizing<String>),
    /// Issue a token at an instant and add it to the list.
    Issue(Box<IssueRequest>, NumericDate),
    /// Add pasted tokens to the list.
    Add(Vec<String>),
    /// Make the test tokens of an identity for a tool, to be judged for an instant.
    MakeKit {
        /// The user and permissions in the tokens.
        identity: Identity,
        /// The tool they are made for.
        tool: Arc<str>,
        /// The instant.
        at: NumericDate,
        /// Their purpose.
        purpose: KitFor,
    },
    /// Add test tokens, each with a label.
    AddNamed(Vec<(Arc<str>, Arc<str>)>),
    /// Write a file that is not there yet.
    WriteNew {
        /// The file.
        path: String,
        /// Its content.
        text: String,
    },
    /// Remove the token of this number.
    Remove(u64, RemovalReason),
    /// Put a removed token back.
    Restore(TokenEntry),
    /// Give the token of this number a label, or take it away.
    Label(u64, Option<Arc<str>>),
    /// Call a tool.
    Call {
        /// The number under which the answer is expected.
        id: u64,
        /// The token, or none.
        token: Option<Arc<str>>,
        /// The call to make.
        order: Order,
    },
    /// Call a tool once with each of these tokens.
    CallEach {
        /// The number under which the answers are expected.
        id: u64,
        /// The tokens, or none.
        tokens: Vec<Option<Arc<str>>>,
        /// The call to make.
        order: Order,
    },
    /// Revoke something, or restore it if `since` is `None`: in memory at once, then in the store.
    SetRevoked {
        /// What.
        what: RevocationTarget,
        /// Since when, and until when.
        since: Option<Revocation>,
    },
    /// Start the server.
    Serve(Box<Settings>),
    /// Stop the server.
    StopServing,
    /// Decide on these rules from now on.
    SetRules(Box<Rules>),
    /// Decide on this policy from now on.
    SetPolicy(Arc<Policy>),
    /// Sign with this key and verify with it from now on.
    SetSigner(Box<Signer>),
    /// Make a key of random bytes; sign and verify with it from now on.
    FreshKey,
    /// Write the policy that decides to a file.
    SavePolicy {
        /// The file.
        path: String,
        /// The policy that the file is expected to contain; `None` accepts any content.
        known: Option<Arc<Policy>>,
    },
    /// Read a policy file and decide on it from now on.
    LoadPolicy(String),
}

/// The call to make.
#[derive(Clone, Debug)]
pub struct Order {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// Who calls.
    pub origin: Origin,
    /// The instant the gate decides for.
    pub judged_at: NumericDate,
}

/// The instants of one turn of the loop, read together once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The real time, for stamps and issuing.
    pub real: NumericDate,
    /// The time that decisions use.
    pub judged: NumericDate,
    /// Time since the start: runs messages and spinners.
    pub mono: Duration,
}
