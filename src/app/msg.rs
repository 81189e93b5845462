//! The console's inputs (messages) and outputs (effects).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::key::Key;
use super::runs::{RunOrder, RunProgress, RunStop};
use super::targets::{CallReport, ConnectReport, TargetDraft, TargetFacts};
use crate::auth::issuers::DuplicateIssuer;
use crate::auth::keys::SigningKeys;
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::auth::{Algorithm, IssueError, IssueRequest, KeyError, NumericDate, Policy, Rules, Signer, Verifier};
use crate::config::ConfigError;
use crate::endpoint::Settings;
use crate::gate::{AcceptedIssuer, CallResult, Origin, TokenEntry};
use crate::issuer_keys::UrlError;
use crate::lab::kit::{Identity, TestToken};
use crate::look::Background;
use crate::observe::Progress;
use crate::server::ServeError;
use crate::store::{ReloadError, Setback, StoreError};
use crate::text;
use crate::watch::WatchError;

/// An event for the console. It may hold a token, so it has no `Debug`.
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
    /// The terminal has this size; also sent once at the start.
    Resized {
        /// Columns.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// The terminal reported its background.
    Background(Background),
    /// A text was copied, or copying it failed.
    Copied {
        /// A noun for the copied text.
        what: String,
        /// The destination, or the error.
        result: Result<CopyDestination, std::io::Error>,
        /// The text, if it must still be sent to the terminal's clipboard.
        rest: Option<Zeroizing<String>>,
    },
    /// The picture's next change is due.
    Woke,
    /// The copy of the shared state was updated.
    Synced,
    /// A token was issued and has this number.
    Issued(Result<u64, IssueError>),
    /// Tokens were added: the number of each, and whether it is new.
    Added(Vec<(u64, bool)>),
    /// A token was removed.
    Removed(TokenEntry, RemovalReason),
    /// A call has finished.
    Called {
        /// The ID in [`Effect::Call`].
        id: u64,
        /// The result.
        call: Box<CallResult>,
    },
    /// The calls as everyone have finished, in the requested order.
    CalledEach {
        /// The ID in [`Effect::CallEach`].
        id: u64,
        /// The result.
        calls: Vec<CallResult>,
    },
    /// Test tokens were made.
    KitMade {
        /// The tokens, in the order of the kit.
        made: Result<Vec<TestToken>, IssueError>,
        /// The request, whose settings may have changed since.
        request: Box<KitRequest>,
    },
    /// Tokens with labels were added, under these numbers.
    NamedAdded(Vec<u64>),
    /// A file was written: its path, or the path and the error.
    Written(Result<String, (String, ConfigError)>),
    /// A policy file was read for the settings.
    Policy {
        /// The path, as requested.
        asked: String,
        /// The path and the policy, or why it cannot be used.
        read: Result<(String, Arc<Policy>), ConfigError>,
    },
    /// The policy file was read again: its policy, or why it is invalid.
    PolicyReread(Result<Arc<Policy>, ConfigError>),
    /// The policy was saved: the path and the policy, or why it was not.
    PolicySaved(Result<(String, Arc<Policy>), SaveError>),
    /// The policy file or the signing key's file is not watched, so edits by other programs are not noticed at once.
    FileUnwatched(WatchError),
    /// The signing key's file was read again: the key, or why it cannot be used.
    SigningKeyRead(Result<Box<SigningKeys>, ConfigError>),
    /// The file of the signing key can be read again, after a failure that was reported.
    SigningKeyReadable,
    /// Another key signs from now on.
    Rotated {
        /// A noun for it.
        what: &'static str,
        /// The previous key that no longer verifies, because there are too many.
        dropped: Option<Verifier>,
    },
    /// A key was generated, to sign from now on.
    KeyGenerated(Result<Box<Signer>, KeyError>),
    /// Revocations that could not be stored before have been stored.
    Stored,
    /// The server is listening, or could not be started.
    Served(Result<ServerInfo, ServeError>),
    /// The server has stopped.
    ServingStopped,
    /// The issuer of the form was accepted, or why it cannot be.
    IssuerSet(Result<(), IssuerFailure>),
    /// The description of a target to add was read, or why it cannot be used.
    TargetAdded {
        /// The number in [`Effect::AddTarget`].
        number: u64,
        /// The description; the error is safe to show.
        read: Result<TargetFacts, String>,
    },
    /// A target was connected, or refused that.
    TargetConnected(Box<ConnectReport>),
    /// A call of a target has finished.
    TargetCalled(Box<CallReport>),
    /// A target reported the progress of a call.
    Progressed {
        /// The ID in [`Effect::CallTarget`].
        id: u64,
        /// The progress.
        progress: Progress,
    },
    /// A policy was written to a new file; or the path, and why not.
    PolicyWritten(Result<PolicyToWrite, (String, ConfigError)>),
    /// A run has found more.
    RunProgressed {
        /// The ID in [`Effect::Run`].
        id: u64,
        /// Everything that it has found so far.
        found: RunProgress,
    },
    /// A run has ended.
    RunEnded {
        /// The ID in [`Effect::Run`].
        id: u64,
        /// Its result, or why it has none.
        end: Result<RunProgress, RunStop>,
    },
    /// An operation outside the console failed.
    Failed(Failure),
}

