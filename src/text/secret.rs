//! Recognizes secrets in pasted text, so that they do not land in a field that shows what it holds. Pure.
//!
//! The text is looked through once for names and values, whatever language it is written in: JSON at any depth, JSON in a
//! string, a form, YAML, the environment. A parser would find none in a text that was cut off while it was copied. A
//! secret without a name cannot be told from other text.

use super::head;

/// What a secret is, as a noun with its article.
pub type SecretNoun = &'static str;

/// The ends of names whose values are secret, in lower case and without `_` and `-`.
const NAMES: [&str; 9] =
    ["secret", "password", "passwd", "passphrase", "token", "apikey", "privatekey", "secretkey", "accesskey"];

/// The members of a JWK that only its owner may know (RFC 7518 §6.2.2, §6.3.2, §6.4; `priv` of an AKP key).
pub const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The longest name that is looked at, in bytes.
const LONGEST_NAME: usize = 64;

/// How much of a value is looked at, in bytes.
const LONGEST_WORD: usize = 8;

/// Returns what kind of secret a text holds, if it is known to hold one.
pub fn secret(text: &str) -> Option<SecretNoun> {
    if text
        .split("-----BEGIN ")
        .skip(1)
        .any(|rest| is_private_label(rest.split_once("-----").map_or("", |(label, _)| label)))
    {
        return Some("a private key");
    }
    let is_jwk = text.contains("kty");
    let pairs = || text.match_indices([':', '=']).filter_map(|(at, _)| pair(text, at));
    if is_jwk && pairs().any(|(name, _)| PRIVATE_MEMBERS.contains(&name)) {
        return Some("a private key");
    }
    if pairs().any(|(name, value)| is_secret_name(name) && !matches!(value, "null" | "true" | "false")) {
        return Some("a secret");
    }
    credentials(text).then_some("credentials")
}

/// Whether the label of a PEM block is that of a private key.
pub fn is_private_label(label: &str) -> bool {
    label.len() <= LONGEST_NAME && label.ends_with("PRIVATE KEY") || label == "PGP PRIVATE KEY BLOCK"
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\\' | ' ' | '\t')
}

const fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// The name before a sign, and the first word of the value behind it. A list and an object count as a value.
fn pair(text: &str, at: usize) -> Option<(&str, &str)> {
    let before = text.get(..at)?.trim_end_matches(is_quote);
    let start = before.char_indices().rev().take(LONGEST_NAME).take_while(|(_, c)| in_name(*c)).last()?.0;
    // As much as tells it from a word such as `null`; it may be as long as the text.
    let value = head(text.get(at + 1..)?.trim_start_matches(is_quote), LONGEST_WORD);
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | '&' | ';' | '}' | ']');
    let value = value.split(ends).next()?;
    (!value.is_empty()).then_some((before.get(start..)?, value))
}

fn is_secret_name(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|end| name.ends_with(end))
}

/// The shortest word that is taken for the credentials of a scheme.
const SHORTEST: usize = 16;

/// Whether a text holds what an `Authorization` header does: `Bearer` or `Basic` and one long word (RFC 6750 §2.1).
fn credentials(text: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '[' | ']' | '{' | '}');
    let mut words = text.split(ends).map(|word| word.trim_matches(is_quote)).filter(|word| !word.is_empty());
    let mut scheme = "";
    words.any(|word| {
        let is_scheme = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic");
        scheme = word;
        // An `=` that is not padding belongs to the parameter of a challenge.
        let body = word.trim_end_matches('=');
        let in_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        // A word of letters alone is a noun.
        let is_noun = body.bytes().all(|b| b.is_ascii_lowercase());
        is_scheme && body.len() >= SHORTEST && body.bytes().all(in_token) && !is_noun
    })
}

#[cfg(test)]
mod tests {
    use super::secret;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"client_secret":"hunter22"}"#, "a secret")]
    #[case(r#"{"auth":{"client_secret":"hunter22"}}"#, "a secret")]
    #[case(r#"[{"a":[{"clientSecret" : "hunter22"}]}]"#, "a secret")]
    #[case(r#"{"body":"{\"client_secret\":\"hunter22\"}"}"#, "a secret")]
    #[case(r#"{"auth":{"client_secret":"hunt"#, "a secret")]
    #[case(r#"{"tokens":[1],"refresh_token":"v1.opaque"}"#, "a secret")]
    #[case(r#"{"password":["hunter22"]}"#, "a secret")]
    #[case(r#"{"password":12345678}"#, "a secret")]
    #[case("grant_type=client_credentials&client_secret=hunter22", "a secret")]
    #[case("export AWS_SECRET_ACCESS_KEY=hunter22", "a secret")]
    #[case("X-Api-Key: hunter22", "a secret")]
    #[case("password: hunter22", "a secret")]
    #[case(r#"["Bearer abcdefgh12345678"]"#, "credentials")]
    #[case("Authorization: Basic dXNlcjpodW50ZXIyMg==", "credentials")]
    #[case(r#"{"keys":[{"kty":"RSA","n":"x"},{"kty":"oct","k":"c2VjcmV0"}]}"#, "a private key")]
    #[case(r#"{"jwks":{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}}"#, "a private key")]
    #[case(r#"[{"kty":"EC","crv":"P-256","d":"c2VjcmV0"}]"#, "a private key")]
    #[case(r#"{"kty":"RSA","n":"x","e":"AQAB","p":"c2VjcmV0"}"#, "a private key")]
    #[case(r#"{"kty":"RSA","n":"x","e":"AQAB","oth":[{"r":"c2Vj"}]}"#, "a private key")]
    #[case(r#"{"private_key":"-----BEGIN PRIVATE KEY-----\nMIIB"}"#, "a private key")]
    #[case("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "a private key")]
    fn a_secret_is_recognised_wherever_it_is(#[case] text: &str, #[case] noun: &str) {
        assert_eq!(secret(text), Some(noun));
    }

    #[rstest]
    #[case("")]
    #[case("user123")]
    #[case("the password is long")]
    #[case("https://id.example/token?state=1")]
    #[case("https://id.example/realms/x:8080")]
    #[case(r#"{"token_use":"access","client_id":"web"}"#)]
    #[case(r#"{"password":null,"secret":true,"token":""}"#)]
    #[case(r#"{"kty":"RSA","kid":"p","n":"x","e":"AQAB"}"#)]
    #[case(r#"{"keys":[{"kty":"EC","x":"a","y":"b"}]}"#)]
    #[case(r#"{"d":1,"k":2}"#)]
    #[case("Bearer of good news")]
    #[case("Bearer authenticationmethods")]
    #[case("Bearer resource_metadata=\"https://x\"")]
    #[case("-----BEGIN PUBLIC KEY-----\nMIIB")]
    #[case("::==::")]
    #[case("é: ü=ö")]
    fn other_text_holds_none(#[case] text: &str) {
        assert_eq!(secret(text), None);
    }
}
