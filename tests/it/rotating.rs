//! Rotating the signing key: a new key signs, the previous ones verify until they are retired, and others learn both.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::auth::keys::{jwk, read_public};
use portcullis::auth::{Algorithm, KeyOrigin, KeySet, Rules, Signer};
use portcullis::store::News;
use serde_json::Value;

use crate::cli::{PORTCULLIS, bare};
use crate::desk::{Desk, START};

/// From the first field of the form.
const TO_ALGORITHM: &str = "Tab Tab Tab Tab Tab Tab Tab Tab Tab";

fn new_key(algorithm: Algorithm) -> Box<Signer> {
    Box::new(Signer::generate(algorithm).expect("a key").0)
}

fn rotate(desk: &mut Desk, algorithm: &str) {
    desk.keys("Ctrl-P").types(&format!("rotate {algorithm}")).keys("Enter");
}

fn issue(desk: &mut Desk, user: &str) {
    desk.keys("F2 Esc 1 Enter").types(user).keys("Enter");
}

#[test]
fn tokens_of_the_earlier_key_stay_valid_until_it_is_retired() {
    let mut desk = Desk::new(120, 36);
    issue(&mut desk, "before");
    rotate(&mut desk, "es256");
    desk.must_show(&["now signing with a new key (until exit): ES256, kid ", "; the previous key still verifies"]);
    issue(&mut desk, "after");
    desk.must_show(&["VALID", "ES256"]);
    desk.keys("Ctrl-Up").must_show(&["before", "VALID"]);
    // Asked before it is done: it refuses tokens.
    desk.keys("Esc Ctrl-P").types("retire a").keys("Enter").must_show(&["Retire this key?"]).keys("Enter");
    desk.must_show(&["retired HS256; its tokens no longer verify here", "before", "unverified"]);
    desk.keys("Ctrl-Down").must_show(&["after", "VALID"]);
    desk.keys("Esc Ctrl-P").types("retire a").keys("Enter");
    desk.must_show(&["there is no previous key: only the key that signs verifies your tokens"]);
}

#[test]
fn the_keys_of_the_console_are_listed_and_each_previous_one_can_be_retired() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F6").must_show(&["signs and verifies tokens issued here"]);
    rotate(&mut desk, "es256");
    rotate(&mut desk, "rs256");
    desk.must_show(&["the marked key signs; previous keys verify", "2048 bits signs"]);
    // The key that signs cannot be retired; the one below the cursor can.
    desk.keys("Esc y Enter ↑ ↑ Del");
    assert!(!desk.shows("Retire this key?"));
    desk.keys("Down Del").must_show(&["Retire this key?", "ES256"]).keys("Enter");
    let algorithms: Vec<Algorithm> =
        desk.gate.shared().rules().issuers.own().keys.iter().flat_map(|key| key.algorithms().to_vec()).collect();
    assert_eq!(algorithms, [Algorithm::Rs256, Algorithm::Hs256]);
    // The public key set is what others need.
    desk.keys("Ctrl-Y");
    let set = read_public(desk.copied().as_bytes(), KeyOrigin::Program).expect("a set");
    assert_eq!(set.keys.len(), 1);
}

#[test]
fn a_changed_key_file_rotates_and_an_unusable_one_changes_nothing() {
    let mut desk = Desk::new(120, 36);
    issue(&mut desk, "before");
    let new = new_key(Algorithm::Ed25519);
    desk.hears(News::SigningKey(Ok(new.clone())));
    desk.must_show(&["now signing with the key in the changed file: EdDSA, kid ", "VALID"]);
    issue(&mut desk, "after");
    desk.must_show(&["VALID", "EdDSA"]);
    // The same key again, for example because the file was only touched.
    let rows = desk.screen();
    desk.hears(News::SigningKey(Ok(new)));
    assert_eq!(desk.screen(), rows);
    let missing = portcullis::config::KeySources {
        file: Some(portcullis::config::KeyFile::Private("/no/such/key".into())),
        ..portcullis::config::KeySources::default()
    };
    let error = missing.signing_file().expect("a file").read().expect_err("it is missing");
    desk.hears(News::SigningKey(Err(error)));
    desk.must_show(&["the current signing key stays in use: signing key file /no/such/key: no such file"]);
    issue(&mut desk, "later");
    desk.must_show(&["VALID", "EdDSA"]);
}

#[test]
fn the_form_fills_in_the_header_and_follows_the_key() {
    let mut desk = Desk::new(120, 36);
    rotate(&mut desk, "rs256");
    desk.keys("F2 Esc 1").must_show(&["algorithm    RS256"]);
    desk.keys("Enter").types("user123").keys(TO_ALGORITHM);
    desk.keys("Tab").types("mine").keys("Tab").types("at+jwt").keys("Tab").types("{\"x\":1}").keys("Enter");
    let token = desk.token();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(header, serde_json::json!({"typ": "at+jwt", "alg": "RS256", "kid": "mine", "x": 1}));
    // The `kid` is not that of the key, so that it does not verify: exactly what was asked for.
    desk.must_show(&["unknown_key"]);
}

