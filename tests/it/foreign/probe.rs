//! The gate probe: a sound server passes, and each fault is found.

use portcullis::auth::{KeyOrigin, Rules, Signer};
use portcullis::auth::{NumericDate, Verdict};
use portcullis::lab::probe::{Card, Degree, GOOD, GoodClaims, Mark, Model, PROBES};
use portcullis::probing::{self, Request, Stopped};
use serde_json::{Map, Value, json};

use super::fake::{Fake, Seen, http};
use super::{SHARED, now, signer};

pub(super) const RESOURCE: &str = "https://orders.example/mcp";

/// The rules of a sound server.
pub(super) fn rules() -> Rules {
    Rules::new(&signer()).with_audiences([RESOURCE.into()])
}

/// The answer of a server that judges tokens by `accepts`.
pub(super) fn judged(seen: &Seen, accepts: impl Fn(&str) -> bool) -> Option<String> {
    let metadata = "resource_metadata=\"https://orders.example/.well-known/oauth-protected-resource/mcp\"";
    if seen.path != "/mcp" && !seen.path.starts_with("/mcp?") {
        return None;
    }
    let all: Vec<&str> = seen.headers.iter().filter(|(name, _)| name == "authorization").map(|(_, v)| &**v).collect();
    match all.as_slice() {
        [] => Some(http(401, &format!("WWW-Authenticate: Bearer {metadata}\r\n"), "")),
        [one] => match one.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
            Some((_, token)) if accepts(token) => None,
            _ => Some(http(401, &format!("WWW-Authenticate: Bearer error=\"invalid_token\", {metadata}\r\n"), "")),
        },
        _ => Some(http(400, &format!("WWW-Authenticate: Bearer error=\"invalid_request\", {metadata}\r\n"), "")),
    }
}

fn model(now: NumericDate) -> Model {
    let wanted = GoodClaims {
        user: "tester",
        permissions: &["user".to_owned()],
        issuer: None,
        audiences: &[RESOURCE.to_owned()],
        preset: None,
    };
    Model::of_wishes(&wanted, &signer(), now).expect("a model")
}

fn probe(server: &Fake, model: &Model, is_quick: bool) -> Result<Card, Stopped> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (target, tool) = (server.target(), Some("read_data"));
    let request = Request { target: &target, model, tool, arguments: None, is_quick, metadata: None };
    runtime.block_on(probing::probe(&request, now, |_| {}))
}

fn row<'c>(card: &'c Card, name: &str) -> &'c portcullis::lab::probe::Row {
    card.rows.iter().find(|row| row.probe.name == name).unwrap_or_else(|| panic!("no probe {name}"))
}

#[test]
fn names_of_probes_are_unique_and_a_full_run_is_about_a_hundred() {
    let mut names: Vec<&str> = PROBES.iter().map(|probe| probe.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PROBES.len());
    assert!((100..160).contains(&PROBES.len()), "{}", PROBES.len());
    let quick = PROBES.iter().filter(|probe| probe.is_quick).count();
    assert!((14..=20).contains(&quick), "{quick}");
    assert_eq!(PROBES[0].name, GOOD);
}

#[test]
fn a_sound_server_has_no_failure_and_its_allowance_is_measured() {
    let server = Fake::new(|seen| judged(seen, |token| rules().verify(token, now()).is_ok()));
    let card = probe(&server, &model(now()), false).expect("a card");
    let failed: Vec<&str> = card.rows.iter().filter(|row| row.is_failure()).map(|row| row.probe.name).collect();
    assert_eq!((card.failures(), card.undecided()), (0, 0), "{failed:?}");
    let found: Vec<&str> = card.rows.iter().filter(|row| row.is_finding()).map(|row| row.probe.name).collect();
    assert_eq!(card.findings(), 0, "{found:?} {:?}", card.extras);
    assert_eq!(card.after_exp().expect("measured").words(), "less than 1 s");
    assert_eq!(card.before_nbf().expect("measured").words(), "less than 5 s");
    assert_eq!(card.report(true).verdict(), portcullis::report::ReportVerdict::Passed);
}

