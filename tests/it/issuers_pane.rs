//! The Issuers screen: an operator accepts the tokens of an identity provider by its address or by a paste of its keys,
//! reads the keys again, and takes that back.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::Rules;
use portcullis::app::overlay::Overlay;
use portcullis::app::{Pane, Screen};
use portcullis::auth::keys::{Components, Generated, SignerOptions};
use portcullis::auth::{Algorithm, IssueRequest, Issuer, KeyOrigin, KeySet, Signer};
use portcullis::config::ConfigFile;
use portcullis::gate::{AcceptedIssuer, AuthState, KeyStatus, KeysFrom};
use portcullis::issuer_keys::{COOLDOWN, FetchSettings, KeyFollower, KeySource, RemoteKeys};
use rstest::rstest;
use serde_json::{Value, json};

use crate::cli::{CommandOutput, Folder, portcullis};
use crate::desk::{Desk, START};
use crate::issuer_keys::{TestServer, jwk, key, metadata, ok, reply, set, token, until};
use crate::providers::Pair;

const ISSUER: &str = "https://id.example";
const KEYCLOAK: &str = "https://sso.example/realms/prod";

/// A key pair of a Keycloak realm and a token of it, valid while the tests take place.
fn keycloak() -> (Pair, String) {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let token = pair.token(&json!({
        "iss": KEYCLOAK, "sub": "f3a1", "typ": "Bearer", "iat": START.seconds(), "exp": START.seconds() + 3600,
        "realm_access": {"roles": ["admin"]}, "scope": "openid",
    }));
    (pair, token)
}

fn key_set(pair: &Pair) -> String {
    json!({ "keys": [pair.jwk()] }).to_string()
}

/// A key with a `kid` of the test's choice.
fn named(kid: &str) -> Signer {
    let Generated::Pkcs8(der) = Signer::generate(Algorithm::Ed25519).expect("a key").1 else { panic!("no pair") };
    Signer::from_der(&der, KeyOrigin::Program, SignerOptions { algorithm: None, kid: Some(kid) }).expect("a key")
}

/// Waits until the keys of an issuer have been read so often, successfully or not, and lets the console notice.
fn reads(desk: &mut Desk, issuer: &str, attempts: u64) {
    let is_read = |state: &AuthState| {
        let status = state.issuer_keys().iter().find(|status| status.issuer.as_deref() == Some(issuer));
        status.is_some_and(|status| status.attempts >= attempts && !status.is_reading)
    };
    until(desk.gate.shared(), is_read);
    desk.tell(portcullis::app::Msg::Woke);
}

/// The issuers in the rules besides our own.
fn others(desk: &Desk) -> Vec<String> {
    let named = |issuer: &Issuer| issuer.name.as_deref().unwrap_or("any").to_owned();
    desk.gate.shared().rules().issuers.iter().skip(1).map(named).collect()
}

#[test]
fn a_pasted_key_set_verifies_the_selected_token_after_confirmation_and_undo_takes_it_back() {
    let (pair, token) = keycloak();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).must_show(&["NOT VERIFIED"]);
    desk.pastes(&key_set(&pair)).must_show(&[
        "KEYS: a JWKS with 1 key",
        "Press Enter to use these keys for https://sso.example/realms/prod, the iss of the selected",
    ]);
    assert_eq!(others(&desk), [""; 0], "nothing is used yet");
    desk.keys("Enter").must_show(&["iss        https://sso.example/realms/prod", "‹ keycloak (guessed) ›"]);
    assert_eq!(others(&desk), [""; 0], "nothing is used before the form is confirmed");
    desk.keys("Enter").must_show(&[
        "is accepted with the pasted keys until the console ends; 1 token is now verified",
        "VALID",
        "admin",
    ]);
    assert_eq!(others(&desk), [KEYCLOAK]);
    assert!(desk.app.overlays.is_empty());
    desk.keys("Ctrl-7").must_show(&["Undone: a change to the issuer https://sso.example/realms/prod", "NOT VERIFIED"]);
    assert_eq!(others(&desk), [""; 0]);
    desk.keys("Ctrl-R").must_show(&["VALID"]);
    assert_eq!(others(&desk), [KEYCLOAK]);
}

