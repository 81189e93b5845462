//! The table of reason codes, written once: decisions, documentation and tests read it here.

use super::check::{Check, Verdict};

/// A row of [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    /// The code, as scripts and servers read it.
    pub code: &'static str,
    /// The check that gives it.
    pub check: Check,
    /// When it is given, as documentation; a full phrase without a full stop.
    pub meaning: &'static str,
    /// What helps, as a phrase in the imperative without a full stop.
    pub remedy: &'static str,
}

const fn row(code: &'static str, check: Check, meaning: &'static str, remedy: &'static str) -> ReasonRow {
    ReasonRow { code, check, meaning, remedy }
}

pub(super) const MISSING_TOKEN: ReasonRow = row(
    "missing_token",
    Check::Present,
    "no token came with the call",
    "send the token as `Authorization: Bearer TOKEN`",
);
pub(super) const TOO_LARGE: ReasonRow =
    row("too_large", Check::Present, "the token has more than 8 KiB", "get a token with fewer claims");
pub(super) const MALFORMED: ReasonRow = row(
    "malformed",
    Check::Structure,
    "not three base64url segments of JSON objects with every member once",
    "send the whole token, and nothing else",
);
pub(super) const UNKNOWN_ISSUER: ReasonRow = row(
    "unknown_issuer",
    Check::Header,
    "`iss` names an issuer that is not known here",
    "get a token of an issuer that is configured here, or configure this one",
);
pub(super) const ALGORITHM_REFUSED: ReasonRow = row(
    "algorithm_refused",
    Check::Header,
    "`alg` is not exactly the algorithm of a key held here",
    "get a token that is signed with an algorithm of our keys",
);
pub(super) const HEADER_REFUSED: ReasonRow = row(
    "header_refused",
    Check::Header,
    "the header asks for something the gate does not do (`crit`, `b64`, `zip`, `enc`), or its `alg` or `kid` is no string",
    "get a token without these header members",
);
pub(super) const UNKNOWN_KEY: ReasonRow = row(
    "unknown_key",
    Check::Header,
    "`kid` names a key that is not held here",
    "get a token that is signed with a key held here, or add its key",
);
pub(super) const BAD_SIGNATURE: ReasonRow = row(
    "bad_signature",
    Check::Signature,
    "the signature was not made with our key over this header and payload",
    "get a token of this issuer; if it is one, compare the keys of issuer and gate",
);
pub(super) const CLAIM_MISSING: ReasonRow =
    row("claim_missing", Check::Claims, "a claim that is needed is not there", "get a token with that claim");
pub(super) const CLAIM_INVALID: ReasonRow = row(
    "claim_invalid",
    Check::Claims,
    "a claim has the wrong type or is out of range",
    "get a token in which that claim has the right type",
);
pub(super) const NOT_YET_VALID: ReasonRow =
    row("not_yet_valid", Check::Time, "`nbf` lies ahead", "wait for `nbf`, or compare the clocks of issuer and gate");
pub(super) const EXPIRED: ReasonRow = row("expired", Check::Time, "`exp` has come", "get a new token");
pub(super) const ISSUER_MISMATCH: ReasonRow =
    row("issuer_mismatch", Check::Binding, "`iss` is not the issuer expected", "get a token of the expected issuer");
pub(super) const AUDIENCE_MISMATCH: ReasonRow = row(
    "audience_mismatch",
    Check::Binding,
    "`aud` does not name the audience expected",
    "get a token whose `aud` names this server",
);
pub(super) const REVOKED: ReasonRow = row(
    "revoked",
    Check::Revocation,
    "the token, or its `jti`, was revoked",
    "get a new token, or have this one restored",
);
pub(super) const UNKNOWN_TOOL: ReasonRow = row(
    "unknown_tool",
    Check::Tool,
    "the policy has no such tool",
    "call a tool that `tools/list` names, or add this one to the policy",
);
pub(super) const PERMISSION_MISSING: ReasonRow = row(
    "permission_missing",
    Check::Permission,
    "the principal holds none of the tool's permissions",
    "get a token with one of the permissions that the tool needs",
);

/// Every reason, in the order of the checks.
pub const REASONS: [ReasonRow; 17] = [
    MISSING_TOKEN,
    TOO_LARGE,
    MALFORMED,
    UNKNOWN_ISSUER,
    ALGORITHM_REFUSED,
    HEADER_REFUSED,
    UNKNOWN_KEY,
    BAD_SIGNATURE,
    CLAIM_MISSING,
    CLAIM_INVALID,
    NOT_YET_VALID,
    EXPIRED,
    ISSUER_MISMATCH,
    AUDIENCE_MISMATCH,
    REVOKED,
    UNKNOWN_TOOL,
    PERMISSION_MISSING,
];

impl ReasonRow {
    /// The verdict that the reason leads to.
    pub fn verdict(&self) -> Verdict {
        if self.check >= Check::Tool { Verdict::Forbidden } else { Verdict::Unauthorized }
    }
}

/// [`REASONS`] as a Markdown table: what the README shows.
pub fn reasons_markdown() -> String {
    let mut table = String::from("| code | verdict | check | when | what helps |\n|---|---|---|---|---|\n");
    for row in &REASONS {
        let (verdict, check) = (row.verdict().word(), row.check.label());
        let line = format!("| `{}` | {verdict} | {check} | {} | {} |\n", row.code, row.meaning, row.remedy);
        table.push_str(&line);
    }
    table
}
