//! Secrets as people write them down: those that nearly fit, those that are not secrets, several during a rotation, and
//! the algorithms that they verify.

use rstest::rstest;

use super::{CommandOutput, Folder, SECRET, bare};
use crate::forge::{claims, sign_with};

/// A token that an issuer with this secret made.
fn token_of(secret: impl AsRef<[u8]>) -> String {
    sign_with(r#"{"alg":"HS256","typ":"JWT"}"#, claims(""), secret.as_ref())
}

const BASE64: &str = "YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE";
const FIRST_LINE: &str = "YS1zZWNyZXQtb2YtdGhp";
const HEX: &str = "612d7365637265742d6f662d7468697274792d74776f2d62797465732d6f6b21";

#[rstest]
#[case::two_line_breaks(&format!("{SECRET}\n\n"), SECRET, "without the white space around it")]
#[case::blank(&format!("{SECRET} \n"), SECRET, "without the white space around it")]
#[case::byte_order_mark(&format!("\u{feff}{SECRET}\r\n"), SECRET, "without the white space around it")]
#[case::quotes(&format!("\"{SECRET}\"\n"), SECRET, "without the quotes around it")]
#[case::base64(&format!("{BASE64}=\n"), SECRET, "decoded from base64; write b64: before it")]
#[case::base64_without_padding(BASE64, SECRET, "decoded from base64; write b64: before it")]
#[case::base64_in_lines(&format!("{FIRST_LINE}\n{}=\n", BASE64.trim_start_matches(FIRST_LINE)), SECRET, "decoded from base64")]
#[case::base64_for_urls("-_-_", b"\xfb\xff\xbf", "decoded from base64; write b64: before it")]
#[case::hex(HEX, SECRET, "decoded from hex digits; write hex: before it")]
#[case::decoded_although_literal(&format!("b64:{BASE64}="), format!("{BASE64}="), "the text after b64: or hex: as it is")]
#[case::line_break_of_the_issuer(SECRET, format!("{SECRET}\n"), "the secret followed by a line break")]
#[case::another(SECRET, "another", "")]
fn a_failed_signature_says_how_the_secret_would_fit(
    #[case] file: &str,
    #[case] secret: impl AsRef<[u8]>,
    #[case] hint: &str,
) {
    let folder = Folder::new();
    let path = folder.write("secret", file);
    let token = token_of(secret);
    let CommandOutput { out, exit, .. } = bare(&["inspect", "--secret-file", &path, &token]).run();
    assert!(exit == 3 && out.contains("bad_signature"), "{out}");
    assert_eq!(out.contains("! the signature matches "), !hint.is_empty(), "{out}");
    assert!(out.contains(hint), "{out}");
    // The same from the commands that decide, and nowhere the secret.
    let check = bare(&["check", "--secret-file", &path, &token, "read_data"]).run();
    let call = bare(&["call", "--secret-file", &path, &token, "read_data"]).run();
    assert!((check.exit, call.exit) == (3, 3) && check.out.contains(hint) && call.err.contains(hint), "{}", call.err);
    for text in [out, check.out, call.err] {
        assert!(!text.contains(SECRET) && !text.contains(FIRST_LINE) && !text.contains(HEX), "{text}");
    }
}

#[test]
fn a_secret_in_the_environment_that_ends_in_a_carriage_return_is_named() {
    let run = bare(&["inspect", &token_of(SECRET)]).env("PORTCULLIS_SECRET", format!("{SECRET}\r"));
    let CommandOutput { out, exit, .. } = run.run();
    assert!(exit == 3 && out.contains("without the white space around it (line break, CR, blank or BOM)"), "{out}");
    let json = bare(&["--json", "inspect", &token_of(SECRET)]).env("PORTCULLIS_SECRET", format!("{SECRET}\r")).run();
    assert!(json.out.contains(r#""code":"secret_nearly_fits""#), "{}", json.out);
}

/// The exit code of `check` for a tool that every permission may call.
fn check(options: &[&str], token: &str) -> CommandOutput {
    bare(&[&["check"], options, &[token, "read_data"]].concat()).run()
}

const OLD: &str = "the-secret-of-last-year-32-bytes";

#[test]
fn tokens_of_the_old_secret_pass_during_a_rotation_and_new_ones_are_signed_with_the_new_secret() {
    let folder = Folder::new();
    let (new, old) = (folder.write("new", format!("{SECRET}\n")), folder.write("old", OLD));
    let of_old = token_of(OLD);
    assert_eq!(check(&["--secret-file", &new], &of_old).exit, 3);
    let both = ["--secret-file", &new, "--old-secret-file", &old];
    assert_eq!((check(&both, &of_old).exit, check(&both, &token_of(SECRET)).exit), (0, 0));
    assert_eq!(check(&both, &token_of("another")).exit, 3);
    let issued = bare(&[&["issue", "user123", "-p", "user"], &both[..]].concat()).out();
    assert_eq!(check(&["--secret-file", &new], issued.trim()).exit, 0);
    assert_eq!(check(&["--secret-file", &old], issued.trim()).exit, 3);
    // The secret may come from the environment, or be replaced by a private key.
    let run = bare(&["check", "--old-secret-file", &old, &of_old, "read_data"]).env("PORTCULLIS_SECRET", SECRET);
    assert_eq!(run.run().exit, 0);
    let key = folder.write("key.pem", bare(&["keys", "new", "--alg", "ES256"]).out());
    let pair = ["--signing-key", &key, "--old-secret-file", &old];
    let issued = bare(&[&["issue", "user123", "-p", "user"], &pair[..]].concat()).out();
    assert_eq!((check(&pair, issued.trim()).exit, check(&pair, &of_old).exit), (0, 0));
    let listed = bare(&[&["keys", "list"], &pair[..]].concat()).out();
    assert!(listed.contains("ES256") && listed.contains("HS256"), "{listed}");
    // The same by the configuration file, whose paths start at its folder.
    let config =
        folder.write("portcullis.toml", "secret-file = \"new\"\nold-secret-file = [\"old\"]\nmax-token-size = 16\n");
    assert_eq!(check(&["--config", &config], &of_old).exit, 0);
}

#[test]
fn every_file_with_a_secret_must_be_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let (new, old) = (folder.write("new", SECRET), folder.write("old", OLD));
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
    let both = ["--secret-file", &new, "--old-secret-file", &old];
    let CommandOutput { err, exit, .. } = check(&both, &token_of(OLD));
    assert!(exit == 1 && err.contains("old: other users can read it; fix with `chmod 600 "), "{err}");
    assert_eq!(check(&[&both[..], &["--insecure-secret-file"]].concat(), &token_of(OLD)).exit, 0);
    // A local set with a shared secret is such a file too; one with public keys is not.
    let oct = r#"{"keys":[{"kty":"oct","k":"YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE"}]}"#;
    let set = folder.write("set.json", oct);
    let own = ["--jwks", &set, "--preset", "lab"];
    assert_eq!(check(&own, &token_of(SECRET)).exit, 0);
    std::fs::set_permissions(&set, std::fs::Permissions::from_mode(0o640)).expect("the mode is set");
    let CommandOutput { err, exit, .. } = check(&own, &token_of(SECRET));
    assert!(exit == 1 && err.contains("contains a shared secret, and other users can read it; fix with"), "{err}");
    assert_eq!(check(&[&own[..], &["--insecure-secret-file"]].concat(), &token_of(SECRET)).exit, 0);
    let key = folder.write("key.pem", bare(&["keys", "new", "--alg", "ES256"]).out());
    let public = folder.write("public.json", bare(&["keys", "jwks", &key]).out());
    std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
    let issued = bare(&["issue", "user123", "-p", "user", "--signing-key", &key]).out();
    assert_eq!(check(&["--jwks", &public, "--preset", "lab"], issued.trim()).exit, 0);
}

/// systemd gives the credentials of a service whose user is dynamic to the superuser, with an access control list.
#[test]
fn a_credential_of_a_service_may_have_the_mask_of_a_list_but_nothing_for_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let secret = folder.write("credentials/secret", SECRET);
    let credentials = folder.path("credentials");
    let exit = |mode, directory: &std::path::Path| {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
        let token = token_of(SECRET);
        let arguments = ["--secret-file", &secret, "check", &token, "read_data"];
        bare(&arguments).env("CREDENTIALS_DIRECTORY", directory).run().exit
    };
    assert_eq!(exit(0o440, &credentials), 0);
    assert_eq!(exit(0o444, &credentials), 1, "others can read it");
    assert_eq!(exit(0o440, &folder.path("")), 1, "it is no credential");
    assert_eq!(exit(0o440, std::path::Path::new("")), 1, "there are no credentials");
    let link = folder.path("link");
    std::os::unix::fs::symlink(&secret, &link).expect("a link");
    let linked = ["--secret-file", link.to_str().expect("UTF-8"), "check", "x", "read_data"];
    assert_eq!(bare(&linked).env("CREDENTIALS_DIRECTORY", folder.path("")).run().exit, 1, "it is a link to another place");
}

#[test]
fn a_secret_verifies_hs256_unless_other_algorithms_are_named() {
    let folder = Folder::new();
    let secret = folder.write("secret", format!("{SECRET}{SECRET}"));
    let issue = |alg| bare(&["issue", "user123", "-p", "user", "--secret-file", &secret, "--alg", alg]).out();
    let [hs256, hs384, hs512] = ["HS256", "HS384", "HS512"].map(issue);
    let passes = |options: &[&str]| {
        let with = [&["--secret-file", &secret], options].concat();
        [&hs256, &hs384, &hs512].map(|token| check(&with, token.trim()).exit == 0)
    };
    assert_eq!(passes(&[]), [true, false, false]);
    assert_eq!(passes(&["--algorithms", "HS384"]), [false, true, false]);
    assert_eq!(passes(&["--algorithms", "HS512,HS256"]), [true, false, true]);
    // The first one also signs.
    let issued = bare(&["issue", "user123", "--secret-file", &secret, "--algorithms", "HS512,HS256"]).out();
    let header = issued.split('.').next().expect("a header");
    assert_eq!(header, hs512.split('.').next().expect("a header"));
    let CommandOutput { err, exit, .. } = check(&["--secret-file", &secret, "--algorithms", "RS256"], hs256.trim());
    assert!(exit == 1 && err.contains("RS256 cannot be used with this key (HMAC secret)"), "{err}");
    let CommandOutput { err, exit, .. } = check(&["--algorithms", "HS512"], hs256.trim());
    assert!(exit == 2 && err.contains("--algorithms needs a key"), "{err}");
}

#[test]
fn an_issuer_can_have_secrets_of_its_own() {
    let folder = Folder::new();
    folder.write("theirs", SECRET);
    folder.write("theirs.old", OLD);
    let issuer = "[[issuers]]\nissuer = \"https://idp.example\"\nsecret-file = [\"theirs\", \"theirs.old\"]\n";
    let file = folder.write("portcullis.toml", issuer);
    let token = |secret: &str, iss: &str| {
        let payload = claims(&format!(r#""sub":"mina","scope":"user","iss":"{iss}","#));
        sign_with(r#"{"alg":"HS256","typ":"JWT"}"#, payload, secret.as_bytes())
    };
    let code = |file: &str, token: &str| {
        let run = bare(&["--json", "--config", file, "check", token, "read_data"]).env("PORTCULLIS_SECRET", "our own");
        let line: serde_json::Value = serde_json::from_str(&run.run().out).expect("JSON");
        line["reason"].as_str().unwrap_or("allowed").to_owned()
    };
    assert_eq!(code(&file, &token(SECRET, "https://idp.example")), "allowed");
    assert_eq!(code(&file, &token(OLD, "https://idp.example")), "allowed");
    assert_eq!(code(&file, &token("our own", "https://idp.example")), "bad_signature");
    assert_eq!(code(&file, &token("our own", "https://other.example")), "allowed", "any other iss is our own");
    let other = folder.write("other.toml", format!("{issuer}algorithms = [\"HS512\"]\n"));
    assert_eq!(code(&other, &token(SECRET, "https://idp.example")), "algorithm_refused");
    let wrong = folder.write("wrong.toml", format!("{issuer}algorithms = [\"ES256\"]\n"));
    let CommandOutput { err, exit, .. } = check(&["--config", &wrong], "a.b.c");
    assert!(exit == 1 && err.contains("theirs: ES256 cannot be used with this key (HMAC secret)"), "{err}");
}

/// Tokens of providers that share a secret with the server, with the claims of the provider.
#[rstest]
#[case::standard("standard", &[], r#""sub":"mina","scope":"user orders:read""#, 0)]
#[case::keycloak("keycloak", &[], r#""sub":"1","preferred_username":"mina","realm_access":{"roles":["user"]}"#, 0)]
#[case::words("standard", &["--permissions-claim", "rights"], r#""sub":"mina","rights":"user admin""#, 0)]
#[case::none("standard", &[], r#""sub":"mina""#, 4)]
#[case::issued_here("keycloak", &[], r#""user_id":"mina","permissions":["user"]"#, 0)]
#[case::id_token("standard", &[], r#""sub":"mina","scope":"user","at_hash":"h""#, 3)]
#[case::nonce("standard", &[], r#""sub":"mina","nonce":"n""#, 3)]
#[case::scopes_and_nonce("standard", &[], r#""sub":"mina","scope":"user","nonce":"n""#, 0)]
fn the_claims_of_tokens_that_our_own_secret_verifies_can_be_mapped(
    #[case] preset: &str,
    #[case] more: &[&str],
    #[case] members: &str,
    #[case] exit: i32,
) {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let token =
        sign_with(r#"{"alg":"HS256"}"#, format!(r#"{{{members},"exp":{}}}"#, crate::forge::EXP), SECRET.as_bytes());
    let options = [&["--secret-file", &secret, "--preset", preset], more].concat();
    let found = check(&options, &token);
    assert_eq!(found.exit, exit, "{}{}", found.out, found.err);
}

#[test]
fn a_larger_token_passes_if_the_limit_is_raised() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let large =
        sign_with(r#"{"alg":"HS256"}"#, claims(&format!(r#""groups":"{}","#, "g".repeat(8_000))), SECRET.as_bytes());
    let with = |more: &[&str]| check(&[&["--secret-file", &secret], more].concat(), &large);
    let CommandOutput { out, exit, .. } = with(&[]);
    let said = "too_large: the token is 10.5 KiB long, expected at most 8.0 KiB";
    assert!(exit == 3 && out.contains(said), "{out}");
    assert_eq!(with(&["--max-token-size", "64"]).exit, 0);
    let CommandOutput { out, .. } = with(&["--max-token-size", "9"]);
    assert!(out.contains("expected at most 9.0 KiB"), "{out}");
    for wrong in ["0", "65", "8k", "-1"] {
        let CommandOutput { err, exit, .. } = with(&[&format!("--max-token-size={wrong}")]);
        assert!(exit == 2 && err.contains("expected whole KiB from 1 to 64"), "{err}");
    }
    let config = folder.write("portcullis.toml", "secret-file = \"secret\"\nmax-token-size = 16\n");
    assert_eq!(check(&["--config", &config], &large).exit, 0);
    // What is issued here fits the same limit.
    let claim = format!("groups=\"{}\"", "g".repeat(8_000));
    let issue = |more: &[&str]| {
        bare(&[&["issue", "user123", "--secret-file", &secret, "--claim", &claim], more].concat()).run()
    };
    let CommandOutput { err, exit, .. } = issue(&[]);
    assert!(exit == 2 && err.contains("expected at most 8.0 KiB"), "{err}");
    assert_eq!(issue(&["--max-token-size", "16"]).exit, 0);
    let kit = bare(&["testkit", "--run", "--secret-file", &secret, "--max-token-size", "16"]).out();
    assert!(kit.contains("as expected"), "{kit}");
}

#[test]
fn a_token_can_be_issued_for_several_audiences() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let issue = |more: &[&str]| bare(&[&["issue", "user123", "--secret-file", &secret], more].concat()).out();
    let both = issue(&["--audience", "a", "--audience", "b"]);
    let inspected = bare(&["--json", "inspect", "--secret-file", &secret, "--audience", "b", both.trim()]).out();
    let report: serde_json::Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(report["claims"]["aud"], serde_json::json!(["a", "b"]));
    let one = issue(&["--audience", "a"]);
    let report = bare(&["--json", "inspect", "--secret-file", &secret, one.trim()]).out();
    assert!(report.contains(r#""aud":"a""#), "{report}");
}