#[rstest]
#[case::a_jwk(|pair: &Pair| pair.jwk().to_string(), "a JWK")]
#[case::with_a_bom(|pair: &Pair| format!("\u{feff}  {}\r\n", key_set(pair)), "a JWKS with 1 key")]
fn other_forms_of_keys_are_used_too(#[case] paste: fn(&Pair) -> String, #[case] noun: &str) {
    let (pair, token) = keycloak();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).pastes(&paste(&pair)).must_show(&[noun]);
    desk.keys("Enter Enter").must_show(&["1 token is now verified"]);
}

/// The public half of a P-256 key as PEM (RFC 5480).
fn public_pem(key: &Signer) -> String {
    let Some(Components::Curve { x, y, .. }) = key.verifier().components() else { panic!("no curve") };
    let head = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let text = STANDARD.encode([&head[..], x, y].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn a_public_key_or_a_certificate_in_pem_is_used_for_an_issuer_that_is_typed_in() {
    let signer = Signer::generate(Algorithm::Es256).expect("a key").0;
    let certificate = include_str!("key_files/certificate.pem").to_owned();
    for pem in [public_pem(&signer), certificate] {
        let mut desk = Desk::new(120, 36);
        desk.pastes(&pem).must_show(&["Press Enter to use these keys for an issuer; you will be asked for its iss."]);
        desk.keys("Enter").types("https://as.example").keys("Enter F6");
        assert_eq!(others(&desk), ["https://as.example"], "{pem}");
        desk.must_show(&["https://as.example", "1 key", "bits", "no kid"]);
    }
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token("https://as.example", &signer)).pastes(&public_pem(&signer)).keys("Enter Enter");
    desk.must_show(&["1 token is now verified"]);
}

#[test]
fn escape_declines_a_paste_at_every_step() {
    let (pair, token) = keycloak();
    for keys in ["Esc", "Enter Esc"] {
        let mut desk = Desk::new(120, 36);
        desk.pastes(&token).pastes(&key_set(&pair)).keys(keys);
        assert!(others(&desk).is_empty() && desk.app.overlays.is_empty());
    }
}

#[test]
fn a_private_key_is_not_kept_and_its_use_is_explained() {
    let folder = format!("{}/tests/it/key_files", env!("CARGO_MANIFEST_DIR"));
    for file in ["rsa.jwk", "p256-sec1.pem"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}")).expect("a key file");
        let middle = text.get(text.len() / 2..text.len() / 2 + 20).expect("ASCII").replace('\n', "");
        let mut desk = Desk::new(160, 50);
        desk.pastes(&text).must_show(&["and was discarded.", "start with", "--signing-key FILE"]);
        assert!(!desk.shows(&middle), "{}", desk.screen());
        desk.keys("Enter");
        assert!(others(&desk).is_empty() && desk.app.overlays.is_empty(), "{file}");
        // Nor where a secret is asked for.
        desk.keys("Ctrl-P").types("type another signing").keys("Enter").pastes(&text);
        desk.must_show(&["expected a secret, got a private", "--signing-key FILE", "0 characters"]);
    }
}

#[test]
fn keys_that_cannot_be_used_are_not_offered() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"old"}]}"#);
    desk.must_show(&[
        "These keys cannot verify tokens: no usable key; key 1 (old): an RSA key of 17 bits is too short",
    ]);
    desk.keys("Enter");
    assert!(desk.app.overlays.is_empty() && others(&desk).is_empty());
}

#[test]
fn the_keys_of_a_large_set_are_used_and_refused_ones_are_listed_by_reason() {
    let signer = key();
    let mut keys: Vec<Value> = (0..40).map(|n| jwk(&signer, &format!("k{n}"))).collect();
    keys.extend((0..3).map(|_| json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})));
    keys.push(json!({"kty": "EC", "kid": "enc1", "crv": "P-256", "use": "enc", "x": "", "y": ""}));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&json!({ "keys": keys }).to_string()).keys("Enter").types(ISSUER).keys("Enter F6");
    desk.must_show(&[
        "40 keys",
        "3 refused",
        "3 keys refused (41, 42, 43): an RSA key of 17 bits",
        "1 key not for signatures (enc1)",
    ]);
    desk.keys("Enter End").keys("PgDn PgDn PgDn PgDn PgDn PgDn PgDn PgDn").must_show(&["▸ k39"]);
}

