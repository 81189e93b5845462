//! The commands against other servers, as a script uses them.

use super::fake::{Fake, http};
use super::token;
use crate::cli::{CommandOutput, Folder, RunningServer, SECRET, bare, issue, portcullis};
use serde_json::{Value, json};

/// A running server of ours, and its URL.
fn served(folder: &Folder) -> (RunningServer, String) {
    let secret = folder.write("secret", SECRET);
    let mut server = RunningServer::start(&["--secret-file", &secret]);
    let url = format!("http://{}/mcp", server.address());
    (server, url)
}

/// A token for that server.
fn token_for(url: &str, permission: &str) -> String {
    portcullis(&["issue", "user123", "-p", permission, "--audience", url]).out().trim_end().to_owned()
}

#[test]
fn the_tools_of_our_own_server_are_listed_and_hidden_ones_are_named() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let (user, admin) = (token_for(&url, "user"), token_for(&url, "admin"));
    let all = bare(&["tools", "--url", &url]).env("PORTCULLIS_TOKEN", &admin).out();
    assert!(all.contains("3 tools") && all.contains("write_data"), "{all}");
    let compared = bare(&["tools", "--url", &url, "--compare", &admin]).env("PORTCULLIS_TOKEN", &user).out();
    assert!(compared.contains("1 tool\n") && compared.contains("write_data   hidden from this token"), "{compared}");
    let rows = bare(&["tools", "--url", &url, "--compare", &admin, "--json"]).env("PORTCULLIS_TOKEN", &user).out();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((rows.len(), &rows[0]["name"]), (4, &json!("portcullis")));
    assert_eq!(rows[1]["visibility"], "listed");
    assert_eq!(rows[3]["visibility"], "hidden");
}

#[test]
fn a_call_exits_by_what_the_server_did() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let user = token_for(&url, "user");
    let call = |arguments: &[&str]| {
        let all: Vec<&str> = [&["call"], arguments, &["--url", &url]].concat();
        bare(&all).env("PORTCULLIS_TOKEN", &user).run()
    };
    let CommandOutput { out, err, exit } = call(&["read_data", "{\"id\":1}"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("structuredContent") && err.starts_with("ALLOWED: the server ran read_data"), "{out}{err}");
    let CommandOutput { err, exit, .. } = call(&["write_data"]);
    assert_eq!(exit, 4, "{err}");
    assert!(
        err.contains("has: user") && err.contains("needs: admin") && err.contains("ask for: a token with admin"),
        "{err}"
    );
    assert_eq!(call(&["write_data", "--expect", "forbidden"]).exit, 0);
    assert_eq!(call(&["read_data", "--expect", "forbidden"]).exit, 4);
    assert_eq!(call(&["write_data", "--expect", "permission_missing"]).exit, 0);
    assert_eq!(call(&["write_data", "--expect", "unknown_tool"]).exit, 4);
    // A server that does not say why it refuses cannot be compared with a reason.
    let mute = Fake::new(|_| Some(http(401, "", "")));
    let refused = ["call", "read_data", "--expect", "expired", "--url", &mute.url];
    let CommandOutput { err, exit, .. } = bare(&refused).env("PORTCULLIS_TOKEN", &user).run();
    assert!(exit == 6 && err.contains("expected expired, got unauthorized without a reason"), "{err}");
    assert_eq!(bare(&["call", "read_data", "--no-token", "--url", &url]).run().exit, 3);
    let other = issue("user123", "user");
    let CommandOutput { err, exit, .. } =
        bare(&["call", "read_data", "--url", &url]).env("PORTCULLIS_TOKEN", &other).run();
    assert_eq!(exit, 3);
    assert!(err.contains("audience") && err.contains(&url), "{err}");
}

