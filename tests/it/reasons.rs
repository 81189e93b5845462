//! Every row of the table of reasons is reached by a real decision, and docs/reasons.md shows the same table.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis::Rules;
use portcullis::auth::reason_table::{REASONS, reasons_markdown};
use portcullis::auth::{Audience, Call, Check, Issuer, Issuers, KeyOrigin, KeySet, Mapping, Signer, Verdict};
use portcullis::text::safe::hidden;

use portcullis::auth::Revocations;
use portcullis::auth::TokenId;
use portcullis::auth::revocations::{Revocation, RevocationTarget};

use crate::forge::{HS256, NOW, SECRET, claims, rules, sign, sign_with, signer, signer_of, token};

struct Row {
    code: &'static str,
    rules: Rules,
    token: String,
    tool: &'static str,
    sentence: &'static str,
}

fn row(code: &'static str, token: impl Into<String>, sentence: &'static str) -> Row {
    Row { code, rules: rules(), token: token.into(), tool: "read_data", sentence }
}

fn rows() -> Vec<Row> {
    let plain = token(claims(""));
    let named = Signer::hs256_named(SECRET, KeyOrigin::Program, "first").expect("a key");
    let named = rules().with_keys(&named);
    let revoking = |what| {
        let mut all = Revocations::default();
        all.revoke(what, Revocation { at: NOW, until: None, user: None });
        Rules { revoked: std::sync::Arc::new(all), ..rules() }
    };
    vec![
        row("missing_token", "", "no token was sent; calling a tool requires one"),
        row("too_large", "x".repeat(8193), "the token is 8193 bytes long, expected at most 8.0 KiB"),
        row("malformed", "junk", "no dots, expected three segments"),
        row("malformed", format!("{plain}="), "segment 3, byte 44: base64 padding is not allowed in a token"),
        row("algorithm_refused", sign(r#"{"alg":"RS256"}"#, claims("")), "no key for RS256 here, expected HS256"),
        row("algorithm_refused", sign(r#"{"typ":"JWT"}"#, claims("")), "the header has no alg, expected HS256"),
        row(
            "header_refused",
            sign(r#"{"alg":"HS256","crit":["b64"]}"#, claims("")),
            "the header requires crit, which this gate does not support",
        ),
        row("header_refused", sign(r#"{"alg":"HS256","kid":7}"#, claims("")), "kid is a number, expected a string"),
        Row {
            rules: named,
            ..row(
                "unknown_key",
                sign(r#"{"alg":"HS256","kid":"second"}"#, claims("")),
                "kid is second, which is not a known key",
            )
        },
        row(
            "bad_signature",
            sign_with(HS256, claims(""), b"another"),
            "invalid signature: signed with another key, or changed since",
        ),
        row("claim_missing", token(r#"{"user_id":"u","permissions":[]}"#), "the claim exp is missing"),
        row(
            "claim_invalid",
            token(r#"{"user_id":"u","permissions":"admin","exp":1}"#),
            "the claim permissions is a string, expected an array of strings",
        ),
        row("not_yet_valid", token(claims(r#""nbf":1795380125,"#)), "not valid until 2026-11-22T20:42:05Z, in 1m 00s"),
        row(
            "expired",
            token(r#"{"user_id":"u","permissions":[],"exp":1795380065}"#),
            "expired at 2026-11-22T20:41:05Z, 0s ago",
        ),
        Row {
            rules: revoking(RevocationTarget::Token(TokenId::of(&plain))),
            ..row("revoked", plain.clone(), "the token was revoked at 2026-11-22T20:41:05Z")
        },
        Row {
            rules: revoking(RevocationTarget::Jti("7".into())),
            ..row(
                "revoked",
                token(claims(r#""jti":"7","#)),
                "every token with the jti 7 was revoked at 2026-11-22T20:41:05Z",
            )
        },
        Row { tool: "drop_tables", ..row("unknown_tool", plain.clone(), "the policy has no tool drop_tables") },
        Row { tool: "write_data", ..row("permission_missing", plain, "the token holds user; write_data needs admin") },
    ]
}

/// The expected `iss` and `aud`, with one issuer and with several.
fn rows_of_issuers() -> Vec<Row> {
    let plain = token(claims(""));
    let issuer = rules().with_issuer(Some("https://id.example".into()));
    let audience = rules().with_audiences(["gate".into()]);
    let other = Issuer { keys: (&signer()).into(), ..Issuer::default() };
    let several = issuer.issuers.clone().with_others([("https://other.example".into(), other)]).expect("another name");
    let several = Rules { issuers: several, ..rules() };
    let unavailable = Issuer { keys: KeySet::unavailable("connection refused"), ..Issuer::default() };
    let keys = KeySet::from(&signer());
    let mapping = Arc::new(Mapping::named("standard").expect("a preset"));
    let mapped = Issuer { keys: keys.clone(), mapping, ..Issuer::default() };
    let typed = Issuer { keys, require_typ: true, ..Issuer::default() };
    vec![
        Row {
            rules: several.clone(),
            ..row(
                "unknown_issuer",
                token(claims(r#""iss":"https://nowhere.example","#)),
                "iss is https://nowhere.example, expected https://id.example or https://other.example",
            )
        },
        Row {
            rules: several,
            ..row(
                "unknown_issuer",
                plain.clone(),
                "the token has no issuer (iss), expected https://id.example or https://other.example",
            )
        },
        Row {
            rules: Rules { issuers: Issuers::new(unavailable), ..rules() },
            ..row("keys_unavailable", plain.clone(), "the issuer's keys are not available: connection refused")
        },
        Row {
            rules: Rules { issuers: Issuers::new(mapped), ..rules() },
            ..row(
                "wrong_type",
                token(claims(r#""sub":"x","nonce":"n","#)),
                "the token is an ID token, expected an access token",
            )
        },
        Row {
            rules: Rules { issuers: Issuers::new(typed), ..rules() },
            ..row("wrong_type", plain.clone(), "the token is of the type JWT, expected the type at+jwt")
        },
        Row {
            rules: issuer.clone(),
            ..row("issuer_mismatch", plain.clone(), "the token has no issuer (iss), expected https://id.example")
        },
        Row {
            rules: issuer,
            ..row(
                "issuer_mismatch",
                token(claims(r#""iss":"https://id.example/","#)),
                "iss is https://id.example/, expected https://id.example; only the trailing slash differs",
            )
        },
        Row {
            rules: audience.clone(),
            ..row("audience_mismatch", token(claims(r#""aud":["a","b"],"#)), "aud is a, b, expected gate")
        },
        Row {
            rules: audience.clone(),
            ..row("audience_mismatch", token(claims(r#""aud":"a","#)), "aud is a, expected gate")
        },
        Row {
            rules: audience,
            ..row("audience_mismatch", token(claims(r#""aud":7,"#)), "the token has no audience (aud), expected gate")
        },
    ]
}

#[test]
fn every_reason_is_reached_and_names_the_found_value() {
    let mut reached = BTreeSet::new();
    for Row { code, rules, token, tool, sentence } in rows().into_iter().chain(rows_of_issuers()) {
        let decision = rules.decide(&Call { token: Some(&token), tool }, NOW);
        assert_eq!((decision.code(), &*decision.sentence()), (code, sentence));
        assert!(sentence.chars().all(|c| hidden(c).is_none()) && !sentence.ends_with('.'), "{sentence}");
        let forbidden = decision.reason().is_some_and(|reason| reason.check() >= Check::Tool);
        let wanted = if forbidden { Verdict::Forbidden } else { Verdict::Unauthorized };
        assert_eq!(decision.verdict(), wanted, "{code}");
        assert_eq!(decision.subject.is_some(), forbidden, "{code}");
        reached.insert(code);
    }
    assert_eq!(reached, REASONS.iter().map(|row| row.code).collect(), "exactly the rows of the table");
}

#[test]
fn a_token_without_an_audience_passes_only_if_allowed_and_never_with_another_audience() {
    let rules = rules().with_audiences(["gate".into(), "https://gate.example/mcp".into()]);
    let verify = |aud: &str, audience| rules.verify_for(&token(claims(aud)), audience, NOW).map(|_| ());
    for audience in [Audience::Required, Audience::MayLack] {
        assert_eq!(verify(r#""aud":"gate","#, audience), Ok(()));
        assert_eq!(verify(r#""aud":["x","https://gate.example/mcp"],"#, audience), Ok(()));
        for other in [r#""aud":"a","#, r#""aud":[],"#, r#""aud":7,"#, r#""aud":null,"#] {
            let refused = verify(other, audience).expect_err(other);
            assert_eq!(refused.code(), "audience_mismatch", "{other}");
        }
    }
    assert_eq!(verify("", Audience::MayLack), Ok(()));
    assert_eq!(verify("", Audience::Required).map_err(|reason| reason.code()), Err("audience_mismatch"));
}

#[test]
fn an_issuer_is_selected_by_its_name_and_checked_with_its_own_keys() {
    let issuer = |secret: &[u8]| Issuer { keys: (&signer_of(secret)).into(), ..Issuer::default() };
    let own = Issuer { name: Some("ours".into()), ..issuer(SECRET) };
    let issuers = Issuers::new(own.clone()).with_others([("theirs".into(), issuer(b"their secret"))]);
    let issuers = issuers.expect("two names");
    assert!(Issuers::new(own).with_others([("ours".into(), issuer(b"x"))]).is_err(), "a name selects one issuer");
    let rules = Rules { issuers, ..rules() };
    let code = |iss: &str, secret: &[u8]| {
        let token = sign_with(HS256, claims(&format!(r#""iss":"{iss}","#)), secret);
        rules.decide(&Call { token: Some(&token), tool: "read_data" }, NOW).code()
    };
    assert_eq!((code("ours", SECRET), code("theirs", b"their secret")), ("allowed", "allowed"));
    // A key of one issuer never verifies a token of another.
    assert_eq!((code("theirs", SECRET), code("ours", b"their secret")), ("bad_signature", "bad_signature"));
    assert_eq!(code("nobody", SECRET), "unknown_issuer");
}

#[test]
fn the_table_is_in_the_order_of_the_checks() {
    let checks: Vec<Check> = REASONS.iter().map(|row| row.check).collect();
    assert!(checks.is_sorted(), "{checks:?}");
    assert_eq!(checks.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(Check::ALL), "every check has a reason");
}

#[test]
fn the_docs_show_the_same_table() {
    let page = include_str!("../../docs/reasons.md");
    let Some((_, rest)) = page.split_once("<!-- reasons -->\n") else {
        panic!("docs/reasons.md: missing line <!-- reasons -->; below it add:\n\n{}", reasons_markdown());
    };
    let shown = rest.split("\n## ").next().unwrap_or_default();
    assert_eq!(
        shown.trim(),
        reasons_markdown().trim(),
        "the table of docs/reasons.md must be:\n\n{}",
        reasons_markdown()
    );
}
