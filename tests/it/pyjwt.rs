//! `PyJWT` reads our tokens, and we read its: the lab's other half is written with it.

use std::process::{Command, Stdio};

use portcullis::AuthenticatedMcpServer;
use serde_json::{Value, json};

/// What a Python program prints, or `None` (told) where there is no `PyJWT`.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn python(program: &str, arguments: &[&str]) -> Option<String> {
    let probe = Command::new("python3").args(["-c", "import jwt"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: python3 has no PyJWT here (pip install pyjwt)");
        return None;
    }
    // A secret of nine bytes makes PyJWT warn on stderr; that is not what is tested.
    let output = Command::new("python3").args(["-W", "ignore", "-c", program]).args(arguments).output();
    let output = output.expect("python3 ran a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("python prints UTF-8").trim().to_owned())
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