#[test]
fn a_server_that_is_down_or_is_none_is_a_connection_error() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{gone}/mcp");
    let CommandOutput { out, exit, .. } = bare(&["why", "--no-token", "--url", &url]).run();
    assert_eq!(exit, 1);
    assert!(out.starts_with("NO ANSWER: the server cannot be reached: Connection refused"), "{out}");
    let page = Fake::new(|_| Some(http(200, "", "<html>hello</html>").replace("application/json", "text/html")));
    let CommandOutput { out, exit, .. } = bare(&["why", "--no-token", "--url", &page.url]).run();
    assert_eq!(exit, 1);
    assert!(out.starts_with("NOT MCP: "), "{out}");
}

#[test]
fn a_piped_response_is_explained() {
    let response =
        "HTTP/1.1 403 Forbidden\r\nwww-authenticate: Bearer error=\"insufficient_scope\", scope=\"admin\"\r\n\r\n";
    let user = issue("user123", "user");
    let run = || portcullis(&["why"]).env("PORTCULLIS_TOKEN", &user).input(response);
    let CommandOutput { out, exit, .. } = run().run();
    assert_eq!(exit, 4);
    assert!(out.starts_with("FORBIDDEN: the server accepts the token, but requires scopes that it lacks\nhas: user in permissions\nneeds: admin\nask for: a token with admin\n"), "{out}");
    let folder = Folder::new();
    let file = folder.write("answer.txt", response);
    let CommandOutput { out, exit, .. } = portcullis(&["why", &user, &file, "--json"]).run();
    let why: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((exit, &why["cause"], &why["certainty"]), (4, &json!("permission_missing"), &json!("stated")));
    let CommandOutput { err, exit, .. } = portcullis(&["why", "--no-token"]).input("hello").run();
    assert_eq!(exit, 2);
    assert!(err.contains("expected an HTTP response"), "{err}");
}

#[test]
fn a_matrix_shows_where_the_server_differs_from_the_policy() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let policy = folder.write(
        "policy.toml",
        "[tools.read_data]\npermissions = [\"user\", \"admin\"]\n[tools.write_data]\npermissions = [\"user\"]\n",
    );
    let tokens = folder.write("tokens", format!("{}\n{}\n", token_for(&url, "user"), token_for(&url, "admin")));
    let written = folder.path("observed.toml").to_str().expect("UTF-8").to_owned();
    let all =
        ["matrix", &format!("@{tokens}"), "--url", &url, "--policy", &policy, "--yes", "--write-policy", &written];
    let CommandOutput { out, err, exit } = bare(&all).run();
    assert_eq!(exit, 4, "{out}{err}");
    assert!(out.contains("forbidden ≠ allowed") && out.contains("allowed ≠ forbidden"), "{out}");
    assert!(out.contains("2 differences from the policy"), "{out}");
    // What was observed is a policy that predicts it.
    let CommandOutput { out, err, exit } = bare(&["policy", "check", &written]).run();
    assert_eq!(exit, 0, "{out}{err}");
    let again = ["matrix", &format!("@{tokens}"), "--url", &url, "--policy", &written, "--yes"];
    let CommandOutput { out, exit, .. } = bare(&again).run();
    assert!(exit == 0 && out.contains("no difference from the policy"), "{out}");
    let CommandOutput { err, exit, .. } = bare(&all).run();
    assert!(exit == 2 && err.contains("already exists"), "{err}");
}

#[test]
fn only_read_only_tools_are_called_without_consent() {
    let server = Fake::new(|_| None);
    let CommandOutput { out, err, exit } =
        bare(&["matrix", "--url", &server.url]).env("PORTCULLIS_TOKEN", "a.b.c").run();
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("listed") && err.contains("--yes calls them"), "{out}{err}");
    let called: Vec<String> = server
        .seen()
        .iter()
        .filter(|seen| seen.rpc() == "tools/call")
        .map(|seen| seen.body["params"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(!called.is_empty() && called.iter().all(|tool| tool == "read_data"), "{called:?}");
}

#[test]
fn our_own_server_has_no_finding() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let secret = folder.write("secret", SECRET);
    let report = folder.path("probe.xml").to_str().expect("UTF-8").to_owned();
    let probe =
        ["testkit", "--run", "--url", &url, "--secret-file", &secret, "--tool", "read_data", "--junit", &report];
    let CommandOutput { out, err, exit } = bare(&[&probe[..], &["--strict"]].concat()).run();
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("no failure in 1") && !out.contains("finding") && !out.contains("verdict"), "{out}");
    assert!(out.contains("leeway after exp: less than 1 s"), "{out}");
    let xml = std::fs::read_to_string(&report).expect("a report");
    assert!(xml.contains("<testsuite") && xml.contains("failures=\"0\"") && !xml.contains("eyJ"), "{xml}");
}

