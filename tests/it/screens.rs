//! The appearance of the screens: as text at every size, and as the pictures in the README.
//!
//! `UPDATE_SCREENS=1 INSTA_UPDATE=always cargo pictures` writes pictures and snapshots again.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::app::Msg;
use portcullis::app::msg::ServerInfo;
use portcullis::app::pane::Pane;
use portcullis::app::pane::call::Answered;
use portcullis::app::pane::issuers::key_set;
use portcullis::app::targets::{CallReport, ConnectReport, Link, Listing, TargetFacts};
use portcullis::auth::keys::jwk::RefusedKey;
use portcullis::auth::keys::{PublicKeyError, SignerOptions, read_private};
use portcullis::auth::{Call, IssueRequest, Issuer, KeyOrigin, KeySet, Mapping, Outcome, Signer, TokenId};
use portcullis::clock::Clock as _;
use portcullis::gate::ports::Catalogue;
use portcullis::gate::traffic::Request;
use portcullis::gate::{
    AcceptedIssuer, ForeignAnswer, ForeignCall, KeyStatus, KeysFrom, Origin, Provenance, RawArguments, Source,
};
use portcullis::look::{Depth, ThemeChoice};
use portcullis::observe::{Answer, Body, HttpHead, NoAnswer, Observation, Question, Reply, ServerIdentity, Why};
use portcullis::target::listed_tools;
use portcullis::text::Span;
use portcullis::text::material::parse_challenge;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use rstest::rstest;
use serde_json::json;

use crate::desk::{Desk, SECRET, START, text_of};
use crate::forge::sign_with;

