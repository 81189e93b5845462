//! The Server screen: a workshop, from starting the server to revoking a token.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use portcullis::app::frame_info::Target;
use portcullis::app::msg::ServerInfo;
use portcullis::app::pane::issue;
use portcullis::app::{Effect, Msg, update};
use portcullis::auth::{IssueRequest, KeyOrigin, Leeway, Rules, Signer};
use portcullis::endpoint::{CLIENTS, Files, TokenPlace};
use portcullis::look::ThemeChoice;
use portcullis::server::ServeError;

use crate::desk::{Desk, SECRET, START};
use crate::serving::{call_status, call_status_as};

/// A console that serves on its own port.
fn serving(columns: u16, rows: u16) -> (Desk, SocketAddr) {
    let mut desk = Desk::new(columns, rows);
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0").keys("Enter");
    let address = desk.serves_at().expect("the server is running");
    (desk, address)
}

fn issue(desk: &mut Desk, user: &str, preset: usize) -> String {
    desk.keys("F2 Esc 1 Enter");
    desk.app.issue.apply_preset(preset);
    desk.types(user).keys("Enter");
    desk.app.selected().expect("an issued token").text().expect("its text").to_string()
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
    // The latest callers are listed first: no token, the administrator, the user.
    desk.keys("Esc 3 Down Down Enter").must_show(&["user123 is selected"]);
    desk.keys("Esc 2 Space").must_show(&["user123 revoked"]);
    assert_eq!(call_status(address, Some(&user), "read_data"), 401);
    assert_eq!(call_status(address, Some(&admin), "read_data"), 200);
    desk.waits(Duration::ZERO);
    desk.must_show(&["the token was revoked at"]);
    desk.keys("Space");
    assert_eq!(call_status(address, Some(&user), "read_data"), 200);
}

/// A token issued elsewhere with the same key is known only by its hash: it has a row and can be revoked, but the
/// console cannot use it.
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
    assert_eq!(desk.calls(), before, "the console cannot call with it");
    // With another key its signature would have to be verified again.
    desk.gate.shared().update(|state| state.set_signer(Signer::fresh().expect("a key")));
    assert_eq!(desk.gate.shared().read(|state| state.tokens().len()), 0);
    // Once pasted, it is an ordinary token.
    desk.gate.shared().update(|state| state.set_signer(signer));
    assert_eq!(call_status(address, Some(&token), "read_data"), 200);
    desk.pastes(&token).must_show(&["VALID"]);
    assert_eq!(desk.tokens(), 1);
}

#[test]
fn the_form_starts_stops_and_restarts_the_server() {
    let (mut desk, address) = serving(120, 36);
    desk.keys("Tab Tab Right").must_show(&["results that are errors", "restart the server"]);
    // The same address can be used again immediately.
    desk.keys("Shift-Tab Shift-Tab Ctrl-U").types(&address.to_string()).keys("Enter");
    assert_eq!(desk.serves_at(), Some(address));
    let user = issue(&mut desk, "user123", 0);
    assert_eq!(call_status(address, Some(&user), "write_data"), 200, "the denial is now a tool result");
    desk.keys("F5 Esc 1").must_show(&["[ Enter: stop the server ]"]);
    desk.keys("Enter").must_show(&["stopped: clients cannot connect", "[ Enter: start the server ]"]);
    assert!(desk.serves_at().is_none() && std::net::TcpStream::connect(address).is_err());
    // Stopping the server removes the audience and the default that Issue shows.
    desk.keys("F2").must_show(&["audience     none"]);
}

#[test]
fn settings_of_a_running_server_change_without_losing_tokens_or_key() {
    let (mut desk, address) = serving(120, 36);
    let token = issue(&mut desk, "user123", 0);
    let as_stage = |host: &str| call_status_as(host, address, &token, "read_data");
    assert_eq!(as_stage("stage.example"), 403, "an unknown host name");
    desk.keys("F5");
    // From the leeway to the theme, the public URL, the host names, the rate and the weak key.
    desk.keys("Ctrl-S Tab Tab Tab Tab Tab Right Right Tab").types("stage.example").keys("Enter");
    desk.must_show(&["public URL: expected a URL such as https://host/path"]);
    desk.keys("Ctrl-U Tab").types("stage.example other.example/x").keys("Enter");
    desk.must_show(&["host names: expected a host name such as", "separate several with"]);
    desk.keys("Ctrl-U").types("stage.example, other.example:8640").keys("Tab").types("0");
    desk.keys("Enter").must_show(&["rate: expected a whole number of requests per second of at least 1"]);
    desk.keys("Ctrl-U").types("250").keys("Tab Right");
    desk.must_show(&["‹ light ›", "stage.example, other.example:8640", "250", "‹ allowed on any address ›"]);
    desk.keys("Enter").must_show(&["Ctrl-S for more: rate 250/s, weak key"]);
    assert_eq!(desk.serves_at(), Some(address), "on the same address, with the other settings");
    assert_eq!(desk.app.look.choice, ThemeChoice::Light);
    assert_eq!(as_stage("stage.example"), 200, "the token and the key are the same");
    assert_eq!(as_stage("elsewhere.example"), 403);
    assert_eq!(desk.tokens(), 1);
    // Settings that the server does not use leave it running.
    let left = desk.left.len();
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Enter").must_show(&["settings applied"]);
    assert_eq!((desk.serves_at(), desk.left.len()), (Some(address), left));
}

