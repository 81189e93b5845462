//! The console with servers of others: adding, connecting, calling, cancelling, and what is shown of all that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use portcullis::app::screen::Screen;
use portcullis::app::targets::Link;
use portcullis::auth::{IssueRequest, KeyOrigin, Signer};
use portcullis::gate::Provenance;
use portcullis::text::{Span, width};
use serde_json::{Value, json};

use super::fake::{Fake, PAUSE, Seen, events, http};
use super::now;
use crate::desk::{Desk, SECRET, eventually};

/// A token for an hour that is valid here.
fn token(user: &str, permission: &str) -> Arc<str> {
    let signer = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let request = IssueRequest {
        user_id: user.to_owned(),
        permissions: vec![permission.to_owned()],
        expires: Some(now().plus(Span::HOUR)),
        ..IssueRequest::default()
    };
    signer.issue(&request, "a-jti", now()).expect("a token")
}

/// A console with a token, in which this server was added by its URL and connected.
fn connected(fake: &Fake, columns: u16, rows: u16) -> Desk {
    let mut desk = console(columns, rows);
    add(&mut desk, &fake.url, "orders");
    desk
}

fn console(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    let good = token("user123", "user");
    desk.clock.set(now());
    desk.gate.shared().update(|state| state.add(good, Provenance::Pasted, now()));
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Esc 2 Ctrl-↓");
    desk
}

/// Types an address and a name into the fields of the pane, and waits for the connection.
fn add(desk: &mut Desk, address: &str, name: &str) {
    desk.keys("F7 Esc 1 Enter Tab").types(address).keys("Tab").types(name).keys("Enter").settles();
}

fn calls(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.rpc() == "tools/call").collect()
}

/// A server that does not answer a call until the sender is dropped.
fn that_never_answers_a_call() -> (mpsc::Sender<()>, Fake) {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let fake = Fake::new(move |seen| {
        if seen.rpc() == "tools/call" {
            let _ = held.lock().expect("no panic").recv();
            return Some(String::new());
        }
        None
    });
    (release, fake)
}

fn read_only(names: &[&str]) -> Value {
    let tool = |name: &&str| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": true } });
    json!({ "tools": names.iter().map(tool).collect::<Vec<_>>() })
}

#[test]
fn a_server_is_added_by_its_url_and_its_tools_are_listed_with_the_selected_token() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 120, 36);
    assert_eq!(desk.app.screen, Screen::Targets);
    desk.must_show(&[
        "orders",
        " connected ",
        "2 tools",
        "2025-06-18, no session",
        "fake 1",
        "2 listed for user123; 1 entry without a usable",
    ]);
    let listing = fake.seen().into_iter().find(|seen| seen.rpc() == "tools/list").expect("a listing");
    assert_eq!(listing.token(), Some(&*desk.token()));
    // Call follows: the tool, its schema and the target's name.
    desk.must_show(&["→ orders", "‹ read_data ›"]);
    // The explanation of the last answer.
    desk.must_show(&[" ALLOWED  HTTP 200", "the server accepts this token"]);
}

#[test]
fn a_tool_that_only_reads_is_called_at_once_and_another_one_asks_first() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    assert_eq!(calls(&fake).len(), 1);
    desk.must_show(&[" ALLOWED  HTTP 200", "the server ran read_data with this token"]);
    let record = desk.app.auth.activity.newest().next().expect("it is logged");
    let answer = record.answered.foreign().expect("a foreign answer");
    assert_eq!(
        (&*answer.target, answer.status, record.token_id),
        ("orders", Some(200), desk.app.selected().map(|e| e.id))
    );
    desk.keys("→ Enter");
    desk.must_show(&["Call write_data on orders? It may destroy something on"]);
    desk.keys("Esc").settles();
    assert_eq!(calls(&fake).len(), 1);
    desk.keys("Enter → ").settles();
    assert_eq!(calls(&fake).len(), 2);
}