#[test]
fn an_rsa_key_file_signs_with_the_chosen_algorithm() {
    let key = portcullis::auth::keys::read_private(
        crate::key_files::RSA_PKCS1.as_bytes(),
        KeyOrigin::File,
        portcullis::auth::keys::SignerOptions::default(),
    );
    let mut desk = Desk::new(120, 36);
    desk.hears(News::SigningKey(key.map(Box::new).map_err(|_| unreachable!("it is a key"))));
    desk.keys("F2 Esc 1 Enter").types("user123").keys(TO_ALGORITHM);
    desk.must_show(&["algorithm    ‹ RS256 ›"]).keys("→ → →").must_show(&["algorithm    ‹ PS256 ›"]).keys("Enter");
    desk.must_show(&["VALID", "PS256"]);
    let token = desk.token();
    assert!(desk.gate.shared().rules().verify(&token, START).is_ok());
    // Undo gives the field back what it had.
    desk.keys("Ctrl-7").must_show(&["algorithm    ‹ RS512 ›"]);
}

fn write_key(path: &Path, algorithm: Algorithm) -> Signer {
    let (signer, generated) = Signer::generate(algorithm).expect("a key");
    // By renaming, as key management does.
    let new = path.with_extension("new");
    fs::write(&new, generated.to_file().as_bytes()).expect("written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("permitted");
    fs::rename(&new, path).expect("renamed");
    signer
}

#[test]
fn a_server_reports_keys_that_cannot_be_read_and_when_they_are() {
    let place = tempfile::TempDir::new().expect("a folder");
    let file = place.path().join("jwks.json");
    let mut server = Command::new(PORTCULLIS)
        .args(["serve", "--listen", "127.0.0.1:0", "--quiet", "--issuer", "https://id.example", "--jwks"])
        .arg(&file)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut notices = BufReader::new(server.stderr.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
    let missing = notices.find(|line| line.contains("keys of https://id.example: ")).expect("a notice");
    assert!(
        missing.ends_with("no such file or directory; its tokens are answered with 503 until they are fetched"),
        "{missing}"
    );
    let set = serde_json::json!({"keys": [jwk::public(new_key(Algorithm::Es256).verifier(), None)]});
    fs::write(&file, set.to_string()).expect("written");
    assert_eq!(notices.next().expect("a notice"), "portcullis: keys of https://id.example: fetched");
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}

fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

#[test]
fn a_running_server_signs_with_the_key_that_its_file_gets_and_publishes_both() {
    let place = tempfile::TempDir::new().expect("a folder");
    let file = place.path().join("key.pem");
    write_key(&file, Algorithm::Es256);
    let path = file.to_str().expect("UTF-8");
    let issued = |user: &str| bare(&["issue", user, "--signing-key", path]).out();
    let before = issued("before");
    let mut server = Command::new(PORTCULLIS)
        .args(["serve", "--listen", "127.0.0.1:0", "--signing-key", path])
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    let address = line.trim().trim_start_matches("serving http://").trim_end_matches("/mcp").to_owned();
    assert_eq!(get(&address, "/.well-known/jwks.json")["keys"].as_array().map(Vec::len), Some(1));

    write_key(&file, Algorithm::Ed25519);
    let mut notices = BufReader::new(server.stderr.as_mut().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
    let notice = notices.find(|line| line.contains("signing key")).expect("a notice");
    assert!(notice.starts_with("portcullis: signing key reloaded: from file, EdDSA, 256 bits"), "{notice}");
    assert!(notice.ends_with("; the previous key still verifies until the server restarts"), "{notice}");
    let published = get(&address, "/.well-known/jwks.json");
    let algorithms: Vec<&str> =
        published["keys"].as_array().expect("keys").iter().filter_map(|k| k["kty"].as_str()).collect();
    assert_eq!(algorithms, ["OKP", "EC"], "the key that signs comes first: {published}");
    let described = get(&address, "/.well-known/openid-configuration");
    assert_eq!(described["id_token_signing_alg_values_supported"], serde_json::json!(["ES256", "EdDSA"]));
    // With only what is published, others verify the tokens of both keys.
    let keys = read_public(published.to_string().as_bytes(), KeyOrigin::Program).expect("a set").keys;
    let others = Rules::new(keys.into_iter().collect::<KeySet>());
    for (token, user) in [(before, "before"), (issued("after"), "after")] {
        let now = portcullis::clock::Clock::now(&portcullis::clock::SystemClock::new());
        assert_eq!(others.verify(token.trim(), now).expect("valid").user_id, user);
    }
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}
