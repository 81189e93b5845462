//! `matrix` and `policy check`: who may call what, and policies that contain their own expectations.

use std::sync::Arc;

use clap::Parser as _;
use portcullis::AuthenticatedMcpServer;
use portcullis::auth::policy::{Parts, PermissionRule, ToolRule};
use portcullis::auth::{Call, Policy, Rules};
use portcullis::cli::{Environment, Exit, Options, Runner};
use portcullis::clock::ManualClock;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{CommandOutput, Folder, bare, issue, portcullis};
use crate::forge;

const TRUTHS: &str = r#"
[tools.look]
permissions = ["viewer"]
[tools.change]
permissions = ["editor"]
schema = { type = "object", required = ["data"], examples = [{ data = "new" }] }
[permissions.editor]
implies = ["viewer"]
[[expect]]
permissions = ["editor"]
tool = "look"
outcome = "allowed"
[[expect]]
permissions = ["viewer"]
tool = "change"
outcome = "forbidden"
[[expect]]
user = "ann"
tool = "change"
outcome = "allowed"
"#;

#[test]
fn every_cell_of_the_lab_matrix_is_correct() {
    let out = bare(&["matrix", "--as", "user", "--as", "admin", "--as", "", "--csv"]).out();
    assert_eq!(
        out,
        "\"caller\",\"read_data\",\"write_data\",\"delete_data\"\r\n\
         \"(no token)\",\"unauthorized\",\"unauthorized\",\"unauthorized\"\r\n\
         \"user\",\"allowed\",\"forbidden\",\"forbidden\"\r\n\
         \"admin\",\"allowed\",\"allowed\",\"allowed\"\r\n\
         \"no permission\",\"forbidden\",\"forbidden\",\"forbidden\"\r\n"
    );
}

#[test]
fn tokens_on_standard_input_become_rows_judged_for_the_given_time() {
    let tokens = [issue("user123", "user"), issue("admin456", "admin")].join("\n");
    let later = portcullis(&["matrix", "-", "--markdown", "--now", "2100-01-01T00:00:00Z"]).input(tokens.clone()).out();
    assert!(later.contains("| user123 | unauthorized | unauthorized | unauthorized |"), "{later}");
    let alive = portcullis(&["matrix", "-", "--markdown"]).input(tokens.clone()).out();
    assert!(alive.contains("| user123 | allowed | forbidden | forbidden |"), "{alive}");
    assert!(alive.contains("| admin456 | allowed | allowed | allowed |"), "{alive}");
    let CommandOutput { exit, err, .. } = bare(&["matrix", "-"]).input(tokens).run();
    assert!(exit == 1 && err.contains("no signing secret"), "{err}");
}

#[test]
fn without_callers_the_rows_are_the_expectations_or_the_permissions() {
    let folder = Folder::new();
    let policy = folder.write("policy.toml", TRUTHS);
    let callers = |arguments: &[&str]| -> Vec<String> {
        let out = bare(arguments).out();
        let row = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["caller"].as_str().map(Into::into);
        out.lines().filter_map(row).collect()
    };
    assert_eq!(callers(&["--json", "matrix"]), ["(no token)", "user", "admin"]);
    assert_eq!(callers(&["--json", "matrix", "--policy", &policy]), ["(no token)", "editor", "viewer"]);
}

