//! Runs of the console against servers of others: the gate probe, calls with every token, and drills.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use portcullis::app::Msg;
use portcullis::app::pane::kit::ProbeState;
use portcullis::app::targets::{ConnectReport, Listing};
use portcullis::auth::IssueRequest;
use portcullis::gate::ports::{Catalogue, ToolInfo};
use portcullis::gate::{Origin, Provenance};
use portcullis::lab::probe::PROBES;
use portcullis::observe::{Observation, Question, ServerIdentity, Why, answer_of};
use portcullis::text::Span;
use portcullis::tui::effects;
use serde_json::json;

use super::fake::{Fake, http};
use super::probe::{RESOURCE, judged, rules};
use super::{now, signer, token};
use crate::desk::Desk;

/// A console with these tokens, the first of which is selected, connected to a server.
fn connected(fake: &Fake, tokens: &[Arc<str>], columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    desk.clock.set(now());
    for token in tokens {
        desk.gate.shared().update(|state| state.add(Arc::clone(token), Provenance::Pasted, now()));
    }
    effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Esc 2 Ctrl-↓");
    desk.keys("F7 Esc 1 Enter Tab").types(&fake.url).keys("Tab").types("orders").keys("Enter").settles();
    desk
}

/// The same, where the console signs with the key of the server.
fn with_the_key(fake: &Fake, columns: u16, rows: u16) -> Desk {
    let mut desk = connected(fake, &[good()], columns, rows);
    desk.gate.shared().update(|state| state.set_signer(signer()));
    effects::sync(&mut desk.app, &desk.gate);
    desk
}

fn good() -> Arc<str> {
    token("user123", "user", &[("aud", json!(RESOURCE))])
}

fn sound() -> Fake {
    Fake::new(|seen| judged(seen, |token| rules().verify(token, now()).is_ok()))
}

#[test]
fn the_test_kit_probes_the_selected_server_with_tokens_like_the_selected_one() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 4");
    desk.must_show(&["Test kit  → orders", "probes of read_data with tokens"]);
    desk.keys("Enter").settles();
    desk.must_show(&["no failure in ", "leeway after exp: less than 1 s", "leeway before nbf: less than 5 s"]);
    assert!(desk.app.run.is_none());
    // Every request is logged, with the target's name and the token's ID.
    let records: Vec<_> = desk.app.auth.activity.newest().collect();
    assert!(records.len() > 80 && records.iter().all(|record| record.origin == Origin::Kit));
    assert!(records.iter().all(|record| record.answered.foreign().is_some_and(|answer| &*answer.target == "orders")));
    // The scorecard is copied as Markdown, and the evidence contains it.
    desk.keys("Ctrl-Y");
    assert!(desk.copied().contains("Gate probe of `http://127.0.0.1:"), "{}", desk.copied());
    assert!(!desk.copied().contains(&*desk.token()));
    desk.keys("Ctrl-B");
    for text in ["| gate probe |", "testkit --run --url http://127.0.0.1:", "| signature | 10 of 10 | 0 |"] {
        assert!(desk.copied().contains(text), "{text}: {}", desk.copied());
    }
}

#[test]
fn a_server_that_verifies_nothing_shows_its_failures_first() {
    let fake = Fake::new(|_| None);
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 4 → Enter").settles();
    desk.must_show(&["failures in ", "accepted, though a…", "failure: ", "✘ failure  ! finding"]);
    let quick = PROBES.iter().filter(|probe| probe.is_quick).count();
    let probe = desk.app.probe().expect("a probe");
    assert_eq!((probe.planned, probe.card.as_ref().expect("a card").rows.len()), (quick, quick));
    // The first lines are failures, and the cursor goes through all of them.
    let lines = desk.app.probe_lines().len();
    for _ in 0..=lines {
        desk.keys("↓");
    }
    assert_eq!(desk.app.kit.row, lines - 1);
    // Our own gate has fewer lines than a probe.
    desk.keys("F7 Esc 1 Enter Home ↑ ↑ Enter F4 Esc 4");
    desk.must_show(&["read_data as user123", "1–13 of 32"]);
    assert_eq!(desk.app.kit.row, 0);
}

