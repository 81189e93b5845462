//! Every row of the table of reasons is reached by a real decision, and the README shows the table as it is.

use std::collections::BTreeSet;

use portcullis::Rules;
use portcullis::auth::decision::{REASONS, reasons_markdown};
use portcullis::auth::{Call, Check, Key, KeyOrigin, KeyRing, Verdict};
use portcullis::text::safe::hidden;

use portcullis::auth::Revocations;
use portcullis::auth::revocations::{Fingerprint, Revoked, Since};

use crate::forge::{HS256, NOW, SECRET, claims, rules, sign, sign_with, token};

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
    let named = Key::named(SECRET, KeyOrigin::Program, "first").expect("a key");
    let named = Rules { keys: KeyRing::new(named), ..rules() };
    let issuer = Rules { issuer: Some("https://id.example".into()), ..rules() };
    let audience = Rules { audience: Some("gate".into()), ..rules() };
    let lenient = Rules { audience_may_lack: true, ..audience.clone() };
    let revoking = |what| {
        let mut all = Revocations::default();
        all.revoke(what, Since { at: NOW, until: None, user: None });
        Rules { revoked: std::sync::Arc::new(all), ..rules() }
    };
    vec![
        row("missing_token", "", "no token came with the call; a tool needs one"),
        row("too_large", "x".repeat(8193), "the token has 8193 bytes; at most 8.0 KiB are read"),
        row("malformed", "junk", "no dots in it: a signed token has three segments"),
        row("malformed", format!("{plain}="), "segment 3, byte 44: base64 padding, which a token must not have"),
        row(
            "algorithm_refused",
            sign(r#"{"alg":"RS256"}"#, claims("")),
            "not verified: no key for RS256 here; only HS256 is accepted",
        ),
        row(
            "algorithm_refused",
            sign(r#"{"typ":"JWT"}"#, claims("")),
            "the header has no alg; only HS256 is accepted here",
        ),
        row(
            "header_refused",
            sign(r#"{"alg":"HS256","crit":["b64"]}"#, claims("")),
            "the header asks for crit, which this gate does not do",
        ),
        row("header_refused", sign(r#"{"alg":"HS256","kid":7}"#, claims("")), "kid is a number; it must be a string"),
        Row {
            rules: named,
            ..row(
                "unknown_key",
                sign(r#"{"alg":"HS256","kid":"second"}"#, claims("")),
                "kid names the key second, which is not held here",
            )
        },
        row(
            "bad_signature",
            sign_with(HS256, claims(""), b"another"),
            "the signature does not fit: signed with another key, or changed since",
        ),
        row("claim_missing", token(r#"{"user_id":"u","permissions":[]}"#), "the claim exp is missing"),
        row(
            "claim_invalid",
            token(r#"{"user_id":"u","permissions":"admin","exp":1}"#),
            "the claim permissions is a string; it must be an array of strings",
        ),
        row("not_yet_valid", token(claims(r#""nbf":1795380125,"#)), "valid only from 2026-11-22T20:42:05Z, in 1m 00s"),
        row(
            "expired",
            token(r#"{"user_id":"u","permissions":[],"exp":1795380065}"#),
            "expired at 2026-11-22T20:41:05Z, 0s ago",
        ),
        Row {
            rules: issuer.clone(),
            ..row("issuer_mismatch", plain.clone(), "the token names no issuer (iss); expected is https://id.example")
        },
        Row {
            rules: issuer,
            ..row(
                "issuer_mismatch",
                token(claims(r#""iss":"https://id.example/","#)),
                "iss is https://id.example/; expected is https://id.example",
            )
        },
        Row {
            rules: audience,
            ..row("audience_mismatch", token(claims(r#""aud":["a","b"],"#)), "aud is a, b; expected is gate")
        },
        Row {
            rules: lenient.clone(),
            ..row("audience_mismatch", token(claims(r#""aud":"a","#)), "aud is a; expected is gate")
        },
        Row {
            rules: lenient,
            ..row(
                "audience_mismatch",
                token(claims(r#""aud":7,"#)),
                "the token names no audience (aud); expected is gate",
            )
        },
        Row {
            rules: revoking(Revoked::Token(Fingerprint::of(&plain))),
            ..row("revoked", plain.clone(), "the token was revoked at 2026-11-22T20:41:05Z")
        },
        Row {
            rules: revoking(Revoked::Jti("7".into())),
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

#[test]
fn every_reason_is_reached_and_says_what_was_found() {
    let mut reached = BTreeSet::new();
    for Row { code, rules, token, tool, sentence } in rows() {
        let decision = rules.decide(&Call { token: Some(&token), tool }, NOW);
        assert_eq!((decision.code(), &*decision.sentence()), (code, sentence));
        assert!(sentence.chars().all(|c| hidden(c).is_none()) && !sentence.ends_with('.'), "{sentence}");
        let forbidden = decision.reason().is_some_and(|reason| reason.check() >= Check::Tool);
        let wanted = if forbidden { Verdict::Forbidden } else { Verdict::Unauthorized };
        assert_eq!(decision.verdict(), wanted, "{code}");
        assert_eq!(decision.subject.is_some(), forbidden, "{code}");
        reached.insert(code);
    }
    assert_eq!(reached, REASONS.iter().map(|row| row.code).collect(), "every row, and no other");
}

#[test]
fn the_table_follows_the_checks_in_order() {
    let checks: Vec<Check> = REASONS.iter().map(|row| row.check).collect();
    assert!(checks.is_sorted(), "{checks:?}");
    assert_eq!(checks.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(Check::ALL), "every check has a reason");
}

#[test]
fn the_readme_shows_the_table_as_it_is() {
    let readme = include_str!("../../README.md");
    let Some((_, rest)) = readme.split_once("<!-- reasons -->\n") else {
        panic!("README.md has no line <!-- reasons -->; below it belongs:\n\n{}", reasons_markdown());
    };
    let shown = rest.split("\n## ").next().unwrap_or_default();
    assert_eq!(shown.trim(), reasons_markdown().trim(), "README.md: the table of reasons should be the code's");
}