#[test]
fn a_policy_that_meets_its_expectations_exits_with_0_and_otherwise_with_4() {
    let folder = Folder::new();
    let good = folder.write("good.toml", TRUTHS);
    let CommandOutput { out, exit, .. } = bare(&["policy", "check", &good]).run();
    assert_eq!(exit, 0, "{out}");
    assert!(out.contains("2 tools, 2 permissions") && out.contains("2 expectations met"), "{out}");
    assert!(out.contains("1 expectation about users skipped"), "{out}");
    let bad = folder.write("bad.toml", TRUTHS.replace("implies = [\"viewer\"]", ""));
    let CommandOutput { out, exit, .. } = bare(&["policy", "check", &bad]).run();
    assert_eq!(exit, 4, "{out}");
    assert!(out.contains("look for editor: expected allowed, got forbidden: "), "{out}");
    let odd: Vec<&str> = out.lines().filter(|line| line.starts_with('!')).collect();
    assert!(odd.iter().all(|line| line.contains("is not implemented")), "a broken expectation is not a warning: {out}");
    let CommandOutput { err, exit, out } = bare(&["matrix", "--policy", &bad]).run();
    assert!(
        exit == 4 && err.contains("look for editor: expected allowed, got forbidden: ") && out.contains("forbidden!"),
        "{err}"
    );
    let report: Value = serde_json::from_str(&bare(&["policy", "check", "--json", &bad]).run().out).expect("JSON");
    assert_eq!((report["held"].as_u64(), report["failed"].as_array().map(Vec::len)), (Some(1), Some(1)));
}

#[rstest]
#[case("", 0, "0 tools, 0 permissions")]
#[case("[tools.a]\npermissions = 1", 1, "line 2, column 15: invalid type: integer `1`")]
#[case("[tools.a]\npermissions = []\n[tools.a]\n", 1, "line 3, column 8: duplicate key")]
#[case("[permissions.a]\nimplies = [\"a\"]", 1, "line 2, column 12: circular implies: a → a")]
#[case("[tools.a]\npermissions = []", 0, "a lists no permissions: every call to it is forbidden")]
#[case("[tools.a]\npermissions = [\"p\"]\nschema = false", 0, "the schema of a rejects all arguments: it is false")]
fn an_invalid_policy_file_is_reported_in_one_sentence(#[case] source: &str, #[case] exit: i32, #[case] message: &str) {
    let folder = Folder::new();
    let ran = bare(&["policy", "check", &folder.write("policy.toml", source)]).run();
    assert_eq!(ran.exit, exit, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(message) || ran.err.contains(message), "{}{}", ran.out, ran.err);
}

#[test]
fn a_policy_file_that_is_huge_missing_or_a_directory_is_reported_in_one_sentence() {
    let folder = Folder::new();
    let huge = folder.write("huge.toml", "#".repeat((1 << 20) + 1));
    let gone = format!("{huge}.not");
    let directory = std::path::Path::new(&huge).parent().expect("its folder").to_string_lossy().into_owned();
    for (path, message) in
        [(&huge, "larger than 1048576 bytes"), (&gone, "no such file"), (&directory, "not a regular file")]
    {
        let CommandOutput { err, exit, .. } = bare(&["policy", "check", path]).run();
        assert!(exit == 1 && err.contains(message), "{err}");
    }
}

