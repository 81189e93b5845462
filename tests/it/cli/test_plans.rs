//! `portcullis test`: a plan becomes one report and an exit code.

use std::process::Command;

use quick_junit::Report;
use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, Folder, PORTCULLIS, bare, issue, portcullis};

const EXAMPLE: &str = include_str!("../../../assets/plan.example.toml");

/// A case of a plan.
fn case(name: &str, members: &str) -> String {
    format!("[[cases]]\nname = \"{name}\"\n{members}\n")
}

/// Runs a plan from standard input.
fn run(plan: &str, options: &[&str]) -> CommandOutput {
    portcullis(&[&["test", "-"], options].concat()).input(plan).run()
}

#[test]
fn the_commands_of_the_readme_print_the_documented_output() {
    let readme = include_str!("../../../docs/test-plans.md");
    let (_, rest) = readme.split_once("<!-- plan commands -->").expect("the marker");
    let block = |kind: &str| {
        let (_, rest) = rest.split_once(&format!("```{kind}\n")).expect("a block");
        rest.split_once("```").expect("the end of the block").0.to_owned()
    };
    let folder = Folder::new();
    folder.write("plan.toml", EXAMPLE);
    let program = std::path::Path::new(PORTCULLIS).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", program.display());
    let mut command = Command::new("sh");
    command.args(["-c", &block("sh")]).current_dir(folder.path("")).env_clear().env("PATH", path);
    let output = command.env("HOME", "/nonexistent").output().expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), block("text"), "{}", String::from_utf8_lossy(&output.stderr));
    let xml = std::fs::read_to_string(folder.path("report.xml")).expect("the report");
    let read = Report::deserialize_from_str(&xml).expect("JUnit XML");
    assert_eq!((read.tests, read.failures, read.errors), (17, 2, 0), "{xml}");
    assert!(!xml.contains("eyJ"), "{xml}");
}

#[test]
fn every_format_of_a_plan_says_the_same() {
    let plan = [
        case("anonymous", "tool = \"read_data\"\nexpect = \"missing_token\""),
        case("wrong", "tool = \"read_data\"\nexpect = \"allowed\""),
    ]
    .concat();
    let text = run(&plan, &[]);
    assert_eq!(text.exit, 4, "{}", text.err);
    assert!(text.out.contains("✘ wrong: expected allowed, got unauthorized (missing_token)"), "{}", text.out);
    let tap = run(&plan, &["--tap"]);
    assert!(tap.exit == 4 && tap.out.starts_with("TAP version 14\n1..2\n"), "{}", tap.out);
    assert!(tap.out.contains("not ok 2 - cases: wrong\n  ---\n"), "{}", tap.out);
    let markdown = run(&plan, &["--markdown"]);
    assert!(markdown.exit == 4 && markdown.out.starts_with("### Test plan: FAILED"), "{}", markdown.out);
    let json = run(&plan, &["--json"]);
    let lines: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let results: Vec<&str> = lines.iter().filter_map(|line| line["result"].as_str()).collect();
    assert_eq!((json.exit, results, lines[2]["failed"].as_u64()), (4, vec!["passed", "failed"], Some(1)));
}

