//! Completions: what a user sees after Tab, in the program's answers and in the shells themselves.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use portcullis::auth::mapping::PRESETS;
use rstest::rstest;

use super::{CommandOutput, Folder, PORTCULLIS, Run, SECRET, bare};

const POLICY: &str = r#"
[tools."db:read"]
description = "reads a row"
permissions = ["viewer"]

[tools."db:write row"]
permissions = ["editor", "owner"]

[permissions.editor]
description = "may change rows"

[[expect]]
user = "alice"
tool = "db:read"
outcome = "allowed"
"#;

/// The request of the fish script for a line: words up to the cursor, of which the last one is completed.
fn request(words: &[&str]) -> Run {
    bare(&[&["--", "portcullis"], words].concat()).env("PORTCULLIS_COMPLETE", "fish")
}

/// The values, each with its description after a tab.
fn rows(run: Run) -> Vec<String> {
    let CommandOutput { out, err, exit } = run.run();
    assert_eq!((exit, err.as_str()), (0, ""), "completing succeeds without a message");
    out.lines().map(str::to_owned).collect()
}

fn values(words: &[&str]) -> Vec<String> {
    rows(request(words)).iter().map(|row| row.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[rstest]
#[case(&["check", ""], &["read_data", "write_data", "delete_data"])]
#[case(&["check", "eyJ", "w"], &["write_data"])]
#[case(&["--json", "drill", "--ttl", "3s", "re"], &["read_data"])]
#[case(&["call", "--expect", "tool"], &["tool_failed"])]
#[case(&["check", "--expect", "exp"], &["expired"])]
#[case(&["why", "--tool", "d"], &["delete_data"])]
#[case(&["issue", "user1", "-p", ""], &["user", "admin"])]
#[case(&["issue", "user1", "--permission=a"], &["--permission=admin"])]
#[case(&["matrix", "--as", "user,"], &["user,admin"])]
#[case(&["--pol"], &["--policy"])]
#[case(&["keys", "new", "--alg", "ES"], &["ES256", "ES384", "ES512"])]
#[case(&["inspect", "--algorithms", "RS256,Ed"], &["RS256,EdDSA"])]
#[case(&["--theme", ""], &["auto", "dark", "light", "contrast", "plain"])]
#[case(&["serve", "--denial", ""], &["http", "tool", "auto"])]
#[case(&["serve", "--list", ""], &["permitted", "all"])]
#[case(&["--color", "a"], &["auto", "always"])]
#[case(&["completions", ""], &["bash", "elvish", "fish", "zsh"])]
#[case(&["keys", "n"], &["new"])]
#[case(&["issue", "user1", "--ttl", ""], &[])]
fn tab_completes(#[case] words: &[&str], #[case] wanted: &[&str]) {
    assert_eq!(values(words), wanted);
}

#[test]
fn every_preset_is_completed_with_its_provider_and_named_in_help() {
    let offered = rows(request(&["inspect", "--preset", ""]));
    let wanted: Vec<String> = PRESETS.iter().map(|preset| format!("{}\t{}", preset.name, preset.provider)).collect();
    assert_eq!(offered, wanted);
    let help = bare(&["inspect", "--help"]).out();
    let (_, help) = help.split_once("--preset").expect("an option");
    let (help, _) = help.split_once("--user-claim").expect("the next option");
    for preset in &PRESETS {
        assert!(help.contains(preset.name), "{}: {help}", preset.name);
    }
}

#[test]
fn tools_and_permissions_are_those_of_the_policy_in_use() {
    let folder = Folder::new();
    let policy = folder.write("my policy.toml", POLICY);
    let configuration =
        "policy = \"my policy.toml\"\n[[targets]]\nname = \"orders\"\nurl = \"https://orders.example/mcp\"\n";
    let config = folder.write("portcullis.toml", configuration);
    folder.write("home/.config/portcullis/portcullis.toml", configuration.replace("my ", "../../../my "));
    let tools = ["db:read\treads a row", "db:write row\tneeds editor or owner"];
    let inline = format!("--policy={policy}");
    for run in [
        request(&["--policy", &policy, "check", ""]),
        request(&["check", &inline, ""]),
        request(&["check", "--config", &config, ""]),
        request(&["check", ""]).env("PORTCULLIS_CONFIG", &config),
        request(&["check", ""]).env("HOME", folder.path("home")),
    ] {
        assert_eq!(rows(run), tools);
    }
    assert_eq!(
        rows(request(&["issue", "--policy", &policy, "a", "-p", ""])),
        ["viewer\tdb:read", "editor\tmay change rows", "owner\t\"db:write row\""]
    );
    assert_eq!(values(&["issue", "--policy", &policy, "al"]), ["alice"]);
    assert_eq!(rows(request(&["call", "--config", &config, "--target", ""])), ["orders\ta server at a URL"]);
    // Another server has tools of its own, which only a given policy describes.
    assert!(!values(&["call", "--url", "http://127.0.0.1:1/mcp", ""]).contains(&"read_data".to_owned()));
    assert_eq!(values(&["call", "--policy", &policy, "--url", "http://127.0.0.1:1/mcp", "db:r"]), ["db:read"]);
}

#[test]
fn files_are_completed_by_what_they_are_for() {
    let folder = Folder::new();
    for name in ["a.toml", "a.txt", "a/b.toml"] {
        folder.write(name, "");
    }
    let at = |rest: &str| folder.path(rest).to_str().expect("UTF-8").to_owned();
    let given =
        |prefix: &str, names: &[&str]| names.iter().map(|name| format!("{prefix}{}", at(name))).collect::<Vec<_>>();
    assert_eq!(values(&["check", "--policy", &at("a")]), given("", &["a.toml", "a/"]));
    assert_eq!(values(&["policy", "check", &at("a/")]), given("", &["a/b.toml"]));
    assert_eq!(values(&["check", &format!("@{}", at("a."))]), given("@", &["a.toml", "a.txt"]));
    assert_eq!(values(&["man", "--dir", &at("a")]), given("", &["a/"]));
    assert_eq!(values(&["call", "--", PORTCULLIS.get(..PORTCULLIS.len() - 1).expect("ASCII")]), [PORTCULLIS]);
}

#[test]
fn without_values_the_options_are_offered_and_a_second_tool_is_not() {
    let options = values(&["serve", ""]);
    assert!(options.first().is_some_and(|first| first == "--listen"), "{options:?}");
    let after_tool = values(&["check", "read_data", ""]);
    assert!(after_tool.iter().all(|value| value.starts_with('-')), "{after_tool:?}");
}

#[test]
fn a_policy_that_cannot_be_read_has_no_tools_and_causes_no_message() {
    let folder = Folder::new();
    let broken = folder.write("broken.toml", "[tools");
    let bad = folder.write("names.toml", "[tools.\"a\\u001b[31m\"]\npermissions = []\n[tools.ok]\npermissions = []\n");
    let fifo = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let (folder_path, fifo) = (folder.path(""), fifo.to_str().expect("UTF-8").to_owned());
    for path in [&*broken, "/nonexistent", &*fifo, folder_path.to_str().expect("UTF-8")] {
        let offered = rows(request(&["check", "--policy", path, ""]));
        assert!(offered.iter().all(|row| row.starts_with('-')), "{path}: {offered:?}");
    }
    assert_eq!(values(&["check", "--policy", &bad, ""]), ["ok"], "a name that cannot be shown is not offered");
    assert_eq!(values(&["check", "--config", &broken, "re"]), ["read_data"], "the policy without a configuration");
}

#[test]
fn completing_contacts_no_server_starts_no_program_writes_no_file_and_prints_no_secret() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("the mode is set");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let secret = folder.write("secret", SECRET);
    let [marker, state] = ["marker", "state.json"].map(|name| folder.path(name).to_str().expect("UTF-8").to_owned());
    let config = folder.write(
        "portcullis.toml",
        format!(
            "secret-file = \"secret\"\nstate = \"state.json\"\n[[issuers]]\nissuer = \"{url}\"\njwks-uri = \"{url}\"\n"
        ),
    );
    for words in [
        &["call", "--config", &config, "--url", &url, ""][..],
        &["inspect", "--issuer", &url, "--discover", "--jwks", &url, "--preset", "a"],
        &["tools", "--", "touch", &marker, ""],
        &["revoke", "--state", &state, "--secret-file", &secret, "--jti", "a", "--"],
        &["keys", "new", "--alg", "ES256", "--out", &marker, ""],
        &["check", "--config", &config, "--is"],
    ] {
        let CommandOutput { out, err, .. } = request(words).env("PORTCULLIS_SECRET", SECRET).run();
        assert!(!out.contains(SECRET) && err.is_empty(), "{words:?}: {out}{err}");
    }
    assert!(listener.accept().is_err(), "a server was contacted");
    assert!(!Path::new(&marker).exists() && !Path::new(&state).exists(), "a file was written");
}

#[test]
fn a_variable_of_other_programs_changes_nothing_and_an_unknown_shell_runs_nothing() {
    let help = bare(&["keys", "--help"]).out();
    assert_eq!(bare(&["keys", "--help"]).env("COMPLETE", "bash").out(), help);
    // Without the words of a line, it is not a request.
    assert_eq!(bare(&["keys", "--help"]).env("PORTCULLIS_COMPLETE", "bash").out(), help);
    let asked = bare(&["--", "portcullis", "check", ""]).env("PORTCULLIS_COMPLETE", "tcsh").run();
    assert_eq!((asked.exit, asked.out.as_str(), asked.err.as_str()), (0, "", ""));
}

#[test]
fn without_a_shell_the_script_is_for_the_login_shell_and_the_place_is_on_standard_error() {
    let folder = Folder::new();
    let home = folder.path("my home");
    std::fs::create_dir_all(&home).expect("a directory");
    let bin = Path::new(PORTCULLIS).parent().expect("a folder");
    for (shell, place) in [
        ("bash", ".local/share/bash-completion/completions/portcullis"),
        ("zsh", ".zfunc/_portcullis"),
        ("fish", ".config/fish/completions/portcullis.fish"),
    ] {
        let found = bare(&["completions"]).env("SHELL", format!("/usr/bin/{shell}")).env("HOME", &home).run();
        let script = bare(&["completions", shell]).run();
        assert_eq!((found.exit, &found.out, script.err.as_str()), (0, &script.out, ""));
        let (_, command) = found.err.split_once("to install: ").expect("a command to run");
        let command = command.lines().next().expect("a line");
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let ran = Command::new("sh").args(["-c", command]).env("HOME", &home).env("PATH", path).status();
        assert!(ran.expect("sh").success(), "{command}");
        assert_eq!(std::fs::read_to_string(home.join(place)).expect("it is installed"), script.out);
    }
}

#[rstest]
#[case(
    Some("/bin/tcsh"),
    "portcullis: SHELL is tcsh, which has no completions here; write `portcullis completions SHELL` with one of: bash, elvish, fish, zsh\n"
)]
#[case(
    None,
    "portcullis: SHELL is not set; write `portcullis completions SHELL` with one of: bash, elvish, fish, zsh\n"
)]
fn an_unknown_login_shell_is_a_usage_error(#[case] shell: Option<&str>, #[case] wanted: &str) {
    let run = bare(&["completions"]);
    let found = shell.into_iter().fold(run, |run, shell| run.env("SHELL", shell)).run();
    assert_eq!((found.exit, found.out.as_str(), found.err.as_str()), (2, "", wanted));
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
#[case("elvish")]
fn a_script_finds_the_program_on_the_path(#[case] shell: &str) {
    let script = bare(&["completions", shell]).out();
    let folder = Path::new(PORTCULLIS).parent().expect("a folder").to_str().expect("UTF-8");
    assert!(script.contains("PORTCULLIS_COMPLETE") && !script.contains(folder), "{script}");
}

/// Runs a script in a shell that has the program on its path. `None` with a message if the shell is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn in_shell(shell: &str, arguments: &[&str], script: &str, folder: &Folder) -> Option<String> {
    let bin = Path::new(PORTCULLIS).parent().expect("a folder").display();
    let file = folder.write("completions", bare(&["completions", shell]).out());
    let output = Command::new(shell)
        .args(arguments)
        .args(["-c", script])
        .env_clear()
        .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        .env("HOME", folder.path(""))
        .env("SCRIPT", file)
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder.path(""))
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: {shell} is not installed");
        return None;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "{shell}: {error}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The text that bash puts in place of the part of the word that it replaces.
