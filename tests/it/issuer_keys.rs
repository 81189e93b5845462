//! Keys of issuers that are fetched, against servers on loopback that misbehave. The clock is moved by the tests.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portcullis::auth::keys::{Generated, SignerOptions, jwk};
use portcullis::auth::{Algorithm, IssueRequest, Issuer, Issuers, KeyOrigin, KeySet, NumericDate, Reason, Signer};
use portcullis::clock::{Clock, ManualClock};
use portcullis::gate::{AuthState, KeyStatus, Provenance, Shared};
use portcullis::issuer_keys::{
    COOLDOWN, FetchError, FetchSettings, KeyFollower, KeySource, MAX_BODY, RemoteKeys, TIMEOUT, fetch_once,
};
use portcullis::{Gate, Rules};
use rstest::rstest;
use serde_json::{Value, json};

use crate::forge::{EXP, NOW, b64, rules};

/// How a server answers a request for a path.
type Answer = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// An HTTP server on loopback.
pub struct TestServer {
    origin: String,
    answer: Arc<Mutex<Answer>>,
    /// The heads of the requests.
    heads: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    pub fn new(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Arc::new(answer)));
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let server = Self { origin, answer: Arc::clone(&answer), heads: Arc::clone(&heads) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that stops reading is expected.
                let _ = serve(stream, &answer, &heads);
            }
        });
        server
    }

    /// A server that answers every request with this body.
    pub fn of(body: impl Into<String>) -> Self {
        let body = body.into();
        Self::new(move |_| ok(&body))
    }

    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    pub fn answers(&self, answer: impl Fn(&str) -> String + Send + Sync + 'static) {
        *self.answer.lock().expect("no panic") = Arc::new(answer);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn jwks(&self) -> KeySource {
        KeySource::jwks(&self.url("/jwks")).expect("loopback")
    }

    pub fn requests(&self) -> usize {
        self.heads.lock().expect("no panic").len()
    }

    /// The paths of the requests.
    pub fn paths(&self) -> Vec<String> {
        let heads = self.heads.lock().expect("no panic");
        heads.iter().filter_map(|head| Some(head.split(' ').nth(1)?.to_owned())).collect()
    }
}

fn serve(mut stream: TcpStream, answer: &Mutex<Answer>, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().expect("no panic").push(head);
    let answer = Arc::clone(&answer.lock().expect("no panic"));
    stream.write_all(answer(&path).as_bytes())
}

pub fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

pub fn ok(body: &str) -> String {
    reply("200 OK", "content-type: application/json\r\n", body)
}

fn redirect(to: &str) -> String {
    reply("302 Found", &format!("location: {to}\r\n"), "")
}

pub fn key() -> Signer {
    Signer::generate(Algorithm::Ed25519).expect("a key").0
}

/// The public half of a key, as a JWK with this `kid`.
pub fn jwk(key: &Signer, kid: &str) -> Value {
    let mut jwk = jwk::write(key.verifier().components().expect("a public key"));
    jwk.insert("kid".to_owned(), kid.into());
    Value::Object(jwk)
}

/// A set with the public halves of these keys, with the `kid`s that their tokens name.
pub fn set(keys: &[&Signer]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| jwk(key, key.verifier().kid().expect("a kid"))).collect();
    json!({ "keys": keys }).to_string()
}

/// A token of an issuer, signed with a key.
pub fn token(issuer: &str, key: &Signer) -> String {
    let request = IssueRequest { user_id: "me".to_owned(), issuer: Some(issuer.to_owned()), ..IssueRequest::default() };
    key.issue(&request, "7", NOW).expect("a token").to_string()
}

fn fetch(source: KeySource) -> Result<jwk::KeysRead, FetchError> {
    fetch_once(&RemoteKeys::new(None, source))
}

fn error(source: KeySource) -> String {
    fetch(source).map(|_| ()).expect_err("it fails").to_string()
}

const ISSUER: &str = "https://id.example";

