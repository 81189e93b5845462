//! Portcullis: the gate of an authenticated MCP server, and a terminal console around it.
//!
//! [`AuthenticatedMcpServer`] issues HS256 tokens, verifies them, checks permissions and calls tools. Everything it
//! decides, it decides by [`auth::Rules::decide`]; a console, a command line and a server show and serve the same
//! decisions.

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod gate;
pub mod lab;
pub mod server;
pub mod signals;
pub mod store;
pub mod text;
pub mod tools;
pub mod tui;
pub mod view;
pub mod watch;

pub use auth::{Check, Decision, Inspection, KeyRing, Outcome, Principal, Reason, Rules};
pub use gate::{AuthState, AuthenticatedMcpServer};