#[test]
fn a_denial_is_explained_and_compared_with_the_prediction() {
    let fake = Fake::new(|seen| {
        let challenge = "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"orders:read\"\r\n";
        let date = "Date: Sun, 22 Nov 2026 20:40:00 GMT\r\n";
        (seen.rpc() == "tools/call").then(|| http(403, &format!("{challenge}{date}"), "{}"))
    });
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    desk.must_show(&[" FORBIDDEN  HTTP 403", "orders:read"]);
    // The policy here allows read_data to user123: the difference is said.
    desk.keys("Esc 3");
    desk.must_show(&["the prediction differs: here the call is allowed"]);
    desk.keys("Ctrl-Y");
    assert!(desk.copied().starts_with("FORBIDDEN: "), "{}", desk.copied());
    // The record and the evidence name the target, the status and the server's time.
    desk.keys("Esc 5 Enter");
    desk.must_show(&[
        "HTTP status: 403",
        "server time: 2026-11-22T20:40:00Z",
        "from the console to orders",
        "(http://127.0.0.1:",
    ]);
    desk.keys("Esc Ctrl-B");
    let evidence = desk.copied().to_owned();
    for text in ["HTTP 403", "server time 2026-11-22T20:40:00Z", "orders", "portcullis why --url http://127.0.0.1:"] {
        assert!(evidence.contains(text), "{text}: {evidence}");
    }
}

#[test]
fn a_server_that_refuses_the_first_token_is_connected_with_another() {
    let bad = token("expired", "user");
    let refused = Arc::clone(&bad);
    let fake = Fake::new(move |seen| {
        let challenge = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
        (seen.token() == Some(&refused)).then(|| http(401, challenge, "{}"))
    });
    let mut desk = console(120, 36);
    desk.gate.shared().update(|state| state.add(bad, Provenance::Pasted, now()));
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Ctrl-↓");
    add(&mut desk, &fake.url, "");
    desk.must_show(&[" failed ", " UNAUTHORIZED  HTTP 401"]);
    assert!(matches!(desk.app.target().expect("selected").link, Link::Failed(_)));
    desk.keys("Ctrl-↑ Enter").settles();
    desk.must_show(&[" connected ", "2 tools"]);
    // The name is that of the host.
    desk.must_show(&["127.0.0.1:"]);
}

#[test]
fn a_call_without_an_answer_shows_the_seconds_and_esc_cancels_it() {
    let (release, fake) = that_never_answers_a_call();
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter");
    desk.must_show(&["calling… ⠋ 0 s; Esc cancels", "Esc cancel"]);
    desk.waits(Duration::from_secs(3));
    desk.must_show(&["calling… ⠴ 3 s"]);
    // A second call has to wait.
    desk.keys("Enter");
    desk.must_show(&["a call is waiting for its answer; Esc cancels it"]);
    desk.keys("Esc").settles();
    desk.must_show(&[" NO ANSWER ", "the call was cancelled; it may have taken effect"]);
    drop(release);
    let is_told = || fake.seen().iter().any(|seen| seen.rpc() == "notifications/cancelled");
    assert!(eventually(is_told), "the server was not told");
    // The console goes on: the next call makes a connection of its own.
    assert_eq!(desk.calls(), 1);
    desk.keys("Enter Esc").settles();
    assert_eq!(desk.calls(), 2);
}

#[test]
fn esc_ends_the_search_for_the_reason_of_a_denial_and_the_denial_is_shown() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let fake = Fake::new(move |seen| {
        if seen.path.contains("/.well-known/") {
            let _ = held.lock().expect("no panic").recv();
            let resource = format!("http://{}/mcp", seen.header("host").unwrap_or_default());
            let metadata = json!({ "resource": resource, "authorization_servers": ["https://id.example"] });
            return Some(http(200, "", &metadata.to_string()));
        }
        let challenge = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
        (seen.rpc() == "tools/call").then(|| http(401, challenge, "{}"))
    });
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter");
    assert!(eventually(|| fake.seen().iter().any(|seen| seen.path.contains("/.well-known/"))));
    desk.keys("Esc");
    drop(release);
    desk.settles();
    desk.must_show(&[" UNAUTHORIZED  HTTP 401"]);
    desk.keys("Esc 3");
    let reason = "the token has no `aud`";
    assert!(!desk.screen().contains(reason), "{}", desk.screen());
    // Without Esc, the reason is found.
    desk.keys("Esc 4 Enter").settles();
    desk.must_show(&[reason]);
}