#[test]
fn arguments_are_checked_against_the_schema_after_the_permission() {
    let folder = Folder::new();
    let policy = folder.write("policy.toml", TRUTHS.replace("[tools.change]", "[tools.write_data]"));
    let (editor, viewer) = (issue("ann", "editor"), issue("bob", "viewer"));
    let call =
        |token: &str, arguments: &str| portcullis(&["call", token, "write_data", arguments, "--policy", &policy]).run();
    let CommandOutput { out, err, exit } = call(&editor, "{}");
    assert_eq!((out.trim(), exit), (r#"{"error":"invalid_arguments"}"#, 5));
    assert!(err.contains("arguments: \"data\" is a required property"), "{err}");
    assert_eq!(call(&editor, r#"{"data":1}"#).out.trim(), r#"{"success":true,"result":"written"}"#);
    assert_eq!(
        call(&viewer, "{}").out.trim(),
        r#"{"error":"forbidden"}"#,
        "a forbidden caller learns nothing about the schema"
    );
}

#[test]
fn options_are_accepted_after_the_arguments() {
    let folder = Folder::new();
    let policy = folder.write("policy.toml", TRUTHS);
    let token = issue("ann", "editor");
    assert_eq!(portcullis(&["check", &token, "look", "--policy", &policy]).run().exit, 0);
    let CommandOutput { exit, err, .. } = portcullis(&["inspect", "--jsn"]).run();
    assert!(exit == 2 && err.contains("--json"), "a misspelt option is not a token: {err}");
}

#[test]
fn user_names_are_escaped_in_markdown_and_csv() {
    let tokens = [issue("![x](http://evil/p.png)", "user"), issue("=HYPERLINK(1)", "user")].join("\n");
    let markdown = portcullis(&["matrix", "-", "--markdown"]).input(tokens.clone()).out();
    assert!(markdown.contains("| `![x](http://evil/p.png)` |"), "{markdown}");
    let csv = portcullis(&["matrix", "-", "--csv"]).input(tokens).out();
    assert!(csv.contains("\"'=HYPERLINK(1)\""), "{csv}");
}

pub fn names(of: &'static str) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(of.prop_map(|name: String| name), 0..3)
}

/// A policy of three existing tools and a missing one, with four permissions, some of which imply others.
pub fn policy() -> impl Strategy<Value = Policy> {
    let tools = ["read_data", "write_data", "delete_data", "gone"];
    let rules = proptest::collection::vec(proptest::option::of(names("[uvwx]")), tools.len());
    let implies = proptest::collection::vec(proptest::option::of(names("[uvwx]")), 4);
    (rules, implies).prop_filter_map("no circle", move |(rules, implies)| {
        let rule = |(tool, needs): (&&str, Option<Vec<String>>)| needs.map(|needs| ToolRule::new(tool, needs));
        let permission = |(name, implies): (&str, Option<Vec<String>>)| {
            let implies = implies?.iter().map(|p| p.as_str().into()).collect();
            Some(PermissionRule { name: name.into(), description: None, implies })
        };
        let tools = tools.iter().zip(rules).filter_map(rule).collect();
        let permissions = ["u", "v", "w", "x"].into_iter().zip(implies).filter_map(permission).collect();
        Policy::build(Parts { tools, permissions, ..Parts::default() }).ok()
    })
}

/// Returns the policy as a file.
fn written(policy: &Policy) -> String {
    let list =
        |names: &[Arc<str>]| serde_json::to_string(&names.iter().map(|n| &**n).collect::<Vec<_>>()).expect("JSON");
    let tools = policy.tools().iter().map(|t| format!("[tools.{}]\npermissions = {}\n", t.name, list(&t.permissions)));
    let permissions = policy.parts().permissions.iter();
    let permissions = permissions.map(|p| format!("[permissions.{}]\nimplies = {}\n", p.name, list(&p.implies)));
    tools.chain(permissions).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn matrix_check_and_call_agree_in_every_cell(
        policy in policy(),
        callers in proptest::collection::vec((names("[uvwx]"), prop_oneof![Just(3600), Just(-1), Just(1)], any::<bool>()), 1..4),
    ) {
        let folder = Folder::new();
        let file = folder.write("policy.toml", written(&policy));
        let now = forge::NOW;
        let tokens: Vec<String> = callers.iter().enumerate().map(|(n, (held, lifetime, early))| {
            let nbf = if *early { format!(r#","nbf":{}"#, now.seconds() + 5) } else { String::new() };
            let held = serde_json::to_string(held).expect("JSON");
            forge::token(format!(r#"{{"user_id":"u{n}","permissions":{held},"exp":{}{nbf}}}"#, now.seconds() + lifetime))
        }).collect();
        let run = |arguments: &[&str]| {
            let options = Options::parse_from(["portcullis", "--json", "--policy", &file, "--now", &now.rfc3339()].iter().chain(arguments));
            let environment = Environment { secret: Some(forge::SECRET.to_vec().into()), ..Environment::default() };
            let (mut out, lines) = (Vec::new(), tokens.join("\n"));
            let mut headless = Runner { input: &mut lines.as_bytes(), out: &mut out, err: &mut std::io::sink(), shows_colour: false, shows_hints: false, environment, known: Exit::Good };
            headless.run(&options, options.command.as_ref().expect("a command")).expect("the command runs");
            String::from_utf8(out).expect("UTF-8").lines().map(|l| serde_json::from_str(l).expect("JSON")).collect::<Vec<Value>>()
        };
        let rows = run(&["matrix", "-"]);
        prop_assert_eq!(rows.len(), tokens.len() + 1);
        let rules = Rules { policy: Arc::new(policy.clone()), ..forge::rules() };
        let server = AuthenticatedMcpServer::with(rules.clone(), forge::signer(), Arc::new(ManualClock::new(now)));
        for (row, token) in rows.iter().zip([None].into_iter().chain(tokens.iter().map(Some))) {
            prop_assert_eq!(row["cells"].as_array().map(Vec::len), Some(policy.tools().len()));
            for (cell, tool) in row["cells"].as_array().into_iter().flatten().zip(policy.tools()) {
                let decision = rules.decide(&Call { token: token.map(String::as_str), tool: &tool.name }, now);
                prop_assert_eq!(cell["decision"].as_str(), Some(&*decision.verdict().word().to_lowercase()));
                prop_assert_eq!(cell["sentence"].as_str(), Some(&*decision.sentence()));
                let checked = match token {
                    Some(token) => run(&["check", token, &tool.name]),
                    None => run(&["check", "--no-token", &tool.name]),
                };
                prop_assert_eq!(&checked[0]["decision"], &cell["decision"]);
                prop_assert_eq!(&checked[0]["reason"], &cell["reason"]);
                let answer = server.call_tool(token.map(String::as_str), &tool.name, &json!({}));
                let meant = match cell["decision"].as_str() {
                    Some("allowed") if &*tool.name == "gone" => json!({"error": "tool_failed"}),
                    Some("allowed") => json!({"success": true, "result": match &*tool.name {
                        "read_data" => json!({}),
                        "write_data" => json!("written"),
                        _ => json!("deleted"),
                    }}),
                    Some(refused) => json!({"error": refused}),
                    None => Value::Null,
                };
                prop_assert_eq!(answer, meant);
            }
        }
    }
}

#[test]
fn an_expectation_for_a_user_does_not_apply_to_permissions_alone() {
    let folder = Folder::new();
    let line = "[[expect]]\nuser = \"any user\"\ntool = \"look\"\noutcome = \"forbidden\"\n";
    let policy = folder.write("policy.toml", format!("{TRUTHS}{line}"));
    let CommandOutput { exit, err, .. } = bare(&["matrix", "--as", "editor", "--policy", &policy]).run();
    assert_eq!(
        (exit, &*err),
        (
            0,
            "portcullis: * not implemented here: look, change; with stub = true in the policy, the gate answers instead\n"
        ),
        "no expectation is broken"
    );
}

#[test]
fn an_unimplemented_tool_is_marked_wherever_it_is_allowed() {
    let folder = Folder::new();
    let text = "[tools.gone]\npermissions = [\"user\"]\n[tools.later]\npermissions = [\"user\"]\nstub = true\n";
    let policy = folder.write("policy.toml", text);
    let table = bare(&["matrix", "--as", "user", "--policy", &policy, "--csv"]).run();
    assert!(table.out.contains("\"user\",\"allowed*\",\"allowed\""), "{}", table.out);
    let rows = bare(&["matrix", "--as", "user", "--policy", &policy, "--json"]).run();
    let row: Value = serde_json::from_str(rows.out.lines().last().expect("a row")).expect("JSON");
    assert_eq!((&row["cells"][0]["implemented"], &row["cells"][1]["implemented"]), (&json!(false), &json!(true)));

    let token = portcullis(&["issue", "user123", "-p", "user"]).out();
    let on = |words: &[&str]| portcullis(&[words, &["--policy", &policy]].concat()).run();
    let checked = on(&["check", token.trim(), "gone"]);
    assert!(checked.exit == 0 && checked.out.contains("! no such tool here"), "{}", checked.out);
    assert!(!on(&["check", token.trim(), "later"]).out.contains('!'));
    let called = on(&["call", token.trim(), "gone"]);
    assert!(called.exit == 5 && called.err.contains("no such tool here"), "{}", called.err);
    let called = on(&["call", token.trim(), "later", r#"{"id": 1}"#]);
    assert_eq!((called.exit, called.out.contains(r#""stub":true"#)), (0, true), "{}", called.out);
    // A call that proves nothing about the gate does not pass: it has no verdict.
    let kit = on(&["testkit", "--run", "--tool", "gone"]);
    assert!(kit.exit == 6 && kit.out.contains("the call failed: no such tool here"), "{}", kit.out);
    assert_eq!(on(&["testkit", "--run", "--tool", "later"]).exit, 0);
    let drill = on(&["drill", "--shifted", token.trim(), "gone"]);
    assert!(drill.exit == 4 && drill.out.contains("was allowed but failed"), "{}", drill.out);
}

#[test]
fn an_expectation_may_have_more_permissions_than_a_token() {
    let folder = Folder::new();
    // A token with so many permissions would exceed 8 KiB.
    let many: Vec<String> = (0..2000).map(|n| format!("\"permission-{n}\"")).collect();
    let line = format!("[[expect]]\npermissions = [\"editor\", {}]\ntool = \"look\"\n", many.join(", "));
    for (outcome, exit) in [("allowed", 0), ("forbidden", 4)] {
        let policy = folder.write(outcome, format!("{TRUTHS}{line}outcome = \"{outcome}\"\n"));
        assert_eq!(bare(&["policy", "check", &policy]).run().exit, exit, "{outcome}");
        assert_eq!(bare(&["matrix", "--policy", &policy, "--csv"]).run().exit, exit, "{outcome}");
    }
}

#[test]
fn an_expectation_for_a_missing_tool_fails_and_the_first_of_two_lines_is_used() {
    let folder = Folder::new();
    let gone = folder.write("gone.toml", TRUTHS.replace("[tools.change]", "[tools.renamed]"));
    let CommandOutput { out, exit, .. } = bare(&["policy", "check", &gone]).run();
    assert!(
        exit == 4 && out.contains("change for viewer: expected forbidden, but the policy has no such tool"),
        "{out}"
    );
    let again = "[[expect]]\npermissions = [\"editor\"]\ntool = \"look\"\noutcome = \"forbidden\"\n";
    let twice = folder.write("twice.toml", format!("{TRUTHS}{again}"));
    let CommandOutput { out, exit, .. } = bare(&["policy", "check", &twice]).run();
    assert!(exit == 0 && out.contains("two expectations for editor and look"), "{out}");
}

#[test]
fn matrix_needs_a_token_in_the_input_and_a_secret() {
    let CommandOutput { out, err, exit } = portcullis(&["matrix", "-"]).input("\n").run();
    assert!(exit == 2 && out.is_empty() && err.contains("no token found in the input"), "{out}{err}");
    let CommandOutput { out, exit, .. } = bare(&["matrix", "-", "--csv"]).input(issue("ann", "editor")).run();
    assert_eq!((exit, &*out), (1, ""));
}

#[test]
fn policy_check_reads_standard_input() {
    let CommandOutput { out, exit, .. } = bare(&["policy", "check", "-"]).input(TRUTHS).run();
    assert!(exit == 0 && out.contains("2 expectations met"), "{out}");
    let CommandOutput { err, exit, .. } = bare(&["policy", "check", "-"]).input("[tools").run();
    assert!(exit == 1 && err.contains("policy file -: line 1"), "{err}");
}