#[rstest]
#[case("portcullis check ", "", &["read_data", "write_data", "delete_data"])]
#[case("portcullis issue user1 -p ", "", &["user", "admin"])]
#[case("portcullis --pol", "--pol", &["--policy"])]
#[case("portcullis check --policy my", "my", &[r"my\ policy.toml"])]
#[case("portcullis check --policy=my", "my", &[r"my\ policy.toml"])]
#[case("portcullis check --policy \"my", "my", &["my policy.toml"])]
#[case(r"portcullis check --policy my\ policy.toml db:", "", &["read", r"write\ row"])]
#[case("portcullis check --policy 'my policy.toml' db:w", "w", &[r"write\ row"])]
fn bash_completes(#[case] line: &str, #[case] part: &str, #[case] wanted: &[&str]) {
    let folder = Folder::new();
    folder.write("my policy.toml", POLICY);
    // The variables that bash sets for a completion function, and its arguments.
    let script = format!(
        "source \"$SCRIPT\"; COMP_LINE={line:?}; COMP_POINT=${{#COMP_LINE}}; \
         _portcullis portcullis \"{part}\" x; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let found = in_shell("bash", &["--norc"], &script, &folder).expect("bash");
    assert_eq!(found.lines().collect::<Vec<_>>(), wanted);
}

/// In double quotes, nothing keeps bash from expanding a `!`.
#[rstest]
#[case("portcullis check --policy zb", "zb", r"zb\!echo.toml")]
#[case("portcullis check --policy 'zb", "zb", "zb!echo.toml")]
#[case("portcullis check --policy \"zb", "zb", "")]
fn bash_is_given_no_event_of_its_history(#[case] line: &str, #[case] part: &str, #[case] wanted: &str) {
    let folder = Folder::new();
    folder.write("zb!echo.toml", POLICY);
    let script = format!(
        "source \"$SCRIPT\"; COMP_LINE={line:?}; COMP_POINT=${{#COMP_LINE}}; \
         _portcullis portcullis \"{part}\" x; printf '%s' \"${{COMPREPLY[@]}}\""
    );
    assert_eq!(in_shell("bash", &["--norc"], &script, &folder).expect("bash"), wanted);
}

/// Its default takes the `@` of `@FILE` for a host.
#[test]
fn bash_adds_no_completions_of_its_own() {
    let script = r#"source "$SCRIPT"; complete -p portcullis"#;
    let found = in_shell("bash", &["--norc"], script, &Folder::new()).expect("bash");
    assert!(found.contains("-F _portcullis") && !found.contains("default"), "{found}");
}

#[test]
fn fish_completes_with_descriptions() {
    let folder = Folder::new();
    folder.write("my policy.toml", POLICY);
    let script = r#"source $SCRIPT
        complete -C 'portcullis check '; complete -C 'portcullis check --policy my'
        complete -C "portcullis check --policy 'my"
        complete -C 'portcullis check --policy my\ policy.toml db:'"#;
    if let Some(found) = in_shell("fish", &["--no-config"], script, &folder) {
        let wanted = "read_data\tneeds user or admin\nwrite_data\tneeds admin\ndelete_data\tneeds admin\n\
            my policy.toml\nmy policy.toml\ndb:read\treads a row\ndb:write row\tneeds editor or owner\n";
        assert_eq!(found, wanted);
    }
}

#[test]
fn zsh_completes_with_descriptions() {
    let folder = Folder::new();
    folder.write("my policy.toml", POLICY);
    // `_describe` is zsh's own and needs its line editor; here it prints the list that it is given.
    let script = r#"compdef() { print "compdef $*" }; _describe() { print -rl -- "${(@P)3}" }
        source $SCRIPT
        words=(portcullis check ''); CURRENT=3; PREFIX=; _portcullis || print failed
        words=(portcullis nothing ''); CURRENT=3; PREFIX=zzz; _portcullis && print found
        words=(portcullis check --policy 'my\ policy.toml' db:); CURRENT=5; PREFIX=db:; _portcullis"#;
    if let Some(found) = in_shell("zsh", &["-f"], script, &folder) {
        let wanted = "compdef _portcullis portcullis\nread_data:needs user or admin\nwrite_data:needs admin\n\
            delete_data:needs admin\ndb\\:read:reads a row\ndb\\:write row:needs editor or owner\n";
        assert_eq!(found, wanted);
    }
}