#[test]
fn esc_cancels_connections_one_by_one_and_that_is_no_answer_of_the_server() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let fake = Fake::new(move |_| {
        let _ = held.lock().expect("no panic").recv();
        None
    });
    let mut desk = console(120, 36);
    desk.keys("F7 Esc 1 Enter");
    for name in ["one", "two"] {
        desk.keys("Tab").types(&fake.url).keys("Tab").types(name).keys("Enter");
    }
    let connecting = |desk: &Desk| desk.app.targets.foreign().iter().filter(|one| one.connecting().is_some()).count();
    assert_eq!(connecting(&desk), 2);
    // Neither is selected.
    desk.keys("↑ ↑ Enter Esc").settles_one();
    assert_eq!(connecting(&desk), 1);
    desk.keys("Esc").settles();
    assert_eq!(connecting(&desk), 0);
    desk.must_show(&["connecting was cancelled"]);
    assert!(desk.app.targets.foreign().iter().all(|one| one.link == Link::Unconnected && one.why.is_none()));
    drop(release);
}

#[test]
fn servers_on_one_host_have_different_names_in_the_list_and_in_the_log() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    add(&mut desk, &fake.url, "");
    add(&mut desk, &fake.url, "");
    let names: Vec<String> = desk.app.targets.foreign().iter().map(|one| one.facts.name.to_string()).collect();
    assert_eq!(names[1], format!("{} 2", names[0]));
    desk.keys("Esc 4 Enter").settles();
    let record = desk.app.auth.activity.newest().next().expect("it is logged");
    assert_eq!(*record.answered.foreign().expect("a foreign answer").target, *names[1]);
}

#[test]
fn progress_is_shown_as_the_server_reports_it() {
    let (go_on, gate) = mpsc::channel::<()>();
    let answer = |seen: &Seen| {
        if seen.rpc() != "tools/call" {
            return None;
        }
        let progress = |done: u64| {
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {
                "progressToken": seen.body["params"]["_meta"]["progressToken"], "progress": done, "total": 10, "message": "reading",
            }})
        };
        let answer = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": { "content": [] } });
        Some(events(&[progress(4), answer]).replacen("\n\nevent", &format!("\n\n{PAUSE}event"), 1))
    };
    let fake = Fake::pausing(answer, gate);
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter").hears_progress();
    desk.must_show(&["progress 4 of 10: reading"]);
    go_on.send(()).expect("it waits");
    desk.settles();
    desk.must_show(&[" ALLOWED "]);
}

#[test]
fn a_connection_that_is_lost_keeps_the_history_and_the_next_call_makes_another() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let fake = Fake::new(move |_| down.load(Ordering::SeqCst).then(String::new));
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    is_down.store(true, Ordering::SeqCst);
    desk.keys("Enter").settles();
    desk.must_show(&[" failed ", " NO ANSWER ", "2 tools"]);
    is_down.store(false, Ordering::SeqCst);
    desk.keys("Enter").settles();
    desk.must_show(&[" connected ", " ALLOWED "]);
    assert_eq!(desk.calls(), 3);
}

#[test]
fn an_answer_of_four_megabytes_is_shown_by_its_beginning_and_in_full() {
    let fake =
        Fake::new(|seen| (seen.rpc() == "tools/call").then(|| seen.text(&"line of text\n".repeat(330_000), false)));
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    desk.must_show(&[" ALLOWED ", "text, 4.0 MiB", "shows the whole answer"]);
    desk.keys("PgDn");
    desk.must_show(&["line of text"]);
    let record = desk.app.auth.activity.newest().next().expect("logged");
    assert!(record.answer.len() <= 4096 && record.answer.cut() > 4_000_000);
}

