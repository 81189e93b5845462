//! The table of reason codes. It is written only here; decisions, documentation and tests use it.

use super::check::{Check, Verdict};

/// A row of [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    /// The reason's code, for scripts and servers.
    pub code: &'static str,
    /// The check that fails for this reason.
    pub check: Check,
    /// When the reason occurs, for documentation: a phrase without a full stop.
    pub meaning: &'static str,
    /// The next step for the user: an imperative phrase without a full stop.
    pub remedy: &'static str,
}

const fn row(code: &'static str, check: Check, meaning: &'static str, remedy: &'static str) -> ReasonRow {
    ReasonRow { code, check, meaning, remedy }
}

pub(super) const MISSING_TOKEN: ReasonRow =
    row("missing_token", Check::Present, "the call has no token", "send the token as `Authorization: Bearer TOKEN`");
pub(super) const TOO_LARGE: ReasonRow = row(
    "too_large",
    Check::Present,
    "the token is larger than the limit, 8 KiB by default",
    "get a token with fewer claims, or raise the limit with `--max-token-size`",
);
pub(super) const MALFORMED: ReasonRow = row(
    "malformed",
    Check::Structure,
    "not three base64url segments, or header or payload is not a JSON object without duplicate members",
    "send the whole token, and nothing else",
);
pub(super) const UNKNOWN_ISSUER: ReasonRow = row(
    "unknown_issuer",
    Check::Header,
    "`iss` is not a known issuer",
    "get a token from a configured issuer, or configure this one",
);
pub(super) const ALGORITHM_REFUSED: ReasonRow = row(
    "algorithm_refused",
    Check::Header,
    "`alg` is not exactly the algorithm of a configured key, or no key is configured",
    "get a token signed with an accepted algorithm, or configure its key",
);
pub(super) const HEADER_REFUSED: ReasonRow = row(
    "header_refused",
    Check::Header,
    "the header requires an unsupported extension (`crit`, `b64`, `zip`, `enc`), or its `alg` or `kid` is not a string",
    "get a token without these header members",
);
pub(super) const UNKNOWN_KEY: ReasonRow = row(
    "unknown_key",
    Check::Header,
    "`kid` is not a known key",
    "get a token signed with a known key, or add its key",
);
pub(super) const KEYS_UNAVAILABLE: ReasonRow = row(
    "keys_unavailable",
    Check::Header,
    "the issuer's keys could not be fetched, or the last fetch is too long ago",
    "try again later, or find out why the issuer's keys cannot be fetched",
);
pub(super) const WRONG_TYPE: ReasonRow = row(
    "wrong_type",
    Check::Header,
    "the token is not an access token: an ID token, a refresh token, or without the required `typ`",
    "send the access token",
);
pub(super) const BAD_SIGNATURE: ReasonRow = row(
    "bad_signature",
    Check::Signature,
    "the signature does not match this header and payload under the known key",
    "get a token from this issuer; if it is from this issuer, compare the issuer's key with the gate's",
);
pub(super) const CLAIM_MISSING: ReasonRow =
    row("claim_missing", Check::Claims, "a required claim is missing", "get a token with that claim");
pub(super) const CLAIM_INVALID: ReasonRow = row(
    "claim_invalid",
    Check::Claims,
    "a claim has the wrong type or is out of range",
    "get a token with a valid value for that claim",
);
pub(super) const NOT_YET_VALID: ReasonRow = row(
    "not_yet_valid",
    Check::Time,
    "`nbf` is in the future",
    "wait until `nbf`, or compare the clocks of issuer and gate",
);
pub(super) const EXPIRED: ReasonRow = row("expired", Check::Time, "`exp` has passed", "get a new token");
pub(super) const ISSUER_MISMATCH: ReasonRow =
    row("issuer_mismatch", Check::Binding, "`iss` is not the expected issuer", "get a token from the expected issuer");
pub(super) const AUDIENCE_MISMATCH: ReasonRow = row(
    "audience_mismatch",
    Check::Binding,
    "`aud` does not name the expected audience",
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
    "call a tool from `tools/list`, or add this one to the policy",
);
pub(super) const PERMISSION_MISSING: ReasonRow = row(
    "permission_missing",
    Check::Permission,
    "the token holds none of the tool's permissions",
    "get a token with one of the tool's permissions",
);

/// Every reason, in the order of the checks.
pub const REASONS: [ReasonRow; 19] = [
    MISSING_TOKEN,
    TOO_LARGE,
    MALFORMED,
    UNKNOWN_ISSUER,
    ALGORITHM_REFUSED,
    HEADER_REFUSED,
    UNKNOWN_KEY,
    KEYS_UNAVAILABLE,
    WRONG_TYPE,
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

/// Formats [`REASONS`] as the Markdown table in the docs.
pub fn reasons_markdown() -> String {
    let mut table = String::from("| code | verdict | check | when | next step |\n|---|---|---|---|---|\n");
    for row in &REASONS {
        let (verdict, check) = (row.verdict().word(), row.check.label());
        let line = format!("| `{}` | {verdict} | {check} | {} | {} |\n", row.code, row.meaning, row.remedy);
        table.push_str(&line);
    }
    table
}
