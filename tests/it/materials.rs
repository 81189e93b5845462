//! Pasted text other than tokens: a 403, a 401, a key set, a discovery document. The console identifies it, explains it
//! against the selected token, and does not use it.

use rstest::rstest;

use crate::cli::{SECRET, portcullis};
use crate::desk::Desk;
use crate::forge::{HS256, sign_with};

const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nDate: Sun, 22 Nov 2026 20:40:00 GMT\r\nWWW-Authenticate: Bearer \
    error=\"insufficient_scope\", scope=\"mcp:read mcp:write\", \
    resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\"\r\n\r\n";

fn token(claims: &str) -> String {
    let payload = format!(r#"{{"user_id":"me","permissions":["user"],"exp":4102444800{claims}}}"#);
    sign_with(HS256, payload, crate::desk::SECRET)
}

/// Returns a console with a token into which a text has been pasted.
fn pasted(claims: &str, text: &str) -> Desk {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(claims)).pastes(text);
    assert_eq!((desk.tokens(), desk.calls()), (1, 0));
    desk
}

#[test]
fn a_403_shows_the_scopes_that_the_token_has_needs_and_should_request() {
    pasted(r#","scope":"mcp:read openid""#, FORBIDDEN).must_show(&[
        "FORBIDDEN: the server accepts the token, but requires scopes that it lacks",
        "read: an HTTP response, 403",
        "has: user, mcp:read, openid",
        "needs: mcp:read, mcp:write",
        "ask for: mcp:write",
        "VALID",
        "https://gate.example/.well-known/oauth-protected-resource/mcp",
    ]);
    pasted(r#","scp":["mcp:read","mcp:write"]"#, FORBIDDEN).must_show(&["the token has every scope that the server"]);
}

#[test]
fn a_401_is_compared_with_the_inspection() {
    let header = "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"The access token expired\"";
    pasted("", header).must_show(&[
        "REFUSED: the server rejects the token itself",
        "the server says: The access token expired",
        "here: VALID",
        "the token is valid by the rules here",
    ]);
    let expired = "HTTP/1.1 401 Unauthorized\r\nDate: Fri, 01 Jan 2100 00:00:05 GMT\r\nWWW-Authenticate: Bearer \
                   error=\"invalid_token\"\r\n\r\n";
    pasted("", expired).must_show(&["by the server's clock, 2100-01-01T00:00:05Z: EXPIRED"]);
    pasted("", "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer scope=\"user\"").must_show(&["received no token"]);
    pasted("", "HTTP/1.1 401 Unauthorized\n\nno").must_show(&["refuses the request without a reason"]);
}