#[test]
fn five_hundred_tools_with_strange_names_are_listed_and_chosen() {
    let names: Vec<String> =
        (0..500).map(|n| format!("{}{n}", ["\u{202e}evil", "a b\n", "\u{1b}[31m", "🦀"][n % 4])).collect();
    let list = read_only(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let fake = Fake::new(move |seen| (seen.rpc() == "tools/list").then(|| seen.result(&list)));
    let mut desk = connected(&fake, 80, 24);
    desk.must_show(&["500 tools"]);
    desk.keys("Esc 4 Tab");
    for _ in 0..8 {
        desk.keys("→");
        let screen = desk.screen();
        assert!(!screen.contains(['\u{202e}', '\u{1b}']));
        assert!(screen.lines().all(|line| width(line) <= 80), "{screen}");
    }
    desk.keys("Enter").settles();
    let called = calls(&fake);
    assert_eq!(called[0].body["params"]["name"].as_str(), Some(&*desk.app.call.tool));
}

#[test]
fn a_removed_server_comes_back_with_undo() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 1 Enter Del");
    assert!(desk.app.targets.foreign().is_empty() && desk.app.target().is_none());
    desk.must_show(&["orders removed; Ctrl-7 restores it", "● our own gate"]);
    desk.keys("Ctrl-7");
    assert_eq!(desk.app.targets.foreign().len(), 1);
    desk.keys("↓ Enter").settles();
    desk.must_show(&[" connected "]);
    desk.keys("Ctrl-7");
    assert!(desk.app.targets.foreign().is_empty());
}

#[test]
fn our_own_gate_is_selected_again_with_its_tools() {
    let fake = Fake::new(|seen| (seen.rpc() == "tools/list").then(|| seen.result(&read_only(&["other"]))));
    let mut desk = connected(&fake, 120, 36);
    desk.must_show(&["‹ other ›", "not in the policy here"]);
    desk.keys("Esc 1 Enter ↑ Enter");
    desk.must_show(&["calls go to our own gate", "‹ read_data ›"]);
    desk.keys("Esc 4 Enter").settles();
    assert!(calls(&fake).is_empty());
    let record = desk.app.auth.activity.newest().next().expect("logged");
    assert!(record.answered.foreign().is_none());
}

#[test]
fn what_cannot_be_a_target_is_said_and_stays_in_the_field() {
    let mut desk = console(120, 36);
    for (address, said) in [
        ("ftp://host/mcp", "expected an http or https URL, got one with the scheme ftp"),
        ("http://user:secret@host/mcp", "the URL contains a user name or a password"),
        ("nonsense", "nonsense is not a URL"),
    ] {
        desk.keys("F7 Esc 1 Enter Tab").types(address).keys("Enter");
        desk.must_show(&[said]);
        assert_eq!(desk.app.targets_pane.address.text(), address);
        assert!(desk.app.targets.foreign().is_empty());
        for _ in address.chars() {
            desk.keys("Backspace");
        }
    }
}

#[test]
fn a_header_is_sent_to_the_server_and_its_value_is_not_shown() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    desk.keys("F7 Esc 1 Enter Tab").types(&fake.url).keys("Tab Tab").types("X-Tenant: blue").keys("Enter").settles();
    assert!(
        fake.seen().iter().filter(|seen| seen.method == "POST").all(|seen| seen.header("x-tenant") == Some("blue"))
    );
    assert!(!desk.shows("blue"));
}

#[test]
fn the_value_of_a_header_cannot_be_read_while_it_is_typed() {
    let mut desk = console(120, 36);
    desk.keys("F7 Esc 1 Enter ↓ Tab Tab").types("Authorization: Bearer opensesame");
    assert!(desk.shows("Authorization: •••••• ••") && !desk.shows("opensesame"), "{}", desk.screen());
    desk.keys("Ctrl-U").types("X-Key: env:THE_KEY");
    desk.must_show(&["X-Key: env:THE_KEY"]);
}