#[test]
fn a_discovery_document_offers_its_issuer_and_its_keys_are_read_in_the_background() {
    let signer = key();
    let body = set(&[&signer]);
    let server = TestServer::new(|_| reply("404 Not Found", "", ""));
    let issuer = server.url("/realms/prod");
    let (named, uri) = (issuer.clone(), server.url("/certs"));
    server.answers(move |path| match path {
        "/certs" => ok(&body),
        _ => metadata(&named, &uri),
    });
    let document = json!({"issuer": issuer, "jwks_uri": server.url("/certs"), "userinfo_endpoint": "x"}).to_string();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(&issuer, &signer)).pastes(&document);
    desk.must_show(&[&format!("Press Enter to accept tokens of {issuer}.")]);
    assert_eq!(server.requests(), 0, "nothing is sent before it is confirmed");
    desk.keys("Enter").must_show(&["the issuer's URL, by discovery", &issuer]).keys("Enter");
    reads(&mut desk, &issuer, 1);
    desk.must_show(&["1 key fetched; 1 token is now verified"]);
    desk.keys("F6").must_show(&["discovery at", "fresh", "next refresh in 10m 00s", "EdDSA"]);
}

#[test]
fn an_issuer_is_added_by_the_address_of_its_keys() {
    let signer = key();
    let server = TestServer::of(set(&[&signer]));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(ISSUER, &signer)).keys("F6 Esc 1 ↓").must_show(&["+ add an issuer by its URL"]);
    desk.keys("Enter").must_show(&["add an issuer", "https://id.example"]);
    // From discovery at the suggested address to a key set at another one.
    desk.keys("Shift-Tab →").must_show(&["the URL of a key set (JWKS)"]).keys("Tab").types(&server.url("/jwks"));
    desk.keys("Tab").must_show(&[ISSUER]).keys("Tab Tab").types("mcp-orders").keys("Enter");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["1 key fetched; 1 token is now verified", "audience  mcp-orders"]);
    assert_eq!(desk.app.auth.rules.issuers.iter().nth(1).map(|issuer| issuer.audiences.len()), Some(1));
}

/// Discovery at the address of a key set would look for metadata below it, and take it for the `iss` of the tokens.
#[test]
fn an_address_of_a_key_set_typed_as_that_of_an_issuer_is_recognized() {
    let signer = key();
    let server = TestServer::of(set(&[&signer]));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(ISSUER, &signer)).keys("F6 Esc 1 ↓ Enter Ctrl-U").types(&server.url("/certs/jwks.json"));
    desk.keys("Enter").must_show(&["this is the URL of a key set", "the URL of a key set (JWKS)"]);
    assert_eq!(others(&desk), [""; 0], "not before its iss is known");
    desk.must_show(&[ISSUER]).keys("Enter");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["1 key fetched; 1 token is now verified"]);
}

#[rstest]
#[case("http://id.example/", "expected an https URL, got http://id.example/")]
#[case("id.example", "id.example is not a URL")]
#[case("https://me:secret@id.example/", "contains a user name or a password")]
#[case("", "enter the URL")]
fn an_address_that_cannot_be_used_is_explained_and_can_be_corrected(#[case] address: &str, #[case] why: &str) {
    let mut desk = Desk::new(120, 36);
    desk.keys("F6 Esc 1 ↓ Enter").types(address).keys("Enter").must_show(&[why]);
    assert!(others(&desk).is_empty() && matches!(desk.app.overlays.last(), Some(Overlay::Issuer(_))));
    desk.keys("Ctrl-U").types("http://127.0.0.1:9/").keys("Enter");
    assert_eq!(others(&desk), ["http://127.0.0.1:9/"]);
}

