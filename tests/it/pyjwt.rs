//! `PyJWT` verifies our tokens and we verify its tokens, because the other half of the lab is written with it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use portcullis::AuthenticatedMcpServer;
use portcullis::auth::keys::jwk;
use portcullis::auth::{Algorithm, IssueRequest, NumericDate, Rules, Signer};
use portcullis::text::Span;
use serde_json::{Value, json};

/// Returns the output of a Python program, or `None` with a message on standard error if `PyJWT` is not installed.
fn python(program: &str, arguments: &[&str]) -> Option<String> {
    python_reading(program, arguments, b"")
}

/// Whether Python has these modules; prints a message if it does not.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn has(modules: &str) -> bool {
    let probe = Command::new("python3").args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    let found = probe.is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: python3 cannot import {modules} here (pip install 'pyjwt[crypto]')");
    }
    found
}

/// Like [`python`], with standard input.
fn python_reading(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    if !has("jwt") {
        return None;
    }
    // A secret of nine bytes makes PyJWT print a warning, which is not under test.
    let mut child = Command::new("python3")
        .args(["-W", "ignore", "-c", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 ran a moment ago");
    let (mut stdin, input) = (child.stdin.take().expect("a pipe"), input.to_owned());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("python3 ends");
    writer.join().expect("the writer ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("python prints UTF-8").trim().to_owned())
}

/// A random JSON value of at most this depth, the same in every run.
fn random(next: &mut impl FnMut(u64) -> u64, depth: u64) -> Value {
    const LETTERS: [&str; 12] = ["a", "Z", "0", " ", "\"", "\\", "\n", "\u{1b}", "é", "日", "\u{1f600}", "\u{202e}"];
    match next(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(next(2) == 1),
        2 => json!(next(u64::MAX).cast_signed()),
        3 => json!(f64::from_bits(next(u64::MAX)).clamp(-1e300, 1e300)),
        4 => (0..next(12)).map(|_| LETTERS[usize::try_from(next(12)).unwrap_or(0)]).collect::<String>().into(),
        5 => (0..next(4)).map(|_| random(next, depth - 1)).collect(),
        _ => (0..next(4)).map(|n| (format!("k{n}"), random(next, depth - 1))).collect::<serde_json::Map<_, _>>().into(),
    }
}

/// Random numbers below a limit, the same in every run.
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below: u64| {
        // Marsaglia's xorshift with a fixed seed, so that a failure is reproducible.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below.max(1)
    }
}

/// Random claims.
fn claims(next: &mut impl FnMut(u64) -> u64, now: NumericDate) -> IssueRequest {
    let text = |value: Value| value.as_str().map_or_else(|| "user".to_owned(), str::to_owned);
    IssueRequest {
        user_id: format!("u{}", text(random(next, 0))),
        permissions: (0..next(4)).map(|_| text(random(next, 0))).collect(),
        expires: Some(now.plus(Span::micros(next(1 << 40).cast_signed()) + Span::SECOND)),
        extra: (0..next(4)).map(|n| (format!("claim {n}"), random(next, 3))).collect(),
        ..IssueRequest::default()
    }
}

/// A line for Python: the token, and the claims that it must find.
fn line(token: &str, request: &IssueRequest) -> String {
    let mut wanted = request.extra.clone();
    wanted.insert("user_id".to_owned(), request.user_id.clone().into());
    wanted.insert("permissions".to_owned(), request.permissions.clone().into());
    format!("{token} {}\n", Value::from(wanted))
}

/// Checks the tokens that Python printed, each with its claims.
fn all_are_valid(rules: &Rules, printed: &str, now: NumericDate) {
    for line in printed.lines() {
        let (token, claims) = line.split_once(' ').expect("a token and its claims");
        let claims: Value = serde_json::from_str(claims).expect("JSON");
        let verified = rules.verify(token, now).expect("valid");
        assert_eq!(claims["user_id"], verified.user_id.as_str());
        assert_eq!(claims["permissions"], json!(verified.permissions));
        let inspection = rules.inspect(token);
        let payload: Value = serde_json::from_str(&inspection.payload.text).expect("JSON");
        assert_eq!(payload, claims);
    }
}

/// For every asymmetric algorithm, `PyJWT` verifies 200 of our tokens with our published key, signs the claims again with
/// our private key file, and we verify that.
#[test]
fn every_asymmetric_algorithm_survives_a_round_trip_through_pyjwt() {
    let program = r#"
import json, jwt, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
sys.stdin.reconfigure(encoding="utf-8", newline="\n"); sys.stdout.reconfigure(encoding="utf-8")
alg, key = sys.argv[1], json.loads(sys.argv[2])["keys"][0]
# Once, because the check of an RSA key takes a tenth of a second.
private = load_pem_private_key(sys.stdin.readline().rstrip("\n").replace("|", "\n").encode(), None)
assert (key["alg"], key["use"]) == (alg, "sig")
public = jwt.PyJWK.from_dict(key, algorithm=alg).key
for line in sys.stdin:
    token, wanted = line.rstrip("\n").split(" ", 1)
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": alg, "kid": key["kid"]}
    claims = jwt.decode(token, public, algorithms=[alg], options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_jti": False})
    wanted = json.loads(wanted)
    assert all(claims[name] == value or value != value for name, value in wanted.items()), (claims, wanted)
    claims["user_id"] = claims["user_id"][::-1]
    print(jwt.encode(claims, private, algorithm=alg, headers={"kid": key["kid"]}), json.dumps(claims))
"#;
    let now = NumericDate::from_seconds(1_795_380_000);
    let mut next = numbers();
    if !has("jwt, cryptography") {
        return;
    }
    for algorithm in Algorithm::ALL {
        let (signer, generated) = Signer::generate(algorithm).expect("a key");
        let Some(key) = jwk::public(signer.verifier(), Some(algorithm)) else { continue };
        let mut lines = format!("{}\n", generated.to_file().replace('\n', "|"));
        let mut count = 0;
        while count < 200 {
            let request = claims(&mut next, now);
            let Ok(token) = signer.issue(&request, "jti", now) else { continue };
            lines += &line(&token, &request);
            count += 1;
        }
        let set = json!({ "keys": [key] }).to_string();
        let printed = python_reading(program, &[algorithm.name(), &set], lines.as_bytes()).expect("PyJWT is there");
        assert_eq!(printed.lines().count(), 200, "{algorithm}");
        all_are_valid(&Rules::new(&signer), &printed, now);
    }
}

#[test]
fn a_thousand_random_claim_sets_survive_a_round_trip_through_pyjwt() {
    let program = r#"
import json, jwt, sys
sys.stdin.reconfigure(encoding="utf-8", newline="\n"); sys.stdout.reconfigure(encoding="utf-8")
key = sys.argv[1]
for line in sys.stdin:
    token, wanted = line.rstrip("\n").split(" ", 1)
    claims = jwt.decode(token, key, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_jti": False})
    wanted = json.loads(wanted)
    assert all(claims[name] == value or value != value for name, value in wanted.items()), (claims, wanted)
    claims["user_id"] = claims["user_id"][::-1]
    print(jwt.encode(claims, key, algorithm="HS256"), json.dumps(claims))
"#;
    let secret = "a secret of thirty-two bytes, ok";
    let server = AuthenticatedMcpServer::new(secret).expect("a secret");
    let rules = server.shared().rules();
    let now = NumericDate::from_seconds(1_795_380_000);
    let mut next = numbers();
    let mut lines = String::new();
    let mut count = 0;
    while count < 1000 {
        let request = claims(&mut next, now);
        let Ok(token) = server.signer().expect("a key").issue(&request, "jti", now) else { continue };
        lines += &line(&token, &request);
        count += 1;
    }
    let Some(printed) = python_reading(program, &[secret], lines.as_bytes()) else { return };
    assert_eq!(printed.lines().count(), 1000);
    all_are_valid(&rules, &printed, now);
}

#[test]
fn a_token_that_pyjwt_signed_is_valid_here() {
    let program = r#"
import datetime, jwt
exp = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
print(jwt.encode({"user_id": "user123", "permissions": ["user"], "exp": exp}, "my-secret", algorithm="HS256"))
"#;
    let Some(token) = python(program, &[]) else { return };
    let server = AuthenticatedMcpServer::new("my-secret").expect("a secret");
    let claims = server.verify_token(&token).expect("valid");
    assert_eq!((&*claims.user_id, &claims.permissions[..]), ("user123", &["user".to_owned()][..]));
    assert_eq!(server.call_tool(&*token, "read_data", &json!({"id": 1}))["success"], json!(true));
    assert_eq!(server.call_tool(&*token, "write_data", &json!({})), json!({"error": "forbidden"}));
}

#[test]
fn pyjwt_accepts_a_token_issued_here() {
    let program = r#"
import json, jwt, sys
print(json.dumps(jwt.decode(sys.argv[1], "my-secret", algorithms=["HS256"])))
"#;
    let server = AuthenticatedMcpServer::new("my-secret").expect("a secret");
    let token = server.generate_token("Zoë", &["user", "admin"]).expect("a token");
    let Some(printed) = python(program, &[&token]) else { return };
    let claims: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((&claims["user_id"], &claims["permissions"]), (&json!("Zoë"), &json!(["user", "admin"])));
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(3600));
}
