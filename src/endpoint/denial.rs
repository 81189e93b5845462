//! How a client is informed that its call is refused.

/// How a client is informed that its call is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denial {
    /// HTTP 401, 403 or 429, as the MCP specification requires.
    #[default]
    Http,
    /// HTTP 200 with a tool result that is an error, or with a JSON-RPC error for a request that is not a call: for
    /// clients that end their session on these statuses. `initialize` succeeds, because some clients never recover when
    /// it fails; its instructions say why everything else is refused.
    Tool,
    /// HTTP statuses for clients of revision 2026-07-28, which has no sessions that could end, and tool results for all
    /// others: of fifteen of those, six end their session on a 403, hang, or try to sign in instead of showing it.
    Auto,
}

/// The first revision of MCP without `initialize` and sessions, so that a status cannot end a session. Revisions are
/// dates, so they can be compared as text.
pub const WITHOUT_SESSIONS: &str = "2026-07-28";

impl Denial {
    /// Every form, in the order of the selection.
    pub const ALL: [Self; 3] = [Self::Http, Self::Tool, Self::Auto];

    /// The word for it, as in options.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tool => "tool",
            Self::Auto => "auto",
        }
    }

    /// Whether a client with this `MCP-Protocol-Version` gets a tool result.
    pub fn is_result_for(self, version: Option<&str>) -> bool {
        match self {
            Self::Http => false,
            Self::Tool => true,
            Self::Auto => version.is_none_or(|version| version < WITHOUT_SESSIONS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some("2025-11-25"), true)]
    #[case(Some("2024-11-05"), true)]
    #[case(None, true)]
    #[case(Some("2026-07-28"), false)]
    fn auto_spares_those_that_a_status_could_end(#[case] version: Option<&str>, #[case] is_result: bool) {
        assert_eq!(Denial::Auto.is_result_for(version), is_result);
        assert!(Denial::Tool.is_result_for(version) && !Denial::Http.is_result_for(version));
    }
}
