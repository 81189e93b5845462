//! The kind of a token, if it can be recognized: access, ID or refresh. For display only; no decision depends on it.

use super::members::{self, Member};

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token, for calling a server (RFC 9068).
    Access,
    /// An ID token, which informs the client who signed in (`OpenID` Connect Core §2).
    Id,
    /// A refresh token, for getting new tokens.
    Refresh,
}

impl TokenKind {
    /// The kind as a noun.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Access => "access token",
            Self::Id => "ID token",
            Self::Refresh => "refresh token",
        }
    }

    /// The kind as a noun with its article.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Access => "an access token",
            Self::Id => "an ID token",
            Self::Refresh => "a refresh token",
        }
    }

    /// The kind's code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
            Self::Refresh => "refresh",
        }
    }

    /// Returns the kind that header and payload indicate; `None` if they indicate none. Explicit indications take
    /// precedence.
    pub(super) fn of(header: &[Member<'_>], payload: &[Member<'_>]) -> Option<Self> {
        let value = |part: &[Member<'_>], name: &str| {
            members::value(part, name).and_then(members::string).map(|value| value.to_ascii_lowercase())
        };
        let has = |names: &[&str]| payload.iter().any(|member| names.contains(&&*member.name));
        // Cognito and Keycloak state the kind in a claim, RFC 9068 and Okta in the header.
        let claims = [value(payload, "token_use"), value(payload, "typ"), value(header, "typ")];
        for claim in claims.iter().flatten() {
            match &**claim {
                "access" | "bearer" | "at+jwt" | "application/at+jwt" | "application/okta-internal-at+jwt" => {
                    return Some(Self::Access);
                }
                "id" => return Some(Self::Id),
                "refresh" | "offline" | "rt+jwt" => return Some(Self::Refresh),
                _ => {}
            }
        }
        if has(&["nonce", "at_hash", "c_hash", "s_hash"]) {
            return Some(Self::Id);
        }
        has(&["scope", "scp", "permissions"]).then_some(Self::Access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"typ":"at+jwt"}"#, "{}", Some("access"))]
    #[case(r#"{"typ":"JWT"}"#, r#"{"token_use":"id","scope":"x"}"#, Some("id"))]
    #[case("{}", r#"{"token_use":"access"}"#, Some("access"))]
    #[case("{}", r#"{"typ":"Bearer","nonce":"x"}"#, Some("access"))]
    #[case("{}", r#"{"typ":"ID"}"#, Some("id"))]
    #[case("{}", r#"{"typ":"Refresh"}"#, Some("refresh"))]
    #[case("{}", r#"{"typ":"Offline"}"#, Some("refresh"))]
    #[case("{}", r#"{"at_hash":"x","email":"a@b"}"#, Some("id"))]
    #[case("{}", r#"{"scp":"a b"}"#, Some("access"))]
    #[case(r#"{"typ":"JWT"}"#, r#"{"sub":"a","permissions":[]}"#, Some("access"))]
    #[case(r#"{"typ":"JWT"}"#, r#"{"sub":"a"}"#, None)]
    #[case(r#"{"typ":7}"#, r#"{"typ":null}"#, None)]
    fn a_kind_is_told_by_what_the_token_says(#[case] header: &str, #[case] payload: &str, #[case] code: Option<&str>) {
        let header = members::parse(header.as_bytes()).expect("an object");
        let payload = members::parse(payload.as_bytes()).expect("an object");
        assert_eq!(TokenKind::of(&header, &payload).map(TokenKind::code), code);
    }
}
