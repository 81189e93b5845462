//! The `keys` commands, `--signing-key`, and the options of `issue` for keys and headers.

use std::os::unix::fs::PermissionsExt as _;

use rstest::rstest;
use serde_json::{Value, json};

use super::{CommandOutput, Folder, SECRET, bare, portcullis};
use crate::key_files::{CERTIFICATE, ENCRYPTED, P256_SEC1, RSA_JWK, RSA_PKCS1};

const ALL: [&str; 14] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA", "Ed25519",
];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The header and the claims of a token.
fn decoded(token: &str) -> (Value, Value) {
    let report = parsed(&bare(&["--json", "inspect", token.trim_end()]).run().out);
    (report["header"].clone(), report["claims"].clone())
}

#[test]
fn a_new_key_of_every_algorithm_issues_a_token_that_it_verifies() {
    let folder = Folder::new();
    for alg in ALL {
        let path = folder.path(&format!("{alg}.key"));
        let file = path.to_str().expect("UTF-8");
        let CommandOutput { out, err, exit } = bare(&["keys", "new", "--alg", alg, "--out", file]).run();
        assert_eq!((exit, out.as_str()), (0, ""), "{err}");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let is_secret = alg.starts_with("HS");
        let (option, begins) =
            if is_secret { ("--secret-file", "b64:") } else { ("--signing-key", "-----BEGIN PRIVATE KEY") };
        assert!(std::fs::read_to_string(&path).expect("text").starts_with(begins));
        assert!(err.contains(&format!("portcullis issue USER {option} {file}")), "{err}");
        let token = bare(&["issue", "user123", option, file, "--alg", alg]).out();
        let (header, _) = decoded(&token);
        assert_eq!(header["alg"], if alg == "Ed25519" { "EdDSA" } else { alg });
        match header["kid"].as_str() {
            Some(kid) => assert!(!is_secret && err.contains(&format!("kid {kid}")), "{err}"),
            None => assert!(is_secret),
        }
        // The notation of a secret names no algorithm, so that it verifies HS256 only.
        let verdict = bare(&[option, file, "inspect", token.trim_end()]).run();
        assert_eq!(verdict.exit == 0, !["HS384", "HS512"].contains(&alg), "{}", verdict.out);
        if is_secret {
            continue;
        }
        let set = bare(&["keys", "jwks", file, "--alg", alg]).out();
        let set = parsed(&set);
        let key = &set["keys"][0];
        assert_eq!((&key["kid"], &key["alg"], key["use"].as_str()), (&header["kid"], &header["alg"], Some("sig")));
        for private in ["d", "k", "p", "q", "dp", "dq", "qi", "oth"] {
            assert!(key.get(private).is_none(), "{alg}: {private}");
        }
    }
}

#[test]
fn a_new_key_never_overwrites_a_file_and_goes_to_standard_output_without_one() {
    let folder = Folder::new();
    let file = folder.write("key.pem", "mine");
    let CommandOutput { exit, err, .. } = bare(&["keys", "new", "--alg", "ES256", "--out", &file]).run();
    assert!(exit == 1 && err.contains("key.pem already exists; nothing was written"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).expect("text"), "mine");
    for arguments in [&["keys", "new", "--alg", "ES256"][..], &["keys", "new", "--alg", "ES256", "--out", "-"]] {
        let CommandOutput { out, err, exit } = bare(arguments).run();
        assert!(exit == 0 && out.starts_with("-----BEGIN PRIVATE KEY-----") && err.contains("kid "), "{err}");
        let pasted = folder.write("pasted.pem", out);
        assert_eq!(bare(&["--signing-key", &pasted, "issue", "a"]).run().exit, 0);
    }
    let CommandOutput { exit, err, .. } = bare(&["keys", "new", "--alg", "none"]).run();
    assert!(exit == 2 && err.contains("expected HS256, HS384"), "{err}");
}