#[test]
fn a_leaking_server_fails_the_probe_and_a_refusing_one_stops_it() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let leaking = Fake::new(|_| None);
    let CommandOutput { out, exit, .. } =
        bare(&["testkit", "--run", "--quick", "--url", &leaking.url, "--secret-file", &secret]).run();
    assert_eq!(exit, 4);
    assert!(out.contains("FAILURE alg none: allowed (HTTP 200)"), "{out}");
    let refusing = Fake::new(|_| Some(http(401, "WWW-Authenticate: Bearer\r\n", "")));
    let CommandOutput { err, exit, .. } =
        bare(&["testkit", "--run", "--url", &refusing.url, "--secret-file", &secret]).run();
    assert_eq!(exit, 6);
    assert!(err.contains("the good token is not accepted"), "{err}");
    let good = token("user123", "user", &[]);
    let keyless = bare(&["testkit", "--run", "--url", &leaking.url, "--like", &good]).run();
    assert!(keyless.exit == 4 && keyless.out.contains("need a key that the server trusts"), "{}", keyless.out);
    let far = bare(&["testkit", "--run", "--url", "https://orders.example/mcp", "--secret-file", &secret]).run();
    assert!(far.exit == 2 && far.err.contains("--yes is needed"), "{}", far.err);
}

#[test]
fn a_drill_finds_the_boundary_of_our_own_server() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let secret = folder.write("secret", SECRET);
    let drill = ["drill", "--url", &url, "--secret-file", &secret, "read_data", "--ttl", "1s", "--every", "50ms"];
    let CommandOutput { out, err, exit } = bare(&drill).run();
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.starts_with("PASSED: refused from exp"), "{out}");
    let CommandOutput { out, err, exit } =
        bare(&["drill", "--shifted", "--url", &url, "--secret-file", &secret, "read_data"]).run();
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("leeway after exp: none") && out.contains("leeway before nbf: "), "{out}");
}

#[test]
fn a_plan_runs_against_a_server_at_its_address() {
    let folder = Folder::new();
    let (_server, url) = served(&folder);
    let secret = folder.write("secret", SECRET);
    let plan = |expect: &str| {
        format!(
            "title = \"Orders\"\nurl = \"{url}\"\n[tokens.reader]\nuser = \"user123\"\npermissions = [\"user\"]\naudiences = [\"{url}\"]\n\
             [[cases]]\nname = \"reads\"\ntoken = \"reader\"\ntool = \"read_data\"\nexpect = \"allowed\"\n\
             [[cases]]\nname = \"writes\"\ntoken = \"reader\"\ntool = \"write_data\"\nexpect = \"{expect}\"\n\
             [[cases]]\nname = \"nobody\"\ntool = \"read_data\"\nexpect = \"unauthorized\"\n"
        )
    };
    let run = |expect: &str| {
        let file = folder.write("plan.toml", plan(expect));
        bare(&["test", &file, "--secret-file", &secret]).run()
    };
    let CommandOutput { out, err, exit } = run("forbidden");
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("3 cases: 3 passed"), "{out}");
    assert_eq!(run("allowed").exit, 4);
    assert_eq!(run("permission_missing").exit, 0);
    // The same plan against a server that is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let file = folder.write("plan.toml", plan("forbidden"));
    let gone = format!("http://{gone}/mcp");
    let CommandOutput { out, exit, .. } = bare(&["test", &file, "--secret-file", &secret, "--url", &gone]).run();
    assert!(exit == 6 && out.contains("3 without a verdict"), "{out}");
}