#[test]
fn an_address_without_keys_is_reported_and_its_tokens_are_not_verified() {
    let server = TestServer::new(|_| reply("404 Not Found", "", ""));
    let issuer = server.origin();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(&issuer, &key())).keys("F6 Esc 1 ↓ Enter").types(&issuer).keys("Enter");
    reads(&mut desk, &issuer, 1);
    desk.must_show(&["keys not fetched", "0 keys", "no keys", "no issuer keys", "got 404", "keys_unavailable"]);
    // The error is in full beside the list, where a message would be gone.
    desk.waits(Duration::from_secs(6));
    desk.must_show(&["error     ", "got 404"]);
}

#[test]
fn reading_again_says_what_happened() {
    let (one, two) = (named("one"), named("two"));
    let server = TestServer::of(set(&[&one]));
    let issuer = server.origin();
    let uri = server.url("/jwks");
    let serve = |body: String| {
        let (issuer, uri) = (issuer.clone(), uri.clone());
        move |path: &str| if path == "/jwks" { ok(&body) } else { metadata(&issuer, &uri) }
    };
    server.answers(serve(set(&[&one])));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(&issuer, &two)).keys("F6 Esc 1 ↓ Enter Ctrl-U").types(&issuer).keys("Enter");
    reads(&mut desk, &issuer, 1);
    desk.must_show(&["1 key fetched; no further token is verified"]);
    // Within the cool-down: it waits, and says so.
    desk.keys("Space").must_show(&["were just fetched; next fetch in 30s"]);
    desk.clock.advance(COOLDOWN);
    desk.keys("Space");
    reads(&mut desk, &issuer, 2);
    desk.must_show(&["the keys are unchanged"]);
    server.answers(serve(set(&[&one, &two])));
    desk.clock.advance(COOLDOWN);
    desk.keys("Ctrl-P").types("refresh the keys").keys("Enter");
    reads(&mut desk, &issuer, 3);
    desk.must_show(&["1 new key; 1 token is now verified", "2 keys"]);
    server.answers(|_| reply("500 Internal Server Error", "", ""));
    desk.clock.advance(COOLDOWN);
    desk.keys("Space");
    reads(&mut desk, &issuer, 4);
    desk.must_show(&["keys not fetched; the last keys are still used", "failed", "expected status 200, got 500"]);
    // A failure is not the end: an hour later the last keys are too old.
    desk.clock.advance(Duration::from_hours(2));
    desk.keys("Space");
    reads(&mut desk, &issuer, 5);
    desk.must_show(&["stale", "no issuer keys"]);
}

/// A server with a key set, and a console that accepts its issuer by the URL of the set, with a token of the issuer.
fn accepted_by_url() -> (TestServer, Desk) {
    let signer = key();
    let server = TestServer::of(set(&[&signer]));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(ISSUER, &signer))
        .keys("F6 Esc 1 ↓ Enter Shift-Tab → Tab")
        .types(&server.url("/jwks"))
        .keys("Enter");
    reads(&mut desk, ISSUER, 1);
    (server, desk)
}

#[test]
fn an_issuer_is_removed_and_restored_with_its_source() {
    let (server, mut desk) = accepted_by_url();
    desk.must_show(&["1 token is now verified"]);
    desk.keys("Del").must_show(&["is no longer accepted in this console; Ctrl-7 restores it"]);
    assert!(others(&desk).is_empty() && desk.gate.shared().read(|state| state.issuer_keys().is_empty()));
    desk.keys("Ctrl-7");
    reads(&mut desk, ISSUER, 1);
    assert_eq!((others(&desk), server.requests()), (vec![ISSUER.to_owned()], 2));
    desk.keys("F2").must_show(&["VALID"]);
    // Our own issuer cannot be removed.
    desk.keys("F6 Esc 1 Home Del");
    assert_eq!(others(&desk), [ISSUER]);
}

