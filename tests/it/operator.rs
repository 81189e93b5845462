//! The Server screen: a workshop, from the start of the server to a token that is revoked.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use portcullis::app::frame_info::Target;
use portcullis::app::msg::ServerInfo;
use portcullis::app::pane::issue;
use portcullis::app::{Effect, Msg, update};
use portcullis::auth::{IssueRequest, KeyOrigin, Leeway, Rules, Signer};
use portcullis::endpoint::{CLIENTS, Files, TokenPlace};
use portcullis::server::ServeError;

use crate::desk::{Desk, SECRET, START};
use crate::serving::call_status;

/// A console that serves on a port of its own.
fn serving(columns: u16, rows: u16) -> (Desk, SocketAddr) {
    let mut desk = Desk::new(columns, rows);
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0").keys("Enter");
    let address = desk.serves_at().expect("it runs");
    (desk, address)
}

fn issue(desk: &mut Desk, user: &str, preset: usize) -> String {
    desk.keys("F2 Esc 1 Enter");
    desk.app.issue.apply_preset(preset);
    desk.types(user).keys("Enter");
    desk.app.selected().expect("it was issued").text().expect("it is held").to_string()
}

#[test]
fn a_workshop_from_the_start_to_a_revoked_token() {
    let (mut desk, address) = serving(120, 36);
    let uri = format!("http://{address}/mcp");
    desk.must_show(&[&format!("SERVING  {uri}"), "no clients have connected yet", "[ Enter: stop the server ]"]);
    desk.keys("F2").must_show(&[&uri]);
    let user = issue(&mut desk, "user123", 0);
    let admin = issue(&mut desk, "admin456", 1);
    assert_eq!(call_status(address, Some(&user), "write_data"), 403);
    assert_eq!(call_status(address, Some(&admin), "write_data"), 200);
    assert_eq!(call_status(address, None, "read_data"), 401);
    desk.waits(Duration::from_secs(1));
    desk.keys("F5").must_show(&[
        "3 clients",
        "calls/s  3",
        "user123           1 call       1 refused",
        "refused: 1 missing_token, 1 permission_missing",
        "write_data     FORBIDDEN",
        "client",
    ]);
    // Who called last stands above: no token, the administrator, the user.
    desk.keys("Esc 3 Down Down Enter").must_show(&["user123 is selected"]);
    desk.keys("Esc 2 Space").must_show(&["user123 revoked"]);
    assert_eq!(call_status(address, Some(&user), "read_data"), 401);
    assert_eq!(call_status(address, Some(&admin), "read_data"), 200);
    desk.waits(Duration::ZERO);
    desk.must_show(&["the token was revoked at"]);
    desk.keys("Space");
    assert_eq!(call_status(address, Some(&user), "read_data"), 200);
}

/// A token that somebody else has issued with the same key: known by its hash, so that it has a row and can be revoked,
/// and nothing here can misuse it.
#[test]
fn the_token_of_a_client_is_known_by_its_hash_and_can_be_revoked() {
    let (mut desk, address) = serving(120, 36);
    let request = IssueRequest {
        user_id: "visitor".to_owned(),
        permissions: vec!["user".to_owned()],
        audience: Some(format!("http://{address}/mcp")),
        ..IssueRequest::default()
    };
    let signer = desk.app.auth.signer.clone().expect("a key");
    let token = signer.issue(&request, "1", START).expect("a token").to_string();
    assert_eq!(call_status(address, Some(&token), "read_data"), 200);
    desk.waits(Duration::ZERO);
    desk.keys("Esc 3 Space").must_show(&["visitor revoked"]);
    assert_eq!(call_status(address, Some(&token), "read_data"), 401);
    desk.waits(Duration::ZERO);
    // The refused call is the newest row of Activity.
    desk.keys("Esc 5 Space").must_show(&["visitor restored"]);
    assert_eq!(call_status(address, Some(&token), "read_data"), 200);
    desk.waits(Duration::ZERO);
    desk.keys("F3").must_show(&["visitor", "✔"]);
    desk.keys("F2 Esc 3").must_show(&["used by a client", "permissions: user", "Used by a client"]);
    assert!(!desk.screen().contains(token.get(..20).expect("ASCII")) && desk.tokens() == 1);
    let before = desk.calls();
    desk.keys("Esc 4 Enter").must_show(&["ALLOWED", "only its hash is known"]);
    assert_eq!(desk.calls(), before, "nobody here can call with it");
    // With another key its signature would have to be checked again.
    desk.gate.shared().update(|state| state.set_signer(Signer::fresh().expect("a key")));
    assert_eq!(desk.gate.shared().read(|state| state.tokens().len()), 0);
    // Pasted, it is a token like any other.
    desk.gate.shared().update(|state| state.set_signer(signer));
    assert_eq!(call_status(address, Some(&token), "read_data"), 200);
    desk.pastes(&token).must_show(&["VALID"]);
    assert_eq!(desk.tokens(), 1);
}