#[test]
fn without_the_key_of_the_server_only_the_token_in_hand_is_varied() {
    let fake = sound();
    let mut desk = connected(&fake, &[good()], 120, 36);
    desk.keys("F4 Esc 4 Enter").settles();
    desk.must_show(&["no failure in ", "left out: most need a key"]);
    let card = desk.app.probe().and_then(|probe| probe.card.clone()).expect("a card");
    assert!(!card.has_key);
}

#[test]
fn a_token_that_the_server_refuses_stops_the_probe_and_says_why() {
    let fake = Fake::new(|seen| judged(seen, |_| false));
    let mut desk = connected(&fake, &[good()], 120, 36);
    let good = desk.token();
    desk.keys("F4 Esc 4 Enter").settles();
    desk.must_show(&["the good token is not accepted: "]);
    assert!(matches!(desk.app.probe().expect("a probe").state, ProbeState::Refused(_)));
    // Nothing was sent besides the good token and requests for metadata.
    assert!(fake.seen().iter().all(|seen| seen.token().is_none_or(|token| token == &*good)));
}

#[test]
fn results_appear_one_by_one_and_esc_cancels_the_rest() {
    let (go_on, gate) = mpsc::channel::<()>();
    let (gate, calls) = (Mutex::new(gate), AtomicUsize::new(0));
    let fake = Fake::new(move |seen| {
        // The third call waits for the test.
        if seen.rpc() == "tools/call" && calls.fetch_add(1, Ordering::SeqCst) == 2 {
            let _ = gate.lock().expect("no panic").recv();
        }
        None
    });
    let mut desk = with_the_key(&fake, 80, 24);
    desk.keys("F4 Esc 4 Enter");
    let made = |desk: &Desk| desk.app.probe().and_then(|probe| probe.card.as_ref()).map_or(0, |card| card.rows.len());
    while made(&desk) < 2 {
        desk.hears_progress();
    }
    desk.must_show(&["2 of ", "Esc cancels"]);
    // Another run has to wait.
    desk.keys("Enter");
    desk.must_show(&["another run is under way; Esc cancels it"]);
    desk.keys("Esc").settles();
    desk.must_show(&["gate probe cancelled after 2 of ", "cancelled: 1 failure in 2 of "]);
    assert!(desk.app.run.is_none());
    // What was found is no result: it is neither copied nor evidence.
    desk.keys("Ctrl-Y Ctrl-B");
    assert!(desk.left.is_empty() || !desk.copied().contains("probe"), "{}", desk.copied());
    drop(go_on);
}

#[test]
fn a_server_on_another_machine_is_probed_only_after_a_question() {
    let mut desk = Desk::new(120, 36);
    desk.gate.shared().update(|state| state.add(good(), Provenance::Pasted, now()));
    effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Esc 2 Ctrl-↓ F7 Esc 1 Enter Tab").types("https://orders.invalid/mcp").keys("Enter");
    desk.keys("F4 Esc 4 Enter");
    desk.must_show(&[
        "probes of tools/list, most with bad tokens, on",
        "orders.invalid (https://orders.invalid/mcp)?",
        "send them",
    ]);
    desk.keys("Enter");
    assert!(desk.app.run.is_none());
    desk.keys("Esc");
    assert!(desk.app.overlays.is_empty() && desk.app.run.is_none());
    desk.keys("Enter →");
    assert!(desk.app.run.is_some());
    desk.keys("Esc");
}

