//! The state file: what is revoked, so that a restart does not forget it. JSON, always written whole.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ConfigError, read, replace, unreadable};
use crate::auth::revocations::{Revoked, Since};
use crate::auth::{NumericDate, Revocations, TokenId};
use crate::text;

/// What a state file is called in messages.
const WHAT: &str = "state file";

/// A state file larger than this is refused, in bytes: some 200,000 revocations.
const MAX_BYTES: usize = 32 << 20;

/// The shape written here; another number is another shape.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    revoked: Vec<Row>,
}

/// Either a token, by the SHA-256 of its text, or a `jti`. Times are RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl Row {
    fn new(what: &Revoked, since: &Since) -> Self {
        let (token, jti) = match what {
            Revoked::Token(id) => (Some(id.hex()), None),
            Revoked::Jti(jti) => (None, Some(jti.clone())),
        };
        let until = since.until.map(NumericDate::rfc3339);
        Self { token, jti, user: since.user.clone(), at: since.at.rfc3339(), until }
    }

    fn read(self) -> Result<(Revoked, Since), &'static str> {
        let time = |text: &str| NumericDate::from_rfc3339(text).ok_or("a time that is not RFC 3339");
        let what = match (self.token, self.jti) {
            (Some(token), None) => Revoked::Token(TokenId::from_hex(&token).ok_or("a token that is no SHA-256")?),
            (None, Some(jti)) => Revoked::Jti(jti),
            _ => return Err("a row must have either token or jti"),
        };
        let until = self.until.as_deref().map(time).transpose()?;
        Ok((what, Since { at: time(&self.at)?, until, user: self.user }))
    }
}

/// What a state file says is revoked. One that is not there yet says nothing is; one that cannot be understood is an error:
/// nobody may be let in because of it.
pub fn revoked(path: &Path) -> Result<Revocations, ConfigError> {
    let source = match read(WHAT, path, MAX_BYTES) {
        Err(ConfigError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(Revocations::default());
        }
        source => source?,
    };
    let broken = |why: String| ConfigError::State { path: path.to_owned(), why };
    let state: State =
        serde_json::from_slice(&source).map_err(|error| broken(text::display_safe(&error.to_string(), 200)))?;
    if state.version != VERSION {
        return Err(broken(format!("version {}; version {VERSION} is read here", state.version)));
    }
    let mut all = Revocations::default();
    for row in state.revoked {
        let (what, since) = row.read().map_err(|why| broken(why.to_owned()))?;
        all.revoke(what, since);
    }
    Ok(all)
}

/// What a state file that was touched says now. Where it is gone, what was revoked is not taken back by that.
pub fn revoked_still(path: &Path, before: &Revocations) -> Result<Revocations, ConfigError> {
    let now = revoked(path)?;
    match now.is_empty() && !before.is_empty() && !path.exists() {
        true => Err(ConfigError::State { path: path.to_owned(), why: "it is gone".to_owned() }),
        false => Ok(now),
    }
}

/// Changes what a state file says is revoked, and answers with all of it. Whoever does the same meanwhile waits; what
/// counts no more at `now` is forgotten.
pub fn change_revoked(
    path: &Path,
    now: NumericDate,
    change: impl FnOnce(&mut Revocations),
) -> Result<Revocations, ConfigError> {
    let failed = |error| unreadable(WHAT, path, error);
    // The file itself is replaced with every change, so its folder is what can be locked.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lock = File::open(folder).map_err(failed)?;
    match lock.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => return Err(failed(error)),
        _ => {}
    }
    let mut all = revoked(path)?;
    change(&mut all);
    all.forget_dead(now);
    let revoked = all.iter().map(|(what, since)| Row::new(what, since)).collect();
    let mut text = serde_json::to_string_pretty(&State { version: VERSION, revoked })
        .map_err(|error| failed(io::Error::other(error)))?;
    text.push('\n');
    replace(path, &text).map_err(failed)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::words::SECOND;
    use rstest::rstest;
    use std::fs;
    use std::path::PathBuf;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("portcullis-state-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("state.json")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn until(seconds: i64) -> Since {
        Since { at: NOW, until: Some(NOW.plus(seconds * SECOND + 7)), user: Some("user123".into()) }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_dead_are_forgotten() {
        let place = Place::new("again");
        assert_eq!(revoked(&place.file()).expect("nothing yet"), Revocations::default());
        let token = Revoked::Token(TokenId::of("a.b.c"));
        let jti = Revoked::Jti("7\u{202e}".into());
        change_revoked(&place.file(), NOW, |all| all.revoke(token.clone(), until(60))).expect("written");
        let both = change_revoked(&place.file(), NOW, |all| all.revoke(jti.clone(), until(3600))).expect("written");
        assert_eq!((revoked(&place.file()).expect("read"), both.iter().count()), (both.clone(), 2));
        let later = NOW.plus((60 + 301) * SECOND);
        let one = change_revoked(&place.file(), later, |_| {}).expect("written");
        assert_eq!(one.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>(), [jti]);
        assert_eq!(fs::read_dir(&place.0).expect("the folder").count(), 1, "nothing is left beside it");
    }

    #[rstest]
    #[case("", "EOF while parsing a value at line 1 column 0")]
    #[case("{}", "missing field `version` at line 1 column 2")]
    #[case(r#"{"version":2,"revoked":[]}"#, "version 2; version 1 is read here")]
    #[case(r#"{"version":1,"revoked":[{"at":"2026-11-22T20:40:00Z"}]}"#, "a row must have either token or jti")]
    #[case(r#"{"version":1,"revoked":[{"jti":"7","at":"soon"}]}"#, "a time that is not RFC 3339")]
    #[case(r#"{"version":1,"revoked":[{"token":"7","at":"soon"}]}"#, "a token that is no SHA-256")]
    fn a_file_that_is_not_understood_lets_nobody_in(#[case] source: &str, #[case] why: &str) {
        let place = Place::new(&format!("broken-{}", source.len()));
        fs::write(place.file(), source).expect("written");
        let said = revoked(&place.file()).expect_err("an error").to_string();
        assert!(said.ends_with(&format!("state.json: {why}")), "{said}");
        assert!(change_revoked(&place.file(), NOW, |_| {}).is_err());
        assert_eq!(fs::read_to_string(place.file()).expect("it is as it was"), source);
    }
}