#[test]
fn a_configured_target_is_used_by_its_name() {
    let folder = Folder::new();
    let server = Fake::new(|_| None);
    let config = folder.write(
        "portcullis.toml",
        format!(
            "[[targets]]\nname = \"orders\"\nurl = \"{}\"\nheaders = {{ X-Tenant = \"env:TENANT\" }}\n",
            server.url
        ),
    );
    let run =
        |name: &str| bare(&["tools", "--no-token", "--config", &config, "--target", name]).env("TENANT", "blue").run();
    assert_eq!(run("orders").exit, 0);
    assert!(server.seen().iter().all(|seen| seen.header("x-tenant") == Some("blue")));
    let CommandOutput { err, exit, .. } = run("other");
    assert!(exit == 2 && err.contains("unknown target other; the configuration file has: orders"), "{err}");
}

#[test]
fn a_server_that_is_down_is_no_matrix_without_a_difference() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (folder, url) = (Folder::new(), format!("http://{gone}/mcp"));
    let report = folder.path("matrix.xml").to_str().expect("UTF-8").to_owned();
    let run = bare(&["matrix", "--url", &url, "--junit", &report]).env("PORTCULLIS_TOKEN", "a.b.c").run();
    assert_eq!(run.exit, 1);
    assert!(run.err.contains("no caller can list the tools: the server cannot be reached"), "{}", run.err);
    assert!(std::fs::read_to_string(&report).expect("a report").contains("errors=\"2\""));
}

#[test]
fn a_program_takes_no_token_so_there_is_nothing_to_drill_or_probe() {
    for arguments in [
        &["drill", "read_data", "--ttl", "5s", "--", "true"][..],
        &["testkit", "--run", "--", "true"],
        &["call", "a.b.c", "read_data", "{}", "--", "true"],
        &["matrix", "a.b.c", "--", "true"],
        &["tools", "--compare", "a.b.c", "--", "true"],
    ] {
        let CommandOutput { err, exit, .. } = portcullis(arguments).run();
        assert!(exit == 2 && err.contains("a program takes"), "{arguments:?}: {err}");
    }
}

/// Its name would look like that of a tool which is forbidden correctly.
#[test]
fn a_misspelled_tool_gives_a_plan_no_verdict() {
    let server = Fake::new(|seen| {
        let is_call = seen.rpc() == "tools/call" && seen.body["params"]["name"] != "read_data";
        is_call.then(|| seen.error(-32602, "Unknown tool: wrte_data", &json!(null)))
    });
    let folder = Folder::new();
    let case = |expect: &str| {
        let plan = format!("[[cases]]\nname = \"a\"\ntool = \"wrte_data\"\nexpect = \"{expect}\"\n");
        bare(&["test", "--url", &server.url, &folder.write("plan.toml", plan)]).run()
    };
    let CommandOutput { out, exit, .. } = case("forbidden");
    assert!(exit == 6 && out.contains("? a: no caller of the plan sees a tool wrte_data"), "{exit}: {out}");
    assert_eq!(case("permission_missing").exit, 6);
    assert_eq!(case("unknown_tool").exit, 0);
}

#[test]
fn options_that_cannot_take_effect_are_rejected() {
    let folder = Folder::new();
    let config = folder.write("portcullis.toml", "[[targets]]\nname = \"local\"\ncommand = [\"true\"]\n");
    let late = folder
        .write("plan.toml", "[[cases]]\nname = \"late\"\ntool = \"read_data\"\nat = \"+1d\"\nexpect = \"allowed\"\n");
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, said) in [
        (&["drill", "--shifted", "--url", url, "a.b.c", "read_data"][..], "--shifted signs tokens of its own"),
        (&["drill", "--url", url, "-p", "user", "a.b.c", "read_data"], "--permission needs --ttl or --shifted"),
        (&["why", "--compare", "a.b.c", "HTTP/1.1 401 x"], "--compare needs --url"),
        (&["why", "--tool", "x", "--arguments", "{}", "HTTP/1.1 401 x"], "--arguments needs --url"),
        (&["call", "--now", "2030-01-01T00:00:00Z", "--url", url, "a.b.c", "read_data"], "--now cannot be used with"),
        (
            &["tools", "--config", &config, "--target", "local", "--header", "a: b"],
            "--header cannot be used with a program",
        ),
        (&["test", "--url", url, &late], "line 4, column 6: at cannot be used with another server"),
    ] {
        let CommandOutput { err, exit, .. } = bare(arguments).run();
        assert!(exit != 0 && err.contains(said), "{arguments:?}: {err}");
    }
}