/// Answers the connection that is being made with a list of one tool.
fn listed(desk: &mut Desk) {
    let target = &desk.app.targets.foreign()[0];
    let (id, number) = (target.connecting().expect("a connection"), target.number);
    let tool = ToolInfo {
        name: "read_data".into(),
        title: None,
        description: "".into(),
        schema: json!({ "type": "object" }),
        example: "{}".into(),
        reads_only: true,
        destroys: false,
        is_idempotent: true,
    };
    let observation = Observation::of(&Ok(answer_of("HTTP/1.1 200 OK\n\n{}").expect("an answer")));
    let why = Why::explain(&Question {
        unseen: None,
        observation: &observation,
        token: None,
        rules: &rules(),
        tool: None,
        prediction: None,
        metadata: None,
        is_described: false,
        url: None,
        visibility: None,
        now: now(),
    });
    let listing = Listing { catalogue: Catalogue::new(vec![tool].into()), ..Listing::default() };
    desk.tell(Msg::TargetConnected(Box::new(ConnectReport {
        id,
        target: number,
        token: None,
        seen: Some(ServerIdentity::default()),
        listed: Some((listing, Duration::ZERO)),
        why: Box::new(why),
    })));
}

#[test]
fn a_server_on_another_machine_is_drilled_only_after_a_question() {
    let mut desk = Desk::new(120, 36);
    desk.clock.set(now());
    desk.gate.shared().update(|state| state.add(good(), Provenance::Pasted, now()));
    effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Esc 2 Ctrl-↓ F7 Esc 1 Enter Tab").types("https://orders.invalid/mcp").keys("Enter");
    listed(&mut desk);
    desk.keys("F4 Esc 3 ↓ ↓ ↓ → Enter");
    desk.must_show(&[
        "Call read_data every 100ms until the token has expired,",
        "on orders.invalid (https://orders.invalid/mcp)?",
    ]);
    desk.keys("Enter");
    assert!(desk.app.drill.running.is_none());
    desk.keys("Enter →");
    assert!(desk.app.drill.running.is_some());
    desk.keys("Enter");
}

#[test]
fn a_server_whose_header_carries_the_credentials_is_not_probed() {
    let fake = Fake::new(|seen| (seen.rpc() == "tools/call").then(|| http(500, "", "")));
    let mut desk = connected(&fake, &[good()], 120, 36);
    desk.keys("F7 Esc 1 Enter Tab").types(&fake.url).keys("Tab Tab").types("Authorization: Bearer x").keys("Enter");
    desk.settles();
    desk.keys("F4 Esc 4 Enter");
    desk.must_show(&["the console sends no token to"]);
}

/// A server where `reader` may only read: it forbids writing, and hides `audit` from everyone but `boss`. It masks nothing.
fn with_roles(reader: &Arc<str>, boss: &Arc<str>) -> Fake {
    let (reader, boss) = (Arc::clone(reader), Arc::clone(boss));
    Fake::new(move |seen| {
        let (is_reader, is_boss) = (seen.token() == Some(&*reader), seen.token() == Some(&*boss));
        let tool = |name: &str, reads: bool| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": reads } });
        match (seen.rpc(), seen.body["params"]["name"].as_str()) {
            ("", _) => None,
            _ if !is_reader && !is_boss => Some(http(401, "WWW-Authenticate: Bearer\r\n", "{}")),
            ("tools/list", _) if is_boss => Some(seen.result(
                &json!({ "tools": [tool("read_data", true), tool("write_data", false), tool("audit", true)] }),
            )),
            ("tools/list", _) => {
                Some(seen.result(&json!({ "tools": [tool("read_data", true), tool("write_data", false)] })))
            }
            ("tools/call", Some("read_data" | "write_data")) if is_boss => None,
            ("tools/call", Some("audit")) if is_boss => None,
            ("tools/call", Some("read_data")) => None,
            ("tools/call", Some("write_data")) => {
                Some(http(403, "WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n", "{}"))
            }
            ("tools/call", _) => Some(seen.error(-32602, "Unknown tool", &json!(null))),
            _ => None,
        }
    })
}