#[test]
fn two_issuers_with_the_same_kid_are_told_apart_by_iss_as_on_the_command_line() {
    let other = "https://other.example";
    let (one, two) = (named("same"), named("same"));
    let mut desk = Desk::new(120, 36);
    for (issuer, key) in [(ISSUER, &one), (other, &two)] {
        desk.pastes(&set(&[key])).keys("Enter Ctrl-U").types(issuer).keys("Enter");
    }
    let folder = Folder::new();
    let files = [(ISSUER, &one, "one.json"), (other, &two, "two.json")].map(|(issuer, key, file)| {
        folder.write(file, set(&[key]));
        format!("[[issuers]]\nissuer = \"{issuer}\"\npreset = \"lab\"\njwks-file = \"{file}\"\n")
    });
    let config = folder.write("portcullis.toml", files.concat());
    for (issuer, key, is_good) in
        [(ISSUER, &one, true), (other, &two, true), (ISSUER, &two, false), (other, &one, false)]
    {
        let request =
            IssueRequest { user_id: "me".to_owned(), issuer: Some(issuer.to_owned()), ..IssueRequest::default() };
        let token = key.issue(&request, "7", START).expect("a token");
        desk.pastes(&token);
        let judged = Arc::clone(&desk.app.selected().expect("a token").judged);
        assert_eq!((judged.is_verified(), judged.bad_signature()), (is_good, !is_good), "{issuer}");
        let arguments = ["--config", &config, "--now", "2026-11-22T20:41:05Z", "inspect", &token];
        let CommandOutput { out, exit, .. } = portcullis(&arguments).run();
        assert_eq!((exit == 0, out.contains("bad_signature")), (is_good, !is_good), "{out}");
    }
}

#[test]
fn pasted_keys_replace_those_of_an_accepted_issuer_and_undo_brings_its_address_back() {
    let (old, new) = (named("old"), named("new"));
    let server = TestServer::of(set(&[&old]));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token(ISSUER, &new))
        .keys("F6 Esc 1 ↓ Enter Shift-Tab → Tab")
        .types(&server.url("/jwks"))
        .keys("Enter");
    reads(&mut desk, ISSUER, 1);
    desk.pastes(&set(&[&new])).keys("Enter").must_show(&["Replaces the keys that are accepted now (http://127.0.0.1:"]);
    desk.keys("Enter").must_show(&["1 token is now verified"]);
    desk.keys("Space").must_show(&["no issuer fetches its keys from a URL or file"]);
    desk.keys("Ctrl-7").must_show(&["Undone: a change to the issuer https://id.example"]);
    reads(&mut desk, ISSUER, 1);
    assert_eq!((others(&desk), server.requests()), (vec![ISSUER.to_owned()], 2));
    assert!(!desk.app.selected().expect("a token").judged.is_verified());
}

#[test]
fn our_own_name_cannot_be_taken_by_pasted_keys() {
    let rules = Desk::new(120, 36).app.auth.rules.as_ref().clone().with_issuer(Some("own".into()));
    let mut desk = Desk::with(rules, 120, 36);
    desk.pastes(&set(&[&key()])).keys("Enter").types("own").keys("Enter");
    desk.must_show(&["own is our own issuer; its tokens are verified with the signing key"]);
    assert!(others(&desk).is_empty());
}

#[test]
fn the_age_of_keys_is_shown_to_the_second_without_more_drawing() {
    let signer = key();
    let server = TestServer::of(set(&[&signer]));
    let mut desk = Desk::new(120, 36);
    desk.keys("F6 ↓ Enter Shift-Tab → Tab").types(&server.url("/jwks")).keys("Tab").types(ISSUER).keys("Enter");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["fetched 0s ago · next refresh in 10m 00s"]);
    let drawn = desk.waits(Duration::from_secs(59));
    desk.must_show(&["fetched 59s ago · next refresh in 9m 01s"]);
    assert!(drawn <= 2 * 60, "{drawn}");
}

#[test]
fn the_name_of_an_accepted_issuer_cannot_become_our_own() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&set(&[&key()])).keys("Enter").types(ISSUER).keys("Enter");
    desk.keys("Ctrl-S Tab").types(ISSUER).keys("Enter");
    desk.must_show(&["expected issuer: https://id.example is already accepted with other keys"]);
    assert!(desk.app.auth.rules.issuer().is_none());
}