#[test]
fn the_form_starts_stops_and_restarts() {
    let (mut desk, address) = serving(120, 36);
    desk.keys("Tab Tab Right").must_show(&["results that are errors", "restart the server"]);
    // On the address that it has: it is free again at once.
    desk.keys("Shift-Tab Shift-Tab Ctrl-U").types(&address.to_string()).keys("Enter");
    assert_eq!(desk.serves_at(), Some(address));
    let user = issue(&mut desk, "user123", 0);
    assert_eq!(call_status(address, Some(&user), "write_data"), 200, "the denial is a tool's result now");
    desk.keys("F5 Esc 1").must_show(&["[ Enter: stop the server ]"]);
    desk.keys("Enter").must_show(&["stopped: clients cannot connect", "[ Enter: start the server ]"]);
    assert!(desk.serves_at().is_none() && std::net::TcpStream::connect(address).is_err());
    // The audience goes with the server, and what Issue fills in with it.
    desk.keys("F2").must_show(&["audience     none"]);
}

/// A name that is looked up can take long, and so can calls that end.
#[test]
fn while_the_server_starts_or_stops_the_pane_says_so_and_enter_waits() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0");
    let enter = || Msg::Key("Enter".parse().expect("a key"));
    // What the console asks for is left undone.
    let asked = update(&mut desk.app, enter());
    assert!(matches!(asked.as_slice(), [Effect::Serve(_)]));
    desk.must_show(&["starting"]);
    assert!(update(&mut desk.app, enter()).is_empty());
    desk.must_show(&["the server is starting; try again"]);
    let listening = ServerInfo { uri: "http://127.0.0.1:1/mcp".into(), is_exposed: false };
    desk.tell(Msg::Served(Ok(listening))).must_show(&["SERVING  http://127.0.0.1:1/mcp"]);
    desk.keys("Tab Tab Right");
    let asked = update(&mut desk.app, enter());
    assert!(matches!(asked.as_slice(), [Effect::StopServing, Effect::Serve(_)]));
    desk.must_show(&["stopping"]).tell(Msg::ServingStopped).must_show(&["starting"]);
    desk.tell(Msg::Served(Err(ServeError::Client("no".to_owned())))).must_show(&["[ Enter: start the server ]"]);
    assert!(!desk.shows("starting"));
}

#[test]
fn what_cannot_be_started_is_said_and_nothing_is_lost() {
    let (first, address) = serving(120, 36);
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types(&address.to_string()).keys("Enter");
    desk.must_show(&[&format!("cannot listen on {address}: address already in use"), "[ Enter: start the server ]"]);
    desk.keys("Ctrl-U").types("nowhere").keys("Enter");
    desk.must_show(&["address: expected HOST:PORT such as 127.0.0.1:8640", "nowhere"]);
    drop(first);
}

#[test]
fn what_the_user_put_into_the_audience_stays() {
    let mut desk = Desk::new(120, 36);
    desk.clicks(Target::Field(issue::AUDIENCE)).types("mine");
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0").keys("Enter F2").must_show(&["audience     mine"]);
}

#[test]
fn a_client_is_told_everything_and_the_screen_hides_the_token() {
    let (mut desk, address) = serving(120, 36);
    let token = issue(&mut desk, "user123", 0);
    desk.keys("F5 Esc 4");
    for client in &CLIENTS {
        desk.must_show(&[client.word, client.usage.split(' ').next().expect("a word")]);
        assert!(!desk.shows(portcullis::text::head(&token, 40)), "others may look on");
        desk.keys("Enter");
        let Some(Effect::ToTerminal(text)) = desk.left.last() else { panic!("nothing was copied") };
        let text = text.as_str();
        assert_eq!(text.contains(&token), client.token != TokenPlace::Apart, "{text}");
        assert!(client.starts_server || text.contains(&format!("http://{address}/mcp")), "{text}");
        desk.keys("Right");
    }
    assert_eq!(desk.app.connect.client().word, CLIENTS[0].word, "they turn around");
}

/// The first rows say what to do with the text, and the last one where it goes on.
#[test]
fn every_client_can_be_read_in_the_smallest_usual_terminal() {
    let (mut desk, _) = serving(80, 24);
    issue(&mut desk, "user123", 0);
    desk.keys("F5 Esc 4");
    for client in &CLIENTS {
        desk.must_show(&[client.word, "Enter copies it"]);
        let caution = desk.shows("other users of this machine can see the token");
        assert_eq!(caution, client.token == TokenPlace::Argument, "{}", desk.screen());
        let lines = desk.app.client_instructions(Some("x")).lines().count();
        assert!(lines <= 11 || desk.shows("more"), "{}", desk.screen());
        desk.keys("Right");
    }
}

