//! Secrets as people write them down: those that nearly fit, those that are not secrets, several during a rotation, and
//! the algorithms that they verify.

use rstest::rstest;

use super::{CommandOutput, Folder, SECRET, bare};
use crate::forge::{claims, sign_with};

/// A token that an issuer with this secret made.
fn token_of(secret: impl AsRef<[u8]>) -> String {
    sign_with(r#"{"alg":"HS256","typ":"JWT"}"#, claims(""), secret.as_ref())
}

const BASE64: &str = "YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE";
const HEX: &str = "612d7365637265742d6f662d7468697274792d74776f2d62797465732d6f6b21";

#[rstest]
#[case::two_line_breaks(&format!("{SECRET}\n\n"), SECRET, "without the white space around it")]
#[case::blank(&format!("{SECRET} \n"), SECRET, "without the white space around it")]
#[case::byte_order_mark(&format!("\u{feff}{SECRET}\r\n"), SECRET, "without the white space around it")]
#[case::quotes(&format!("\"{SECRET}\"\n"), SECRET, "without the quotes around it")]
#[case::base64(&format!("{BASE64}=\n"), SECRET, "decoded from base64; write b64: before it")]
#[case::base64_without_padding(BASE64, SECRET, "decoded from base64; write b64: before it")]
#[case::base64_in_lines(&format!("{}\n{}=\n", &BASE64[..20], &BASE64[20..]), SECRET, "decoded from base64")]
#[case::base64_for_urls("-_-_", b"\xfb\xff\xbf", "decoded from base64; write b64: before it")]
#[case::hex(HEX, SECRET, "decoded from hex digits; write hex: before it")]
#[case::decoded_although_literal(&format!("b64:{BASE64}="), format!("{BASE64}="), "the text after b64: or hex: as it is")]
#[case::line_break_of_the_issuer(SECRET, format!("{SECRET}\n"), "the secret followed by a line break")]
#[case::another(SECRET, "another", "")]
fn a_failed_signature_says_how_the_secret_would_fit(
    #[case] file: &str,
    #[case] secret: impl AsRef<[u8]>,
    #[case] hint: &str,
) {
    let folder = Folder::new();
    let path = folder.write("secret", file);
    let token = token_of(secret);
    let CommandOutput { out, exit, .. } = bare(&["inspect", "--secret-file", &path, &token]).run();
    assert!(exit == 3 && out.contains("bad_signature"), "{out}");
    assert_eq!(out.contains("! the signature matches "), !hint.is_empty(), "{out}");
    assert!(out.contains(hint), "{out}");
    // The same from the commands that decide, and nowhere the secret.
    let check = bare(&["check", "--secret-file", &path, &token, "read_data"]).run();
    let call = bare(&["call", "--secret-file", &path, &token, "read_data"]).run();
    assert!((check.exit, call.exit) == (3, 3) && check.out.contains(hint) && call.err.contains(hint), "{}", call.err);
    for text in [out, check.out, call.err] {
        assert!(!text.contains(SECRET) && !text.contains(&BASE64[..20]) && !text.contains(HEX), "{text}");
    }
}

#[test]
fn a_secret_in_the_environment_that_ends_in_a_carriage_return_is_named() {
    let run = bare(&["inspect", &token_of(SECRET)]).env("PORTCULLIS_SECRET", format!("{SECRET}\r"));
    let CommandOutput { out, exit, .. } = run.run();
    assert!(exit == 3 && out.contains("without the white space around it (line break, CR, blank or BOM)"), "{out}");
    let json = bare(&["--json", "inspect", &token_of(SECRET)]).env("PORTCULLIS_SECRET", format!("{SECRET}\r")).run();
    assert!(json.out.contains(r#""code":"secret_nearly_fits""#), "{}", json.out);
}
