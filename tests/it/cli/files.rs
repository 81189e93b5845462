//! The configuration file, the secret file, and the precedence of options, environment and file.

use std::os::unix::fs::PermissionsExt as _;

use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, Folder, SECRET, bare, issue, portcullis};

#[rstest]
#[case(SECRET)]
#[case("a-secret-of-thirty-two-bytes-ok!\n")]
#[case("a-secret-of-thirty-two-bytes-ok!\r\n")]
#[case("hex:612d7365637265742d6f662d7468697274792d74776f2d62797465732d6f6b21\n")]
#[case("b64:YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE=\n")]
#[case("b64:YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE")]
fn a_secret_is_read_in_any_notation(#[case] written: &str) {
    let folder = Folder::new();
    let (file, token) = (folder.write("secret", written), issue("user123", "user"));
    assert_eq!(bare(&["--secret-file", &file, "inspect", &token]).run().exit, 0);
    if !written.ends_with('\n') {
        assert_eq!(bare(&["inspect", &token]).env("PORTCULLIS_SECRET", written).run().exit, 0);
    }
}

#[test]
fn a_secret_that_others_can_read_is_rejected_with_the_command_to_fix_it() {
    let folder = Folder::new();
    let (file, token) = (folder.write("my secret's", SECRET), issue("user123", "user"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("the mode is set");
    let ran = bare(&["--secret-file", &file, "inspect", &token]).run();
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    let (_, fix) = ran.err.split_once('`').expect("a command");
    let (fix, _) = fix.split_once('`').expect("the end of the command");
    assert!(ran.err.contains("other users can read it") && fix.starts_with("chmod 600 "), "{}", ran.err);
    assert_eq!(bare(&["--secret-file", &file, "--insecure-secret-file", "inspect", &token]).run().exit, 0);
    let status = std::process::Command::new("sh").args(["-c", fix]).status().expect("sh runs");
    assert!(status.success(), "{fix}");
    assert_eq!(bare(&["--secret-file", &file, "inspect", &token]).run().exit, 0);
}

#[rstest]
#[case("hex:xyz", "expected pairs of hex digits after hex:")]
#[case("b64:§", "expected base64 after b64:")]
#[case("\n", "the secret is empty")]
fn a_bad_secret_is_named_and_never_quoted(#[case] written: &str, #[case] message: &str) {
    let folder = Folder::new();
    let ran = bare(&["--secret-file", &folder.write("secret", written), "inspect", "x"]).run();
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains(message) && !ran.err.contains("xyz") && !ran.err.contains('§'), "{}", ran.err);
}

#[test]
fn options_override_the_environment_which_overrides_the_file() {
    let folder = Folder::new();
    let other = folder.write("other", "another-secret-of-thirty-two-byt");
    folder.write("portcullis/secret", SECRET);
    let config = folder.write(
        "portcullis/portcullis.toml",
        "secret-file = \"secret\"\nissuer = \"file\"\naudience = \"file\"\nleeway = \"5s\"\nlifetime = \"10m\"\n",
    );
    let inspect = |run: super::Run| -> Value { serde_json::from_str(&run.run().out).expect("JSON") };
    // The file is found in the platform's folder for configuration, and a relative path in it is relative to that
    // folder.
    let found = bare(&["issue", "a"]).env("XDG_CONFIG_HOME", folder.path("")).out();
    let token = found.trim_end();
    let report = inspect(bare(&["--config", &config, "--json", "inspect", token]));
    assert_eq!(
        (&report["verdict"], &report["claims"]["iss"], &report["times"]["leeway"]),
        (&"valid".into(), &"file".into(), &5.0.into())
    );
    let life = |report: &Value| {
        report["times"]["exp"]["epoch"]
            .as_i64()
            .zip(report["times"]["iat"]["epoch"].as_i64())
            .map(|(exp, iat)| exp - iat)
    };
    assert_eq!(life(&report), Some(600));
    // The environment can name the file, too.
    let report = inspect(bare(&["--json", "inspect", token]).env("PORTCULLIS_CONFIG", &config));
    assert_eq!(report["verdict"], "valid");
    // An option overrides the file.
    let report = inspect(bare(&["--config", &config, "--issuer", "flag", "--json", "inspect", token]));
    assert_eq!((&report["verdict"], &report["reason"]), (&"invalid".into(), &"issuer_mismatch".into()));
    let longer = bare(&["--config", &config, "issue", "a", "--ttl", "2h"]).out();
    assert_eq!(life(&inspect(bare(&["--config", &config, "--json", "inspect", longer.trim_end()]))), Some(7200));
    // The environment's secret overrides the file's, and the option's secret overrides both.
    let of = |run: super::Run| inspect(run)["verdict"].clone();
    let secret = |run: super::Run| run.env("PORTCULLIS_SECRET", "another-secret-of-thirty-two-byt");
    assert_eq!(of(secret(bare(&["--config", &config, "--json", "inspect", token]))), "invalid");
    let own = folder.path("portcullis/secret");
    let own = own.to_str().expect("UTF-8");
    assert_eq!(of(secret(bare(&["--config", &config, "--secret-file", own, "--json", "inspect", token]))), "valid");
    assert_eq!(of(bare(&["--config", &config, "--secret-file", &other, "--json", "inspect", token])), "invalid");
}

#[test]
fn an_invalid_configuration_is_reported_with_file_line_and_nearest_key() {
    let folder = Folder::new();
    let config = folder.write("portcullis.toml", "lifetime = \"1h\"\nleewy = \"5s\"\n");
    let CommandOutput { err, exit, .. } = portcullis(&["--config", &config, "inspect", "x"]).run();
    assert_eq!(exit, 1);
    assert!(err.contains(&format!("{config}: line 2, column 1: unknown key leewy; did you mean leeway?")), "{err}");
    let CommandOutput { err, exit, .. } = portcullis(&["--config", "/no/such/file", "inspect", "x"]).run();
    assert_eq!(exit, 1);
    assert!(err.contains("configuration file /no/such/file: no such file or directory"), "{err}");
}

#[test]
fn files_that_are_too_long_are_rejected_and_not_truncated() {
    let folder = Folder::new();
    let token = issue("user123", "user");
    let config = folder.write("config.toml", format!("{}\nissuer = \"strict\"\n", "#".repeat(64 * 1024)));
    let CommandOutput { exit, err, .. } = portcullis(&["--config", &config, "inspect", &token]).run();
    assert!(exit == 1 && err.contains("larger than 65536 bytes"), "{err}");
    let secret = |pairs: usize| folder.write("secret", format!("hex:{}\r\n", "61".repeat(pairs)));
    assert_eq!(bare(&["--secret-file", &secret(65_536), "inspect", &token]).run().exit, 3);
    let CommandOutput { exit, err, .. } = bare(&["--secret-file", &secret(65_537), "inspect", &token]).run();
    assert!(exit == 1 && err.contains("the secret is longer than 65536 bytes"), "{err}");
}

#[test]
fn a_broken_link_to_the_configuration_is_an_error() {
    let folder = Folder::new();
    let place = folder.write("portcullis/other", "");
    let link = std::path::Path::new(&place).with_file_name("portcullis.toml");
    std::os::unix::fs::symlink("gone.toml", link).expect("a link");
    let home = std::path::Path::new(&place).parent().and_then(std::path::Path::parent).expect("the folder");
    let CommandOutput { exit, err, .. } = portcullis(&["inspect", "x"]).env("XDG_CONFIG_HOME", home).run();
    assert!(exit == 1 && err.contains("portcullis.toml: no such file"), "{err}");
}

/// A user who can change the policy or the revocations can change decisions.
#[test]
fn a_file_that_others_can_change_is_reported_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let policy = path("policy.toml", "[tools.read_data]\npermissions = [\"user\"]\n");
    let state = path("state.json", "{\"version\":1,\"revoked\":[]}");
    let run = || portcullis(&["--policy", &policy, "--state", &state, "check", "--no-token", "read_data"]).run().err;
    assert!(!run().contains("other users"), "{}", run());
    for file in [&policy, &state] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).expect("the mode is set");
    }
    for warning in ["policy file: other users can write ", "state file: other users can write "] {
        assert_eq!(run().matches(warning).count(), 1, "{}", run());
    }
}
