//! What a server says of itself, and of a call that is running.

/// What a server says of itself. Safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSeen {
    /// The protocol revision in use.
    pub protocol: String,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether it opened a session.
    pub has_session: bool,
}

/// The progress of a call, as the server reports it. Safe to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// How much there is to do, if it is known.
    pub total: Option<f64>,
    /// A message.
    pub message: Option<String>,
}