/// A console with a reader, whom the policy here allows to write, and a boss, on the Matrix screen.
fn on_the_matrix(columns: u16, rows: u16) -> (Desk, Fake) {
    let holding = |user: &str, held: &str| {
        let (user_id, permissions) = (user.to_owned(), vec![held.to_owned()]);
        let expires = Some(now().plus(Span::HOUR));
        let request = IssueRequest { user_id, permissions, expires, ..IssueRequest::default() };
        signer().issue(&request, user, now()).expect("a token")
    };
    let (reader, boss) = (holding("reader", "user"), holding("boss", "admin"));
    let fake = with_roles(&reader, &boss);
    // The boss lists the tools: the reader does not see one of them.
    let mut desk = connected(&fake, &[boss, reader], columns, rows);
    desk.gate.shared().update(|state| state.set_signer(signer()));
    effects::sync(&mut desk.app, &desk.gate);
    desk.keys("F3 Esc 1");
    (desk, fake)
}

#[test]
fn the_matrix_of_a_server_has_its_tools_as_columns_and_two_marks_in_each_cell() {
    let (mut desk, fake) = on_the_matrix(120, 36);
    desk.must_show(&[
        "→ orders · by token · 3 × 3",
        "read_data",
        "write_data",
        "audit",
        "policy, then server: ✔ allowed",
    ]);
    // The policy here does not contain `audit`, and nothing has been called.
    desk.must_show(&["?· not called", "✔· allowed", "✘· forbidden"]);
    desk.keys("Enter").settles();
    desk.must_show(&["✔✔ allowed", "read_data on orders: predicted allowed; observed allowed"]);
    assert_eq!(fake.seen().iter().filter(|seen| seen.rpc() == "tools/call").count(), 1);
}

#[test]
fn a_column_is_called_with_every_token_after_one_question() {
    let (mut desk, fake) = on_the_matrix(120, 36);
    desk.keys("→ Ctrl-F");
    desk.must_show(&[
        "Call write_data on orders with 2 tokens and without one:",
        "3 calls? It may destroy something on the server.",
    ]);
    desk.keys("Esc").settles();
    assert!(fake.seen().iter().all(|seen| seen.rpc() != "tools/call"));
    desk.keys("Ctrl-F →").settles();
    desk.must_show(&["write_data: allowed for 1 of 3", "✔✔ allowed", "✘✘ forbidden", "–– unauth."]);
    // Each call is logged.
    assert_eq!(desk.app.auth.activity.newest().filter(|record| &*record.tool == "write_data").count(), 3);
}

#[test]
fn a_difference_is_counted_in_the_title_and_shown_loudly() {
    let (mut desk, _fake) = where_users_may_write();
    desk.keys("→ Ctrl-F →").settles();
    desk.must_show(&["1 differs · ", "✔≠✘ forbidden", "write_data: allowed for 1 of 3; 1 differs from the prediction"]);
    desk.keys("↓ ↓");
    desk.must_show(&["write_data on orders: predicted allowed; observed forbidden"]);
}

/// The Matrix screen where the policy here lets users write, but the server does not.
fn where_users_may_write() -> (Desk, Fake) {
    let (mut desk, fake) = on_the_matrix(120, 36);
    let policy = portcullis::auth::Policy::new([("read_data", ["user", "admin"]), ("write_data", ["user", "admin"])]);
    desk.gate.shared().update(|state| state.set_policy(Arc::new(policy)));
    effects::sync(&mut desk.app, &desk.gate);
    (desk, fake)
}

#[test]
fn differences_are_those_of_the_server_that_was_called() {
    let (mut desk, _fake) = where_users_may_write();
    desk.keys("→ Ctrl-F →");
    // Before it answers, another target is selected.
    desk.keys("F7 ↑ Enter").settles();
    assert!(desk.app.target().is_none());
    desk.must_show(&["write_data: allowed for 1 of 3; 1 differs from the prediction"]);
}

#[test]
fn a_tool_that_is_hidden_from_a_token_is_not_taken_for_a_forbidden_one() {
    let (mut desk, _fake) = on_the_matrix(120, 36);
    desk.keys("→ → Ctrl-F →").settles();
    desk.must_show(&["audit: allowed for 1 of 3", "?m masked"]);
}