/// Three identities, one of them expired, and a token of another issuer; user123 was allowed to read but not to write.
fn scene(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    let token = |user: &str, permission: &str, exp: i64| {
        let iat = START.seconds();
        let payload = format!(
            r#"{{"user_id":"{user}","permissions":["{permission}"],"iat":{iat},"exp":{exp},"jti":"0190b7c2a4e1"}}"#,
            exp = iat + exp
        );
        sign_with(r#"{"typ":"JWT","alg":"HS256"}"#, &payload, SECRET)
    };
    desk.gate.shared().update(|state| {
        state.add(token("user123", "user", 3600), Provenance::Issued, START);
        state.add(token("admin456", "admin", 3618), Provenance::Issued, START);
        state.add(token("shortlived", "user", 15), Provenance::Issued, START);
        state.add(sign_with(r#"{"alg":"RS256"}"#, r#"{"sub":"guest"}"#, SECRET), Provenance::Pasted, START);
    });
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.clock.advance(Duration::from_secs(61));
    desk.keys("Esc 4 Ctrl-↓ Enter → Enter");
    desk
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn every_pane_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    let panes = [(1, "issue"), (2, "tokens"), (3, "inspect"), (4, "call"), (5, "activity")];
    snapshot(scene(columns, rows), "gate", &panes);
}

/// Takes a snapshot of the whole screen if there is room, otherwise of these panes, selected by their digits.
fn snapshot(mut desk: Desk, whole: &str, panes: &[(usize, &str)]) {
    let (columns, rows) = desk.app.size;
    if columns >= 110 {
        insta::assert_snapshot!(format!("{whole}-{columns}x{rows}"), desk.screen());
        return;
    }
    for (digit, pane) in panes {
        desk.keys(&format!("Esc {digit}"));
        insta::assert_snapshot!(format!("{pane}-{columns}x{rows}"), desk.screen());
    }
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn the_matrix_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = scene(columns, rows);
    desk.keys("F3 Esc 1 Space");
    snapshot(desk, "matrix-screen", &[(1, "matrix"), (2, "policy"), (3, "who")]);
}

/// The same with a drill that passed, a scorecard, and the clock 5 minutes before user123 expires.
fn lab(columns: u16, rows: u16) -> Desk {
    let mut desk = scene(columns, rows);
    desk.gate.shared().update(|state| {
        let iat = START.seconds();
        let early = format!(
            r#"{{"user_id":"early","permissions":["user"],"iat":{iat},"nbf":{},"exp":{}}}"#,
            iat + 1200,
            iat + 3000
        );
        state.add(sign_with(r#"{"typ":"JWT","alg":"HS256"}"#, &early, SECRET), Provenance::Issued, START)
    });
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    // The drill runs last, because the IDs of test tokens are random and the log shows its newest rows.
    desk.keys("Esc 4 ← F4 Esc 4 Enter ↓ ↓ Esc 3 Enter Esc 2 Tab Tab").types("exp - 5m").keys("Enter Esc 1 End");
    desk
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn the_time_lab_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    snapshot(lab(columns, rows), "time-screen", &[(1, "timeline"), (2, "clock"), (3, "drill"), (4, "testkit")]);
}

/// A server with clients, whose requests are recorded in the state as the server records them.
fn served(columns: u16, rows: u16) -> Desk {
    let mut desk = scene(columns, rows);
    desk.keys("F5");
    desk.tell(Msg::Served(Ok(ServerInfo { uri: "http://127.0.0.1:8640/mcp".into(), port: 8640, is_exposed: false })));
    let tokens: Vec<_> = desk.app.auth.tokens.iter().map(|entry| entry.text().cloned().expect("its text")).collect();
    let clients = [
        ("claude-code 2.1", 0, "user123", 23, None),
        ("inspector 0.17", 1, "admin456", 4, None),
        ("claude-code 2.1", 0, "user123", 2, Some("permission_missing")),
        ("python-httpx", 2, "", 3, Some("expired")),
    ];
    for (place, (name, token, subject, times, refused)) in clients.into_iter().enumerate() {
        let at = START.plus(Span::seconds(55 + i64::try_from(place).unwrap_or(0)));
        desk.gate.shared().update(|state| {
            for _ in 0..times {
                state.note(&Request {
                    at,
                    peer: [127, 0, 0, 1].into(),
                    agent: name,
                    name: Some(name),
                    token: Some(TokenId::of(&tokens[token])),
                    subject: Some(subject).filter(|subject| !subject.is_empty()),
                    principal: None,
                    is_call: true,
                    refused,
                });
            }
        });
    }
    for (client, token, tool) in
        [("inspector 0.17", 1, "delete_data"), ("claude-code 2.1", 0, "write_data"), ("python-httpx", 2, "read_data")]
    {
        let at = desk.clock.now();
        let rules = desk.gate.shared().rules();
        let decision = rules.decide(&Call { token: Some(&tokens[token]), tool }, at);
        let source = Source {
            token: Some(TokenId::of(&tokens[token])),
            origin: Origin::Client,
            client: Some(client),
            peer: None,
            at,
            judged_at: at,
            started: desk.clock.monotonic(),
        };
        let arguments = RawArguments::Text("{}");
        match rules.verify(&tokens[token], at).map(Arc::new) {
            Ok(principal) if decision.reason().is_none() => {
                let permit = rules.authorize(&principal, tool).expect("the call is allowed");
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                let _ = runtime.block_on(desk.gate.run(permit, arguments, &source));
            }
            _ => drop(desk.gate.refuse(decision, tool, arguments, &source)),
        }
    }
    desk.waits(Duration::from_secs(5));
    desk
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn the_server_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    snapshot(served(columns, rows), "server-screen", &[(1, "server"), (3, "traffic"), (4, "connect")]);
}

/// Issuers whose keys are in every state, and a token that one of them verifies.
fn accepted(columns: u16, rows: u16) -> Desk {
    let mut desk = scene(columns, rows);
    let private = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/key_files").join(file);
        let options = SignerOptions::default();
        read_private(&std::fs::read(path).expect("a key file"), KeyOrigin::File, options).expect("a private key")
    };
    let [ed25519, rsa, p256] = ["ed25519.jwk", "rsa.jwk", "p256.jwk"].map(private);
    let public = |signer: &Signer| signer.verifier().clone();
    let now = desk.clock.now();
    let read = KeyStatus {
        keys: [public(&ed25519), public(&rsa)].into(),
        read_at: Some(now.plus(Span::seconds(-190))),
        next: Some(now.plus(Span::seconds(410))),
        attempts: 1,
        is_usable: true,
        ..KeyStatus::default()
    };
    let too_short = RefusedKey { place: 3, kid: None, why: PublicKeyError::TooShort(1024).into() };
    let refused = vec![too_short.clone(), too_short];
    let gone: Arc<str> = "https://id.example/jwks: expected status 200, got 500".into();
    let issuers = [
        (
            "https://sso.example/realms/prod",
            "keycloak",
            "mcp-orders",
            KeyStatus {
                source: "discovery at https://sso.example/realms/prod".into(),
                from: KeysFrom::Discovery,
                ..read.clone()
            },
        ),
        (
            "https://id.example",
            "standard",
            "",
            KeyStatus {
                source: "https://id.example/jwks".into(),
                from: KeysFrom::Jwks("https://id.example/jwks".into()),
                error: Some(Arc::clone(&gone)),
                ..read.clone()
            },
        ),
        (
            "https://old.example",
            "okta",
            "",
            KeyStatus {
                source: "https://old.example/jwks".into(),
                from: KeysFrom::Jwks("https://old.example/jwks".into()),
                error: Some(gone),
                is_usable: false,
                ..read.clone()
            },
        ),
        (
            "https://kubernetes.default.svc",
            "kubernetes",
            "",
            KeyStatus {
                source: "pasted keys".into(),
                keys: [public(&p256)].into(),
                refused: refused.into(),
                next: None,
                ..read
            },
        ),
    ];
    desk.gate.shared().update(|state| {
        for (name, preset, audience, status) in issuers {
            let keys = match status.is_usable {
                true => status.keys.iter().cloned().collect(),
                false => KeySet::unavailable("too old"),
            };
            let audiences = Some(audience).filter(|audience| !audience.is_empty()).map(Into::into);
            let issuer = Issuer {
                audiences: audiences.into_iter().collect(),
                mapping: Arc::new(Mapping::named(preset).expect("a preset")),
                keys,
                ..Issuer::default()
            };
            state.set_issuer(Some(&name.into()), Some(AcceptedIssuer { issuer, status })).expect("another name");
        }
        let extra = json!({"realm_access": {"roles": ["admin"]}, "scope": "openid orders:write", "azp": "orders"});
        let request = IssueRequest {
            user_id: "buyer".to_owned(),
            subject: Some("f3a1".to_owned()),
            issuer: Some("https://sso.example/realms/prod".to_owned()),
            audience: Some("mcp-orders".to_owned()),
            extra: extra.as_object().cloned().unwrap_or_default(),
            ..IssueRequest::default()
        };
        let token = ed25519.issue(&request, "0190b7c2a4e1", now).expect("a token");
        state.add(token, Provenance::Pasted, now);
    });
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("F6 Esc 2 End Esc 1 Home ↓");
    desk
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(92, 26)]
#[case(80, 24)]
#[case(60, 18)]
#[case(40, 12)]
fn the_issuers_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    snapshot(accepted(columns, rows), "issuers-screen", &[(1, "issuers"), (4, "keys")]);
}

/// A connected server that forbade a call, and one that cannot be reached.
#[expect(clippy::too_many_lines, reason = "one scene")]
fn foreign(columns: u16, rows: u16) -> Desk {
    let mut desk = scene(columns, rows);
    let facts = |name: &str, place: &str, is_local: bool| TargetFacts {
        name: name.into(),
        place: place.into(),
        is_local,
        takes_token: true,
        exposure: None,
    };
    let why = |desk: &Desk, reply: &Reply, tool| {
        Box::new(Why::explain(&Question {
            unseen: None,
            is_described: false,
            observation: &Observation::of(reply),
            token: desk.app.inspection.as_deref(),
            rules: &desk.app.auth.rules,
            tool,
            prediction: desk.app.prediction("read_data").as_ref(),
            metadata: None,
            url: Some("https://orders.example/mcp"),
            visibility: None,
            now: desk.clock.now(),
        }))
    };
    let connecting = |desk: &Desk| match desk.app.target().expect("selected").link {
        Link::Connecting { id, .. } => id,
        _ => panic!("it is not connecting"),
    };
    let place = "https://stock.example/mcp";
    desk.keys("F7 Esc 1").tell(Msg::TargetAdded { number: 1, read: Ok(facts("stock", place, false)) });
    let gone = Err(NoAnswer::Unreachable("connection refused".to_owned()));
    let report = ConnectReport {
        id: connecting(&desk),
        target: 1,
        token: None,
        seen: None,
        listed: None,
        why: why(&desk, &gone, None),
    };
    desk.tell(Msg::TargetConnected(Box::new(report)));
    let place = "https://orders.example/mcp";
    desk.tell(Msg::TargetAdded { number: 2, read: Ok(facts("orders", place, false)) });
    let seen = ServerIdentity {
        protocol: "2025-06-18".to_owned(),
        name: "orders".to_owned(),
        version: "1.4.0".to_owned(),
        has_session: true,
    };
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object", "properties": { "id": { "type": "integer" } } }, "annotations": { "readOnlyHint": true } });
    let tools = listed_tools(&json!({ "tools": [tool("read_data"), tool("list_orders"), tool("stock_of")] })).tools;
    let listing = Listing { catalogue: Catalogue::new(tools.into()), unreadable: 0, is_cut: false };
    let head = |status, challenge: Option<&str>| HttpHead {
        status,
        challenge: challenge.and_then(parse_challenge),
        date: Some(desk.clock.now().plus(Span::seconds(4))),
        ..HttpHead::default()
    };
    let listed = Ok(Answer { http: Some(head(200, None)), body: Body::Result(json!({ "tools": [] })) });
    let challenge = r#"Bearer error="insufficient_scope", scope="orders:read""#;
    let denied = Ok(Answer {
        http: Some(head(403, Some(challenge))),
        body: Body::Json(json!({ "error": "insufficient_scope" })),
    });
    let report = ConnectReport {
        id: connecting(&desk),
        target: 2,
        token: desk.app.selected().map(|entry| entry.id),
        seen: Some(seen.clone()),
        listed: Some((listing, Duration::from_millis(3))),
        why: why(&desk, &listed, None),
    };
    desk.tell(Msg::TargetConnected(Box::new(report)));
    desk.keys("Esc 4 Enter");
    let why = why(&desk, &denied, Some("read_data"));
    let at = desk.clock.now();
    let answer = ForeignAnswer {
        number: 1,
        said: None,
        user: None,
        predicted: None,
        sent: None,
        target: "orders".into(),
        place: place.into(),
        word: why.observation.observed().word(),
        code: why.observation.shape.code,
        verdict: why.observation.verdict(),
        sentence: why.sentence.clone().into(),
        status: Some(403),
        server_time: why.observation.date,
        notes: Box::default(),
    };
    let source = Source {
        token: desk.app.selected().map(|entry| entry.id),
        origin: Origin::Console,
        client: None,
        peer: None,
        at,
        judged_at: at,
        started: desk.clock.monotonic(),
    };
    let call = ForeignCall {
        tool: "read_data",
        arguments: "{}",
        answer: r#"{"error":"insufficient_scope"}"#,
        took: Duration::from_millis(12),
    };
    let record = desk.gate.observed(answer, None, call, &source);
    let called = Answered { outcome: Outcome::Done(json!({ "error": "insufficient_scope" })), record };
    let id = desk.app.in_flight.as_ref().expect("a call").id;
    desk.tell(Msg::TargetCalled(Box::new(CallReport { id, target: 2, seen: Some(seen), called, why })));
    desk.keys("Esc Esc 1");
    desk
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(92, 26)]
#[case(80, 24)]
#[case(60, 18)]
#[case(40, 12)]
fn the_targets_at_every_size(#[case] columns: u16, #[case] rows: u16) {
    snapshot(foreign(columns, rows), "targets-screen", &[(1, "targets"), (3, "why"), (4, "foreign-call")]);
}

#[test]
fn pasted_keys_and_the_form_of_an_issuer_at_every_size() {
    for (columns, rows) in [(120, 36), (80, 24), (40, 12)] {
        let mut desk = accepted(columns, rows);
        let status = desk.app.auth.issuer_keys.first().cloned().expect("an issuer");
        desk.pastes(&key_set(&status.keys));
        insta::assert_snapshot!(format!("paste-keys-{columns}x{rows}"), desk.screen());
        desk.keys("Enter").types("https://new.example");
        insta::assert_snapshot!(format!("paste-form-{columns}x{rows}"), desk.screen());
        desk.keys("Esc ↓ ↓ ↓ ↓ ↓ ↓ Enter");
        insta::assert_snapshot!(format!("issuer-form-{columns}x{rows}"), desk.screen());
    }
}

/// Numbers of four digits and more stay separated.
#[rstest]
#[case(120, 36)]
#[case(80, 24)]
#[case(40, 12)]
fn traffic_with_large_numbers_can_be_read(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = Desk::new(columns, rows);
    desk.keys("F5 Esc 3");
    desk.gate.shared().update(|state| {
        for (n, name) in [(12_345, "claude-code 2.1"), (1_234, "python-httpx 0.28")] {
            for _ in 0..n {
                state.note(&Request {
                    at: START,
                    peer: [127, 0, 0, 1].into(),
                    agent: name,
                    name: Some(name),
                    token: None,
                    subject: None,
                    principal: None,
                    is_call: true,
                    refused: Some("missing_token"),
                });
            }
        }
    });
    desk.waits(Duration::from_secs(1));
    desk.must_show(&["calls/s  13.5k ", "missing_token"]);
    let lines = match columns {
        40 => ["  1234   1234✘", " 12.3k  12.3k✘"],
        _ => ["  1234 calls   1234 refused", " 12.3k calls  12.3k refused"],
    };
    desk.must_show(&lines);
    insta::assert_snapshot!(format!("traffic-large-{columns}x{rows}"), desk.screen());
}

#[rstest]
#[case("help", "F1")]
#[case("palette", "Ctrl-P")]
#[case("settings", "Ctrl-S")]
#[case("token", "Alt-3 Enter")]
#[case("checks", "Alt-3 ← ")]
#[case("raw", "Alt-3 → ")]
#[case("detail", "Esc 5 Enter")]
#[case("quit", "Ctrl-C")]
#[case("diff", "Ctrl-D")]
fn every_overlay_at_every_size(#[case] name: &str, #[case] keys: &str) {
    for (columns, rows) in [(120, 36), (80, 24), (40, 12)] {
        let mut desk = scene(columns, rows);
        desk.keys(keys);
        insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), desk.screen());
    }
}

#[test]
fn every_pane_has_a_snapshot() {
    let kept = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots")).expect("a folder");
    let kept: Vec<String> = kept.map(|entry| entry.expect("a file").file_name().to_string_lossy().into()).collect();
    for pane in Pane::ALL {
        let name = format!("{pane:?}-80x24.snap").to_lowercase();
        assert!(kept.iter().any(|kept| kept.ends_with(&name)), "no snapshot ends with {name}");
    }
}

/// An overlay has the focus: the screen below is the same wherever the focus was.
#[rstest]
fn no_pane_looks_focused_under_an_overlay(#[values("F2", "F3", "F4", "F5", "F6")] screen: &str) {
    let mut desk = scene(160, 50);
    desk.keys(screen).keys("Esc Ctrl-C");
    let below = desk.draw().0;
    for _ in 0..20 {
        desk.keys("Esc Tab Ctrl-C");
        let focus = desk.app.focus;
        assert!(desk.draw().0 == below, "{focus:?} is visible below the prompt:\n{}", desk.screen());
    }
}

#[rstest]
#[case("gate-120x36", (120, 36), "")]
#[case("gate-80x24", (80, 24), "")]
#[case("issue", (64, 17), "Esc 1 Shift-Tab Shift-Tab Shift-Tab Shift-Tab Shift-Tab Tab")]
#[case("tokens", (64, 10), "Esc 2")]
#[case("inspect", (64, 16), "Esc 3")]
#[case("call", (64, 16), "Esc 4")]
#[case("activity", (64, 10), "Esc 5")]
#[case("matrix", (120, 36), "F3 Space")]
#[case("policy", (64, 12), "F3 Esc 2")]
#[case("time", (120, 36), "lab ")]
#[case("clock", (64, 12), "lab Esc 2")]
#[case("drill", (64, 16), "lab Esc 3")]
#[case("testkit", (64, 23), "lab Esc 4")]
#[case("diff", (64, 16), "Ctrl-D")]
#[case("server", (120, 36), "served ")]
#[case("issuers", (120, 36), "accepted ")]
#[case("targets", (120, 36), "foreign ")]
fn the_pictures_in_the_readme_are_up_to_date(#[case] name: &str, #[case] size: (u16, u16), #[case] keys: &str) {
    let (set, keys) = keys
        .split_once(' ')
        .filter(|(set, _)| ["lab", "served", "accepted", "foreign"].contains(set))
        .unwrap_or(("", keys));
    let mut desk = match set {
        "lab" => lab(size.0, size.1),
        "served" => served(size.0, size.1),
        "accepted" => accepted(size.0, size.1),
        "foreign" => foreign(size.0, size.1),
        _ => scene(size.0, size.1),
    };
    desk.keys(keys);
    desk.app.look.depth = Depth::True;
    let picture = svg(&desk.draw().0);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/screens/{name}.svg"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&path, &picture).expect("the picture can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == picture, "{name}.svg is out of date; update it with UPDATE_SCREENS=1 cargo test");
}

