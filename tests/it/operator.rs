//! The Server screen: a workshop, from the start of the server to a token that is revoked.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::app::drawn::Target;
use portcullis::app::msg::Listening;
use portcullis::app::pane::issue;
use portcullis::app::{Effect, Msg, update};
use portcullis::server::ServeError;

use crate::desk::Desk;
use crate::serving::call_status;

/// A console that serves on a port of its own.
fn serving(columns: u16, rows: u16) -> (Desk, SocketAddr) {
    let mut desk = Desk::new(columns, rows);
    desk.keys("F5").types("127.0.0.1:0").keys("Enter");
    let address = desk.serves_at().expect("it runs");
    (desk, address)
}

fn issue(desk: &mut Desk, user: &str, preset: usize) -> String {
    desk.keys("F2 Esc 1");
    desk.app.issue.apply_preset(preset);
    desk.types(user).keys("Enter");
    desk.app.selected().expect("it was issued").text.to_string()
}

#[test]
fn a_workshop_from_the_start_to_a_revoked_token() {
    let (mut desk, address) = serving(120, 36);
    let uri = format!("http://{address}/mcp");
    desk.must_show(&[&format!("SERVING  {uri}"), "nobody has connected yet", "[ Enter: stop the server ]"]);
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
        "user123         1 call   1 refused",
        "refused: 1 missing_token, 1 permission_missing",
        "write_data     FORBIDDEN",
        "client",
    ]);
    // Who called last stands above: no token, the administrator, the user.
    desk.keys("Esc 3 Down Down Enter").must_show(&["user123 is selected"]);
    desk.keys("Esc 2 Space").must_show(&["user123 is revoked"]);
    assert_eq!(call_status(address, Some(&user), "read_data"), 401);
    assert_eq!(call_status(address, Some(&admin), "read_data"), 200);
    desk.waits(Duration::ZERO);
    desk.must_show(&["the token was revoked at"]);
    desk.keys("Space");
    assert_eq!(call_status(address, Some(&user), "read_data"), 200);
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
    desk.keys("Enter").must_show(&["stopped: nobody can connect", "[ Enter: start the server ]"]);
    assert!(desk.serves_at().is_none() && std::net::TcpStream::connect(address).is_err());
    // The audience goes with the server, and what Issue fills in with it.
    desk.keys("F2").must_show(&["audience     none"]);
}

/// A name that is looked up can take long, and so can calls that end.
#[test]
fn while_the_server_starts_or_stops_the_pane_says_so_and_enter_waits() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F5").types("127.0.0.1:0");
    let enter = || Msg::Key("Enter".parse().expect("a key"));
    // What the console asks for is left undone.
    let asked = update(&mut desk.app, enter());
    assert!(matches!(asked.as_slice(), [Effect::Serve(_)]));
    desk.must_show(&["starting"]);
    assert!(update(&mut desk.app, enter()).is_empty());
    desk.must_show(&["the server is starting; wait for that"]);
    let listening = Listening { uri: "http://127.0.0.1:1/mcp".into(), is_exposed: false };
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
    desk.keys("F5").types(&address.to_string()).keys("Enter");
    desk.must_show(&[&format!("cannot listen on {address}: address already in use"), "[ Enter: start the server ]"]);
    desk.keys("Ctrl-U").types("nowhere").keys("Enter");
    desk.must_show(&["address: not an address; write it as 127.0.0.1:8640", "nowhere"]);
    drop(first);
}

#[test]
fn what_the_user_put_into_the_audience_stays() {
    let mut desk = Desk::new(120, 36);
    desk.clicks(Target::Field(issue::AUDIENCE)).types("mine");
    desk.keys("F5").types("127.0.0.1:0").keys("Enter F2").must_show(&["audience     mine"]);
}

#[test]
fn a_client_is_told_everything_and_the_screen_hides_the_token() {
    let (mut desk, address) = serving(120, 36);
    let token = issue(&mut desk, "user123", 0);
    for (turns, begins) in [
        ("", "curl -s http://"),
        ("Right", "{\n  \"mcpServers\""),
        ("Right", "npx @modelcontextprotocol/inspector --cli"),
    ] {
        desk.keys(&format!("F5 Esc 4 {turns}"));
        assert!(!desk.shows(portcullis::text::head(&token, 40)), "others may look on");
        desk.keys("Enter");
        let Some(Effect::Copy { text, .. }) = desk.left.last() else { panic!("nothing was copied") };
        assert!(
            text.starts_with(begins) && text.contains(&token) && text.contains(&format!("http://{address}/mcp")),
            "{text}"
        );
    }
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
    desk.keys("F5").types(&address.to_string()).keys("Enter F2");
    desk.must_show(&["the token names no audience (aud)"]);
    assert_eq!(call_status(address, Some(&bare), "read_data"), 401);
    // What the server accepts of its clients changes nothing about the rules that everything here is judged by.
    desk.keys("F5 Tab Right Enter F2").must_show(&["no aud: it passes at any server", "INVALID", "audience_mismatch"]);
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
    desk.keys("F5").types("0.0.0.0:0").keys("Enter").must_show(&["SERVING"]);
    assert!(!desk.shows("weak key"));
    desk.keys("Ctrl-P").types("type another").keys("Enter").types("my-secret").keys("Enter");
    desk.must_show(&["weak key, open to others"]);
    desk.keys("Esc 1 Enter").must_show(&["stopped"]);
    assert!(!desk.shows("weak key, open to others"));
    desk.keys("Enter").must_show(&["can be reached from other machines, and the key is typed"]);
}
