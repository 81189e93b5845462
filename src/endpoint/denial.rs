//! How a client is told that its call is refused.

/// How a client is told that its call is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denial {
    /// HTTP 401, 403 or 429, as the MCP specification asks.
    #[default]
    Http,
    /// HTTP 200 with a tool result that is an error, for clients that end their session on these statuses.
    Tool,
    /// HTTP statuses for clients that are known to survive them, and tool results for all others.
    Auto,
}

/// The first revision of MCP without sessions: a client that speaks it has none that a status could end.
const WITHOUT_SESSIONS: &str = "2026-07-28";

/// The beginnings of the `User-Agent` of clients that show a refused call and go on: the TypeScript SDK by its runtimes,
/// browsers, and curl. The Python SDK 1.x (`python-httpx`) ends its session instead, and so does all that is built on it.
const SURVIVORS: [&str; 6] = ["node", "undici", "Bun/", "Deno/", "Mozilla/", "curl/"];

impl Denial {
    /// Every way, in the order in which they turn.
    pub const ALL: [Self; 3] = [Self::Http, Self::Tool, Self::Auto];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tool => "tool",
            Self::Auto => "auto",
        }
    }

    /// Whether a client with this `MCP-Protocol-Version` and `User-Agent` gets a tool result.
    pub fn is_result_for(self, version: Option<&str>, agent: &str) -> bool {
        match self {
            Self::Http => false,
            Self::Tool => true,
            // Revisions are dates, so they compare as text.
            Self::Auto => version.is_none_or(|version| version < WITHOUT_SESSIONS) && !survives(agent),
        }
    }
}

fn survives(agent: &str) -> bool {
    SURVIVORS.iter().any(|known| agent.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some("2025-11-25"), "python-httpx/0.28.1", true)]
    #[case(None, "python-httpx/0.28.1", true)]
    #[case(Some("2026-07-28"), "python-httpx/0.28.1", false)]
    #[case(Some("2025-06-18"), "node", false)]
    #[case(Some("2025-06-18"), "", true)]
    fn auto_spares_those_that_a_status_would_end(
        #[case] version: Option<&str>,
        #[case] agent: &str,
        #[case] is_result: bool,
    ) {
        assert_eq!(Denial::Auto.is_result_for(version, agent), is_result);
        assert!(Denial::Tool.is_result_for(version, agent) && !Denial::Http.is_result_for(version, agent));
    }
}