/// Why an issuer cannot be accepted. Safe to show.
#[derive(Debug, thiserror::Error)]
pub enum IssuerFailure {
    /// The URL is not a source of keys.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The name is that of our own issuer.
    #[error("{} is our own issuer; its tokens are verified with the signing key", text::name(&.0.0, 64))]
    Duplicate(#[from] DuplicateIssuer),
    /// The thread that reads the keys could not be started.
    #[error("cannot fetch the keys: {}", text::display_safe(&.0.to_string(), 200))]
    Thread(#[from] std::io::Error),
}

/// A failed operation outside the console. Safe to show.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A key could not be generated.
    #[error(transparent)]
    Key(KeyError),
    /// Revocations changed by another process could not be read.
    #[error(transparent)]
    NotReloaded(ReloadError),
    /// The store is not watched, so revocations by other processes are noticed late.
    #[error(transparent)]
    StoreUnwatched(WatchError),
    /// The store went back to an older edition; revocations stay in force.
    #[error("{store}: {setback}; revocations stay in force and are stored again")]
    Setback {
        /// The store's name; safe to show.
        store: String,
        /// How it went back.
        setback: Setback,
    },
    /// An issuer could not be put back.
    #[error(transparent)]
    Issuer(IssuerFailure),
    /// A revocation is enforced here, but could not be stored.
    #[error("not stored: {0}")]
    NotKept(StoreError),
}

/// A listening server.
pub struct ServerInfo {
    /// The server's URI: the audience of tokens and the address for clients.
    pub uri: Arc<str>,
    /// The port that it listens on, chosen by the system if port 0 was requested.
    pub port: u16,
    /// Whether other machines can reach it.
    pub is_exposed: bool,
}

/// Why a policy was not written.
pub enum SaveError {
    /// The file at this path contains another policy than expected.
    Other(String),
    /// The file at this path could not be read or written.
    Failed(String, ConfigError),
}

/// A request for test tokens: what they are made and judged for. Making them may take a second.
#[derive(Clone, Debug)]
pub struct KitRequest {
    /// The user and permissions in the tokens.
    pub identity: Identity,
    /// The tool that they are made for.
    pub tool: Arc<str>,
    /// The instant at which they are to be judged.
    pub at: NumericDate,
    /// The rules that the expected answers follow.
    pub rules: Arc<Rules>,
    /// The same rules in words.
    pub judged_by: Vec<String>,
    /// The purpose of the tokens.
    pub purpose: KitFor,
}

/// The purpose of test tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KitFor {
    /// To call a tool with each of them.
    Run,
    /// To add them to the list: all of them, or the one in this row.
    List(Option<usize>),
}

/// Why a token is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// The user requested it; it can be undone.
    Asked,
    /// A removal is redone.
    Redone,
    /// The step that added it is undone.
    Undone,
}

