//! Rotating the signing key: a new key signs, the previous ones verify until they are retired, and others learn both.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::auth::keys::{Generated, SignerOptions, SigningKeys, jwk, read_public};
use portcullis::auth::{Algorithm, KeyOrigin, KeySet, Rules, Signer};
use portcullis::config::{KeyFile, KeySources, SigningFile};
use portcullis::store::News;
use serde_json::Value;

use crate::cli::{RunningServer, bare};
use crate::desk::{Desk, START};

/// From the first field of the form.
const TO_ALGORITHM: &str = "Tab Tab Tab Tab Tab Tab Tab Tab Tab";

fn new_key(algorithm: Algorithm) -> Box<SigningKeys> {
    Box::new(Signer::generate(algorithm).expect("a key").0.into())
}

fn from_file(algorithm: Algorithm) -> Box<SigningKeys> {
    let Generated::Pkcs8(der) = Signer::generate(algorithm).expect("a key").1 else { panic!("no pair") };
    Box::new(Signer::from_der(&der, KeyOrigin::File, SignerOptions::default()).expect("a key").into())
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
    // The whole kid, which people compare with a JWKS, is in the Keys pane.
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
    let place = tempfile::TempDir::new().expect("a folder");
    let path = place.path().join("key.pem");
    write_key(&path, Algorithm::Es256);
    let file = signing_file(&path, &[]);
    fs::remove_file(&path).expect("it is there");
    desk.hears(News::SigningKey(Err(file.read().expect_err("it is missing"))));
    desk.must_show(&["the current signing key stays in use: signing key file", "key.pem: no such file or directory"]);
    issue(&mut desk, "later");
    desk.must_show(&["VALID", "EdDSA"]);
}

#[test]
fn of_the_keys_that_a_file_had_only_the_last_four_still_verify() {
    let mut desk = Desk::new(120, 36);
    // A key that was generated is retired by hand only.
    let files: Vec<Box<SigningKeys>> = (0..6).map(|_| from_file(Algorithm::Ed25519)).collect();
    for key in &files[..5] {
        desk.hears(News::SigningKey(Ok(key.clone())));
    }
    desk.must_show(&["; 5 previous"]);
    desk.hears(News::SigningKey(Ok(files[5].clone())));
    desk.must_show(&["dropped the oldest"]);
    let rules = desk.gate.shared().rules();
    let keys: Vec<_> = rules.issuers.own().keys.iter().collect();
    let verifies = |file: &SigningKeys| keys.iter().any(|key| key.is_same(file.signer.verifier()));
    assert_eq!(files.iter().map(|key| verifies(key)).collect::<Vec<_>>(), [false, true, true, true, true, true]);
    assert_eq!(keys.len(), 6, "the first key, which was generated, is still there");
}

#[test]
fn a_key_file_that_can_be_read_again_is_reported() {
    let mut desk = Desk::new(120, 36);
    desk.hears(News::SigningKeyReadable).must_show(&["the signing key's file can be read again"]);
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
    desk.hears(News::SigningKey(key.map(|key| Box::new(key.into())).map_err(|_| unreachable!("it is a key"))));
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
    let path = file.to_str().expect("UTF-8");
    let server = RunningServer::start(&["--quiet", "--issuer", "https://id.example", "--jwks", path]);
    let missing = server.notice("keys of https://id.example: ");
    assert!(
        missing.ends_with("no such file or directory; its tokens are answered with 503 until they are fetched"),
        "{missing}"
    );
    let set = serde_json::json!({"keys": [jwk::public(new_key(Algorithm::Es256).signer.verifier(), None)]});
    fs::write(&file, set.to_string()).expect("written");
    server.notice("keys of https://id.example: fetched");
}

fn signing_file(path: &Path, algorithms: &[Algorithm]) -> SigningFile {
    let sources = KeySources {
        file: Some(match algorithms {
            [] => KeyFile::Private(path.to_owned()),
            _ => KeyFile::Secret(path.to_owned()),
        }),
        algorithms,
        ..KeySources::default()
    };
    sources.signing_file().expect("a regular file")
}

/// Reading a pipe would block the thread that notices revocations, too.
#[test]
fn a_pipe_is_not_followed_and_is_refused_in_place_of_a_key_file() {
    let place = tempfile::TempDir::new().expect("a folder");
    let path = place.path().join("key.pem");
    write_key(&path, Algorithm::Es256);
    let file = signing_file(&path, &[]);
    fs::remove_file(&path).expect("it is there");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    let error = file.read().expect_err("a pipe").to_string();
    assert!(error.ends_with("key.pem: not a regular file"), "{error}");
    let sources = KeySources { file: Some(KeyFile::Private(path)), ..KeySources::default() };
    assert!(sources.signing_file().is_none());
}

#[test]
fn a_replaced_secret_verifies_every_algorithm_that_the_options_name() {
    let place = tempfile::TempDir::new().expect("a folder");
    let path = place.path().join("secret");
    write_key(&path, Algorithm::Hs512);
    let algorithms = [Algorithm::Hs512, Algorithm::Hs256];
    let file = signing_file(&path, &algorithms);
    let mut desk = Desk::new(120, 36);
    desk.hears(News::SigningKey(file.read().map(Box::new)));
    write_key(&path, Algorithm::Hs512);
    desk.hears(News::SigningKey(file.read().map(Box::new)));
    let rules = desk.gate.shared().rules();
    let accepted: Vec<Algorithm> = rules.issuers.own().keys.iter().flat_map(|key| key.algorithms().to_vec()).collect();
    // The new secret, the one before it, and the first key of the console.
    assert_eq!(accepted, [&algorithms[..], &algorithms, &[Algorithm::Hs256]].concat());
    // The second algorithm of the current secret is not a previous key.
    desk.keys("F6 Esc y Enter Down Del").must_show(&["only a previous key of the console can be retired"]);
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
    let mut server = RunningServer::start(&["--signing-key", path]);
    let address = server.address();
    assert_eq!(get(&address, "/.well-known/jwks.json")["keys"].as_array().map(Vec::len), Some(1));

    write_key(&file, Algorithm::Ed25519);
    let notice = server.notice("signing key");
    assert!(notice.starts_with("portcullis: signing key reloaded: from file, EdDSA, 256 bits"), "{notice}");
    assert!(notice.ends_with("; the previous key still verifies until the server restarts"), "{notice}");
    let kid = issued("x").split('.').next().map(|header| URL_SAFE_NO_PAD.decode(header).expect("base64url"));
    let header: Value = serde_json::from_slice(&kid.expect("a header")).expect("JSON");
    assert!(notice.contains(header["kid"].as_str().expect("a kid")), "the whole kid: {notice}");
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
}

/// A secret that is left over in the environment accepts tokens beside those of the issuer that the options name.
#[test]
fn a_server_for_another_issuer_says_that_its_own_key_is_accepted_too() {
    let place = tempfile::TempDir::new().expect("a folder");
    let file = place.path().join("jwks.json");
    let set = serde_json::json!({"keys": [jwk::public(new_key(Algorithm::Es256).signer.verifier(), None)]});
    fs::write(&file, set.to_string()).expect("written");
    let key = place.path().join("key.pem");
    write_key(&key, Algorithm::Es256);
    let [file, key] = [file, key].map(|path| path.to_str().expect("UTF-8").to_owned());
    let server = RunningServer::start(&["--issuer", "https://id.example", "--jwks", &file, "--signing-key", &key]);
    let notice = server.notice("our own key");
    assert!(notice.ends_with("are accepted too, whatever their iss"), "{notice}");
}
