//! Portcullis: the gate of an authenticated MCP server, and a terminal console around it.
//!
//! A [`Gate`] issues HS256 tokens, verifies them, checks permissions and calls tools. All decisions are made by
//! [`auth::Rules`]; the console, the command line and the server show and enforce the same ones.

pub mod app;
pub mod auth;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod gate;
pub mod http;
pub mod issuer_keys;
pub mod lab;
pub mod look;
pub mod observe;
pub mod probing;
pub mod report;
pub mod server;
pub mod signals;
pub mod store;
pub mod target;
pub mod text;
pub mod tui;
pub mod view;
pub mod watch;

pub use auth::{Check, Decision, Inspection, Outcome, Permit, Principal, Reason, Rules, Signer};
pub use gate::{AuthenticatedMcpServer, Gate};
