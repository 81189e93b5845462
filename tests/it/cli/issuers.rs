//! Tokens of other issuers on the command line: by options for one run, and by the configuration file.

use portcullis::auth::algorithm::Algorithm;
use serde_json::{Value, json};

use super::{CommandOutput, Folder, bare, portcullis};
use crate::providers::{Pair, claims};

/// A key set in a file, and a token of a provider that it verifies.
fn keycloak(folder: &Folder, more: &Value) -> (String, String) {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let set = folder.write("keycloak.json", json!({ "keys": [pair.jwk()] }).to_string());
    let mut payload = json!({
        "iss": "https://sso.example/realms/prod", "aud": "mcp-orders", "sub": "f3a1", "typ": "Bearer",
        "realm_access": {"roles": ["admin"]}, "scope": "openid orders:write",
    });
    for (name, value) in more.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    (set, pair.token(&claims(payload)))
}

const NOW: &str = "2026-11-22T20:41:05Z";

#[test]
fn a_token_of_another_issuer_is_verified_and_its_permissions_are_named_with_their_claims() {
    let folder = Folder::new();
    let (set, token) = keycloak(&folder, &json!({}));
    let CommandOutput { out, err, exit } =
        bare(&["--now", NOW, "inspect", "--jwks", &set, "--preset", "keycloak", &token]).run();
    assert_eq!((exit, &*err), (0, ""), "{out}");
    for line in [
        "✔ signature",
        "user f3a1 from sub",
        "permissions admin from realm_access.roles",
        "permissions openid, orders:write from scope",
    ] {
        assert!(out.contains(line), "{line} is missing:\n{out}");
    }
    let out = bare(&["--now", NOW, "--json", "inspect", "--jwks", &set, "--preset", "keycloak", &token]).out();
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["user"], json!({"name": "f3a1", "claim": "sub"}));
    assert_eq!(report["permissions"][0], json!({"name": "admin", "claim": "realm_access.roles"}));
    // The policy's `admin` is a realm role here; a claim of the user's choice replaces the preset's.
    let check = |claim: &[&str], tool: &str| {
        let options = ["--now", NOW, "check", "--jwks", &set, "--preset", "keycloak"];
        bare(&[&options[..], claim, &[&token, tool]].concat()).run().exit
    };
    assert_eq!((check(&[], "write_data"), check(&["--permissions-claim", "scope"], "write_data")), (0, 4));
}

#[test]
fn an_issuer_of_the_configuration_is_selected_by_its_name() {
    let folder = Folder::new();
    let (_, token) = keycloak(&folder, &json!({}));
    let file = folder.write(
        "portcullis.toml",
        "[[issuers]]\nissuer = \"https://sso.example/realms/prod\"\npreset = \"keycloak\"\naudiences = [\"mcp-orders\"]\n\
         algorithms = [\"RS256\"]\njwks-file = \"keycloak.json\"\n",
    );
    let check = |token: &str| portcullis(&["--config", &file, "--now", NOW, "check", token, "write_data"]).run();
    assert_eq!(check(&token).exit, 0);
    // Our own tokens are still accepted, with our own claims.
    let own = portcullis(&["--now", NOW, "issue", "admin456", "-p", "admin"]).out();
    assert_eq!(check(own.trim()).exit, 0);
    // Changed options of that issuer: another audience, another algorithm.
    let text = std::fs::read_to_string(&file).expect("it is there");
    for (from, to, reason) in
        [("mcp-orders", "mcp-other", "audience_mismatch"), ("RS256", "ES256", "algorithm_refused")]
    {
        folder.write("portcullis.toml", text.replace(from, to));
        let CommandOutput { out, exit, .. } = check(&token);
        assert!(exit == 3 && out.contains(reason), "{exit} {out}");
    }
}

