//! Many tokens on standard input, and readers that close the pipe early.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, PORTCULLIS, SECRET, issue, portcullis};

fn verdicts(out: &str) -> Vec<String> {
    let verdict = |line: &str| {
        let report: Value = serde_json::from_str(line).expect("JSON on every line");
        report["verdict"].as_str().expect("a verdict").to_owned()
    };
    out.lines().map(verdict).collect()
}

#[test]
fn tokens_are_inspected_one_by_one_in_order() {
    let good = issue("user123", "user");
    let input = format!("{good}\n\n{good}x\r\nBearer {good}\nno token\n{good}");
    let CommandOutput { out, err, exit } = portcullis(&["--json", "inspect", "-"]).input(input).run();
    assert_eq!(verdicts(&out), ["valid", "invalid", "valid", "invalid", "valid"]);
    assert_eq!(exit, 3);
    assert!(err.contains("line 4: ignored: \"Bearer\""), "{err}");
}

#[test]
fn a_token_wrapped_over_several_lines_is_one_token() {
    let good = issue("user123", "user");
    for columns in [20, 40, 60, 64, 76, 80, 100, 120, 200] {
        let wrapped: Vec<&[u8]> = good.as_bytes().chunks(columns).collect();
        let CommandOutput { out, .. } = portcullis(&["--json", "inspect", "-"]).input(wrapped.join(&b'\n')).run();
        assert_eq!(verdicts(&out), ["valid"], "{columns} columns");
    }
    let header = format!("POST /mcp HTTP/1.1\nAuthorization: Bearer {good}\nHost: example.org\n");
    assert_eq!(verdicts(&portcullis(&["--json", "inspect", "-"]).input(header).run().out), ["valid"]);
}

#[test]
fn a_long_stream_is_read_line_by_line() {
    let good = issue("user123", "user");
    let mut input = format!("{good}\n").repeat(2000).into_bytes();
    input.extend_from_slice(b"no token\n\xff\xfe\n");
    input.extend_from_slice(&vec![b'x'; (4 << 20) + 1]);
    input.extend_from_slice(format!("\n{good}").as_bytes());
    let CommandOutput { out, err, exit } = portcullis(&["--json", "inspect", "-"]).input(input).run();
    let verdicts = verdicts(&out);
    assert_eq!((verdicts.len(), exit), (2003, 3));
    assert!(verdicts[..2000].iter().all(|verdict| verdict == "valid"));
    assert_eq!(&verdicts[2000..], ["invalid", "invalid", "valid"]);
    assert!(err.contains("line 2003 is longer than 4.0 MiB; skipped"), "{err}");
}

const MANY: usize = 100_000;

/// Both figures include the program itself, which is large in a debug build.
#[test]
fn a_long_stream_takes_no_more_memory_than_a_short_one() {
    let [short, long] = [MANY / 50, MANY].map(peak_of_a_stream);
    let is_known = short.zip(long).map(|(short, long)| long < short + 2 * 1024);
    // 24 MB of tokens have been read.
    assert!(is_known.unwrap_or(cfg!(not(target_os = "linux"))), "{short:?} kB, {long:?} kB");
}