#[test]
fn tokens_come_from_recipes_files_variables_and_the_kit() {
    let folder = Folder::new();
    folder.write("tokens/stolen.jwt", format!("Authorization: Bearer {}\n", issue("user123", "user")));
    let tokens = "
        [tokens.stolen]
        from-file = \"tokens/stolen.jwt\"
        [tokens.ci]
        env = \"CI_TOKEN\"
        [tokens.blue]
        user = \"ann\"
        permissions = [\"admin\"]
        lifetime = \"10m\"
        audiences = [\"them\"]
        claims = { team = \"blue\" }
        [tokens.endless]
        user = \"ann\"
        permissions = [\"admin\"]
        no-exp = true
        [tokens.odd]
        user = \"ann\"
        header = { crit = [\"exp\"] }
        [tokens.early]
        user = \"ann\"
        permissions = [\"user\"]
        not-before = \"1m\"
        [tokens.cut]
        kit = \"cut signature\"
        [tokens.weak]
        kit = \"good\"
        permissions = []
    ";
    let cases = [
        case("a file", "token = \"stolen\"\ntool = \"read_data\"\nexpect = \"allowed\""),
        case("a variable", "token = \"ci\"\ntool = \"write_data\"\nexpect = \"allowed\""),
        case("other audience", "token = \"blue\"\ntool = \"read_data\"\nexpect = \"allowed\""),
        case("just before", "token = \"blue\"\ntool = \"read_data\"\nat = \"+9m\"\nexpect = \"allowed\""),
        case("just after", "token = \"blue\"\ntool = \"read_data\"\nat = \"+10m\"\nexpect = \"expired\""),
        case("endless", "token = \"endless\"\ntool = \"read_data\"\nexpect = \"claim_missing\""),
        case("odd", "token = \"odd\"\ntool = \"read_data\"\nexpect = \"header_refused\""),
        case("too early", "token = \"early\"\ntool = \"read_data\"\nat = \"nbf - 1s\"\nexpect = \"not_yet_valid\""),
        case("in time", "token = \"early\"\ntool = \"read_data\"\nat = \"nbf\"\nexpect = \"allowed\""),
        case("kit", "token = \"cut\"\ntool = \"read_data\"\nexpect = \"bad_signature\""),
        case("kit without permission", "token = \"weak\"\ntool = \"read_data\"\nexpect = \"forbidden\""),
        case("arguments", "token = \"ci\"\ntool = \"read_data\"\narguments = { id = 7 }\nexpect = \"allowed\""),
        case("unknown tool", "token = \"ci\"\ntool = \"no_such\"\nexpect = \"unknown_tool\""),
    ]
    .concat();
    let plan = folder.write("plan.toml", [tokens, &cases].concat());
    let done = portcullis(&["test", &plan]).env("CI_TOKEN", issue("ci", "admin")).run();
    assert!(done.exit == 0 && done.out.contains("13 cases: 13 passed"), "{}{}", done.out, done.err);
    assert!(!done.out.contains("eyJ"), "{}", done.out);
}

#[test]
fn a_case_whose_answer_cannot_be_known_has_no_verdict() {
    let folder = Folder::new();
    let config = "[[issuers]]\nissuer = \"https://sso.example\"\njwks-uri = \"http://127.0.0.1:9/jwks\"\n";
    let config = folder.write("portcullis.toml", config);
    let token = portcullis(&["issue", "a", "-p", "user", "--issuer", "https://sso.example"]).out();
    folder.write("sso.jwt", token);
    let ours = case("ours", "tool = \"read_data\"\nexpect = \"unauthorized\"");
    let theirs = case("theirs", "token = \"sso\"\ntool = \"read_data\"\nexpect = \"allowed\"");
    let tokens = "[tokens.sso]\nfrom-file = \"sso.jwt\"\n";
    let plan = folder.write("plan.toml", [tokens, &ours, &theirs].concat());
    let report = folder.path("report.xml");
    let done = bare(&["--config", &config, "test", &plan, "--junit", report.to_str().expect("UTF-8")]).run();
    assert!(done.exit == 6 && done.out.contains("? theirs: "), "{}: {}{}", done.exit, done.out, done.err);
    let xml = std::fs::read_to_string(&report).expect("the report");
    let read = Report::deserialize_from_str(&xml).expect("JUnit XML");
    assert_eq!((read.tests, read.failures, read.errors), (2, 0, 1), "{xml}");
}

#[test]
fn switches_of_the_plan_and_of_the_options_add_cases() {
    let plan = case("one", "tool = \"read_data\"\nexpect = \"unauthorized\"");
    assert_eq!(run(&plan, &[]).exit, 0);
    let covered = run(&plan, &["--every-tool-has-a-case"]);
    assert!(covered.exit == 4 && covered.out.contains("✘ write_data: no case calls this tool"), "{}", covered.out);
    assert!(covered.out.contains("✔ read_data"), "{}", covered.out);
    let refused = run(&plan, &["--no-anonymous"]);
    assert!(refused.exit == 0 && refused.out.contains("4 cases: 4 passed"), "{}", refused.out);
    // The switches alone are a plan.
    assert_eq!(run("[switches]\nno-anonymous = true\n", &[]).exit, 0);
}

#[rstest]
#[case("titel = \"x\"", 1, "test plan -: line 1, column 1: unknown member titel; did you mean title?")]
#[case(
    "[[cases]]\nname = \"a\"\ntool = \"raed_data\"\nexpect = \"forbidden\"",
    1,
    "test plan -: line 3, column 8: unknown tool raed_data; did you mean read_data?"
)]
#[case(
    "[tokens.ci]\nenv = \"NO_SUCH_VARIABLE\"\n[switches]\nno-anonymous = true",
    1,
    "line 1, column 9: the environment variable NO_SUCH_VARIABLE is not set"
)]
#[case("[tokens.gone]\nfrom-file = \"gone.jwt\"\n[switches]\nno-anonymous = true", 1, "token file gone.jwt")]
#[case(
    "[tokens.a]\nuser = \"a\"\nalgorithm = \"RS256\"\n[switches]\nno-anonymous = true",
    1,
    "line 1, column 9: RS256 cannot be made with this key"
)]
#[case(
    "[tokens.a]\nuser = \"a\"\nclaims = { exp = 1 }\n[switches]\nno-anonymous = true",
    1,
    "column 9: extra claims: exp"
)]
#[case(
    "url = \"ftp://127.0.0.1/mcp\"\n[switches]\nno-anonymous = true",
    1,
    "line 1, column 7: expected an http or https URL"
)]
fn a_plan_that_cannot_be_run_says_where(#[case] plan: &str, #[case] exit: i32, #[case] words: &str) {
    let done = run(plan, &[]);
    assert!(done.exit == exit && done.err.contains(words) && done.out.is_empty(), "{}: {}", done.exit, done.err);
}

#[test]
fn a_plan_that_needs_no_key_runs_without_a_secret() {
    let anonymous = case("one", "tool = \"read_data\"\nexpect = \"missing_token\"");
    assert_eq!(bare(&["test", "-"]).input(anonymous).run().exit, 0);
    let done = bare(&["test", "-"]).input(EXAMPLE).run();
    assert!(done.exit == 1 && done.err.contains("no signing secret"), "{}", done.err);
    assert_eq!(portcullis(&["test", "/no/such/plan.toml"]).run().exit, 1);
}