#[test]
fn tokens_that_are_not_access_tokens_or_of_another_issuer_are_refused_by_their_reason() {
    let folder = Folder::new();
    for (more, options, reason) in [
        (json!({"typ": "ID"}), &[][..], "wrong_type: the token is an ID token, expected an access token"),
        (
            json!({"at_hash": "h", "typ": null}),
            &[][..],
            "wrong_type: the token is an ID token, expected an access token",
        ),
        (json!({}), &["--require-typ"][..], "wrong_type: the token is of the type JWT, expected the type at+jwt"),
        (json!({}), &["--issuer", "https://sso.example"][..], "unknown_issuer: iss is https://sso.example/realms/prod"),
        (json!({}), &["--algorithms", "ES256,PS256"][..], "algorithm_refused: no key for RS256 here"),
        (
            json!({}),
            &["--audience", "a", "--audience", "b"][..],
            "audience_mismatch: aud is mcp-orders, expected a or b",
        ),
        (json!({"sub": 7}), &[][..], "claim_invalid: the claim sub is a number, expected a string"),
    ] {
        let (set, token) = keycloak(&folder, &more);
        let arguments = [&["--now", NOW, "inspect", "--jwks", &set][..], options, &[&token]].concat();
        let CommandOutput { out, exit, .. } = bare(&arguments).run();
        assert!(exit == 3 && out.contains(reason), "{reason} expected:\n{out}");
    }
}

#[test]
fn options_of_an_issuer_that_cannot_work_are_explained() {
    let folder = Folder::new();
    let (set, token) = keycloak(&folder, &json!({}));
    let empty = folder.write("empty.json", r#"{"keys":[]}"#);
    let broken = folder.write("broken.json", r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"old"}]}"#);
    for (options, exit, message) in [
        (
            &["--preset", "okta"][..],
            2,
            "--preset needs a key: give --jwks, --public-key, --discover, --secret-file or --signing-key",
        ),
        (&["--jwks", &set, "--preset", "octa"], 1, "unknown preset octa, expected one of: lab, standard"),
        (&["--jwks", &set, "--algorithms", "RS999"], 1, "unknown algorithm RS999, expected one of: HS256"),
        (&["--jwks", "/no/such/file"], 1, "file /no/such/file: no such file or directory"),
        (&["--jwks", &empty], 1, "empty.json: no usable key"),
        (
            &["--jwks", &broken],
            1,
            "no usable key; key 1 (old): an RSA key of 17 bits is too short, expected at least 2048",
        ),
        (&["--discover"], 2, "--issuer"),
    ] {
        let CommandOutput { err, exit: found, .. } = bare(&[options, &["inspect", &token]].concat()).run();
        assert!(found == exit && err.contains(message), "{found}: {err}");
    }
}

#[test]
fn without_options_the_hint_names_the_keys_that_the_token_needs() {
    let folder = Folder::new();
    let (_, token) = keycloak(&folder, &json!({}));
    let needs = "no key for RS256; pass --jwks FILE or URL, --public-key FILE, or --issuer URL with --discover";
    let run = |arguments: &[&str]| bare(arguments).run();
    let CommandOutput { err, exit, .. } = run(&["inspect", &token]);
    assert!(exit == 3 && err.contains(&format!("signature not checked: {needs}")), "{err}");
    for command in [&["check", &token, "read_data"], &["call", &token, "read_data"]] {
        let CommandOutput { err, exit, .. } = run(command);
        assert!(exit == 1 && err.contains(needs), "{err}");
    }
    // A token of a shared secret needs that. Of a list, each kind is named once.
    let secret = crate::forge::token(crate::forge::claims(""));
    let err = bare(&["inspect", "-"]).input(format!("{token}\n{token}\n{secret}\n{secret}\n")).run().err;
    assert_eq!((err.matches("no key for RS256").count(), err.matches("no signing secret").count()), (1, 1), "{err}");
    let err = run(&["check", &secret, "read_data"]).err;
    assert!(err.contains("no signing secret; pass --secret-file FILE or --signing-key FILE"), "{err}");
}