#[test]
fn a_header_of_the_command_line_replaces_the_configured_one() {
    let server = Fake::new(|_| None);
    let folder = Folder::new();
    let target = format!("[[targets]]\nname = \"o\"\nurl = \"{}\"\nheaders = {{ X-Tenant = \"blue\" }}\n", server.url);
    let config = folder.write("portcullis.toml", target);
    let tools = ["tools", "--no-token", "--config", &config, "--target", "o", "--header", "X-Tenant: red"];
    assert_eq!(bare(&tools).run().exit, 0);
    let sent = |seen: &super::fake::Seen| seen.headers.iter().filter(|(name, _)| name == "x-tenant").count();
    assert!(server.seen().iter().all(|seen| sent(seen) == 1 && seen.header("x-tenant") == Some("red")));
}

#[test]
fn credentials_of_a_header_are_not_taken_for_a_missing_token() {
    let server = Fake::new(|_| Some(http(401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", "")));
    let header = ["--url", &server.url, "--header", "Authorization: Bearer other"];
    let CommandOutput { out, exit, .. } = bare(&[&["why"], &header[..]].concat()).run();
    assert_eq!(exit, 6);
    assert!(out.contains("cannot tell: the server rejects the credentials of the request"), "{out}");
    let call = [&["call", "read_data", "--expect", "missing_token"], &header[..]].concat();
    assert_eq!(bare(&call).run().exit, 6);
}

#[test]
fn a_saved_response_is_judged_by_its_own_date() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let issue = ["issue", "me", "--secret-file", &secret, "--now", "2026-01-01T00:00:00Z", "-p", "user"];
    let token = bare(&issue).run().out;
    let response = "HTTP/1.1 403 x\ndate: Thu, 01 Jan 2026 00:10:00 GMT\n\n";
    let why = bare(&["why", token.trim(), response]).run();
    assert!(!why.out.contains("expired") && !why.out.contains("clock"), "{}", why.out);
}

#[test]
fn observations_that_no_policy_can_express_are_left_out_and_named() {
    // Only who has both scopes may write.
    let server = Fake::new(|seen| {
        let token = seen.token()?;
        let payload = payload_of(token);
        let has_both = payload.contains("user admin");
        let is_write = seen.rpc() == "tools/call" && seen.body["params"]["name"] == "write_data";
        (is_write && !has_both).then(|| seen.text("forbidden", true))
    });
    let folder = Folder::new();
    let tokens: Vec<String> =
        ["user", "admin", "user admin"].iter().map(|scope| token("user123", scope, &[]).to_string()).collect();
    let tokens = folder.write("tokens", tokens.join("\n"));
    let policy = folder.path("observed.toml").to_str().expect("UTF-8").to_owned();
    let all = ["matrix", &format!("@{tokens}"), "--url", &server.url, "--yes", "--write-policy", &policy];
    let CommandOutput { err, exit, .. } = bare(&all).run();
    assert_eq!(exit, 0, "{err}");
    assert!(err.contains("not in the policy: write_data: no single permission separates"), "{err}");
    let CommandOutput { out, err, exit } = bare(&["policy", "check", &policy]).run();
    assert_eq!(exit, 0, "{out}{err}");
}

fn payload_of(token: &str) -> String {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

#[test]
fn a_header_with_credentials_does_not_travel_beside_a_token() {
    let server = Fake::new(|_| None);
    let folder = Folder::new();
    let plan = folder.write("plan.toml", "[[cases]]\nname = \"a\"\ntool = \"read_data\"\nexpect = \"allowed\"\n");
    let header = "Authorization: Bearer other";
    for arguments in [
        &["testkit", "--run", "--like", "a.b.c"][..],
        &["matrix", "a.b.c"],
        &["drill", "a.b.c", "read_data"],
        &["call", "a.b.c", "read_data"],
        &["tools", "--compare", "a.b.c"],
        &["why", "--compare", "a.b.c"],
        &["why", "--no-token"],
        &["test", &plan],
    ] {
        let all = [arguments, &["--url", &server.url, "--header", header]].concat();
        let CommandOutput { err, exit, .. } = bare(&all).run();
        assert!(exit == 2 && err.contains("Authorization"), "{arguments:?}: {err}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_server_does_not_choose_the_audience_of_a_token_that_our_key_signs() {
    let document = json!({
        "resource": "https://bank.example/mcp",
        "authorization_servers": ["https://idp.bank.example"],
        "bearer_methods_supported": ["header"],
    });
    let server =
        Fake::new(move |seen| seen.path.starts_with("/.well-known/").then(|| http(200, "", &document.to_string())));
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let run = bare(&["matrix", "--as", "user", "--url", &server.url, "--secret-file", &secret]).run();
    assert_eq!(run.exit, 0, "{}", run.err);
    let tokens: Vec<String> = server.seen().iter().filter_map(|seen| seen.token().map(str::to_owned)).collect();
    assert!(!tokens.is_empty() && tokens.iter().all(|token| !payload_of(token).contains("bank.example")));
}

#[test]
fn a_hidden_tool_is_not_taken_for_a_forbidden_one_unless_it_was_called() {
    let server = Fake::new(|seen| {
        let tools = json!({ "tools": [super::fake::tools()[0].clone()] });
        let is_user = seen.token().is_some_and(|token| !payload_of(token).contains("admin"));
        (seen.rpc() == "tools/list" && is_user).then(|| seen.result(&tools))
    });
    let folder = Folder::new();
    let tokens =
        folder.write("tokens", format!("{}\n{}", token("user123", "user", &[]), token("admin456", "admin", &[])));
    let policy = folder.write("policy.toml", "[tools.write_data]\npermissions = [\"admin\"]\n");
    let run = |more: &[&str]| {
        let tokens = format!("@{tokens}");
        let all = ["matrix", &tokens, "--url", &server.url, "--policy", &policy];
        bare(&[&all, more].concat()).run()
    };
    let CommandOutput { out, .. } = run(&[]);
    assert!(out.contains("hidden") && !out.contains('≠'), "{out}");
    // It is only missing from the list: the call is answered.
    let CommandOutput { out, exit, .. } = run(&["--yes"]);
    assert!(exit == 4 && out.contains("allowed ≠ forbidden"), "{out}");
}

#[test]
fn a_schema_that_grows_without_end_is_bounded() {
    let mut properties = serde_json::Map::new();
    for n in 0..64 {
        properties.insert(format!("p{n}"), json!({ "$ref": "#" }));
    }
    let required: Vec<String> = properties.keys().cloned().collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let example = portcullis::target::example(&schema);
    assert!(example.to_string().len() < 20_000, "{}", example.to_string().len());
    // One large value that many members refer to.
    let large = json!({ "$ref": "#/$defs/large" });
    let members: serde_json::Map<_, _> = (0..64).map(|n| (format!("p{n}"), large.clone())).collect();
    let required: Vec<String> = members.keys().cloned().collect();
    let defs = json!({ "large": { "default": "x".repeat(20_000) } });
    let schema = json!({ "type": "object", "properties": members, "required": required, "$defs": defs });
    let example = portcullis::target::example(&schema);
    assert!(example.to_string().len() < 64_000, "{}", example.to_string().len());
}
