//! The kind of a token, if it can be recognized: access, ID or refresh. Tokens of other issuers that are not access
//! tokens are refused; for those that are issued here, the kind is only shown.

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

/// How the ID tokens of an issuer are recognized where they do not say so themselves, and whether they are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdTokens {
    /// A `nonce` makes one too, unless the token has scopes. They are refused.
    #[default]
    ByNonce,
    /// A `nonce` means nothing, because access tokens have it too. They are refused.
    ByHash,
    /// They are accepted, because they are the only tokens of the issuer that are JWTs.
    Accepted,
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
    /// precedence, then the hashes that only ID tokens have (`OpenID` Connect Core §3.1.3.6), then scopes, which only
    /// access tokens have. A `nonce` comes last, because some providers copy it into access tokens.
    pub(super) fn of(header: &[Member<'_>], payload: &[Member<'_>], id_tokens: IdTokens) -> Option<Self> {
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
        if has(&["at_hash", "c_hash", "s_hash"]) {
            return Some(Self::Id);
        }
        if has(&["scope", "scp"]) {
            return Some(Self::Access);
        }
        if id_tokens != IdTokens::ByHash && has(&["nonce"]) {
            return Some(Self::Id);
        }
        match id_tokens {
            IdTokens::Accepted => Some(Self::Id),
            _ => has(&["permissions"]).then_some(Self::Access),
        }
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
    #[case("{}", r#"{"nonce":"x","sub":"a"}"#, Some("id"))]
    #[case("{}", r#"{"nonce":"x","permissions":[]}"#, Some("id"))]
    #[case("{}", r#"{"nonce":"x","scope":"openid email"}"#, Some("access"))]
    #[case("{}", r#"{"nonce":"x","scope":"openid email","at_hash":"y"}"#, Some("id"))]
    #[case("{}", r#"{"nonce":"x","scp":["a"],"c_hash":"y"}"#, Some("id"))]
    #[case(r#"{"typ":"at+jwt"}"#, r#"{"nonce":"x","at_hash":"y"}"#, Some("access"))]
    #[case("{}", r#"{"token_use":"access","nonce":"x"}"#, Some("access"))]
    #[case(r#"{"typ":"JWT"}"#, r#"{"sub":"a"}"#, None)]
    #[case(r#"{"typ":7}"#, r#"{"typ":null}"#, None)]
    fn a_kind_is_told_by_what_the_token_says(#[case] header: &str, #[case] payload: &str, #[case] code: Option<&str>) {
        let header = members::parse(header.as_bytes()).expect("an object");
        let payload = members::parse(payload.as_bytes()).expect("an object");
        assert_eq!(TokenKind::of(&header, &payload, IdTokens::ByNonce).map(TokenKind::code), code);
    }

    #[test]
    fn where_access_tokens_have_a_nonce_only_a_hash_makes_an_id_token() {
        let of = |payload: &str| {
            let payload = members::parse(payload.as_bytes()).expect("an object");
            TokenKind::of(&[], &payload, IdTokens::ByHash).map(TokenKind::code)
        };
        assert_eq!(of(r#"{"nonce":"x","sub":"a"}"#), None);
        assert_eq!(of(r#"{"nonce":"x","at_hash":"y"}"#), Some("id"));
    }
}
