//! The server's self-description, and the progress of a call.

use std::fmt;

/// What a server says of itself. Safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerIdentity {
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

/// Formats it as a phrase: `1 of 4, a quarter`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.done)?;
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        match &self.message {
            Some(message) => write!(f, ", {message}"),
            None => Ok(()),
        }
    }
}