/// Returns the peak memory while reading so many tokens, in kB, if the system reports it.
fn peak_of_a_stream(many: usize) -> Option<usize> {
    let good = format!("{}\n", issue("user123", "user"));
    let mut child = Command::new(PORTCULLIS)
        .args(["--json", "inspect", "-"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PORTCULLIS_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let status = format!("/proc/{}/status", child.id());
    let peak = move || {
        let status = std::fs::read_to_string(&status).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    };
    let writer = std::thread::spawn(move || {
        for _ in 0..many {
            stdin.write_all(good.as_bytes()).expect("the program reads its input");
        }
        // Everything is read except the contents of pipes and buffers.
        peak()
    });
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().count();
    let peak = writer.join().expect("the writer finishes");
    assert!(child.wait().expect("the program exits").success());
    assert_eq!(lines, many);
    peak
}

#[test]
fn closing_the_pipe_early_is_not_an_error() {
    let good = format!("{}\n", issue("user123", "user"));
    let script = format!(
        "'{PORTCULLIS}' --json inspect - | head -1 | wc -l; '{PORTCULLIS}' completions zsh | true; '{PORTCULLIS}' --help | true"
    );
    let mut child = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {script}")])
        .env("HOME", "/nonexistent")
        .env("PORTCULLIS_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || drop((0..20_000).try_for_each(|_| stdin.write_all(good.as_bytes()))));
    let output = child.wait_with_output().expect("the program exits");
    writer.join().expect("the writer finishes");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{:?}", output.status);
}

#[test]
fn the_exit_code_covers_the_decision_even_if_the_pipe_is_closed() {
    let token = issue("user123", "user");
    for (command, exit) in [("check", 4), ("call", 4)] {
        let script =
            format!("'{PORTCULLIS}' {command} '{token}' write_data 2>/dev/null | true; exit ${{PIPESTATUS[0]}}");
        let status = Command::new("bash")
            .args(["-c", &script])
            .env("PORTCULLIS_SECRET", SECRET)
            .env("HOME", "/nonexistent")
            .status();
        assert_eq!(status.expect("bash runs").code(), Some(exit), "{command}");
    }
}

#[test]
fn the_answer_is_printed_even_if_standard_error_cannot_be_written() {
    let token = issue("user123", "user");
    let script = format!("'{PORTCULLIS}' call '{token}' read_data 2>/dev/full");
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PORTCULLIS_SECRET", SECRET)
        .env("HOME", "/nonexistent")
        .output();
    let output = output.expect("bash runs");
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout).trim(), output.status.code()),
        (r#"{"success":true,"result":{}}"#, Some(0))
    );
}

#[test]
fn standard_input_is_not_read_if_an_argument_contains_tokens() {
    let (a, b) = (issue("ann", "user"), issue("bob", "user"));
    let out = portcullis(&["--json", "inspect", &format!("{a}\n{b}")]).input("EXTRA\nmore\n").out();
    let verdicts: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(verdicts.iter().map(|v| v["verdict"].as_str()).collect::<Vec<_>>(), [Some("valid"), Some("valid")]);
}

#[test]
fn a_list_of_tokens_is_recognized_whatever_its_first_line_and_size() {
    let token = issue("ann", "user");
    let verdicts = |text: String| -> Vec<String> {
        let out = portcullis(&["--json", "inspect", "-"]).input(text).run().out;
        let verdict =
            |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["verdict"].as_str().map(Into::into);
        out.lines().filter_map(verdict).collect()
    };
    assert_eq!(verdicts(format!("# c\n{token}\n{token}\n")), ["invalid", "valid", "valid"]);
    assert_eq!(verdicts(format!("{token}\n# c\n{token}\n")), ["valid", "invalid", "valid"]);
    let long = verdicts(format!("# c\n{}", format!("{token}\n").repeat(400)));
    assert_eq!((long.len(), long[0].as_str(), long[1].as_str()), (401, "invalid", "valid"));
    let json = format!("{{\n  \"access_token\": \"{token}\",\n  \"id_token\": \"{}\"\n}}", issue("bob", "user"));
    assert_eq!(verdicts(json), ["valid", "valid"], "JSON is one text in any layout");
}

#[test]
fn a_file_and_redirected_input_are_read_without_a_dash() {
    let good = issue("user123", "user");
    let folder = super::Folder::new();
    let file = folder.write("token.txt", format!("{good}\n"));
    for run in [portcullis(&["--json", "inspect", &file]), portcullis(&["--json", "inspect"]).input(good.clone())] {
        assert_eq!(verdicts(&run.run().out), ["valid"]);
    }
    assert_eq!(portcullis(&["check", &file, "read_data"]).run().exit, 0);
    // Line breaks at the dots are one token, not a list of three.
    let broken = good.replace('.', ".\n");
    assert_eq!(verdicts(&portcullis(&["--json", "inspect", "-"]).input(broken).run().out), ["valid"]);
}

/// A word that is not a token costs two bytes, and its explanation four hundred.
#[rstest]
#[case("x\n")]
#[case("a.b.c\n")]
#[case("e30.e30.\n")]
#[case("e30.eyJwZXJtaXNzaW9ucyI6WyJhIiwiYiJdfQ.\n")]
fn nasty_input_is_not_explained_at_many_times_its_length(#[case] line: &str) {
    let input = line.repeat(80_000 / line.len());
    let CommandOutput { out, err, exit } = portcullis(&["inspect", "-"]).input(input.clone()).run();
    let printed = out.len() + err.len();
    assert!(exit == 3 && printed <= 20 * input.len(), "{printed} bytes for {}", input.len());
    let left_out = out.lines().last().and_then(|line| line.strip_prefix("… ")?.split_once(' ')?.0.parse().ok());
    let shown = out.lines().filter(|line| line.starts_with("INVALID")).count();
    assert_eq!(shown + left_out.unwrap_or(0), input.lines().count(), "{out}");
}

#[test]
fn a_token_in_a_long_list_is_explained_whether_it_is_good_or_bad() {
    let good = issue("user123", "user");
    let bad = good.replace('.', ".x");
    let input = format!("{good}\n{bad}\n").repeat(100);
    let out = portcullis(&["inspect", "-"]).input(input).run().out;
    let count = |word: &str| out.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("VALID"), count("INVALID"), count("…")), (100, 100, 0), "{out}");
}