#[test]
fn the_screens_contain_the_same_text_without_colour() {
    let mut desk = scene(120, 36);
    let coloured = desk.screen();
    desk.app.look.choice = ThemeChoice::Plain;
    let (buffer, _) = desk.draw();
    assert_eq!(text_of(&buffer), coloured);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
}

/// A colour as the pictures use it; the terminal's default text is nearly white there.
fn hex(colour: Option<Color>) -> String {
    match colour {
        Some(Color::Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => "#d7dae0".to_owned(),
    }
}

/// A buffer as a picture: one text element for each run of cells in the same style.
fn svg(buffer: &Buffer) -> String {
    const CELL: (u32, u32) = (9, 19);
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 20, rows * CELL.1 + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1e2127\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\" xml:space=\"preserve\">\n"
    );
    for (y, row) in (0u32..).zip(buffer.content.chunks(usize::from(buffer.area.width))) {
        let mut x = 0u32;
        for run in row.chunk_by(|a, b| a.style() == b.style()) {
            let text: String = run.iter().map(ratatui::buffer::Cell::symbol).collect();
            let cells = u32::try_from(run.len()).unwrap_or(0);
            if !text.trim().is_empty() || matches!(run[0].bg, Color::Rgb(..)) {
                draw_run(&mut out, &text, run[0].style(), (x * CELL.0 + 10, y * CELL.1 + 10), cells * CELL.0);
            }
            x += cells;
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn draw_run(out: &mut String, text: &str, style: Style, (x, y): (u32, u32), width: u32) {
    let has = |modifier| style.add_modifier.contains(modifier);
    let colour = hex(style.fg);
    if let Some(Color::Rgb(..)) = style.bg {
        let fill = hex(style.bg);
        let _ = writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"19\" fill=\"{fill}\"/>");
    }
    let weight = if has(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let dim = if has(Modifier::DIM) { " opacity=\"0.55\"" } else { "" };
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let base = y + 14;
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{base}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{colour}\"{weight}{dim}>{text}</text>"
    );
}
