//! `--expect`, and the reports of commands for continuous integration: JUnit XML, TAP and Markdown.

use std::os::unix::fs::symlink;
use std::process::Command;

use quick_junit::{Report, TestCaseStatus};
use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, Folder, PORTCULLIS, SECRET, bare, issue, portcullis};

/// Two expectations that the policy meets, one about a user, and one about an unknown tool or that fails.
fn policy(last: &str) -> String {
    let expect = |who: &str, tool: &str, outcome: &str| {
        format!("[[expect]]\n{who}\ntool = \"{tool}\"\noutcome = \"{outcome}\"\n")
    };
    let tools = "[tools.read_data]\npermissions = [\"user\"]\n[tools.write_data]\npermissions = [\"admin\"]\n";
    let user = "permissions = [\"user\"]";
    [
        tools,
        &expect(user, "read_data", "allowed"),
        &expect(user, "write_data", last),
        &expect("user = \"user123\"", "write_data", "forbidden"),
    ]
    .concat()
}

fn junit(path: &std::path::Path) -> Report {
    let xml = std::fs::read_to_string(path).expect("the report is written");
    assert!(!xml.contains("eyJ"), "{xml}");
    Report::deserialize_from_str(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

#[rstest]
#[case("check", "read_data", "allowed", 0, "allowed, as expected")]
#[case("check", "write_data", "forbidden", 0, "forbidden, as expected")]
#[case("check", "write_data", "permission_missing", 0, "permission_missing, as expected")]
#[case("check", "write_data", "allowed", 4, "expected allowed, got forbidden (permission_missing)")]
#[case("check", "read_data", "unauthorized", 4, "expected unauthorized, got allowed")]
#[case("call", "read_data", "allowed", 0, "allowed, as expected")]
#[case("call", "write_data", "forbidden", 0, "forbidden, as expected")]
#[case("call", "read_data", "forbidden", 4, "expected forbidden, got allowed")]
fn an_expected_answer_becomes_the_exit_code(
    #[case] command: &str,
    #[case] tool: &str,
    #[case] expected: &str,
    #[case] wanted: i32,
    #[case] sentence: &str,
) {
    let token = issue("user123", "user");
    let CommandOutput { out, err, exit } =
        portcullis(&[command, "--expect", expected, "-", tool]).input(token.as_str()).run();
    let said = if command == "check" { &out } else { &err };
    assert!(exit == wanted && said.lines().any(|line| line.ends_with(sentence)), "{exit}: {out}{err}");
    let CommandOutput { out, err, exit } =
        portcullis(&[command, "--json", "--expect", expected, "-", tool]).input(token).run();
    let said = if command == "check" { &out } else { &err };
    let report: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
    assert_eq!((exit, &report["expected"], &report["passed"]), (wanted, &expected.into(), &(wanted == 0).into()));
}

#[test]
fn arguments_that_the_tool_rejects_can_be_expected() {
    let token = issue("user123", "user");
    let call = |expected: &str| {
        portcullis(&["call", "--expect", expected, "-", "read_data", "[1]"]).input(token.as_str()).run()
    };
    assert_eq!((call("invalid_arguments").exit, call("allowed").exit), (0, 4), "{}", call("allowed").err);
    // A token of nobody is expected to be refused.
    assert_eq!(bare(&["call", "--no-token", "--expect", "missing_token", "read_data"]).run().exit, 0);
}

#[test]
fn a_misspelled_expectation_gets_a_suggestion_and_completions_list_the_values() {
    let CommandOutput { err, exit, .. } = portcullis(&["check", "--expect", "forbiden", "read_data"]).run();
    assert!(exit == 2 && err.contains("forbidden") && err.contains("similar"), "{exit}: {err}");
    assert_eq!(portcullis(&["check", "--expect", "tool_failed", "read_data"]).run().exit, 2);
    for (command, value) in [("check", "audience_mismatch"), ("call", "tool_failed")] {
        let words = ["--", "portcullis", command, "--expect", ""];
        let values = bare(&words).env("PORTCULLIS_COMPLETE", "fish").out();
        assert!(values.contains(value), "{command}: {values}");
    }
}

#[rstest]
#[case("forbidden", 0, 0)]
#[case("allowed", 4, 1)]
fn expectations_of_a_policy_are_cases(#[case] last: &str, #[case] exit: i32, #[case] failures: usize) {
    let folder = Folder::new();
    let (file, report) = (folder.write("policy.toml", policy(last)), folder.path("report.xml"));
    let path = report.to_str().expect("UTF-8");
    let checked = bare(&["policy", "check", &file, "--junit", path]).run();
    assert!(checked.exit == exit && checked.out.contains("sha256"), "{}{}", checked.out, checked.err);
    let read = junit(&report);
    assert_eq!((read.tests, read.failures, read.errors, read.skipped), (3, failures, 0, 1));
    let tap = bare(&["policy", "check", &file, "--tap"]).run();
    let wanted = "TAP version 14\n1..3\n";
    assert!(tap.exit == exit && tap.out.starts_with(wanted) && tap.out.contains("# SKIP about a user"), "{}", tap.out);
    let markdown = bare(&["policy", "check", &file, "--markdown"]).run();
    assert!(markdown.exit == exit && markdown.out.contains("| user | read\\_data |"), "{}", markdown.out);

    // The same by a matrix; with a token of the user, the expectation about them is tested as well.
    let token = issue("user123", "user");
    let options = ["matrix", "--policy", &file, "--junit", path, "-"];
    let shown = portcullis(&options).input(token.as_str()).run();
    assert!(shown.exit == exit && shown.out.contains("write_data"), "{}", shown.err);
    let read = junit(&report);
    assert!(read.tests == 3 && read.failures <= failures, "{read:?}");
    let tap = portcullis(&["matrix", "--policy", &file, "--tap"]).run();
    assert!(tap.exit == exit && tap.out.starts_with(wanted), "{}{}", tap.out, tap.err);
}

#[test]
fn a_row_whose_keys_cannot_be_fetched_has_no_verdict() {
    let folder = Folder::new();
    let text = "[tools.read_data]\npermissions = [\"user\"]\n[[expect]]\npermissions = [\"user\"]\n\
                tool = \"read_data\"\noutcome = \"allowed\"\n";
    let config = "[[issuers]]\nissuer = \"https://sso.example\"\njwks-uri = \"http://127.0.0.1:9/jwks\"\n";
    let (file, config) = (folder.write("policy.toml", text), folder.write("portcullis.toml", config));
    let report = folder.path("report.xml");
    let token = portcullis(&["issue", "a", "-p", "user", "--issuer", "https://sso.example"]).out();
    let options = ["--config", &config, "matrix", "--policy", &file, "--junit", report.to_str().expect("UTF-8"), "-"];
    let shown = bare(&options).input(token).run();
    let read = junit(&report);
    assert_eq!((shown.exit, read.tests, read.failures, read.errors), (6, 2, 0, 1), "{}{}", shown.out, shown.err);
}

#[test]
fn the_kit_and_a_drill_write_reports() {
    let folder = Folder::new();
    let report = folder.path("kit.xml");
    let path = report.to_str().expect("UTF-8");
    let shown = portcullis(&["testkit", "--run", "--junit", path]).out();
    assert!(shown.contains("32 of 32 as expected"), "{shown}");
    let read = junit(&report);
    assert_eq!((read.tests, read.failures, read.errors), (32, 0, 0));
    let suite = &read.test_suites[0];
    assert!(suite.properties.iter().any(|property| property.name.as_str() == "tool"), "{suite:?}");
    assert!(suite.test_cases.iter().any(|case| case.name.as_str() == "alg none"));
    let tap = portcullis(&["testkit", "--run", "--tap"]).out();
    assert_eq!((tap.lines().nth(1), tap.matches("\nok ").count()), (Some("1..32"), 32), "{tap}");

    // The file of the kit is replaced.
    portcullis(&["drill", "--shifted", "--ttl", "1h", "read_data", "--junit", path]).out();
    let read = junit(&report);
    let name = read.test_suites[0].test_cases[0].name.as_str();
    assert_eq!((read.tests, read.failures, name), (1, 0, "read_data is refused from exp"));
    let drill = portcullis(&["drill", "--shifted", "--ttl", "1h", "write_data", "-p", "user", "--tap"]).run();
    assert!(drill.exit == 4 && drill.out.contains("not ok 1 - drill: write_data"), "{}", drill.out);
}

#[test]
fn a_tool_that_nothing_implements_leaves_the_kit_without_a_verdict() {
    let folder = Folder::new();
    let file = folder.write("policy.toml", "[tools.elsewhere]\npermissions = [\"user\"]\n");
    let report = folder.path("kit.xml");
    let options = ["testkit", "--run", "--policy", &file, "--junit", report.to_str().expect("UTF-8")];
    let CommandOutput { out, exit, .. } = portcullis(&options).run();
    let read = junit(&report);
    assert!(exit == 6 && read.failures == 0 && read.errors > 0, "{exit}: {out}");
    let status = &read.test_suites[0].test_cases[0].status;
    assert!(matches!(status, TestCaseStatus::NonSuccess { .. }) && out.contains("? good"), "{out}");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let folder = Folder::new();
    let nowhere = folder.path("missing/report.xml");
    let missing = portcullis(&["testkit", "--run", "--junit", nowhere.to_str().expect("UTF-8")]).run();
    assert!(missing.exit == 1 && missing.out.is_empty() && missing.err.contains("report "), "{}", missing.err);
    // A device is not replaced by a file.
    let link = folder.path("link.xml");
    symlink("/dev/null", &link).expect("a link");
    let device = portcullis(&["testkit", "--run", "--junit", link.to_str().expect("UTF-8")]).run();
    assert!(device.exit == 1 && device.err.contains("not a regular file"), "{}", device.err);
    // A link to a file is followed.
    folder.write("real.xml", "old");
    let link = folder.path("other.xml");
    symlink(folder.path("real.xml"), &link).expect("a link");
    portcullis(&["testkit", "--run", "--junit", link.to_str().expect("UTF-8")]).out();
    assert!(link.is_symlink() && junit(&folder.path("real.xml")).tests == 32);
}

#[test]
fn a_matrix_is_reported_as_a_whole_even_if_its_output_is_not_read() {
    let folder = Folder::new();
    let file = folder.write("policy.toml", policy("forbidden"));
    let tokens = folder.write("tokens", format!("{}\n", issue("user123", "user")).repeat(3000));
    let report = folder.path("report.xml");
    let script = format!(
        "'{PORTCULLIS}' matrix --policy '{file}' --json --junit '{}' @'{tokens}' | head -n 1",
        report.to_str().expect("UTF-8")
    );
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -o pipefail; {script}")]).env("PORTCULLIS_SECRET", SECRET);
    let output = command.output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    // Two cases for each row, and the expectation that applies to none of them.
    assert_eq!(junit(&report).tests, 6001);
}

#[test]
fn the_results_are_printed_even_if_the_report_cannot_be_written() {
    let folder = Folder::new();
    // The temporary file beside it would have too long a name.
    let path = folder.path(&"x".repeat(250));
    let path = path.to_str().expect("UTF-8");
    let CommandOutput { out, err, exit } = portcullis(&["testkit", "--run", "--junit", path]).run();
    assert!(exit == 1 && out.contains("32 of 32 as expected") && err.contains("report "), "{exit}: {out}{err}");
}

#[rstest]
#[case(&["testkit", "--run", "--tap", "--json"], "--json cannot be used with --tap")]
#[case(&["testkit", "--run", "--tap", "--markdown"], "--markdown cannot be used with --tap")]
#[case(&["testkit", "--tap"], "need --run")]
#[case(&["testkit", "--run", "--junit", "-"], "expected a file, got -")]
#[case(&["matrix", "--tap", "--csv"], "--csv")]
#[case(&["matrix", "--json", "--csv"], "--json cannot be used with --csv")]
fn two_formats_at_once_are_rejected(#[case] arguments: &[&str], #[case] words: &str) {
    let CommandOutput { err, exit, .. } = portcullis(arguments).run();
    assert!(exit == 2 && err.contains(words), "{exit}: {err}");
}
