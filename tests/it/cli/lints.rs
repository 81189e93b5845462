//! `policy check` on policies with misleading names, and on the collected cases if they are available.

use std::path::Path;

use serde_json::Value;

use super::{CommandOutput, Folder, bare};

/// Returns the codes of the warnings about a policy file.
fn warnings(file: &str) -> Vec<String> {
    let out = bare(&["--json", "policy", "check", file]).out();
    let checked: Value = serde_json::from_str(&out).expect("JSON");
    let warnings = checked["warnings"].as_array().expect("a list").iter();
    warnings.map(|warning| warning["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn misleading_names_are_warnings_and_do_not_change_the_exit_code() {
    let folder = Folder::new();
    let policy = |name: &str, text: &str| folder.write(name, text);
    let spaces = policy("space.toml", "[tools.read_data]\npermissions = [\"staff \"]\n");
    assert_eq!(warnings(&spaces), ["outer_space"]);
    let case = policy(
        "case.toml",
        "[tools.read_data]\npermissions = [\"staff\"]\n[tools.write_data]\npermissions = [\"Staff\"]\n",
    );
    assert_eq!(warnings(&case), ["same_but_for_case"]);
    let names = policy(
        "names.toml",
        "[tools.\"crm.find\"]\npermissions = [\"staff\"]\n[tools.\"crm/drop\"]\npermissions = [\"staff\"]\nstub = true\n",
    );
    assert_eq!(warnings(&names), ["refused_by_some_clients", "not_an_mcp_name", "not_implemented"]);
    let dotted = policy("dotted.toml", "[tools.crm.find]\npermissions = [\"staff\"]\n");
    let CommandOutput { err, exit, .. } = bare(&["policy", "check", &dotted]).run();
    assert!(
        exit == 1 && err.contains(r#"[tools.crm.find] needs quotes around a name with dots: [tools."crm.find"]"#),
        "{err}"
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn the_collected_policies_produce_warnings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/in/policies");
    if !folder.is_dir() {
        eprintln!("SKIPPED: ../shared/cases is missing");
        return;
    }
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let count = |name: &str, code: &str| warnings(&file(name)).iter().filter(|found| *found == code).count();
    assert_eq!(count("space.toml", "outer_space"), 2);
    assert_eq!(count("names.toml", "not_implemented"), 6);
    assert_eq!((count("names.toml", "not_an_mcp_name"), count("names.toml", "refused_by_some_clients")), (4, 1));
    let CommandOutput { err, .. } = bare(&["policy", "check", &file("dotted.toml")]).run();
    assert!(err.contains(r#"[tools."db.query"]"#), "{err}");
}