#[test]
fn a_token_gets_a_connection_of_its_own_and_at_most_eight_stay_open() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&sessions);
    let fake = Fake::new(move |seen| {
        if seen.rpc() == "initialize" {
            opened.fetch_add(1, Ordering::SeqCst);
        }
        None
    });
    let mut desk = console(120, 36);
    for n in 0..10 {
        let more = token(&format!("user{n}"), "user");
        desk.gate.shared().update(|state| state.add(more, Provenance::Pasted, now()));
    }
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    add(&mut desk, &fake.url, "orders");
    desk.keys("Esc 4");
    assert_eq!(sessions.load(Ordering::SeqCst), 1);
    desk.keys("Enter Enter").settles();
    desk.keys("Enter").settles();
    // The connection of the list is used for the calls.
    assert_eq!(sessions.load(Ordering::SeqCst), 1);
    for _ in 0..9 {
        desk.keys("Ctrl-↓ Enter").settles();
    }
    assert_eq!(sessions.load(Ordering::SeqCst), 10);
    // The first one was closed, the last one was not.
    desk.keys("Enter").settles();
    assert_eq!(sessions.load(Ordering::SeqCst), 10);
    for _ in 0..9 {
        desk.keys("Ctrl-↑");
    }
    desk.keys("Enter").settles();
    assert_eq!(sessions.load(Ordering::SeqCst), 11);
}

#[test]
fn a_pasted_url_waits_in_the_field_until_enter() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    desk.keys("F2 Esc 5").pastes(&format!("{}\n", fake.url));
    desk.must_show(&["Enter adds this server as a target", &fake.url]);
    assert!(fake.seen().is_empty() && desk.app.targets.foreign().is_empty());
    desk.keys("Enter").settles();
    desk.must_show(&[" connected "]);
}

#[test]
fn a_pasted_token_stays_on_the_screen_of_the_targets() {
    let mut desk = console(80, 24);
    desk.keys("F7 Esc 1").pastes(&token("another", "user"));
    assert_eq!(desk.app.screen, Screen::Targets);
    desk.must_show(&["another"]);
}

#[test]
fn a_token_with_other_claims_than_ours_is_predicted_by_them() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    let scoped =
        crate::forge::sign_with(r#"{"alg":"HS256"}"#, r#"{"sub":"alice","scope":"user","exp":4102444800}"#, SECRET);
    desk.gate.shared().update(|state| state.add(scoped, Provenance::Pasted, now()));
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Ctrl-↓");
    add(&mut desk, &fake.url, "orders");
    desk.must_show(&[" ALLOWED  predicted; the server decides"]);
    desk.keys("Esc 4 Enter").settles();
    assert!(!desk.shows("the prediction differs"), "{}", desk.screen());
    // Its scope does not allow writing.
    desk.keys("→").must_show(&[" FORBIDDEN  predicted; the server decides"]);
}

#[test]
fn enter_does_not_close_a_question_that_it_does_not_answer() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 80, 24);
    desk.keys("Esc 4 → Enter Enter");
    desk.must_show(&["Call write_data on orders?", "not done; → to call it, Esc to decline", "→ call it"]);
    assert!(!desk.shows("←→ call it") && calls(&fake).is_empty(), "{}", desk.screen());
    desk.keys("→").settles();
    assert_eq!(calls(&fake).len(), 1);
}