#[test]
fn a_policy_is_written_from_what_was_observed_and_never_replaces_a_file() {
    let (mut desk, _fake) = on_the_matrix(120, 36);
    desk.keys("Ctrl-F →").settles();
    desk.keys("→ Ctrl-F →").settles();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("observed.toml");
    let file = path.to_string_lossy().into_owned();
    let write = |desk: &mut Desk| {
        desk.keys("Ctrl-P").types("write a policy from").keys("Enter").types(&file).keys("Enter");
    };
    write(&mut desk);
    let written = std::fs::read_to_string(&path).expect("a policy");
    let policy = portcullis::auth::Policy::parse(&written).expect("a valid policy");
    // What was not called is not guessed.
    assert_eq!(policy.tools().len(), 2);
    desk.must_show(&["not in the policy: "]);
    assert!(policy.parts().expectations.len() >= 4, "{written}");
    std::fs::write(&path, "kept").expect("written");
    write(&mut desk);
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "kept");
    assert!(desk.shows("exists"), "{}", desk.screen());
}

#[test]
fn an_expectation_needs_a_tool_of_the_policy() {
    let (mut desk, _fake) = on_the_matrix(120, 36);
    desk.keys("→ → Space");
    desk.must_show(&["audit is not in the policy; add it there first"]);
}

#[test]
fn a_drill_in_real_time_replaces_the_boundaries_that_were_found_before() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 3 Enter Enter").settles();
    desk.must_show(&["leeway after exp: "]);
    desk.keys("↓ ↓ ↓ → Enter");
    assert!(desk.app.drill.bounds.is_none());
    desk.must_show(&["Enter or Esc cancels it"]);
}

#[test]
fn a_removed_server_is_sent_nothing_more() {
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let fake = Fake::new(move |seen| {
        if seen.rpc() == "tools/call" {
            let _ = gate.lock().expect("no panic").recv();
        }
        None
    });
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 4 Enter");
    assert!(desk.app.run.is_some());
    desk.keys("F7 Esc 1 Enter Del");
    drop(go_on);
    desk.settles();
    assert!(desk.app.run.is_none() && desk.app.targets.foreign().is_empty());
    let calls = fake.seen().iter().filter(|seen| seen.rpc() == "tools/call").count();
    assert!(calls <= 1, "{calls}");
}

#[test]
fn the_matrix_of_a_server_fits_eighty_columns() {
    let (mut desk, _fake) = on_the_matrix(80, 24);
    desk.keys("→ Ctrl-F →").settles();
    desk.must_show(&["→ orders", "✔✔", "✘✘"]);
    assert!(desk.screen().lines().all(|line| portcullis::text::width(line) <= 80));
}

#[test]
fn in_shifted_time_the_boundaries_of_a_server_are_found_by_signing_tokens() {
    // It allows 30 s for differences between clocks.
    let fake = Fake::new(|seen| {
        let rules = portcullis::auth::Rules { leeway: portcullis::auth::Leeway::seconds(30), ..rules() };
        judged(seen, |token| rules.verify(token, now()).is_ok())
    });
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 3");
    desk.must_show(&["Drill  → orders"]);
    desk.keys("Enter").settles();
    desk.must_show(&["✔ leeway after exp: between 2", "✔ leeway before nbf: between "]);
}