/// A gate that accepts these issuers, and a clock to move.
fn gate(issuers: &[&str]) -> (Gate, Arc<ManualClock>) {
    let of = |name: &&str| ((*name).into(), Issuer { keys: KeySet::unread(), ..Issuer::default() });
    let own = rules().issuers.own().clone();
    let own = Issuer { name: Some("own".into()), ..own };
    let issuers = Issuers::new(own).with_others(issuers.iter().map(of)).expect("different names");
    let clock = Arc::new(ManualClock::new(NOW));
    (Gate::with(Rules { issuers, ..rules() }, None, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn remote(issuer: &str, source: KeySource) -> RemoteKeys {
    RemoteKeys::new(Some(issuer.into()), source)
}

/// Waits until the shared state satisfies a condition.
pub fn until(shared: &Shared, is_so: impl Fn(&AuthState) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let noticed = runtime.block_on(async {
        let mut revisions = shared.changes();
        let all = async {
            while !shared.read(&is_so) {
                assert!(revisions.changed().await, "the state is there");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await
    });
    noticed.unwrap_or_else(|_| panic!("{:?}", shared.read(|state| state.issuer_keys().to_vec())));
}

/// The state of the only issuer with a source; an empty one before the follower has begun.
fn status(state: &AuthState) -> KeyStatus {
    state.issuer_keys().first().cloned().unwrap_or_default()
}

/// Moves the clock, and lets the follower notice: it sleeps in real time.
fn pass(gate: &Gate, clock: &ManualClock, duration: Duration) {
    clock.advance(duration);
    gate.shared().read(|state| state.request_keys_of(Some(ISSUER)));
}

#[test]
fn a_byte_order_mark_before_a_set_or_metadata_is_ignored_from_a_url_as_from_a_file() {
    let body = format!("\u{feff}{}", set(&[&key()]));
    let server = TestServer::new(move |_| reply("200 OK", "", &body));
    assert_eq!(fetch(server.jwks()).expect("keys").keys.len(), 1);
    let (issuer, keys) = (server.origin(), set(&[&key()]));
    let found = format!("\u{feff}{}", json!({ "issuer": issuer, "jwks_uri": server.url("/keys") }));
    server.answers(move |path| if path == "/keys" { ok(&keys) } else { ok(&found) });
    assert_eq!(fetch(KeySource::discovery(&issuer).expect("loopback")).expect("keys").keys.len(), 1);
    // In a local file a shared secret is accepted too.
    let folder = crate::cli::Folder::new();
    let secret = format!("\u{feff}{}", json!({ "kty": "oct", "k": "YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE" }));
    let file = KeySource::File(folder.write("set.json", secret).into());
    assert_eq!(fetch(file).expect("keys").keys.len(), 1);
}

#[test]
fn a_set_is_read_whatever_its_type_says() {
    let signer = key();
    let body = set(&[&signer]);
    for headers in ["content-type: text/html\r\n", "", "content-type: image/png\r\ncontent-encoding: identity\r\n"] {
        let body = body.clone();
        let server = TestServer::new(move |_| reply("200 OK", headers, &body));
        assert_eq!(fetch(server.jwks()).expect("keys").keys.len(), 1, "{headers:?}");
        let heads = server.heads.lock().expect("no panic").concat().to_ascii_lowercase();
        assert!(!heads.contains("authorization") && !heads.contains("cookie"), "{heads}");
    }
}

#[test]
fn answers_that_are_not_keys_are_refused_with_the_reason() {
    let cases = [
        (reply("500 Internal Server Error", "", "{}"), "expected status 200, got 500"),
        (reply("204 No Content", "", ""), "expected status 200, got 204"),
        (ok("<html>"), "not a JWK or a JWK set: invalid JSON"),
        (ok("{}"), "expected a member keys (a set) or kty (a key)"),
        (ok(r#"{"keys":[]}"#), "no usable key"),
        (ok(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#), "key 1: a shared secret (kty oct) does not belong in a public"),
        (ok(""), "not a JWK"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(), "/jwks: "),
        ("nonsense\r\n\r\n".to_owned(), "/jwks: "),
        (redirect("http://[::"), "a redirect without a valid location"),
        (redirect("//me:secret@127.0.0.1/"), "a redirect without a valid location"),
        (reply("302 Found", "", ""), "a redirect without a valid location"),
    ];
    for (answer, why) in cases {
        let server = TestServer::new(move |_| answer.clone());
        let error = error(server.jwks());
        assert!(error.starts_with(&server.origin) && error.contains(why), "{error}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let error = error(KeySource::jwks(&format!("http://{gone}/jwks")).expect("loopback"));
    assert!(error.ends_with("/jwks: Connection refused"), "{error}");
}

#[test]
fn redirects_are_followed_three_times_within_the_origin() {
    let signer = key();
    let body = set(&[&signer]);
    let other = TestServer::of(body.clone());
    let server = TestServer::new(move |path| match path {
        "/jwks" => redirect("/1"),
        "/1" => redirect("/2"),
        "/2" => redirect("3"),
        "/loop" => redirect("/loop"),
        _ => ok(&body),
    });
    assert_eq!(fetch(server.jwks()).expect("keys").keys.len(), 1);
    let looping = KeySource::jwks(&server.url("/loop")).expect("loopback");
    assert!(error(looping).ends_with("/loop: more than 3 redirects"));
    assert_eq!(server.paths().iter().filter(|path| *path == "/loop").count(), 4);
    let away = other.url("/jwks");
    server.answers(move |_| redirect(&away));
    assert!(error(server.jwks()).contains(" redirects to another origin, http://127.0.0.1:"));
    server.answers(|_| redirect("https://id.example/jwks?secret=1"));
    assert!(error(server.jwks()).contains("another origin, https://id.example/jwks, which"));
    assert_eq!(other.requests(), 0);
}

#[test]
fn a_body_is_read_up_to_the_limit() {
    let server = TestServer::of(format!(r#"{{"keys":[],"x":"{}"}}"#, "a".repeat(10 << 20)));
    assert!(error(server.jwks()).ends_with("/jwks: longer than 64.0 KiB"), "{}", error(server.jwks()));
    // Without a stated length, too.
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", " ".repeat(10 << 20));
    server.answers(move |_| endless.clone());
    assert!(error(server.jwks()).ends_with("/jwks: longer than 64.0 KiB"));
    let signer = key();
    let full = set(&[&signer]);
    let full = format!("{}{full}", " ".repeat(MAX_BODY - full.len()));
    server.answers(move |_| ok(&full));
    assert_eq!(fetch(server.jwks()).expect("exactly at the limit").keys.len(), 1);
}

#[test]
fn a_server_that_never_answers_is_given_up_when_the_time_is_up() {
    // Connections are accepted by the system, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/jwks", silent.local_addr().expect("bound"));
    let mut remote = RemoteKeys::new(None, KeySource::jwks(&url).expect("loopback"));
    assert_eq!(remote.settings.timeout, TIMEOUT);
    remote.settings.timeout = Duration::from_millis(20);
    let error = fetch_once(&remote).map(|_| ()).expect_err("there is no answer");
    assert_eq!(error.to_string(), format!("{url}: no complete answer within 0.02 s"));
}

#[test]
fn one_broken_key_does_not_spoil_a_set_and_a_thousand_keys_are_used() {
    let signer = key();
    let mut keys = vec![json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), jwk(&signer, "good")];
    keys.push(json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}));
    let server = TestServer::of(json!({ "keys": keys }).to_string());
    let read = fetch(server.jwks()).expect("a key");
    assert_eq!((read.keys.len(), read.refused.len()), (1, 2));
    // A set of a thousand keys is longer than an answer may be; a file may be longer.
    let thousand: Vec<Value> = (0..1001).map(|n| jwk(&signer, &n.to_string())).collect();
    let text = json!({ "keys": thousand }).to_string();
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("jwks.json");
    std::fs::write(&file, &text).expect("written");
    let read = fetch(KeySource::File(file)).expect("keys");
    assert_eq!((read.keys.len(), read.refused.len(), read.ignored), (1000, 0, 1));
    let large = TestServer::of(text);
    assert!(error(large.jwks()).contains("longer than"));
    let half = TestServer::of(json!({ "keys": thousand.get(..500) }).to_string());
    assert_eq!(fetch(half.jwks()).expect("keys").keys.len(), 500);
}

/// The metadata of an issuer.
pub fn metadata(issuer: &str, jwks_uri: &str) -> String {
    ok(&json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string())
}

#[rstest]
#[case::root("")]
#[case::slash("/")]
#[case::path("/realms/prod")]
fn metadata_is_discovered_in_two_places(#[case] path: &'static str) {
    let signer = key();
    let body = set(&[&signer]);
    let server = TestServer::new(|_| reply("404 Not Found", "", ""));
    let (issuer, jwks_uri) = (server.url(path), server.url("/keys"));
    let source = || KeySource::discovery(&issuer).expect("loopback");
    let place = path.trim_end_matches('/');
    let oidc = format!("{place}/.well-known/openid-configuration");
    let oauth = format!("/.well-known/oauth-authorization-server{place}");
    let (first, second) = (oidc.clone(), oauth.clone());
    let said = error(source());
    assert_eq!(server.paths(), [&*oidc, &*oauth], "{said}");
    assert!(said.matches("got 404").count() == 2, "{said}");
    for served in [first, second] {
        let (issuer, jwks_uri, body) = (issuer.clone(), jwks_uri.clone(), body.clone());
        server.answers(move |path| match path {
            "/keys" => ok(&body),
            path if path == served => metadata(&issuer, &jwks_uri),
            _ => reply("404 Not Found", "", ""),
        });
        assert_eq!(fetch(source()).expect("keys").keys.len(), 1);
    }
}

#[test]
fn metadata_that_names_another_issuer_or_no_keys_is_refused() {
    let server = TestServer::new(|_| reply("404 Not Found", "", ""));
    let issuer = server.url("/a");
    let source = || KeySource::discovery(&issuer).expect("loopback");
    for wrong in [server.url("/a/"), server.url("/b"), "https://id.example".to_owned()] {
        let keys = server.url("/keys");
        let named = wrong.clone();
        server.answers(move |_| metadata(&named, &keys));
        assert!(error(source()).ends_with(&format!(": issuer is {wrong}, expected {issuer}")), "{}", error(source()));
    }
    // The second document is not a way around the first one.
    let before = server.requests();
    let _ = error(source());
    assert_eq!(server.requests(), before + 1);
    for (jwks_uri, why) in [
        ("http://id.example/keys", "jwks_uri: expected an https URL, got http://id.example/keys"),
        ("/keys", "jwks_uri: /keys is not a URL"),
    ] {
        let issuer = issuer.clone();
        server.answers(move |_| metadata(&issuer, jwks_uri));
        assert!(error(source()).contains(why), "{}", error(source()));
    }
    let twice = format!(r#"{{"issuer":"{issuer}","issuer":"x","jwks_uri":"https://x"}}"#);
    for (body, why) in [
        (twice.as_str(), "expected one issuer, a string"),
        ("{}", "expected one issuer, a string"),
        ("[]", "expected a JSON object"),
        ("<html>", "is not the metadata of an issuer"),
    ] {
        let body = body.to_owned();
        server.answers(move |_| ok(&body));
        assert!(error(source()).contains(why), "{}", error(source()));
    }
}

#[test]
fn a_file_with_authorities_must_contain_some() {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("ca.pem");
    let source = || KeySource::jwks("https://127.0.0.1:9/jwks").expect("loopback");
    let with = || {
        let settings = FetchSettings { ca_file: Some(file.clone()), ..FetchSettings::default() };
        RemoteKeys { settings, ..RemoteKeys::new(None, source()) }
    };
    let error = || fetch_once(&with()).map(|_| ()).expect_err("it fails").to_string();
    assert!(error().ends_with("ca.pem: no such file or directory"), "{}", error());
    std::fs::write(&file, "nothing").expect("written");
    assert!(error().ends_with("ca.pem: expected certificates in PEM"), "{}", error());
}

#[test]
fn a_rotated_key_is_fetched_when_a_token_names_it() {
    let (old, new) = (key(), key());
    let server = TestServer::of(set(&[&old]));
    let (gate, clock) = gate(&[ISSUER]);
    assert!(matches!(gate.verify_token(&token(ISSUER, &old)), Err(Reason::KeysUnavailable { .. })));
    let _follower = KeyFollower::start(&gate, vec![remote(ISSUER, server.jwks())]).expect("a thread");
    until(gate.shared(), |state| status(state).is_usable);
    gate.verify_token(&token(ISSUER, &old)).expect("a valid token");
    let both = set(&[&old, &new]);
    server.answers(move |_| ok(&both));
    assert!(matches!(gate.verify_token(&token(ISSUER, &new)), Err(Reason::UnknownKey { .. })));
    pass(&gate, &clock, COOLDOWN);
    until(gate.shared(), |state| status(state).keys.len() == 2 && status(state).next.is_some());
    gate.verify_token(&token(ISSUER, &new)).expect("a valid token");
    gate.verify_token(&token(ISSUER, &old)).expect("still a valid token");
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_pasted_token_with_an_unknown_key_requests_it_too() {
    let (old, new) = (key(), key());
    let server = TestServer::of(set(&[&old]));
    let (gate, clock) = gate(&[ISSUER]);
    let _follower = KeyFollower::start(&gate, vec![remote(ISSUER, server.jwks())]).expect("a thread");
    until(gate.shared(), |state| status(state).is_usable && status(state).next.is_some());
    let both = set(&[&old, &new]);
    server.answers(move |_| ok(&both));
    clock.advance(COOLDOWN);
    gate.shared().update(|state| state.add(token(ISSUER, &new), Provenance::Pasted, NOW));
    until(gate.shared(), |state| status(state).keys.len() == 2);
    let valid = |state: &AuthState| state.tokens().iter().all(|entry| entry.judged.held(NOW).is_some());
    assert!(gate.shared().read(valid));
}

#[test]
fn random_kids_cause_at_most_three_requests_a_minute() {
    let known = key();
    let server = TestServer::of(set(&[&known]));
    let (gate, clock) = gate(&[ISSUER]);
    let _follower = KeyFollower::start(&gate, vec![remote(ISSUER, server.jwks())]).expect("a thread");
    until(gate.shared(), |state| status(state).is_usable);
    let payload = b64(format!(r#"{{"iss":"{ISSUER}","exp":{EXP},"user_id":"x","permissions":[]}}"#));
    for n in 0..10_000 {
        let header = b64(format!(r#"{{"alg":"EdDSA","kid":"{n:x}"}}"#));
        let refused = gate.verify_token(&format!("{header}.{payload}.AAAA"));
        assert!(matches!(refused, Err(Reason::UnknownKey { .. })), "{refused:?}");
        clock.advance(Duration::from_millis(6));
    }
    // Lets the follower act on what it has not noticed yet.
    pass(&gate, &clock, Duration::ZERO);
    until(gate.shared(), |state| status(state).next.is_some_and(|next| next > clock.now()));
    let requests = server.requests();
    assert!((2..=3).contains(&requests), "{requests}");
    gate.verify_token(&token(ISSUER, &known)).expect("a valid token");
}

#[test]
fn old_keys_are_used_for_the_stated_time_and_then_none_are_available() {
    let signer = key();
    let body = set(&[&signer]);
    let server = TestServer::of(body.clone());
    let (gate, clock) = gate(&[ISSUER]);
    let keys = remote(ISSUER, server.jwks());
    let _follower = KeyFollower::start(&gate, vec![keys]).expect("a thread");
    until(gate.shared(), |state| status(state).is_usable && status(state).next.is_some());
    let before = gate.shared().rules();
    let verify = || gate.verify_token(&IssuedAt(&signer, clock.now()).token()).map(|_| ());
    // The same keys again are the same set, so that nothing is verified again.
    pass(&gate, &clock, Duration::from_secs(601));
    until(gate.shared(), |state| status(state).age(clock.now()).is_some_and(|age| age.as_seconds() == 0));
    assert!(gate.shared().rules().has_keys_of(&before));
    server.answers(|_| reply("500 Internal Server Error", "", ""));
    pass(&gate, &clock, Duration::from_secs(601));
    until(gate.shared(), |state| status(state).error.is_some() && status(state).next.is_some());
    verify().expect("the old keys are used");
    assert!(gate.shared().rules().has_keys_of(&before));
    pass(&gate, &clock, Duration::from_secs(3599));
    until(gate.shared(), |state| status(state).next.is_some_and(|next| next > clock.now()));
    verify().expect("the old keys are used");
    pass(&gate, &clock, Duration::from_secs(1));
    until(gate.shared(), |state| !status(state).is_usable);
    let refused = verify().expect_err("no keys").to_string();
    assert!(refused.contains("the last ones are stale") && refused.contains("got 500"), "{refused}");
    assert_eq!(gate.shared().read(|state| status(state).keys.len()), 1, "shown all the same");
    // An empty set is not a success either.
    server.answers(|_| ok(r#"{"keys":[]}"#));
    pass(&gate, &clock, COOLDOWN);
    let is_empty = |state: &AuthState| status(state).error.as_ref().is_some_and(|error| error.contains("no usable"));
    until(gate.shared(), |state| is_empty(state) && status(state).next.is_some());
    assert!(verify().is_err());
    server.answers(move |_| ok(&body));
    pass(&gate, &clock, COOLDOWN);
    until(gate.shared(), |state| status(state).is_usable);
    verify().expect("available again");
}

/// A token that is issued at an instant.
struct IssuedAt<'a>(&'a Signer, NumericDate);

impl IssuedAt<'_> {
    fn token(&self) -> String {
        let issuer = Some(ISSUER.to_owned());
        let request = IssueRequest { user_id: "me".to_owned(), issuer, ..IssueRequest::default() };
        self.0.issue(&request, "7", self.1).expect("a token").to_string()
    }
}

#[test]
fn two_issuers_with_the_same_kid_never_meet() {
    let other = "https://other.example";
    let named = || {
        let Generated::Pkcs8(der) = Signer::generate(Algorithm::Ed25519).expect("a key").1 else { panic!("no key") };
        let options = SignerOptions { algorithm: None, kid: Some("same") };
        Signer::from_der(&der, KeyOrigin::Program, options).expect("a key")
    };
    let (one, two) = (named(), named());
    let (first, second) = (TestServer::of(set(&[&one])), TestServer::of(set(&[&two])));
    let (gate, _) = gate(&[ISSUER, other]);
    let sources = vec![remote(ISSUER, first.jwks()), remote(other, second.jwks())];
    let _follower = KeyFollower::start(&gate, sources).expect("a thread");
    let all =
        |state: &AuthState| state.issuer_keys().len() == 2 && state.issuer_keys().iter().all(|keys| keys.is_usable);
    until(gate.shared(), all);
    for (issuer, key, is_good) in
        [(ISSUER, &one, true), (other, &two, true), (ISSUER, &two, false), (other, &one, false)]
    {
        let verified = gate.verify_token(&token(issuer, key));
        assert_eq!(verified.is_ok(), is_good, "{issuer}: {verified:?}");
        assert!(is_good || verified == Err(Reason::BadSignature));
    }
}

#[test]
fn a_file_is_followed() {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("jwks.json");
    let (old, new) = (key(), key());
    std::fs::write(&file, set(&[&old])).expect("written");
    let (gate, _) = gate(&[ISSUER]);
    let _follower = KeyFollower::start(&gate, vec![remote(ISSUER, KeySource::File(file.clone()))]).expect("a thread");
    until(gate.shared(), |state| status(state).is_usable);
    gate.verify_token(&token(ISSUER, &old)).expect("a valid token");
    std::fs::write(&file, set(&[&new])).expect("written");
    let has = |state: &AuthState, key: &Signer| status(state).keys.iter().any(|k| k.kid() == key.verifier().kid());
    until(gate.shared(), |state| has(state, &new));
    gate.verify_token(&token(ISSUER, &new)).expect("a valid token");
    assert!(gate.verify_token(&token(ISSUER, &old)).is_err(), "the key was removed");
    std::fs::write(&file, "{").expect("written");
    until(gate.shared(), |state| status(state).error.is_some());
    gate.verify_token(&token(ISSUER, &new)).expect("a mistake in the file changes nothing");
}

#[test]
fn foreign_text_in_errors_and_status_is_safe_to_show() {
    let server = TestServer::of("{\"keys\":[{\"kty\":\"\\u001b[31mEVIL\",\"kid\":\"\\u001b[2J\"}]}");
    let said = error(server.jwks());
    assert!(!said.contains('\u{1b}') && said.contains("EVIL"), "{said}");
    let mut shown = String::new();
    let _ = write!(shown, "{}", KeySource::File("\u{1b}[31m".into()));
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

/// The certificates of `tls/`, which OpenSSL made for a hundred years: an authority, and its certificates of 127.0.0.1
/// and of another name, with one key.
const AUTHORITY: &str = include_str!("tls/ca.pem");
const CERTIFICATE: &str = include_str!("tls/loopback.pem");
const OTHER_CERTIFICATE: &str = include_str!("tls/other.pem");
const CERTIFICATE_KEY: &str = include_str!("tls/server.key");

/// A server on loopback with this certificate that answers every request over TLS with this body. Returns its URL.
fn tls_server(certificate: &str, body: String) -> String {
    let der = |text: &str| pem::parse(text).expect("PEM").into_contents();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![der(certificate).into()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(der(CERTIFICATE_KEY).into()),
        )
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut head = Vec::new();
            let mut byte = [0];
            // A client that does not trust the certificate ends the connection.
            while !head.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|read| read == 1) {
                head.extend(byte);
            }
            let _ = tls.write_all(ok(&body).as_bytes());
            connection.send_close_notify();
            let _ = connection.complete_io(&mut stream);
        }
    });
    format!("https://127.0.0.1:{port}/jwks")
}

#[test]
fn a_server_with_a_certificate_of_a_private_authority_needs_its_file() {
    let signer = key();
    let url = tls_server(CERTIFICATE, set(&[&signer]));
    let other = tls_server(OTHER_CERTIFICATE, set(&[&signer]));
    let place = tempfile::TempDir::new().expect("a folder");
    let file = place.path().join("ca.pem");
    let from = |url: String, ca_file: Option<&std::path::Path>| {
        let source = RemoteKeys::new(None, KeySource::jwks(&url).expect("https"));
        let settings = FetchSettings { ca_file: ca_file.map(Into::into), ..FetchSettings::default() };
        fetch_once(&RemoteKeys { settings, ..source }).map(|read| read.keys.len()).map_err(|error| error.to_string())
    };
    let untrusted = from(url.clone(), None).expect_err("the authority is unknown");
    assert!(untrusted.starts_with(&url) && untrusted.contains("certificate"), "{untrusted}");
    assert!(untrusted.contains("--ca-file"), "{untrusted}");
    std::fs::write(&file, AUTHORITY).expect("written");
    assert_eq!(from(url.clone(), Some(&file)), Ok(1));
    let other = from(other, Some(&file)).expect_err("another name");
    assert!(other.contains("certificate"), "{other}");
    std::fs::write(&file, "nothing").expect("written");
    let empty = from(url, Some(&file)).expect_err("no certificates");
    assert!(empty.ends_with("ca.pem: expected certificates in PEM"), "{empty}");
}