#[test]
fn an_opaque_token_is_said_to_be_one() {
    for token in ["ya29.a0AfH6SMBx", "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "3fa85f64-5717-4562-b3fc-2c963f66afa6"]
    {
        let CommandOutput { out, exit, .. } = portcullis(&["inspect", token]).run();
        let says = "malformed: not a JWT: this looks like an opaque token, which only its issuer can check";
        assert!(exit == 3 && out.contains(says), "{out}");
        let CommandOutput { out, exit, .. } = portcullis(&["check", token, "read_data"]).run();
        assert!(exit == 3 && out.contains(says), "{out}");
    }
}

/// A key set in which a shared secret is beside a public key, and a token that the secret signed.
fn mixed_set(folder: &Folder) -> (String, String) {
    let secret = crate::forge::b64(crate::forge::SECRET);
    let keys = [Pair::new(Algorithm::Es256, "k1").jwk(), json!({ "kty": "oct", "k": secret })];
    let set = folder.write("set.json", json!({ "keys": keys }).to_string());
    let claims = format!(r#"{{"iss":"https://as","sub":"buyer","exp":{}}}"#, crate::forge::EXP);
    (set, crate::forge::token(claims))
}

const REFUSED: &str = "key 2: a shared secret (kty oct) beside public keys";

#[test]
fn a_token_that_no_key_verifies_is_explained_by_the_keys_that_cannot_be_used() {
    let folder = Folder::new();
    let (set, token) = mixed_set(&folder);
    for command in [&["inspect", &token][..], &["check", &token, "read_data"], &["call", &token, "read_data"]] {
        let CommandOutput { out, err, exit } = bare(&[&["--jwks", &set][..], command].concat()).run();
        assert!(exit == 3 && (out.contains(REFUSED) || err.contains(REFUSED)), "{command:?}: {out}{err}");
    }
}

#[test]
fn a_server_explains_once_which_keys_of_a_set_cannot_be_used_when_a_token_needs_one() {
    let folder = Folder::new();
    let (set, token) = mixed_set(&folder);
    let mut server = super::RunningServer::start(&["--jwks", &set]);
    let address = server.address().parse().expect("an address");
    let refused = |server: &mut super::RunningServer| {
        // Until the keys have been read, it is 503.
        let mut call = || (crate::serving::call_status(address, Some(&token), "read_data"), server.row());
        let (status, row) = std::iter::repeat_with(&mut call).find(|(status, _)| *status != 503).expect("an answer");
        assert!(status == 401 && row.contains("no key for HS256"), "{status} {row}");
    };
    refused(&mut server);
    let says = format!("issuer any: a key of its set cannot be used: {REFUSED}");
    let notice = server.notice(REFUSED);
    assert!(notice.ends_with(&says), "{notice}");
    refused(&mut server);
    assert!(!server.end().iter().any(|notice| notice.contains(REFUSED)));
}

#[test]
fn options_without_keys_describe_the_only_configured_issuer_or_the_one_that_is_named() {
    let folder = Folder::new();
    let (_, token) = keycloak(&folder, &json!({"roles": ["admin"]}));
    let table = |name: &str| {
        format!("[[issuers]]\nissuer = \"{name}\"\njwks-file = \"keycloak.json\"\npermissions = [\"groups\"]\n")
    };
    let realm = "https://sso.example/realms/prod";
    let one = folder.write("one.toml", table(realm));
    let two = folder.write("two.toml", format!("{}{}", table(realm), table("https://other.example")));
    let check = |config: &str, options: &[&str]| {
        bare(&[&["--config", config, "--now", NOW, "check"], options, &[&token, "write_data"]].concat()).run()
    };
    assert_eq!(check(&one, &[]).exit, 4, "groups are missing");
    for options in [&["--permissions-claim", "roles"][..], &["--preset", "keycloak"]] {
        assert_eq!(check(&one, options).exit, 0, "{options:?}");
        assert_eq!(check(&two, &[options, &["--issuer", realm]].concat()).exit, 0, "{options:?}");
        let CommandOutput { err, exit, .. } = check(&two, options);
        let said = "needs an issuer of the configuration file: give --issuer with one of: \
                    https://sso.example/realms/prod, https://other.example";
        assert!(exit == 2 && err.contains(said), "{err}");
    }
    let CommandOutput { out, .. } = check(&one, &["--require-typ"]);
    assert!(out.contains("wrong_type"), "{out}");
    let CommandOutput { err, exit, .. } = check(&one, &["--permissions-claim", "resource_access.\"my.app\".roles"]);
    let said = "claim resource_access.\"my.app\".roles contains quotes, expected resource_access.my.app.roles";
    assert!(exit == 1 && err.contains(said), "{err}");
}

#[test]
fn a_matrix_says_once_whose_keys_could_not_be_fetched() {
    let folder = Folder::new();
    let (_, token) = keycloak(&folder, &json!({}));
    let config = folder.write(
        "portcullis.toml",
        "[[issuers]]\nissuer = \"https://sso.example/realms/prod\"\njwks-uri = \"http://127.0.0.1:9/jwks\"\n",
    );
    let tokens = format!("{token}\n{token}\n");
    let CommandOutput { out, err, .. } = bare(&["--config", &config, "matrix", "-"]).input(tokens).run();
    assert!(out.contains("unauthorized"), "{out}");
    let said = "no keys of issuer https://sso.example/realms/prod, so its tokens are unauthorized: http://127.0.0.1:9";
    assert_eq!(err.matches(said).count(), 1, "{err}");
}