#[test]
fn in_real_time_a_server_is_called_until_it_refuses_the_token() {
    let end = now().plus(Span::seconds(3));
    let short = {
        let request = IssueRequest { user_id: "drill".to_owned(), expires: Some(end), ..IssueRequest::default() };
        signer().issue(&request, "drill", now()).expect("a token")
    };
    // The server's clock is that of the test: its answer depends on the number of calls.
    let calls = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&calls);
    let fake = Fake::new(move |seen| {
        let is_late = seen.rpc() == "tools/call" && made.fetch_add(1, Ordering::SeqCst) >= 5;
        is_late.then(|| http(401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", "{}"))
    });
    let mut desk = connected(&fake, &[short], 120, 36);
    desk.keys("F4 Esc 3 ↓ ↓ ↓ → Enter").settles();
    for _ in 0..200 {
        if desk.app.drill.running.is_none() {
            break;
        }
        desk.waits(std::time::Duration::from_millis(100));
        desk.settles();
    }
    let found = desk.app.drill.found.as_ref().expect("a result");
    assert!(found.report.calls > 5 && found.report.first_refused.is_some(), "{:?}", found.report);
    assert!(found.judged_by[0].starts_with("the server at http://127.0.0.1:"));
    let records: Vec<_> = desk.app.auth.activity.newest().collect();
    assert!(records.iter().all(|record| record.origin == Origin::Drill));
}

/// The Matrix screen where the boss has listed the tools and then the reader.
fn as_the_reader(columns: u16, rows: u16) -> (Desk, Fake) {
    let (mut desk, fake) = on_the_matrix(columns, rows);
    desk.keys("Ctrl-↓ F7 Esc 1 Enter Space").settles();
    (desk, fake)
}

#[test]
fn a_tool_that_only_another_token_sees_is_chosen_and_called_with_its_example() {
    let (boss, reader) = (token("boss", "admin", &[]), token("reader", "user", &[]));
    let is_boss = Arc::clone(&boss);
    let fake = Fake::new(move |seen| {
        let schema = json!({ "type": "object", "properties": { "day": { "type": "integer" } }, "required": ["day"] });
        let audit = json!({ "name": "audit", "inputSchema": schema, "annotations": { "readOnlyHint": true } });
        let read = json!({ "name": "read_data", "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": true } });
        let tools = if seen.token() == Some(&*is_boss) { json!([read, audit]) } else { json!([read]) };
        (seen.rpc() == "tools/list").then(|| seen.result(&json!({ "tools": tools })))
    });
    let mut desk = connected(&fake, &[boss, reader], 120, 36);
    desk.keys("Ctrl-↓ F7 Esc 1 Enter Space").settles();
    desk.keys("Esc 4 Tab Shift-Tab → ");
    desk.must_show(&["‹ audit ›", "not listed for reader", "\"day\""]);
    desk.keys("Enter").settles();
    let call = fake.seen().into_iter().rfind(|seen| seen.rpc() == "tools/call").expect("a call");
    assert_eq!(call.body["params"]["arguments"], json!({ "day": 1 }));
    // The policy's tools can be chosen as well.
    desk.keys("→");
    desk.must_show(&["‹ write_data ›", "not listed for reader"]);
}

#[test]
fn a_column_that_nobody_has_listed_is_called_with_the_example_of_the_first_who_sees_it() {
    let (boss, reader) = (token("boss", "admin", &[]), token("reader", "user", &[]));
    let is_boss = Arc::clone(&boss);
    let fake = Fake::new(move |seen| {
        let schema = json!({ "type": "object", "properties": { "day": { "type": "integer" } }, "required": ["day"] });
        let tool = json!({ "name": "write_data", "inputSchema": schema });
        let tools = if seen.token() == Some(&*is_boss) { json!([tool]) } else { json!([]) };
        (seen.rpc() == "tools/list").then(|| seen.result(&json!({ "tools": tools })))
    });
    let mut desk = connected(&fake, &[reader, boss], 120, 36);
    desk.keys("F7 Esc 4");
    for _ in 0..4 {
        if &*desk.app.call.tool == "write_data" {
            break;
        }
        desk.keys("→");
    }
    desk.keys("Ctrl-F");
    desk.must_show(&["The server has not listed it"]);
    desk.keys("→").settles();
    let calls: Vec<_> = fake.seen().into_iter().filter(|seen| seen.rpc() == "tools/call").collect();
    let of_tool = calls.iter().filter(|seen| seen.body["params"]["name"] == "write_data");
    assert!(of_tool.clone().all(|seen| seen.body["params"]["arguments"] == json!({ "day": 1 })), "{calls:?}");
    assert_eq!(of_tool.count(), 3);
    // The form has it now, too.
    desk.must_show(&["\"day\""]);
}