#[test]
fn a_file_is_read_again_at_once() {
    let folder = Folder::new();
    let (one, two) = (named("one"), named("two"));
    let file = folder.write("jwks.json", set(&[&one]));
    let mut desk = Desk::new(120, 36);
    let status = KeyStatus { from: KeysFrom::File(file.into()), ..KeyStatus::default() };
    let to = AcceptedIssuer { issuer: Issuer { keys: KeySet::unread(), ..Issuer::default() }, status };
    desk.gate.shared().update(|state| state.set_issuer(Some(&ISSUER.into()), Some(to))).expect("a new name");
    // As where the file was configured: removed and restored, so that it is followed.
    desk.keys("F6 ↓ Del Ctrl-7");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["refreshed when the file changes"]);
    // Without a change, only the request makes it be read.
    let before = desk.app.auth.issuer_keys[0].attempts;
    desk.keys("Space");
    reads(&mut desk, ISSUER, before + 1);
    desk.must_show(&["the keys are unchanged"]);
    folder.write("jwks.json", set(&[&two]));
    until(desk.gate.shared(), |state| state.issuer_keys()[0].keys.iter().any(|key| key.kid() == Some("two")));
    desk.tell(portcullis::app::Msg::Woke).must_show(&["two"]);
}

#[test]
fn keys_without_an_iss_verify_tokens_that_name_no_issuer() {
    let signer = key();
    let request = IssueRequest { user_id: "me".to_owned(), ..IssueRequest::default() };
    let token = signer.issue(&request, "7", START).expect("a token");
    let server = TestServer::of(set(&[&signer]));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).keys("F6 Esc 1 ↓ Enter Shift-Tab → Tab").pastes(&server.url("/jwks")).keys("Enter");
    assert_eq!(others(&desk), ["any"]);
    until(desk.gate.shared(), |state| state.issuer_keys().iter().any(|status| status.attempts > 0));
    desk.tell(portcullis::app::Msg::Woke).must_show(&["any iss: 1 key fetched; 1 token is now verified"]);
    desk.keys("F6 Esc 1 Del");
    assert_eq!(others(&desk), [""; 0]);
}

#[test]
fn the_configuration_of_an_issuer_is_copied_and_can_be_read_back() {
    let (pair, token) = keycloak();
    let folder = Folder::new();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).pastes(&key_set(&pair)).keys("Enter Tab Tab").types("mcp-orders api://x").keys("Enter");
    desk.keys("F6 Esc 1 Ctrl-Y");
    let text = desk.copied().to_owned();
    let keys = text.lines().find_map(|line| line.strip_prefix("# {")).expect("the keys");
    folder.write("jwks.json", format!("{{{keys}"));
    let file = ConfigFile::find(Some(folder.write("portcullis.toml", &text).as_ref())).expect("a configuration");
    let issuer = &file.issuers[0];
    assert_eq!(
        (issuer.name.as_deref(), issuer.preset.as_deref(), &*issuer.audiences),
        (Some(KEYCLOAK), Some("keycloak"), &["mcp-orders".to_owned(), "api://x".to_owned()][..])
    );
    let config = folder.path("portcullis.toml").to_string_lossy().into_owned();
    let ran = portcullis(&["--config", &config, "--now", "2026-11-22T20:41:05Z", "inspect", &token]).run();
    assert!(ran.out.contains("✔ signature"), "{} {}", ran.out, ran.err);
    // From an address, the table has the address.
    desk.keys("F6 Esc 1 ↓ Enter Ctrl-U").types("http://localhost:9").keys("Enter Ctrl-Y");
    assert!(desk.copied().contains("issuer = \"http://localhost:9\"\n"), "{}", desk.copied());
    assert!(desk.copied().ends_with("discover = true\n"), "{}", desk.copied());
}

#[test]
fn foreign_text_in_pasted_keys_is_shown_safely() {
    let signer = key();
    let mut bad = jwk(&signer, "\u{1b}[31mEVIL\u{202e}");
    bad["use"] = "sig".into();
    let mut desk = Desk::new(120, 36);
    desk.pastes(&json!({ "keys": [bad] }).to_string())
        .keys("Enter")
        .pastes("\u{1b}[2Jhttps://x\u{202e}")
        .keys("Enter F6");
    for screen in [desk.screen(), desk.keys("Ctrl-Y").copied().to_owned()] {
        assert!(!screen.contains(['\u{1b}', '\u{202e}']), "{screen:?}");
    }
    desk.must_show(&["EVIL"]);
}