#[test]
fn a_server_that_verifies_nothing_fails_every_must() {
    let server = Fake::new(|_| None);
    let card = probe(&server, &model(now()), false).expect("a card");
    for row in card.rows.iter().filter(|row| row.degree == Degree::Must && row.probe.name != GOOD) {
        let is_skipped = row.mark == Mark::Skipped;
        assert!(is_skipped || row.mark == Mark::Accepted, "{}: {:?}", row.probe.name, row.mark);
    }
    assert!(card.failures() > 45, "{}", card.summary());
    assert_eq!(card.after_exp().expect("measured").words(), "more than 301 s");
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
fn a_server_that_only_decodes_accepts_every_signature() {
    let server = Fake::new(|seen| {
        judged(seen, |token| {
            let segments: Vec<&str> = token.split('.').collect();
            let [_, payload, _] = segments.as_slice() else { return false };
            let Ok(claims) = decoded(payload).and_then(|text| serde_json::from_str::<Value>(&text).map_err(drop))
            else {
                return false;
            };
            claims["exp"].as_f64().is_some_and(|exp| exp > now().micros() as f64 / 1e6)
        })
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    for name in ["no signature", "another key", "alg none", "more permissions", "empty secret", "embedded jwk"] {
        assert_eq!(row(&card, name).mark, Mark::Accepted, "{name}");
    }
    for name in ["expired an hour ago", "no token", "garbage", "no exp"] {
        assert_eq!(row(&card, name).mark, Mark::Sound, "{name}");
    }
}

fn decoded(segment: &str) -> Result<String, ()> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).map_err(drop)?;
    String::from_utf8(bytes).map_err(drop)
}

#[test]
fn a_server_that_fails_on_a_token_is_a_finding_of_its_own() {
    let server = Fake::new(|seen| {
        let is_endless = seen.token().is_some_and(|token| {
            let payload = token.split('.').nth(1).and_then(|payload| decoded(payload).ok()).unwrap_or_default();
            !payload.contains("\"exp\"") && payload.starts_with('{')
        });
        let crash = || http(500, "", "Internal Server Error");
        is_endless.then(crash).or_else(|| judged(seen, |token| rules().verify(token, now()).is_ok()))
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    assert_eq!(row(&card, "no exp").mark, Mark::Crashed);
    assert_eq!((card.failures(), card.findings()), (0, 1), "{}", card.summary());
}

#[test]
fn an_allowance_for_clocks_is_a_figure_and_not_a_failure() {
    let server = Fake::new(|seen| {
        let rules = Rules { leeway: portcullis::auth::Leeway::seconds(40), ..rules() };
        judged(seen, |token| rules.verify(token, now()).is_ok())
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    assert_eq!(card.failures(), 0);
    assert_eq!(card.after_exp().expect("measured").words(), "between 29 s and 45 s");
    assert_eq!(card.before_nbf().expect("measured").words(), "between 29 s and 45 s");
}

#[test]
fn without_a_key_only_what_needs_none_is_probed() {
    let server = Fake::new(|seen| judged(seen, |token| rules().verify(token, now()).is_ok()));
    let good = model(now()).good;
    let keyless = Model::of_token(&good, None, now()).expect("a model");
    let card = probe(&server, &keyless, false).expect("a card");
    assert_eq!((card.failures(), card.has_key), (0, false));
    let made: Vec<&str> = card.rows.iter().filter(|row| row.mark != Mark::Skipped).map(|row| row.probe.group).collect();
    assert!(made.len() > 40 && !made.contains(&"clock") && !made.contains(&"audience"), "{made:?}");
    for name in ["another key", "alg none", "token in the query", "two headers", "no scheme"] {
        assert_eq!(row(&card, name).mark, Mark::Sound, "{name}");
    }
}

#[test]
fn a_good_token_that_is_refused_stops_the_probe() {
    let server = Fake::new(|seen| judged(seen, |_| false));
    let Err(Stopped::NotAccepted(stopped)) = probe(&server, &model(now()), true) else { panic!("it went on") };
    let observation = portcullis::observe::Observation::of(&stopped.0);
    assert_eq!(observation.verdict(), Some(Verdict::Unauthorized));
    // Nothing but the first request was sent.
    assert_eq!(server.seen().len(), 1, "{:?}", server.seen());
}

#[test]
fn a_wrong_audience_is_a_failure_only_if_the_metadata_say_what_is_expected() {
    let any = || Rules::new(&signer());
    let server = Fake::new(move |seen| judged(seen, |token| any().verify(token, now()).is_ok()));
    let card = probe(&server, &model(now()), false).expect("a card");
    let other = row(&card, "another audience");
    assert_eq!((other.mark, other.is_failure(), other.is_finding()), (Mark::Accepted, false, true));
    let metadata = portcullis::text::material::Metadata {
        kind: portcullis::text::material::MetadataKind::ProtectedResource,
        issuers: Vec::new(),
        resource: Some(RESOURCE.to_owned()),
        jwks_uri: None,
        scopes: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (target, model) = (server.target(), model(now()));
    let request = Request {
        target: &target,
        model: &model,
        tool: Some("read_data"),
        arguments: None,
        is_quick: false,
        metadata: Some(&metadata),
    };
    let card = runtime.block_on(probing::probe(&request, now, |_| {})).expect("a card");
    assert!(row(&card, "another audience").is_failure());
}

/// A server with sessions that are not bound to a token.
#[test]
fn a_session_that_anybody_may_use_is_found() {
    let server = Fake::new(|seen| {
        let is_known = seen.header("mcp-session-id") == Some("s-1");
        let session = "Mcp-Session-Id: s-1\r\n";
        match (seen.rpc(), &*seen.method) {
            _ if is_known && seen.method == "DELETE" => Some(http(200, "", "")),
            _ if is_known => None,
            ("initialize", _) => judged(seen, |token| rules().verify(token, now()).is_ok()).or_else(|| {
                let result = json!({
                    "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" },
                });
                let body = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string();
                Some(http(200, session, &body))
            }),
            _ => judged(seen, |token| rules().verify(token, now()).is_ok()),
        }
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    let found: Vec<(&str, Option<bool>)> =
        card.extras.iter().filter(|extra| extra.group == "session").map(|extra| (extra.name, extra.is_sound)).collect();
    assert_eq!(
        found,
        [
            ("used with another user's token", Some(false)),
            ("ended with another user's token", Some(false)),
            ("ended without a token", Some(false)),
        ]
    );
    // The handshake refused these tokens, and the session let them in.
    for name in ["no token", "another key", "alg none", "expired an hour ago", "garbage"] {
        let row = row(&card, name);
        assert!(row.mark == Mark::Accepted && row.is_alone, "{name}: {row:?}");
    }
    assert!(card.failures() >= 4);
}

#[test]
fn a_session_that_does_not_exist_for_another_user_is_refused() {
    let server = Fake::new(|seen| {
        let payload = seen.token().and_then(|token| token.split('.').nth(1)).and_then(|part| decoded(part).ok());
        let is_other = payload.is_some_and(|payload| payload.contains("somebody-else"));
        let error =
            json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "Session not found" } });
        match (seen.rpc(), &*seen.method) {
            (_, "DELETE") if is_other || seen.token().is_none() => Some(http(404, "", &error.to_string())),
            ("initialize", _) => {
                let result = json!({
                    "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" },
                });
                let body = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string();
                Some(http(200, "Mcp-Session-Id: s-1\r\n", &body))
            }
            ("tools/call", _) if is_other => Some(http(404, "", &error.to_string())),
            _ => None,
        }
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    let found = card.extras.iter().find(|extra| extra.name == "used with another user's token").expect("a session");
    assert_eq!(found.is_sound, Some(true), "{found:?}");
}

#[test]
fn a_guard_before_the_handshake_only_is_found() {
    let server = Fake::new(|seen| match seen.rpc() {
        "server/discover" | "initialize" => judged(seen, |token| rules().verify(token, now()).is_ok()),
        _ => None,
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    assert!(row(&card, "alg none").is_failure() && row(&card, "alg none").is_alone, "{}", card.summary());
    assert!(card.failures() > 40, "{}", card.summary());
}

#[test]
fn a_guard_before_one_family_of_the_protocol_only_is_found() {
    let server = Fake::new(|seen| {
        let version = seen.header("mcp-protocol-version").unwrap_or_default().to_owned();
        match seen.rpc() {
            "server/discover" => judged(seen, |token| rules().verify(token, now()).is_ok()).or_else(|| {
                let result = json!({
                    "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} }, "resultType": "complete",
                    "ttlMs": 0, "cacheScope": "private",
                    "serverInfo": { "name": "two", "version": "1" },
                });
                Some(seen.result(&result))
            }),
            _ if version == "2026-07-28" => judged(seen, |token| rules().verify(token, now()).is_ok()),
            _ => None,
        }
    });
    let card = probe(&server, &model(now()), false).expect("a card");
    let other = card.extras.iter().filter(|extra| extra.group == "other revision");
    assert!(other.clone().count() > 5, "{:?}", card.extras);
    assert!(other.clone().all(|extra| extra.is_sound == Some(false)), "{:?}", card.extras);
}

/// A sound server that denies in words of its own.
#[rstest::rstest]
#[case("nothing here for you")]
#[case("Bad credentials")]
fn a_denial_in_unknown_words_is_not_taken_for_access(#[case] words: &'static str) {
    let server = Fake::new(move |seen| {
        if seen.rpc() != "tools/call" {
            return None;
        }
        judged(seen, |token| rules().verify(token, now()).is_ok()).map(|_| seen.text(words, true))
    });
    let card = probe(&server, &model(now()), true).expect("a card");
    assert_eq!(card.failures(), 0, "{:?}", card.rows);
}

#[test]
fn a_public_list_says_nothing_about_tokens() {
    let server = Fake::new(|seen| {
        let tools = json!({ "tools": [{ "name": "write_data", "inputSchema": { "type": "object" } }] });
        match seen.rpc() {
            "tools/list" => Some(seen.result(&tools)),
            "tools/call" => judged(seen, |token| rules().verify(token, now()).is_ok()),
            _ => None,
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (target, model) = (server.target(), model(now()));
    let request =
        Request { target: &target, model: &model, tool: None, arguments: None, is_quick: true, metadata: None };
    let stopped = runtime.block_on(probing::probe(&request, now, |_| {}));
    assert!(matches!(stopped, Err(Stopped::PublicList)));
    assert!(server.seen().iter().all(|seen| seen.rpc() != "tools/call"), "a tool was called");
}

#[test]
fn a_server_that_turns_against_the_good_token_is_not_called_sound() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Fake::new(move |seen| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        judged(seen, |token| n < 8 && rules().verify(token, now()).is_ok())
    });
    let card = probe(&server, &model(now()), true).expect("a card");
    assert_eq!((card.failures(), card.undecided()), (0, 1), "{:?}", card.extras);
}

#[test]
fn the_boundaries_are_bisected_without_waiting() {
    let server = Fake::new(|seen| {
        let rules = Rules { leeway: portcullis::auth::Leeway::seconds(47), ..rules() };
        judged(seen, |token| rules.verify(token, now()).is_ok())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (target, model, none) = (server.target(), model(now()), Map::<String, Value>::new());
    for claim in ["exp", "nbf"] {
        let found = runtime.block_on(probing::boundary(&target, &model, ("read_data", &none), claim, now));
        let found = found.expect("a boundary");
        let (accepted, refused) = (found.accepted.expect("accepted"), found.refused.expect("refused"));
        // A test machine may be slow, and the claims have whole seconds.
        assert!((45..=50).contains(&accepted) && refused == accepted + 1, "{claim}: {found:?}");
        assert!(found.tries < 15, "{found:?}");
    }
}

#[test]
fn a_preset_gives_the_tokens_its_claims() {
    let wanted = GoodClaims {
        user: "tester",
        permissions: &["reader".to_owned()],
        issuer: Some("https://sso.example/realms/prod"),
        audiences: &[],
        preset: Some("keycloak"),
    };
    let signer = Signer::hs256(SHARED, KeyOrigin::Program).expect("a key");
    let model = Model::of_wishes(&wanted, &signer, now()).expect("a model");
    assert_eq!(model.claims["realm_access"]["roles"], json!(["reader"]));
    assert_eq!(model.claims["iss"], "https://sso.example/realms/prod");
}