/// Turns Connect to the client with this word.
fn connect_to(desk: &mut Desk, word: &str) {
    desk.keys("F5 Esc 4");
    while desk.app.connect.client().word != word {
        desk.keys("Right");
    }
}

#[test]
fn a_server_of_its_own_gets_the_files_that_are_known_and_the_rest_is_said() {
    let mut desk = Desk::new(120, 36);
    connect_to(&mut desk, "stdio");
    desk.must_show(&["the key is not in a file"]);
    assert!(desk.app.client_instructions(None).contains("/path/to/secret"));
    assert!(!desk.shows("the server is not running yet"), "none has to run");

    let signer = Signer::hs256(SECRET, KeyOrigin::File).expect("a key");
    let rules = Rules { leeway: Leeway::seconds(90), ..Rules::new(&signer) };
    let mut desk = Desk::with(rules.with_issuer(Some("https://idp.example".into())), 120, 36);
    desk.gate.shared().update(|state| state.set_signer(signer));
    desk.tell(Msg::Woke);
    desk.app.connect.files = Files {
        secret: Some("/etc/gate secret".to_owned()),
        state: Some("/var/state.json".to_owned()),
        folder: "/srv".to_owned(),
    };
    desk.app.policy_file.path = "policy.toml".to_owned();
    connect_to(&mut desk, "stdio");
    assert_eq!(desk.app.client_cautions(), [""; 0]);
    let file: serde_json::Value = serde_json::from_str(&desk.app.client_instructions(None)).expect("JSON");
    let args: Vec<&str> = file["mcpServers"]["portcullis"]["args"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .collect();
    assert_eq!(
        args,
        [
            "serve",
            "--stdio",
            "--secret-file",
            "/etc/gate secret",
            "--policy",
            "/srv/policy.toml",
            "--state",
            "/var/state.json",
            "--issuer",
            "https://idp.example",
            "--leeway",
            "1m30s",
        ]
    );
    let options = portcullis::cli::Options::try_parse_from(["portcullis"].into_iter().chain(args));
    assert!(options.is_ok(), "the program takes what it tells others to give it: {options:?}");
}

#[test]
fn the_rate_falls_back_by_itself_and_then_nothing_wakes() {
    let (mut desk, address) = serving(120, 36);
    assert_eq!(call_status(address, None, "read_data"), 401);
    desk.waits(Duration::from_secs(1));
    desk.must_show(&["calls/s  1"]);
    desk.waits(Duration::from_secs(1));
    desk.must_show(&["calls/s  0"]);
    desk.waits(Duration::from_secs(70));
    assert_eq!(desk.app.next_change(), None);
}

#[test]
fn inspect_says_where_a_token_lacks_the_audience() {
    let (mut desk, address) = serving(120, 36);
    issue(&mut desk, "user123", 0);
    desk.keys("F5 Esc 1 Enter F2").must_show(&["VALID"]);
    let bare = issue(&mut desk, "bare", 0);
    desk.keys("F5 Shift-Tab").types(&address.to_string()).keys("Enter F2");
    desk.must_show(&["the token has no audience (aud)"]);
    assert_eq!(call_status(address, Some(&bare), "read_data"), 401);
    // What the server accepts of its clients changes nothing about the rules that everything here is judged by.
    desk.keys("F5 Esc 1 Right Enter F2").must_show(&[
        "no aud: the token is not bound to a",
        "INVALID",
        "audience_mismatch",
    ]);
    assert_eq!(call_status(address, Some(&bare), "read_data"), 200);
}

#[test]
fn clients_are_judged_by_the_real_time_whatever_the_clock_shows() {
    let (mut desk, address) = serving(120, 36);
    let user = issue(&mut desk, "user123", 0);
    desk.keys("F4 Esc 2 Space Tab Tab").types("+2h").keys("Enter F2").must_show(&["CLOCK FROZEN", "EXPIRED"]);
    assert_eq!(call_status(address, Some(&user), "read_data"), 200);
    desk.waits(Duration::ZERO);
    assert!(desk.shows("ALLOWED") && !desk.shows("ALLOWED±"), "{}", desk.screen());
}

#[test]
fn a_weak_key_where_others_reach_it_is_refused_and_later_told() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types("0.0.0.0:0").keys("Enter").must_show(&["SERVING"]);
    assert!(!desk.shows("weak key"));
    desk.keys("Ctrl-P").types("type another").keys("Enter").types("my-secret").keys("Enter");
    desk.must_show(&["weak key exposed"]);
    desk.keys("Esc 1 Enter").must_show(&["stopped"]);
    assert!(!desk.shows("weak key exposed"));
    desk.keys("Enter").must_show(&["is reachable from other"]);
}