#[test]
fn an_issuer_that_is_added_while_serving_needs_the_servers_audience_until_the_server_stops() {
    let signer = key();
    let mut desk = Desk::new(120, 36);
    desk.gate.shared().update(|state| state.require_audience(&"http://gate".into()));
    desk.pastes(&set(&[&signer])).keys("Enter").types(ISSUER).keys("Enter");
    desk.pastes(&set(&[&signer]))
        .keys("Enter")
        .types("https://second.example")
        .keys("Tab Tab")
        .types("mine")
        .keys("Enter");
    let audiences = |desk: &Desk| -> Vec<String> {
        let rules = desk.gate.shared().rules();
        rules.issuers.iter().map(|issuer| issuer.audiences.iter().map(|aud| &**aud).collect()).collect()
    };
    assert_eq!(audiences(&desk), ["http://gate", "http://gate", "mine"]);
    desk.keys("F6 ↑ Del");
    assert_eq!(audiences(&desk), ["http://gate", "mine"]);
    desk.keys("Ctrl-7");
    assert_eq!(audiences(&desk), ["http://gate", "mine", "http://gate"]);
    // Replaced keys change nothing about that, and the configuration does not name the server.
    desk.pastes(&set(&[&key()])).keys("Enter Ctrl-U").types(ISSUER).keys("Enter Ctrl-Y");
    assert!(!desk.copied().contains("audiences"), "{}", desk.copied());
    desk.gate.shared().update(|state| state.release_audience(&"http://gate".into()));
    assert_eq!(audiences(&desk), ["", "mine", ""]);
}

#[test]
fn the_screen_leads_where_nothing_is_accepted_yet() {
    for (columns, rows) in [(160, 50), (120, 36), (92, 26), (80, 24), (60, 18), (40, 12)] {
        let mut desk = Desk::new(columns, rows);
        desk.keys("Esc F6");
        assert_eq!((desk.app.screen, desk.app.focus.pane), (Screen::Issuers, Pane::Issuers));
        desk.must_show(&["Issuers", "tokens issued here", "+ add an issuer"]);
        let screen = desk.keys("↓").screen().replace(['\n', '│', ' '], "");
        assert!(screen.contains("PasteaJWKS"), "{columns}x{rows}:\n{}", desk.screen());
    }
}

/// A key set whose server is gone: the keys that were used before the removal are used again at once.
#[test]
fn a_restored_issuer_keeps_its_keys_until_they_are_fetched_again() {
    let (server, mut desk) = accepted_by_url();
    server.answers(|_| reply("500 Internal Server Error", "", ""));
    desk.keys("Del Ctrl-7");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["failed", "got 500"]);
    assert!(desk.app.selected().expect("a token").judged.is_verified());
    // But not for longer than without the removal.
    desk.clock.advance(Duration::from_mins(71));
    desk.keys("Del Ctrl-7");
    reads(&mut desk, ISSUER, 1);
    assert!(!desk.app.selected().expect("a token").judged.is_verified());
}

#[test]
fn a_key_file_that_was_accepted_although_others_can_read_it_is_accepted_again_after_undo() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let secret = STANDARD.encode([7; 32]).replace(['+', '/', '='], "");
    let file =
        folder.write("jwks.json", json!({ "keys": [{ "kty": "oct", "alg": "HS256", "k": secret }] }).to_string());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let rules = Desk::new(120, 36).app.auth.rules.as_ref().clone();
    let issuer = Issuer { name: Some(ISSUER.into()), keys: KeySet::unread(), ..Issuer::default() };
    let issuers = rules.issuers.with(issuer).expect("a new name");
    let mut desk = Desk::with(Rules { issuers, ..rules }, 120, 36);
    let settings = FetchSettings { others_may_read: true, ..FetchSettings::default() };
    let remote = RemoteKeys { settings, ..RemoteKeys::new(Some(ISSUER.into()), KeySource::File(file.into())) };
    desk.outside = desk.outside.clone().with_keys(KeyFollower::start(&desk.gate, vec![remote]).expect("a thread"));
    reads(&mut desk, ISSUER, 1);
    desk.keys("F6 Esc 1 ↓").must_show(&["fresh"]);
    desk.keys("Del Ctrl-7");
    reads(&mut desk, ISSUER, 1);
    desk.must_show(&["fresh"]);
}