/// The destination of a copied text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyDestination {
    /// The tmux buffer, and perhaps the terminal's clipboard.
    Tmux {
        /// Whether tmux passes the text on to the terminal.
        reaches_terminal: bool,
    },
    /// The clipboard, through this program.
    Program(&'static str),
    /// The terminal's clipboard. The terminal does not confirm it.
    Terminal {
        /// Whether the terminal is known to accept the text.
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
/// The shell carries out effects on the terminal and in memory at once and in order. Effects on files, host names,
/// servers and tools may take long; their results return in a later turn. Effects on the revocations, the policy file
/// and the server each keep their order among themselves.
pub enum Effect {
    /// End the program.
    Quit,
    /// Stop the program until the shell continues it.
    Suspend,
    /// Make the terminal report mouse events, or leave the mouse to it for selecting text.
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
    /// Make test tokens.
    MakeKit(Box<KitRequest>),
    /// Add test tokens, each with a label.
    AddNamed(Vec<(Arc<str>, Arc<str>)>),
    /// Write a file that does not exist yet.
    WriteNew {
        /// The file.
        path: String,
        /// Its content.
        text: String,
    },
    /// Remove the token with this number.
    Remove(u64, RemovalReason),
    /// Put a removed token back.
    Restore(TokenEntry),
    /// Set the label of the token with this number, or remove it.
    Label(u64, Option<Arc<str>>),
    /// Call a tool.
    Call {
        /// The ID that the answer will have.
        id: u64,
        /// The token, if any.
        token: Option<Arc<str>>,
        /// The call to make.
        order: Order,
    },
    /// Call a tool once with each of these tokens.
    CallEach {
        /// The ID that the answers will have.
        id: u64,
        /// The tokens; `None` is a call without a token.
        tokens: Vec<Option<Arc<str>>>,
        /// The call to make.
        order: Order,
    },
    /// Read the description of a target to add.
    AddTarget {
        /// The number that it gets.
        number: u64,
        /// The description.
        draft: Box<TargetDraft>,
        /// The names that other targets have.
        taken: Vec<Arc<str>>,
    },
    /// Open a new connection to a target and list its tools.
    ConnectTarget {
        /// The ID that the answer will have.
        id: u64,
        /// The number of the target.
        target: u64,
        /// The token, if any.
        token: Option<Arc<str>>,
    },
    /// Call a tool of a target.
    CallTarget {
        /// The ID that the answer will have.
        id: u64,
        /// The call.
        call: Box<ForeignOrder>,
    },
    /// Carry out a run against a target.
    Run {
        /// The ID that its messages will have.
        id: u64,
        /// What to do.
        order: Box<RunOrder>,
    },
    /// Give the target with this number another name.
    NameTarget {
        /// The number.
        number: u64,
        /// The name.
        name: Arc<str>,
    },
    /// Close the connections of the target with this number, which was removed.
    CloseTarget(u64),
    /// Cancel the call, the connection or the run with this ID, which answers that it was cancelled.
    Cancel(u64),
    /// Revoke something, or restore it if `since` is `None`: in memory at once, then in the store.
    SetRevoked {
        /// The token or the `jti`.
        what: RevocationTarget,
        /// The revocation.
        since: Option<Revocation>,
    },
    /// Start the server.
    Serve(Box<Settings>),
    /// Stop the server.
    StopServing,
    /// Use these rules for decisions from now on.
    SetRules(Box<Rules>),
    /// Use this policy for decisions from now on.
    SetPolicy(Arc<Policy>),
    /// Sign with this key and verify with it from now on.
    SetSigner(Box<Signer>),
    /// Generate a random key; sign and verify with it from now on.
    FreshKey,
    /// Generate a key for this algorithm, to sign from now on.
    Rotate(Algorithm),
    /// Sign with these keys from now on; the previous keys still verify.
    RotateTo {
        /// The keys.
        keys: Box<SigningKeys>,
        /// A noun for them.
        what: &'static str,
    },
    /// Do not verify with this previous key any longer.
    RetireKey(Verifier),
    /// Accept an issuer besides our own in place of the one with its name, or remove that one.
    SetIssuer {
        /// The name.
        name: Option<Arc<str>>,
        /// The issuer.
        to: Option<Box<AcceptedIssuer>>,
        /// Whether it comes from the form, which waits for the answer.
        is_new: bool,
    },
    /// Request newer keys of the issuer with this name.
    RefreshKeys(Option<Arc<str>>),
    /// Write the policy in force to a file.
    SavePolicy {
        /// The file.
        path: String,
        /// The policy that the file is expected to contain; `None` accepts any content.
        known: Option<Arc<Policy>>,
    },
    /// Read a policy file for the settings.
    LoadPolicy(String),
    /// Write a policy that is not in force to a new file.
    WritePolicy(Box<PolicyToWrite>),
}

/// A policy to write to a new file.
pub struct PolicyToWrite {
    /// The file.
    pub path: String,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What the policy does not say, as sentences.
    pub left_out: Arc<[String]>,
}

/// The call to make.
#[derive(Clone, Debug)]
pub struct Order {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// The origin of the call.
    pub origin: Origin,
    /// The instant that the decision is made for.
    pub judged_at: NumericDate,
}

/// A call of a tool of a foreign target. It may hold a token, so it has no `Debug`.
pub struct ForeignOrder {
    /// The number of the target.
    pub target: u64,
    /// The token, if any.
    pub token: Option<Arc<str>>,
    /// The call to make.
    pub order: Order,
    /// The arguments.
    pub arguments: Map<String, Value>,
}

/// The instants of one turn of the loop, read together once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The real time, for stamps and issuing.
    pub real: NumericDate,
    /// The time that decisions use.
    pub judged: NumericDate,
    /// The time since the start, for toasts and animations.
    pub mono: Duration,
}