#[test]
fn two_lists_mark_a_hidden_tool_without_a_call() {
    let (mut desk, fake) = as_the_reader(120, 36);
    desk.keys("F3 Esc 1 → →");
    desk.must_show(&["3 × 3 · 2 listed for reader", "?h hidden", "listed for another token only"]);
    assert!(fake.seen().iter().all(|seen| seen.rpc() != "tools/call"));
}

#[test]
fn the_message_after_a_column_counts_the_differences_of_that_column() {
    let (mut desk, _fake) = where_users_may_write();
    desk.keys("→ Ctrl-F →").settles();
    desk.must_show(&["write_data: allowed for 1 of 3; 1 differs from the prediction"]);
    desk.keys("← Ctrl-F →").settles();
    desk.must_show(&["read_data: allowed for 2 of 3"]);
    assert!(!desk.shows("read_data: allowed for 2 of 3;"), "{}", desk.screen());
}

#[test]
fn the_evidence_says_who_called_what_was_predicted_and_what_the_server_said() {
    let (mut desk, _fake) = where_users_may_write();
    desk.keys("→ Ctrl-F →").settles();
    desk.keys("Ctrl-B");
    let copied = desk.copied().to_owned();
    for text in [
        "| matrix of other servers | as the policy here predicts | 1 cell differs | ✘ no |",
        "### Differences from the policy here",
        "| orders | reader |",
        "| write\\_data | allowed | forbidden |",
        "| tool | predicted | decision |",
        "| reader | write\\_data | ALLOWED ≠ | FORBIDDEN |",
        "| boss | write\\_data | ALLOWED | ALLOWED |",
    ] {
        assert!(copied.contains(text), "{text} is not in {copied}");
    }
    assert!(!copied.contains("(HTTP 403) (HTTP 403"), "{copied}");
}

#[test]
fn own_calls_stay_in_the_copied_evidence_when_a_probe_makes_more_than_it_holds() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    desk.keys("F4 Esc 4 Enter").settles();
    desk.keys("Ctrl-B");
    let copied = desk.copied().to_owned();
    assert!(copied.contains("### Calls") && copied.contains("console to orders"), "{copied}");
    let left_out = "not listed; the command \"save the evidence to a file\" in the palette writes all calls.";
    assert!(copied.contains(left_out), "{copied}");
    desk.must_show(&["the evidence without"]);
    desk.must_show(&["save the evidence to a file"]);
}

#[test]
fn the_commands_in_the_evidence_repeat_what_was_done_at_the_server() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 4 → Enter").settles();
    desk.keys("F4 Esc 3 Enter").settles();
    desk.keys("F7 Esc 4 Enter").settles();
    desk.keys("Ctrl-B");
    let copied = desk.copied().to_owned();
    let (url, id) = (&fake.url, desk.app.selected().expect("a token").id);
    let probe = format!(
        "portcullis testkit --run --url {url} --tool read_data --quick --like \"$PORTCULLIS_TOKEN\"  # token {id}"
    );
    let drill = format!("--audience {RESOURCE} drill --url {url} --shifted -p user read_data");
    let why = format!("portcullis why --url {url} --tool read_data --arguments '{{\"id\":1}}'  # token {id}");
    for command in [probe, drill, why] {
        assert!(copied.contains(&command), "{command} is not in {copied}");
    }
    assert!(!copied.contains("settings have changed"), "{copied}");
    // They work in a shell, and the probe is the same one.
    let (_, commands) = copied.split_once("```sh\n").expect("commands");
    let (commands, _) = commands.split_once("\n```").expect("commands");
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().expect("a folder");
    for command in commands.lines() {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", command]).env_clear().env("PATH", folder).env("HOME", "/nonexistent");
        shell.env("PORTCULLIS_SECRET", super::SHARED_TEXT).env("PORTCULLIS_TOKEN", &*desk.token());
        let output = shell.output().expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}: {out}{err}");
        let card = desk.app.probe().and_then(|probe| probe.finished()).expect("a card");
        assert!(!command.contains("--run") || out.contains(&card.summary()), "{command}: {out}{err}");
    }
}