#[test]
fn a_call_is_loaded_for_the_server_that_it_went_to() {
    let (orders, billing) = (Fake::new(|_| None), Fake::new(|_| None));
    let mut desk = connected(&orders, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    add(&mut desk, &billing.url, "billing");
    desk.must_show(&["→ billing"]);
    desk.keys("Esc 5 Enter Enter");
    desk.must_show(&["→ orders", "calls go to orders, like the one that was loaded"]);
    // Undo brings the other one back.
    desk.keys("Ctrl-7");
    desk.must_show(&["→ billing"]);
    // A server that is gone is named.
    desk.keys("F7 Esc 1 Enter ↑ Del Esc 5 Enter Enter");
    desk.must_show(&["orders is no longer in Targets; this call would go to"]);
}

#[test]
fn call_shows_the_last_answer_of_the_selected_server() {
    let (orders, billing) = (Fake::new(|_| None), Fake::new(|_| None));
    let mut desk = connected(&orders, 120, 36);
    desk.keys("Esc 4 Enter").settles();
    desk.must_show(&["last: "]);
    add(&mut desk, &billing.url, "billing");
    assert!(!desk.shows("last: "), "{}", desk.screen());
    desk.keys("Esc 4 Enter").settles();
    desk.must_show(&["last: ", "· billing"]);
    desk.keys("Esc 1 Enter ↑ Enter").settles();
    desk.must_show(&["last: ", "· orders"]);
}

#[test]
fn a_server_that_cannot_be_reached_offers_no_tools_of_another() {
    let fake = Fake::new(|seen| (seen.rpc() == "tools/list").then(|| seen.result(&read_only(&["big"]))));
    let mut desk = connected(&fake, 120, 36);
    desk.must_show(&["‹ big ›"]);
    add(&mut desk, "http://127.0.0.1:9/mcp", "nowhere");
    assert!(!desk.shows("big"), "{}", desk.screen());
}

#[test]
fn a_server_that_gets_no_token_is_not_predicted_and_call_says_so() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    desk.keys("F7 Esc 1 Enter Tab").types(&fake.url).keys("Tab Tab").types("Authorization: Bearer x").keys("Enter");
    desk.settles();
    desk.must_show(&["not sent to this server", "this server gets no token from here"]);
    desk.keys("Esc 4 → Enter →").settles();
    assert!(!desk.shows("the prediction differs") && !desk.shows("predicted; the"), "{}", desk.screen());
}

#[test]
fn who_may_speaks_of_our_own_gate() {
    let fake = Fake::new(|seen| (seen.rpc() == "tools/list").then(|| seen.result(&read_only(&["other"]))));
    let mut desk = connected(&fake, 120, 36);
    desk.keys("F3 Esc 3");
    desk.must_show(&["Who may  of our own gate", "by the policy of our own gate", "other is not in the policy here"]);
}

#[test]
fn esc_cancels_a_call_at_once_also_from_a_field_of_the_form() {
    let (release, fake) = that_never_answers_a_call();
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 Tab Tab Enter 7 Enter");
    desk.must_show(&["calling…", "Esc cancels"]);
    desk.keys("Esc").settles();
    desk.must_show(&[" NO ANSWER ", "the call was cancelled"]);
    drop(release);
}

#[test]
fn a_server_that_needs_a_token_names_the_key_that_selects_one() {
    let fake = Fake::new(|seen| seen.token().is_none().then(|| http(401, "WWW-Authenticate: Bearer\r\n", "{}")));
    let mut desk = console(120, 36);
    desk.keys("Ctrl-↑");
    assert!(desk.app.selected().is_none());
    add(&mut desk, &fake.url, "orders");
    desk.must_show(&["Ctrl-↓ selects a token"]);
}

#[test]
fn the_keys_that_answer_a_question_are_shown_in_every_size() {
    let fake = Fake::new(|_| None);
    for (columns, rows) in [(80, 24), (60, 18), (40, 12)] {
        let mut desk = connected(&fake, columns, rows);
        desk.keys("F3 Esc 4 → F3 Esc 1 Enter → Ctrl-F");
        assert_eq!(desk.app.overlays.len(), 1);
        let screen = desk.screen();
        let inside = screen.lines().filter(|line| line.contains("Esc no") && line.contains("send them"));
        assert!(inside.count() >= 1, "{columns}x{rows}:\n{screen}");
        desk.keys("Esc Ctrl-C");
        assert!(desk.screen().lines().any(|line| line.contains("Enter quit   Esc no")), "{}", desk.screen());
        desk.keys("Esc Ctrl-P").types("save the evidence").keys("Enter");
        desk.must_show(&["a new file; "]);
        assert!(desk.screen().contains("Markdown"), "{columns}x{rows}:\n{}", desk.screen());
        desk.keys("Esc");
    }
}

