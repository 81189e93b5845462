//! The table of reason codes, written once: decisions, documentation and tests read it here.

use super::decision::{Check, Verdict};

/// A row of [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    /// The code, as scripts and servers read it.
    pub code: &'static str,
    /// The check that gives it.
    pub check: Check,
    /// What it means, as documentation; a full phrase without a full stop.
    pub meaning: &'static str,
}

const fn row(code: &'static str, check: Check, meaning: &'static str) -> ReasonRow {
    ReasonRow { code, check, meaning }
}

/// Every reason code there is, in the order of the checks. The one place where codes are written.
pub const REASONS: [ReasonRow; 16] = [
    row("missing_token", Check::Present, "no token came with the call"),
    row("too_large", Check::Present, "the token has more than 8 KiB"),
    row("malformed", Check::Structure, "not three base64url segments of JSON objects with every member once"),
    row("algorithm_refused", Check::Header, "`alg` is not exactly the algorithm of a key held here"),
    row(
        "header_refused",
        Check::Header,
        "the header asks for something the gate does not do (`crit`, `b64`, `zip`, `enc`), or its `alg` or `kid` is no string",
    ),
    row("unknown_key", Check::Header, "`kid` names a key that is not held here"),
    row("bad_signature", Check::Signature, "the signature was not made with our key over this header and payload"),
    row("claim_missing", Check::Claims, "a claim that is needed is not there"),
    row("claim_invalid", Check::Claims, "a claim has the wrong type or is out of range"),
    row("not_yet_valid", Check::Time, "`nbf` lies ahead"),
    row("expired", Check::Time, "`exp` has come"),
    row("issuer_mismatch", Check::Binding, "`iss` is not the issuer expected"),
    row("audience_mismatch", Check::Binding, "`aud` does not name the audience expected"),
    row("revoked", Check::Revocation, "the token, or its `jti`, was revoked"),
    row("unknown_tool", Check::Tool, "the policy has no such tool"),
    row("permission_missing", Check::Permission, "the principal holds none of the tool's permissions"),
];

impl ReasonRow {
    /// What the reason makes of a call.
    pub fn verdict(&self) -> Verdict {
        if self.check >= Check::Tool { Verdict::Forbidden } else { Verdict::Unauthorized }
    }
}

/// [`REASONS`] as a Markdown table: what the README shows.
pub fn reasons_markdown() -> String {
    let mut table = String::from("| code | verdict | check | when |\n|---|---|---|---|\n");
    for row in &REASONS {
        let line = format!("| `{}` | {} | {} | {} |\n", row.code, row.verdict().word(), row.check.label(), row.meaning);
        table.push_str(&line);
    }
    table
}