#[test]
fn a_request_with_its_answer_is_explained_against_the_token_that_was_sent() {
    let answer = FORBIDDEN.replace("\r\n", "\n< ");
    let mut desk = Desk::new(120, 36);
    let sent = token(r#","scope":"mcp:write""#);
    desk.pastes(&format!("> POST /mcp HTTP/1.1\n> Authorization: Bearer {sent}\n> \n< {answer}"));
    assert_eq!(&*desk.token(), sent);
    desk.must_show(&["has: user, mcp:write", "ask for: mcp:read"]);
}

#[rstest]
#[case(r#"{"keys":[{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","n":"x","e":"AQAB"}]}"#, &["a JWKS with 1 key; not used as keys yet", "kid a, RSA, RS256, use sig", "the token names no kid"])]
#[case("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", &["PEM (PUBLIC KEY); not used as keys yet"])]
#[case("-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n", &["1 key can sign", "keep this text secret"])]
#[case(r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/k","userinfo_endpoint":"u"}"#, &["an OpenID Connect discovery document; not used as an issuer yet", "the token names no issuer"])]
#[case(r#"{"resource":"https://gate.example/mcp","authorization_servers":["https://id.example"]}"#, &["protected resource (RFC 9728)", "the token's aud is none, not this resource"])]
fn keys_and_metadata_are_identified_but_not_used(#[case] text: &str, #[case] shown: &[&str]) {
    let mut desk = pasted("", text);
    desk.must_show(shown).must_show(&["Nothing was changed"]);
    desk.keys("Esc").must_show(&["VALID"]);
    assert_eq!(desk.tokens(), 1);
}

#[test]
fn foreign_text_in_a_material_is_escaped_and_bounded() {
    use portcullis::text::material::recognize;
    let odd: String = crate::hostile::ODD.iter().map(|(_, text)| *text).filter(|text| *text != "\n").collect();
    for value in [odd, "x".repeat(20_000)] {
        let json = serde_json::Value::from(value.as_str());
        for text in [
            format!(r#"{{"keys":[{{"kty":{json},"kid":{json},"alg":{json},"use":{json}}}]}}"#),
            format!(r#"{{"kty":{json},"kid":{json},"alg":{json},"use":{json}}}"#),
            format!(r#"{{"issuer":{json},"jwks_uri":{json},"token_endpoint":1,"scopes_supported":[{json}]}}"#),
            format!(r#"{{"resource":{json},"authorization_servers":[{json}],"jwks_uri":{json}}}"#),
            format!(r#"{{"error":{json},"error_description":{json},"scope":{json},"message":{json}}}"#),
            format!(r#"{{"error":{{"code":{json},"message":{json}}}}}"#),
            format!(
                "HTTP/1.1 403 x\r\nDate: {value}\r\nWWW-Authenticate: Bearer error=\"{value}\", scope=\"{value}\", \
                     error_description=\"{value}\", resource_metadata=\"{value}\"\r\n\r\n"
            ),
            format!("-----BEGIN {value}-----\nM\n-----BEGIN PUBLIC KEY-----\nM"),
        ] {
            let material = recognize(&text).expect("a material");
            let claims = crate::forge::claims(&format!(r#""iss":{json},"aud":{json},"scope":{json},"#));
            let token = crate::forge::rules().inspect(crate::forge::token(claims));
            let told = portcullis::auth::why::explain_material(
                &material,
                Some(&token),
                &crate::forge::rules(),
                crate::forge::NOW,
            );
            for line in told.lines() {
                let line = format!("{}{}", line.mark, line.text);
                assert!(line.chars().all(|c| portcullis::text::safe::hidden(c).is_none()), "{line:?}");
                assert!(line.len() < 1000, "{} bytes: {text:.60}", line.len());
            }
        }
    }
}

#[test]
fn inspect_explains_input_other_than_tokens() {
    let ran = portcullis(&["inspect", "-"]).env("PORTCULLIS_TOKEN", "").input(FORBIDDEN).run();
    assert!(ran.out.starts_with("FORBIDDEN: the server accepts the token"), "{}", ran.out);
    assert_eq!(ran.exit, 4);
    let payload = r#"{"user_id":"me","permissions":["mcp:read"],"exp":4102444800}"#;
    let sent = sign_with(HS256, payload, SECRET.as_bytes());
    let ran = portcullis(&["inspect", "-"]).env("PORTCULLIS_TOKEN", &sent).input(FORBIDDEN).run();
    assert!(ran.out.contains("has: mcp:read\nneeds: mcp:read, mcp:write\nask for: mcp:write\n"), "{}", ran.out);
    let both = format!("> Authorization: Bearer {sent}\n< {}", FORBIDDEN.replace("\r\n", "\n< "));
    let ran = portcullis(&["inspect", "-"]).input(both.clone()).run();
    assert!(ran.out.starts_with("VALID: ") && ran.out.contains("\nask for: mcp:write\n"), "{}", ran.out);
    let json = portcullis(&["--json", "inspect", "-"]).input(both).run().out;
    let last: serde_json::Value = serde_json::from_str(json.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["is"], "an HTTP response, 403");
}

#[rstest]
#[case(
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "expected a secret, got a public key (discarded); to"
)]
#[case(r#"{"kty":"RSA","n":"x","e":"AQAB"}"#, "expected a secret, got a public JWK (discarded); to")]
#[case(r#"{"kty":"oct","k":"c2VjcmV0"}"#, "start the console")]
#[case("wrong", "not signed with this secret; tested as HS256")]
fn trying_a_key_shows_what_was_tested(#[case] key: &str, #[case] says: &str) {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&sign_with(HS256, crate::forge::claims(""), b"another"));
    desk.keys("Ctrl-T").pastes(key).keys("Enter").must_show(&[says]);
    assert!(!desk.shows("fit the token"));
}

#[test]
fn a_secret_is_not_tested_on_a_token_of_another_algorithm() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&sign_with(r#"{"alg":"RS256"}"#, crate::forge::claims(""), b"another"));
    desk.keys("Ctrl-T").pastes("secret").keys("Enter");
    desk.must_show(&["not tested: the token names RS256"]);
}

#[rstest]
#[case(r#"{"sub":"s","email":"e@x"}"#, "e@x")]
#[case(r#"{"sub":"s","email":"e@x","preferred_username":"mina"}"#, "mina")]
#[case(r#"{"sub":"s","user_id":"u","preferred_username":"mina"}"#, "u")]
#[case(r#"{"azp":"client"}"#, "client")]
#[case(r#"{"client_id":"client"}"#, "client")]
#[case(r#"{"sub":"s","azp":"client"}"#, "s")]
fn a_token_is_named_after_its_most_readable_claim(#[case] payload: &str, #[case] name: &str) {
    let judged = crate::forge::rules().inspect(crate::forge::token(payload)).judged;
    assert_eq!(judged.name.as_deref(), Some(name));
}

#[test]
fn the_kinds_of_several_tokens_are_shown() {
    let of = |claims: &str| crate::forge::token(format!("{{{claims},\"exp\":4102444800}}"));
    let (access, id) = (of(r#""scope":"read""#), of(r#""nonce":"x","sub":"me""#));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&format!(r#"{{"access_token":"{access}","id_token":"{id}","refresh_token":"opaque"}}"#));
    desk.must_show(&["2 tokens read", "ID token"]);
    let ran = portcullis(&["inspect", &id]).run();
    assert!(ran.out.contains("(me), ID token, judged for"), "{}", ran.out);
}

#[test]
fn a_pasted_opaque_token_is_said_to_be_one() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Esc").pastes("ghs_16C7e42F292c6912E7710c838347Ae178B4a");
    desk.must_show(&["not a JWT: this looks like an opaque token, which only its issuer can check"]);
}

#[test]
fn json_is_pasted_into_the_claims_field() {
    let mut desk = Desk::new(120, 36);
    desk.app.focus = portcullis::app::Focus::at(portcullis::app::pane::issue::EXTRA);
    desk.pastes(r#"{"error":"x"}"#);
    assert_eq!(desk.app.issue.extra.text(), r#"{"error":"x"}"#);
}

#[test]
fn the_exit_code_for_a_response_follows_its_status() {
    let token = crate::cli::issue("user123", "user");
    let answer = |status: &str, error: &str| {
        format!("HTTP/1.1 {status}\r\nwww-authenticate: Bearer error=\"{error}\", scope=\"admin\"\r\n\r\n")
    };
    for (status, error, exit) in [("403 Forbidden", "insufficient_scope", 4), ("401 Unauthorized", "invalid_token", 3)]
    {
        let response = answer(status, error);
        for input in [response.clone(), format!("{token}\n\n{response}")] {
            assert_eq!(portcullis(&["inspect", "-"]).input(input.into_bytes()).run().exit, exit, "{status}");
        }
    }
}