#[test]
fn what_is_done_with_servers_is_found_in_the_palette() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 120, 36);
    for (typed, found) in [
        ("fill", "call with every token and without one"),
        ("call with every token", "call with every token and without one"),
        ("cancel", "cancel the call"),
        ("connect", "connect the selected server"),
        ("add a server", "add a server by its URL"),
    ] {
        desk.keys("Ctrl-P").types(typed);
        desk.must_show(&[found]);
        desk.keys("Esc");
    }
    desk.keys("Ctrl-P").types("gate probe").keys("Enter");
    assert!(desk.app.run.is_some());
    desk.keys("Ctrl-P").types("cancel").keys("Enter").settles();
    assert!(desk.app.run.is_none());
    desk.keys("Ctrl-P").types("add a server").keys("Enter");
    assert_eq!(desk.app.screen, Screen::Targets);
    // Del removes only a row of the list.
    assert!(!desk.shows("Del remove"), "{}", desk.screen());
}

#[test]
fn a_server_is_named_afterwards() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    add(&mut desk, &fake.url, "");
    desk.keys("Ctrl-N");
    desk.must_show(&["name the server"]);
    desk.keys("Ctrl-U").types("orders").keys("Enter");
    desk.must_show(&["→ orders"]);
    desk.keys("Esc 4 Enter").settles();
    let record = desk.app.auth.activity.newest().next().expect("logged");
    assert_eq!(&*record.answered.foreign().expect("a foreign answer").target, "orders");
    desk.keys("Ctrl-7");
    desk.must_show(&["→ 127.0.0.1:", "Undone: naming a server"]);
}

#[test]
fn the_details_of_a_call_with_every_token_show_the_token_and_the_answer_once() {
    let fake = Fake::new(|seen| {
        (seen.rpc() == "tools/call" && seen.token().is_some()).then(|| seen.text("first line\nsecond line", true))
    });
    let mut desk = connected(&fake, 120, 36);
    desk.keys("F3 Esc 1 Ctrl-F →").settles();
    desk.keys("Esc 5 Enter");
    let id = desk.app.selected().expect("a token").id.to_string();
    desk.must_show(&[&id, "user123", "first line"]);
    let screen = desk.screen();
    assert!(!screen.contains("\"observed\"") && !screen.contains("u{a}"), "{screen}");
    assert_eq!(screen.matches("second line").count(), 1, "{screen}");
}

#[test]
fn a_repeated_call_asks_again_and_goes_to_the_same_server() {
    let fake = Fake::new(|_| None);
    let mut desk = connected(&fake, 120, 36);
    desk.keys("Esc 4 → Enter →").settles();
    desk.keys("Ctrl-O");
    desk.must_show(&["Call write_data on orders?"]);
    desk.keys("→").settles();
    assert_eq!(calls(&fake).len(), 2);
    // Our own gate has a last call of its own.
    desk.keys("Esc 1 Enter ↑ Enter Ctrl-O");
    desk.must_show(&["no call to repeat yet"]);
}

#[test]
fn a_call_with_the_credentials_of_a_header_is_not_logged_as_one_without_a_token() {
    let fake = Fake::new(|_| None);
    let mut desk = console(120, 36);
    desk.keys("F7 Esc 1 Enter Tab").types(&fake.url).keys("Tab Tab").types("Authorization: Bearer x").keys("Enter");
    desk.settles().keys("Esc 4 Enter").settles();
    desk.keys("Esc 5");
    desk.must_show(&["own credentia"]);
    assert!(desk.app.auth.activity.newest().next().is_some_and(|record| record.token_id.is_none()));
    desk.keys("Ctrl-B");
    let why = format!("portcullis why --url {} --tool read_data", fake.url);
    let copied = desk.copied();
    assert!(copied.contains(&why) && copied.contains("--header 'Authorization: env:CREDENTIALS'"), "{copied}");
    assert!(!copied.contains("--no-token"), "{copied}");
}