#[test]
fn an_issuer_with_a_shared_secret_is_not_shown_as_ours_and_its_configuration_names_the_file() {
    let signer = Signer::hs256(&[7; 32], KeyOrigin::File).expect("a key");
    let issuer = Issuer { keys: [signer.verifier().clone()].into_iter().collect(), ..Issuer::default() };
    let status = KeyStatus {
        source: "/srv/secret".into(),
        from: KeysFrom::Secrets(["/srv/secret".into()].into()),
        keys: [signer.verifier().clone()].into(),
        is_usable: true,
        ..KeyStatus::default()
    };
    let mut desk = Desk::new(120, 36);
    let to = AcceptedIssuer { issuer, status };
    desk.gate.shared().update(|state| state.set_issuer(Some(&ISSUER.into()), Some(to))).expect("a new name");
    desk.keys("F6 ↓").must_show(&["fixed", "source    /srv/secret", "not refreshed"]);
    assert!(!desk.shows("signs and verifies"), "{}", desk.screen());
    desk.keys("Ctrl-Y");
    assert!(desk.copied().ends_with("\nsecret-file = [\"/srv/secret\"]\n"), "{}", desk.copied());
    // Removed and restored, it still verifies.
    desk.keys("Del Ctrl-7").must_show(&["fixed"]);
    assert_eq!(desk.app.auth.rules.issuers.iter().nth(1).map(|issuer| issuer.keys.iter().count()), Some(1));
}

#[test]
fn the_audiences_of_an_accepted_issuer_are_filled_in_and_can_be_removed() {
    let signer = key();
    let audiences = |desk: &Desk| -> Vec<String> {
        let issuer = desk.app.auth.rules.issuers.iter().nth(1).expect("an issuer");
        issuer.audiences.iter().map(ToString::to_string).collect()
    };
    let mut desk = Desk::new(120, 36);
    desk.pastes(&set(&[&signer])).keys("Enter").types(ISSUER).keys("Tab Tab").types("orders, api").keys("Enter");
    assert_eq!(audiences(&desk), ["orders", "api"]);
    desk.pastes(&set(&[&signer])).keys("Enter").types(ISSUER).must_show(&["audiences  orders api"]);
    desk.keys("Enter");
    assert_eq!(audiences(&desk), ["orders", "api"], "unchanged");
    desk.pastes(&set(&[&signer])).keys("Enter").types(ISSUER).keys("Tab Tab Ctrl-U").must_show(&["any; several are"]);
    desk.keys("Enter");
    assert_eq!(audiences(&desk), [""; 0]);
}

#[test]
fn a_failure_with_a_long_url_leaves_the_list_visible_on_a_small_screen() {
    let server = TestServer::new(|_| reply("404 Not Found", "", ""));
    let issuer = server.url(&format!("/realms/{}", "production-".repeat(12)));
    let mut desk = Desk::new(80, 24);
    desk.keys("F6 Esc 1 ↓ Enter").types(&issuer).keys("Enter");
    reads(&mut desk, &issuer, 1);
    desk.must_show(&["keys not fetched", "error     ", "got 404", "tokens issued here", "+ add an issuer"]);
}

/// The signature of an ID token is not at fault: the lights agree with the list of checks.
#[test]
fn the_lights_of_an_id_token_say_that_its_signature_matches() {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let token = pair.token(&json!({
        "iss": KEYCLOAK, "sub": "f3a1", "typ": "ID", "iat": START.seconds(), "exp": START.seconds() + 3600,
    }));
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).pastes(&key_set(&pair)).keys("Enter Enter F2");
    desk.must_show(&["✔ structure ✔ signature ✔ time ✘ claims", "wrong_type"]);
}
