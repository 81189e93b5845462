//! The groups of options in help and man pages: what the options are for. Options without a group belong to one command.
//!
//! Help shows a command's own options first, then the groups in the order in which [`Options`](super::Options) declares
//! their options.

/// The options that most runs need.
pub const GENERAL: &str = "General options";
/// Options of the console, which runs without a command.
pub const CONSOLE: &str = "Console options";
/// Keys, and the tokens that they verify.
pub const KEYS: &str = "Keys and tokens";
/// The clock.
pub const TIME: &str = "Time";
/// Tokens that another issuer has signed.
pub const ISSUER: &str = "Tokens of another issuer";
/// Our own MCP server.
pub const SERVING: &str = "Server options";
/// An MCP server that decides for itself.
pub const TARGET: &str = "Another server";
/// Results for other programs.
pub const REPORT: &str = "Reports";
/// The header of an issued token.
pub const HEADER: &str = "Token header";

/// Every group.
pub const ALL: [&str; 9] = [GENERAL, CONSOLE, KEYS, TIME, ISSUER, SERVING, TARGET, REPORT, HEADER];
