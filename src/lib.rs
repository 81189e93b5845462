//! Who may call what, with this token, now, and why?
//!
//! A [`Gate`] verifies tokens, checks permissions against a policy and calls tools. Every decision is made by
//! [`Rules`], and has a typed [`Reason`]; the console, the command line and the server of the same name show and enforce
//! the same ones.
//!
//! # A tour
//!
//! The [`Gate`] is the front door. It issues HS256 tokens that live for one hour, and answers calls:
//!
//! ```
//! use portcullis::Gate;
//! use serde_json::json;
//!
//! let gate = Gate::new(b"a secret that is at least 32 bytes long")?;
//! let token = gate.generate_token("user123", &["user"])?;
//! assert_eq!(gate.call_tool(&*token, "read_data", &json!({"id": 1})), json!({"success": true, "result": {"id": 1}}));
//! assert_eq!(gate.call_tool(&*token, "write_data", &json!({"data": "new"})), json!({"error": "forbidden"}));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Rules`] decide without a gate: pure, with the time as a parameter, and with the reason. They consist of a
//! [`Policy`](auth::Policy), which is also read from TOML, and of the keys of one or several
//! [`Issuer`](auth::Issuer)s:
//!
//! ```
//! use portcullis::Rules;
//! use portcullis::auth::{Call, NumericDate, Policy};
//! use portcullis::{Signer, auth::KeyOrigin};
//! use std::sync::Arc;
//!
//! let signer = Signer::hs256(b"a secret that is at least 32 bytes long", KeyOrigin::Program)?;
//! let policy = Arc::new(Policy::parse("[tools.report]\npermissions = [\"auditor\"]")?);
//! let rules = Rules { policy, ..Rules::new(signer.verifier().clone()) };
//! let decision = rules.decide(&Call { token: None, tool: "report" }, NumericDate::from_seconds(1_800_000_000));
//! assert_eq!(decision.code(), "missing_token");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`Rules::inspect`] makes every check that can be made, also after the first failure, and says what it found and what
//!   it expected.
//! * A [`Permit`] is the proof that a call is allowed. Only a decision creates one, and a
//!   [`Backend`](gate::ports::Backend) accepts nothing else. Implement it to put the gate in front of tools of your own.
//! * [`clock`] has the system's clock and one that only moves on request, for tests.
//! * [`lab`] makes tokens with one fault each, and measures when tokens begin and cease to be accepted.
//!
//! # Features
//!
//! * `program` (default): the console, the command line and the server. Their modules are not part of the public API and
//!   are not documented here. Without it, the crate needs no runtime, terminal, HTTP or command-line crate.

pub mod auth;
pub mod backend;
pub mod clock;
pub mod gate;
pub mod lab;
#[doc(hidden)]
pub mod observe;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod text;

/// Declares the modules of the program. The binary and the tests use them; the public API is above.
macro_rules! program {
    ($($module:ident)*) => { $(#[cfg(feature = "program")] #[doc(hidden)] pub mod $module;)* };
}

program! { app cli config endpoint http issuer_keys look probing server signals store target tui view watch }

pub use auth::{Check, Decision, Inspection, Outcome, Permit, Principal, Reason, Rules, Signer};
pub use gate::{AuthenticatedMcpServer, Gate};

/// Compiles the examples of the page about the library.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryPage;