#[test]
fn a_private_key_is_not_printed_to_a_terminal_unless_it_is_asked_for() {
    use clap::Parser as _;
    use portcullis::cli::{Environment, Exit, Options, Runner};
    let run = |arguments: &[&str]| {
        let options = Options::try_parse_from(["portcullis", "keys", "new", "--alg", "ES256"].iter().chain(arguments));
        let options = options.expect("options");
        let mut out = Vec::new();
        let mut runner = Runner {
            input: &mut &b""[..],
            out: &mut out,
            err: &mut std::io::sink(),
            shows_colour: false,
            shows_hints: false,
            environment: Environment { prints_to_terminal: true, ..Environment::default() },
            known: Exit::Good,
        };
        let ran = runner.run(&options, options.command.as_ref().expect("a command")).map_err(|e| e.to_string());
        (ran.map(|exit| exit as u8), out.len() > 100)
    };
    let sentence = "a private key is not printed to a terminal by default; pass --out FILE, or --out - to print it";
    assert_eq!(run(&[]), (Err(sentence.to_owned()), false));
    assert_eq!(run(&["--out", "-"]), (Ok(0), true));
}

#[test]
fn a_signing_key_signs_and_its_public_half_verifies() {
    let folder = Folder::new();
    let (rsa, ec) = (folder.write("rsa.pem", RSA_PKCS1), folder.write("ec.pem", P256_SEC1));
    let token = bare(&["issue", "user123", "-p", "user", "--signing-key", &rsa]).out();
    assert_eq!(bare(&["--signing-key", &rsa, "check", token.trim_end(), "read_data"]).run().exit, 0);
    assert_eq!(bare(&["--signing-key", &ec, "check", token.trim_end(), "read_data"]).run().exit, 3);
    let config = folder.write("config.toml", "signing-key = \"rsa.pem\"\n");
    assert_eq!(bare(&["--config", &config, "inspect", token.trim_end()]).run().exit, 0);
    // The environment overrides the file, and an option overrides both.
    let secret = |run: super::Run| run.env("PORTCULLIS_SECRET", SECRET).run().exit;
    assert_eq!(secret(bare(&["--config", &config, "inspect", token.trim_end()])), 3);
    assert_eq!(secret(bare(&["--signing-key", &rsa, "inspect", token.trim_end()])), 0);
    for arguments in [
        ["--signing-key", &rsa, "--secret-file", &ec, "inspect", "x"],
        ["--signing-key", &rsa, "inspect", "x", "--secret-file", &ec],
    ] {
        let CommandOutput { exit, err, .. } = bare(&arguments).run();
        assert!(exit == 2 && err.contains("--secret-file cannot be used with --signing-key"), "{err}");
    }
    std::fs::set_permissions(&rsa, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
    for arguments in [&["--signing-key", &rsa, "inspect", "x"][..], &["keys", "jwks", &rsa]] {
        let CommandOutput { exit, err, .. } = bare(arguments).run();
        assert!(exit == 1 && err.contains("other users can read it; fix with `chmod 600 "), "{err}");
    }
    assert_eq!(bare(&["--insecure-secret-file", "keys", "jwks", &rsa]).run().exit, 0);
}

#[rstest]
#[case("--secret-file", RSA_PKCS1, "expected a secret, got a private key; pass it with --signing-key")]
#[case("--secret-file", CERTIFICATE, "expected a secret, got a certificate; pass it with --public-key")]
#[case("--secret-file", RSA_JWK, "expected a secret, got a private JWK; pass it with --signing-key")]
#[case("--signing-key", ENCRYPTED, "the private key is encrypted")]
#[case("--signing-key", CERTIFICATE, "expected a private key, got a certificate; pass it with --public-key")]
#[case("--signing-key", "my-secret", "pass a plain secret with --secret-file")]
fn a_wrong_key_file_is_rejected_with_the_right_option(#[case] option: &str, #[case] text: &str, #[case] said: &str) {
    let folder = Folder::new();
    let CommandOutput { exit, err, .. } = bare(&[option, &folder.write("key", text), "inspect", "x"]).run();
    assert!(exit == 1 && err.contains(said) && err.contains("key file") | err.contains("secret file"), "{err}");
    if option == "--secret-file" {
        let CommandOutput { exit, err, .. } = bare(&["inspect", "x"]).env("PORTCULLIS_SECRET", text).run();
        assert!(exit == 1 && err.contains(said) && err.contains("PORTCULLIS_SECRET: "), "{err}");
    }
}

#[test]
fn a_public_set_has_the_keys_of_all_files_and_no_secret() {
    let folder = Folder::new();
    let (rsa, jwk, certificate) =
        (folder.write("rsa.pem", RSA_PKCS1), folder.write("rsa.jwk", RSA_JWK), folder.write("cert.pem", CERTIFICATE));
    std::fs::set_permissions(&certificate, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
    let printed = bare(&["keys", "jwks", &rsa, &jwk, &certificate]).out();
    let set = parsed(&printed);
    let algs: Vec<&Value> = set["keys"].as_array().expect("a list").iter().map(|key| &key["alg"]).collect();
    assert_eq!(algs, [&json!("RS256"), &json!("PS256"), &json!("ES256")]);
    let private = parsed(RSA_JWK);
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(
            !printed.contains(private[name].as_str().expect("a value")) && !printed.contains(&format!("\"{name}\""))
        );
    }
    // A set is accepted again, and the signing key gives the same as its file.
    assert!(printed.starts_with("{\n  \"keys\": [\n    {\n"), "real lines: {printed}");
    let again = bare(&["--json", "keys", "jwks", &folder.write("set.json", &printed)]).out();
    assert_eq!(parsed(&again), set);
    let own = bare(&["keys", "jwks", "--signing-key", &rsa]).out();
    assert_eq!(parsed(&own)["keys"][0], set["keys"][0]);
    let secret = folder.write("secret", "b64:YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE=");
    for run in [bare(&["keys", "jwks", &secret]), portcullis(&["keys", "jwks"])] {
        let CommandOutput { out, err, exit } = run.run();
        assert!(exit == 1 && out.is_empty() && err.contains("a shared secret has no public key"), "{err}");
    }
    let CommandOutput { err, exit, .. } = bare(&["keys", "jwks"]).run();
    assert!(exit == 1 && err.contains("no signing secret"), "{err}");
    let CommandOutput { err, exit, .. } = bare(&["keys", "jwks", &folder.write("text", "my-secret")]).run();
    assert!(exit == 1 && err.contains("expected public keys as PEM, DER, certificate, JWK or JWK set"), "{err}");
    let two = format!("{{\"keys\":[{RSA_JWK},{RSA_JWK}]}}");
    assert_eq!(
        parsed(&bare(&["keys", "jwks", &folder.write("two", two)]).out())["keys"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn the_keys_in_use_are_listed_with_their_strength() {
    let folder = Folder::new();
    let jwk = folder.write("rsa.jwk", RSA_JWK);
    let list = bare(&["--signing-key", &jwk, "--issuer", "https://idp.example", "keys", "list"]).out();
    let rows: Vec<Vec<&str>> =
        list.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
    assert_eq!(rows[0], ["issuer", "kid", "algorithm", "bits", "origin", "strength"]);
    assert_eq!(rows[1], ["https://idp.example", "rsa-1", "PS256", "2048", "from file", "strong"]);
    let line = bare(&["--json", "keys", "list"]).env("PORTCULLIS_SECRET", "my-secret").out();
    let wanted = json!({
        "issuer": null, "kid": null, "algorithms": ["HS256"], "kind": "HMAC secret", "bits": 72,
        "origin": "from environment", "weak": true,
    });
    assert_eq!(parsed(&line), wanted);
    let CommandOutput { out, err, exit } = bare(&["keys", "list"]).run();
    assert!(exit == 0 && out.is_empty() && err.contains("no key verifies tokens"), "{err}");
}

#[test]
fn the_keys_of_other_issuers_are_listed_with_those_that_cannot_be_used() {
    let folder = Folder::new();
    let pair = crate::providers::Pair::new(portcullis::auth::Algorithm::Es256, "good");
    let weak = json!({ "kty": "RSA", "kid": "weak", "n": format!("v{}", "A".repeat(170)), "e": "AQAB" });
    let none = json!({ "kty": "oct", "alg": "none", "k": "" });
    let mut encrypting = pair.jwk();
    (encrypting["use"], encrypting["kid"]) = ("enc".into(), "enc1".into());
    folder.write("set.json", json!({ "keys": [weak, pair.jwk(), none, encrypting] }).to_string());
    let config = "[[issuers]]\nissuer = \"https://idp.example\"\njwks-file = \"set.json\"\n";
    let file = folder.write("portcullis.toml", config);
    let out = bare(&["--config", &file, "keys", "list"]).out();
    for line in [
        "https://idp.example  good  ES256",
        "! https://idp.example: key weak not used: an RSA key of 1024 bits is too short, expected at least 2048",
        "! https://idp.example: key 3 not used: alg none: a verifier that accepts it accepts unsigned tokens; remove",
        "! https://idp.example: key enc1 not used: it is for encryption",
    ] {
        assert!(out.contains(line), "{line} is missing:\n{out}");
    }
    let lines = bare(&["--config", &file, "--json", "keys", "list"]).out();
    let lines: Vec<Value> = lines.lines().map(parsed).collect();
    assert_eq!((lines[0]["kid"].as_str(), lines.len()), (Some("good"), 4));
    assert_eq!(
        lines[1],
        json!({
            "issuer": "https://idp.example", "kid": "weak", "place": 1,
            "refused": "an RSA key of 1024 bits is too short, expected at least 2048",
        })
    );
    // A set that cannot be fetched is named, and the others are still listed.
    let two = format!("{config}[[issuers]]\nissuer = \"http://127.0.0.1:9\"\ndiscover = true\n");
    let file = folder.write("two.toml", two);
    let CommandOutput { out, err, exit } = bare(&["--config", &file, "keys", "list"]).run();
    assert!(exit == 1 && out.contains("good") && err.contains("issuer http://127.0.0.1:9: "), "{exit} {out}{err}");
    let lines = bare(&["--config", &file, "--json", "keys", "list"]).run().out;
    let named = |line: &Value| line["issuer"] == "http://127.0.0.1:9" && line["unavailable"].is_string();
    assert!(lines.lines().map(parsed).any(|line| named(&line)), "{lines}");
}

#[test]
fn a_token_is_issued_with_the_wanted_header_and_claims() {
    let token = portcullis(&[
        "issue",
        "user123",
        "--alg",
        "HS512",
        "--kid",
        "k1",
        "--typ",
        "at+jwt",
        "--header",
        "cty=\"x\"",
        "--header",
        "n=[1]",
        "--iat",
        "2026-11-22T20:41:05Z",
        "--no-exp",
        "--jti",
        "id",
        "--sub",
        "s",
    ])
    .out();
    let (header, claims) = decoded(&token);
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "HS512", "kid": "k1", "cty": "x", "n": [1] }));
    assert_eq!(
        claims,
        json!({ "user_id": "user123", "permissions": [], "iat": 1_795_380_065, "jti": "id", "sub": "s" })
    );
    for (arguments, said) in [
        (&["--header", "alg=\"none\""][..], "header: alg cannot be set"),
        (&["--header", "kid=7", "--kid", "k"], "--kid cannot be used with --header kid"),
        (&["--header", "typ=7", "--typ", "k"], "--typ cannot be used with --header typ"),
        (&["--header", "x"], "--header x: expected NAME=JSON"),
        (&["--header", "x=y"], "a string needs quotes, as in --header 'cty=\"JWT\"'"),
        (&["--header", "x=1", "--header", "x=2"], "--header x=2: given twice"),
        (&["--sub", "s", "--claim", "sub=1"], "sub must be set in its own field or option"),
        (&["--no-exp", "--ttl", "1h"], "cannot be used with"),
        (&["--alg", "XS256"], "expected HS256, HS384"),
    ] {
        let CommandOutput { exit, err, .. } = portcullis(&[&["issue", "a"], arguments].concat()).run();
        assert!(exit == 2 && err.contains(said), "{err}");
    }
    let CommandOutput { exit, err, .. } = portcullis(&["issue", "a", "--alg", "RS256"]).run();
    assert!(exit == 1 && err.contains("RS256 cannot be used with this key (HMAC secret)"), "{err}");
}