#[test]
fn a_probe_that_sends_its_token_in_an_unusual_way_is_not_logged_as_one_without_a_token() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 4 Enter").settles();
    let sent = |name: &str| {
        let found = desk.app.auth.activity.newest().find(|record| record.answered.sentence().starts_with(name));
        found.and_then(|record| record.answered.foreign().and_then(|answer| answer.sent))
    };
    assert_eq!(sent("bearer in lower case"), Some("lower-case bearer"));
    assert_eq!(sent("no token"), None);
    desk.keys("Esc 5");
    desk.must_show(&["lower-case be"]);
    let odd = desk.app.auth.activity.newest().filter(|record| record.token_id.is_none()).count();
    let said =
        desk.app.auth.activity.newest().filter(|r| r.answered.foreign().is_some_and(|answer| answer.sent.is_some()));
    assert!(said.count() + 1 >= odd);
}

#[test]
fn the_numbers_of_a_probe_add_up() {
    let fake = sound();
    let mut desk = connected(&fake, &[good()], 120, 36);
    desk.keys("F4 Esc 4");
    let planned = desk.app.planned_probes();
    desk.must_show(&[&format!("{planned} probes of read_data with tokens")]);
    desk.keys("Enter").settles();
    let card = desk.app.probe().and_then(|probe| probe.card.clone()).expect("a card");
    let left_out = card.rows.iter().filter(|row| row.observation.is_none()).count();
    desk.must_show(&[&format!("read_data: no failure in {} of {planned}", planned - left_out)]);
    desk.must_show(&[&format!("{left_out} probes left out: most need")]);
}

#[test]
fn a_column_says_how_far_it_is_and_the_call_that_was_cancelled_gets_a_row() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let fake = Fake::new(move |seen| {
        if seen.rpc() == "tools/call" && seen.token().is_some() {
            let _ = held.lock().expect("no panic").recv();
        }
        None
    });
    let mut desk = connected(&fake, &[good()], 120, 36);
    desk.keys("F3 Esc 1 Ctrl-F →");
    while desk.app.run.as_ref().is_some_and(|run| run.stored == 0) {
        desk.hears_progress();
    }
    desk.must_show(&["read_data: 1 of 2 called", "Esc cancels"]);
    assert!(crate::desk::eventually(|| fake.seen().iter().filter(|seen| seen.rpc() == "tools/call").count() == 2));
    desk.keys("Esc").settles();
    desk.must_show(&["the calls were cancelled; some may have taken effect"]);
    let newest = desk.app.auth.activity.newest().next().expect("a row").clone();
    assert_eq!((newest.answered.word(), newest.token_id), ("NO ANSWER", desk.app.selected().map(|entry| entry.id)));
    drop(release);
}

#[test]
fn esc_cancels_a_drill_as_the_screen_says() {
    let fake = sound();
    let mut desk = with_the_key(&fake, 120, 36);
    desk.keys("F4 Esc 3 ↓ ↓ ↓ → Enter");
    desk.must_show(&["Enter or Esc cancels it"]);
    desk.keys("Esc").settles();
    assert!(desk.app.drill.running.is_none());
}

#[test]
fn after_calls_with_every_token_why_explains_the_last_of_them() {
    let (mut desk, _fake) = on_the_matrix(120, 36);
    desk.keys("F7");
    desk.must_show(&["Why  orders · connecting"]);
    assert!(!desk.shows("answered the call"), "{}", desk.screen());
    desk.keys("F3 Esc 1 → Ctrl-F →").settles();
    desk.keys("F7");
    desk.must_show(&["write_data with every token, last reader", " FORBIDDEN "]);
}