/// A name that is looked up can take long, and so can calls that end.
#[test]
fn the_pane_shows_starting_and_stopping_and_ignores_enter_meanwhile() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0");
    let enter = || Msg::Key("Enter".parse().expect("a key"));
    // The effects are not carried out here.
    let effects = update(&mut desk.app, enter());
    assert!(matches!(effects.as_slice(), [Effect::Serve(_)]));
    desk.must_show(&["starting"]);
    assert!(update(&mut desk.app, enter()).is_empty());
    desk.must_show(&["the server is starting; try again"]);
    let listening = ServerInfo { uri: "http://127.0.0.1:1/mcp".into(), port: 1, is_exposed: false };
    desk.tell(Msg::Served(Ok(listening))).must_show(&["SERVING  http://127.0.0.1:1/mcp"]);
    desk.keys("Tab Tab Right");
    let effects = update(&mut desk.app, enter());
    assert!(matches!(effects.as_slice(), [Effect::StopServing, Effect::Serve(_)]));
    desk.must_show(&["stopping"]).tell(Msg::ServingStopped).must_show(&["starting"]);
    desk.tell(Msg::Served(Err(ServeError::Client("no".to_owned())))).must_show(&["[ Enter: start the server ]"]);
    assert!(!desk.shows("starting"));
}

#[test]
fn a_failed_start_is_reported_and_the_form_is_kept() {
    let (first, address) = serving(120, 36);
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types(&address.to_string()).keys("Enter");
    desk.must_show(&[&format!("cannot listen on {address}: address already in use"), "[ Enter: start the server ]"]);
    desk.keys("Ctrl-U").types("nowhere").keys("Enter");
    desk.must_show(&["address: expected HOST:PORT such as 127.0.0.1:8640", "nowhere"]);
    drop(first);
}

#[test]
fn an_audience_typed_by_the_user_is_kept() {
    let mut desk = Desk::new(120, 36);
    desk.clicks(Target::Field(issue::AUDIENCE)).types("mine");
    desk.keys("F5 Shift-Tab").types("127.0.0.1:0").keys("Enter F2").must_show(&["audience     mine"]);
}

#[test]
fn client_instructions_are_complete_and_the_screen_hides_the_token() {
    let (mut desk, address) = serving(120, 36);
    let token = issue(&mut desk, "user123", 0);
    desk.keys("F5 Esc 4");
    for client in &CLIENTS {
        desk.must_show(&[client.word, client.usage.split(' ').next().expect("a word")]);
        assert!(!desk.shows(portcullis::text::head(&token, 40)), "the token must not be shown");
        desk.keys("Enter");
        let Some(Effect::ToTerminal(text)) = desk.left.last() else { panic!("nothing was copied") };
        let text = text.as_str();
        assert_eq!(text.contains(&token), client.token != TokenPlace::Apart, "{text}");
        assert!(client.starts_server || text.contains(&format!("http://{address}/mcp")), "{text}");
        desk.keys("Right");
    }
    assert_eq!(desk.app.connect.client().word, CLIENTS[0].word, "the list wraps around");
}

/// The first rows explain where the text goes, and the last one that it continues.
#[test]
fn every_client_is_readable_in_the_smallest_usual_terminal() {
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

/// Selects a client in Connect by its word.
fn connect_to(desk: &mut Desk, word: &str) {
    desk.keys("F5 Esc 4");
    while desk.app.connect.client().word != word {
        desk.keys("Right");
    }
}

#[test]
fn stdio_instructions_name_the_known_files_and_warn_about_missing_ones() {
    let mut desk = Desk::new(120, 36);
    connect_to(&mut desk, "stdio");
    desk.must_show(&["the key is not in a file"]);
    assert!(desk.app.client_instructions(None).contains("/path/to/secret"));
    assert!(!desk.shows("the server is not running yet"), "a stdio server does not need a running server");

    let signer = Signer::hs256(SECRET, KeyOrigin::File).expect("a key");
    let rules = Rules { leeway: Leeway::seconds(90), ..Rules::new(&signer) };
    let mut desk = Desk::with(rules.with_issuer(Some("https://idp.example".into())), 120, 36);
    desk.gate.shared().update(|state| state.set_signer(signer));
    desk.tell(Msg::Woke);
    desk.app.connect.files = Files {
        key: Some(("--secret-file", "/etc/gate secret".to_owned())),
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
    assert!(options.is_ok(), "the program must accept the options it prints: {options:?}");
}

#[test]
fn the_rate_drops_to_zero_by_itself_and_then_the_console_sleeps() {
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
fn inspect_shows_that_a_token_lacks_the_audience() {
    let (mut desk, address) = serving(120, 36);
    issue(&mut desk, "user123", 0);
    desk.keys("F5 Esc 1 Enter F2").must_show(&["VALID"]);
    let bare = issue(&mut desk, "bare", 0);
    desk.keys("F5 Shift-Tab").types(&address.to_string()).keys("Enter F2");
    desk.must_show(&["the token has no audience (aud)"]);
    assert_eq!(call_status(address, Some(&bare), "read_data"), 401);
    // Accepting tokens without an audience from clients does not change the rules that the console uses.
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
fn a_weak_key_on_an_exposed_address_is_refused_or_reported() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F5 Shift-Tab").types("0.0.0.0:0").keys("Enter").must_show(&["SERVING"]);
    assert!(!desk.shows("weak key"));
    desk.keys("Ctrl-P").types("type another").keys("Enter").types("my-secret").keys("Enter");
    desk.must_show(&["weak key exposed"]);
    desk.keys("Esc 1 Enter").must_show(&["stopped"]);
    assert!(!desk.shows("weak key exposed"));
    desk.keys("Enter").must_show(&["is reachable from other"]);
}
